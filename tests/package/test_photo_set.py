"""The labelled photos: what is in them, the split by subject, and the recipe that makes them."""

import importlib.util
import io
import struct
import sys
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from course_utils import data

FREE = {"public domain", "CC0 1.0", "CC BY 2.0", "CC BY 3.0"}


@pytest.fixture(scope="module")
def table():
    return data.photo_table()


@pytest.fixture(scope="module")
def make():
    path = Path(__file__).parents[2] / "recipes" / "make_photo_set.py"
    spec = importlib.util.spec_from_file_location("make_photo_set", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def three_photos(tmp_path, monkeypatch):
    """Three photos of 3 x 5 or 5 x 3 pixels, each with a stripe along its short sides."""
    monkeypatch.setattr(data, "asset", lambda name: tmp_path / Path(name).name)
    rows = ["name,class,part", "cod,fish,test", "cow,animal,train", "cup,other,"]
    (tmp_path / "photos.csv").write_text("\n".join(rows), encoding="utf-8")
    cow = np.full((3, 5, 3), (0, 0, 255), np.uint8)  # blue, red at the left and right end
    cow[:, [0, -1]] = (255, 0, 0)
    cod = np.full((5, 3, 3), (0, 255, 0), np.uint8)  # green, white at the top and bottom
    cod[[0, -1]] = 255
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name, pixels in (("cow", cow), ("cod", cod), ("cup", cow)):
            image = io.BytesIO()
            Image.fromarray(pixels).save(image, "PNG")  # without loss; the name alone says JPEG
            archive.writestr(f"{name}.jpg", image.getvalue())


# Loading


def test_photos_are_cropped_to_the_middle_square_and_labelled(three_photos):
    (x_train, y_train), (x_test, y_test) = data.photo_set(size=3)
    assert y_train.tolist() == [data.PHOTO_CLASSES.index("animal")]
    assert y_test.tolist() == [data.PHOTO_CLASSES.index("fish")]
    assert x_train.tolist() == [[[[0, 0, 1]] * 3] * 3]
    assert x_test.tolist() == [[[[0, 1, 0]] * 3] * 3]


def test_photos_are_antialiased(three_photos, monkeypatch):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    monkeypatch.setattr(data.Image, "open", lambda file: Image.fromarray(stripes))
    (x, _), _ = data.photo_set(size=np.int64(8))
    assert np.allclose(x, 0.5, atol=0.03)  # one pixel of eight would be 0 or 1


def test_size_shape_and_type():
    (x_train, y_train), (x_test, y_test) = data.photo_set(size=37)
    assert x_train.shape == (100, 37, 37, 3)
    assert x_test.shape == (90, 37, 37, 3)
    for x, y in ((x_train, y_train), (x_test, y_test)):
        assert x.dtype == np.float32
        assert y.dtype == np.int32
        assert 0 <= x.min() < 0.01
        assert 0.99 < x.max() <= 1
    assert np.bincount(y_train).tolist() == [20] * 5
    assert np.bincount(y_test).tolist() == [12, 8, 44, 18, 8]


def test_images_follow_the_order_of_the_table(table):
    _, (x_test, y_test) = data.photo_set(size=21)
    names = [row["name"] for row in table if row["part"] == "test"]
    position = names.index("gibbon")
    pixels = Image.fromarray(np.uint8(np.round(255 * data.photo("gibbon")[:, 105:375])))
    expected = np.asarray(pixels.resize((21, 21), Image.Resampling.LANCZOS)) / 255
    assert np.abs(x_test[position] - expected).max() < 0.05  # no other photo is below 0.4
    assert data.PHOTO_CLASSES[y_test[position]] == "animal"


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "160", None])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(ValueError, match=rf"size must be a whole number >= 1, got {size!r}"):
        data.photo_set(size)


def test_single_photos_are_known_by_name():
    assert data.photo("gibbon").shape == (270, 480, 3)
    assert data.photo("plier_3").shape == (119, 320, 3)
    assert data.photo("gibbon").dtype == np.float32


# What the table promises


def test_every_photo_has_credits_and_a_free_licence(table):
    for row in table:
        assert row["licence"] in FREE
        assert row["author"]
        assert row["source"].startswith("https://")


def test_names_are_unique_and_match_the_archive(table):
    names = [row["name"] for row in table]
    assert len({*names, *data.photo_names()}) == len(names) + len(data.photo_names()) == 203 + 9
    with zipfile.ZipFile(data.asset("photo_set/photos.zip")) as archive:
        assert archive.namelist() == [f"{name}.jpg" for name in names]


def test_no_subject_and_no_source_is_in_both_parts(table):
    for column in ("subject", "source"):
        train, test = (
            {r[column] for r in table if r["part"] == part} for part in ("train", "test")
        )
        assert not train & test
    assert max(Counter(row["source"] for row in table).values()) == 1
    tower = [row["subject"] for row in table if row["name"].startswith("eiffel_tower")]
    assert tower == ["eiffel_tower"] * 2


def test_no_photo_is_there_twice():
    (x_train, _), (x_test, _) = data.photo_set(size=16)
    pixels = np.concatenate([x_train, x_test]).reshape(190, -1)
    pixels -= pixels.mean(axis=1, keepdims=True)
    pixels /= np.linalg.norm(pixels, axis=1, keepdims=True)
    assert (pixels @ pixels.T - np.eye(190)).max() < 0.95


def test_licences_that_ask_for_credit_stand_in_sources(table):
    text = (data.ASSETS / "SOURCES.md").read_text(encoding="utf-8")
    asking = [row for row in table if row["licence"].startswith("CC BY")]
    assert len(asking) == 6
    for row in asking:
        url = f"https://creativecommons.org/licenses/by/{row['licence'].split()[-1]}/"
        line = f"| [{row['name']}]({row['source']}) | {row['author']} | [{row['licence']}]({url}) |"
        assert line in text


# The recipe


def resource(files, version=3, flags=1):
    """A Qt resource with one folder, "box": the files' bytes, compressed if flags say so."""
    names = struct.pack(">HI", 3, 0) + "box".encode("utf-16-be")
    nodes = [(0, 2, 1, 1), (0, 2, len(files), 2)]  # the root, and the folder as its one child
    contents = b""
    for name, content in files.items():
        if flags & 1:
            content = struct.pack(">I", len(content)) + zlib.compress(content)
        nodes.append((len(names), flags, 0, len(contents)))
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
        contents += struct.pack(">I", len(content)) + content
    date = bytes(0 if version == 1 else 8)
    tree = b"".join(struct.pack(">IHII", *node) + date for node in nodes)
    header = struct.pack(">4s4I", b"qres", version, 20, 20 + len(tree), 20 + len(tree + contents))
    return header + tree + contents + names


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("flags", [0, 1])
def test_resources_of_qt_are_read(make, version, flags):
    files = {"ä.webp": b"seven b", "README": b"", "z": bytes(300)}
    unpacked = make.read_resources(resource(files, version, flags))
    assert unpacked == {f"box/{name}": content for name, content in files.items()}


def test_other_formats_are_refused(make):
    with pytest.raises(ValueError, match=r"got b'PK.*' and"):
        make.read_resources(b"PK\3\4" + bytes(16))
    with pytest.raises(ValueError, match="version 1 to 3, got b'qres' and 4"):
        make.read_resources(resource({}, version=4))
    with pytest.raises(ValueError, match="Zstandard in box/a"):
        make.read_resources(resource({"a": b"x"}, flags=4))


README = """Copyright: Ann
Source: https://example.org/a
License: CC-BY 3.0
Comments: cropping
Files: a.webp

Copyright: Bob
License: CC-BY-SA-4.0
Files:
b.webp
folder/screDriver.webp
"""


def test_credits_are_read_block_by_block(make):
    ann = {"author": "Ann", "source": "https://example.org/a", "licence": "CC BY 3.0"}
    bob = {"author": "Bob", "source": None, "licence": None, "changes": ""}
    assert make.read_credits(README) == {
        "a.webp": ann | {"changes": "cropping"},
        "b.webp": bob,
        "folder/screwDriver.webp": bob,
    }


def test_names_become_words(make):
    names = {"pontduGard": "pont_du_gard", "statueOfLiberty": "statue_of_liberty"}
    names |= {
        "palaisdesPapes": "palais_des_papes",
        "hammer1": "hammer_1",
        "IndiaGate": "india_gate",
    }
    assert {name: make.snake_case(name) for name in names} == names


def test_subjects_stay_together_in_the_split(make):
    rows = [{"class": "fish", "subject": f"s{number // 3}"} for number in range(63)]
    rows += [{"class": "other", "subject": "cup"}]
    make.split(rows)
    parts = {}
    for row in rows:
        parts.setdefault(row["subject"], set()).add(row["part"])
    assert parts.pop("cup") == {""}
    assert all(len(part) == 1 for part in parts.values())
    counts = Counter(row["part"] for row in rows)
    assert counts == {"train": 18, "test": 45, "": 1}  # a seventh subject would make it 21


def test_photos_are_shrunk_and_never_enlarged(make):
    def side_lengths(size, label):
        webp = io.BytesIO()
        Image.new("RGBA", size, (9, 9, 9, 0)).save(webp, "WEBP", lossless=True)
        with Image.open(io.BytesIO(make.shrink(webp.getvalue(), label))) as image:
            assert min(image.getpixel((0, 0))) > 250  # transparent becomes white
            return image.size

    assert side_lengths((1000, 600), "monument") == (400, 240)
    assert side_lengths((600, 1000), "animal") == (288, 480)
    assert side_lengths((320, 119), "tool") == (320, 119)


def test_the_recipe_runs_from_package_to_files(make, tmp_path, monkeypatch, capsys):
    webp = io.BytesIO()
    Image.new("RGB", (33, 21), "red").save(webp, "WEBP")
    folder = tmp_path / make.ARCHIVES
    folder.mkdir(parents=True)
    (folder / "box.rcc").write_bytes(
        resource({"a.webp": webp.getvalue(), "README": README.encode()})
    )
    monkeypatch.setattr(make, "CLASSES", {"box": "fish"})
    monkeypatch.setattr(make, "TARGET", tmp_path / "photo_set")
    monkeypatch.setattr(sys, "argv", ["make_photo_set.py", str(tmp_path)])
    make.main()
    first = (tmp_path / "photo_set" / "photos.zip").read_bytes()
    text = (tmp_path / "photo_set" / "photos.csv").read_text(encoding="utf-8")
    assert text.splitlines()[1] == (
        "a,fish,train,a,Ann,https://example.org/a,CC BY 3.0,cropping,box/a.webp"
    )
    make.main()
    assert (tmp_path / "photo_set" / "photos.zip").read_bytes() == first
    assert "photos.zip" in capsys.readouterr().out
    monkeypatch.setattr(make, "CLASSES", {"box": "other"})
    make.main()
    assert (tmp_path / "photo_set" / "photos.csv").read_text(encoding="utf-8").count("\n") == 1


def test_a_photo_without_credits_stops_the_recipe(make, monkeypatch):
    monkeypatch.setattr(make, "CLASSES", {"box": "fish"})
    files = {"box/README": README.encode(), "box/c.webp": b"", "box/picture.svg": b""}
    with pytest.raises(ValueError, match=r"credits of c\.webp in box/README, got none"):
        make.choose(files)


def test_the_shipped_table_has_what_the_recipe_names(make, table):
    names = {row["name"] for row in table}
    assert {*make.NAMES.values()} <= names
    assert {name for group in make.SUBJECTS.values() for name in group} <= names
    for key in make.DROPPED:
        assert not any(f"/{row['file']}".endswith(f"/{key}.webp") for row in table)


# Drawings -----------------------------------------------------------------------------------------


def test_drawings_lie_on_white_class_by_class():
    images, labels = data.drawings(size=40)
    assert images.shape == (53, 40, 40, 3)
    assert images.dtype == np.float32
    assert labels.dtype == np.int32
    classes, counts = np.unique(labels, return_counts=True)
    assert [data.PHOTO_CLASSES[label] for label in classes] == ["animal", "fish", "tool"]
    assert list(counts) == [22, 9, 22]
    assert np.all(np.diff(labels) >= 0)
    np.testing.assert_array_equal(images[:, [0, 0, -1, -1], [0, -1, 0, -1]], 1)


def test_drawings_differ_from_their_background():
    white, _ = data.drawings()
    green, _ = data.drawings(background=(0, 0.6, 0.2))
    assert white.shape == green.shape == (53, 160, 160, 3)
    np.testing.assert_allclose(green[:, 0, 0], np.tile([0, 0.6, 0.2], (53, 1)), atol=1e-6)
    drawn = np.any(np.abs(green - [0, 0.6, 0.2]) > 0.1, axis=-1).mean(axis=(1, 2))
    assert np.all((drawn > 0.03) & (drawn < 0.95))


@pytest.mark.parametrize(
    "background", [(1, 1), "white", (0, 0, 1.01), (-0.1, 0, 0), 0.5, (np.nan, 0, 0)]
)
def test_drawings_refuse_what_is_no_colour(background):
    with pytest.raises(ValueError, match=r"three numbers in \[0, 1\], got"):
        data.drawings(size=8, background=background)


@pytest.mark.parametrize("size", [0, 1.5, "96", True])
def test_drawings_refuse_a_size_that_is_no_whole_number(size):
    with pytest.raises(ValueError, match="size must be a whole number >= 1"):
        data.drawings(size)
