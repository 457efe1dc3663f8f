"""GoogLeNet and its Inception module."""

import keras
from keras import layers

from course_utils._checks import whole_number

# 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection (Szegedy et al., table 1).
INCEPTION = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def inception_block(x, widths, name):
    """Four paths side by side, their channels put together.

    Args:
        x: (N, H, W, C) tensor.
        widths: channels of 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5 and pool projection, as a row of
            the paper's table 1.
        name: prefix of the layers' names.

    Returns:
        (N, H, W, 1x1 + 3x3 + 5x5 + pool projection) tensor.
    """

    def conv(x, filters, size, part):
        options = {"padding": "same", "activation": "relu", "name": f"{name}_{part}"}
        return layers.Conv2D(filters, size, **options)(x)

    ones, reduce_3, threes, reduce_5, fives, projection = widths
    path_1 = conv(x, ones, 1, "1x1")
    path_3 = conv(conv(x, reduce_3, 1, "3x3_reduce"), threes, 3, "3x3")
    path_5 = conv(conv(x, reduce_5, 1, "5x5_reduce"), fives, 5, "5x5")
    pooled = layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
    path_pool = conv(pooled, projection, 1, "pool_proj")
    return layers.Concatenate(name=name)([path_1, path_3, path_5, path_pool])


def googlenet(num_classes=1000, auxiliary=False):
    """GoogLeNet, for photos of (224, 224, 3): 6,998,552 parameters.

    Its local response normalisation is left out, as in `alexnet`.

    Args:
        num_classes: number of classes, >= 1.
        auxiliary: True for the two side heads, on 4a and 4d, whose losses count 0.3 each while
            training: 13,378,280 parameters. Without them it is the network that is used.

    Returns:
        A `keras.Model`: (N, 224, 224, 3) -> (N, num_classes), probabilities; with side heads a list
        of three such outputs, the main one first.

    Raises:
        ValueError: if `num_classes` is below 1.

    Source: Szegedy et al. (2014), Going deeper with convolutions.
    """
    num_classes = whole_number("num_classes", num_classes)
    same = {"padding": "same"}
    x = images = keras.Input((224, 224, 3), name="images")
    x = layers.Conv2D(64, 7, 2, **same, activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(3, 2, **same, name="pool1")(x)
    x = layers.Conv2D(64, 1, activation="relu", name="conv2_reduce")(x)
    x = layers.Conv2D(192, 3, **same, activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(3, 2, **same, name="pool2")(x)
    side_outputs = []
    for part, widths in INCEPTION.items():
        x = inception_block(x, widths, f"inception_{part}")
        if part in ("3b", "4e"):
            x = layers.MaxPooling2D(3, 2, **same, name=f"pool{part[0]}")(x)
        if auxiliary and part in ("4a", "4d"):
            side_outputs.append(_side_head(x, num_classes, f"side_{part}"))
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dropout(0.4, name="dropout")(x)
    x = layers.Dense(num_classes, name="logits")(x)
    x = layers.Softmax(name="predictions")(x)
    return keras.Model(images, [x, *side_outputs] if auxiliary else x, name="googlenet")


def _side_head(x, num_classes, name):
    x = layers.AveragePooling2D(5, 3, name=f"{name}_average")(x)
    x = layers.Conv2D(128, 1, activation="relu", name=f"{name}_conv")(x)
    x = layers.Flatten(name=f"{name}_flatten")(x)
    x = layers.Dense(1024, activation="relu", name=f"{name}_dense")(x)
    x = layers.Dropout(0.7, name=f"{name}_dropout")(x)
    x = layers.Dense(num_classes, name=f"{name}_logits")(x)
    return layers.Softmax(name=f"{name}_predictions")(x)
