"""EfficientNet-Lite0, trained on ImageNet, and the names of the 1,000 classes."""

import functools

import keras
import numpy as np
from keras import layers

from course_utils.data import asset
from course_utils.pretrained.weights import set_weights

IMAGE_SHAPE = (224, 224, 3)  # what EfficientNet-Lite0 was trained on
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


def efficientnet_lite0(include_top=True, input_shape=IMAGE_SHAPE, pooling=None):
    """EfficientNet-Lite0 with weights trained on ImageNet: 4.65 million, 385 million multiply-adds.

    Images are float32 in [0, 1]; the normalisation is the model's first layer. The layers are named
    as in `keras.applications.EfficientNetB0`. The Lite variant has ReLU6 in place of swish and no
    squeeze-and-excite. What only training needs is left out here, the random dropping of blocks.

    Args:
        include_top: True for the classifier, (N, 224, 224, 3) -> probabilities (N, 1000), whose
            logits are the output of the layer "logits"; False for the features before it.
        input_shape: (height, width, 3) in pixels. Without the top each length may be any from 32
            on, or None to leave it open.
        pooling: what to return without the top: None for the feature map (N, H, W, 1280), with H
            and W a 32nd of the input's; "avg" for its average over all positions, (N, 1280).

    Returns:
        A functional `keras.Model` named "efficientnet_lite0".

    Raises:
        ValueError: if the shape or the pooling is none of these, or the file of weights is damaged.

    Source: Tan and Le (2019), EfficientNet; the Lite variant and its weights come from Google's
    models for TensorFlow (2020), see `assets/SOURCES.md`.
    """
    _check_input_shape(input_shape, include_top)
    if pooling not in (None, "avg"):
        raise ValueError(f'pooling must be None or "avg", got {pooling!r}')
    images = keras.Input(input_shape, name="images")
    # (255 images - 127) / 128
    x = layers.Rescaling(255 / 128, offset=-127 / 128, name="rescaling")(images)
    x = layers.Conv2D(32, 3, 2, padding="same", use_bias=False, name="stem_conv")(x)
    x = _batch_norm_relu6(x, "stem_")
    for stage, (repeats, kernel, stride, expansion, filters) in enumerate(EFFICIENTNET_STAGES, 1):
        for letter in "abcd"[:repeats]:
            name = f"block{stage}{letter}_"
            x = _block(x, filters, kernel, stride if letter == "a" else 1, expansion, name)
    x = layers.Conv2D(1280, 1, use_bias=False, name="top_conv")(x)
    x = _batch_norm_relu6(x, "top_")
    if include_top or pooling == "avg":
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if include_top:
        x = layers.Dropout(0.2, name="top_dropout")(x)
        x = layers.Dense(1000, name="logits")(x)
        x = layers.Softmax(name="predictions")(x)
    model = keras.Model(images, x, name="efficientnet_lite0")
    with np.load(asset("efficientnet_lite0.npz")) as arrays:
        unused = () if include_top else ("logits/kernel", "logits/bias")
        set_weights(model, {name: arrays[name] for name in arrays if name not in unused})
    return model


@functools.cache
def class_names():
    """The 1,000 classes of ImageNet, in the order of the probabilities; no two are alike.

    Returns:
        tuple of 1,000 names.
    """
    return tuple(asset("imagenet_classes.txt").read_text(encoding="utf-8").splitlines())


def top_k(probabilities, k=5):
    """Names the likeliest classes of each image.

    Args:
        probabilities: (N, 1000), each row a distribution over `class_names()`.
        k: how many classes, from 1 to 1000.

    Returns:
        A list of N lists of k pairs (name, probability), the likeliest first; of equally likely
        classes the one with the lower index.

    Raises:
        ValueError: if the shape or k does not fit, or a row is no distribution.
    """
    probabilities = np.asarray(probabilities, np.float64)
    names = class_names()
    if probabilities.ndim != 2 or probabilities.shape[1] != len(names):
        raise ValueError(
            f"probabilities must have shape (N, {len(names)}), got {probabilities.shape}"
        )
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= len(names):
        raise ValueError(f"k must be a whole number from 1 to {len(names)}, got {k!r}")
    sums = probabilities.sum(axis=1)
    if not (np.all(probabilities >= 0) and np.allclose(sums, 1, rtol=0, atol=0.01)):
        raise ValueError(
            "each row must be >= 0 and sum to 1, got "
            f"values from {probabilities.min():.3g} and sums from {sums.min():.3g} to "
            f"{sums.max():.3g}; are these logits, before the softmax?"
        )
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return [
        [(names[index], float(row[index])) for index in indices]
        for row, indices in zip(probabilities, best, strict=True)
    ]


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


def _check_input_shape(input_shape, include_top):
    shape = tuple(input_shape) if isinstance(input_shape, tuple | list) else ()
    if include_top and shape != IMAGE_SHAPE:
        raise ValueError(
            f"the classifier expects input_shape {IMAGE_SHAPE}, got {input_shape!r}; "
            "other sizes need include_top=False"
        )
    if len(shape) != 3 or shape[2] != 3 or not all(map(_is_length, shape[:2])):
        raise ValueError(
            f"input_shape must be (height, width, 3) with lengths >= {SMALLEST} or None, "
            f"got {input_shape!r}"
        )


def _is_length(length):
    return length is None or (isinstance(length, int | np.integer) and length >= SMALLEST)
