"""Landscapes, garments on them, the animals' masks, and what the recipe measured."""

import numpy as np
import pytest
from recipe_modules import imported

from course_utils import context, data, runs


@pytest.mark.parametrize("name", context.PLACES)
def test_a_place_has_the_size_asked_for(name):
    landscape = context.place(name, 37)
    assert landscape.shape == (37, 37, 3)
    assert landscape.dtype == np.float32
    assert 0 <= landscape.min() < landscape.max() <= 1
    assert context.place(name).shape == (224, 224, 3)


def test_a_place_keeps_its_pixels():
    with pytest.raises(ValueError, match="read-only"):
        context.place("sea", 12)[0, 0] = 1


@pytest.mark.parametrize("name", ["meadow", "sand", "sea", "snow"])
def test_a_small_part_is_mirrored(name):
    landscape = context.place(name, 50)
    assert np.allclose(landscape, landscape[:, ::-1], atol=0.01)


def test_the_colours_are_those_of_the_place():
    red, green, blue = np.moveaxis(context.place("meadow", 40), -1, 0)
    assert green.mean() > max(red.mean(), blue.mean()) + 0.05
    red, green, blue = context.place("sand", 40).mean(axis=(0, 1))
    assert red > green > blue
    red, _, blue = context.place("sea", 40).mean(axis=(0, 1))
    assert blue > red


def test_a_beach_is_sky_sea_and_sand():
    beach = context.place("beach", 41)
    blueness = (beach[..., 2] - beach[..., 0]).mean(axis=1)
    assert blueness[:10].min() > 0  # the sky
    assert blueness[10:20].min() > 0  # the sea
    assert blueness[20:].max() < 0  # the sand
    assert beach[:10].mean() > beach[10:20].mean()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("wood",), 'name must be "meadow", "sand", "beach", "sea" or "snow", got \'wood\''),
        (("sea", 3), "size must be a whole number >= 4, got 3"),
        (("sea", 8.0), "size must be a whole number >= 4, got 8.0"),
    ],
)
def test_a_place_that_is_none_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        context.place(*arguments)


def pieces_of(landscape, count):
    """All windows of 28 x 28, as rows."""
    windows = np.lib.stride_tricks.sliding_window_view(landscape, (28, 28), axis=(0, 1))
    return windows.reshape(count, -1)


def test_backgrounds_are_pieces_of_their_place():
    found = context.backgrounds([0, 1, 1], np.random.default_rng(5))
    assert found.shape == (3, 28, 28, 3)
    assert found.dtype == np.float32
    for piece, name in zip(found, ("meadow", "sand", "sand"), strict=True):
        windows = pieces_of(context.place(name, 112), 85 * 85)
        flat = np.moveaxis(piece, -1, 0).ravel()
        assert np.abs(windows - flat).max(axis=1).min() == 0
    assert not np.array_equal(found[1], found[2])


def test_backgrounds_follow_the_generator():
    first, again, other = (
        context.backgrounds(np.array([1, 0]), np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert context.backgrounds(np.array([], int), np.random.default_rng(0)).shape == (0, 28, 28, 3)


@pytest.mark.parametrize("places", [[0, 2], [[0, 1]], [0.0, 1.0], [True, False], "ab", []])
def test_places_that_are_none_are_refused(places):
    with pytest.raises(ValueError, match=r"expected places \(N,\) of 0 and 1, got"):
        context.backgrounds(places, np.random.default_rng(0))


@pytest.mark.parametrize(("part", "counts"), [("train", (1016, 974)), ("test", (214, 219))])
@pytest.mark.parametrize("share", [0, 0.5, 0.95, 1])
def test_that_share_of_each_class_lies_where_the_class_is_usual(part, counts, share):
    images, labels, places, masks = context.garments_on_places(part, share, seed=6)
    assert images.shape == (sum(counts), 28, 28, 3)
    assert images.dtype == np.float32
    assert masks.shape == (sum(counts), 28, 28, 1)
    assert np.bincount(labels).tolist() == list(counts)
    for label, count in enumerate(counts):
        assert np.sum(places[labels == label] == label) == round(share * count)


def test_a_garment_is_grey_and_as_it_was():
    images, labels, _, masks = context.garments_on_places("test", share=0.7, seed=2)
    _, (x, y) = data.fashion_mnist()
    chosen = np.isin(y, [2, 4])
    assert np.array_equal(labels, y[chosen] == 4)
    assert np.array_equal(masks, x[chosen] > 0.05)
    shown = np.where(masks, images, 0)
    assert np.array_equal(shown, np.where(masks, np.repeat(x[chosen], 3, axis=-1), 0))


def test_what_is_behind_a_garment_is_its_place():
    images, _, places, masks = context.garments_on_places("test", share=0.5, seed=3)
    behind = np.where(masks, np.nan, images)
    redness = np.nanmean(behind[..., 0] - behind[..., 1], axis=(1, 2))
    assert redness[places == 1].min() > 0 > redness[places == 0].max()


def test_a_seed_decides_who_lies_where():
    first, again, other = (context.garments_on_places("test", 0.9, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[2], other[2])
    assert np.array_equal(first[3], other[3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"part": "all"}, 'part must be "train" or "test", got \'all\''),
        ({"share": 95}, "share must be from 0 to 1, got 95"),
        ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
    ],
)
def test_garments_that_are_none_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        context.garments_on_places(**arguments)


# What ships --------------------------------------------------------------------------------------


def test_masks_fit_their_photos():
    masks = np.load(data.asset("animal_masks.npz"))
    assert len(masks.files) == 16
    for name in masks:
        mask = masks[name]
        assert mask.dtype == bool
        assert mask.shape == data.photo(name).shape[:2]
        assert 0.05 < mask.mean() < 0.5
    with imported("make_animal_masks") as recipe:
        assert set(recipe.NAMES) == set(masks.files)


def test_masks_lie_on_the_animals():
    masks = np.load(data.asset("animal_masks.npz"))
    brightness = {name: data.photo(name).mean(axis=-1) for name in ("sheep", "bison", "pig")}
    for name, sign in {"sheep": 1, "bison": -1}.items():
        inside, outside = masks[name], ~masks[name]
        gap = brightness[name][inside].mean() - brightness[name][outside].mean()
        assert sign * gap > 0.15
    red = data.photo("scarlet_macaw")
    redness = (red[..., 0] - red[..., 2])[masks["scarlet_macaw"]]
    assert redness.mean() > 0.2


def test_masks_hold_tails_and_leave_out_the_ground():
    """Rows and columns were read from the photos."""
    masks = np.load(data.asset("animal_masks.npz"))
    assert masks["komodo_dragon"][30, 117]
    assert masks["kangaroos"][302, 20]
    assert masks["kangaroos"][250, 180]  # a shin
    assert not masks["kangaroos"][270, 208]  # between the legs


def test_polygons_are_added_before_others_are_taken_away(monkeypatch):
    with imported("make_animal_masks") as recipe:
        square, corner = [(1, 1), (3, 1), (3, 4), (1, 4)], [(3, 3), (6, 3), (6, 4), (3, 4)]
        monkeypatch.setattr(recipe, "BY_HAND", {"cow": ([square], [corner])})
        found = np.zeros((6, 9), bool)
        found[3, 5:8] = True
        expected = np.zeros((6, 9), bool)
        expected[1:5, 1:4] = True
        expected[3:5, 3] = False
        expected[3, 7] = True
        assert np.array_equal(recipe.mended("cow", found), expected)
        assert np.array_equal(recipe.mended("pig", found), found)


def test_otsu_cuts_between_two_heaps():
    with imported("make_animal_masks") as recipe:
        values = np.concatenate([np.linspace(0, 1, 50), np.linspace(7, 9, 31)])
        assert 1 <= recipe.otsu(values) < 7


def test_a_guided_filter_finds_the_edge_of_the_photo():
    with imported("make_animal_masks") as recipe:
        photo = np.zeros((30, 41, 3))
        photo[:, 20:] = 0.8
        coarse = np.zeros((30, 41))
        coarse[:, 17:] = 1.0  # three pixels off
        fine = recipe.guided(photo, coarse)
        assert np.all(fine[:, 17] < 0.5)
        assert np.all(fine[:, 21:] > 0.5)


def test_the_runs_of_chapter_10b_are_whole():
    """Every setting was run once a seed, and tested twice."""
    found = {}
    for row in runs.load("context"):
        key = row[["experiment", "training", "share", "tested"]].tolist()
        found.setdefault(key, []).append(row["seed"])
        assert 0 <= row["accuracy"] <= 1
    assert all(seeds == list(range(5)) for seeds in found.values())
    with imported("train_context") as recipe:
        assert len(found) == 2 * (len(recipe.SHARES) + len(recipe.CURES) + len(recipe.GROUPS))


def test_weights_of_the_recipe_make_groups_count_alike():
    with imported("train_context") as recipe:
        groups = np.array([0, 0, 0, 2, 2, 3])
        weights = recipe.balanced(groups)
    assert weights.tolist() == [2 / 3, 2 / 3, 2 / 3, 1, 1, 2]
    assert weights.sum() == len(groups)


def test_a_photo_shrinks_smoothly():
    stripes = np.zeros((64, 64, 3), np.float32)
    stripes[:, ::2] = 1
    small = context._resized(stripes, 16, 9)
    assert small.shape == (9, 16, 3)
    assert np.allclose(small, 0.5, atol=0.06)  # one pixel would be 0 or 1
