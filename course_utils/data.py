"""Images to learn from: Fashion-MNIST, photos in five classes and a few more, all shipped."""

import contextlib
import csv
import functools
import gzip
import hashlib
import io
import os
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from course_utils._checks import whole_number

ASSETS = Path(__file__).parent / "assets"

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

PHOTO_CLASSES = ("animal", "fish", "monument", "tool", "energy")

# Where keras.datasets.fashion_mnist finds its files, too; the cache is shared with it.
FULL_FOLDER = "datasets/fashion-mnist"  # in Keras' own folder
FULL_ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
FULL_SHA256 = {
    "train-images-idx3-ubyte.gz": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    ),
    "train-labels-idx1-ubyte.gz": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
    ),
}


def fashion_mnist(full=False):
    """Loads small grey pictures of clothes in ten classes, see `FASHION_CLASSES`.

    Args:
        full: False for the 10,000 training and 2,000 test images that ship with the package (the
            first of each part); True for all 60,000 and 10,000, downloaded once (30 MB).

    Returns:
        (x_train, y_train), (x_test, y_test): images as float32 in [0, 1] of shape (N, 28, 28, 1),
        labels as int32 of shape (N,), from 0 to 9.

    Raises:
        ConnectionError: if the download fails.
        ValueError: if what was downloaded is damaged.

    Source: Xiao, Rasul and Vollgraf (2017), Fashion-MNIST.
    """
    if full:
        x_train, y_train, x_test, y_test = _download_fashion_mnist()
    else:
        with np.load(asset("fashion_mnist.npz")) as arrays:
            x_train, y_train = arrays["x_train"], arrays["y_train"]
            x_test, y_test = arrays["x_test"], arrays["y_test"]
    return (
        (_unit_range(x_train)[..., np.newaxis], y_train.astype(np.int32)),
        (_unit_range(x_test)[..., np.newaxis], y_test.astype(np.int32)),
    )


def photo(name):
    """Loads one of the photos that ship with the package.

    Args:
        name: one of `photo_names()`, or a name in `photo_table()`.

    Returns:
        float32 array in [0, 1] of shape (H, W, 3), at most 640 pixels high and wide; a grey photo
        has three equal channels.

    Raises:
        ValueError: if there is no such photo.
    """
    if name in photo_names():
        file = asset(f"photos/{name}.jpg")
    elif name in (row["name"] for row in photo_table()):
        with zipfile.ZipFile(asset("photo_set/photos.zip")) as archive:
            file = io.BytesIO(archive.read(f"{name}.jpg"))
    else:
        raise ValueError(
            f"expected one of the photos {', '.join(photo_names())}; got {name!r}. "
            "The labelled photos are in photo_table()."
        )
    with Image.open(file) as image:
        return _unit_range(np.asarray(image.convert("RGB")))


def photo_names():
    """The names of the photos without a label, sorted; `photo_table` has those with one."""
    return sorted(Path(file).stem for file in _asset_hashes() if file.startswith("photos/"))


def photo_set(size=160):
    """Loads 190 colour photos in five classes, see `PHOTO_CLASSES`.

    Each photo is cropped to its middle square and resized with antialiasing. "energy" means wind,
    water and sun: windmills, dams, solar panels. The split is by subject: what is seen in several
    photos, such as the Eiffel Tower, is seen in one of the two parts only.

    Args:
        size: height and width in pixels, >= 1; the photos themselves are 119 to 480 pixels high.

    Returns:
        (x_train, y_train), (x_test, y_test): images as float32 in [0, 1] of shape
        (N, size, size, 3), labels as int32 of shape (N,), from 0 to 4. There are 20 training photos
        of each class, and 12, 8, 44, 18 and 8 for the test, in the order of `photo_table()`: class
        by class, not shuffled.

    Raises:
        ValueError: if the size is not a whole number >= 1.

    Source: GCompris 3.1; `assets/photo_set/photos.csv` credits each photo.
    """
    rows = [row for row in photo_table() if row["class"] in PHOTO_CLASSES]
    return tuple(
        _labelled(
            "photo_set/photos.zip",
            {f"{row['name']}.jpg": row["class"] for row in rows if row["part"] == part},
            size,
        )
        for part in ("train", "test")
    )


def drawings(size=160, background=(1, 1, 1)):
    """Loads 53 drawings in three of the classes of `photo_set`: animals, fishes and tools.

    Args:
        size: height and width in pixels, >= 1; the drawings themselves have 160.
        background: colour behind them, three numbers in [0, 1].

    Returns:
        images as float32 in [0, 1] of shape (53, size, size, 3); labels as int32 of shape (53,),
        the positions in `PHOTO_CLASSES`. Class by class, not shuffled.

    Raises:
        ValueError: if the size is not a whole number >= 1, or the background no such colour.

    Source: Open Clip Art Library, release 0.18, in the public domain.
    """
    colour = np.asarray(background)
    numbers = colour.shape == (3,) and colour.dtype.kind in "iuf"
    if not numbers or not np.all((colour >= 0) & (colour <= 1)):
        raise ValueError(f"background must be three numbers in [0, 1], got {background!r}")
    with zipfile.ZipFile(asset("drawings.zip")) as archive:
        classes = {file: file.partition("/")[0] for file in archive.namelist()}
    colour = tuple(int(level) for level in np.rint(255 * colour))
    return _labelled("drawings.zip", classes, size, colour)


def photo_table():
    """What is known of each photo of `photo_set`, and of a few more for later chapters.

    Returns:
        List of dictionaries, sorted by class and name: "name" for `photo`; "class", one of
        `PHOTO_CLASSES` or "other"; "part", "train", "test" or "" for the others; "subject", what
        is seen; "author", "source", "licence", "changes" by GCompris, and "file" there.
    """
    with open(asset("photo_set/photos.csv"), encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


@functools.cache
def asset(name):
    """Finds a file that ships with the package, and checks once that it is undamaged.

    Args:
        name: path of the file within `course_utils/assets`, as listed in its `SOURCES.md`.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if the name is not listed, or the file is not the one that was listed.
    """
    hashes = _asset_hashes()
    if name not in hashes:
        raise ValueError(f"expected one of the assets {', '.join(sorted(hashes))}; got {name!r}")
    path = ASSETS / name
    expected = hashes[name]
    actual = _sha256(path) if path.is_file() else None
    if actual == expected:
        return path
    error, state = (ValueError, "damaged") if actual else (FileNotFoundError, "missing")
    raise error(
        f"The course's file {path} is {state}: expected sha256 {expected}, got {actual}. "
        "To repair it, reinstall the package: pip install --force-reinstall --no-deps course-utils "
        "from where you installed it, or `git checkout course_utils/assets` in a clone."
    )


def _labelled(name, classes, size, background=(255, 255, 255)):
    """Images and labels from an asset: `classes` has the class of each file to be taken."""
    size = whole_number("size", size)
    images = []
    with zipfile.ZipFile(asset(name)) as archive:
        for file in classes:
            with Image.open(archive.open(file)) as image:
                square = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
            if square.mode == "RGBA":
                canvas = Image.new("RGBA", square.size, background)
                square = Image.alpha_composite(canvas, square).convert("RGB")
            images.append(_unit_range(np.asarray(square)))
    labels = [PHOTO_CLASSES.index(label) for label in classes.values()]
    return np.stack(images), np.array(labels, np.int32)


@functools.cache
def _asset_hashes():
    """Name of each asset -> its sha256, from the first and last column of SOURCES.md."""
    table = (ASSETS / "SOURCES.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `(.+?)` \|.*\| `([0-9a-f]{64})` \|$", table, re.MULTILINE))


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unit_range(pixels):
    """uint8 in 0 to 255 -> float32 in [0, 1], a new array."""
    return pixels.astype(np.float32) / 255


def _download_fashion_mnist():
    """Fetches all of Fashion-MNIST: uint8 x_train, y_train, x_test, y_test, x of (N, 28, 28)."""
    for name in FULL_SHA256:
        content = gzip.decompress(_download(name).read_bytes())
        if "images" in name:
            yield np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28)
        else:
            yield np.frombuffer(content, np.uint8, offset=8)


def _download(name):
    """Fetches one file of FULL_SHA256, unless Keras' cache has it; returns its path."""
    # Where Keras may not write it does not read either, and would download once more elsewhere.
    cached = Path(os.environ.get("KERAS_HOME", "~/.keras"), FULL_FOLDER, name).expanduser()
    if cached.is_file() and _sha256(cached) == FULL_SHA256[name]:
        return cached

    import keras

    def get_file(**options):
        options.update(origin=FULL_ORIGIN + name, cache_subdir=FULL_FOLDER)
        return Path(keras.utils.get_file(name, **options))

    try:
        # Keras draws its bar on standard output, which a notebook would store.
        with contextlib.redirect_stdout(sys.stderr):
            return get_file(file_hash=FULL_SHA256[name], hash_algorithm="sha256")
    except ValueError as error:
        # Keras leaves a damaged download in place; asked without a hash, it says where.
        path = get_file()
        actual = _sha256(path)
        path.unlink()
        raise ValueError(
            f"The download of {name} was damaged and has been removed: expected sha256 "
            f"{FULL_SHA256[name]}, got {actual}. Call fashion_mnist(full=True) again."
        ) from error
    except Exception as error:  # Keras raises a plain Exception when an address does not answer
        if isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
            raise  # no disk space, no permission
        raise ConnectionError(
            f"fashion_mnist(full=True) needs a network, once, to download 30 MB, and could not: "
            f"{error}. The 12,000 images of fashion_mnist() need none."
        ) from error
