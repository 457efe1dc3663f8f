"""MediaPipe's network that segments people: blocks of MobileNetV3, then a decoder."""

import keras
from keras import layers

from course_utils.architectures.mobilenet import channel_weights, inverted_residual

IMAGE_SIZE = 256  # pixels
# Channels that leave, expanded channels, kernel, stride, activation, squeeze-and-excite or not.
SELFIE_BLOCKS = (
    (16, 16, 3, 2, "relu", True),
    (24, 72, 3, 2, "relu", False),
    (24, 88, 3, 1, "relu", False),
    (32, 96, 5, 2, "hard_silu", True),
    (32, 128, 5, 1, "hard_silu", True),
    (32, 128, 5, 1, "hard_silu", True),
    (32, 96, 5, 1, "hard_silu", True),
    (32, 96, 5, 1, "hard_silu", True),
)


def selfie_segmentation():
    """The network without its weights; `pretrained.selfie_segmentation` has them.

    Batch normalisation is folded into the convolutions, so that each has a bias.

    Returns:
        A functional `keras.Model` named "selfie_segmentation".

    Source: Howard et al. (2019), Searching for MobileNetV3; the decoder is known from the file of
    MediaPipe's network alone.
    """
    images = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="images")
    x = layers.Conv2D(16, 3, 2, padding="same", name="stem_conv")(images)
    x = layers.Activation("hard_silu", name="stem_activation")(x)
    skips = {128: x}  # the last map of each size, by its height
    for block, (filters, expanded, *settings) in enumerate(SELFIE_BLOCKS, 1):
        x = inverted_residual(x, filters, expanded, f"block{block}_", *settings)
        skips[x.shape[1]] = x
    x = _pyramid_pooling(x, 128)
    for size, filters in ((32, 24), (64, 16), (128, 16)):
        x = decoder_block(x, skips[size], filters, f"decoder{size}_")
    x = layers.Conv2DTranspose(1, 2, 2, name="logits")(x)
    x = layers.Activation("sigmoid", name="mask")(x)
    return keras.Model(images, x, name="selfie_segmentation")


def decoder_block(x, skip, filters, name):
    """Doubles the size of a map, and adds the encoder's map of that size: -> (N, H, W, filters)."""
    x = layers.UpSampling2D(2, interpolation="bilinear", name=name + "upsample")(x)
    x = layers.Conv2D(filters, 1, name=name + "conv")(x)
    both = layers.Add(name=name + "both")([x, skip])
    weights = channel_weights(both, filters, name)
    skip = layers.Multiply(name=name + "excite")([skip, weights])
    x = layers.Add(name=name + "add")([x, skip])
    x = shortcut = layers.Conv2D(filters, 1, activation="relu", name=name + "mix_conv")(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu", name=name + "dwconv")(x)
    return layers.Add(name=name + "out")([x, shortcut])


def _pyramid_pooling(x, filters):
    """Weighs the channels by what the whole image holds (Lite R-ASPP, in MobileNetV3's paper)."""
    pooled = layers.GlobalAveragePooling2D(keepdims=True, name="context_pool")(x)
    x = layers.Conv2D(filters, 1, activation="relu", name="context_conv")(x)
    weights = layers.Conv2D(filters, 1, activation="sigmoid", name="context_weights_conv")(pooled)
    return layers.Multiply(name="context")([x, weights])
