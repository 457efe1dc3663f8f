"""The three detectors: their targets and losses by hand, and back from targets to the truth."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from course_utils.architectures import multiply_adds
from course_utils.detection import backbone, boxes, faster_rcnn, scenes, ssd, tensors, yolo
from course_utils.detection.boxes import iou

DETECTORS = {"yolo": yolo, "ssd": ssd, "faster_rcnn": faster_rcnn}
BUILD = {
    "yolo": yolo.build_yolo,
    "ssd": ssd.build_ssd,
    "faster_rcnn": faster_rcnn.build_faster_rcnn,
}
EMPTY = {"boxes": np.zeros((0, 4)), "labels": np.zeros(0, int)}
TRUTH = [
    {"boxes": [[8, 16, 32, 40], [90, 0, 96, 6]], "labels": [3, 9]},
    EMPTY,
    {"boxes": [[10, 20, 58, 52], [0, 60, 20, 96], [50, 30, 90, 70]], "labels": [0, 1, 1]},
]
SURE = 30.0  # a logit


@pytest.fixture(scope="module")
def models():
    return {name: build() for name, build in BUILD.items()}


def perfect(name, truth):
    """Targets, and the outputs of a network that has learned them."""
    targets = DETECTORS[name].encode(truth)
    if name == "yolo":
        share = np.clip(targets[..., :4], 1e-6, 1 - 1e-6)
        box = np.log(share / (1 - share))
        confidence = SURE * (2 * targets[..., 5:] - 1)
        second = [0 * box, np.full_like(confidence, -SURE)]
        return targets, np.concatenate(
            [box, confidence, *second, SURE * np.eye(10)[targets[..., 4].astype(int)]], axis=-1
        ).astype(np.float32)
    if name == "ssd":
        categories = SURE * np.eye(11)[targets[..., 0].astype(int)]
        return targets, np.concatenate([categories, targets[..., 1:]], -1).astype(np.float32)
    objectness = SURE * (2.0 * (targets["objectness"] == 1) - 1).astype(np.float32)
    proposals = faster_rcnn.Proposals()(objectness, targets["offsets"])
    category, moves = faster_rcnn.assign(proposals, targets["boxes"], targets["labels"])
    return targets, {
        "objectness": objectness,
        "offsets": targets["offsets"],
        "proposals": proposals,
        "logits": SURE * ops.one_hot(category, 11),
        "moves": ops.repeat(moves[:, :, np.newaxis], 10, axis=2),
    }


def loss_of(name, model, targets, outputs):
    if name == "faster_rcnn":
        return float(model.compute_loss(y=targets, y_pred=outputs))
    return float(ops.mean(DETECTORS[name].loss(targets, outputs)))


@pytest.mark.parametrize("name", DETECTORS)
def test_what_is_encoded_is_decoded(name):
    _, outputs = perfect(name, TRUTH)
    found = DETECTORS[name].decode(outputs, score_threshold=0.5)
    assert len(found) == len(TRUTH)
    for expected, image in zip(TRUTH, found, strict=True):
        assert len(image["labels"]) == len(expected["labels"])
        order = [
            int(np.argmax(iou([box], image["boxes"])))
            for box in np.reshape(expected["boxes"], (-1, 4))
        ]
        np.testing.assert_allclose(
            image["boxes"][order], np.reshape(expected["boxes"], (-1, 4)), atol=0.01
        )
        assert image["labels"][order].tolist() == list(expected["labels"])
        assert np.all(image["scores"] > 0.99)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_perfect_network_has_no_loss(name, models):
    assert loss_of(name, models[name], *perfect(name, TRUTH)) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("truth", [[EMPTY, EMPTY], TRUTH])
def test_any_number_of_objects_has_a_loss_and_gradients(name, truth, models):
    model, images = models[name], np.full((len(truth), 96, 96, 3), 0.5, np.float32)
    with tf.GradientTape() as tape:
        outputs, targets = model(images, training=True), DETECTORS[name].encode(truth)
        if name == "faster_rcnn":
            loss = model.compute_loss(y=targets, y_pred=outputs)
        else:
            loss = ops.mean(DETECTORS[name].loss(targets, outputs))
    gradients = tape.gradient(loss, model.trainable_variables)
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients if gradient is not None)
    assert all(gradient is not None for gradient in gradients) or name == "ssd"


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"boxes": [[80, 0, 97, 10]], "labels": [0]}, r"truth\[1\] within the image, from 0 to 96"),
        ({"boxes": [[-1, 0, 9, 10]], "labels": [0]}, r"within the image.*\[-1.0, 0.0, 9.0, 10.0\]"),
        ({"boxes": [[5, 0, 5, 10]], "labels": [0]}, "x1 < x2"),
        ({"boxes": [[5, 0, 15, 10]], "labels": [10]}, r"labels of truth\[1\] < 10, got 10"),
        ({"boxes": [[5, 0, 15, 10]], "labels": [1, 2]}, r"shape \(1,\)"),
    ],
)
def test_what_cannot_be_learned_is_refused(name, image, message):
    with pytest.raises(ValueError, match=message):
        DETECTORS[name].encode([EMPTY, image])


@pytest.mark.parametrize(
    ("name", "parameters"), [("yolo", 418_940), ("ssd", 541_852), ("faster_rcnn", 544_648)]
)
def test_size(name, parameters, models):
    assert models[name].count_params() == parameters
    assert 50e6 < multiply_adds(models[name]) < 60e6


def test_backbone_has_a_fine_and_a_coarse_map():
    fine, coarse = backbone.feature_maps(keras.Input((48, 112, 3)))
    assert fine.shape == (None, 6, 14, 96)
    assert coarse.shape == (None, 3, 7, 96)
    assert backbone.merged_map(keras.Input((48, 112, 3))).shape == (None, 6, 14, 96)


def test_windows_are_centred_and_black_outside():
    images, truth = scenes.make_scenes(3, seed=2)
    truth[0] = {"boxes": np.array([[10, 60, 30, 80], [84, 0, 96, 21]]), "labels": np.array([4, 7])}
    cut, labels = backbone.windows(images[:1], truth[:1])
    assert cut.shape == (2, 48, 48, 3)
    assert labels.tolist() == [4, 7]
    np.testing.assert_array_equal(cut[0, :, 4:], images[0, 46:94, :44])  # around (20, 70)
    assert cut[0, :, :4].max() == 0
    np.testing.assert_array_equal(cut[1, 14:, :30], images[0, :34, 66:])  # around (90, 10)
    assert cut[1, :14].max() == cut[1, :, 30:].max() == 0


def test_classifier_keeps_the_names_of_the_detectors_convolutions(models):
    classifier = backbone.build_classifier()
    assert classifier.output_shape == (None, 10)
    names = {layer.name for layer in classifier.layers if layer.name.startswith("conv")}
    assert len(names) == 21
    for model in models.values():
        assert names == {layer.name for layer in model.layers if layer.name.startswith("conv")}


# ---- YOLO ----


def test_yolo_targets_by_hand():
    grid = yolo.encode(TRUTH[:2])
    assert grid.shape == (2, 12, 12, 6)
    # Centre (20, 28), 24 x 24 pixels: the middle of column 2, row 3; a quarter of the image.
    np.testing.assert_allclose(grid[0, 3, 2], [0.5, 0.5, 0.5, 0.5, 3, 1])
    # Centre (93, 3), 6 x 6 pixels.
    np.testing.assert_allclose(grid[0, 0, 11], [0.625, 0.375, 0.25, 0.25, 9, 1])
    assert grid[0, ..., 5].sum() == 2
    assert not grid[1].any()


def test_yolo_cell_keeps_the_last_object():
    two = {"boxes": [[8, 16, 32, 40], [16, 24, 24, 32]], "labels": [3, 4]}
    assert yolo.encode([two])[0, 3, 2, 4] == 4


def test_yolo_loss_by_hand():
    # All outputs 0: each box is 24 x 24 pixels in the middle of its cell, which is where the object
    # is; each confidence is .5, each class .1.
    truth = [{"boxes": [[8, 16, 32, 40]], "labels": [3]}, EMPTY]
    losses = np.asarray(yolo.loss(yolo.encode(truth), np.zeros((2, 12, 12, 20), np.float32)))
    others = 2 * 144 - 1
    first = (1 + 0.5 * others) * math.log(2) + math.log(10)
    np.testing.assert_allclose(losses, [first, 0.5 * 288 * math.log(2)], rtol=1e-5)


def test_yolo_loss_counts_only_the_responsible_box():
    truth = yolo.encode([{"boxes": [[8, 16, 32, 40]], "labels": [3]}])
    outputs = np.zeros((1, 12, 12, 20), np.float32)
    before = float(yolo.loss(truth, outputs)[0])
    outputs[0, 3, 2, :4] = -0.2  # the first box moves away: the second one is responsible
    assert float(yolo.loss(truth, outputs)[0]) == pytest.approx(before, rel=1e-6)
    outputs[0, 3, 2, 5:9] = -0.2  # now both are equally far off
    off = 0.5 - 1 / (1 + math.exp(0.2))
    # The confidence is .5 still, and its cross-entropy log 2 whatever the IoU.
    assert float(yolo.loss(truth, outputs)[0]) == pytest.approx(before + 5 * 4 * off**2, rel=1e-5)


# ---- SSD ----


def test_default_boxes():
    defaults = ssd.default_boxes()
    assert defaults.shape == (756, 4)
    np.testing.assert_allclose(defaults[0], [4 - 9.6, 4 - 9.6, 4 + 9.6, 4 + 9.6], rtol=1e-5)
    widths, heights = (defaults[:, 2:] - defaults[:, :2]).T
    sides = [19.2, 33.6, 48.0, 62.4]
    for level, first in enumerate((0, 576, 720)):
        side, larger = sides[level], math.sqrt(sides[level] * sides[level + 1])
        expected = [side, side * math.sqrt(2), side / math.sqrt(2), larger]
        np.testing.assert_allclose(widths[first : first + 4], expected, rtol=1e-5)
        np.testing.assert_allclose(
            heights[first : first + 4], np.array(expected)[[0, 2, 1, 3]], rtol=1e-5
        )


def test_ssd_targets_and_loss_by_hand():
    first = 4 * (3 * 12 + 5)  # row 3, column 5 of the finest map: a square of 19.2 pixels
    truth = [{"boxes": [ssd.default_boxes()[first]], "labels": [6]}, EMPTY]
    targets = ssd.encode(truth)
    # The other boxes of that position overlap it by .55, .55 and .57, no others by .5.
    assert np.flatnonzero(targets[0, :, 0]).tolist() == [first, first + 1, first + 2, first + 3]
    assert set(targets[0, first : first + 4, 0]) == {7}
    wide, large = math.log(math.sqrt(2)) / 0.2, math.log(math.sqrt(33.6 / 19.2)) / 0.2
    expected = [[0, 0], [-wide, wide], [wide, -wide], [-large, -large]]
    np.testing.assert_allclose(targets[0, first : first + 4, 3:], expected, atol=1e-5)
    np.testing.assert_allclose(targets[0, first : first + 4, 1:3], 0, atol=1e-5)
    assert not targets[1].any()
    # All outputs 0: four boxes with an object and twelve without, log 11 each.
    localisation = 4 * (wide - 0.5) + 2 * (large - 0.5)
    loss = float(ssd.loss(targets, np.zeros((2, 756, 15), np.float32)))
    assert loss == pytest.approx((16 * math.log(11) + localisation) / 4, rel=1e-5)


def test_ssd_mines_the_hardest_negatives():
    truth = [{"boxes": [ssd.default_boxes()[4 * 41]], "labels": [6]}]
    targets, outputs = perfect("ssd", truth)
    wrong = np.setdiff1d(np.arange(756), np.arange(164, 168))[::50]  # 16 of the background
    outputs[0, wrong, 2] = SURE + np.arange(len(wrong))  # ever more taken for label 1
    hardest = np.arange(len(wrong))[-12:]
    assert float(ssd.loss(targets, outputs)) == pytest.approx(hardest.sum() / 4, rel=0.02)


# ---- Faster R-CNN ----


def test_anchors_of_faster_rcnn():
    grid = faster_rcnn.anchor_boxes()
    assert grid.shape == (1296, 4)
    np.testing.assert_allclose(grid[9 * (12 * 2 + 1) + 1], [12 - 9, 20 - 9, 12 + 9, 20 + 9])


def test_faster_rcnn_targets_by_hand():
    grid, place = faster_rcnn.anchor_boxes(), 9 * (12 * 6 + 6) + 4
    truth = [{"boxes": [grid[place]], "labels": [5]}, EMPTY]
    targets = faster_rcnn.encode(truth, seed=3)
    # Besides itself only its neighbours, 8 pixels away, overlap a square of 28 pixels by .55.
    assert np.flatnonzero(targets["objectness"][0] == 1).tolist() == [place]
    assert not targets["offsets"][0, place].any()
    assert [(targets["objectness"][k] >= 0).sum() for k in (0, 1)] == [64, 64]
    negative = grid[targets["objectness"][0] == 0]
    assert iou(negative, truth[0]["boxes"]).max() < 0.3
    assert targets["labels"][0].tolist() == [5] + 15 * [-1]
    np.testing.assert_array_equal(targets["boxes"][0, 0], grid[place])
    again, other = (faster_rcnn.encode(truth, seed)["objectness"] for seed in (3, 4))
    np.testing.assert_array_equal(targets["objectness"], again)
    assert np.any(targets["objectness"] != other)


def test_faster_rcnn_draws_at_most_half_positive():
    grid = faster_rcnn.anchor_boxes()
    many = {"boxes": np.clip(grid[600:640:3], 0, 96), "labels": np.zeros(14, int)}
    drawn = faster_rcnn.encode([many])["objectness"][0]
    assert 14 <= (drawn == 1).sum() <= 32
    assert (drawn >= 0).sum() == 64


def test_faster_rcnn_refuses_more_objects_than_it_has_room_for():
    many = {"boxes": np.tile([[10, 20, 58, 52]], (17, 1)), "labels": np.zeros(17, int)}
    with pytest.raises(ValueError, match=r"at most 16 boxes in truth\[0\], got 17"):
        faster_rcnn.encode([many])


def test_proposals_are_the_best_without_doubles():
    grid = faster_rcnn.anchor_boxes()
    objectness, offsets = np.full((1, 1296), -9.0, np.float32), np.zeros((1, 1296, 4), np.float32)
    middle = 9 * (12 * 6 + 6) + 4
    objectness[0, [middle, middle - 9, 0]] = 5, 3, 4
    offsets[0, middle - 9, 0] = 1 / 2.8 / 0.1 * 0.8  # 8 of 28 pixels to the right: onto the first
    proposals = np.asarray(faster_rcnn.Proposals()(objectness, offsets))
    assert proposals.shape == (1, 24, 4)
    np.testing.assert_allclose(proposals[0, 0], grid[middle], atol=1e-4)
    np.testing.assert_allclose(proposals[0, 1], np.clip(grid[0], 0, 96), atol=1e-4)
    assert iou(proposals[0], proposals[0])[np.triu_indices(24, 1)].max() <= 0.7 + 1e-6
    assert proposals.min() >= 0
    assert proposals.max() <= 96


def test_roi_align_of_a_ramp():
    # The value at each position is the pixel that its middle lies on.
    x, y = np.meshgrid(8 * np.arange(12) + 4.0, 8 * np.arange(10) + 4.0)
    features = np.stack([x, y], axis=-1)[np.newaxis].astype(np.float32)
    pooled = np.asarray(faster_rcnn.RoIAlign()(features, np.array([[[8, 16, 40, 64]]], np.float32)))
    assert pooled.shape == (1, 1, 4, 4, 2)
    np.testing.assert_allclose(pooled[0, 0, :, :, 0], np.tile([12, 20, 28, 36], (4, 1)), rtol=1e-5)
    np.testing.assert_allclose(pooled[0, 0, :, 0, 1], [22, 34, 46, 58], rtol=1e-5)


def test_roi_align_against_tensorflow():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, 12, 12, 3)).astype(np.float32)
    low, size = rng.uniform(5, 40, (2, 5, 2)), rng.uniform(8, 48, (2, 5, 2))
    regions = np.concatenate([low, low + size], axis=-1).astype(np.float32)
    pooled = faster_rcnn.RoIAlign()(features, regions)
    inner = np.concatenate([low + size / 16, low + size * 15 / 16], -1)  # the outermost points
    corners = ((inner / 8 - 0.5) / 11)[..., [1, 0, 3, 2]].reshape(-1, 4)
    points = tf.image.crop_and_resize(features, corners, np.repeat([0, 1], 5), (8, 8))
    expected = tf.nn.avg_pool2d(points, 2, 2, "VALID")
    np.testing.assert_allclose(np.reshape(pooled, (10, 4, 4, 3)), expected, atol=1e-4)


def test_regions_take_the_object_that_they_overlap_by_half():
    truth, labels = np.zeros((1, 16, 4), np.float32), np.full((1, 16), -1)
    truth[0, :2], labels[0, :2] = [[0, 0, 20, 10], [40, 0, 60, 10]], [4, 0]
    regions = np.array(
        [[[0, 0, 20, 20], [40, 0, 60, 21], [42, 0, 62, 10], [0, 0, 0, 0]]], "float32"
    )
    category, moves = faster_rcnn.assign(regions, truth, labels)
    assert np.asarray(category).tolist() == [[5, 0, 1, 0]]  # .5 reaches .5, 10 / 21 does not
    expected = boxes.encode(truth[0, [0, 1]], regions[0, [0, 2]])
    np.testing.assert_allclose(np.asarray(moves)[0, [0, 2]], expected, atol=1e-5)


def test_losses_of_faster_rcnn_by_hand():
    drawn = np.full((1, 1296), -1, np.float32)
    drawn[0, :6] = 1, 1, 0, 0, 0, 0
    offsets = np.zeros((1, 1296, 4), np.float32)
    offsets[0, 0], offsets[0, 1] = [0.5, 0, 0, -3], [0, 0, 0, 2]  # .125 + 2.5 and 1.5
    zeros = {"objectness": 0 * drawn, "offsets": 0 * offsets}
    loss = float(faster_rcnn.proposal_loss(drawn, offsets, zeros))
    assert loss == pytest.approx(math.log(2) + (0.125 + 2.5 + 1.5) / 6, rel=1e-5)
    category = np.array([[0, 3, 0, 0]])
    moves = np.full((1, 4, 4), 2, np.float32)  # only the second region has an object: 4 x 1.5
    predicted = np.zeros((1, 4, 10, 4), np.float32)
    loss = float(
        faster_rcnn.region_loss(category, moves, np.zeros((1, 4, 11), "float32"), predicted)
    )
    assert loss == pytest.approx(math.log(11) + 4 * 1.5 / 4, rel=1e-5)
    predicted[0, 1, 2] = 2  # its label is 2
    loss = float(
        faster_rcnn.region_loss(category, moves, np.zeros((1, 4, 11), "float32"), predicted)
    )
    assert loss == pytest.approx(math.log(11), rel=1e-5)


def test_training_reports_both_losses_of_faster_rcnn():
    model, images = faster_rcnn.build_faster_rcnn(), np.full((3, 96, 96, 3), 0.5, np.float32)
    model.compile("sgd", run_eagerly=True)
    logs = model.train_on_batch(images, faster_rcnn.encode(TRUTH), return_dict=True)
    assert logs["loss"] == pytest.approx(logs["proposal_loss"] + logs["region_loss"], rel=1e-5)


# ---- boxes as tensors ----


def test_tensors_do_what_arrays_do():
    rng = np.random.default_rng(1)
    low, size = rng.uniform(0, 50, (2, 7, 2)), rng.uniform(2, 40, (2, 7, 2))
    a, b = np.concatenate([low, low + size], axis=-1).astype(np.float32)
    np.testing.assert_allclose(tensors.area(a), boxes.area(a), rtol=1e-5)
    np.testing.assert_allclose(tensors.iou(a[:, np.newaxis], b[:3]), iou(a, b[:3]), atol=1e-6)
    np.testing.assert_allclose(tensors.encode(a, b), boxes.encode(a, b), atol=1e-4)
    offsets = rng.normal(size=(7, 4)).astype(np.float32)
    offsets[0, 2] = 1000  # grows by 62.5 at most
    np.testing.assert_allclose(
        tensors.decode(offsets, b), boxes.decode(offsets, b), rtol=1e-4, atol=1e-3
    )
