"""LeNet-5 as it is built today and as it was in 1998."""

import keras
import numpy as np
from keras import layers, ops

from course_utils._checks import whole_number

# Which of the six maps of S2 each of the sixteen maps of C3 looks at (LeCun et al., table I).
C3_TABLE = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 0), (5, 0, 1),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 0), (4, 5, 0, 1), (5, 0, 1, 2),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip


def lenet5(num_classes=10):
    """LeNet-5 as it is built today, for images of (32, 32, 1): 61,706 parameters.

    C3 sees all six maps of S2, S2 and S4 take a plain mean, and the last layer is a softmax.

    Args:
        num_classes: number of classes, >= 1.

    Returns:
        A `keras.Model`: (N, 32, 32, 1) -> (N, num_classes), probabilities.

    Raises:
        ValueError: if `num_classes` is below 1.

    Source: LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document
    recognition, section II.B; what differs from it is in `lenet5_1998`.
    """
    num_classes = whole_number("num_classes", num_classes)
    x = images = keras.Input((32, 32, 1), name="images")
    x = layers.Conv2D(6, 5, activation="tanh", name="C1")(x)
    x = layers.AveragePooling2D(2, name="S2")(x)
    x = layers.Conv2D(16, 5, activation="tanh", name="C3")(x)
    x = layers.AveragePooling2D(2, name="S4")(x)
    x = layers.Conv2D(120, 5, activation="tanh", name="C5")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(84, activation="tanh", name="F6")(x)
    x = layers.Dense(num_classes, name="logits")(x)
    x = layers.Softmax(name="predictions")(x)
    return keras.Model(images, x, name="lenet5")


def lenet5_1998(num_classes=10):
    """LeNet-5 as it was in 1998, for images of (32, 32, 1): 60,000 parameters.

    C3 sees what `C3_TABLE` lists, each map of S2 and S4 has a factor and a bias of its own, and
    tanh is scaled. The layer "distances" gives the squared distance to a fixed code of each class,
    smallest for the class it takes the image for (the paper drew its codes by hand; these are
    random, which it names as an alternative). There the network of 1998 ended; the paper reads a
    distance as a negative log-likelihood without its constant, so the logits are minus the
    distances, and a softmax of them follows as in every other network here.

    Args:
        num_classes: number of classes, >= 1.

    Returns:
        A `keras.Model`: (N, 32, 32, 1) -> (N, num_classes), probabilities.

    Raises:
        ValueError: if `num_classes` is below 1.

    Source: LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document
    recognition, section II.B.
    """
    num_classes = whole_number("num_classes", num_classes)
    x = images = keras.Input((32, 32, 1), name="images")
    x = layers.Conv2D(6, 5, activation=_scaled_tanh, name="C1")(x)
    x = Subsampling(2, name="S2")(x)
    x = TableConv2D(C3_TABLE, 5, activation=_scaled_tanh, name="C3")(x)
    x = Subsampling(2, name="S4")(x)
    x = layers.Conv2D(120, 5, activation=_scaled_tanh, name="C5")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(84, activation=_scaled_tanh, name="F6")(x)
    x = CodeDistance(num_classes, name="distances")(x)
    x = layers.Rescaling(-1.0, name="logits")(x)
    x = layers.Softmax(name="predictions")(x)
    return keras.Model(images, x, name="lenet5_1998")


@keras.saving.register_keras_serializable("course_utils")
def _scaled_tanh(x):
    """1.7159 tanh(2 x / 3), which maps 1 to 1 and -1 to -1."""
    return 1.7159 * ops.tanh(2 * x / 3)


@keras.saving.register_keras_serializable("course_utils")
class Subsampling(layers.AveragePooling2D):
    """Adds up the pixels of a window; a factor and a bias for each map; the scaled tanh."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.built = False  # older Keras takes every pooling layer for built

    def build(self, shape):
        self.factor = self.add_weight((shape[-1],), "ones", name="factor")
        self.bias = self.add_weight((shape[-1],), "zeros", name="bias")

    def call(self, x):
        total = super().call(x) * float(np.prod(self.pool_size))
        return _scaled_tanh(self.factor * total + self.bias)


@keras.saving.register_keras_serializable("course_utils")
class TableConv2D(layers.Layer):
    """A VALID convolution in which each output map sees only the input maps that a table lists."""

    counts_as = "convolution"

    def __init__(self, table, size, activation=None, **options):
        super().__init__(**options)
        self.table = [list(row) for row in table]
        self.kernel_size, self.strides, self.padding = (size, size), (1, 1), "valid"
        self.dilation_rate, self.activation = (1, 1), keras.activations.get(activation)

    def build(self, shape):
        pairs = [(before, after) for after, row in enumerate(self.table) for before in row]
        # Where each small kernel stands among all that a dense convolution would have.
        places = [before * len(self.table) + after for before, after in pairs]
        self.dense_shape = (*self.kernel_size, shape[-1], len(self.table))
        self.spread = np.eye(shape[-1] * len(self.table), dtype="float32")[places]
        self.kernel = self.add_weight((*self.kernel_size, len(pairs)), name="kernel")
        self.bias = self.add_weight((len(self.table),), "zeros", name="bias")

    def call(self, x):
        spread = ops.convert_to_tensor(self.spread, self.compute_dtype)
        kernel = ops.reshape(ops.matmul(self.kernel, spread), self.dense_shape)
        return self.activation(ops.conv(x, kernel) + self.bias)

    def get_config(self):
        activation = keras.activations.serialize(self.activation)
        settings = {"table": self.table, "size": self.kernel_size[0], "activation": activation}
        return {**super().get_config(), **settings}


@keras.saving.register_keras_serializable("course_utils")
class CodeDistance(layers.Layer):
    """Squared distance to a fixed code of -1 and 1 for each class (a radial basis function)."""

    counts_as = "whole image"  # its codes are no kernel

    def __init__(self, num_classes, seed=0, **options):
        super().__init__(**options)
        self.num_classes, self.seed = num_classes, seed

    def build(self, shape):
        codes = np.random.default_rng(self.seed).choice([-1.0, 1.0], (self.num_classes, shape[-1]))
        self.codes = self.add_weight(
            codes.shape, lambda shape, dtype: ops.cast(codes, dtype), trainable=False, name="codes"
        )

    def call(self, x):
        return ops.sum((ops.expand_dims(x, 1) - self.codes) ** 2, axis=-1)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes, "seed": self.seed}
