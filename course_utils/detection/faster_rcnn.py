"""Faster R-CNN: one network proposes regions, a second one names each and moves its box.

Section and equation numbers are those of Ren et al. (2015), Faster R-CNN. Different here: the
features are those of `backbone.merged_map`; regions are read by RoI align (He et al., 2017, Mask
R-CNN, section 3) and not by RoI pooling; all proposals are learned from, since they are few (Fast
R-CNN draws a quarter with objects and leaves out what overlaps none by 0.1); anchors over the edge
of the image, which are many, are kept; offsets are divided by SSD's variances.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from course_utils.architectures.resnet import conv_norm
from course_utils.detection import anchors, boxes, tensors
from course_utils.detection.backbone import IMAGE_SHAPE, NUM_CLASSES, STRIDE, merged_map
from course_utils.detection.detections import check_truth, choose
from course_utils.detection.matching import BACKGROUND, match

SIZE = IMAGE_SHAPE[0]
POSITIONS = SIZE // STRIDE
SHAPES = anchors.shapes((18, 28, 40), (0.5, 1, 2))  # the paper: 128, 256 and 512 pixels
SAMPLED = 64  # anchors of an image that the loss looks at, at most half of them positive
PROPOSALS = 24  # regions of an image; 300 in the paper
POOLED = 4  # side of what RoI align cuts out of the map; 7 in the paper
MOST = 16  # objects in an image


def anchor_boxes():
    """Nine anchors at every position of the map (section 3.1.1).

    Returns:
        (1296, 4) float32 array, x1, y1, x2, y2 in pixels, row by row.
    """
    return anchors.grid(POSITIONS, POSITIONS, STRIDE, SHAPES)


class Proposals(layers.Layer):
    """The regions to look at: the anchors' boxes with the highest objectness, without doubles.

    No gradient flows through them (section 3.2, "approximate joint training").
    """

    counts_as = "whole image"

    def call(self, objectness, offsets):
        """(N, A) logits and (N, A, 4) offsets -> (N, 24, 4) boxes x1, y1, x2, y2 in pixels."""
        corners = ops.clip(tensors.decode(offsets, anchor_boxes()), 0, SIZE)
        found = tf.image.combined_non_max_suppression(
            ops.expand_dims(corners, 2), ops.sigmoid(objectness)[..., np.newaxis],
            max_output_size_per_class=PROPOSALS, max_total_size=PROPOSALS, iou_threshold=0.7,
            clip_boxes=False,
        )  # fmt: skip
        return ops.stop_gradient(found.nmsed_boxes)  # zeros where there are fewer

    def compute_output_shape(self, objectness_shape, offsets_shape):
        return (objectness_shape[0], PROPOSALS, 4)


class RoIAlign(layers.Layer):
    """What a feature map holds within each region, on a grid of the same size for all of them.

    Each of 4 x 4 bins is the mean over 2 x 2 points, and each point is interpolated between the
    four positions of the map around it. Along one axis that is a weighted sum over the map's
    positions, so that two products of matrices do it, and their gradient is exact everywhere.

    Source: He, Gkioxari, Dollár and Girshick (2017), Mask R-CNN, figure 3.
    """

    counts_as = "whole image"

    def call(self, features, regions):
        """(N, H, W, C), (N, R, 4) x1, y1, x2, y2 in pixels -> (N, R, 4, 4, C)."""
        across = _interpolation(regions[..., 0], regions[..., 2], features.shape[2])
        down = _interpolation(regions[..., 1], regions[..., 3], features.shape[1])
        rows = ops.einsum("nrph,nhwc->nrpwc", down, features)
        return ops.einsum("nrqw,nrpwc->nrpqc", across, rows)

    def compute_output_shape(self, features_shape, regions_shape):
        return (*regions_shape[:2], POOLED, POOLED, features_shape[-1])


def _interpolation(low, high, length):
    """Weights (N, R, 4, length) of a map's positions in the bins from `low` to `high`, (N, R)."""
    points = (np.arange(2 * POOLED, dtype="float32") + 0.5) / (2 * POOLED)
    places = low[..., np.newaxis] + (high - low)[..., np.newaxis] * points  # pixels, (N, R, 8)
    places = ops.clip(places / STRIDE - 0.5, 0, length - 1)  # a position's middle is a whole number
    weights = ops.relu(1 - ops.abs(places[..., np.newaxis] - np.arange(length, dtype="float32")))
    return ops.mean(ops.reshape(weights, (*ops.shape(weights)[:2], POOLED, 2, length)), axis=3)


class FasterRCNN(keras.Model):
    """Both networks and their losses; `build_faster_rcnn` builds it."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.parts = [keras.metrics.Mean(name) for name in ("proposal_loss", "region_loss")]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of the proposals plus that of what is made of them; training reports both."""
        assigned = assign(y_pred["proposals"], y["boxes"], y["labels"])
        losses = (
            proposal_loss(y["objectness"], y["offsets"], y_pred),
            region_loss(*assigned, y_pred["logits"], y_pred["moves"]),
        )
        for part, loss in zip(self.parts, losses, strict=True):
            part.update_state(loss)
        return losses[0] + losses[1]


def build_faster_rcnn():
    """Region proposal network (figure 3) and Fast R-CNN (figure 2), small, with features in common.

    Returns:
        A `FasterRCNN`, a `keras.Model` named "faster_rcnn": images (N, 96, 96, 3) in [0, 1] ->
        dictionary: "objectness" (N, 1296) logits and "offsets" (N, 1296, 4) of the anchors;
        "proposals" (N, 24, 4) x1, y1, x2, y2 in pixels, with their "logits" (N, 24, 11), the
        background first, and "moves" (N, 24, 10, 4), offsets for each class.
    """
    images = keras.Input(IMAGE_SHAPE, name="images")
    features = merged_map(images)
    x = conv_norm(features, 64, 3, name="rpn")
    objectness = layers.Conv2D(len(SHAPES), 1, name="rpn_objectness")(x)
    offsets = layers.Conv2D(4 * len(SHAPES), 1, name="rpn_offsets")(x)
    objectness = layers.Reshape((-1,), name="objectness")(objectness)
    offsets = layers.Reshape((-1, 4), name="offsets")(offsets)
    proposals = Proposals(name="proposals")(objectness, offsets)
    x = RoIAlign(name="roi_align")(features, proposals)
    x = layers.Reshape((PROPOSALS, -1), name="flatten")(x)
    x = layers.Dense(96, activation="relu", name="fc")(x)
    logits = layers.Dense(1 + NUM_CLASSES, name="logits")(x)
    moves = layers.Dense(4 * NUM_CLASSES, name="moves")(x)
    outputs = {
        "objectness": objectness,
        "offsets": offsets,
        "proposals": proposals,
        "logits": logits,
        "moves": layers.Reshape((PROPOSALS, NUM_CLASSES, 4), name="moves_per_class")(moves),
    }
    return FasterRCNN(images, outputs, name="faster_rcnn")


def encode(truth, seed=0):
    """What the anchors are to find, and the truth for the regions, which are not known yet.

    An anchor is positive from an IoU of 0.7 on, or if it is an object's best; below 0.3 it is
    negative (section 3.1.2). Of both together 64 are drawn, at most half of them positive (section
    3.1.3; there 256).

    Args:
        truth: list of N dictionaries with "boxes" (M, 4) x1, y1, x2, y2 in pixels and "labels".
        seed: whole number >= 0, for the draw.

    Returns:
        Dictionary of arrays: "objectness" (N, 1296): 1, 0, or -1 for what the loss leaves out;
        "offsets" (N, 1296, 4), 0 where there is no object; "boxes" (N, 16, 4) and "labels" (N, 16),
        filled up with zeros and -1.

    Raises:
        ValueError: if a box lies outside the image or has no area, a label is no class, or an image
            has more than 16 objects.
    """
    rng, grid, count = np.random.default_rng(seed), anchor_boxes(), len(truth)
    targets = {
        "objectness": np.full((count, len(grid)), -1, np.float32),
        "offsets": np.zeros((count, len(grid), 4), np.float32),
        "boxes": np.zeros((count, MOST, 4), np.float32),
        "labels": np.full((count, MOST), -1, np.int32),
    }
    for index, (objects, labels) in enumerate(check_truth(truth, SIZE, NUM_CLASSES)):
        if len(objects) > MOST:
            raise ValueError(f"expected at most {MOST} boxes in truth[{index}], got {len(objects)}")
        matches = match(grid, objects, positive=0.7, negative=0.3)
        positive = np.flatnonzero(matches >= 0)
        positive = rng.permutation(positive)[: SAMPLED // 2]
        negative = np.flatnonzero(matches == BACKGROUND)
        negative = rng.permutation(negative)[: SAMPLED - len(positive)]
        targets["objectness"][index, positive], targets["objectness"][index, negative] = 1, 0
        offsets = boxes.encode(objects[matches[positive]], grid[positive])
        targets["offsets"][index, positive] = offsets
        targets["boxes"][index, : len(objects)] = objects
        targets["labels"][index, : len(objects)] = labels
    return targets


def proposal_loss(objectness, offsets, outputs):
    """Equation 1 for the anchors that were drawn; both terms are divided by their number.

    Args:
        objectness, offsets: targets, as `encode` returns them.
        outputs: dictionary with the same names, as the network returns it.

    Returns:
        A number.
    """
    drawn, positive = (ops.cast(objectness >= low, "float32") for low in (0, 1))
    doubt = ops.binary_crossentropy(positive, outputs["objectness"], from_logits=True)
    off = tensors.smooth_l1(outputs["offsets"] - offsets)
    return ops.sum(drawn * doubt + positive * off) / ops.maximum(ops.sum(drawn), 1)


def assign(regions, truth, labels):
    """What each region holds: the object that it overlaps most, if by an IoU of 0.5 or more.

    Args:
        regions: (N, R, 4) x1, y1, x2, y2 in pixels.
        truth: (N, M, 4), the objects.
        labels: (N, M), -1 where there is no object.

    Returns:
        (category, moves): (N, R), 0 for the background or 1 + label; (N, R, 4) offsets.

    Source: Girshick (2015), Fast R-CNN, section 2.3.
    """
    overlaps = tensors.iou(regions[:, :, np.newaxis], truth[:, np.newaxis])  # (N, R, M)
    best = ops.argmax(overlaps, axis=2)
    found = ops.max(overlaps, axis=2) >= 0.5
    category = ops.where(found, 1 + ops.take_along_axis(labels, best, axis=1), 0)
    objects = ops.take_along_axis(truth, best[..., np.newaxis], axis=1)
    return category, tensors.encode(objects, regions)


def region_loss(category, moves, logits, predicted):
    """Cross-entropy of all regions, and smooth L1 of those with an object, for its class.

    Args:
        category, moves: targets, (N, R) and (N, R, 4), as `assign` returns them.
        logits, predicted: (N, R, 11) and (N, R, 10, 4), as the network returns them.

    Returns:
        A number.
    """
    named = ops.sparse_categorical_crossentropy(category, logits, from_logits=True)
    off = tensors.smooth_l1(predicted - moves[:, :, np.newaxis])  # (N, R, 10)
    its_class = ops.one_hot(category - 1, NUM_CLASSES)  # zeros for the background
    return ops.mean(named) + ops.mean(ops.sum(its_class * off, axis=2))


def decode(outputs, score_threshold=0.02, iou_threshold=0.5):
    """The detections that the network's outputs stand for.

    Args:
        outputs: dictionary, as the network returns it.
        score_threshold: the lowest score of a detection.
        iou_threshold: the largest IoU of two detections of one class.

    Returns:
        List of N dictionaries: "boxes" (D, 4) x1, y1, x2, y2 in pixels, "labels", "scores".
    """
    scores = np.asarray(ops.softmax(outputs["logits"]))[..., 1:]
    regions = ops.convert_to_tensor(outputs["proposals"])[:, :, np.newaxis]
    moved = np.asarray(tensors.decode(ops.convert_to_tensor(outputs["moves"]), regions))
    return [
        choose(*image, SIZE, score_threshold, iou_threshold)
        for image in zip(moved, scores, strict=True)
    ]
