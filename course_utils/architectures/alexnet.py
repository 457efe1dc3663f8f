"""AlexNet and VGG-16: plain stacks of convolutions with large dense layers on top."""

import keras
from keras import layers

from course_utils._checks import one_of, whole_number


def alexnet(num_classes=1000, groups=2):
    """AlexNet, for photos of (227, 227, 3): 60,965,224 parameters.

    With `groups=2`, as in the paper, C3, C6 and C7 are cut in halves that lived on two graphics
    cards and did not see each other. Its local response normalisation, which has no parameters and
    which VGG's authors found useless, is left out.

    Args:
        num_classes: number of classes, >= 1.
        groups: 2, or 1 for undivided layers.

    Returns:
        A `keras.Model`: (N, 227, 227, 3) -> (N, num_classes), probabilities.

    Raises:
        ValueError: if `groups` is neither 1 nor 2, or `num_classes` below 1.

    Source: Krizhevsky, Sutskever and Hinton (2012), ImageNet classification with deep convolutional
    neural networks. (The paper says 224 x 224; its first layer needs 227.)
    """
    num_classes = whole_number("num_classes", num_classes)
    groups = one_of("groups", groups, (1, 2))
    relu, same = {"activation": "relu"}, {"activation": "relu", "padding": "same"}
    x = images = keras.Input((227, 227, 3), name="images")
    x = layers.Conv2D(96, 11, 4, **relu, name="C1")(x)
    x = layers.MaxPooling2D(3, 2, name="S2")(x)
    x = layers.Conv2D(256, 5, **same, groups=groups, name="C3")(x)
    x = layers.MaxPooling2D(3, 2, name="S4")(x)
    x = layers.Conv2D(384, 3, **same, name="C5")(x)
    x = layers.Conv2D(384, 3, **same, groups=groups, name="C6")(x)
    x = layers.Conv2D(256, 3, **same, groups=groups, name="C7")(x)
    x = layers.MaxPooling2D(3, 2, name="S8")(x)
    x = layers.Flatten(name="flatten")(x)
    for name in ("F9", "F10"):
        x = layers.Dense(4096, **relu, name=name)(x)
        x = layers.Dropout(0.5, name=f"{name}_dropout")(x)
    x = layers.Dense(num_classes, name="logits")(x)
    x = layers.Softmax(name="predictions")(x)
    return keras.Model(images, x, name="alexnet")


def vgg16(num_classes=1000):
    """VGG-16, for photos of (224, 224, 3): 138,357,544 parameters.

    Args:
        num_classes: number of classes, >= 1.

    Returns:
        A `keras.Model`: (N, 224, 224, 3) -> (N, num_classes), probabilities.

    Raises:
        ValueError: if `num_classes` is below 1.

    Source: Simonyan and Zisserman (2014), Very deep convolutional networks for large-scale image
    recognition, configuration D.
    """
    num_classes = whole_number("num_classes", num_classes)
    x = images = keras.Input((224, 224, 3), name="images")
    for block, (count, filters) in enumerate(
        [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], start=1
    ):
        for number in range(1, count + 1):
            name = f"block{block}_conv{number}"
            x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    for name in ("fc1", "fc2"):
        x = layers.Dense(4096, activation="relu", name=name)(x)
        x = layers.Dropout(0.5, name=f"{name}_dropout")(x)
    x = layers.Dense(num_classes, name="logits")(x)
    x = layers.Softmax(name="predictions")(x)
    return keras.Model(images, x, name="vgg16")
