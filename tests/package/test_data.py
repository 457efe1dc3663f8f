"""The shipped files are what SOURCES.md says; loading, damage, and the full download."""

import functools
import gzip
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from course_utils import data

ROOT = Path(__file__).parents[2]
SIZES = {  # height, width
    "astronaut": (512, 512),
    "bricks": (512, 512),
    "cameraman": (512, 512),
    "cat": (300, 451),
    "coffee": (400, 600),
    "flower": (427, 640),
    "galaxies": (558, 640),
    "retina": (640, 640),
    "temple": (427, 640),
}


@pytest.fixture(scope="module")
def fashion():
    return data.fashion_mnist()


@pytest.fixture
def forget_assets():
    """Lets a test move the assets: what was checked before must not count."""
    data.asset.cache_clear()
    data._asset_hashes.cache_clear()
    yield
    data.asset.cache_clear()
    data._asset_hashes.cache_clear()


@pytest.fixture
def assets(forget_assets, tmp_path, monkeypatch):
    """A folder of assets with one photo, red on the left and blue on the right, 3 x 5 pixels."""
    monkeypatch.setattr(data, "ASSETS", tmp_path)
    (tmp_path / "photos").mkdir()
    pixels = np.zeros((3, 5, 3), np.uint8)
    pixels[:, :2, 0] = pixels[:, 2:, 2] = 255
    path = tmp_path / "photos" / "flag.jpg"
    Image.fromarray(pixels).save(path, "PNG")  # without loss; the name alone says JPEG
    row = f"| `photos/flag.jpg` | a flag | here | us | CC0 | `{sha256(path)}` |\n"
    (tmp_path / "SOURCES.md").write_text("| file | what |\n|---|---|\n" + row, encoding="utf-8")
    return tmp_path


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def recipe(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "recipes" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Fashion-MNIST, as shipped


def test_shapes_types_and_ranges(fashion):
    for (x, y), count in zip(fashion, (10_000, 2_000), strict=True):
        assert x.shape == (count, 28, 28, 1)
        assert x.dtype == np.float32
        assert (x.min(), x.max()) == (0, 1)
        assert y.shape == (count,)
        assert y.dtype == np.int32
        assert set(y) == set(range(10))


def test_they_are_the_first_images_of_the_original_files(fashion):
    # The first labels, as everyone who prints them sees them; sums of the original bytes.
    (x_train, y_train), (x_test, y_test) = fashion
    assert y_train[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert y_test[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert np.rint(x_train * 255).sum(dtype=np.int64) == 572_388_787
    assert np.rint(x_test * 255).sum(dtype=np.int64) == 114_763_281


def test_the_first_image_is_a_boot_with_its_sole_down_and_its_toe_left(fashion):
    boot = fashion[0][0][0, :, :, 0]
    assert data.FASHION_CLASSES[fashion[0][1][0]] == "Ankle boot"
    assert not boot[:3].any()  # nothing above the shaft
    assert boot[22].mean() > 0.6  # the sole spans the picture
    assert boot[8, :8].mean() < 0.01 < boot[8, 14:22].mean()  # beside the shaft, on it


def test_there_are_ten_class_names():
    assert len(set(data.FASHION_CLASSES)) == 10
    assert data.FASHION_CLASSES[1] == "Trouser"
    assert data.FASHION_CLASSES[8] == "Bag"


def test_writing_into_what_was_loaded_harms_nobody():
    for load in (lambda: data.fashion_mnist()[0][1], lambda: data.photo("cat")):
        first = load()
        kept = first.copy()
        first[...] = 7
        assert np.array_equal(load(), kept)
    names = data.photo_names()
    names.clear()
    assert data.photo_names()


def test_importing_the_module_is_light():
    code = "import sys, course_utils.data; print({'keras', 'tensorflow'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# Photos


def test_photo_keeps_rows_columns_and_channels_apart(assets):
    flag = data.photo("flag")
    assert flag.shape == (3, 5, 3)
    assert flag.dtype == np.float32
    assert flag[:, :2].tolist() == [[[1, 0, 0]] * 2] * 3
    assert flag[:, 2:].tolist() == [[[0, 0, 1]] * 3] * 3


def test_photo_names_are_sorted():
    assert data.photo_names() == sorted(SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_photo_sizes(name):
    pixels = data.photo(name)
    assert pixels.shape == (*SIZES[name], 3)
    assert pixels.dtype == np.float32
    assert 0 <= pixels.min() < 0.3
    assert 0.7 < pixels.max() <= 1


@pytest.mark.parametrize("name", ["bricks", "cameraman"])
def test_grey_photos_have_three_equal_channels(name):
    pixels = data.photo(name)
    assert np.ptp(pixels, axis=-1).max() == 0


@pytest.mark.parametrize("name", ["dog", "cat.jpg", "", None, 3])
def test_an_unknown_photo_is_refused_with_the_names_there_are(name):
    with pytest.raises(ValueError, match=rf"astronaut, .*cat, .*temple; got {name!r}"):
        data.photo(name)


# Files


def test_sources_and_files_list_each_other():
    folder = ROOT / "course_utils" / "assets"
    files = {str(path.relative_to(folder).as_posix()) for path in folder.rglob("*.*")}
    assert files - {"SOURCES.md"} == data._asset_hashes().keys()


def test_every_row_of_sources_is_read_and_complete():
    text = (data.ASSETS / "SOURCES.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(data._asset_hashes())
    for row in rows:
        assert len(row) == 6
        assert all(cell.strip() for cell in row)


def test_every_asset_is_undamaged(forget_assets):
    for name in data._asset_hashes():
        assert data.asset(name) == data.ASSETS / name


def test_assets_stay_small():
    photos = [data.asset(f"photos/{name}.jpg").stat().st_size for name in SIZES]
    assert sum(photos) < 900_000
    assert data.asset("fashion_mnist.npz").stat().st_size < 5_600_000


def test_a_damaged_file_is_named_with_both_hashes_and_the_remedy(assets):
    path = assets / "photos" / "flag.jpg"
    expected = sha256(path)
    path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is damaged") as caught:
        data.photo("flag")
    for part in (str(path), expected, sha256(path), "reinstall the package"):
        assert part in str(caught.value)


def test_a_missing_file_is_named_with_its_hash_and_the_remedy(assets):
    path = assets / "photos" / "flag.jpg"
    expected = sha256(path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="is missing") as caught:
        data.asset("photos/flag.jpg")
    for part in (str(path), expected, "got None", "reinstall the package"):
        assert part in str(caught.value)


def test_a_repaired_file_is_accepted_in_the_same_process(assets):
    path = assets / "photos" / "flag.jpg"
    content = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="is damaged"):
        data.asset("photos/flag.jpg")
    path.write_bytes(content)
    assert data.asset("photos/flag.jpg") == path


def test_a_file_is_hashed_once_a_process(assets, monkeypatch):
    hashed = []
    original = data._sha256
    monkeypatch.setattr(data, "_sha256", lambda path: hashed.append(path) or original(path))
    data.photo("flag")
    data.photo("flag")
    assert hashed == [assets / "photos" / "flag.jpg"]


@pytest.mark.parametrize("name", ["nothing.npz", "SOURCES.md", "../data.py"])
def test_only_listed_files_are_assets(name):
    with pytest.raises(ValueError, match=r"one of the assets .+, photos/") as error:
        data.asset(name)
    assert f"{', '.join(sorted(data._asset_hashes()))}; got {name!r}" in str(error.value)


# All 70,000: the real Keras download, from an origin and into a cache of our own


def idx(array):
    """The bytes of a gzipped IDX file: type 8 is unsigned bytes."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


@pytest.fixture
def origin(tmp_path, monkeypatch):
    """A folder that plays the server; holds 3 training and 2 test images."""
    folder = tmp_path / "origin"
    folder.mkdir()
    x_train = np.zeros((3, 28, 28))
    x_train[2, 4, 17] = 255
    x_test = np.full((2, 28, 28), 51)
    arrays = (x_train, np.array([9, 0, 5]), x_test, np.array([2, 7]))
    hashes = {}
    for name, array in zip(data.FULL_SHA256, arrays, strict=True):
        (folder / name).write_bytes(idx(array))
        hashes[name] = sha256(folder / name)
    monkeypatch.setattr(data, "FULL_ORIGIN", folder.as_uri() + "/")
    monkeypatch.setattr(data, "FULL_SHA256", hashes)
    get_file = functools.partial(keras.utils.get_file, cache_dir=tmp_path)
    monkeypatch.setattr(keras.utils, "get_file", get_file)
    return folder


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "datasets" / "fashion-mnist"


def test_full_download(origin, cache, capsys):
    (x_train, y_train), (x_test, y_test) = data.fashion_mnist(full=True)
    assert x_train.shape == (3, 28, 28, 1)
    assert np.argwhere(x_train).tolist() == [[2, 4, 17, 0]]
    assert x_train.max() == 1
    assert y_train.tolist() == [9, 0, 5]
    assert x_test.shape == (2, 28, 28, 1)
    assert np.allclose(x_test, 0.2)
    assert y_test.tolist() == [2, 7]
    assert {x_train.dtype, x_test.dtype} == {np.dtype(np.float32)}
    assert {y_train.dtype, y_test.dtype} == {np.dtype(np.int32)}
    assert {path.name for path in cache.iterdir()} == data.FULL_SHA256.keys()
    shown = capsys.readouterr()
    assert shown.out == ""  # a notebook stores what goes there
    assert shown.err.count("Downloading data") == 4


def test_a_second_call_downloads_nothing(origin, capsys):
    first = data.fashion_mnist(full=True)
    for path in origin.iterdir():
        path.unlink()
    capsys.readouterr()
    second = data.fashion_mnist(full=True)
    assert np.array_equal(first[0][0], second[0][0])
    assert capsys.readouterr() == ("", "")


@pytest.fixture(params=[("KERAS_HOME", "."), ("HOME", ".keras")], ids=["named", "usual"])
def read_only_cache(origin, tmp_path, monkeypatch, request):
    """A complete cache that Keras cannot use; asking Keras fails. Its folder of files."""
    variable, folder = request.param
    files = tmp_path / "home" / folder / "datasets" / "fashion-mnist"
    shutil.copytree(origin, files)
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "home"))

    def get_file(name, **options):
        raise ConnectionError(f"{name} asked for")

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    return files


def test_a_complete_cache_needs_no_network_and_is_only_read(read_only_cache):
    before = {path: path.stat().st_mtime_ns for path in read_only_cache.rglob("*")}
    assert data.fashion_mnist(full=True)[0][1].tolist() == [9, 0, 5]
    assert {path: path.stat().st_mtime_ns for path in read_only_cache.rglob("*")} == before


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"damaged")])
def test_a_cache_that_is_not_complete_needs_a_network(read_only_cache, damage):
    damage(read_only_cache / "t10k-labels-idx1-ubyte.gz")
    with pytest.raises(ConnectionError, match=r"t10k-labels-idx1-ubyte\.gz asked for"):
        data.fashion_mnist(full=True)


def test_a_damaged_download_is_removed_and_the_next_call_works(origin, cache):
    name = "t10k-labels-idx1-ubyte.gz"
    content = (origin / name).read_bytes()
    (origin / name).write_bytes(content[:-1])
    with pytest.raises(ValueError, match="damaged and has been removed") as caught:
        data.fashion_mnist(full=True)
    for part in (name, data.FULL_SHA256[name], sha256(origin / name)):
        assert part in str(caught.value)
    assert not (cache / name).exists()
    (origin / name).write_bytes(content)
    assert data.fashion_mnist(full=True)[1][1].tolist() == [2, 7]


def test_a_damaged_file_in_the_cache_is_downloaded_again(origin, cache):
    data.fashion_mnist(full=True)
    (cache / "train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    assert data.fashion_mnist(full=True)[0][1].tolist() == [9, 0, 5]


def test_offline_says_what_is_needed_and_what_works_without(origin, cache, monkeypatch):
    monkeypatch.setattr(data, "FULL_ORIGIN", "http://127.0.0.1:9/")
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConnectionError, match="needs a network, once, to download 30 MB") as caught:
        data.fashion_mnist(full=True)
    assert "fashion_mnist() need none" in str(caught.value)
    assert not list(cache.iterdir())


def test_a_file_gone_from_the_server_is_a_failed_connection(origin):
    (origin / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(ConnectionError, match="No such file"):
        data.fashion_mnist(full=True)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ConnectionResetError("reset by peer"), ConnectionError),
        (TimeoutError("timed out"), ConnectionError),
        (OSError("No space left on device"), OSError),
    ],
)
def test_a_full_disk_is_not_mistaken_for_a_lost_connection(monkeypatch, raised, expected):
    def get_file(*args, **options):
        raise raised

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    with pytest.raises(OSError, match=str(raised)) as caught:
        data.fashion_mnist(full=True)
    assert type(caught.value) is expected


# Recipes


def test_recipe_reads_idx_files_and_writes_the_same_bytes_at_any_time(tmp_path, monkeypatch):
    make = recipe("make_fashion_mnist")
    pixels = np.arange(30).reshape(2, 3, 5)
    (tmp_path / "file.gz").write_bytes(idx(pixels))
    array = make.read_idx(tmp_path / "file.gz")
    assert array.dtype == np.uint8
    assert np.array_equal(array, pixels)

    make.write_npz(tmp_path / "one.npz", {"x": array, "y": array[0]})
    monkeypatch.setattr("time.time", lambda: 2_000_000_000)
    make.write_npz(tmp_path / "two.npz", {"x": array, "y": array[0]})
    assert sha256(tmp_path / "one.npz") == sha256(tmp_path / "two.npz")
    with np.load(tmp_path / "one.npz") as arrays:
        assert list(arrays) == ["x", "y"]
        assert np.array_equal(arrays["x"], pixels)


@pytest.mark.parametrize(
    ("array", "method"),
    [
        (np.zeros((3, 5), np.uint8), zipfile.ZIP_DEFLATED),
        (np.random.default_rng(0).normal(0, 4, 50_000).astype(np.int8), zipfile.ZIP_DEFLATED),
        (np.random.default_rng(0).normal(0, 4, 50_000).astype(np.float16), zipfile.ZIP_LZMA),
        (np.random.default_rng(0).normal(0, 4, 50_000).astype(np.float32), zipfile.ZIP_LZMA),
    ],
)
def test_recipe_packs_an_array_in_the_way_that_takes_least(tmp_path, array, method):
    np.savez_compressed(tmp_path / "usual.npz", a=array)
    recipe("make_fashion_mnist").write_npz(tmp_path / "packed.npz", {"a": array})
    with zipfile.ZipFile(tmp_path / "packed.npz") as archive:
        (entry,) = archive.infolist()
        assert archive.testzip() is None
    with zipfile.ZipFile(tmp_path / "usual.npz") as archive:
        (usual,) = archive.infolist()
    assert entry.compress_type == method
    assert entry.compress_size <= (0.97 if array.size > 15 else 1) * usual.compress_size
    with np.load(tmp_path / "packed.npz") as arrays:
        assert arrays["a"].dtype == array.dtype
        np.testing.assert_array_equal(arrays["a"], array)


def test_recipe_keeps_the_first_images_of_each_part(tmp_path, monkeypatch, capsys):
    make = recipe("make_fashion_mnist")
    x, y = np.arange(70).reshape(7, 5, 2), np.arange(7)
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(x))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(y))
    target = tmp_path / "fashion_mnist.npz"
    monkeypatch.setattr(make, "TARGET", target)
    monkeypatch.setattr(make, "PARTS", {"train": 3, "t10k": 2})
    monkeypatch.setattr(sys, "argv", ["make_fashion_mnist.py", str(tmp_path)])
    make.main()
    with np.load(target) as arrays:
        assert np.array_equal(arrays["x_train"], x[:3])
        assert arrays["y_train"].tolist() == [0, 1, 2]
        assert np.array_equal(arrays["x_test"], x[:2])
        assert arrays["y_test"].tolist() == [0, 1]
    assert sha256(target) in capsys.readouterr().out


def test_recipe_shrinks_photos_and_keeps_their_shape(tmp_path):
    make = recipe("make_photos")
    picture = tmp_path / "picture.png"
    Image.new("L", (1280, 600), 99).save(picture)
    with zipfile.ZipFile(tmp_path / "some_wheel-1-py3.whl", "w") as wheel:
        wheel.write(picture, "folder/picture.png")
    image = make.read_photo(tmp_path, "some_wheel-1-*.whl", "folder/picture.png")
    assert image.size == (640, 300)
    assert image.getpixel((0, 0)) == 99
    with pytest.raises(FileNotFoundError, match="no other-"):
        make.read_photo(tmp_path, "other-*.whl", "folder/picture.png")


def test_recipe_makes_every_shipped_photo():
    assert sorted(recipe("make_photos").PHOTOS) == data.photo_names()
