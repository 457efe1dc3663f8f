"""Residual networks and their blocks."""

from functools import partial

import keras
from keras import layers, ops

from course_utils._checks import one_of, whole_number

# Blocks in each of the four stages (He et al., table 1); from 50 on they are bottlenecks.
RESNET_STAGES = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def conv_norm(x, filters, size, stride=1, *, relu=True, name="conv"):
    """Convolution without bias, BatchNorm (whose shift is one) and, if `relu`, a ReLU.

    Args:
        x: (N, H, W, C) tensor.
        filters, size, stride: of the convolution, which pads SAME.
        relu: whether a ReLU follows.
        name: of the convolution; the others add to it.

    Returns:
        (N, H / stride, W / stride, filters) tensor.
    """
    x = layers.Conv2D(filters, size, stride, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


def basic_block(x, filters, stride=1, *, name="block", residual=True, project=True):
    """Two 3 x 3 convolutions, and the input added to what comes out.

    Args:
        x: (N, H, W, C) tensor.
        filters: channels out.
        stride: step of the first convolution.
        name: prefix of the layers' names.
        residual: False leaves the addition out: a plain block.
        project: how the shortcut gets to other channels or another size: True by a 1 x 1
            convolution, False without parameters, by skipping pixels and adding channels of zeros.

    Returns:
        (N, H / stride, W / stride, filters) tensor.

    Raises:
        ValueError: if `project` is False and the shortcut would have to drop channels.

    Source: He, Zhang, Ren and Sun (2015), Deep residual learning for image recognition, figure 5.
    """
    y = conv_norm(x, filters, 3, stride, name=f"{name}_1")
    y = conv_norm(y, filters, 3, relu=False, name=f"{name}_2")
    if residual:
        y = layers.Add(name=f"{name}_add")([_shortcut(x, y, stride, name, project), y])
    return layers.ReLU(name=name)(y)


def bottleneck_block(x, filters, stride=1, *, name="block"):
    """1 x 1 down to `filters` channels, 3 x 3, 1 x 1 up to four times as many, and the input added.

    Args:
        x: (N, H, W, C) tensor.
        filters: channels of the 3 x 3 convolution.
        stride: step of the first convolution, as in the paper (later versions: of the second).
        name: prefix of the layers' names.

    Returns:
        (N, H / stride, W / stride, 4 filters) tensor.

    Source: He, Zhang, Ren and Sun (2015), Deep residual learning for image recognition, figure 5.
    """
    y = conv_norm(x, filters, 1, stride, name=f"{name}_1")
    y = conv_norm(y, filters, 3, name=f"{name}_2")
    y = conv_norm(y, 4 * filters, 1, relu=False, name=f"{name}_3")
    y = layers.Add(name=f"{name}_add")([_shortcut(x, y, stride, name, project=True), y])
    return layers.ReLU(name=name)(y)


def _shortcut(x, y, stride, name, project):
    """`x` brought to the shape of `y`; `x` itself where it has that shape."""
    if stride == 1 and x.shape[-1] == y.shape[-1]:
        return x
    if project:
        return conv_norm(x, y.shape[-1], 1, stride, relu=False, name=f"{name}_0")
    missing = y.shape[-1] - x.shape[-1]
    if missing < 0:
        raise ValueError(
            "a shortcut without projection can only add channels, "
            f"expected at most {y.shape[-1]} of them, got {x.shape[-1]}"
        )
    if stride > 1:
        x = layers.AveragePooling2D(1, stride, padding="same", name=f"{name}_skip")(x)
    return ops.pad(x, ((0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2)))


def resnet(depth, *, num_classes=1000, input_shape=(224, 224, 3), residual=True, filters=64):
    """A residual network for photos.

    Args:
        depth: layers with weights: 18 or 34, of basic blocks; 50, 101 or 152, of bottlenecks.
        num_classes: number of classes, >= 1.
        input_shape: (H, W, C) in pixels.
        residual: False leaves the additions out of a network of basic blocks: a plain network.
        filters: channels of the first stage, doubled by each further one.

    Returns:
        A `keras.Model`: (N, H, W, C) -> (N, num_classes), probabilities.

    Raises:
        ValueError: if there is no such depth, a plain network of bottlenecks is asked for, or a
            number is below 1.

    Source: He, Zhang, Ren and Sun (2015), Deep residual learning for image recognition.
    """
    depth = one_of("depth", depth, RESNET_STAGES)
    if not residual and depth >= 50:
        raise ValueError(f"a plain network has depth 18 or 34, got {depth}")
    num_classes = whole_number("num_classes", num_classes)
    filters = whole_number("filters", filters)
    x = images = keras.Input(input_shape, name="images")
    x = conv_norm(x, filters, 7, 2, name="conv1")
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)
    block = partial(basic_block, residual=residual) if depth < 50 else bottleneck_block
    x = _stages(x, RESNET_STAGES[depth], filters, block)
    return _classifier(images, x, num_classes, f"{'resnet' if residual else 'plain'}{depth}")


def cifar_resnet(
    depth, *, num_classes=10, input_shape=(32, 32, 3), residual=True, filters=16, stem_stride=1
):
    """A residual network for the small images of CIFAR-10, with shortcuts without parameters.

    Args:
        depth: layers with weights: 6 n + 2 for n blocks in each of three stages. The paper has 20,
            32, 44, 56, 110 and 1202.
        num_classes: number of classes, >= 1.
        input_shape: (H, W, C) in pixels.
        residual: False leaves the additions out: a plain network of the same depth.
        filters: channels of the first stage, doubled by each further one.
        stem_stride: step of the first convolution; the paper's is 1, and 2 makes all four times as
            cheap.

    Returns:
        A `keras.Model`: (N, H, W, C) -> (N, num_classes), probabilities.

    Raises:
        ValueError: if the depth is not 6 n + 2, or a number is below 1.

    Source: He, Zhang, Ren and Sun (2015), Deep residual learning for image recognition, section
    4.2.
    """
    depth = whole_number("depth", depth, low=8)
    if depth % 6 != 2:
        raise ValueError(f"depth must be 6 n + 2, as 20, 32, 44 or 56 are, got {depth}")
    num_classes = whole_number("num_classes", num_classes)
    filters = whole_number("filters", filters)
    x = images = keras.Input(input_shape, name="images")
    x = conv_norm(x, filters, 3, stem_stride, name="conv1")
    block = partial(basic_block, residual=residual, project=False)
    x = _stages(x, [(depth - 2) // 6] * 3, filters, block)
    return _classifier(images, x, num_classes, f"cifar_{'resnet' if residual else 'plain'}{depth}")


def _stages(x, counts, filters, block):
    """Stages of blocks; each but the first begins with half the size and twice the channels."""
    for stage, count in enumerate(counts):
        for number in range(count):
            stride = 2 if stage > 0 and number == 0 else 1
            x = block(x, filters * 2**stage, stride, name=f"conv{stage + 2}_{number + 1}")
    return x


def _classifier(images, x, num_classes, name):
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dense(num_classes, name="logits")(x)
    x = layers.Softmax(name="predictions")(x)
    return keras.Model(images, x, name=name)
