"""MoveNet: where the joints of a body are in a photo."""

import numpy as np

from course_utils import _checks
from course_utils.architectures.movenet import HEADS, IMAGE_SIZE, STRIDE
from course_utils.architectures.movenet import movenet as untrained
from course_utils.pretrained.letterbox import letterbox, undo_letterbox
from course_utils.pretrained.weights import load_weights

# In COCO's order; left and right are the person's own.
BODY_KEYPOINTS = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder",
    "left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip",
    "left knee", "right knee", "left ankle", "right ankle",
)  # fmt: skip
# Pairs of keypoints that a line joins in a drawing.
BODY_LIMBS = (
    (0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12),
    (11, 12), (11, 13), (13, 15), (12, 14), (14, 16),
)  # fmt: skip
NEARNESS = 1.8  # positions added to each distance, so that none divides by zero


def movenet():
    """MoveNet Lightning with its weights, for the pose of one person: 2.3 million.

    It is made for one person one or two metres from a webcam, whole or in part, and was trained on
    COCO and on videos of sports. Of several people it takes the one in the middle; cut the others
    out with the boxes of a detector. Where it sees a body, every keypoint gets a place: trust those
    with a score of 0.3 or more. Its model card says that its training images show three men for
    each woman, and more young and light-skinned people than others, and reports small differences
    between such groups. It is not meant to identify people or to watch them.

    Images are float32 in [0, 1]; the normalisation is the model's first layer.

    Returns:
        A functional `keras.Model` named "movenet": images (N, 192, 192, 3) -> a dictionary of maps
        with a stride of 4 pixels: "centers" (N, 48, 48, 1), the probability that a body has its
        centre there; "heatmaps" (N, 48, 48, 17), that a keypoint is there; "regression"
        (N, 48, 48, 34), where the keypoints of a body are that has its centre there; "offsets"
        (N, 48, 48, 34), how far a keypoint there is from the corner of its cell. The last two are
        y, x of each keypoint, in positions.

    Raises:
        ValueError: if the file of weights is damaged.

    Source: Google's model card of MoveNet.SinglePose (2021); Zhou, Wang and Krähenbühl (2019),
    Objects as points. See `assets/SOURCES.md`.
    """
    return load_weights(untrained(), "movenet.npz")


def movenet_decode(outputs):
    """Keypoints of the body in the middle of an image, from the maps of MoveNet.

    The centre map says where the body is, the regression from there about where each keypoint is,
    the heatmap where exactly: the highest value, divided by the distance from that estimate.

    Args:
        outputs: dictionary of maps (48, 48, C) of one image, as `movenet` has them for a batch.

    Returns:
        (keypoints, scores): float32 (17, 2) x, y in pixels of the model's image, and (17,) in
        [0, 1], in the order of `BODY_KEYPOINTS`.

    Raises:
        ValueError: if a map is missing or has another shape.
    """
    side = IMAGE_SIZE // STRIDE
    maps = {}
    for name, channels in HEADS.items():
        found = np.asarray(outputs.get(name, ()), np.float32)
        if found.shape != (side, side, channels):
            raise ValueError(
                f"{name} must have shape {(side, side, channels)}, got {found.shape}; "
                "is it one image of the batch?"
            )
        maps[name] = found
    grid = np.stack(np.mgrid[:side, :side], axis=-1).astype(np.float32)  # (48, 48, 2) y, x
    middle = _distances(grid, np.float32([side / 2, side / 2]))
    row, column = _peak(maps["centers"][..., 0] / (middle + NEARNESS))
    estimates = grid[row, column] + maps["regression"][row, column].reshape(-1, 2)  # (17, 2)
    keypoints, scores = [], []
    for index, estimate in enumerate(estimates):
        heatmap = maps["heatmaps"][..., index]
        row, column = _peak(heatmap / (_distances(grid, estimate) + NEARNESS))
        offset = maps["offsets"][row, column].reshape(-1, 2)[index]
        keypoints.append(STRIDE * (grid[row, column] + offset)[::-1])
        scores.append(heatmap[row, column])
    return np.stack(keypoints), np.array(scores)


def find_pose(model, image, box=None):
    """The joints of one person in a photo of any size.

    Args:
        model: what `movenet` returns.
        image: array (H, W, 3), float, in [0, 1].
        box: x1, y1, x2, y2 in pixels, the part of the photo to look at, as from a detector; None
            for all of it. It is rounded to whole pixels outwards and clipped to the photo.

    Returns:
        Dictionary of "keypoints", float32 (17, 2) x, y in pixels of the photo, and "scores",
        float32 (17,), in the order of `BODY_KEYPOINTS`.

    Raises:
        ValueError: if the image is none of that kind, or the box holds no pixel of it.
    """
    image = _checks.photo("image", image)
    height, width, _ = image.shape
    [edges] = _checks.boxes("box", [(0, 0, width, height) if box is None else box], thin=False)
    left, top = np.maximum(0, np.floor(edges[:2])).astype(int)
    right, bottom = np.minimum((width, height), np.ceil(edges[2:])).astype(int)
    if left >= right or top >= bottom:
        raise ValueError(f"box must hold a part of an image {width} x {height}, got {box}")
    part = image[top:bottom, left:right]
    outputs = model.predict_on_batch(letterbox(part, IMAGE_SIZE)[np.newaxis])
    keypoints, scores = movenet_decode({name: maps[0] for name, maps in outputs.items()})
    keypoints = undo_letterbox(keypoints, IMAGE_SIZE, part.shape) + np.float32([left, top])
    return {"keypoints": keypoints, "scores": scores}


def _distances(grid, point):
    return np.linalg.norm(grid - point, axis=-1)


def _peak(values):
    return np.unravel_index(values.argmax(), values.shape)
