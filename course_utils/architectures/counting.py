"""What a network costs, and how far it sees: counted from its graph, not measured."""

import math

import keras
import numpy as np
from keras import layers

from course_utils.architectures.kinds import DECLARABLE, KINDS, kind_of, sees_all
from course_utils.convolution import same_padding

# Kernels one behind another in a layer of each kind that has any.
KERNELS = {"convolution": 1, "dense": 1, "transposed": 1, "attention": 2}


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
    for layer, node in _calls(model):
        kind = kind_of(layer)
        if isinstance(layer, keras.Model):
            total += multiply_adds(layer)
        elif kind == "attention":
            total += _attention(layer, node)
        elif kind in KERNELS:
            total += _uses(layer, node) * _weights(layer)
    return total


def _weights(layer):
    # A separable convolution has two: depthwise_kernel and pointwise_kernel.
    kernels = [weight.shape for weight in layer.weights if weight.name.endswith("kernel")]
    return sum(map(math.prod, kernels))


def _uses(layer, node):
    """How often one input uses each weight of a layer's kernel."""
    before, after = node.input_tensors[0].shape, node.output_tensors[0].shape
    if not isinstance(layer, layers.EinsumDense):
        return _product(layer, (before if kind_of(layer) == "transposed" else after)[1:-1])
    letters, kernel = layer.equation.split("->")[0].split(",")
    letters = letters.replace("...", "." * (len(before) - len(letters) + 3))
    axes = [axis for axis in range(1, len(before)) if letters[axis] not in kernel]
    return _product(layer, [before[axis] for axis in axes])


def _product(layer, sizes):
    if None in sizes:
        raise ValueError(f"layer {layer.name!r} has an open size: {(None, *sizes)}")
    return math.prod(sizes)


def _attention(layer, node):
    # node.input_tensors sorts those given by name. Without a value it is self-attention.
    given = dict(zip(("query", "value"), node.arguments.args, strict=False))
    given = {**given, **node.arguments.kwargs}
    value = given["query"] if given.get("value") is None else given["value"]
    shapes = given["query"].shape, value.shape
    queries, values = (_product(layer, shape[1:-1]) for shape in shapes)
    pairs = queries * math.prod(shapes[1][axis] for axis in layer.attention_axes)
    products = layer.num_heads * pairs * (layer.key_dim + layer.value_dim)
    of_values = sum(math.prod(part.kernel.shape) for part in (layer.key_dense, layer.value_dense))
    return products + of_values * values + (_weights(layer) - of_values) * queries


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
    for layer, node in _calls(model):
        nested = isinstance(layer, keras.Model)
        own = depth(layer) if nested else KERNELS.get(kind_of(layer), 0)
        ways = [longest[id(tensor)] for tensor in node.input_tensors]
        longest.update(dict.fromkeys(map(id, node.output_tensors), max(ways, default=0) + own))
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
    for layer, node in calls:
        before, outputs = node.input_tensors, node.output_tensors
        if isinstance(layer, keras.Model):
            after = _follow(layer, [seen[id(tensor)] for tensor in before], fields)
        elif not before:
            after = [seen[id(outputs[0])]]
        else:
            field = _merge(layer, [seen[id(tensor)] for tensor in before])
            after = [_step(layer, node, output.shape, field) for output in outputs]
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


def _step(layer, node, shape_after, field):
    """The field behind a layer, from the one before it; shapes are (N, H, W, C)."""
    kind, shapes = kind_of(layer), [tensor.shape for tensor in node.input_tensors]
    if field is None or len(shape_after) != 4 or sees_all(layer, len(shapes[0])):
        return None
    low, high, jump = field
    if kind == "padding":
        padded = isinstance(layer, layers.ZeroPadding2D)
        before = np.array(layer.padding if padded else layer.cropping)[:, 0] * (1 if padded else -1)
        return low - before * jump, high - before * jump, jump
    if kind == "transposed":
        raise ValueError(f"layer {layer.name!r} is a transposed convolution: its field is unknown")
    if kind not in ("convolution", "pooling"):
        moved = [shape for shape in shapes if shape[1:3] != shape_after[1:3]]
        if moved or kind == "exchange" or (kind == "slicing" and _flips(node.arguments.args[1])):
            shape = (moved or shapes)[0]
            raise ValueError(f"layer {layer.name!r} changes the places: {shape} to {shape_after}")
        return low, high, jump
    shape = shapes[0]
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


def _flips(index):
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, slice) and (part.step or 1) < 0 for part in parts)


def _calls(model):
    """Every use of a layer in a model, in order: (layer, its node in the graph)."""
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
            if not isinstance(layer, keras.Model) and kind_of(layer) is None:
                known = sorted(kind.__name__ for kinds in KINDS.values() for kind in kinds)
                raise ValueError(
                    f"cannot count layer {layer.name!r} of type {type(layer).__name__}; known are "
                    f"{', '.join(known)}, and layers whose `counts_as` is one of "
                    f"{', '.join(DECLARABLE)}"
                )
            if getattr(layer, "data_format", None) == "channels_first":
                raise ValueError(f"layer {layer.name!r} must have its channels last")
            yield layer, node
