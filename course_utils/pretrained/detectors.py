"""The three small detectors, trained on scenes of garments by `recipes/train_detectors.py`."""

from course_utils.detection.faster_rcnn import build_faster_rcnn
from course_utils.detection.ssd import build_ssd
from course_utils.detection.yolo import build_yolo
from course_utils.pretrained.weights import load_weights


def yolo():
    """The detector of `detection.yolo`, trained: 419 thousand parameters.

    Returns:
        The `keras.Model` that `build_yolo` builds.

    Raises:
        ValueError: if the file of weights is damaged.
    """
    return load_weights(build_yolo(), "yolo.npz")


def ssd():
    """The detector of `detection.ssd`, trained: 542 thousand parameters.

    Returns:
        The `keras.Model` that `build_ssd` builds.

    Raises:
        ValueError: if the file of weights is damaged.
    """
    return load_weights(build_ssd(), "ssd.npz")


def faster_rcnn():
    """The detector of `detection.faster_rcnn`, trained: 545 thousand parameters.

    Returns:
        The `FasterRCNN` that `build_faster_rcnn` builds.

    Raises:
        ValueError: if the file of weights is damaged.
    """
    return load_weights(build_faster_rcnn(), "faster_rcnn.npz")
