"""What a network costs, and how far it sees: counted from its graph, not measured."""

import keras
import numpy as np

from course_utils.convolution import same_padding

# Layers whose weights are each used once at every place of the output.
WEIGHTED = {"Conv2D", "Dense", "DepthwiseConv2D", "SeparableConv2D", "TableConv2D"}
# Layers that slide a window.
SLIDING = {
    "Conv2D", "DepthwiseConv2D", "SeparableConv2D", "TableConv2D", "MaxPooling2D",
    "AveragePooling2D", "Subsampling",
}  # fmt: skip
# Layers that look at one place at a time, and multiply nothing that counts by the usual convention.
POINTWISE = {
    "Activation", "Add", "Average", "BatchNormalization", "Concatenate", "Dropout", "InputLayer",
    "LeakyReLU", "Maximum", "Multiply", "Normalization", "Pad", "ReLU", "Rescaling", "Softmax",
    "SpatialDropout2D", "Subtract",
}  # fmt: skip
# Layers behind which there are no places any more: every number sees the whole image.
WHOLE_IMAGE = {"CodeDistance", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Reshape"}
KNOWN = WEIGHTED | SLIDING | POINTWISE | WHOLE_IMAGE | {"ZeroPadding2D"}


def multiply_adds(model):
    """Multiplications, each with its addition, that one input costs.

    Convolutions and dense layers count: places of the output times weights of the kernel. Biases,
    pooling, normalisation and activations do not, as in most papers, where the same number is often
    called "FLOPs" although it is two operations.

    Args:
        model: a built `keras.Model` or `keras.Sequential` of layers that this module knows, for
            inputs of fixed size. Models inside it are counted too.

    Returns:
        The number, an int.

    Raises:
        ValueError: if a layer is unknown, the model is not built, or a size is open (None).
    """
    total = 0
    for layer, _, output in _calls(model):
        if isinstance(layer, keras.Model):
            total += multiply_adds(layer)
        elif _kind(layer) in WEIGHTED:
            places = output.shape[1:-1]
            if None in places:
                raise ValueError(f"layer {layer.name!r} has an open size: {output.shape}")
            weights = [w for w in layer.trainable_weights + layer.non_trainable_weights
                       if "kernel" in w.name]  # fmt: skip
            total += int(np.prod(places)) * sum(int(np.prod(weight.shape)) for weight in weights)
    return total


def receptive_field(model, layer=None):
    """Side of the square of input pixels that one unit depends on.

    Paths side by side count together: the field is what all of them see.

    Args:
        model: as in `multiply_adds`.
        layer: name of the layer whose units are meant; None for the last feature map, before the
            model flattens it or averages over it.

    Returns:
        The side in pixels, an int; it may be larger than the image, as padding counts.

    Raises:
        ValueError: as `multiply_adds`; or if the model has no such layer, the layer's units see the
            whole image whatever its size, or the field is not a square.

    Source: Araujo, Norris and Sim (2019), Computing receptive fields of convolutional neural
    networks.
    """
    fields = {}
    start = (np.zeros(2, int), np.zeros(2, int), np.ones(2, int))
    _follow(model, [start] * len(model.inputs), fields)
    if layer is None:
        known = [field for field in fields.values() if field is not None]
        field = max(known, key=lambda field: field[1][0] - field[0][0])
    elif layer not in fields:
        raise ValueError(f"expected one of the layers {', '.join(fields)}; got {layer!r}")
    elif fields[layer] is None:
        raise ValueError(f"layer {layer!r} sees the whole image, whatever its size")
    else:
        field = fields[layer]
    low, high, _ = field
    height, width = (int(side) for side in high - low + 1)
    if height != width:
        raise ValueError(f"expected a square field, got {height} x {width} pixels")
    return height


def _follow(model, inputs, fields):
    """Notes the field of each layer by its name; returns that of the model's outputs.

    A field is (low, high, jump), each for rows and columns: the first unit sees the pixels from low
    to high, its neighbour those `jump` further. None stands for the whole image.
    """
    seen = dict(zip(map(id, model.inputs), inputs, strict=True))
    for layer, before, output in _calls(model):
        if id(output) in seen:  # an input
            field = seen[id(output)]
        else:
            field = _merge([seen[id(tensor)] for tensor in before])
            if isinstance(layer, keras.Model):
                field = _follow(layer, [seen[id(tensor)] for tensor in before], fields)
            elif field is not None:
                field = _step(layer, before[0].shape, output.shape, *field)
        seen[id(output)] = fields[layer.name] = field
    return seen[id(model.outputs[0])]


def _merge(fields):
    """What a unit sees through several paths."""
    if any(field is None for field in fields):
        return None
    lows, highs, jumps = zip(*fields, strict=True)
    return np.min(lows, axis=0), np.max(highs, axis=0), jumps[0]


def _step(layer, shape, shape_after, low, high, jump):
    """The field behind a layer, from the one before it and both shapes (N, H, W, C)."""
    kind = _kind(layer)
    if kind in WHOLE_IMAGE or len(shape_after) != 4:
        return None
    if kind == "ZeroPadding2D":
        before = np.array([pad[0] for pad in layer.padding])
        return low - before * jump, high - before * jump, jump
    if kind not in SLIDING:
        return low, high, jump
    kernel = np.array(getattr(layer, "kernel_size", None) or layer.pool_size)
    window = (kernel - 1) * np.array(getattr(layer, "dilation_rate", 1)) + 1
    stride, before = np.array(layer.strides), np.zeros(2, int)
    if layer.padding == "same":
        if None in shape[1:3]:
            raise ValueError(f"layer {layer.name!r} has an open size: {shape}")
        settings = zip(shape[1:3], window, stride, strict=True)
        before = np.array([same_padding(*setting)[0] for setting in settings])
    return low - before * jump, high + (window - 1 - before) * jump, jump * stride


def _calls(model):
    """Every use of a layer in a model, in order: (layer, tensors in, tensor out)."""
    if isinstance(model, keras.Sequential):
        if not model.built:
            raise ValueError("the model is not built: give it a keras.Input first")
        model = keras.Model(model.inputs, model.outputs)
    if not hasattr(model, "_nodes_by_depth"):
        raise ValueError(f"expected a functional or sequential model, got {type(model).__name__}")
    for _, nodes in sorted(model._nodes_by_depth.items(), reverse=True):
        for node in nodes:
            layer = node.operation
            if not isinstance(layer, keras.Model) and _kind(layer) not in KNOWN:
                raise ValueError(
                    f"cannot count layer {layer.name!r} of type {_kind(layer)}; "
                    f"known are {', '.join(sorted(KNOWN))}"
                )
            yield layer, node.input_tensors, node.output_tensors[0]


def _kind(layer):
    return type(layer).__name__
