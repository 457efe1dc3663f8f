"""What a layer does, as far as its cost and its field go: by its class or by what it declares.

A layer of your own that derives from no layer of Keras says in a class attribute what it counts as:
`counts_as = "pointwise"`, or another of `DECLARABLE`. Of a "convolution" or a "dense" layer the
weights count whose names end in "kernel". A "convolution" also has `kernel_size`, `strides` and
`padding`, as in Keras, and a "pooling" layer has `pool_size` in place of the first.
"""

import keras
import numpy as np
from keras import layers

from course_utils.attention import AttentionHeads

DECLARABLE = ("convolution", "dense", "pointwise", "pooling", "whole image")
KINDS = {
    # Slide a window with weights, each used once at every place of the output.
    "convolution": (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D),
    "pooling": (layers.AveragePooling2D, layers.MaxPooling2D),
    # Weights as above, but they look at one place at a time.
    "dense": (layers.Dense, layers.EinsumDense),
    # Spread each place of the input by weights, each used once for every place of the input.
    "transposed": (layers.Conv2DTranspose,),
    "attention": (layers.MultiHeadAttention, AttentionHeads),
    "padding": (layers.ZeroPadding2D, layers.Cropping2D),
    # Look at one place at a time, and multiply nothing that counts by the usual convention. Those
    # that change the size of the map have no field; what they do while training is left out.
    "pointwise": (
        layers.Activation, layers.Add, layers.Average, layers.BatchNormalization, layers.CenterCrop,
        layers.Concatenate, layers.Dropout, layers.Embedding, layers.Identity, layers.InputLayer,
        layers.LeakyReLU, layers.Maximum, layers.Minimum, layers.Multiply, layers.Normalization,
        layers.RandomBrightness, layers.RandomContrast, layers.RandomCrop, layers.RandomFlip,
        layers.RandomRotation, layers.RandomTranslation, layers.RandomZoom, layers.ReLU,
        layers.Rescaling, layers.Resizing, layers.SpatialDropout2D, layers.Subtract,
        layers.UpSampling2D,
    ),
    "along axis": (layers.LayerNormalization, layers.Softmax),  # mix what lies along their `axis`
    "exchange": (layers.Permute,),
    # Behind them there are no places any more, or each has seen all others.
    "whole image": (
        layers.Flatten, layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D,
        layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GroupNormalization,
        layers.Reshape,
    ),
}  # fmt: skip
# Functions of `keras.ops` in a graph, of the same kinds; their classes have no public names.
OPERATIONS = {
    "pointwise": {
        "Absolute", "Add", "BroadcastTo", "Cast", "Clip", "Concatenate", "Divide", "Exp", "Gelu",
        "LeakyRelu", "Maximum", "Minimum", "Multiply", "Negative", "Pad", "Power", "Relu", "Relu6",
        "Sigmoid", "Silu", "Split", "Sqrt", "Square", "Subtract", "Tanh", "TrueDivide",
    },
    "along axis": {"Max", "Mean", "Min", "Softmax", "Sum"},
    "exchange": {"Transpose"},
    "slicing": {"GetItem"},
    "whole image": {"ExpandDims", "Reshape", "Squeeze"},
}  # fmt: skip


def kind_of(layer):
    """Which of `KINDS` a layer is; None if it is unknown."""
    declared = getattr(layer, "counts_as", None)
    if declared is not None:
        return declared if declared in DECLARABLE else None
    if isinstance(layer, keras.Layer):
        found = [kind for kind, classes in KINDS.items() if isinstance(layer, classes)]
    else:
        found = [kind for kind, names in OPERATIONS.items() if type(layer).__name__ in names]
    return found[0] if found else None


def sees_all(layer, rank):
    """Whether each place behind a layer depends on all places before it, at least along an axis."""
    if isinstance(layer, layers.EinsumDense):
        before, after = layer.equation.replace("->", ",").split(",")[::2]
        return before[:-1] != after[:-1]
    if kind_of(layer) == "along axis":
        axes = range(rank) if layer.axis is None else np.atleast_1d(layer.axis)
        return any(axis % rank != rank - 1 for axis in axes)
    return kind_of(layer) in ("whole image", "attention")
