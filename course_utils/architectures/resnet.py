"""Residual networks and their blocks."""

import keras
from keras import layers, ops

from course_utils.architectures.lenet import check_classes

# Blocks in each of the four stages (He et al., table 1); from 50 on they are bottlenecks.
RESNET_STAGES = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
SMALL_RESNET_DEPTHS = (20, 32, 44, 56)


def conv_norm(x, filters, size, stride=1, relu=True, name="conv"):
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


def basic_block(x, filters, stride=1, name="block", residual=True, project=True):
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


def bottleneck_block(x, filters, stride=1, name="block"):
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


def resnet(depth, num_classes=None, input_shape=None, residual=True, filters=None, stem_stride=1):
    """A residual network for photos (depth 18 to 152) or for small images (20 to 56).

    Args:
        depth: layers with weights. 18, 34, 50, 101 and 152 take photos of (224, 224, 3) and know
            1000 classes; 20, 32, 44 and 56 take images of (32, 32, 3) and know 10.
        num_classes: number of classes, >= 1; None for the paper's.
        input_shape: (H, W, C), or None for the paper's.
        residual: False leaves the additions out: a plain network of the same depth, for any that
            is not made of bottlenecks.
        filters: channels of the first stage, doubled by each further one; None for the paper's 64
            or 16.
        stem_stride: step of the first convolution of a small network; 2 makes all four times as
            cheap.

    Returns:
        A `keras.Model`: (N, H, W, C) -> (N, num_classes), probabilities.

    Raises:
        ValueError: if there is no such depth, a plain network of bottlenecks or another stem of a
            network for photos is asked for, or `num_classes` is below 1.

    Source: He, Zhang, Ren and Sun (2015), Deep residual learning for image recognition.
    """
    known = sorted([*RESNET_STAGES, *SMALL_RESNET_DEPTHS])
    if not isinstance(depth, int) or depth not in known:
        raise ValueError(f"depth must be one of {', '.join(map(str, known))}; got {depth!r}")
    small = depth in SMALL_RESNET_DEPTHS
    if not small and stem_stride != 1:
        raise ValueError(f"stem_stride is for depths 20 to 56 of small images, got depth {depth}")
    if not residual and depth >= 50 and not small:
        raise ValueError(f"a plain network has depth 18, 20, 32, 34, 44 or 56, got {depth}")
    num_classes = (10 if small else 1000) if num_classes is None else num_classes
    check_classes(num_classes)
    filters = (16 if small else 64) if filters is None else filters
    x = inputs = keras.Input(input_shape or ((32, 32, 3) if small else (224, 224, 3)), name="In")
    if small:
        x = conv_norm(x, filters, 3, stem_stride, name="conv1")
    else:
        x = conv_norm(x, filters, 7, 2, name="conv1")
        x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)
    stages = [(depth - 2) // 6] * 3 if small else RESNET_STAGES[depth]
    for stage, count in enumerate(stages):
        for number in range(count):
            width, name = filters * 2**stage, f"conv{stage + 2}_{number + 1}"
            stride = 2 if stage > 0 and number == 0 else 1
            if depth >= 50 and not small:
                x = bottleneck_block(x, width, stride, name)
            else:
                x = basic_block(x, width, stride, name, residual, project=not small)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dense(num_classes, activation="softmax", name="Out")(x)
    return keras.Model(inputs, x, name=f"{'resnet' if residual else 'plain'}{depth}")
