"""Scenes are what they say they are, and the same everywhere."""

import hashlib

import numpy as np
import pytest

from course_utils.data import fashion_mnist
from course_utils.detection import scenes
from course_utils.detection.boxes import iou

COUNT = 300
# Of everything, with the images as bytes: any change of a scene on any machine changes it.
SHA256 = {
    "train": "aa032025eafdee39fce02081a2c3520603d129039a063a9d69f46473546baf65",
    "test": "607228dce2b0f4ef85d919542d5413f951d051a0deb72187d20d5a46c583b119",
}


@pytest.fixture(scope="module")
def made():
    return scenes.make_scenes(COUNT, seed=7)


def fingerprint(images, truth):
    digest = hashlib.sha256(np.rint(255 * images).astype(np.uint8).tobytes())
    for scene in truth:
        digest.update(np.packbits(scene["masks"]).tobytes())
        digest.update(scene["boxes"].astype("<f4").tobytes())
        digest.update(scene["labels"].astype("<i4").tobytes())
    return digest.hexdigest()


def test_shapes_types_and_ranges(made):
    images, truth = made
    assert images.shape == (COUNT, 96, 96, 3)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 1
    assert len(truth) == COUNT
    for scene in truth:
        count = len(scene["labels"])
        assert scene["boxes"].shape == (count, 4)
        assert scene["masks"].shape == (count, 96, 96)
        types = [scene[key].dtype for key in ("boxes", "labels", "masks")]
        assert types == [np.float32, np.int32, np.bool_]


def test_one_to_five_garments_of_ten_classes(made):
    counts = np.bincount([len(scene["labels"]) for scene in made[1]], minlength=6)
    assert counts[0] == 0
    assert len(counts) == 6
    assert counts[1:].min() > 0.1 * COUNT
    labels = np.bincount(np.concatenate([scene["labels"] for scene in made[1]]))
    assert len(labels) == 10
    assert labels.min() > 0.05 * labels.sum()


def test_a_box_is_tight_around_its_mask(made):
    for scene in made[1]:
        for mask, box in zip(scene["masks"], scene["boxes"], strict=True):
            rows, columns = np.nonzero(mask)
            edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert box.tolist() == edges


def test_no_pixel_is_in_two_masks(made):
    assert max(scene["masks"].sum(axis=0).max() for scene in made[1]) == 1
    overlaps = [np.triu(iou(scene["boxes"], scene["boxes"]), 1).max() for scene in made[1]]
    assert np.mean(np.array(overlaps) > 0.1) > 0.2  # but many hide a part of another


def test_what_is_drawn_is_the_garment():
    # A scene with one garment: within the mask its colours are its brightness times one dye.
    images, truth = scenes.make_scenes(40, seed=1)
    for image, scene in zip(images, truth, strict=True):
        if len(scene["labels"]) > 1:
            continue
        inside = image[scene["masks"][0]]
        bright = inside[inside.max(axis=1) > 0.35]
        if len(bright) < 20:
            continue
        hues = bright / bright.max(axis=1, keepdims=True)
        assert np.median(np.abs(hues - np.median(hues, axis=0))) < 0.02


def test_the_background_varies(made):
    images, truth = made
    outside = np.stack([~scene["masks"].any(axis=0) for scene in truth])
    means = np.array([image[place].mean() for image, place in zip(images, outside, strict=True)])
    spreads = np.array([image[place].std() for image, place in zip(images, outside, strict=True)])
    assert means.std() > 0.15
    assert spreads.min() < 0.1 < 0.15 < spreads.max()


@pytest.mark.parametrize("split", scenes.SPLITS)
def test_the_same_on_every_machine(split):
    assert fingerprint(*scenes.make_scenes(100, seed=3, split=split)) == SHA256[split]


def test_a_longer_list_begins_like_a_shorter_one(made):
    images, truth = scenes.make_scenes(5, seed=7)
    assert fingerprint(images, truth) == fingerprint(made[0][:5], made[1][:5])


def test_another_seed_gives_other_scenes(made):
    images, _ = scenes.make_scenes(5, seed=8)
    assert np.all(np.abs(images - made[0][:5]).max(axis=(1, 2, 3)) > 0.1)


def test_each_split_draws_from_its_own_images():
    (x_train, y_train), (x_test, y_test) = fashion_mnist()
    for split, images, labels in (("train", x_train, y_train), ("test", x_test, y_test)):
        garments, its_labels = scenes._garments(split)
        np.testing.assert_array_equal(garments[:, 0], np.rint(255 * images[..., 0]))
        np.testing.assert_array_equal(its_labels, labels)


def test_enough_of_every_garment_is_visible(monkeypatch):
    # With all room taken away, garments that find no place are left out.
    monkeypatch.setattr(scenes, "SMALLEST", 90)
    monkeypatch.setattr(scenes, "LARGEST", 96)
    _, truth = scenes.make_scenes(60, seed=2)
    assert min(len(scene["labels"]) for scene in truth) == 1
    rng = np.random.default_rng(0)
    shape = np.ones((90, 90), bool)
    full = np.zeros((96, 96), bool)
    full[3:93, 3:93] = True
    assert scenes._place(rng, shape, [full], [full.sum()]) is None
    assert scenes._place(rng, np.zeros((90, 90), bool), [full], [full.sum()]) is not None


def test_resizing_by_hand():
    row = np.array([[[0, 100]]])
    # Twice as wide: the outer quarters lie beyond the centres of the two pixels.
    np.testing.assert_array_equal(scenes._resize(row, 1, 4), [[[0, 25, 75, 100]]])
    np.testing.assert_array_equal(scenes._resize(row, 2, 1), [[[50], [50]]])
    constant = np.full((3, 28, 28), 200)
    np.testing.assert_array_equal(scenes._resize(constant, 37, 21), np.full((3, 37, 21), 200))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 0}, "count must be a whole number >= 1, got 0"),
        ({"count": 2.0}, "count must be a whole number >= 1, got 2.0"),
        ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
        ({"split": "val"}, 'split must be "train" or "test", got'),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        scenes.make_scenes(**({"count": 1} | settings))
