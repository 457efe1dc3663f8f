"""The augmentation lab: its pixels against Keras, its stored answers against the network."""

import base64
import importlib
import json
import re
import sys

import numpy as np
import pytest
from build_book import ROOT
from keras import layers
from labs_helpers import press_until, spoken

from course_utils import labs, pretrained

pytest_plugins = "lab_fixtures"
LAB = "augment"  # what `lab` is

# One value on each side of the one at rest, on no round number of pixels or degrees.
CASES = {
    "crop": (-56, 104),
    "mirror": (1, 2, 3),
    "hue": (-130, 40),
    "saturation": (0, 35, 85, 100),
    "scaling": (-45, 70),
    "rotation": (-155, 20),
    "contrast": (30, 165),
    "brightness": (-35, 20),
}


@pytest.fixture(scope="module")
def recipe():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "recipes"), *sys.path])  # it imports its neighbour
        yield importlib.import_module("make_augment_answers")
        for name in ("make_augment_answers", "make_lab_photos"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def network():
    return pretrained.efficientnet_lite0()


def written(constant):
    """What the recipe wrote into the page."""
    line = re.search(rf"(?m)^const {constant} = (.*);$", labs.page("augment")).group(1)
    return json.loads(line)


def jpeg(name):
    return base64.urlsafe_b64decode(written("PHOTOS")[name][1])


CHANGE = """([height, width, pixels, setting]) => {
  const image = {height, width, pixels: Float64Array.from(pixels)};
  return [...lab.changed(image, {...lab.setting(), ...setting}).pixels];
}"""


def change(frame, image, **setting):
    """An image (H, W, 3) after the lab's own changes."""
    pixels = frame.evaluate(CHANGE, [*image.shape[:2], image.ravel().tolist(), setting])
    return np.array(pixels).reshape(image.shape)


def grey(rows):
    return np.repeat(np.array(rows, float)[..., np.newaxis], 3, axis=2)


def shown(frame):
    """The pixels (H, W, 3) on the lab's canvas, from 0 to 1."""
    script = """() => {
      const canvas = document.querySelector("#shown"), {width, height} = canvas;
      const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
      return JSON.stringify([...data]);
    }"""
    return np.array(json.loads(frame.evaluate(script))).reshape(224, 224, 4)[..., :3] / 255


def answers(frame):
    """What the lab shows of the network's answer: {class: text}."""
    rows = [row.inner_text().split("\n") for row in frame.locator("#answers li").all()]
    return dict(rows)


def slide(frame, value):
    """Moves the slider as a pointer does."""
    frame.locator("#slider").fill(str(value))


def pick(frame, name):
    frame.locator("#change").get_by_label(name).check(force=True)


def say(frame, text):
    frame.locator("#verdicts").get_by_role("button", name=text).click()


# ---- Arithmetic ----


def test_mirror_and_quarter_turns_by_hand(lab):
    _, frame = lab
    image = grey([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    flip = [[0.3, 0.2, 0.1], [0.6, 0.5, 0.4]]
    np.testing.assert_allclose(change(frame, image, mirror=1)[..., 0], flip)
    np.testing.assert_allclose(change(frame, image, mirror=2)[..., 0], image[::-1, :, 0])
    np.testing.assert_allclose(change(frame, image, mirror=3)[..., 0], flip[::-1])
    # Counterclockwise: what was on the right is on top.
    square = grey([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]])
    turned = [[0.3, 0.6, 0.9], [0.2, 0.5, 0.8], [0.1, 0.4, 0.7]]
    np.testing.assert_allclose(change(frame, square, rotation=90)[..., 0], turned, atol=1e-12)


def test_scaling_and_crop_by_hand(lab):
    _, frame = lab
    row = grey([[0.1, 0.2, 0.4, 0.8]])
    # Twice as far away: read at -1.5, 0.5, 2.5, 4.5; mirrored at the edges, so that -1.5 is 0.5.
    np.testing.assert_allclose(
        change(frame, row, scaling=100)[0, :, 0], [0.15, 0.15, 0.6, 0.6], atol=1e-12
    )
    # The window is the last three of the four, read at -.125, .625, 1.375, 2.125.
    image = grey([[0.1, 0.2, 0.4, 0.8]] * 4)
    expected = [0.2, 0.2 + 0.625 * 0.2, 0.4 + 0.375 * 0.4, 0.8]
    np.testing.assert_allclose(change(frame, image, crop=1)[2, :, 0], expected, atol=1e-12)
    first = [0.1, 0.1 + 0.625 * 0.1, 0.2 + 0.375 * 0.2, 0.4]
    np.testing.assert_allclose(change(frame, image, crop=-1)[0, :, 0], first, atol=1e-12)


def test_colours_by_hand(lab):
    _, frame = lab
    image = np.array([[[0.8, 0, 0], [0.6, 0.3, 0.3]]])
    # A third of the circle: red becomes green. Half the saturation of .6, .3, .3 is .25.
    np.testing.assert_allclose(
        change(frame, image, hue=120), [[[0, 0.8, 0], [0.3, 0.6, 0.3]]], atol=1e-12
    )
    np.testing.assert_allclose(
        change(frame, image, saturation=0), [[[0.8] * 3, [0.6] * 3]], atol=1e-12
    )
    np.testing.assert_allclose(  # a factor of 1/3 is s / 2
        change(frame, image, saturation=100 / 3)[0, 1], [0.6, 0.45, 0.45], atol=1e-6
    )
    np.testing.assert_allclose(
        change(frame, image, brightness=30), [[[1, 0.3, 0.3], [0.9, 0.6, 0.6]]], atol=1e-12
    )
    # Means .7, .15, .15; twice the distance from them.
    np.testing.assert_allclose(
        change(frame, image, contrast=200), [[[0.9, 0, 0], [0.5, 0.45, 0.45]]], atol=1e-12
    )


@pytest.mark.parametrize("name", CASES)
def test_pixels_equal_those_of_the_keras_layer(lab, recipe, name):
    _, frame = lab
    random = np.random.default_rng(7)
    for height, width in ((13, 11), (57, 64)):
        image = random.random((height, width, 3)).astype(np.float32)
        for value in CASES[name]:
            value = round(value * height / 224) if name == "crop" else value
            expected = recipe.change(image[np.newaxis], name, value)[0]
            np.testing.assert_allclose(
                change(frame, image, **{name: value}), expected, rtol=0, atol=2e-4
            )


def test_several_changes_equal_keras_in_the_same_order(lab, recipe):
    _, frame = lab
    image = np.random.default_rng(8).random((21, 17, 3)).astype(np.float32)
    for setting in recipe.PRESETS.values():
        expected = recipe.changed(image[np.newaxis], setting)[0]
        np.testing.assert_allclose(change(frame, image, **setting), expected, rtol=0, atol=5e-4)


def test_the_photos_have_the_pixels_that_python_reads(lab, recipe):
    _, frame = lab
    assert frame.evaluate("Object.keys(lab.images)") == list(recipe.PHOTOS)
    for name in recipe.PHOTOS:
        pixels = json.loads(frame.evaluate(f"JSON.stringify([...lab.images.{name}.pixels])"))
        difference = np.array(pixels).reshape(224, 224, 3) - recipe.images(jpeg(name))[0]
        assert np.abs(difference).max() <= 2 / 255  # decoders may round in other ways


# ---- What is stored ----


def test_the_page_holds_what_the_recipe_makes(recipe):
    assert written("GRID") == {name: list(row) for name, row in recipe.GRID.items()}
    assert written("PRESETS") == recipe.PRESETS
    assert list(written("PHOTOS")) == list(recipe.PHOTOS)
    for name, by_change in written("ANSWERS").items():
        photo, anew = recipe.images(jpeg(name)), recipe.images(recipe.square(name))
        np.testing.assert_allclose(photo, anew, rtol=0, atol=3 / 255)
        assert {one: len(rows) for one, rows in by_change.items()} == {
            **{one: len(recipe.steps(one)) for one in recipe.GRID},
            "presets": len(recipe.PRESETS),
        }


def stored(name, change, index):
    """(probability of the right class, {class: probability} of three)."""
    right, *best = written("ANSWERS")[name][change][index]
    classes = written("CLASSES")
    return right / 1000, {classes[best[i]]: best[i + 1] / 1000 for i in (0, 2, 4)}


def assert_says(probabilities, right, expected, best):
    names = pretrained.class_names()
    assert probabilities[names.index(right)] == pytest.approx(expected, abs=0.02)
    for name, share in best.items():
        assert probabilities[names.index(name)] == pytest.approx(share, abs=0.02)
    assert np.sort(probabilities)[-3] <= min(best.values()) + 0.02


def test_stored_answers_are_those_of_the_network(recipe, network):
    settings = [(name, value) for name, values in CASES.items() for value in values]
    for photo, (right, _) in recipe.PHOTOS.items():
        mine = settings[len(right) % 3 :: 3]  # each photo other ones
        found = recipe.probabilities(
            network, recipe.images(jpeg(photo)), [{name: value} for name, value in mine]
        )
        for (name, value), row in zip(mine, found, strict=True):
            assert_says(row, right, *stored(photo, name, recipe.steps(name).index(value)))


def test_stored_answers_to_several_changes_are_those_of_the_network(recipe, network):
    for photo, (right, _) in recipe.PHOTOS.items():
        settings = list(recipe.PRESETS.values())
        found = recipe.probabilities(network, recipe.images(jpeg(photo)), settings)
        for index, row in enumerate(found):
            assert_says(row, right, *stored(photo, "presets", index))


def test_the_photos_as_they_are_are_recognised(recipe):
    for photo, (right, _) in recipe.PHOTOS.items():
        for name, (low, _, step, rest) in recipe.GRID.items():
            share, best = stored(photo, name, (rest - low) // step)
            assert share == max(best.values()) == best[right] > 0.8


def test_the_answer_shown_is_the_networks_to_the_picture_shown(lab, recipe, network):
    _, frame = lab
    frame.uncheck("#ask")
    for photo, name, value in (
        ("german_shepherd", "Rotation", 110),
        ("coffee", "Crop", -104),
        ("giant_panda", "Hue", 140),
    ):
        frame.locator("#photos").get_by_label(recipe.PHOTOS[photo][0]).check(force=True)
        pick(frame, name)
        slide(frame, value)
        row = network.predict(shown(frame)[np.newaxis], verbose=0)[0]
        for label, text in answers(frame).items():
            share = row[pretrained.class_names().index(label)]
            if "<" in text or ">" in text:
                assert share < 0.02 or share > 0.98
            else:
                # The canvas has whole numbers up to 255, the stored answer is to Keras' own.
                assert share == pytest.approx(float(text.removesuffix(" %")) / 100, abs=0.06)


# ---- What one sees and does ----


def test_the_photo_as_it_is_needs_no_answer(lab):
    _, frame = lab
    assert frame.inner_text("#stored") == "Stored answer to the photo as it is."
    assert next(iter(answers(frame))) == "German shepherd"
    assert frame.locator("#verdicts [aria-disabled=true]").count() == 3
    frame.locator("#verdicts button").first.dispatch_event("click")
    assert frame.locator("#verdicts [aria-pressed=true]").count() == 0


def test_the_networks_answer_comes_after_the_readers(lab):
    _, frame = lab
    slide(frame, 40)
    assert frame.inner_text("#covered") == "Covered until you have answered."
    assert answers(frame) == {}
    assert "%" not in frame.inner_text("#limits")
    say(frame, "I still see")
    assert spoken(frame, "The network: ")
    assert frame.inner_text("#stored") == "Stored answer to: rotation +40°."
    assert len(answers(frame)) == 3
    slide(frame, 25)  # less of the same change: uncovered as well
    assert len(answers(frame)) == 3
    for value in (45, -5):  # more of it, or the other side
        slide(frame, value)
        assert answers(frame) == {}
    frame.uncheck("#ask")
    assert len(answers(frame)) == 3
    frame.check("#ask")
    slide(frame, 40)
    frame.click("#clear")
    assert answers(frame) == {}


def test_the_three_ranges(lab):
    _, frame = lab
    for value, verdict in ((10, "unnoticed"), (90, "noticed"), (-20, "noticed"), (-180, "lost")):
        slide(frame, value)
        frame.evaluate(f"lab.answerWith('{verdict}')")
    parts = dict(frame.evaluate("lab.limits('rotation')"))
    assert parts["Not noticed by you"] == "0° to +10°"
    assert parts["Label given by you"] == "−20° to +90°"
    right = [
        value
        for value in range(-180, 95, 5)
        if next(iter(stored("german_shepherd", "rotation", (value + 180) // 5)[1]))
        == "German shepherd"
    ]
    low = next(value for value in range(0, -181, -5) if value - 5 not in right)
    high = next(value for value in range(0, 91, 5) if value + 5 not in right)
    network = parts["Label given by the network"].replace("−", "-")
    assert network.startswith(f"{low}° to +{high}°")
    assert network.endswith(", as far as it is uncovered")
    # A nearer answer to the contrary ends the range.
    slide(frame, 5)
    frame.evaluate("lab.answerWith('noticed')")
    assert dict(frame.evaluate("lab.limits('rotation')"))["Not noticed by you"] == "no change"


def test_an_answer_compares_the_reader_with_the_network(lab):
    _, frame = lab
    seen = set()
    frame.uncheck("#ask")
    for value in (20, 180):
        slide(frame, value)
        right = next(iter(answers(frame))) == "German shepherd"
        for verdict in ("unnoticed", "noticed", "lost"):
            frame.evaluate(f"lab.answerWith('{verdict}')")
            seen.add((verdict, right, frame.inner_text("#compare")))
    assert len(seen) == 6  # three verdicts, and the network right or wrong: one sentence each
    assert len({text for *_, text in seen}) == 6


def test_one_change_at_a_time_unless_the_others_are_kept(lab):
    _, frame = lab
    slide(frame, 15)
    pick(frame, "Brightness")
    slide(frame, -20)
    assert frame.evaluate("lab.state.setting.rotation") == 0
    assert frame.inner_text("#stored") != ""
    frame.check("#combine")
    pick(frame, "Contrast")
    slide(frame, 150)
    assert frame.evaluate("[lab.state.setting.brightness, lab.state.setting.contrast]") == [
        -20,
        150,
    ]
    assert "No answer is stored for this combination" in frame.inner_text("#covered")
    assert not frame.is_visible("#range")
    frame.evaluate("lab.answerWith('noticed')")
    assert answers(frame) == {}
    frame.uncheck("#combine")  # what is left is the change at hand
    assert frame.evaluate("[lab.state.setting.brightness, lab.state.setting.contrast]") == [0, 150]
    frame.click("#reset")
    assert frame.inner_text("#value") == "Contrast: unchanged"
    assert frame.locator("#reset").get_attribute("aria-disabled") == "true"


def test_several_changes_by_a_button(lab, recipe):
    _, frame = lab
    frame.get_by_role("button", name="Too much").click()
    assert frame.evaluate("lab.state.setting") == {
        **{name: rest for name, (*_, rest) in recipe.GRID.items()},
        **recipe.PRESETS["too much"],
    }
    say(frame, "I no longer see")
    right, best = stored("german_shepherd", "presets", list(recipe.PRESETS).index("too much"))
    assert list(answers(frame)) == list(best)
    frame.click("#reset")
    assert frame.evaluate("lab.stored('german_shepherd', lab.setting()).right") > right


def test_mirror_has_four_states_without_a_scale_between(lab):
    _, frame = lab
    pick(frame, "Mirror")
    assert not frame.is_visible("#slider")
    frame.get_by_role("radiogroup", name="Mirrored").get_by_label("upside down").check(force=True)
    say(frame, "I still see")
    assert len(answers(frame)) == 3
    frame.get_by_role("radiogroup", name="Mirrored").get_by_label("left–right").check(force=True)
    assert answers(frame) == {}  # upside down is not more of it
    assert "as it is, upside down" in frame.inner_text("#limits")


def test_everything_can_be_done_with_the_keyboard(lab):
    page, frame = lab
    press_until(page, frame, "element.name === 'photos'")
    page.keyboard.press("ArrowRight")
    press_until(page, frame, "element.name === 'change'")
    press_until(page, frame, "element.value === 'brightness'", key="ArrowRight")
    press_until(page, frame, "element.id === 'slider'")
    page.keyboard.press("ArrowLeft")
    assert spoken(frame, "Covered until")
    assert frame.locator("#slider").get_attribute("aria-valuetext") == "−0.05"
    press_until(page, frame, "element.value === 'unnoticed'")
    page.keyboard.press("Space")
    assert spoken(frame, "The network: giant panda")
    press_until(page, frame, "element.id === 'clear'")
    page.keyboard.press("Enter")
    assert spoken(frame, "cleared")
    assert frame.evaluate("lab.state.photo") == "giant_panda"


@pytest.mark.parametrize("name", CASES)
def test_the_line_for_keras_draws_the_value(lab, name):
    _, frame = lab
    for value in CASES[name]:
        code, draws = frame.evaluate(f"lab.keras('{name}', {value})")
        layer = eval(code, {"layers": layers})
        assert draws
        if name == "crop":
            assert layer.height == layer.width == 224 - abs(value)
        elif name == "mirror":
            mode = (None, "horizontal", "vertical", "horizontal_and_vertical")[value]
            assert layer.mode == mode
        elif name == "scaling":
            assert layer.height_lower <= value / 100 <= layer.height_upper
        else:
            turns = {"hue": abs(value) / 180, "rotation": value / 360}
            share = turns.get(name, value / 100)
            low, high = layer.factor
            if name == "contrast":
                low, high = 1 - low, 1 + high
            assert min(abs(low - share), abs(high - share)) < 1e-9
            assert name in ("rotation",) or layer.value_range in ([0, 1], (0, 1))


def test_the_curve_is_drawn_as_far_as_it_is_uncovered(lab):
    _, frame = lab
    inked = """colours => {
      const canvas = document.querySelector("#curve canvas"), {width} = canvas;
      const {data} = canvas.getContext("2d").getImageData(0, 10, width, 130);
      const numbers = name => colour(name).match(/[0-9a-f]{2}/gi).map(hex => parseInt(hex, 16));
      const wanted = colours.map(numbers), columns = new Set();
      for (let i = 0; i < data.length; i += 4) {
        const found = wanted.some(one => one.every((value, k) => data[i + k] === value));
        if (found) columns.add(i / 4 % width);
      }
      return [Math.min(...columns) / width, Math.max(...columns) / width];
    }"""
    colours = ["accent", "warm"]
    low, high = frame.evaluate(inked, colours)
    assert high - low < 0.02  # the photo as it is
    slide(frame, 90)
    frame.evaluate("lab.answerWith('noticed')")
    right_side = frame.evaluate(inked, colours)
    assert right_side[0] > 0.49
    assert 0.7 < right_side[1] < 0.8
    slide(frame, -180)
    frame.evaluate("lab.answerWith('noticed')")
    assert frame.evaluate(inked, colours)[0] < 0.1
    label = frame.locator("#curve canvas").get_attribute("aria-label")
    assert label.startswith("Rotation: the probability of “German shepherd”, by the value")
    assert "Label given by you: −180° to +90°" in label
