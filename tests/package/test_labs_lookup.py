"""The lookup lab computes what the package computes, and shows it to mouse, finger and keys."""

import re

import numpy as np
import pytest
from labs_helpers import embedded, finger, fresh, press_until, spoken

from course_utils import labs
from course_utils.attention import scaled_dot_product_attention

pytest_plugins = "lab_fixtures"
LAB = "lookup"  # what `lab` is

OPENING = {
    "queries": [[1, 1.8], [-2, 0.5], [1.5, 0], [-0.5, -1.8]],
    "keys": [[2, 1], [-1, 2], [-2, -1], [1, -2]],
    "values": [[2.5, 1.5], [-0.5, 2.5], [-2.5, -0.5], [0.5, -2]],
}
ARITHMETIC = re.search(
    r"// ---- Arithmetic: [^\n]* course_utils\.attention .*?(?=window\.lab)",
    labs.page("lookup"),
    flags=re.DOTALL,
).group()


def package(queries, keys, values, divisor, mask=None):
    """(outputs, weights) by the package, which always divides by the root of the dimension."""
    queries, keys, values = (np.array(part, "float64") for part in (queries, keys, values))
    queries = queries * np.sqrt(queries.shape[-1]) / divisor
    outputs, weights = scaled_dot_product_attention(queries, keys, values, mask)
    return np.array(outputs), np.array(weights)


def random_cases(count=40):
    """Sizes, dimensions, scales and masks of every kind; some rows see a single key."""
    rng = np.random.default_rng(0)
    cases = []
    for case in range(count):
        m, n, d, e = rng.integers(1, 7, 4) + [0, 1, 0, 0]  # of one key, Keras warns
        vectors = [
            np.round(rng.normal(0, 2, shape), 2).tolist() for shape in ((m, d), (n, d), (n, e))
        ]
        mask = rng.random((m, n)) < (0.6 if case % 2 else 2)
        mask[np.arange(m), rng.integers(n, size=m)] = True
        divisor = float(rng.choice([np.sqrt(d), 1, 0.1, 0.37, 10]))
        cases.append([*vectors, divisor, mask.tolist()])
    # Scores of hundreds: without the largest subtracted, their exponentials overflow.
    return [*cases, [[[30.0]], [[30.0], [29.0]], [[1.0], [2.0]], 1.0, [[True, True]]]]


SCRIPT = """cases => cases.map(one => {
  const {weights, outputs} = ATTEND(...one);
  return [outputs, weights];
})"""


def differs(found, cases):
    """The largest difference between the page's and the package's outputs and weights."""
    pairs = [
        (one, other)
        for case, (outputs, weights) in zip(cases, found, strict=True)
        for one, other in zip((outputs, weights), package(*case), strict=True)
    ]
    return float(np.max([np.abs(np.array(one, float) - other).max() for one, other in pairs]))


def cells(frame):
    """Texts of the matrix, by row."""
    return np.reshape(frame.locator("#matrix tbody td").all_inner_texts(), (4, 4)).tolist()


def shown_outputs(frame):
    texts = [frame.inner_text(f"#output-{i}").replace("−", "-") for i in range(4)]
    return [[float(number) for number in text.strip("()").split(",")] for text in texts]


# ---- Arithmetic ----


def test_a_small_example_by_hand(lab):
    # Scores 0 and 2 ln 3, divided by 2: e^s is 1 and 3.
    found = lab[1].evaluate(
        "key => lab.attend([[1, 0, 2]], [[0, 5, 0], key], [[8, 0], [0, 4]], 2, [[true, true]])",
        [2 * np.log(3), 7, 0],
    )
    assert np.allclose(found["scores"], [[0, 2 * np.log(3)]])
    assert np.allclose(found["shares"], [[1 / 3, 1]])  # the largest is subtracted
    assert np.allclose(found["weights"], [[0.25, 0.75]])
    assert np.allclose(found["outputs"], [[2, 3]])


def test_attention_equals_the_packages(lab):
    cases = random_cases()
    found = lab[1].evaluate(SCRIPT.replace("ATTEND", "lab.attend"), cases)
    assert differs(found, cases) < 1e-12


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("sum + value * b[i]", "sum + value + b[i]"),
        ("score / divisor", "score * divisor"),
        ("score / divisor", "score / Math.sqrt(divisor)"),
        ("row.filter((_, j) => allowed[j])", "[0]"),
        ("allowed[j] ? Math.exp(value - most) : 0", "Math.exp(value - most)"),
        ("allowed[j] ? Math.exp(value - most) : 0", "allowed[j] ? Math.exp(value - most) : 1"),
        ("Math.exp(value - most) : 0", "Math.exp(value) : 0"),
        ("share / sum", "share"),
        ("share / sum", "share / row.length"),
        ("mask[i])", "mask[0])"),
        ("values.map((value) => value[k])", "values.map((value) => value[0])"),
        ("dot(query, key)", "dot(key, key)"),
    ],
)
def test_a_wrong_formula_would_be_noticed(lab, right, wrong):
    assert ARITHMETIC.count(right) == 1
    cases = random_cases()
    for code, is_right in ((ARITHMETIC, True), (ARITHMETIC.replace(right, wrong), False)):
        script = f"cases => {{ {code}; return ({SCRIPT.replace('ATTEND', 'attend')})(cases); }}"
        assert (differs(lab[1].evaluate(script, cases), cases) < 1e-12) is is_right


def test_masks(lab):
    _, frame = lab
    triangle = [[True, False, False], [True, True, False], [True, True, True]]
    assert frame.evaluate("lab.causalMask(3)") == triangle
    assert frame.evaluate("lab.noMask(3)") == [[True] * 3] * 3


def test_the_hull_by_hand(lab):
    square = [[0, 0], [2, 0], [2, 2], [0, 2]]
    found = lab[1].evaluate("points => lab.hull(points)", [[1, 1], [2, 2], *square, [1, 0]])
    assert found == square
    assert lab[1].evaluate("lab.hull([[1, 1], [1, 1], [1, 1]]).length") <= 2


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("divisor", ["0.1", "1", "root", "10"])
def test_the_page_shows_what_the_package_computes(lab, causal, divisor):
    _, frame = lab
    frame.set_checked("#causal", causal)
    if divisor == "root":
        number = 2**0.5
    else:
        number = float(divisor)
        frame.fill("#divisor", str(np.log10(number)))
    mask = np.tri(4, dtype=bool) if causal else None
    outputs, weights = package(**OPENING, divisor=number, mask=mask)
    assert np.abs(np.array(shown_outputs(frame)) - outputs).max() <= 0.0051
    assert np.abs(np.array(cells(frame), float) - weights).max() <= 0.0051
    assert frame.locator("#matrix td.masked").count() == 6 * causal
    frame.get_by_label("scores", exact=True).check(force=True)
    scores = np.array(OPENING["queries"]) @ np.transpose(OPENING["keys"])
    shown = [[float(cell.replace("−", "-")) for cell in row] for row in cells(frame)]
    assert np.abs(shown - scores).max() <= 0.0051
    frame.get_by_label("scaled").check(force=True)
    assert sum(row.count("−∞") for row in cells(frame)) == 6 * causal
    assert abs(float(cells(frame)[3][0].replace("−", "-")) - scores[3, 0] / number) <= 0.0051


def test_every_step_of_a_query_is_shown(lab):
    _, frame = lab
    rows = [" ".join(row.split()) for row in frame.locator("#sums tbody tr").all_inner_texts()]
    # Query 3 is (1.5, 0): 3 / 1.41 = 2.12 is the largest; e^0 = 1; e^(-1.06 - 2.12) = 0.042.
    assert rows[0] == "k1 3.00 1.5 × 2 + 0 × 1 2.12 1.000 0.71"
    assert rows[1] == "k2 −1.50 1.5 × (−1) + 0 × 2 −1.06 0.042 0.03"
    assert rows[3].endswith("1.06 0.346 0.25")
    answer = " ".join(frame.inner_text("#answer").split())
    assert answer.startswith("o3 = 0.71 × (2.5, 1.5) + 0.03 × (−0.5, 2.5) +")
    assert answer.endswith("= (1.87, 0.64)")
    frame.check("#causal")
    assert "−∞ 0 0" in " ".join(frame.locator("#sums tbody tr").last.inner_text().split())
    assert frame.inner_text("#answer").count("×") == 3
    frame.get_by_label("Query 1", exact=True).check(force=True)
    assert frame.inner_text("#sums-title") == "Query 1, step by step"
    assert spoken(frame, "Token 1: weights 1.00, 0.00, 0.00, 0.00; output (2.50, 1.50).")


# ---- Pictures ----

COLOURS = {
    "queries": "#0072b2",
    "keys": "#d55e00",
    "values": "#00785a",
    "outputs": "#8a4f9e",
    "feet": "#55606b",
}


def share_of(frame, plane, point, colour, side=9):
    """How much of a small square around a point of a plane has a colour, from 0 to 1."""
    script = """([id, [x, y], side]) => {
      const canvas = document.querySelector(`#${id} canvas`);
      const unit = canvas.width / 6.7, corner = canvas.width / 2 - side / 2;
      const [left, top] = [x, -y].map(value => Math.round(corner + value * unit));
      return [...canvas.getContext("2d").getImageData(left, top, side, side).data];
    }"""
    pixels = np.reshape(frame.evaluate(script, [plane, point, side]), (-1, 4))[:, :3]
    wanted = [int(COLOURS[colour][i : i + 2], 16) for i in (1, 3, 5)]
    return float(np.mean(np.abs(pixels - wanted).max(axis=1) < 12))


def middle(vector):
    return [value / 2 for value in vector]


def test_arrows_are_drawn_and_are_thicker_with_more_weight(lab):
    _, frame = lab
    for kind, plane in (("keys", "match"), ("values", "blend")):
        shares = [share_of(frame, plane, middle(OPENING[kind][i]), kind) for i in range(4)]
        # Query 3 gives 0.71, 0.03, 0.01, 0.25.
        assert shares[0] > shares[3] + 0.05 > shares[2] + 0.05 > 0.05
        assert shares[0] > 0.3
        for vector in OPENING[kind]:
            assert share_of(frame, plane, np.multiply(vector, 0.93).tolist(), kind) > 0.1  # heads
    assert share_of(frame, "match", [0.75, 0], "queries") > 0.3
    assert share_of(frame, "match", middle(OPENING["queries"][0]), "queries") < 0.05  # faint
    frame.check("#causal")
    for kind, plane in (("keys", "match"), ("values", "blend")):
        for i in range(4):  # token 3 does not see token 4, whose heads are faint
            head = np.multiply(OPENING[kind][i], 0.93).tolist()
            assert (share_of(frame, plane, head, kind) > 0.1) is (i < 3)
    frame.get_by_label("Query 1", exact=True).check(force=True)
    assert share_of(frame, "match", middle(OPENING["queries"][0]), "queries") > 0.3


def test_keys_are_projected_onto_the_query(lab):
    _, frame = lab
    for x in (2, -1, -2):  # the query is horizontal, and hides one
        assert share_of(frame, "match", [x, 0], "feet") > 0.1
    frame.get_by_label("Query 3, x").fill("1")
    frame.get_by_label("Query 3, y").fill("1")
    # (2, 1) onto (1, 1): 3 / 2 of it.
    assert share_of(frame, "match", [1.5, 1.5], "feet") > 0.1
    assert share_of(frame, "match", [2, 0], "feet") == 0
    frame.get_by_label("Query 3, x").fill("0")
    frame.get_by_label("Query 3, y").fill("0")  # no direction to project onto
    assert share_of(frame, "match", [1.5, 1.5], "feet") == 0


def test_outputs_lie_where_they_are_within_the_hull(lab):
    _, frame = lab
    outputs, _ = package(**OPENING, divisor=2**0.5)
    for i, output in enumerate(outputs.tolist()):
        assert share_of(frame, "blend", output, "outputs") > (0.4 if i == 2 else 0.2)
    script = """point => {
      const canvas = document.querySelector("#blend canvas"), unit = canvas.width / 6.7;
      const place = [point[0], -point[1]].map(value => canvas.width / 2 + value * unit);
      return [...canvas.getContext("2d").getImageData(...place, 1, 1).data].slice(0, 3);
    }"""
    inside, outside = ([1.9, 1.4], [-2.5, 1.5])
    assert frame.evaluate(script, inside) != [255, 255, 255]
    assert frame.evaluate(script, outside) == [255, 255, 255]


# ---- Moving vectors ----


def place(frame, plane, x, y):
    """Where a point of a plane, in its units, lies on the page."""
    box = frame.locator(f"#{plane}").bounding_box()
    unit = box["width"] / 6.7
    return box["x"] + box["width"] / 2 + x * unit, box["y"] + box["height"] / 2 - y * unit


def drag(page, frame, plane, start, end):
    frame.locator(f"#{plane}").scroll_into_view_if_needed()
    page.mouse.move(*place(frame, plane, *start))
    page.mouse.down()
    page.mouse.move(*place(frame, plane, *end), steps=4)
    page.mouse.up()


def test_one_drags_arrows(lab):
    page, frame = lab
    drag(page, frame, "match", (1, 1.8), (-1.5, -2))
    assert frame.evaluate("lab.state.queries[0]") == [-1.5, -2]
    assert frame.evaluate("lab.state.picked") == 0
    assert spoken(frame, "Query 1: (−1.5, −2.0). Token 1: weights 0.00, 0.00, 0.85")
    drag(page, frame, "match", (2, 1), (0.5, 0.7))
    assert frame.evaluate("lab.state.keys[0]") == [0.5, 0.7]
    assert frame.evaluate("lab.state.picked") == 0
    drag(page, frame, "blend", (2.5, 1.5), (9, 9))  # it stays within the plane
    assert frame.evaluate("lab.state.values[0]") == [3, 3]
    drag(page, frame, "blend", (-2, 2.8), (0, 0))  # nothing is there
    assert frame.evaluate("lab.state.values") == [[3, 3], *OPENING["values"][1:]]
    assert frame.get_by_label("Key 1, y").input_value() == "0.7"
    for _ in range(3):
        frame.click("#undo")  # a whole drag each
    assert frame.evaluate("[lab.state.queries, lab.state.keys, lab.state.values]") == [
        *OPENING.values()
    ]
    assert frame.get_attribute("#undo", "aria-disabled") == "true"


def test_of_two_arrows_at_one_place_the_focused_is_taken(lab):
    page, frame = lab
    for name in ("Query 1, x", "Key 2, x"):
        frame.get_by_label(name).fill("2")
    for name in ("Query 1, y", "Key 2, y"):
        frame.get_by_label(name).fill("-2.5")
    frame.focus("#keys-1")
    drag(page, frame, "match", (2, -2.5), (0, -2.5))
    assert frame.evaluate("lab.state.keys[1]") == [0, -2.5]
    assert frame.evaluate("lab.state.queries[0]") == [2, -2.5]


def test_one_moves_arrows_with_the_keyboard(lab):
    page, frame = lab
    press_until(page, frame, "element.id === 'queries-1'")
    assert frame.evaluate("lab.state.picked") == 2  # to pass by picks nothing
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert spoken(frame, "Query 2: (−1.9, 0.6). Token 2: weights")
    page.keyboard.press("Shift+ArrowDown")
    assert frame.evaluate("lab.state.queries[1]") == [-1.9, 0.1]
    for _ in range(4):
        page.keyboard.press("Shift+ArrowLeft")
    assert frame.evaluate("lab.state.queries[1]") == [-3, 0.1]
    assert frame.get_attribute("#queries-1", "aria-label") == "Query 2: (−3.0, 0.1)"
    page.keyboard.press("Control+ArrowDown")
    page.keyboard.press("x")
    assert frame.evaluate("lab.state.queries[1]") == [-3, 0.1]
    press_until(page, frame, "element.id === 'keys-0'")
    page.keyboard.press("ArrowLeft")
    assert frame.evaluate("[lab.state.keys[0], lab.state.picked]") == [[1.9, 1], 1]
    press_until(page, frame, "element.id === 'values-3'")
    page.keyboard.press("ArrowUp")
    assert frame.evaluate("lab.state.values[3]") == [0.5, -1.9]
    press_until(page, frame, "element.id === 'undo'", key="Shift+Tab")
    for _ in range(3):  # the keys that moved one arrow are one step
        page.keyboard.press("Enter")
    assert frame.evaluate("lab.state.queries") == OPENING["queries"]
    assert frame.get_attribute("#undo", "aria-disabled") == "true"


def test_one_types_numbers(lab):
    page, frame = lab
    field = frame.get_by_label("Query 4, x")
    field.fill("-1.25")
    assert frame.evaluate("lab.state.queries[3]") == [-1.25, -1.8]
    assert spoken(frame, "Token 4: weights")
    for wrong in ("", "3.1", "-4", "1e9"):
        field.fill(wrong)
        assert field.get_attribute("aria-invalid") == "true"
        assert frame.inner_text("#match-complaint") == "Query 4, x: a number from −3 to 3."
        assert frame.evaluate("lab.state.queries[3]") == [-1.25, -1.8]
    page.keyboard.press("Tab")
    assert field.input_value() == "-1.25"
    assert field.get_attribute("aria-invalid") == "false"
    assert frame.inner_text("#match-complaint") == ""
    frame.get_by_label("Value 2, y").fill("3")
    assert frame.evaluate("lab.state.values[1]") == [-0.5, 3]
    assert frame.evaluate("lab.state.picked") == 3


def test_one_drags_with_a_finger_and_scrolls_beside_the_arrows(browser, tmp_path):
    with embedded(browser, tmp_path, "lookup", width=360, has_touch=True) as (page, frame):
        frame.locator("#match").scroll_into_view_if_needed()
        touch = finger(page)

        touch("touchStart", *place(frame, "match", -1, 2))
        for y in (1.5, 1, 0.5, 0):
            touch("touchMove", *place(frame, "match", -1, y))
        touch("touchEnd")
        assert frame.evaluate("lab.state.keys[1]") == [-1, 0]
        action = "getComputedStyle(document.getElementById('{}')).touchAction"
        assert frame.evaluate(action.format("keys-1")) == "none"
        assert frame.evaluate(action.format("match")) == "pan-y pinch-zoom"


# ---- Settings ----


def test_examples_do_what_their_names_say(lab):
    _, frame = lab
    for name, wanted in (
        ("Each finds itself", [0, 1, 2, 3]),
        ("Each finds the one before", [3, 0, 1, 2]),
    ):
        frame.get_by_role("button", name=name).click()
        weights = np.array(cells(frame), float)
        assert weights.argmax(axis=1).tolist() == wanted
        assert weights.max(axis=1).min() >= 0.9
        assert spoken(frame, name)
    frame.get_by_role("button", name="One long key").click()
    key = frame.evaluate("lab.state.keys")
    assert np.linalg.norm(key, axis=1).argmax() == 3
    assert np.array(cells(frame), float).argmax(axis=1).tolist() == [0, 2, 3, 3]


def test_a_divisor_of_ones_own(lab):
    page, frame = lab
    sharp = float(cells(frame)[2][0])
    frame.get_by_label("none", exact=True).check(force=True)
    assert "Divided by 1.00." in spoken(frame, "Divided by 1")
    assert float(cells(frame)[2][0]) > sharp
    press_until(page, frame, "element.id === 'divisor'")
    page.keyboard.press("End")
    assert frame.evaluate("[lab.state.choice, lab.state.divisor]") == ["own", 10]
    assert frame.get_attribute("#divisor", "aria-valuetext") == "10.00"
    assert frame.locator("#choice [value=own]").is_checked()
    flat = np.array(cells(frame), float)
    assert np.abs(flat - 0.25).max() < 0.12
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert frame.evaluate("lab.state.divisor") == 7.94
    frame.get_by_label("√d").check(force=True)
    assert frame.evaluate("lab.state.divisor") == 2**0.5
    for divisor in (7.94, 1, 2**0.5):  # what one key did after another is one step
        frame.click("#undo")
        assert frame.evaluate("lab.state.divisor") == divisor


def test_there_is_a_way_back(lab):
    _, frame = lab
    names = ["queries", "keys", "values", "divisor", "causal"]
    script = f"JSON.stringify({names}.map(name => lab.state[name]))"
    start = frame.evaluate(script)
    frame.dispatch_event("#undo", "click")  # nothing happens
    frame.check("#causal")
    frame.fill("#divisor", "0.5")
    frame.get_by_role("button", name="One long key").click()
    changed = frame.evaluate(script)
    frame.get_by_label("Key 1, x").fill("-3")
    frame.click("#undo")
    assert frame.evaluate(script) == changed
    frame.click("#undo")
    assert frame.evaluate("lab.state.causal") is True
    frame.click("#reset")
    assert frame.evaluate(script) == start
    assert spoken(frame, "Reset.")
    frame.click("#reset")  # no change, nothing to undo
    frame.click("#undo")
    assert frame.evaluate("lab.state.causal") is True


# ---- Tasks ----


def task(frame, number):
    frame.locator("#tasks .option").nth(number - 1).locator("input").check(force=True)
    return frame.inner_text("#task")


def verdict(frame):
    return frame.inner_text("#verdict")


def test_look_only_at_token_1(lab):
    page, frame = lab
    assert "0.713" in verdict(frame)
    drag(page, frame, "match", (1.5, 0), (3, 0.3))
    assert verdict(frame).startswith("Not yet: ")
    drag(page, frame, "match", (2, 1), (3, 1))
    assert verdict(frame).startswith("Done: 0.99.")
    assert spoken(frame, "Done: 0.99.")
    frame.get_by_label("Query 3, x").fill("3")
    frame.get_by_label("Query 3, y").fill("1.5")
    frame.get_by_label("Key 1, x").fill("3")
    frame.get_by_label("Key 1, y").fill("1.5")
    assert verdict(frame).startswith("Done: more than 0.995. On paper never 1: ")
    assert frame.locator("#tasks input").first.get_attribute("aria-label") == "Task 1, done"
    frame.click("#reset")
    assert verdict(frame).startswith("Not yet: ")
    frame.fill("#divisor", "-0.15")  # 0.71
    assert verdict(frame).startswith("Not yet: token 3 gives token 1 a weight of 0.8")


@pytest.mark.parametrize(
    ("vectors", "how"),
    [("keys", "all keys are alike"), ("queries", "queries of length 0"), ("both", "nearly the")],
)
def test_equal_weights_in_three_ways(lab, vectors, how):
    _, frame = lab
    task(frame, 2)
    for token in range(4):
        for end in "xy":
            if vectors == "both":
                frame.get_by_label(f"Query {token + 1}, {end}").fill("0.01")
            else:
                one = {"keys": "Key", "queries": "Query"}[vectors]
                text = "0" if vectors == "queries" else "1.5"
                frame.get_by_label(f"{one} {token + 1}, {end}").fill(text)
    assert how in verdict(frame)
    assert np.abs(np.array(shown_outputs(frame)) - [0, 0.375]).max() < 0.03  # the mean
    frame.check("#causal")
    assert "The mask is on" in verdict(frame)


def test_two_keys_by_half(lab):
    _, frame = lab
    task(frame, 3)
    assert verdict(frame).startswith("Not yet: token 4 gives them 0.008 and 0.007.")
    frame.get_by_label("Query 4, x").fill("1")
    frame.get_by_label("Query 4, y").fill("3")
    assert verdict(frame).startswith("Done: 0.50 and 0.50.")
    frame.get_by_label("Key 3, x").fill("-2.1")
    assert "a key was moved" in verdict(frame)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_solution_solves(lab, number):
    _, frame = lab
    frame.check("#causal")
    frame.fill("#divisor", "1")
    task(frame, number)
    assert not verdict(frame).startswith("Done")
    frame.click("#solve")
    assert verdict(frame).startswith("Done")
    assert frame.get_attribute("#verdict", "class") == "done"
    state = frame.evaluate("[lab.state.queries, lab.state.keys]")
    assert np.abs(state).max() <= 3
    frame.click("#undo")
    assert frame.get_attribute("#verdict", "class") == ""


@pytest.mark.parametrize(
    ("number", "right", "before", "after"),
    [
        (4, 2, "0.71, 0.03, 0.01, 0.25", "1.00, 0.00, 0.00, 0.00"),
        (5, 1, "0.71, 0.03, 0.01, 0.25", "0.95, 0.04, 0.01, 0.00"),
        (6, 0, "0.01, 0.01, 0.44, 0.54", "0.01, 0.01, 0.44, 0.54"),
    ],
)
def test_predictions_are_asked_first_and_shown_then(lab, number, right, before, after):
    _, frame = lab
    frame.get_by_role("button", name="One long key").click()
    assert task(frame, number).startswith("Predict: ")
    assert spoken(frame, "The vectors are those of the start.")
    assert frame.evaluate("lab.state.keys") == OPENING["keys"]
    assert not frame.is_visible("#solve")
    buttons = frame.locator("#answers button")
    assert buttons.count() == 3
    assert "Choose an answer" in verdict(frame)
    wrong = (right + 1) % 3
    buttons.nth(wrong).click()
    said = verdict(frame)
    assert said.startswith("Not so.")
    assert f"before: weights {before}" in said
    assert f"after: weights {after}" in said
    texts = buttons.all_inner_texts()
    assert [texts[right][0], texts[wrong][0]] == ["✓", "✗"]
    assert spoken(frame, "Not so.") == said
    assert [button.get_attribute("aria-pressed") for button in buttons.all()].index("true") == wrong
    assert frame.locator("#tasks .option").nth(number - 1).inner_text() == f"{number} ✓"
    buttons.nth(right).click()
    assert verdict(frame) == said.replace("Not so.", "Right.")
    frame.click("#undo")
    frame.click("#undo")
    assert frame.evaluate("[lab.state.keys, lab.state.causal]") == [OPENING["keys"], False]
    task(frame, 1)
    task(frame, number)
    assert verdict(frame).startswith("Right.")


def test_swapped_tokens_have_swapped_outputs(lab):
    _, frame = lab
    before = shown_outputs(frame)
    task(frame, 6)
    frame.locator("#answers button").first.click()
    assert shown_outputs(frame) == [before[i] for i in (1, 0, 2, 3)]


# ---- Narrow pages ----


@pytest.mark.parametrize("width", [280, 360])
def test_numbers_fit_their_cells(shared, width):
    frame = fresh(shared, width=width)
    for name in ("queries", "keys", "values"):
        frame.evaluate(f"lab.state.{name} = lab.state.{name}.map(() => [-2.9, -2.9])")
    frame.evaluate("lab.state.divisor = 0.1; lab.state.stage = 'scaled'; render()")
    overfull = """[...document.querySelectorAll("td, th, output, .fields input")].filter(
        cell => cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.outerHTML)"""
    assert frame.evaluate(overfull) == []
