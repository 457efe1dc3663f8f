"""Costs and receptive fields: by hand, against naive loops, and by lighting up single pixels.

The figures of the famous networks are in test_architectures.py.
"""

import itertools
import math

import keras
import numpy as np
import pytest
from cheaper import untraced, without_weights
from keras import layers, ops

from course_utils.architectures.counting import depth, multiply_adds, receptive_field
from course_utils.architectures.efficientnet import efficientnet_lite0
from course_utils.architectures.lenet import Subsampling, TableConv2D

COUNTERS = pytest.mark.parametrize("count", [multiply_adds, receptive_field, depth])


@untraced()
def chain(shape, *stack):
    """A functional model, one layer behind the other."""
    x = inputs = keras.Input(shape)
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x)


def conv(kernel, stride=1, padding="valid", filters=2, **options):
    return layers.Conv2D(filters, kernel, stride, padding, **options)


class Wider(layers.Conv2D):
    """A reader's own kind of convolution."""


class Undeclared(layers.Layer):
    def call(self, x):
        return x * 2


class Declared(Undeclared):
    counts_as = "pointwise"


class Misspelt(Undeclared):
    counts_as = "convolutoin"


class Max(Undeclared):
    """Called as an operation of Keras is."""

    counts_as = "pointwise"


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


class TestMultiplyAdds:
    @pytest.mark.parametrize(
        ("shape", "layer", "expected"),
        [
            # places x kernel x channels in x channels out
            ((7, 10, 3), conv((3, 2), filters=4), 5 * 9 * 6 * 3 * 4),
            ((7, 10, 3), conv((3, 2), (2, 3), filters=4), 3 * 3 * 6 * 3 * 4),
            ((7, 10, 3), conv((3, 2), (2, 3), "same", 4), 4 * 4 * 6 * 3 * 4),
            ((7, 10, 3), conv((3, 2), filters=4, dilation_rate=2), 3 * 8 * 6 * 3 * 4),
            ((7, 10, 6), conv((3, 2), filters=4, groups=2), 5 * 9 * 6 * 3 * 4),
            ((7, 10, 3), layers.DepthwiseConv2D((3, 2)), 5 * 9 * 6 * 3),
            ((7, 10, 3), layers.DepthwiseConv2D((3, 2), depth_multiplier=4), 5 * 9 * 6 * 3 * 4),
            ((7, 10, 3), layers.SeparableConv2D(5, (3, 2)), 5 * 9 * (6 * 3 + 3 * 5)),
            (
                (7, 10, 3),
                layers.SeparableConv2D(5, 3, 2, "same", depth_multiplier=2),
                4 * 5 * (9 * 3 * 2 + 3 * 2 * 5),
            ),
            ((7, 10, 3), TableConv2D(((0, 2), (1,), (2, 1, 0)), 3), 5 * 8 * 9 * 6),
            ((7,), layers.Dense(5), 7 * 5),
            ((7, 10, 3), layers.Dense(5), 7 * 10 * 3 * 5),
            ((7, 10, 3), layers.Flatten(), 0),
            ((7, 10, 3), layers.MaxPooling2D(2), 0),
            ((7, 10, 3), Subsampling(2), 0),
            ((7, 10, 3), layers.BatchNormalization(), 0),
            ((7, 10, 3), layers.ZeroPadding2D(2), 0),
        ],
    )
    def test_by_hand(self, shape, layer, expected):
        cost = multiply_adds(chain(shape, layer))
        assert cost == expected
        assert type(cost) is int

    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize(
        ("kernel", "stride", "padding", "groups"),
        list(itertools.product([(3, 2), (1, 4)], [1, (2, 3)], ["valid", "same"], [1, 3])),
    )
    def test_like_loops(self, kernel, stride, padding, groups, bias):
        layer = conv(kernel, stride, padding, 6, groups=groups, use_bias=bias)
        model = chain((9, 7, 3), layer)
        _, height, width, _ = model.output_shape
        count = 0
        for _, _, filter_ in itertools.product(range(height), range(width), range(6)):
            group = filter_ // (6 // groups)
            for _, _, channel in itertools.product(*map(range, kernel), range(3)):
                count += channel // (3 // groups) == group
        assert multiply_adds(model) == count

    def test_all_ones_add_up_to_their_number(self):
        """Of an image of ones a kernel of ones makes the number of its weights."""
        options = {"use_bias": False, "kernel_initializer": "ones"}
        model = chain((9, 8, 3), conv((2, 3), (2, 1), filters=5, **options))
        assert multiply_adds(model) == np.sum(model(np.ones((1, 9, 8, 3))))

    def test_adds_up_the_layers(self):
        stack = conv(3, filters=4), layers.ReLU(), layers.MaxPooling2D(2), layers.Flatten()
        model = chain((9, 7, 2), *stack, layers.Dense(3))
        assert multiply_adds(model) == 7 * 5 * 9 * 2 * 4 + 3 * 2 * 4 * 3

    def test_a_frozen_layer_costs_as_much(self):
        model = chain((9, 7, 2), conv(3, filters=4))
        model.trainable = False
        assert multiply_adds(model) == 7 * 5 * 9 * 2 * 4

    @pytest.mark.parametrize("shape", [(None, 7, 2), (9, None, 2), (None, None, 2)])
    def test_refuses_an_open_size(self, shape):
        model = chain(shape, layers.ReLU(), conv(3, name="edges"))
        with pytest.raises(ValueError, match=r"layer 'edges' has an open size: \(None, "):
            multiply_adds(model)

    def test_an_open_size_behind_which_nothing_depends_on_it(self):
        model = chain((None, None, 2), layers.GlobalAveragePooling2D(), layers.Dense(5))
        assert multiply_adds(model) == 10


class TestDepth:
    def test_longest_way(self):
        inputs = keras.Input((9, 7, 3))
        short = conv(1)(inputs)
        long = conv(3, padding="same")(layers.ReLU()(conv(3, padding="same")(inputs)))
        x = layers.MaxPooling2D(2)(layers.Add()([short, long]))
        x = layers.Dense(4)(layers.Flatten()(x))
        assert depth(keras.Model(inputs, x)) == 3
        assert depth(keras.Model(inputs, [short, x])) == 3
        assert depth(keras.Model(inputs, short)) == 1
        assert depth(keras.Model(inputs, layers.ReLU()(inputs))) == 0

    def test_open_sizes(self):
        assert depth(chain((None, None, 3), conv(3), conv(3, 2, "same"))) == 2


def seen_by_units(model):
    """For rows, then for columns: (first, last) of the pixels that each unit depends on.

    Every kernel is ones, so that nothing cancels; a row of ones in an image of zeros makes a unit
    positive exactly where the unit depends on that row.
    """
    for weight in model.weights:
        weight.assign(ops.ones(weight.shape) if weight.name.endswith("kernel") else weight * 0)
    _, height, width, _ = model.input_shape
    for axis, size in ((1, height), (2, width)):
        images = np.zeros((size, height, width, 1), "float32")
        for position in range(size):
            np.moveaxis(images, axis, 1)[position, position] = 1
        with untraced():
            answers = np.moveaxis(np.asarray(model(images)), axis, 1) > 0
        depends = answers.any(axis=(2, 3))  # (pixels, units)
        yield [(rows.argmax(), size - 1 - rows[::-1].argmax()) for rows in depends.T if rows.any()]


def random_layer(rng):
    """Builds one layer, or paths side by side, behind a tensor."""
    kernel, stride = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    padding = str(rng.choice(["valid", "same"]))
    kind = rng.choice(["conv", "dilated", "depthwise", "separable", "max", "mean", "pad", "paths"])
    if kind == "conv":
        return conv(kernel, stride, padding)
    if kind == "dilated":
        return conv(kernel, 1, padding, dilation_rate=int(rng.integers(2, 4)))
    if kind == "depthwise":
        return layers.DepthwiseConv2D(kernel, stride, padding)
    if kind == "separable":
        return layers.SeparableConv2D(2, kernel, stride, padding)
    if kind == "max":
        return layers.MaxPooling2D(kernel, stride, padding)
    if kind == "mean":
        return layers.AveragePooling2D(kernel, stride, padding)
    if kind == "pad":
        return layers.ZeroPadding2D(
            tuple(tuple(map(int, pair)) for pair in rng.integers(0, 3, (2, 2)))
        )
    others = [int(size) for size in rng.integers(1, 6, 2)]

    def paths(x):
        """Residual or inception: differing fields, equal steps."""
        first = conv(1, stride, "same")(x)
        second = conv(others[0], stride, "same")(x)
        if others[1] % 2:
            return layers.Add()([first, conv(others[1], 1, "same")(second)])
        pooled = layers.MaxPooling2D(others[1], 1, "same")(x)
        return layers.Concatenate()([first, second, conv(1, stride, "same")(pooled)])

    return paths


class TestReceptiveField:
    @pytest.mark.parametrize(
        ("stack", "expected"),
        [
            ([layers.ReLU()], 1),
            ([conv(3)], 3),
            ([conv(3), conv(3)], 5),
            ([conv(3), conv(3), conv(3)], 7),
            ([conv(3, 2), conv(3)], 7),  # windows start 2 apart: 3 + 2 * 2
            ([conv(3), conv(3, 2)], 5),
            ([conv(3, dilation_rate=4)], 9),
            ([conv(1, 3), conv(2)], 4),  # of which the unit skips two
            ([layers.MaxPooling2D(2), conv(3)], 6),
            ([layers.AveragePooling2D(3, 2), layers.MaxPooling2D(2, 1)], 5),
            ([Subsampling(2), TableConv2D(((0, 1), (1,)), 5)], 10),
            ([conv((1, 5)), conv((5, 1))], 5),
            ([layers.ZeroPadding2D(3), conv(3, 2, "same"), layers.BatchNormalization()], 3),
            ([conv(3), layers.Dense(4), layers.Dropout(0.5), layers.Activation("relu")], 3),
            ([conv(3), layers.GlobalAveragePooling2D(), layers.Dense(4)], 3),
            ([conv(3), layers.GlobalMaxPooling2D(keepdims=True), conv(1), layers.Flatten()], 3),
            ([conv(3), layers.Flatten(), layers.Dense(4), layers.Softmax()], 3),
            ([layers.Flatten(), layers.Dense(4)], 1),
            ([conv(29, padding="same"), conv(29, padding="same")], 57),  # the image has 23 x 25
        ],
    )
    def test_by_hand(self, stack, expected):
        field = receptive_field(chain((23, 25, 2), *stack))
        assert field == expected
        assert type(field) is int

    @pytest.mark.parametrize("seed", range(30))
    def test_by_lighting_rows_and_columns(self, seed):
        rng = np.random.default_rng(seed)
        size = 93, 81
        x = inputs = keras.Input((*size, 1))
        with untraced():
            for _ in range(rng.integers(2, 6)):
                x = random_layer(rng)(x)
            model = keras.Model(inputs, x)
        field = receptive_field(model)  # at most 67: units in the middle see no edge
        for units in seen_by_units(model):
            assert max(last - first + 1 for first, last in units) == field

    @pytest.mark.parametrize(("size", "expected"), [((16, 12), 5), ((15, 13), 4)])
    def test_paths_that_are_shifted_count_together(self, size, expected):
        """SAME looks at pixels 0 to 2 of an even size, -1 to 1 of an odd; two zeros: -2 to 0."""
        x = inputs = keras.Input((*size, 1))
        ahead = conv(3, 2, "same")(x)
        behind = conv(3, 2)(layers.ZeroPadding2D(((2, 0), (2, 0)))(x))
        model = keras.Model(inputs, layers.Concatenate()([ahead, behind]))
        assert receptive_field(model) == expected
        for units in seen_by_units(model):
            assert max(last - first + 1 for first, last in units) == expected

    def test_paths_that_are_square_only_together(self):
        x = inputs = keras.Input((16, 12, 1))
        paths = [conv((3, 1), 1, "same", name="tall")(x), conv((1, 3), 1, "same")(x)]
        model = keras.Model(inputs, layers.Concatenate()(paths))
        assert receptive_field(model) == 3
        with pytest.raises(ValueError, match="expected a square field, got 3 x 1 pixels"):
            receptive_field(model, "tall")

    def test_of_a_named_layer(self):
        model = chain(
            (32, 30, 1), conv(5, name="a"), layers.MaxPooling2D(2, name="b"), conv(3, name="c"),
            layers.Flatten(name="d"), layers.Dense(3, name="e"),
        )  # fmt: skip
        assert [receptive_field(model, name) for name in "abc"] == [5, 6, 10]
        assert receptive_field(model, model.layers[0].name) == 1
        for name in "de":
            with pytest.raises(ValueError, match=f"layer '{name}' sees the whole image, whatever"):
                receptive_field(model, name)
        with pytest.raises(
            ValueError, match=r"expected one of the layers .*, a, b, c, d, e; got 'f'"
        ):
            receptive_field(model, "f")

    def test_of_maps_that_mix_with_an_average(self):
        """Squeeze and excitation (Hu et al., 2018): a unit behind it sees all."""
        x = inputs = keras.Input((16, 12, 2))
        x = conv(3, name="narrow")(x)
        weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = layers.Multiply(name="excite")([x, conv(1)(weights)])
        model = keras.Model(inputs, layers.Flatten()(conv(3)(x)))
        with pytest.raises(ValueError, match="layer 'excite' sees the whole image, whatever its"):
            receptive_field(model)
        assert receptive_field(model, "narrow") == 3

    def test_side_heads_see_less(self):
        x = inputs = keras.Input((16, 12, 2))
        x = conv(3)(x)
        side = layers.Dense(2)(layers.Flatten()(layers.AveragePooling2D(2)(x)))
        main = layers.Dense(2)(layers.GlobalAveragePooling2D()(conv(5)(x)))
        assert receptive_field(keras.Model(inputs, [side, main])) == 7
        assert receptive_field(keras.Model(inputs, [main, side])) == 7

    @pytest.mark.parametrize("shape", [(None, None, 2), (None, 12, 2), (15, None, 2)])
    def test_open_sizes(self, shape):
        stack = [conv(3, padding="same"), layers.MaxPooling2D(2), conv(4, padding="same")]
        assert receptive_field(chain(shape, *stack)) == 3 + 1 + 3 * 2
        with pytest.raises(ValueError, match=r"layer 'stem' has an open size: \(None, "):
            receptive_field(chain(shape, conv(3, 2, "same", name="stem")))

    @pytest.mark.parametrize(
        ("stack", "message"),
        [([conv((3, 5))], "got 3 x 5 pixels"), ([conv(3, (2, 1)), conv(3)], "got 7 x 5 pixels")],
    )
    def test_refuses_a_field_that_is_no_square(self, stack, message):
        with pytest.raises(ValueError, match=f"expected a square field, {message}"):
            receptive_field(chain((16, 12, 2), *stack))

    def test_refuses_paths_with_different_steps(self):
        x = inputs = keras.Input((9, 8, 2))
        far, near = conv(3, (3, 1))(x), conv((7, 3))(x)  # 3 x 6 places both
        joined = layers.Add(name="join")([far, near])
        with pytest.raises(ValueError, match="'join' joins paths whose units lie 3 x 1 and 1 x 1"):
            receptive_field(keras.Model(inputs, joined))

    def test_refuses_what_moves_places(self):
        x = inputs = keras.Input((9, 7, 2))
        below = keras.Model(inputs, layers.Concatenate(axis=1, name="below")([x, x]))
        with pytest.raises(
            ValueError, match=r"'below' changes the places: \(None, 9, 7, 2\) to \("
        ):
            receptive_field(below)
        padded = keras.Model(inputs, ops.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0))))
        with pytest.raises(ValueError, match="changes the places"):
            receptive_field(padded)
        channels = keras.Model(inputs, ops.pad(x, ((0, 0), (0, 0), (0, 0), (1, 2))))
        assert receptive_field(channels) == 1

    @pytest.mark.parametrize("shape", [(5,), (28, 28)])
    def test_refuses_what_is_no_image(self, shape):
        model = chain(shape, layers.Flatten(), layers.Dense(2))
        with pytest.raises(ValueError, match=r"of images, \(N, H, W, C\), its input is \(None, "):
            receptive_field(model)


class TestGraphs:
    def test_sequential(self):
        stack = [conv(3, padding="same"), layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(3)]
        model = keras.Sequential([keras.Input((9, 7, 2)), *stack])
        expected = 9 * 7 * 9 * 2 * 2 + 4 * 3 * 2 * 3
        assert (multiply_adds(model), receptive_field(model), depth(model)) == (expected, 4, 2)

    @pytest.mark.parametrize("how", ["build", "call"])
    def test_sequential_built_later(self, how):
        model = keras.Sequential([conv(3), layers.Flatten(), layers.Dense(3)])
        if how == "build":
            model.build((None, 9, 7, 2))
        else:
            model(np.zeros((1, 9, 7, 2), "float32"))
        assert multiply_adds(model) == 7 * 5 * 9 * 2 * 2 + 7 * 5 * 2 * 3
        assert receptive_field(model) == 3

    @COUNTERS
    @pytest.mark.parametrize(
        "stack", [[], [keras.Input((9, 7, 2))], [layers.Conv2D(2, 3), layers.Flatten()]]
    )
    def test_refuses_what_is_not_built(self, count, stack):
        with pytest.raises(ValueError, match=r"not built: give it a keras\.Input and a layer"):
            count(keras.Sequential(stack))

    @COUNTERS
    @pytest.mark.parametrize("build", [Subclassed, lambda: "resnet", lambda: None, list])
    def test_refuses_what_is_no_graph(self, count, build):
        model = build()
        with pytest.raises(
            ValueError, match="expected a functional or sequential model, got "
        ) as e:
            count(model)
        assert str(e.value).endswith(type(model).__name__)

    @COUNTERS
    def test_refuses_a_subclassed_model_inside(self, count):
        with pytest.raises(ValueError, match="functional or sequential model, got Subclassed"):
            count(chain((9, 7, 2), Subclassed()))

    @COUNTERS
    @pytest.mark.parametrize(
        "layer",
        [
            layers.Lambda(lambda x: x, name="odd"), layers.PReLU(name="odd"),
            Undeclared(name="odd"), Misspelt(name="odd"),
        ],
        ids=lambda layer: type(layer).__name__,
    )  # fmt: skip
    def test_refuses_an_unknown_layer(self, count, layer):
        model = chain((9, 7, 2), layer)
        message = f"cannot count layer 'odd' of type {type(layer).__name__}; known are Activation,"
        with pytest.raises(ValueError, match=message):
            count(model)
        with pytest.raises(ValueError, match=message):
            count(chain((9, 7, 2), model))

    @COUNTERS
    def test_refuses_an_unknown_operation(self, count):
        x = keras.Input((9, 7, 2))
        with pytest.raises(ValueError, match=r"cannot count layer '\w+' of type Roll; known are"):
            count(keras.Model(x, ops.roll(x, 1, axis=1)))

    @COUNTERS
    def test_refuses_channels_first(self, count):
        model = chain((2, 9, 7), layers.MaxPooling2D(2, data_format="channels_first", name="first"))
        with pytest.raises(ValueError, match="layer 'first' must have its channels last"):
            count(model)

    def test_nested(self):
        inner = chain((9, 7, 3), conv(3, padding="same", filters=3, name="inside"))
        sequential = keras.Sequential([keras.Input((9, 7, 3)), conv(5, filters=4), layers.ReLU()])
        model = chain((9, 7, 3), inner, sequential, conv(3, filters=1, name="after"))
        once = 9 * 7 * 9 * 3 * 3
        assert multiply_adds(model) == once + 5 * 3 * 25 * 3 * 4 + 3 * 1 * 9 * 4
        assert receptive_field(model) == 9
        assert receptive_field(model, "inside") == receptive_field(model, inner.name) == 3
        assert receptive_field(model, sequential.name) == 7
        assert depth(model) == 3
        # Used twice it costs twice, and the later use sees more.
        twice = chain((9, 7, 3), inner, inner)
        assert (multiply_adds(twice), receptive_field(twice), depth(twice)) == (2 * once, 5, 2)
        assert receptive_field(twice, "inside") == 5
        assert receptive_field(inner) == 3

    def test_nested_with_several_inputs_and_outputs(self):
        a, b = keras.Input((9, 7, 2), name="a"), keras.Input((9, 7, 2), name="b")
        wide, narrow = conv(7, padding="same")(a), conv(1)(b)
        inner = keras.Model([a, b], [narrow, wide])
        x = keras.Input((9, 7, 2))
        first, second = inner([conv(3, padding="same")(x), x])
        model = keras.Model(x, [layers.ReLU(name="one")(first), conv(3, name="other")(second)])
        assert receptive_field(model, "one") == 1
        assert receptive_field(model, "other") == receptive_field(model) == 3 + 6 + 2
        places, pairs = 9 * 7, 2 * 2
        assert multiply_adds(model) == (places * (9 + 49 + 1) + 7 * 5 * 9) * pairs
        assert depth(model) == 3

    def test_nested_with_an_open_size(self):
        inner = chain((None, None, 2), conv(3, name="inside"), layers.MaxPooling2D(2))
        model = chain((9, 7, 2), inner)
        assert receptive_field(model) == 4
        with pytest.raises(ValueError, match="layer 'inside' has an open size"):
            multiply_adds(model)

    def test_several_inputs(self):
        left, right = keras.Input((9, 7, 2)), keras.Input((9, 7, 3))
        number = keras.Input((4,))
        x = layers.Concatenate()([conv(3)(left), conv(1)(layers.AveragePooling2D(3, 1)(right))])
        x = layers.Concatenate()([layers.Flatten()(x), layers.Dense(2)(number)])
        model = keras.Model([left, right, number], layers.Dense(1)(x))
        assert receptive_field(model) == 3
        maps = 7 * 5 * (9 * 2 * 2 + 3 * 2)
        assert multiply_adds(model) == maps + 4 * 2 + 7 * 5 * 4 + 2

    def test_a_layer_used_twice(self):
        shared = conv(3, padding="same", name="shared")
        model = chain((9, 7, 2), shared, layers.MaxPooling2D(2), shared)
        assert multiply_adds(model) == (9 * 7 + 4 * 3) * 9 * 2 * 2
        assert receptive_field(model, "shared") == receptive_field(model) == 3 + 1 + 4
        assert depth(model) == 2

    def test_the_same_tensor_twice(self):
        inputs = keras.Input((9, 7, 2))
        x = conv(3)(inputs)
        assert receptive_field(keras.Model(inputs, layers.Add()([x, x]))) == 3

    def test_a_layer_used_in_another_model_too(self):
        shared = conv(3, padding="same", name="shared")
        small, large = chain((9, 7, 2), shared), chain((19, 17, 2), conv(5), shared)
        assert multiply_adds(small) == 9 * 7 * 9 * 2 * 2
        assert multiply_adds(large) == 15 * 13 * (25 + 9) * 2 * 2
        assert (receptive_field(small), receptive_field(large)) == (3, 7)

    def test_a_part_of_a_model(self):
        model = chain((19, 17, 2), conv(5), conv(3, name="middle"), layers.ReLU(), conv(3))
        upper = keras.Model(model.get_layer("middle").output, model.output)
        lower = keras.Model(model.input, model.get_layer("middle").output)
        assert multiply_adds(lower) + multiply_adds(upper) == multiply_adds(model)
        assert multiply_adds(upper) == 11 * 9 * 9 * 2 * 2
        assert [receptive_field(part) for part in (lower, upper, model)] == [7, 3, 9]

    def test_counting_changes_nothing(self):
        model = keras.Sequential([keras.Input((9, 7, 2)), conv(3, name="only")])
        for count in (multiply_adds, receptive_field, depth):
            count(model)
        assert model.get_layer("only").output is model.outputs[0]
        assert len(model.layers) == 1

    def test_names_of_kernels(self):
        """What counts is found by name, in the oldest Keras as in the newest."""
        names = {
            layers.Conv2D(4, 3): ["kernel", "bias"], layers.Dense(4): ["kernel", "bias"],
            layers.DepthwiseConv2D(3): ["kernel", "bias"],
            layers.SeparableConv2D(4, 3): ["depthwise_kernel", "pointwise_kernel", "bias"],
            TableConv2D(((0,),), 3): ["kernel", "bias"],
        }  # fmt: skip
        for layer, expected in names.items():
            layer.build((None, 9, 7, 2))
            assert [weight.name for weight in layer.weights] == expected


def field_after(*stack):
    """The field of a named layer behind a 3 x 3 convolution."""
    return receptive_field(chain((9, 7, 4), conv(3, padding="same", filters=4), *stack), "asked")


class TestKinds:
    def test_by_class_and_by_what_a_layer_declares(self):
        model = chain((9, 7, 2), Wider(4, 3, name="wider"), Declared(), layers.Identity())
        assert multiply_adds(model) == 7 * 5 * 9 * 2 * 4
        assert (receptive_field(model), depth(model)) == (3, 1)

    def test_a_kernel_of_a_declared_layer_counts(self):
        layer = TableConv2D(((0,), (0, 1)), 3)
        assert not isinstance(layer, layers.Conv2D)
        model = chain((9, 7, 2), layer)
        assert multiply_adds(model) == 7 * 5 * 9 * 3
        assert (receptive_field(model), depth(model)) == (3, 1)

    def test_transposed_convolution(self):
        """Each of 9 x 7 pixels spreads its 2 channels by 3 x 3 weights for each of 4."""
        model = chain((9, 7, 2), layers.Conv2DTranspose(4, 3, 2, name="up"))
        assert model.output_shape == (None, 19, 15, 4)
        assert (multiply_adds(model), depth(model)) == (9 * 7 * 3 * 3 * 2 * 4, 1)
        same_size = chain((9, 7, 2), layers.Conv2DTranspose(4, 3, padding="same", name="up"))
        for network in (model, same_size):
            with pytest.raises(ValueError, match="'up' is a transposed convolution: its field"):
                receptive_field(network)

    def test_attention(self):
        """5 queries, 7 keys and values; 2 heads, with 3 numbers of a key and 4 of a value."""
        queries, values = keras.Input((5, 6)), keras.Input((7, 8))
        attention = layers.MultiHeadAttention(2, 3, value_dim=4)
        model = keras.Model([queries, values], attention(queries, values))
        projections = 5 * 6 * (2 * 3) + 7 * 8 * (2 * 3) + 7 * 8 * (2 * 4) + 5 * (2 * 4) * 6
        assert multiply_adds(model) == projections + 2 * 5 * 7 * 3 + 2 * 5 * 7 * 4
        assert depth(model) == 2
        keys = keras.Input((7, 9))
        model = keras.Model(
            [queries, values, keys], attention.__class__(2, 3)(queries, values, keys)
        )
        projections = 5 * 6 * 6 + 7 * 9 * 6 + 7 * 8 * 6 + 5 * 6 * 6
        assert multiply_adds(model) == projections + 2 * 5 * 7 * 3 * 2

    def test_attention_over_a_map_sees_all(self):
        x = keras.Input((9, 7, 4))
        attention = layers.MultiHeadAttention(2, 2, attention_axes=(1, 2), name="look")
        model = keras.Model(x, attention(x, x))
        assert multiply_adds(model) == 4 * 63 * 4 * 4 + 63 * 63 * 2 * 2 * 2
        with pytest.raises(ValueError, match="layer 'look' sees the whole image"):
            receptive_field(model, "look")

    @pytest.mark.parametrize("by_name", [(), ("key",), ("key", "value"), ("key", "query", "value")])
    def test_attention_however_it_is_called(self, by_name):
        """5 queries of 6 numbers, 7 values of 8, 7 keys of 9; a mask costs nothing."""
        inputs = {"query": (5, 6), "value": (7, 8), "key": (7, 9)}
        inputs = {name: keras.Input(shape) for name, shape in inputs.items()}
        mask = keras.Input((5, 7), dtype="bool")
        given = [tensor for name, tensor in inputs.items() if name not in by_name]
        named = {name: inputs[name] for name in by_name}
        after = layers.MultiHeadAttention(2, 3)(*given, **named, attention_mask=mask)
        model = keras.Model([*inputs.values(), mask], after)
        projections = 5 * 6 * 6 + 7 * 9 * 6 + 7 * 8 * 6 + 5 * 6 * 6
        assert multiply_adds(model) == projections + 2 * 5 * 7 * (3 + 3)

    def test_attention_with_a_mask_in_place_of_keys(self):
        queries, values = keras.Input((5, 6)), keras.Input((7, 6))
        mask = keras.Input((5, 7), dtype="bool")
        after = layers.MultiHeadAttention(2, 3)(queries, values, attention_mask=mask)
        cost = multiply_adds(keras.Model([queries, values, mask], after))
        assert cost == 2 * 5 * 6 * 6 + 2 * 7 * 6 * 6 + 2 * 5 * 7 * (3 + 3)

    def test_attention_along_rows(self):
        """Each of 9 x 7 places looks at the 7 of its own row."""
        x = keras.Input((9, 7, 4))
        after, scores = layers.MultiHeadAttention(2, 2, attention_axes=(2,), name="look")(
            x, x, return_attention_scores=True
        )
        model = keras.Model(x, [after, scores])
        assert multiply_adds(model) == 4 * 63 * 4 * 4 + 63 * 7 * 2 * (2 + 2)
        with pytest.raises(ValueError, match="layer 'look' sees the whole image"):
            receptive_field(model)

    @pytest.mark.parametrize(
        ("shape", "equation", "output", "expected"),
        [
            ((9, 7, 4), "bhwc,cd->bhwd", (9, 7, 5), 9 * 7 * 4 * 5),
            ((9, 7, 4), "...c,cd->...d", (5,), 9 * 7 * 4 * 5),
            ((9, 7, 4), "bhwc,hcd->bhwd", (9, 7, 5), 7 * 9 * 4 * 5),  # a kernel for each row
            ((9, 7, 4), "bhwc,wv->bhvc", (9, 6, 4), 9 * 4 * 7 * 6),
            ((9, 4), "bnc,chd->bnhd", (9, 2, 3), 9 * 4 * 2 * 3),
        ],
    )
    def test_einsum(self, shape, equation, output, expected):
        model = chain(shape, layers.EinsumDense(equation, output))
        rng = np.random.default_rng(0)
        x, kernel = rng.random((1, *shape)), rng.random(model.weights[0].shape)
        path = np.einsum_path(equation, x, kernel, optimize=False)[1]
        assert multiply_adds(model) == expected
        # numpy counts multiplications and additions.
        assert float(path.split("Naive FLOP count:")[1].split()[0]) == pytest.approx(
            2 * expected, rel=1e-3
        )
        assert depth(model) == 1

    def test_field_of_einsum(self):
        pixels, rows = (
            layers.EinsumDense(equation, output, name="asked")
            for equation, output in [("bhwc,cd->bhwd", (9, 7, 5)), ("bhwc,wv->bhvc", (9, 7, 4))]
        )
        assert field_after(pixels) == 3
        with pytest.raises(ValueError, match="layer 'asked' sees the whole image"):
            field_after(rows)

    def test_embedding(self):
        model = chain((5,), layers.Embedding(9, 4), layers.GlobalAveragePooling1D())
        assert multiply_adds(model) == depth(model) == 0

    @pytest.mark.parametrize(
        "layer",
        [
            layers.Softmax(name="asked"), layers.Softmax(3, name="asked"),
            layers.LayerNormalization(name="asked"), layers.Identity(name="asked"),
            layers.Resizing(9, 7, name="asked"), layers.RandomFlip(name="asked"),
            layers.RandomRotation(0.1, name="asked"), layers.RandomZoom(0.1, name="asked"),
            layers.RandomContrast(0.1, name="asked"), layers.Cropping2D(1, name="asked"),
        ],
        ids=lambda layer: type(layer).__name__,
    )  # fmt: skip
    def test_place_by_place(self, layer):
        assert field_after(layer) == 3
        assert multiply_adds(chain((9, 7, 4), layer)) == depth(chain((9, 7, 4), layer)) == 0

    @pytest.mark.parametrize(
        "layer",
        [
            layers.Softmax((1, 2), name="asked"), layers.Softmax(-2, name="asked"),
            layers.LayerNormalization((1, 2, 3), name="asked"),
            layers.GroupNormalization(2, name="asked"), layers.Reshape((9, 7, 4), name="asked"),
        ],
        ids=lambda layer: type(layer).__name__,
    )  # fmt: skip
    def test_places_that_see_each_other(self, layer):
        with pytest.raises(ValueError, match="layer 'asked' sees the whole image"):
            field_after(layer)
        # So they do: light one pixel in a corner, and the opposite corner changes.
        model = chain((9, 7, 4), layer)
        model.set_weights([np.full(w.shape, 0.5) for w in model.get_weights()])
        dark = np.random.default_rng(0).random((1, 9, 7, 4)).astype("float32")
        lit = dark.copy()
        lit[0, 0, 0, 0] += 1
        if not isinstance(layer, layers.Reshape):  # which only might: it is asked no further
            opposite = [np.asarray(model(image))[0, -1, 0] for image in (dark, lit)]
            if getattr(layer, "axis", None) == -2:  # along the columns
                opposite = [np.asarray(model(image))[0, 0, -1] for image in (dark, lit)]
            assert np.any(opposite[0] != opposite[1])

    @pytest.mark.parametrize(
        "layer", [layers.UpSampling2D(2), layers.Resizing(18, 14), layers.CenterCrop(5, 3)]
    )
    def test_other_sizes_have_no_field(self, layer):
        model = chain((9, 7, 2), conv(3, padding="same"), layer, conv(1))
        height, width = model.output_shape[1:3]
        assert multiply_adds(model) == 9 * 7 * 9 * 2 * 2 + height * width * 2 * 2
        with pytest.raises(ValueError, match=f"layer '{layer.name}' changes the places"):
            receptive_field(model)

    def test_cropping_moves_the_field(self):
        """Cropped at one side, two paths see 3 + 2 columns together."""
        x = inputs = keras.Input((16, 12, 1))
        left = layers.Cropping2D(((0, 2), (0, 2)))(conv(3)(x))
        right = layers.Cropping2D(((2, 0), (2, 0)))(conv(3)(x))
        model = keras.Model(inputs, layers.Concatenate()([left, right]))
        assert receptive_field(model) == 5
        for units in seen_by_units(model):
            assert max(last - first + 1 for first, last in units) == 5

    def test_operations(self):
        x = inputs = keras.Input((9, 7, 2))
        x = ops.relu(conv(3, padding="same")(x))
        x = ops.gelu(x + inputs) * 2 - ops.maximum(x, 0) / 3
        model = keras.Model(inputs, ops.concatenate([x, ops.silu(-x)], axis=-1))
        assert multiply_adds(model) == 9 * 7 * 9 * 2 * 2
        assert (receptive_field(model), depth(model)) == (3, 1)

    @pytest.mark.parametrize(
        "operation",
        [
            ops.abs, ops.tanh, ops.softmax, lambda x: ops.mean(x, -1, keepdims=True),
            lambda x: ops.max(x, 3, keepdims=True), lambda x: x[..., :2],
            lambda x: ops.split(x, 2, axis=-1), Max(),
        ],
    )  # fmt: skip
    def test_operations_place_by_place(self, operation):
        x = inputs = keras.Input((9, 7, 4))
        model = keras.Model(inputs, operation(conv(3, padding="same", filters=4)(x)))
        assert multiply_adds(model) == 9 * 7 * 9 * 4 * 4
        assert (receptive_field(model), depth(model)) == (3, 1)

    @pytest.mark.parametrize(
        "operation",
        [
            lambda x: ops.softmax(x, axis=1), lambda x: ops.mean(x, (1, 2), keepdims=True),
            lambda x: ops.max(x, axis=-2, keepdims=True), lambda x: ops.reshape(x, (-1, 9, 7, 4)),
        ],
    )  # fmt: skip
    def test_operations_that_see_all(self, operation):
        x = keras.Input((9, 7, 4))
        model = keras.Model(x, operation(x))
        name = model.outputs[0]._keras_history.operation.name
        assert multiply_adds(model) == depth(model) == 0
        with pytest.raises(ValueError, match=f"layer '{name}' sees the whole image"):
            receptive_field(model, name)

    @pytest.mark.parametrize(
        "operation",
        [
            lambda x: ops.transpose(x, (0, 2, 1, 3)), layers.Permute((2, 1, 3)),
            lambda x: x[:, ::-1], lambda x: x[:, 1:], lambda x: ops.split(x, 2, axis=1),
            lambda x: ops.concatenate([x, x], axis=2), lambda x: x + x[:, :1, :1],
            lambda x: ops.maximum(x[:, :1, :1], x),
        ],
    )  # fmt: skip
    def test_operations_that_move_places(self, operation):
        x = keras.Input((8, 8, 4))
        model = keras.Model(x, operation(x))
        assert multiply_adds(model) == depth(model) == 0
        with pytest.raises(ValueError, match="changes the places"):
            receptive_field(model)

    def test_a_small_map_beside_a_large_one(self):
        """Each place of the large one would see all of the small one's field."""
        x = keras.Input((8, 8, 4))
        model = keras.Model(x, layers.Add(name="both")([x, conv(8, filters=4)(x)]))
        with pytest.raises(ValueError, match="layer 'both' changes the places"):
            receptive_field(model)

    def test_vision_transformer(self):
        """DeiT-Ti (Touvron et al., 2021): 1.3 billion; 12 blocks, 192 numbers, 3 heads."""

        def build():
            x = inputs = keras.Input((224, 224, 3))
            x = ops.reshape(layers.Conv2D(192, 16, 16)(x), (-1, 196, 192))
            x = ops.pad(x, ((0, 0), (1, 0), (0, 0)))  # a class token
            for _ in range(12):
                y = layers.LayerNormalization()(x)
                x = x + layers.MultiHeadAttention(3, 64)(y, y)
                y = layers.Dense(768)(layers.LayerNormalization()(x))
                x = x + layers.Dense(192)(ops.gelu(y))
            return keras.Model(inputs, layers.Dense(1000)(layers.LayerNormalization()(x)[:, 0]))

        with untraced():
            model = without_weights(build)
        block = 197 * 192 * 192 * (4 + 8) + 2 * 197 * 197 * 192
        assert multiply_adds(model) == 196 * 768 * 192 + 12 * block + 192 * 1000
        assert multiply_adds(model) == pytest.approx(1.3e9, rel=0.05)
        assert depth(model) == 1 + 12 * 4 + 1
        with pytest.raises(ValueError, match="sees the whole image"):
            receptive_field(model)


class TestKnownNetworks:
    """Fields: Araujo, Norris and Sim (2019), table 1. Costs: the networks' papers, in millions."""

    @pytest.mark.parametrize(
        ("name", "cost", "field"),
        [
            ("MobileNet", 568_740_352, 315),  # Howard et al. (2017): 569
            ("MobileNetV2", 300_774_272, 491),  # Sandler et al. (2018): 300
            ("InceptionV3", 5_713_216_096, 1311),  # Szegedy et al. (2015): 5 billion at 299
        ],
    )
    def test_of_keras_applications(self, name, cost, field):
        with untraced():
            model = without_weights(getattr(keras.applications, name), weights=None)
        assert multiply_adds(model) == cost
        assert receptive_field(model) == field

    def test_efficientnet_lite0(self):
        model = without_weights(efficientnet_lite0)
        assert multiply_adds(model) == 385_187_552
        assert receptive_field(model) == 851  # EfficientNet-B0's, but for its average
        assert depth(model) == 1 + 2 + 15 * 3 + 1 + 1
        features = without_weights(efficientnet_lite0, False, (64, 96, 3))
        assert multiply_adds(features) * math.prod((224, 224)) == pytest.approx(
            (multiply_adds(model) - 1_280_000) * math.prod((64, 96))
        )
        with pytest.raises(ValueError, match="layer 'stem_conv' has an open size"):
            receptive_field(without_weights(efficientnet_lite0, False, (None, None, 3)))
