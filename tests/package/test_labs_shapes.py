import itertools
import re

import keras
import numpy as np
import pytest
from labs_helpers import embedded, fresh, press_until, spoken, until

from course_utils import architectures, convolution

pytest_plugins = "lab_fixtures"
LAB = "shapes"  # what `lab` is

SOUGHT = ["size", "channels", "parameters", "multiplyAdds", "field", "jump", "start"]


def plain(text):
    """The lab keeps 5 × 5 on one line with spaces of another kind."""
    return text.replace("\xa0", " ").strip()


def text(frame, selector):
    return plain(frame.inner_text(selector))


def conv(channels, kernel, stride=1, padding="same"):
    return {"kind": "conv", "kernel": kernel, "stride": stride, "padding": padding} | {
        "channels": channels
    }


def pool(kernel, stride, padding="valid"):
    return conv(0, kernel, stride, padding) | {"kind": "pool"}


def random_stack(random, size, count, kernels=16, strides=9, channels=40):
    layers = []
    for _ in range(count):
        kind = random.choice(["conv", "conv", "pool"])
        padding = str(random.choice(["valid", "same"]))
        kernel, stride = int(random.integers(1, kernels)), int(random.integers(1, strides))
        filters = int(random.integers(1, channels)) if kind == "conv" else 0
        layers.append(conv(filters, kernel, stride, padding) | {"kind": str(kind)})
    return {"size": size, "channels": int(random.integers(1, 6))}, layers


def expected_rows(given, layers):
    """The same by the package's functions and chapter 4's three lines; None from where it ends."""
    size, channels, field, jump, start = given["size"], given["channels"], 1, 1, 0
    rows = []
    for layer in layers:
        kernel, stride, padding = layer["kernel"], layer["stride"], layer["padding"]
        out = convolution.output_size(size, kernel, stride, padding)
        if out == 0:
            return rows + [None] * (len(layers) - len(rows))
        before, after = convolution.same_padding(size, kernel, stride)
        if padding == "valid":
            before = after = 0
        looked_at = {place * stride - before + i for place in range(out) for i in range(kernel)}
        unseen = set(range(size)) - looked_at
        last = next(n for n in itertools.count() if size - 1 - n not in unseen)
        weights = kernel**2 * channels * layer["channels"]
        channels = layer["channels"] or channels
        field, start = field + (kernel - 1) * jump, start - before * jump
        jump = jump * stride
        row = [out, channels, weights + (channels if weights else 0), out**2 * weights]
        rows.append([*row, field, jump, start, before, after, len(unseen), last])
        size = out
    return rows


def compute(frame, stacks):
    return frame.evaluate(
        "stacks => stacks.map(([given, layers]) => compute(given, layers))", stacks
    )


# ---- Arithmetic ----


def test_a_small_stack_by_hand(lab):
    _, frame = lab
    # 13 pixels under 6 by 5, padded: 3 places, 1 + 2 zeros. Then 2 by 2 fits once, 1 is left over.
    stack = [{"size": 13, "channels": 3}, [conv(4, 6, 5), pool(2, 2), conv(7, 5, padding="valid")]]
    first, second, third = compute(frame, [stack])[0]
    assert [first[name] for name in SOUGHT] == [3, 4, 6 * 6 * 3 * 4 + 4, 9 * 432, 6, 5, -1]
    assert (first["before"], first["after"], first["unseen"]) == (1, 2, 0)
    assert [second[name] for name in SOUGHT] == [1, 4, 0, 0, 11, 10, -1]
    assert (second["before"], second["after"], second["unseen"], second["last"]) == (0, 0, 1, 1)
    assert plain(third["error"]) == "the 5 × 5 window no longer fits into 1 × 1"


def test_hundreds_of_stacks_equal_the_packages_arithmetic(lab):
    random = np.random.default_rng(5)
    sizes = [int(size) for size in random.integers(1, 513, 100)]
    stacks = [random_stack(random, size, int(random.integers(1, 8))) for size in sizes]
    # Small windows keep many layers alive.
    stacks += [random_stack(random, size, 9, kernels=4, strides=3) for size in sizes[::2]]
    names = [*SOUGHT, "before", "after", "unseen", "last"]
    broken = 0
    for stack, rows in zip(stacks, compute(lab[1], stacks), strict=True):
        expected = expected_rows(*stack)
        for i, (row, numbers) in enumerate(zip(rows, expected, strict=True)):
            assert row["name"] == ("S" if stack[1][i]["kind"] == "pool" else "C") + str(i + 1)
            if numbers is None:
                assert ("error" in row) == (i == 0 or expected[i - 1] is not None)
                assert ("skipped" in row) != ("error" in row)
                broken += 1
            else:
                assert [row[name] for name in names] == numbers, (stack, i)
    assert broken > 30


def test_real_models_cost_and_see_the_same(lab):
    random = np.random.default_rng(6)
    stacks = []
    while len(stacks) < 8:
        size = int(random.integers(19, 70))
        stack = random_stack(random, size, int(random.integers(2, 6)), kernels=6, strides=4)
        if None not in expected_rows(*stack):
            stacks.append(stack)
    for (given, layers), rows in zip(stacks, compute(lab[1], stacks), strict=True):
        inputs = tensor = keras.Input((given["size"], given["size"], given["channels"]))
        for layer, row in zip(layers, rows, strict=True):
            settings = {"strides": layer["stride"], "padding": layer["padding"]}
            if layer["kind"] == "conv":
                built = keras.layers.Conv2D(layer["channels"], layer["kernel"], **settings)
            else:
                built = keras.layers.MaxPooling2D(layer["kernel"], **settings)
            built.name = row["name"]
            tensor = built(tensor)
            assert tensor.shape == (None, row["size"], row["size"], row["channels"])
            assert built.count_params() == row["parameters"]
        model = keras.Model(inputs, tensor)
        assert architectures.multiply_adds(model) == sum(row["multiplyAdds"] for row in rows)
        for row in rows:
            assert architectures.receptive_field(model, row["name"]) == row["field"]


def test_what_reaches_a_layer_is_what_a_product_of_windows_says(lab):
    random = np.random.default_rng(7)
    stacks = [random_stack(random, 37 + i, 3, kernels=6, strides=6) for i in range(80)]
    stacks = [stack for stack in stacks if None not in expected_rows(*stack)]
    assert len(stacks) > 20
    script = """stacks => stacks.map(([given, layers]) => {
        const rows = compute(given, layers);
        return lab.reached(given, layers, rows, layers.length - 1);
    })"""
    gaps = 0
    for (given, layers), reached in zip(stacks, lab[1].evaluate(script, stacks), strict=True):
        size, paths = given["size"], np.eye(given["size"], dtype=int)  # (units, pixels)
        for layer, row in zip(layers, expected_rows(given, layers), strict=True):
            places = np.arange(row[0])[:, None] * layer["stride"] - row[7] - np.arange(size)
            windows = (places <= 0) & (places > -layer["kernel"])  # (units after, units before)
            paths, size = windows @ paths, row[0]
        seen = paths.sum(axis=0) > 0
        assert reached == seen.tolist(), (given, layers)
        gaps += not seen.all()
    assert gaps > 5


def test_the_stacks_to_start_from_match_the_published_networks(lab):
    _, frame = lab
    presets = frame.evaluate("lab.presets")
    rows = {
        name: compute(frame, [[preset["input"], preset["layers"]]])[0]
        for name, preset in presets.items()
    }
    lenet, alexnet, vgg = rows["lenet"], rows["alexnet"], rows["vgg"]
    assert [row["name"] for row in lenet] == ["C1", "S2", "C3", "S4", "C5"]
    assert [row["parameters"] for row in lenet] == [156, 0, 2416, 0, 48120]
    assert [row["size"] for row in lenet] == [28, 14, 10, 5, 1]
    assert [row["field"] for row in alexnet] == [11, 19, 51, 67, 99, 131, 163, 195]
    assert [row["size"] for row in alexnet] == [55, 27, 27, 13, 13, 13, 13, 6]
    assert vgg[-1]["field"] == 212
    assert [row["kind"] for row in vgg].count("conv") == 13
    # All parameters are the published ones once the dense layers are added.
    dense = 9216 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000
    assert sum(row["parameters"] for row in alexnet) + dense == 62_378_344
    assert sum(row["parameters"] for row in vgg) + 123_642_856 == 138_357_544
    assert "123,642,856" in frame.evaluate("lab.presets.vgg.note()")
    assert [rows[name][-1]["field"] for name in ("three", "one")] == [7, 7]
    weights = [sum(row["parameters"] for row in rows[name]) for name in ("three", "one")]
    assert weights == [3 * (9 * 64**2 + 64), 49 * 64**2 + 64]
    for name in ("three", "one"):
        note = frame.evaluate(f"lab.presets.{name}.note()")
        assert all(f"{number:,}" in note for number in weights)
    assert rows["empty"] == []


# ---- What one sees and does ----


def test_the_page_shows_the_arithmetic_of_the_layer(lab):
    _, frame = lab
    frame.get_by_role("radio", name=re.compile("^C3")).check(force=True)
    assert text(frame, "#input-title") == "One unit sees 14 × 14 pixels"
    assert text(frame, "#map-title") == "C3: 10 × 10 × 16"
    assert "field = 6 + (5 − 1) × 2 = 14" in text(frame, "#sight")
    assert "jump = 2 × 1 = 2" in text(frame, "#sight")
    assert "size = ⌊(14 − 5) / 1⌋ + 1 = 10" in text(frame, "#cost")
    assert "5 × 5 × 6 × 16 + 16 = 2,416" in text(frame, "#cost")
    assert "10 × 10 × 5 × 5 × 6 × 16 = 240,000" in text(frame, "#cost")
    frame.get_by_role("radio", name=re.compile("^S4")).check(force=True)
    assert "parameters = multiply-adds = 0" in text(frame, "#cost")
    row = frame.get_by_role("row", name=re.compile("^C5"))
    cells = [plain(cell).split("\n")[0] for cell in row.inner_text().split("\t")]
    assert cells == ["C5", "5 × 5 VALID", "1 × 1 × 120", "48,120", "48,000", "32", "4"]
    assert "95 % of all" in row.inner_text()  # what the bar says to whoever does not see it
    total = frame.get_by_role("row", name=re.compile("^Total"))
    assert "50,692\t405,600" in total.inner_text()
    width = "document.querySelectorAll('#rows .bar i')[{}].style.width"
    assert frame.evaluate(width.format(4)) == f"{100 * 48120 / 50692:.2f}%"


@pytest.mark.parametrize("width", [280, 360, 800])
def test_the_table_stays_one_where_it_is_folded(shared, width):
    overfull = """[...document.querySelectorAll("td")].filter(
        cell => cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.textContent)"""
    frame = fresh(shared, width=width)
    frame.evaluate("lab.load('vgg')")
    assert frame.get_by_role("row").count() == 1 + 18 + 1
    assert frame.get_by_role("columnheader").count() == 7
    assert frame.get_by_role("cell").count() == 19 * 7
    assert frame.evaluate(overfull) == []


def test_a_stack_is_built_with_the_keyboard_alone(lab):
    page, frame = lab
    press_until(page, frame, "element.value === 'empty'")
    page.keyboard.press("Enter")
    assert "its map appears here" in text(frame, "#trouble")
    assert not frame.is_visible("table")
    press_until(page, frame, "element.id === 'add-conv'")
    page.keyboard.press("Enter")
    assert "output 28 × 28 × 16, 160 parameters, sees 3 × 3" in plain(spoken(frame, "Added. C1"))
    press_until(page, frame, "element.id === 'add-pool'")
    page.keyboard.press("Enter")
    assert "output 14 × 14 × 16, 0 parameters, sees 4 × 4" in plain(spoken(frame, "Added. S2"))
    press_until(page, frame, "element.id === 'kernel-number'")
    page.keyboard.type("4")
    assert spoken(frame, "output 13 × 13 × 16")
    press_until(page, frame, "element.id === 'stride-number'")
    page.keyboard.press("ArrowUp")
    assert spoken(frame, "output 9 × 9 × 16")
    press_until(page, frame, "element.name === 'padding'")
    page.keyboard.press("ArrowRight")
    assert spoken(frame, "output 10 × 10 × 16")
    assert "28 × 28 → 10 × 10" in text(frame, "#editor-title")
    press_until(page, frame, "element.id === 'earlier'", key="Shift+Tab")
    page.keyboard.press("Enter")
    assert spoken(frame, "Moved. S1")
    assert frame.evaluate("document.activeElement.id") == "earlier"  # where the keys are, they stay
    page.keyboard.press("Enter")  # it is the first already
    assert frame.evaluate("state.layers.map(layer => layer.kind)") == ["pool", "conv"]
    press_until(page, frame, "element.name === 'layer'", key="Shift+Tab")
    page.keyboard.press("ArrowRight")
    assert spoken(frame, "C2, convolution: output 10 × 10 × 16")
    press_until(page, frame, "element.id === 'later'")
    press_until(page, frame, "element.id === 'remove'")
    page.keyboard.press("Enter")
    assert spoken(frame, "C2 removed. 1 layer. S1")
    page.keyboard.press("Enter")
    assert spoken(frame, "S1 removed. 0 layers. The stack is empty.")
    assert frame.evaluate("document.activeElement.id") == "add-conv"


def test_a_new_layer_goes_after_the_picked_one(lab):
    _, frame = lab
    frame.get_by_role("row", name=re.compile("^C1")).click()
    assert text(frame, "#add-label") == "Add after C1"
    frame.click("#add-conv")
    assert frame.evaluate("state.selected") == 1
    assert frame.evaluate("state.layers.map(layer => layer.channels)") == [6, 6, 0, 16, 0, 120]
    frame.click("#later")
    assert frame.evaluate("state.layers.map(layer => layer.kind[0])") == [*"cpccpc"]
    assert frame.evaluate("state.selected") == 2


def test_there_is_a_way_back(lab):
    page, frame = lab
    before = frame.evaluate("JSON.stringify(state.layers)")
    assert frame.get_attribute("#undo", "aria-disabled") == "true"
    frame.dispatch_event("#undo", "click")  # nothing happens
    frame.click("#channels-number")
    page.keyboard.type("256")  # three keys, one edit
    assert frame.evaluate("state.layers[2].channels") == 256
    assert "changed" in text(frame, "#note")
    frame.click("#kernel button >> nth=0")
    assert frame.evaluate("state.layers[2].kernel") == 4
    frame.click("#undo")
    frame.click("#undo")
    assert frame.evaluate("JSON.stringify(state.layers)") == before
    assert spoken(frame, "Undone. 5 layers. C3")
    assert frame.get_attribute("#presets [value=lenet]", "aria-pressed") == "true"
    frame.click("#remove")
    assert frame.get_attribute("#presets [value=lenet]", "aria-pressed") == "false"
    frame.click("#reset")
    assert frame.evaluate("JSON.stringify(state.layers)") == before
    frame.click("#presets [value=alexnet]")
    frame.click("#undo")
    assert frame.evaluate("JSON.stringify(state.layers)") == before


def test_numbers_stay_in_their_bounds(lab):
    page, frame = lab
    field, size = "#kernel-number", "#size-number"
    for wrong in ("", "0", "16", "2.5", "-3"):
        frame.fill(field, wrong)
        assert frame.get_attribute(field, "aria-invalid") == "true"
        assert frame.evaluate("state.layers[2].kernel") == 5
    assert spoken(frame, "Kernel: a whole number from 1 to 15.")
    page.keyboard.press("Tab")
    assert frame.input_value(field) == "5"
    assert frame.get_attribute(field, "aria-invalid") == "false"
    frame.fill("#stride-number", "8")
    frame.click("#stride button >> nth=1")
    assert frame.evaluate("state.layers[2].stride") == 8
    frame.fill("#channels-number", "3")
    frame.click("#channels button >> nth=0")
    frame.click("#channels button >> nth=0")
    assert frame.evaluate("state.layers[2].channels") == 1
    frame.fill("#channels-number", "4000")
    frame.click("#channels button >> nth=1")
    assert frame.evaluate("state.layers[2].channels") == 4096
    frame.fill(size, "512")
    frame.click("#size button >> nth=1")
    assert frame.evaluate("state.input.size") == 512
    frame.get_by_role("button", name="227").click()
    assert frame.input_value(size) == "227"
    frame.fill("#depth-number", "5")
    assert frame.evaluate("state.input.channels") == 5


def test_a_window_that_does_not_fit_is_said_and_breaks_nothing(lab):
    _, frame = lab
    frame.fill("#size-number", "12")
    for place in ("#edge", "#rows tr.wrong", "#trouble"):
        assert "The 5 × 5 window no longer fits into 4 × 4." in text(frame, place)
    assert frame.locator("#rows tr.later").count() == 2
    assert "layers that fit" in text(frame, "#totals")
    assert frame.is_visible("#misfit")
    assert not frame.is_visible("#map")
    assert spoken(frame, "C3: the 5")
    frame.locator("#rows tr.later").last.click()
    assert text(frame, "#trouble") == "A layer before it does not fit: mend C3 first."
    assert spoken(frame, "C5: a layer before it does not fit.")
    frame.locator("#rows tr.wrong").click()
    frame.get_by_label("SAME").check(force=True)
    assert text(frame, "#map-title") == "C3: 4 × 4 × 16"
    assert frame.locator("#rows tr.wrong").count() == 1  # now it is C5
    frame.fill("#size-number", "1")
    assert "no longer fits into 1 × 1" in text(frame, "#rows tr.wrong")
    assert text(frame, "#totals") == ""


def test_padding_and_what_is_never_looked_at_are_said(lab):
    _, frame = lab
    frame.evaluate("Object.assign(state, {input: {size: 13, channels: 1}})")
    script = (
        "layer => { edit(null, () => { state.layers = [layer]; state.selected = 0; }); build(); }"
    )
    frame.evaluate(script, conv(2, 6, 5))
    assert "with 1 + 2 zeros: 1 before, 2 after" in text(frame, "#edge")
    assert "pads 1 + 2" in text(frame, "#rows")
    frame.evaluate(script, conv(2, 6, 5, "valid"))
    assert "The last 2 rows and columns of the picture are never looked at: 48 of 169" in text(
        frame, "#edge"
    )
    assert "48 of 169 pixels reach no unit" in text(frame, "#input-legend")
    assert "skips 2" in text(frame, "#rows")
    frame.evaluate(script, pool(2, 5))
    # Windows on 1-2, 6-7, 11-12 of 13.
    assert "7 rows and columns of the picture fall between or behind the windows" in text(
        frame, "#edge"
    )
    frame.evaluate(script, pool(3, 1, "same"))
    assert "1 + 1 places that never count as the largest" in text(frame, "#edge")
    frame.evaluate(script, conv(2, 1))
    assert "nothing is padded" in text(frame, "#edge")


def colour_at(frame, x, y):
    """Red, green, blue of the picture's canvas, at a place in pixels of the page."""
    script = """([x, y]) => {
      const canvas = document.querySelector("#input canvas");
      const ratio = canvas.width / canvas.clientWidth;
      return [...canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data].slice(0, 3);
    }"""
    return frame.evaluate(script, [x, y])


def test_picking_a_unit_moves_the_frame(lab):
    page, frame = lab
    warm = [213, 94, 0]
    cell = frame.evaluate("view().cell")
    assert text(frame, "#sees") == "Row 5, column 5 sees rows 9–22 and columns 9–22."
    assert colour_at(frame, 15 * cell, 22 * cell) == warm  # the lower edge: behind row 22
    press_until(page, frame, "element.id === 'map'")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert spoken(frame, "Row 6, column 7 sees rows 11–24 and columns 13–26.")
    assert colour_at(frame, 15 * cell, 22 * cell) != warm
    assert colour_at(frame, 19 * cell, 24 * cell) == warm
    assert colour_at(frame, 26 * cell, 17 * cell) == warm
    page.keyboard.press("End")
    assert spoken(frame, "Row 10, column 10 sees rows 19–32 and columns 19–32.")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    assert spoken(frame, "Row 1, column 1 sees rows 1–14 and columns 1–14.")
    assert frame.get_attribute("#input", "aria-label").endswith("lies outside of the picture.")


def test_pointing_at_map_or_picture_picks_a_unit(lab):
    page, frame = lab
    frame.get_by_role("radio", name=re.compile("^S4")).check(force=True)
    frame.locator("#map-hint").scroll_into_view_if_needed()
    box = frame.locator("#map").bounding_box()
    cell, behind = frame.evaluate("[mapCell(), 5 * sheets(selectedRow())]")
    page.mouse.move(box["x"] + 3.5 * cell, box["y"] + behind + 1.5 * cell)
    assert spoken(frame, "Row 2, column 4 sees rows 5–20 and columns 13–28.")
    box = frame.locator("#input").bounding_box()
    page.mouse.move(box["x"] + 1, box["y"] + box["height"] - 1)
    assert spoken(frame, "Row 5, column 1 sees rows 17–32 and columns 1–16.")


def test_fields_over_the_edge_are_hatched_counted_and_clipped(lab):
    page, frame = lab
    frame.evaluate("lab.load('alexnet'); select(7)")
    assert "4 of 36 see the picture only" in text(frame, "#map-legend")
    frame.focus("#map")
    page.keyboard.press("Home")
    said = spoken(frame, "Outside of the picture: 64 above, 64 left.")
    assert "sees rows 1–131 and columns 1–131" in said
    assert text(frame, "#input-legend") == "outside of the picture"
    frame.get_by_role("button", name="28", exact=True).click()
    frame.evaluate("select(0)")
    assert "larger" not in text(frame, "#sight")
    frame.evaluate("lab.load('vgg'); change(null, state.input, 'size', 32); select(17)")
    assert "The field is larger than the picture (32 × 32) and is shown clipped." in text(
        frame, "#sight"
    )
    assert text(frame, "#input-legend") == "outside of the picture (clipped)"
    assert text(frame, "#map-legend") == "sees padding too"


def test_pointing_at_a_layer_brings_out_its_frame(lab):
    _, frame = lab
    drawn = "document.querySelector('#input canvas').toDataURL()"
    before = frame.evaluate(drawn)
    frame.get_by_role("row", name=re.compile("^C1")).hover()
    assert frame.evaluate("state.hovered") == "C1"
    assert frame.evaluate(drawn) != before
    assert text(frame, "#map-title").startswith("C3")
    frame.locator("h1").hover()
    assert frame.evaluate("state.hovered") is None
    assert frame.evaluate(drawn) == before


def test_the_photo_has_the_inputs_size_and_channels(lab):
    _, frame = lab
    until(frame, "photo.complete && photo.naturalWidth === 227")
    script = """() => {
      const canvas = picture(), {width, height} = canvas;
      const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
      const red = data.filter((_, i) => i % 4 === 0);
      const blue = data.filter((_, i) => i % 4 === 2);
      const grey = red.every((value, i) => value === blue[i]);
      return [width, height, Math.max(...red) - Math.min(...red), grey];
    }"""
    for preset, grey in (("lenet", True), ("alexnet", False), ("three", False)):
        frame.evaluate(f"lab.load('{preset}')")
        size = frame.evaluate("state.input.size")
        width, height, contrast, is_grey = frame.evaluate(script)
        assert (width, height, is_grey) == (size, size, grey)
        assert contrast > 100


def test_a_stack_has_an_end_and_huge_numbers_fit(shared):
    frame = fresh(shared, width=360)
    frame.evaluate("lab.load('empty'); for (let i = 0; i < 25; i++) byId('add-conv').click()")
    assert frame.evaluate("state.layers.length") == 24
    assert text(frame, "#add-label") == "No more than 24 layers"
    frame.evaluate("""edit(null, () => state.layers.forEach(
        layer => Object.assign(layer, {kernel: 15, stride: 8, channels: 4096}))); build()""")
    assert "× 10²¹" in text(frame, "#rows")
    until(frame, "document.documentElement.scrollWidth <= innerWidth")


def test_one_picks_a_unit_with_a_finger(browser, tmp_path):
    with embedded(browser, tmp_path, "shapes", width=360, has_touch=True) as (page, frame):
        frame.locator("#map").scroll_into_view_if_needed()
        box = frame.locator("#map").bounding_box()
        page.touchscreen.tap(box["x"] + 5, box["y"] + box["height"] - 5)
        assert frame.evaluate("state.unit") == [9, 0]
