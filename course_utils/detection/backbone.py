"""The convolutions that the three detectors have in common, and their training as a classifier."""

import keras
import numpy as np
from keras import layers

from course_utils.architectures.resnet import conv_norm
from course_utils.data import FASHION_CLASSES
from course_utils.detection.scenes import SIZE

IMAGE_SHAPE = (SIZE, SIZE, 3)
NUM_CLASSES = len(FASHION_CLASSES)
STRIDE = 8  # of the finer of the two maps
WINDOW = 48  # pixels, side of what the classifier sees
# Filters and stride of each convolution of 3 x 3.
CONVOLUTIONS = ((24, 2), (48, 2), (48, 1), (96, 2), (96, 1), (96, 2), (96, 1))


def feature_maps(images):
    """Seven convolutions, each with BatchNorm and ReLU.

    Args:
        images: (N, H, W, 3) tensor in [0, 1].

    Returns:
        (fine, coarse): tensors (N, H / 8, W / 8, 96), after the fifth convolution, and
        (N, H / 16, W / 16, 96), after the last.
    """
    x, maps = images, {}
    for index, (filters, stride) in enumerate(CONVOLUTIONS, 1):
        x = maps[index] = conv_norm(x, filters, 3, stride, name=f"conv{index}")
    return maps[5], x


def merged_map(images):
    """One fine map that has also seen what the coarse one sees: the coarse one, enlarged, is added.

    Args:
        images: (N, H, W, 3) tensor in [0, 1].

    Returns:
        (N, H / 8, W / 8, 96) tensor.

    Source: Lin et al. (2017), Feature pyramid networks for object detection, figure 3.
    """
    fine, coarse = feature_maps(images)
    coarse = layers.UpSampling2D(2, name="enlarged")(conv_norm(coarse, 96, 1, name="lateral"))
    return layers.Add(name="merged")([fine, coarse])


def build_classifier():
    """The seven convolutions with a classifier on top: what they are trained with first.

    Returns:
        A `keras.Model` named "garments": windows (N, 48, 48, 3) in [0, 1] -> probabilities (N, 10).
    """
    images = keras.Input((WINDOW, WINDOW, 3), name="images")
    x = layers.Flatten(name="flatten")(feature_maps(images)[1])
    x = layers.Dropout(0.3, name="dropout")(x)
    x = layers.Dense(NUM_CLASSES, activation="softmax", name="garment")(x)
    return keras.Model(images, x, name="garments")


def windows(images, truth):
    """Cuts a window around the middle of each object; what is outside the image is black.

    Args:
        images: (N, H, W, 3) in [0, 1].
        truth: list of N dictionaries with "boxes" (M, 4) x1, y1, x2, y2 in pixels and "labels".

    Returns:
        ((K, 48, 48, 3), (K,)): windows and labels of all objects.
    """
    half = WINDOW // 2
    padded = np.pad(images, ((0, 0), (half, half), (half, half), (0, 0)))
    cut, labels = [], []
    for image, scene in zip(padded, truth, strict=True):
        middles = (scene["boxes"][:, :2] + scene["boxes"][:, 2:]) / 2
        for x, y in middles.astype(int):
            cut.append(image[y : y + WINDOW, x : x + WINDOW])
        labels.append(scene["labels"])
    return np.stack(cut), np.concatenate(labels)
