"""The boxes lab computes what the package computes, and shows it to mouse, finger and keys."""

import base64
import io
import re

import numpy as np
import pytest
from labs_helpers import embedded, finger, press_until, spoken, until
from PIL import Image

from course_utils import labs
from course_utils.detection import boxes, metrics, scenes

pytest_plugins = "lab_fixtures"
LAB = "boxes"  # what `lab` is


def random_boxes(rng, count, step):
    """Around a few places, on a grid: many IoUs are equal, some are exactly a threshold."""
    centres = rng.uniform(10, 90, (4, 2))[rng.integers(4, size=count)]
    sizes = rng.uniform(8, 40, (count, 2))
    corners = np.hstack([centres - sizes / 2, centres + sizes / 2]) + rng.normal(0, 3, (count, 4))
    corners = np.round(corners / step) * step
    return np.hstack([corners[:, :2], np.maximum(corners[:, 2:], corners[:, :2] + step)])


# ---- Arithmetic ----


def test_small_examples_by_hand(lab):
    _, frame = lab
    tall, half = [10, 20, 14, 50], [10, 20, 14, 35]
    assert frame.evaluate("given => lab.iou(...given)", [tall, half]) == 0.5
    assert frame.evaluate("given => lab.iou(...given)", [tall, [14, 20, 18, 50]]) == 0
    found = frame.evaluate("given => lab.nms(...given)", [[half, tall, tall], [0.6, 0.9, 0.2], 0.4])
    assert found == {"kept": [1], "by": [1, None, 1]}
    curve = frame.evaluate("lab.precisionRecall([true, false, true], 4)")
    assert curve == {"precision": [1, 0.5, 2 / 3], "recall": [0.25, 0.25, 0.5]}
    found = frame.evaluate("curve => lab.averagePrecision(curve.precision, curve.recall)", curve)
    assert found == pytest.approx((26 + 25 * 2 / 3) / 101)


def test_overlap_and_suppression_equal_the_packages(lab):
    rng = np.random.default_rng(0)
    cases, expected = [], []
    for case in range(60):
        count, step = int(rng.integers(0, 40)), (4, 1, 0.25)[case % 3]
        corners = random_boxes(rng, count, step)
        scores = np.round(rng.random(count), 2 if case % 2 else 1)
        threshold = float(rng.choice([0, 0.2, 0.25, 0.5, 0.6, 0.75, 1]))
        cases.append([corners.tolist(), scores.tolist(), threshold])
        expected.append([boxes.iou(corners, corners), boxes.nms(corners, scores, threshold)])
    script = """cases => cases.map(([boxes, scores, threshold]) => [
        boxes.map(a => boxes.map(b => lab.iou(a, b))), lab.nms(boxes, scores, threshold)])"""
    for (overlaps, run), (ious, kept), case in zip(
        lab[1].evaluate(script, cases), expected, cases, strict=True
    ):
        np.testing.assert_allclose(np.reshape(overlaps, ious.shape), ious, rtol=0, atol=1e-12)
        assert run["kept"] == kept.tolist()
        for dropped, better in enumerate(run["by"]):
            assert (better is None) == (dropped in run["kept"])
            assert better is None or (better in kept and ious[dropped, better] > case[2])


def test_curves_equal_the_packages(lab):
    rng = np.random.default_rng(1)
    cases, expected = [], []
    for case in range(60):
        step = (4, 1, 0.25)[case % 3]
        objects = random_boxes(rng, int(rng.integers(1, 8)), step)
        found = random_boxes(rng, int(rng.integers(0, 30)), step)
        near = rng.random(len(found)) < 0.5
        found[near] = objects[rng.integers(len(objects), size=near.sum())] + [0, 0, step, step]
        threshold = float(rng.choice([0.3, 0.5, 0.6, 0.75, 1]))
        scores = np.linspace(1, 0, len(found))
        truth = [{"boxes": objects, "labels": np.zeros(len(objects), int)}]
        predictions = [{"boxes": found, "labels": np.zeros(len(found), int), "scores": scores}]
        _, hits, total = metrics.outcomes(truth, predictions, 0, threshold)
        curve = metrics.precision_recall(scores, hits, total)
        expected.append([hits, curve, metrics.average_precision(*curve)])
        cases.append([found.tolist(), objects.tolist(), threshold])
    script = """cases => cases.map(([boxes, objects, threshold]) => {
      const hits = lab.match(boxes, objects, threshold).map(object => object !== null);
      const {precision, recall} = lab.precisionRecall(hits, objects.length);
      return [hits, [precision, recall], lab.averagePrecision(precision, recall)];
    })"""
    for found, (hits, curve, value) in zip(lab[1].evaluate(script, cases), expected, strict=True):
        assert found[0] == hits.tolist()
        np.testing.assert_allclose(found[1], curve, rtol=0, atol=1e-12)
        assert found[2] == pytest.approx(value, abs=1e-12)


def test_every_recall_of_101_is_read_as_in_the_package(lab):
    # One hit more at each count: k of n objects may be k hundredths, or a hair beside them.
    for total in (3, 7, 10, 25, 100):
        hits = [True, False] * total
        curve = metrics.precision_recall(np.linspace(1, 0, 2 * total), hits, total)
        found = lab[1].evaluate(
            "([hits, total]) => { const c = lab.precisionRecall(hits, total);"
            " return lab.averagePrecision(c.precision, c.recall); }",
            [hits, total],
        )
        assert found == pytest.approx(metrics.average_precision(*curve), abs=1e-12)


def test_the_scene_is_one_of_the_packages(lab):
    images, truth = scenes.make_scenes(286, 0, "test")
    assert lab[1].evaluate("lab.objects") == truth[285]["boxes"].tolist()
    text = re.search(r'const SCENE = "(.+)";', labs.page("boxes")).group(1)
    with Image.open(io.BytesIO(base64.urlsafe_b64decode(text))) as image:
        pixels = np.asarray(image) / 255
    assert pixels.shape == (96, 96, 3)
    assert np.abs(pixels - images[285]).mean() < 0.03  # JPEG loses some of the noise


def test_the_walk_equals_the_packages_at_every_setting(lab):
    _, frame = lab
    cloud = frame.evaluate("({boxes: lab.state.boxes, scores: lab.state.scores})")
    corners, scores = np.array(cloud["boxes"]), np.array(cloud["scores"])
    objects = frame.evaluate("lab.objects")
    truth = [{"boxes": objects, "labels": np.zeros(len(objects), int)}]
    values = set()
    for lowest, overlap, enough in [
        (0, 0.5, 0.5),
        (0.2, 0.3, 0.5),
        (0.4, 0.7, 0.75),
        (0.6, 1, 0.5),
    ]:
        for name, value in (("lowest", lowest), ("overlap", overlap)):
            frame.fill(f"#{name}", str(value))
        frame.locator(f"#enough [value='{enough}']").check(force=True)
        frame.click("#last")
        strong = np.flatnonzero(scores >= lowest)
        kept = strong[boxes.nms(corners[strong], scores[strong], overlap)]
        assert frame.evaluate("run.kept") == kept.tolist()
        found = [
            {"boxes": corners[kept], "labels": np.zeros(len(kept), int), "scores": scores[kept]}
        ]
        result = metrics.mean_average_precision(truth, found, enough)
        hits = int(result["hits"][0][0])
        shown = frame.inner_text("#counts")
        assert f"{result['mAP']:.3f}" in shown
        assert f"hits / kept = {hits} / {len(kept)}" in shown
        assert f"hits / objects = {hits} / 5" in shown
        values.add(round(result["mAP"], 3))
    assert len(values) >= 3


# ---- Two boxes ----


def pad(frame, x, y):
    """Where a place of the pad, in its pixels, lies on the page."""
    box = frame.locator("#pad").bounding_box()
    cell = box["width"] / 32
    return box["x"] + x * cell, box["y"] + y * cell


def drag(page, frame, start, end):
    page.mouse.move(*pad(frame, *start))
    page.mouse.down()
    page.mouse.move(*pad(frame, *end), steps=4)
    page.mouse.up()


def test_the_page_shows_the_arithmetic_of_two_boxes(lab):
    _, frame = lab
    sums = " ".join(frame.inner_text("#sums").split())
    assert "Area of A 14 × 12 = 168" in sums
    assert "min(18, 26) − max(4, 12) = 6" in sums
    assert "min(16, 22) − max(4, 10) = 6" in sums
    assert "168 + 168 − 36 = 300" in sums
    assert frame.inner_text("#iou") == "IoU = 36 / 300 = 0.120"
    assert "Below .5" in frame.inner_text("#verdict")


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("One third shifted", "96 / 192 = 0.500", "A hit where .5"),
        ("Corner", "36 / 300 = 0.120", "Below .5"),
        ("One inside", "80 / 320 = 0.250", "Below .5"),
        ("Only touching", "0 / 240 = 0.000", "No overlap"),
        ("Equal", "192 / 192 = 1.000", "even where .75"),
    ],
)
def test_examples_to_try(lab, name, value, verdict):
    _, frame = lab
    frame.get_by_role("button", name=name).click()
    assert frame.inner_text("#iou") == f"IoU = {value}"
    assert verdict in frame.inner_text("#verdict")
    assert spoken(frame, name)


def test_one_drags_a_box_and_a_corner(lab):
    page, frame = lab
    drag(page, frame, (6, 12), (10, 17))  # within A
    assert frame.evaluate("lab.state.pair") == [[8, 9, 22, 21], [12, 10, 26, 22]]
    assert spoken(frame, "Box A: x 8 to 22, y 9 to 21. IoU 0.")
    drag(page, frame, (26, 22), (20, 14))  # B's lower right corner
    assert frame.evaluate("lab.state.pair[1]") == [12, 10, 20, 14]
    drag(page, frame, (12, 10), (40, 40))  # a corner does not pass the one across
    assert frame.evaluate("lab.state.pair[1]") == [16, 10, 20, 14]
    drag(page, frame, (18, 12), (90, -90))  # the small box lies on the large one; it stays inside
    assert frame.evaluate("lab.state.pair[1]") == [28, 0, 32, 4]
    drag(page, frame, (2, 2), (9, 9))  # nothing is there
    assert frame.evaluate("lab.state.pair") == [[8, 9, 22, 21], [28, 0, 32, 4]]
    assert "a width or height is not above 0" in frame.inner_text("#sums")
    assert "max(8, 28) = −6" in frame.inner_text("#sums")


def test_the_pointer_tells_what_it_would_do(lab):
    page, frame = lab
    cursor = "getComputedStyle(document.querySelector('#pad')).cursor"
    for start, expected in (((6, 12), "move"), ((4, 4), "nwse-resize"), ((26, 10), "nesw-resize")):
        page.mouse.move(*pad(frame, *start))
        assert frame.evaluate(cursor) == expected
    page.mouse.move(*pad(frame, 2, 22))
    assert frame.evaluate(cursor) == "default"


def test_one_moves_boxes_with_the_keyboard(lab):
    page, frame = lab
    press_until(page, frame, "element.id === 'a'")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert spoken(frame, "Box A: x 5 to 19, y 5 to 17. IoU")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    assert frame.evaluate("lab.state.pair[0]") == [5, 5, 20, 16]
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Shift+ArrowLeft")
    assert frame.evaluate("lab.state.pair[0]") == [0, 5, 4, 16]
    assert frame.get_attribute("#a", "aria-label") == "Box A, x 0 to 4, y 5 to 16"
    page.keyboard.press("Control+ArrowDown")
    page.keyboard.press("x")
    assert frame.evaluate("lab.state.pair[0]") == [0, 5, 4, 16]
    press_until(page, frame, "element.id === 'b'")
    page.keyboard.press("ArrowUp")
    assert frame.evaluate("lab.state.pair[1]") == [12, 9, 26, 21]


def test_one_types_corners(lab):
    page, frame = lab
    field = frame.get_by_label("B, x1")
    field.fill("6")
    assert frame.evaluate("lab.state.pair[1]") == [6, 10, 26, 22]
    assert spoken(frame, "Box B: x 6 to 26")
    for wrong in ("", "23", "-1", "2.5"):
        field.fill(wrong)
        assert field.get_attribute("aria-invalid") == "true"
        assert frame.inner_text("#complaint") == "B, x1: a whole number from 0 to 22."
        assert frame.evaluate("lab.state.pair[1]") == [6, 10, 26, 22]
    page.keyboard.press("Tab")
    assert field.input_value() == "6"
    assert field.get_attribute("aria-invalid") == "false"
    assert frame.inner_text("#complaint") == ""
    frame.get_by_label("A, y2").fill("24")
    assert frame.evaluate("lab.state.pair[0]") == [4, 4, 18, 24]


def test_one_drags_with_a_finger(browser, tmp_path):
    with embedded(browser, tmp_path, "boxes", width=360, has_touch=True) as (page, frame):
        frame.locator("#pad").scroll_into_view_if_needed()
        touch = finger(page)

        touch("touchStart", *pad(frame, 20, 16))
        for y in (14, 12, 10):
            touch("touchMove", *pad(frame, 18, y))
        touch("touchEnd")
        # No part of it was taken for scrolling.
        assert frame.evaluate("lab.state.pair[1]") == [10, 4, 24, 16]


# ---- The cloud ----


def test_it_opens_with_all_boxes_waiting(lab):
    _, frame = lab
    assert "nothing kept yet" in frame.inner_text("#counts")
    assert "wait. Step:" in frame.inner_text("#said")
    assert frame.locator(".candidate").count() == frame.evaluate("lab.state.boxes.length") == 26
    assert frame.locator(".candidate.hit, .candidate.miss, .candidate.dropped").count() == 0
    scores = [float(text.split()[0]) for text in frame.locator(".face").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)


def test_steps_keep_the_best_and_drop_what_overlaps_it(lab):
    _, frame = lab
    frame.click("#step")
    first = frame.evaluate("run.kept[0]")
    assert first == frame.evaluate("lab.state.scores.indexOf(Math.max(...lab.state.scores))")
    gone = frame.evaluate("run.droppedBy.filter(better => better === run.kept[0]).length")
    assert gone >= 1
    assert frame.locator(".candidate.dropped").count() == gone
    assert "Step 1 of 10: box 1 (0." in frame.inner_text("#said")
    assert f"a hit, and drops {gone}." in frame.inner_text("#said")
    assert "Kept in step 1: a hit" in frame.inner_text("#fate")
    assert spoken(frame, "hits / kept = 1 / 1")
    frame.locator(".candidate.dropped input").first.check(force=True)
    assert "Dropped in step 1: it overlaps box 1 by 0." in frame.inner_text("#fate")
    frame.click("#step")
    frame.click("#back")
    assert frame.evaluate("lab.state.step") == 1
    frame.click("#first")
    assert frame.evaluate("lab.state.step") == 0
    frame.click("#back")
    assert frame.evaluate("lab.state.step") == 0
    frame.click("#last")
    frame.click("#step")
    assert "None is left." in frame.inner_text("#said")
    assert frame.locator(".candidate.waiting").count() == 0


def test_the_curve_grows_by_a_point_a_step(lab):
    _, frame = lab
    drawn = "document.querySelector('#curve canvas').toDataURL()"
    seen = {frame.evaluate(drawn)}
    for step in range(1, 11):
        frame.click("#step")
        seen.add(frame.evaluate(drawn))
        assert frame.evaluate("curve.precision.length") == step
        points = frame.get_attribute("#curve", "aria-label")
        assert points.count(" at ") == step
    assert len(seen) == 11


def test_what_each_threshold_costs(lab):
    # Too low an IoU drops neighbours that were right; too high a one lets doubles stay.
    _, frame = lab
    frame.click("#last")
    counts = []
    for overlap in ("0.3", "0.5", "0.7"):
        frame.fill("#overlap", overlap)
        assert "None is left" in frame.inner_text("#said")  # what was at its end stays there
        hits = frame.locator(".candidate.hit").count()
        counts.append((hits, frame.locator(".candidate.miss").count()))
    assert counts[0][0] < counts[1][0] == 5
    assert counts[0][1] < counts[1][1] < counts[2][1]
    frame.locator(".candidate.miss input").first.check(force=True)
    assert "a better box has found the object: a double" in frame.inner_text("#fate")
    frame.locator(".candidate.miss input").last.check(force=True)
    assert "no object is overlapped by 0.50" in frame.inner_text("#fate")


def test_boxes_with_low_scores_take_no_part(lab):
    page, frame = lab
    press_until(page, frame, "element.id === 'lowest'")
    page.keyboard.press("End")
    assert "No box reaches this score" in frame.inner_text("#said")
    assert frame.locator(".candidate.low").count() == 26
    assert "Its score is below 1.00" in frame.inner_text("#fate")
    frame.click("#play")
    assert frame.inner_text("#play").strip() == "Play"  # nothing to play
    frame.focus("#lowest")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert frame.evaluate("lab.state.lowest") == 0.05
    assert frame.locator(".candidate.low").count() == frame.evaluate(
        "lab.state.scores.filter(score => score < 0.05).length"
    )


def test_play_goes_to_the_end_and_can_be_stopped(lab):
    _, frame = lab
    frame.fill("#lowest", "0.7")
    frame.click("#play")
    assert frame.inner_text("#play").strip() == "Pause"
    until(frame, "lab.state.step >= 1")
    frame.click("#play")
    assert frame.inner_text("#play").strip() == "Play"
    step = frame.evaluate("lab.state.step")
    frame.click("#play")
    until(frame, f"lab.state.step > {step}")
    until(frame, "lab.state.step === run.kept.length && lab.state.timer === null")
    assert spoken(frame, "None is left.")
    frame.click("#play")  # again from the start
    until(frame, "lab.state.step === 1")
    frame.click("#first")
    assert frame.evaluate("lab.state.timer") is None


def test_one_picks_a_box_in_the_picture_or_with_the_keyboard(lab):
    page, frame = lab
    press_until(page, frame, "element.name === 'candidate'", limit=80)
    page.keyboard.press("ArrowRight")
    assert spoken(frame, "Box 2 of 26: score")
    box = frame.evaluate("lab.state.boxes[order[4]]")
    canvas = frame.locator("#scene")
    canvas.scroll_into_view_if_needed()
    place = canvas.bounding_box()
    scale = place["width"] / 96
    frame.evaluate(
        "lab.state.boxes.forEach((box, i) => { if (i !== order[4]) box.fill(0, 0, 4); })"
    )
    page.mouse.click(place["x"] + (box[0] + 2) * scale, place["y"] + (box[1] + 2) * scale)
    assert frame.evaluate("lab.state.picked === order[4]")
    assert spoken(frame, "Box 5 of 26: score")
    page.mouse.click(place["x"] + 1, place["y"] + place["height"] - 2)  # no box is there
    assert frame.evaluate("lab.state.picked === order[4]")


def test_another_cloud(lab):
    _, frame = lab
    before = frame.evaluate("JSON.stringify(lab.state.boxes)")
    frame.click("#last")
    frame.click("#again")
    assert frame.evaluate("JSON.stringify(lab.state.boxes)") != before
    assert frame.evaluate("lab.state.step") == 0
    assert spoken(frame, "Another cloud.")
    # The same seed gives the same cloud, within the picture.
    same = "JSON.stringify(lab.makeCloud(6).boxes)"
    assert frame.evaluate(same) == frame.evaluate(same) == before
    for seed in range(1, 30):
        cloud = frame.evaluate(f"lab.makeCloud({seed})")
        corners = np.array(cloud["boxes"])
        assert boxes.area(corners).min() >= 36
        assert corners.min() >= 0
        assert corners.max() <= 96
        assert min(cloud["scores"]) >= 0.02
        assert max(cloud["scores"]) <= 0.99
