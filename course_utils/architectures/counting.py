"""What a network costs, and how far it sees: counted from its graph, not measured."""

import math

import keras
import numpy as np
from keras import layers

from course_utils.convolution import same_padding

# A layer that is none of these, nor derived from one, may say in its attribute `counts_as` which of
# these kinds it is: "convolution", "pooling", "dense", "pointwise" or "whole image".
KINDS = {
    # Slide a window with weights, each used once at every place of the output.
    "convolution": (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D),
    "pooling": (layers.AveragePooling2D, layers.MaxPooling2D),
    # Weights as above, but they look at one place at a time.
    "dense": (layers.Dense,),
    # Spread each place of the input by weights, each used once for every place of the input.
    "transposed": (layers.Conv2DTranspose,),
    "attention": (layers.MultiHeadAttention,),
    "padding": (layers.ZeroPadding2D, layers.Cropping2D),
    # Look at one place at a time, and multiply nothing that counts by the usual convention. Those
    # that change the size of the map have no field; what they do while training is left out.
    "pointwise": (
        layers.Activation, layers.Add, layers.Average, layers.BatchNormalization, layers.CenterCrop,
        layers.Concatenate, layers.Dropout, layers.Identity, layers.InputLayer,
        layers.LayerNormalization, layers.LeakyReLU, layers.Maximum, layers.Minimum,
        layers.Multiply, layers.Normalization, layers.RandomBrightness, layers.RandomContrast,
        layers.RandomCrop, layers.RandomFlip, layers.RandomRotation, layers.RandomTranslation,
        layers.RandomZoom, layers.ReLU, layers.Rescaling, layers.Resizing, layers.Softmax,
        layers.SpatialDropout2D, layers.Subtract, layers.UpSampling2D,
    ),
    # Behind them there are no places any more, or each has seen all others.
    "whole image": (
        layers.Flatten, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D,
        layers.GroupNormalization, layers.Reshape,
    ),
}  # fmt: skip
# Functions of `keras.ops` in a graph; their classes have no public names.
POINTWISE_OPERATIONS = {
    "Abs", "Add", "Cast", "Clip", "Concatenate", "Divide", "Exp", "Gelu", "Maximum", "Minimum",
    "Multiply", "Negative", "Pad", "Power", "Relu", "Relu6", "Sigmoid", "Silu", "Sqrt", "Square",
    "Subtract", "Tanh", "TrueDivide",
}  # fmt: skip
WEIGHTED = ("convolution", "dense", "transposed")


def multiply_adds(model):
    """Multiplications, each with its addition, that one input costs.

    Convolutions and dense layers count: places of the output times weights of the kernel (of the
    input, if the convolution is transposed). Attention counts its four projections and the two
    products, of queries with keys and of weights with values. Biases, pooling, normalisation and
    activations do not, as in most papers, where the same number is often called "FLOPs" although it
    is two operations.

    Args:
        model: a built `keras.Model` or `keras.Sequential` of layers that this module knows, for
            inputs of fixed size. Models inside it are counted too.

    Returns:
        The number, an int.

    Raises:
        ValueError: if a layer is unknown, the model is not built, or a size is open (None).
    """
    total = 0
    for layer, before, outputs in _calls(model):
        if isinstance(layer, keras.Model):
            total += multiply_adds(layer)
        elif _kind(layer) == "attention":
            total += _attention_multiply_adds(layer, before)
        elif _kind(layer) in WEIGHTED:
            places = _places(layer, before[0] if _kind(layer) == "transposed" else outputs[0])
            # A separable convolution has two: depthwise_kernel and pointwise_kernel.
            kernels = [weight.shape for weight in layer.weights if weight.name.endswith("kernel")]
            total += places * sum(map(math.prod, kernels))
    return total


def _places(layer, tensor):
    """Positions of a map, or tokens of a sequence."""
    if None in tensor.shape[1:-1]:
        raise ValueError(f"layer {layer.name!r} has an open size: {tensor.shape}")
    return math.prod(tensor.shape[1:-1])


def _attention_multiply_adds(layer, before):
    queries, values, keys = (_places(layer, tensor) for tensor in [*before, before[1]][:3])
    projections = {
        layer.query_dense: queries, layer.key_dense: keys, layer.value_dense: values,
        layer.output_dense: queries,
    }  # fmt: skip
    products = layer.num_heads * queries * values * (layer.key_dim + layer.value_dim)
    return products + sum(math.prod(part.kernel.shape) * n for part, n in projections.items())


def depth(model):
    """Layers with kernels on the longest way through a model: the number in "ResNet-50".

    Attention counts as two: a projection before its products, and one behind.

    Args:
        model: as in `multiply_adds`.

    Returns:
        The number, an int.

    Raises:
        ValueError: if a layer is unknown, or the model is not built.
    """
    longest = {}
    for layer, before, outputs in _calls(model):
        if isinstance(layer, keras.Model):
            own = depth(layer)
        else:
            own = 2 * (_kind(layer) == "attention") + (_kind(layer) in WEIGHTED)
        ways = [longest[id(tensor)] for tensor in before]
        longest.update(dict.fromkeys(map(id, outputs), max(ways, default=0) + own))
    return max(longest.values())


def receptive_field(model, layer=None):
    """Side of the square of input pixels that one unit depends on.

    Paths side by side count together: the field is what all of them see.

    Args:
        model: as in `multiply_adds`; a size may be open where padding does not depend on it.
        layer: name of the layer whose units are meant (of a layer used twice, the later use); None
            for the last feature map, before the model flattens it or averages over it.

    Returns:
        The side in pixels, an int; it may be larger than the image, as padding counts.

    Raises:
        ValueError: as `multiply_adds`; or if the model has no such layer, the layer's units see the
            whole image whatever its size, paths with different strides meet, or the field is not a
            square.

    Source: Araujo, Norris and Sim (2019), Computing receptive fields of convolutional neural
    networks.
    """
    fields = {}
    _follow(model, None, fields)
    if layer is not None and layer not in fields:
        raise ValueError(f"expected one of the layers {', '.join(fields)}; got {layer!r}")
    asked = fields if layer is None else {layer: fields[layer]}
    for name, (field, places) in asked.items():
        # A single place that sees all is expected at the end. Many are maps mixed with such a
        # place, as by squeeze and excitation.
        if field is None and (name == layer or any(size != 1 for size in places)):
            raise ValueError(f"layer {name!r} sees the whole image, whatever its size")
    known = [field for field, _ in asked.values() if field is not None]
    # Along a path a field only grows, so the last one is the largest.
    low, high, _ = max(known, key=lambda field: np.sum(field[1] - field[0]))
    height, width = (int(side) for side in high - low + 1)
    if height != width:
        raise ValueError(f"expected a square field, got {height} x {width} pixels")
    return height


def _follow(model, inputs, fields):
    """Notes (field, places) of each layer by its name; returns the fields of the model's outputs.

    A field is (low, high, jump), each for rows and columns: the first unit sees the pixels from low
    to high, its neighbour those `jump` further. None stands for the whole image.
    """
    calls = list(_calls(model))
    if inputs is None:
        pixel = np.zeros(2, int), np.zeros(2, int), np.ones(2, int)
        inputs = [pixel if len(tensor.shape) == 4 else None for tensor in model.inputs]
        if inputs.count(None) == len(inputs):
            shapes = " and ".join(str(tensor.shape) for tensor in model.inputs)
            raise ValueError(f"expected a model of images, (N, H, W, C), its input is {shapes}")
    seen = dict(zip(map(id, model.inputs), inputs, strict=True))
    for layer, before, outputs in calls:
        if isinstance(layer, keras.Model):
            after = _follow(layer, [seen[id(tensor)] for tensor in before], fields)
        elif not before:
            after = [seen[id(outputs[0])]]
        else:
            field = _merge(layer, [seen[id(tensor)] for tensor in before])
            after = [_step(layer, before[0].shape, outputs[0].shape, field)]
        seen.update(zip(map(id, outputs), after, strict=True))
        fields[layer.name] = after[0], outputs[0].shape[1:-1]
    return [seen[id(tensor)] for tensor in model.outputs]


def _merge(layer, fields):
    """What a unit sees through several paths."""
    if any(field is None for field in fields):
        return None
    lows, highs, jumps = zip(*fields, strict=True)
    if any(np.any(jump != jumps[0]) for jump in jumps):
        steps = " and ".join(f"{down} x {across}" for down, across in jumps)
        raise ValueError(f"layer {layer.name!r} joins paths whose units lie {steps} pixels apart")
    return np.min(lows, axis=0), np.max(highs, axis=0), jumps[0]


def _step(layer, shape, shape_after, field):
    """The field behind a layer, from the one before it and both shapes (N, H, W, C)."""
    kind = _kind(layer)
    if field is None or len(shape_after) != 4 or _sees_all(layer, len(shape)):
        return None
    low, high, jump = field
    if kind == "padding":
        cropped = isinstance(layer, layers.Cropping2D)
        pads = layer.cropping if cropped else layer.padding
        before = np.array([pad[0] for pad in pads]) * (-1 if cropped else 1)
        return low - before * jump, high - before * jump, jump
    if kind == "transposed":
        raise ValueError(f"layer {layer.name!r} is a transposed convolution: its field is unknown")
    if kind not in ("convolution", "pooling"):
        if shape[1:3] != shape_after[1:3]:
            raise ValueError(f"layer {layer.name!r} changes the places: {shape} to {shape_after}")
        return low, high, jump
    kernel = np.array(getattr(layer, "kernel_size", None) or layer.pool_size)
    window = (kernel - 1) * np.array(getattr(layer, "dilation_rate", 1)) + 1
    stride, before = np.array(layer.strides), np.zeros(2, int)
    if layer.padding == "same":
        if any(size is None and step > 1 for size, step in zip(shape[1:3], stride, strict=True)):
            raise ValueError(f"layer {layer.name!r} has an open size: {shape}")
        # With steps of 1 any size is padded alike.
        settings = zip([size or 1 for size in shape[1:3]], window, stride, strict=True)
        before = np.array([same_padding(*setting)[0] for setting in settings])
    return low - before * jump, high + (window - 1 - before) * jump, jump * stride


def _sees_all(layer, rank):
    """Whether each place behind a layer depends on all places before it."""
    if isinstance(layer, layers.Softmax | layers.LayerNormalization):
        axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
        return any(axis % rank != rank - 1 for axis in axes)
    return _kind(layer) in ("whole image", "attention")


def _calls(model):
    """Every use of a layer in a model, in order: (layer, tensors in, tensors out)."""
    if isinstance(model, keras.Sequential):
        if getattr(model, "inputs", None) is None:
            raise ValueError("the model is not built: give it a keras.Input and a layer first")
        model = keras.Model(model.inputs, model.outputs)
    # Keras has no public name for the graph; its own `model.summary` uses this one. It holds the
    # uses in this model alone, also of layers that other models share.
    if not hasattr(model, "_nodes_by_depth"):
        raise ValueError(f"expected a functional or sequential model, got {type(model).__name__}")
    for _, nodes in sorted(model._nodes_by_depth.items(), reverse=True):
        for node in nodes:
            layer = node.operation
            if not isinstance(layer, keras.Model) and _kind(layer) is None:
                known = sorted(kind.__name__ for kinds in KINDS.values() for kind in kinds)
                raise ValueError(
                    f"cannot count layer {layer.name!r} of type {type(layer).__name__}; known are "
                    f"{', '.join(known)}, and layers whose attribute `counts_as` says what they do"
                )
            if getattr(layer, "data_format", None) == "channels_first":
                raise ValueError(f"layer {layer.name!r} must have its channels last")
            yield layer, node.input_tensors, node.output_tensors


def _kind(layer):
    """Which of `KINDS` a layer is; None if it is unknown."""
    if not isinstance(layer, keras.Layer):  # a function of keras.ops
        return "pointwise" if type(layer).__name__ in POINTWISE_OPERATIONS else None
    found = (kind for kind, classes in KINDS.items() if isinstance(layer, classes))
    return getattr(layer, "counts_as", None) or next(found, None)
