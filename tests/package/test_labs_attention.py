"""The attention lab shows what the package's network looks at, to mouse, finger and keys."""

import base64
import json
import re
import zlib

import numpy as np
import pytest
import recipe_modules
from cheaper import untraced
from labs_helpers import press_until, spoken

from course_utils import labs, pretrained
from course_utils.architectures import attention_maps

pytest_plugins = "lab_fixtures"
LAB = "attention"  # what `lab` is
SQUARES = np.stack(np.divmod(np.arange(64), 8), axis=1)


@pytest.fixture(scope="module")
def recipe():
    with recipe_modules.imported("make_attention_maps") as module:
        yield module


@pytest.fixture(scope="module")
def attention(recipe):
    """What the network looks at in each photo, between squares: {name: (12, 6, 65, 65)}."""
    with untraced():
        network = attention_maps(pretrained.dinov2_small())
        jpegs = {name: base64.urlsafe_b64decode(photo[1]) for name, photo in written().items()}
        return {
            name: recipe.pooled(recipe.maps(network, jpeg).astype(float))
            for name, jpeg in jpegs.items()
        }


def written():
    """What the recipe wrote into the page: {name: [label, JPEG, levels]}."""
    return json.loads(re.search(r"(?m)^const PHOTOS = (.*);$", labs.page("attention")).group(1))


def stored(name):
    content = zlib.decompress(base64.urlsafe_b64decode(written()[name][2]), -15)
    return np.frombuffer(content, np.uint8).reshape(12, 6, 65, 65)


def says(frame):
    return frame.inner_text("#says")


# ---- The recipe ----


def test_squares_by_hand(recipe):
    attention = np.zeros((257, 257))
    attention[:, 0] = 0.5
    attention[1 + 16 * 2 + 5, 1 + 16 * 3 + 4] = 0.5  # row 2, column 5 at row 3, column 4
    attention[1 + 16 * 2 + 4, 1 + 16 * 15 + 15] = 0.25
    found = recipe.pooled(attention)
    assert found.shape == (65, 65)
    query = 1 + 8 * 1 + 2  # both in the square in row 1 and column 2
    assert found[query, 0] == 0.5
    assert found[query, query] == 0.5 / 4
    assert found[query, 64] == 0.25 / 4
    assert found[0, 0] == 0.5
    assert np.count_nonzero(found) == 65 + 2


def test_levels_by_hand(recipe):
    found = recipe.levels(np.array([0.5, 0.36, 0.09, 0.04, 0.01, 0]))
    assert found.dtype == np.uint8
    # 127.5 goes to the even neighbour; 7 times 1, 1/2, 1/3, 1/6.
    assert found.tolist() == [128, 7, 4, 2, 1, 0]


def test_what_is_stored_is_what_the_network_looks_at(recipe, attention):
    assert [(name, photo[0]) for name, photo in written().items()] == list(recipe.PHOTOS.items())
    for name, expected in attention.items():
        difference = stored(name).astype(int) - recipe.levels(expected)
        assert np.abs(difference[..., 1:]).max() <= 1
        assert np.mean(difference != 0) < 0.01
        jpeg = base64.urlsafe_b64decode(written()[name][1])
        anew = recipe.images(recipe.square(name))
        np.testing.assert_allclose(recipe.images(jpeg), anew, rtol=0, atol=3 / 255)


# ---- Arithmetic ----


def test_shares_and_distance_by_hand(lab):
    _, frame = lab
    levels = [51, *[0] * 64]
    levels[1], levels[3], levels[12] = 6, 3, 2
    found = frame.evaluate("levels => lab.shares(levels)", levels)
    assert (found[0], found[1], found[3], found[12]) == pytest.approx(
        (0.2, 0.8 * 36 / 49, 0.8 * 9 / 49, 0.8 * 4 / 49)
    )
    assert frame.evaluate("shares => lab.highest(shares)", found) == 1
    assert frame.evaluate("lab.highest([9, 1, 2, 2, ...Array(61).fill(0)])") == 2
    # From the first square: 0, two columns, and one row with three columns; a square has 28 pixels.
    expected = 28 * (9 * 2 + 4 * np.sqrt(10)) / 49
    assert frame.evaluate("shares => lab.distance(shares, 1)", found) == pytest.approx(expected)
    assert frame.evaluate("lab.distance([1, ...Array(64).fill(0)], 7)") == 0


def test_the_page_reads_what_is_stored(lab, recipe):
    _, frame = lab
    for name in recipe.PHOTOS:
        for block, head, token in ((0, 0, 0), (3, 5, 17), (11, 2, 64)):
            row = f"[...lab.row(lab.maps.{name}, {block}, {head}, {token})]"
            assert frame.evaluate(row) == stored(name)[block, head, token].tolist()


def test_shares_are_close_to_the_networks(lab, recipe, attention):
    _, frame = lab
    script = "name => [0, 3, 7, 11].map(block => [0, 1, 2, 3, 4, 5].map(head => [0, 9, 36].map("
    script += "token => lab.shares(lab.row(lab.maps[name], block, head, token)))))"
    for name in recipe.PHOTOS:
        found = np.array(frame.evaluate(script, name))
        expected = attention[name][[0, 3, 7, 11]][:, :, [0, 9, 36]]
        np.testing.assert_allclose(found.sum(axis=-1), 1)
        np.testing.assert_allclose(found, expected, atol=0.06)
        assert np.abs(found - expected).mean() < 0.002


# ---- What one sees and does ----


def test_it_opens_with_cls_in_the_last_block(lab):
    _, frame = lab
    assert frame.inner_text("#looks-title") == "Block 12, head 1"
    assert frame.get_attribute("#cls", "aria-pressed") == "true"
    assert says(frame).startswith("[CLS] gives ")
    assert "to itself" in says(frame)
    assert "pixels far" not in says(frame)


def test_a_click_on_the_photo_chooses_who_looks(lab):
    _, frame = lab
    side = frame.evaluate("byId('asks').clientWidth")
    frame.click("#asks", position={"x": side * 0.70, "y": side * 0.30})
    assert says(frame).startswith("The square in row 3, column 6 gives ")
    away = np.linalg.norm(SQUARES - [2, 5], axis=1).mean() * 28
    assert (
        f"pixels far on average; looking at all squares alike would be {away:.0f} pixels"
        in says(frame)
    )
    assert frame.get_attribute("#cls", "aria-pressed") == "false"
    frame.click("#cls")
    assert says(frame).startswith("[CLS] gives ")


@pytest.mark.parametrize("width", [800, 360])
def test_a_click_on_a_map_chooses_block_and_head(lab, width):
    page, frame = lab
    page.set_viewport_size({"width": width, "height": 900})
    place = frame.evaluate(
        "(() => { const {place, cell} = layout(); return [...place(6, 3), cell]; })()"
    )
    x, y, cell = place
    frame.click("#all", position={"x": x + cell / 2, "y": y + cell / 2})
    assert frame.inner_text("#looks-title") == "Block 7, head 4"
    order = "blocks from left to right" if width == 800 else "heads from left to right"
    assert order in frame.inner_text("#all-title")


def test_everything_can_be_done_with_the_keyboard(lab):
    page, frame = lab
    press_until(page, frame, "element.name === 'photos'")
    page.keyboard.press("ArrowRight")
    assert frame.evaluate("lab.state.photo") == "coffee"
    press_until(page, frame, "element.id === 'asks'")
    page.keyboard.press("ArrowDown")
    assert spoken(frame, "The square in row 1, column 1 gives")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    assert spoken(frame, "The square in row 1, column 2 gives")
    for key in (*["ArrowLeft"] * 3, *["ArrowDown"] * 9, *["ArrowRight"] * 9):
        page.keyboard.press(key)
    assert frame.evaluate("lab.state.token") == 64
    for key in (*["ArrowLeft"] * 8, "ArrowUp"):
        page.keyboard.press(key)
    assert frame.evaluate("lab.state.token") == 49
    press_until(page, frame, "element.id === 'all'")
    for key in ("ArrowLeft", "ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert spoken(frame, "Block 12, head 2.")
    press_until(page, frame, "element.id === 'cls'", key="Shift+Tab")
    page.keyboard.press("Enter")
    assert spoken(frame, "[CLS] gives")


def test_the_examples_show_what_they_say(lab, attention):
    _, frame = lab
    for button in frame.locator("#presets button").all():
        name = button.inner_text()
        for photo, maps in attention.items():
            button.click()
            frame.evaluate(f"lab.pick({{photo: '{photo}'}})")
            state = frame.evaluate("lab.state")
            weights = maps[state["block"], state["head"], state["token"], 1:]
            share = weights / weights.sum()
            if name == "The background":  # what the other heads of the block leave out
                others = np.delete(maps[11, :, 0, 1:], 3, axis=0).mean(axis=0)
                assert state["token"] == 0
                assert np.corrcoef(weights, others)[0, 1] < -0.2
            elif name == "Close by":
                near = np.abs(SQUARES - SQUARES[state["token"] - 1]).max(axis=1) <= 1
                assert share[near].sum() > 0.9
            elif name == "All over":
                assert share.max() < 0.1
            else:
                assert (state["token"], state["block"]) == (0, 11)
