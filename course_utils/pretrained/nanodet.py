"""NanoDet-g, trained on COCO: the objects in a photo, with boxes and names."""

import functools

import numpy as np

from course_utils._checks import fraction
from course_utils.architectures.nanodet import (
    IMAGE_SIZE,
    NUM_BINS,
    STRIDES,
    checked_size,
    nanodet_g,
)
from course_utils.data import asset
from course_utils.pretrained.letterbox import best_in_photo, letterbox
from course_utils.pretrained.weights import load_weights


def nanodet(image_size=IMAGE_SIZE):
    """NanoDet-g with weights trained on COCO, 80 classes of everyday objects: 3.8 million.

    Its author reports an mAP of 22.9 on COCO's validation images, less than half of what large
    detectors reach: it misses small and crowded objects, and knows no class beyond its 80. COCO's
    photos come from Flickr, most of them from North America and Europe (de Vries et al., 2019, Does
    object recognition work for everyone?); what looks otherwise is found less well.

    Images are float32 in [0, 1]; the normalisation is the model's first layer. Other sizes than the
    one of the training work as well, and favour other sizes of objects.

    Args:
        image_size: height and width in pixels, a multiple of 32.

    Returns:
        A functional `keras.Model` named "nanodet": images (N, image_size, image_size, 3) -> a
        dictionary of "scores" (N, L, 80), the probability of each class by itself, and "distances"
        (N, L, 4, 11), logits of how far the left, upper, right and lower side of the box are: 0, 1,
        ..., 10 strides. The L positions are those of three grids with strides of 8, 16 and 32
        pixels, row by row: 3,549 at 416 pixels.

    Raises:
        ValueError: if the size is no such number, or the file of weights is damaged.

    Source: RangiLyu (2021), NanoDet; Li et al. (2020), Generalized focal loss. See
    `assets/SOURCES.md`.
    """
    return load_weights(nanodet_g(image_size), "nanodet.npz")


@functools.cache
def coco_names():
    """The 80 classes of COCO, in the order of NanoDet's scores: a tuple of names."""
    return tuple(asset("coco_classes.txt").read_text(encoding="utf-8").splitlines())


def nanodet_boxes(distances, image_size=IMAGE_SIZE):
    """Boxes from what NanoDet predicts.

    The expected distance under the softmax of the logits, times the stride, is how far a side is
    from the position, which lies in the middle of its cell of the grid.

    Args:
        distances: logits (..., L, 4, 11), in the order of the model.
        image_size: height and width of the model's images in pixels.

    Returns:
        float32 array (..., L, 4), x1, y1, x2, y2 in pixels of the model's image, not clipped.

    Raises:
        ValueError: if the distances have another shape, or the size is none of `nanodet`.
    """
    distances, image_size = np.asarray(distances, np.float32), checked_size(image_size)
    centres, strides = _positions(image_size)
    if distances.shape[-3:] != (len(centres), 4, NUM_BINS):
        raise ValueError(
            f"distances must have shape (..., {len(centres)}, 4, {NUM_BINS}) for images of "
            f"{image_size} pixels, got {distances.shape}"
        )
    powers = np.exp(distances - distances.max(axis=-1, keepdims=True))
    probabilities = powers / powers.sum(axis=-1, keepdims=True)
    sides = probabilities @ np.arange(NUM_BINS, dtype=np.float32) * strides  # (..., L, 4)
    return np.concatenate([centres - sides[..., :2], centres + sides[..., 2:]], axis=-1)


def detect_objects(model, image, min_score=0.4, iou_threshold=0.6, max_boxes=None):
    """The objects in a photo of any size.

    The photo is letterboxed for the model. Of the boxes of one class that overlap, non-maximum
    suppression keeps the one with the highest score; classes do not suppress each other.

    Args:
        model: what `nanodet` returns.
        image: array (H, W, 3), float, in [0, 1].
        min_score: what a box must score at least, in [0, 1].
        iou_threshold: boxes of a class that overlap more than this count as one object, in [0, 1].
        max_boxes: how many to return at most, those with the highest scores, or None for all.

    Returns:
        Dictionary of "boxes", float32 (K, 4) x1, y1, x2, y2 in pixels of the photo; "labels", int32
        (K,) positions in `coco_names()`; "scores", float32 (K,), falling.

    Raises:
        ValueError: if an argument is none of these.
    """
    min_score = fraction("min_score", min_score)
    size = model.input_shape[1]
    outputs = model.predict_on_batch(letterbox(image, size)[np.newaxis])
    scores, distances = (outputs[name][0] for name in ("scores", "distances"))
    positions, labels = np.nonzero(scores >= min_score)  # a position may be of several classes
    found = {
        "boxes": nanodet_boxes(distances, size)[positions],
        "labels": labels.astype(np.int32),
        "scores": scores[positions, labels],
    }
    return best_in_photo(found, size, np.shape(image), iou_threshold, max_boxes)


@functools.cache
def _positions(image_size):
    """Centres (L, 2) x, y in pixels, and strides (L, 1)."""
    centres, strides = [], []
    for stride in STRIDES:
        steps = (np.arange(image_size // stride, dtype=np.float32) + 0.5) * stride
        x, y = np.meshgrid(steps, steps)
        centres.append(np.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(np.full((x.size, 1), stride, np.float32))
    return np.concatenate(centres), np.concatenate(strides)
