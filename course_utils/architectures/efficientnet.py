"""EfficientNet-Lite: inverted residual blocks, scaled together in depth, width and size."""

import math

import keras
from keras import layers

from course_utils._checks import is_whole_number, one_of

IMAGE_SHAPE = (224, 224, 3)  # what EfficientNet-Lite0 was trained on
LITE1_SHAPE = (240, 240, 3)
SMALLEST = 32  # pixels: five strides of 2 leave one position
# Repeats, kernel, stride of the first block, expansion of channels, channels that leave the stage.
EFFICIENTNET_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


# Lite1 is 1.1 times as deep. The first and the last stage of a Lite network are never repeated.
LITE1_STAGES = tuple(
    (repeats if repeats == 1 else math.ceil(1.1 * repeats), *stage)
    for repeats, *stage in EFFICIENTNET_STAGES
)


def efficientnet_lite0(include_top=True, input_shape=IMAGE_SHAPE, pooling=None):
    """EfficientNet-Lite0 without its weights; `pretrained.efficientnet_lite0` has them.

    Args:
        include_top, input_shape, pooling: see there.

    Returns:
        A functional `keras.Model` named "efficientnet_lite0".

    Raises:
        ValueError: if the shape or the pooling is none of those listed there.

    Source: Tan and Le (2019), EfficientNet: rethinking model scaling for convolutional neural
    networks.
    """
    _check_input_shape(input_shape, include_top, IMAGE_SHAPE)
    name = "efficientnet_lite0"
    return _efficientnet(EFFICIENTNET_STAGES, include_top, input_shape, pooling, name)


def efficientnet_lite1(include_top=True, input_shape=LITE1_SHAPE, pooling=None):
    """EfficientNet-Lite1 without its weights; `pretrained.efficientnet_lite1` has them.

    Args:
        include_top, input_shape, pooling: see `pretrained.efficientnet_lite0`; the classifier takes
            images of 240 x 240.

    Returns:
        A functional `keras.Model` named "efficientnet_lite1": Lite0 with one block more in each of
        the stages 2 to 6.

    Raises:
        ValueError: if the shape or the pooling is none of these.

    Source: as for `efficientnet_lite0`.
    """
    _check_input_shape(input_shape, include_top, LITE1_SHAPE)
    return _efficientnet(LITE1_STAGES, include_top, input_shape, pooling, "efficientnet_lite1")


def _efficientnet(stages, include_top, input_shape, pooling, name):
    pooling = one_of("pooling", pooling, (None, "avg"))
    images = keras.Input(input_shape, name="images")
    # (255 images - 127) / 128
    x = layers.Rescaling(255 / 128, offset=-127 / 128, name="rescaling")(images)
    x = layers.Conv2D(32, 3, 2, padding="same", use_bias=False, name="stem_conv")(x)
    x = _batch_norm_relu6(x, "stem_")
    for stage, (repeats, kernel, stride, expansion, filters) in enumerate(stages, 1):
        for letter in "abcde"[:repeats]:
            first = stride if letter == "a" else 1
            x = _block(x, filters, kernel, first, expansion, f"block{stage}{letter}_")
    x = layers.Conv2D(1280, 1, use_bias=False, name="top_conv")(x)
    x = _batch_norm_relu6(x, "top_")
    if include_top or pooling == "avg":
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if include_top:
        x = layers.Dropout(0.2, name="top_dropout")(x)
        x = layers.Dense(1000, name="logits")(x)
        x = layers.Softmax(name="predictions")(x)
    return keras.Model(images, x, name=name)


def _block(x, filters, kernel, stride, expansion, name):
    """Inverted residual block: widen, filter each channel by itself, narrow; then add the input.

    (N, H, W, C) -> (N, H / stride, W / stride, filters). Sandler et al. (2018), MobileNetV2.
    """
    shortcut, channels = x, x.shape[-1]
    if expansion > 1:
        x = layers.Conv2D(expansion * channels, 1, use_bias=False, name=name + "expand_conv")(x)
        x = _batch_norm_relu6(x, name + "expand_")
    x = layers.DepthwiseConv2D(
        kernel, stride, padding="same", use_bias=False, name=name + "dwconv"
    )(x)
    x = _batch_norm_relu6(x, name)
    x = layers.Conv2D(filters, 1, use_bias=False, name=name + "project_conv")(x)
    x = layers.BatchNormalization(epsilon=1e-3, name=name + "project_bn")(x)
    if stride == 1 and filters == channels:
        x = layers.Add(name=name + "add")([x, shortcut])
    return x


def _batch_norm_relu6(x, name):
    x = layers.BatchNormalization(epsilon=1e-3, name=name + "bn")(x)
    return layers.ReLU(max_value=6, name=name + "activation")(x)


def _check_input_shape(input_shape, include_top, expected):
    shape = tuple(input_shape) if isinstance(input_shape, tuple | list) else ()
    if include_top and shape != expected:
        raise ValueError(
            f"the classifier expects input_shape {expected}, got {input_shape!r}; "
            "other sizes need include_top=False"
        )
    if len(shape) != 3 or shape[2] != 3 or not all(map(_is_length, shape[:2])):
        raise ValueError(
            f"input_shape must be (height, width, 3) with lengths >= {SMALLEST} or None, "
            f"got {input_shape!r}"
        )


def _is_length(length):
    return length is None or (is_whole_number(length) and length >= SMALLEST)
