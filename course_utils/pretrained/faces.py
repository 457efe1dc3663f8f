"""BlazeFace, a detector of faces small enough to be taken apart."""

import functools

import numpy as np

from course_utils._checks import fraction
from course_utils.architectures.blazeface import (
    BLAZEFACE_GRIDS,
    IMAGE_SIZE,
    NUM_OFFSETS,
)
from course_utils.architectures.blazeface import blazeface as untrained
from course_utils.pretrained.letterbox import best_in_photo, letterbox, undo_letterbox
from course_utils.pretrained.weights import load_weights

# Left and right are the person's own; the tragion is the front edge of an ear.
FACE_KEYPOINTS = ("right eye", "left eye", "nose tip", "mouth", "right tragion", "left tragion")


def blazeface():
    """BlazeFace with the weights of MediaPipe for short range: 0.1 million.

    It is made for the front cameras of phones: its authors evaluated it on faces of people from
    many parts of the world that fill more than a fifth of the image, and published no results by
    group. It misses small faces and many that look away, and takes faces of animals for human ones.
    It says where a face is, not whose, and is not meant to identify or to judge people. Whoever
    relies on such a detector has to measure how well it works for each group of people concerned.

    Images are float32 in [0, 1]; the normalisation is the model's first layer.

    Returns:
        A functional `keras.Model` named "blazeface": images (N, 128, 128, 3) -> a dictionary of
        "scores" (N, 896), the probability of a face at each anchor, and "offsets" (N, 896, 16),
        what `blazeface_decode` makes boxes and keypoints of.

    Raises:
        ValueError: if the file of weights is damaged.

    Source: Bazarevsky et al. (2019), BlazeFace: sub-millisecond neural face detection on mobile
    GPUs. See `assets/SOURCES.md`.
    """
    return load_weights(untrained(), "blazeface.npz")


@functools.cache
def blazeface_anchors():
    """Where the 896 anchors stand: float32 (896, 2), x, y in pixels of the 128 x 128 image.

    Two at each position of a grid of 16 x 16, and six at each of 8 x 8, row by row. They have no
    sizes of their own: a box is predicted in pixels.
    """
    anchors = []
    for _, side, count in BLAZEFACE_GRIDS:
        steps = (np.arange(side, dtype=np.float32) + 0.5) * (IMAGE_SIZE / side)
        x, y = np.meshgrid(steps, steps)
        anchors.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
    return np.concatenate(anchors)


def blazeface_decode(offsets):
    """Boxes and keypoints from what BlazeFace predicts.

    Args:
        offsets: (..., 896, 16): from the anchor to the middle of the box in x and y, its width and
            height, then from the anchor to each of six keypoints in x and y.

    Returns:
        (boxes, keypoints): float32 (..., 896, 4) x1, y1, x2, y2 and (..., 896, 6, 2) x, y, in
        pixels of the model's image.

    Raises:
        ValueError: if the offsets have another shape.
    """
    offsets, anchors = np.asarray(offsets, np.float32), blazeface_anchors()
    if offsets.shape[-2:] != (len(anchors), NUM_OFFSETS):
        raise ValueError(
            f"offsets must have shape (..., {len(anchors)}, {NUM_OFFSETS}), got {offsets.shape}"
        )
    pairs = offsets.reshape(*offsets.shape[:-1], -1, 2)  # (..., 896, 8, 2)
    middles, halves = anchors + pairs[..., 0, :], pairs[..., 1, :] / 2
    boxes = np.concatenate([middles - halves, middles + halves], axis=-1)
    return boxes, anchors[:, np.newaxis] + pairs[..., 2:, :]


def detect_faces(model, image, min_score=0.5, iou_threshold=0.3, max_boxes=None):
    """The faces in a photo of any size.

    The photo is letterboxed for the model. Of boxes that overlap, non-maximum suppression keeps the
    one with the highest score, where MediaPipe averages them.

    Args:
        model: what `blazeface` returns.
        image: array (H, W, 3), float, in [0, 1].
        min_score: what a box must score at least, in [0, 1].
        iou_threshold: boxes that overlap more than this count as one face, in [0, 1].
        max_boxes: how many to return at most, those with the highest scores, or None for all.

    Returns:
        Dictionary of "boxes", float32 (K, 4) x1, y1, x2, y2 in pixels of the photo; "labels", int32
        (K,), all 0; "scores", float32 (K,), falling; "keypoints", float32 (K, 6, 2) x, y in pixels
        of the photo, in the order of `FACE_KEYPOINTS`. Keypoints may lie outside of the photo.

    Raises:
        ValueError: if an argument is none of these.
    """
    min_score = fraction("min_score", min_score)
    outputs = model.predict_on_batch(letterbox(image, IMAGE_SIZE)[np.newaxis])
    scores, offsets = (outputs[name][0] for name in ("scores", "offsets"))
    boxes, keypoints = blazeface_decode(offsets)
    keypoints = undo_letterbox(keypoints, IMAGE_SIZE, np.shape(image))
    found = {"boxes": boxes, "scores": scores, "keypoints": keypoints}
    found = {name: array[scores >= min_score] for name, array in found.items()}
    found["labels"] = np.zeros(len(found["scores"]), np.int32)
    return best_in_photo(found, IMAGE_SIZE, np.shape(image), iou_threshold, max_boxes)
