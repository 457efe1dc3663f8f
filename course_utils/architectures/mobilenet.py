"""The block of MobileNetV2 and V3, with batch normalisation folded into its convolutions."""

from keras import layers


def inverted_residual(
    x, filters, expanded, name, kernel=3, strides=1, activation="relu6", excite=False
):
    """Widen, filter each channel by itself, perhaps weigh the channels, narrow; add the input.

    (N, H, W, C) -> (N, H / strides, W / strides, filters). The input is added where it has the
    shape of the output. `expanded` is the number of channels in between, or None for no widening.

    Source: Sandler et al. (2018), MobileNetV2; Howard et al. (2019), Searching for MobileNetV3.
    """
    shortcut = x
    if expanded is not None:
        x = layers.Conv2D(expanded, 1, name=name + "expand_conv")(x)
        x = layers.Activation(activation, name=name + "expand_activation")(x)
    x = layers.DepthwiseConv2D(kernel, strides, padding="same", name=name + "dwconv")(x)
    x = layers.Activation(activation, name=name + "activation")(x)
    if excite:
        weights = channel_weights(x, max(8, x.shape[-1] // 4), name)
        x = layers.Multiply(name=name + "excite")([x, weights])
    x = layers.Conv2D(filters, 1, name=name + "project_conv")(x)
    if x.shape == shortcut.shape:
        x = layers.Add(name=name + "add")([x, shortcut])
    return x


def channel_weights(x, squeezed, name):
    """A weight in [0, 1] for each channel, from the averages of all: (N, H, W, C) -> (N, 1, 1, C).

    Source: Hu, Shen and Sun (2018), Squeeze-and-excitation networks.
    """
    channels = x.shape[-1]
    x = layers.GlobalAveragePooling2D(keepdims=True, name=name + "squeeze")(x)
    x = layers.Conv2D(squeezed, 1, activation="relu", name=name + "squeeze_conv")(x)
    return layers.Conv2D(channels, 1, activation="sigmoid", name=name + "excite_conv")(x)
