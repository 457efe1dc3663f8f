"""MediaPipe's network that tells people from what is behind them."""

import keras
import numpy as np

from course_utils._checks import photo
from course_utils.architectures.selfie import IMAGE_SIZE
from course_utils.architectures.selfie import selfie_segmentation as untrained
from course_utils.pretrained.weights import load_weights


def selfie_segmentation():
    """The segmentation of people in MediaPipe, with its weights: 0.1 million.

    It is made for people within two metres of the camera, as in video calls, and misses those far
    away. Edges are off by a few pixels, and thin parts get lost. Where nobody is in the foreground
    it often marks the animal or the thing that is. It finds people, and tells none from another.

    Returns:
        A functional `keras.Model` named "selfie_segmentation": float32 images (N, 256, 256, 3) in
        [0, 1] -> masks (N, 256, 256, 1), the probability that a pixel belongs to a person.

    Raises:
        ValueError: if the file of weights is damaged.

    Source: MediaPipe 0.10.14; Howard et al. (2019), Searching for MobileNetV3. See
    `assets/SOURCES.md`.
    """
    return load_weights(untrained(), "selfie_segmentation.npz")


def person_mask(model, image):
    """Where people are in a photo of any size.

    The photo is stretched to the square that the model takes, as MediaPipe does.

    Args:
        model: what `selfie_segmentation` returns.
        image: array (H, W, 3), float, in [0, 1].

    Returns:
        float32 array (H, W) in [0, 1], the probability that a pixel belongs to a person.

    Raises:
        ValueError: if the image is none of that kind.
    """
    image = photo("image", image)
    resize = keras.ops.image.resize
    square = resize(image, (IMAGE_SIZE, IMAGE_SIZE), antialias=True)
    [mask] = model.predict_on_batch(np.asarray(square)[np.newaxis])
    mask = resize(mask, image.shape[:2])
    return np.clip(np.asarray(mask)[..., 0], 0, 1)
