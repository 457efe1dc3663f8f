"""The adversarial patch: where it lies, and that it learns."""

import keras
import numpy as np
import pytest
from keras import ops

from course_utils import data, pretrained
from course_utils.adversarial import (
    patch_success,
    place_patch,
    random_places,
    toaster_patch,
    train_patch,
)

BLACK = np.zeros((1, 9, 12, 3), np.float32)


def placed(patch, place, images=BLACK):
    return place_patch(images, patch, [place])[0]


def test_a_patch_lies_where_it_is_put():
    patch = np.ones((5, 5, 3), np.float32)
    image = placed(patch, (7.5, 3.5, 5, 0))  # the middle of pixel 7 and row 3
    disc = ["01110", "11111", "11111", "11111", "01110"]  # corners are further than 2.5 away
    expected = np.zeros((9, 12))
    expected[1:6, 5:10] = [[int(dot) for dot in row] for row in disc]
    np.testing.assert_allclose(image, np.repeat(expected[..., np.newaxis], 3, axis=2), atol=1e-5)


def test_colours_and_sides_are_kept():
    rng = np.random.default_rng(0)
    patch, grey = rng.random((5, 5, 3), np.float32), BLACK + 0.25
    image = placed(patch, (4.5, 5.5, 5, 0), grey)
    np.testing.assert_allclose(image[4:7, 3:6], patch[1:4, 1:4], atol=1e-5)
    np.testing.assert_allclose(image[3, 2], 0.25)  # a corner of the patch is none of the disc
    np.testing.assert_allclose(image[:, 7:], 0.25)
    assert np.all(grey == 0.25)


def test_a_quarter_turn_is_counterclockwise():
    patch = np.random.default_rng(1).random((5, 5, 3), np.float32)
    turned = placed(patch, (6.5, 4.5, 5, 90))[2:7, 4:9]
    np.testing.assert_allclose(turned[1:4], np.rot90(patch)[1:4], atol=1e-4)


def test_twice_the_size_covers_four_times_the_area():
    patch = np.ones((7, 7, 3), np.float32)
    images = np.zeros((1, 41, 50, 3), np.float32)
    small, large = (placed(patch, (24, 20, size, 30), images).mean() for size in (14, 28))
    assert large / small == pytest.approx(4, rel=0.03)
    assert small * 41 * 50 == pytest.approx(np.pi * 7**2, rel=0.05)


def test_places_lie_inside_and_differ():
    places = random_places(300, (40, 60, 3), (10, 20), max_angle=15, seed=1)
    x, y, size, angle = places.T
    assert (size.min(), size.max()) == pytest.approx((10, 20), abs=0.2)
    assert np.all((x >= size / 2) & (x <= 60 - size / 2))
    assert np.all((y >= size / 2) & (y <= 40 - size / 2))
    assert (angle.min(), angle.max()) == pytest.approx((-15, 15), abs=0.5)
    assert x.min() < 10 < 50 < x.max()
    assert np.array_equal(places, random_places(300, (40, 60, 3), (10, 20), 15, seed=1))
    assert not np.array_equal(places, random_places(300, (40, 60, 3), (10, 20), 15, seed=2))
    assert random_places(2, (9, 12), (9, 9))[:, 1:].tolist() == [[4.5, 9, 0], [4.5, 9, 0]]


def redness(x):
    """Three classes, told apart by the average of each channel."""
    return 20 * ops.mean(x, axis=(1, 2))


def test_training_finds_the_colour_that_counts(capsys):
    images = np.random.default_rng(0).uniform(0, 0.6, (6, 12, 14, 3)).astype(np.float32)
    options = {"size": 7, "sizes": (6, 9), "steps": 25, "batch_size": 4}
    patch = train_patch(redness, images, 1, **options)
    disc = patch[2:5, 2:5]
    assert disc[..., 1].min() > 0.9
    assert disc[..., [0, 2]].max() < 0.1
    assert "/25 " in capsys.readouterr().err
    assert np.array_equal(patch, train_patch(redness, images, 1, **options))
    early = [
        train_patch(redness, images, 1, seed=seed, **options | {"steps": 5}) for seed in (0, 1)
    ]
    assert not np.array_equal(*early)


def test_success_is_the_share_of_images_that_change_to_the_class():
    green = np.stack([0 * BLACK[0, :7, :7, 0], np.ones((7, 7)), np.zeros((7, 7))], axis=-1)
    images = np.zeros((4, 9, 12, 3), np.float32)
    images[:, 0, :, 0] = 0.5
    images[2, ..., 0] = 1  # too red for the patch
    images[3, ..., 1] = 0.9  # green before
    places = [[6, 5, 7, 0]] * 4
    assert patch_success(redness, images, green.astype(np.float32), 1, places) == pytest.approx(
        2 / 3
    )
    with pytest.raises(ValueError, match="expected images of another class than 1, got none"):
        patch_success(redness, images[3:], green.astype(np.float32), 1, places[3:])


def test_the_keras_model_is_not_changed():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    )
    before = [weight.copy() for weight in model.get_weights()]
    train_patch(model, np.ones((2, 8, 8, 3), np.float32), 2, 4, 3, sizes=(4, 6), batch_size=2)
    for weight, kept in zip(model.get_weights(), before, strict=True):
        assert np.array_equal(weight, kept)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": BLACK[0]}, r"images must have shape \(N, height, width, 3\), got \(9, 12, 3\)"),
        ({"images": BLACK[..., :1]}, r"\(N, height, width, 3\), got \(1, 9, 12, 1\)"),
        ({"images": BLACK.astype("uint8")}, "images must be float in"),
        ({"patch": np.full((3, 3, 3), 1.5)}, "patch must have values in"),
        ({"patch": np.ones((3, 5, 3))}, r"patch must be square and fit into .*got \(3, 5\)"),
        ({"patch": np.ones((11, 11, 3))}, r"patch must be square and fit .*got \(11, 11\)"),
        ({"places": [[1, 2, 3, 4], [1, 2, 3, 4]]}, "places for 1 images with diameters > 0, got"),
        ({"places": [[1, 2, 0, 4]]}, "places for 1 images with diameters > 0, got"),
        ({"places": [[1, 2, 3]]}, r"places of shape \(N, 4\), got \(1, 3\)"),
    ],
)  # fmt: skip
def test_refuses_what_cannot_be_placed(changed, message):
    options = {"images": BLACK, "patch": np.ones((3, 3, 3)), "places": [[5, 4, 3, 0]]} | changed
    with pytest.raises(ValueError, match=message):
        place_patch(**options)


@pytest.mark.parametrize("sizes", [(0, 5), (6, 5), (5, 10)])
def test_refuses_sizes_that_do_not_fit(sizes):
    with pytest.raises(ValueError, match=r"sizes must be two numbers, rising, from 0 to 9, got \("):
        random_places(2, (9, 12), sizes)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"target": 3}, "labels must be from 0 to 2, got 3"),
        ({"target": -1}, "target must be a whole number >= 0, got -1"),
        ({"size": 0}, "size must be a whole number >= 1, got 0"),
        ({"steps": 0}, "steps must be a whole number >= 1, got 0"),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1, got 0"),
        ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
    ],
)  # fmt: skip
def test_training_refuses_what_makes_no_sense(changed, message):
    options = {
        "model": redness,
        "images": BLACK,
        "target": 1,
        "size": 3,
        "steps": 1,
        "sizes": (3, 4),
    }
    with pytest.raises(ValueError, match=message):
        train_patch(**(options | changed))


def test_the_shipped_patch_makes_toasters():
    patch = toaster_patch()
    assert patch.shape == (80, 80, 3)
    assert patch.dtype == np.float32
    assert patch.min() >= 0
    assert 0.9 < patch.max() <= 1
    photos = data.photo_set(224)[1][0][::15]
    toaster = pretrained.class_names().index("toaster")
    places = random_places(len(photos), (224, 224), (80, 100), seed=0)
    network = pretrained.efficientnet_lite0()
    assert patch_success(network, photos, patch, toaster, places) > 0.3
    assert patch_success(network, photos, np.full_like(patch, 0.5), toaster, places) == 0
