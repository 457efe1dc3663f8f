"""What the dense layer of exercise 02.4 gets to see of a photo."""

import numpy as np

from course_utils.exercises import models


def _differs(model, photo, other):
    """Whether a model tells two photos apart."""
    outputs = (models.run(model, image[np.newaxis]) for image in (photo, other))
    return not np.allclose(*outputs, atol=1e-4)


def crops(model):
    """Whether the sides of a wide photo, or the ends of a high one, make no difference."""
    photo = np.random.default_rng(2).random((40, 120, 3), dtype="float32") * 255
    other = photo.copy()
    other[:, :30], other[:, 90:] = 255, 0
    return not any(
        _differs(model, *pair)
        for pair in ((photo, other), (photo.swapaxes(0, 1), other.swapaxes(0, 1)))
    )


def keeps_the_square(model):
    """Whether what is near the edge of a square photo makes a difference."""
    photo = np.random.default_rng(2).random((192, 192, 3), dtype="float32") * 255
    other = photo.copy()
    other[:24] = 255 - other[:24]
    return _differs(model, photo, other)


def received(model, pixel):
    """What the dense layer gets for a square photo of one value, told by other weights in it."""
    import keras

    kernel, bias = sorted(model.weights, key=lambda weight: -len(weight.shape))
    # Per unit of what it gets, class 1 gains 1 / 255 on class 0; without it, it is 1 ahead.
    steps = np.arange(5, dtype="float32")
    slopes = np.tile(steps / (255 * kernel.shape[0]), (kernel.shape[0], 1))
    with keras.StatelessScope(state_mapping=[(kernel, slopes), (bias, steps)]):
        outputs = keras.ops.convert_to_numpy(model(np.full((1, 64, 64, 3), pixel, "float32")))
    with np.errstate(all="ignore"):  # a model may be too sure, or give no probabilities
        return 255 * (np.log(outputs[0, 1] / outputs[0, 0]) - 1)


def scale_is_right(model):
    """Whether black becomes 0 and white 1."""
    return np.allclose([received(model, pixel) for pixel in (0, 255)], [0, 1], atol=2e-3)
