"""The famous networks against the figures of their papers, and their blocks by hand.

`PUBLISHED` lists every figure that a network of the course must match; the fields and costs of
AlexNet's and LeNet-5's single layers stand below it.
"""

import math
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial

import keras
import numpy as np
import pytest
from cheaper import untraced, without_weights
from keras import layers

import course_utils.architectures.lenet as lenet
from course_utils import architectures, convolution
from course_utils.architectures import (
    C3_TABLE,
    alexnet,
    basic_block,
    bottleneck_block,
    cifar_resnet,
    googlenet,
    inception_block,
    lenet5,
    lenet5_1998,
    multiply_adds,
    receptive_field,
    resnet,
    vgg16,
)
from course_utils.architectures.resnet import RESNET_STAGES, conv_norm


@dataclass(frozen=True)
class Published:
    """A network and what is said about it; parameters are those that training changes."""

    name: str
    depth: int
    parameters: int
    multiply_adds: int
    field: int
    shape: tuple = (224, 224, 3)
    classes: int = 1000
    options: tuple = ()

    def __str__(self):
        return "-".join([self.name, *(f"{key}={value}" for key, value in self.options)])

    def build(self):
        name, _, depth = self.name.partition("-")
        arguments = [int(depth)] if depth else []
        return getattr(architectures, name)(*arguments, **dict(self.options))


# Keras copies TensorFlow's variables in a way that NumPy warns of.
SAVES = pytest.mark.filterwarnings("ignore:__array__ implementation")

SMALL = {"shape": (32, 32, 3), "classes": 10}
PUBLISHED = [
    # Parameters: the layers' sums, 156 + 2416 + 48120 + 10164 + 850, and LeCun et al. (1998), II.B:
    # "60,000 trainable free parameters". Multiply-adds: 117600 + 240000 + 48000 + 10080 + 840, and
    # in 1998 without the last (the codes are no kernel) and with the table's 150000 in place of
    # 240000. C5's maps are 1 x 1: they see all of 32 x 32.
    Published("lenet5", 5, 61_706, 416_520, 32, (32, 32, 1), 10),
    Published("lenet5_1998", 4, 60_000, 325_680, 32, (32, 32, 1), 10),
    # Krizhevsky et al. (2012) say "60 million parameters" and "eight learned layers"; to the unit
    # it is Caffe's bvlc_alexnet, 724 M multiply-adds. Field: Araujo et al. (2019), table 1.
    Published("alexnet", 8, 60_965_224, 724_406_816, 195, (227, 227, 3)),
    # The same on one card: Caffe's model without groups.
    Published("alexnet", 8, 62_378_344, 1_135_256_096, 195, (227, 227, 3), 1000, (("groups", 1),)),
    # Simonyan and Zisserman (2014), table 2: 138 million; to the unit, keras.applications. He et
    # al. (2015), section 3.3: 15.3 G, which is that of the convolutions alone. Field: Araujo et al.
    Published("vgg16", 16, 138_357_544, 15_470_264_320, 212),
    # Szegedy et al. (2014): 22 layers, "1.5 billion multiply-adds"; to the unit, Caffe's
    # bvlc_googlenet. Field, by hand: 7 + 2 2 + 4 2 + 4 2 before 3a, then 8 in units of a widest
    # path, 5 x 5: 4 each: 27 + 2 4 8 + 2 8 + 5 4 16 + 2 16 + 2 4 32.
    Published("googlenet", 22, 6_998_552, 1_582_671_872, 715),
    Published("googlenet", 22, 13_378_280, 1_591_044_096, 715, options=(("auxiliary", True),)),
    # He et al. (2015), table 1: 1.8, 3.6, 3.8, 7.6 and 11.3 G; parameters to the unit: torchvision.
    # Fields of 50, 101 and 152: Araujo et al., table 1; of 18 and 34 by the same sum by hand,
    # 11 before conv2_1, then 2 (3 x 3 convolutions) in steps of 4, 8, 16, 32.
    Published("resnet-18", 18, 11_689_512, 1_814_073_344, 435),
    Published("resnet-34", 34, 21_797_672, 3_663_761_408, 899),
    Published("resnet-50", 50, 25_557_032, 3_857_973_248, 483),
    Published("resnet-101", 101, 44_549_160, 7_570_194_432, 1027),
    Published("resnet-152", 152, 60_192_808, 11_282_415_616, 1507),
    # He et al. (2015), table 6: 0.27, 0.46, 0.66 and 0.85 M, shortcuts without parameters. Fields
    # by hand: 3 after conv1, then 2 (3 x 3 convolutions) in steps of 1, 2, 4.
    Published("cifar_resnet-20", 20, 269_722, 40_551_040, 81, **SMALL),
    Published("cifar_resnet-32", 32, 464_154, 68_862_592, 137, **SMALL),
    Published("cifar_resnet-44", 44, 658_586, 97_174_144, 193, **SMALL),
    Published("cifar_resnet-56", 56, 853_018, 125_485_696, 249, **SMALL),
]
# Araujo et al. (2019) for alexnet_v2, layer by layer.
ALEXNET_FIELDS = {
    "C1": 11, "S2": 19, "C3": 51, "S4": 67, "C5": 99, "C6": 131, "C7": 163, "S8": 195
}  # fmt: skip


def trainable(model):
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def row(name):
    return next(published for published in PUBLISHED if published.name == name)


def kernels(model):
    """Shapes in an order of their own: Keras' ResNet has the shortcuts' first."""
    return sorted(tuple(weight.shape) for weight in model.weights if weight.name == "kernel")


def parameters(model):
    """Trainable ones of each layer that has any."""
    return [layer.count_params() for layer in model.layers if layer.trainable_weights]


def zero(*layers):
    for layer in layers:
        layer.set_weights([np.zeros(weight.shape) for weight in layer.weights])


def random_weights(model, rng):
    """Weights between .5 and 1.5, so that none is special, not even a BatchNorm's."""
    model.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in model.weights])


def block_model(block, shape, *arguments, **options):
    inputs = keras.Input(shape)
    return keras.Model(inputs, block(inputs, *arguments, **options))


def train(model, images, targets, loss="sparse_categorical_crossentropy"):
    """One step, without the compilation that pays for many."""
    model.compile("sgd", loss, jit_compile=False)
    with untraced():
        model.fit(images, targets, verbose=0)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture(scope="module", params=PUBLISHED, ids=str)
def built(request):
    """(published, model without weights); a deep one runs the lines of a shallow one again."""
    published = request.param
    with nullcontext() if published.depth < 30 else untraced():
        model = without_weights(published.build)
    return published, model


class TestPublished:
    def test_parameters(self, built):
        published, model = built
        assert trainable(model) == published.parameters

    def test_multiply_adds(self, built):
        published, model = built
        assert multiply_adds(model) == published.multiply_adds

    def test_receptive_field(self, built):
        published, model = built
        assert receptive_field(model) == published.field

    def test_depth(self, built):
        published, model = built
        assert architectures.depth(model) == published.depth

    def test_shapes(self, built):
        published, model = built
        assert model.input_shape == (None, *published.shape)
        assert [output.shape for output in model.outputs] == [(None, published.classes)] * len(
            model.outputs
        )

    def test_names(self, built):
        published, model = built
        names = [layer.name for layer in model.layers]
        assert len(set(names)) == len(names)
        assert names[0] == "images"
        assert model.name == published.name.replace("-", "")

    def test_outputs_are_the_softmax_of_the_logits(self, built):
        published, model = built
        sides = [""]
        if ("auxiliary", True) in published.options:
            sides += ["side_4a_", "side_4d_"]
        for side, output in zip(sides, model.outputs, strict=True):
            predictions = model.get_layer(f"{side}predictions")
            assert isinstance(predictions, layers.Softmax)
            assert predictions.input is model.get_layer(f"{side}logits").output
            assert predictions.output is output

    @pytest.mark.parametrize("built", [row("vgg16")], indirect=True, ids=str)
    def test_vgg16_is_that_of_keras(self, built):
        published, model = built
        shape = (224, 224, 3)
        reference = without_weights(keras.applications.VGG16, False, None, input_shape=shape)
        dense = {"fc1": (25_088, 4096), "fc2": (4096, 4096), "logits": (4096, 1000)}
        assert [(weight.path, tuple(weight.shape)) for weight in model.weights] == [
            *((weight.path, tuple(weight.shape)) for weight in reference.weights),
            *((f"{name}/{part}", shape[first:])
              for name, shape in dense.items() for first, part in enumerate(("kernel", "bias"))),
        ]  # fmt: skip
        assert receptive_field(reference) == published.field
        # The 15.3 G of He et al.
        assert multiply_adds(reference) == 15_346_630_656
        assert published.multiply_adds == 15_346_630_656 + sum(map(math.prod, dense.values()))

    @pytest.mark.parametrize("built", [row("resnet-50")], indirect=True, ids=str)
    def test_what_keras_counts_more_in_resnet50(self, built):
        published, model = built
        with untraced():
            reference = without_weights(keras.applications.ResNet50, weights=None)
        assert reference.count_params() == 25_636_712
        convolutions = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
        biases = sum(layer.filters for layer in convolutions)  # before BatchNorm, without effect
        statistics = sum(math.prod(w.shape) for w in model.non_trainable_weights)
        assert (biases, statistics) == (26_560, 2 * 26_560)
        assert reference.count_params() == trainable(model) + biases + statistics
        assert kernels(model) == kernels(reference)
        assert multiply_adds(reference) == published.multiply_adds
        assert receptive_field(reference) == published.field

    def test_every_network_is_listed(self):
        names = {published.name for published in PUBLISHED}
        assert names == {
            *(f"resnet-{depth}" for depth in RESNET_STAGES),
            *(f"cifar_resnet-{depth}" for depth in (20, 32, 44, 56)),
            "lenet5", "lenet5_1998", "alexnet", "vgg16", "googlenet",
        }  # fmt: skip


SMALL_NETWORKS = {
    "lenet5": lenet5, "lenet5_1998": lenet5_1998, "alexnet": alexnet, "googlenet": googlenet,
    "resnet18": partial(resnet, 18, input_shape=(64, 32, 3)),
    "resnet50": partial(resnet, 50, input_shape=(33, 65, 3)),
    "cifar_resnet20": partial(cifar_resnet, 20, input_shape=(16, 12, 3)),
}  # fmt: skip


@cache
def small(name):
    """A network of three classes, with weights; the tests share it."""
    with untraced():
        return SMALL_NETWORKS[name](num_classes=np.int64(3))


@pytest.fixture(scope="module", autouse=True)
def _no_network_stays_in_memory():
    yield
    small.cache_clear()


@pytest.mark.parametrize("name", SMALL_NETWORKS)
def test_networks_give_probabilities(name, rng):
    model = small(name)
    logits = keras.Model(model.input, [model.get_layer("logits").output, model.output])
    with untraced():
        scores, output = logits(rng.random((2, *model.input_shape[1:]), "float32"), training=False)
    assert output.shape == (2, 3)
    np.testing.assert_allclose(np.sum(output, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(keras.ops.softmax(scores), output, atol=1e-6)


class TestLeNet:
    NAMES = ("images", "C1", "S2", "C3", "S4", "C5", "flatten", "F6")

    def test_today(self):
        model = lenet5()
        names = (*self.NAMES, "logits", "predictions")
        assert tuple(layer.name for layer in model.layers) == names
        assert parameters(model) == [156, 2416, 48120, 10164, 850]
        shapes = [model.get_layer(name).output.shape[1:] for name in self.NAMES[1:-2]]
        assert shapes == [(28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16), (1, 1, 120)]
        fields = [receptive_field(model, name) for name in self.NAMES[1:-2]]
        assert fields == [5, 6, 14, 16, 32]

    def test_1998(self):
        model = lenet5_1998()
        names = (*self.NAMES, "distances", "logits", "predictions")
        assert tuple(layer.name for layer in model.layers) == names
        assert parameters(model) == [156, 12, 1516, 32, 48120, 10164]
        fields = [receptive_field(model, name) for name in self.NAMES[1:-2]]
        assert fields == [5, 6, 14, 16, 32]

    def test_1998_has_340908_connections(self):
        """The paper counts a bias, and what a unit adds up, as connections; also its 84 x 10."""
        model = lenet5_1998()
        connections = 0
        for name in ("C1", "S2", "C3", "S4", "C5", "F6"):
            layer = model.get_layer(name)
            places = math.prod(layer.output.shape[1:-1])
            if isinstance(layer, lenet.Subsampling):
                maps, window = layer.output.shape[-1], math.prod(layer.pool_size)
                connections += places * maps * (window + 1)
            else:
                connections += places * layer.count_params()
        assert connections + model.get_layer("distances").codes.numpy().size == 340_908

    def test_c3_sees_what_the_paper_lists(self):
        # Table I: a row for each map of S2, a column for each map of C3.
        table = """
            X . . . X X X . . X X X X . X X
            X X . . . X X X . . X X X X . X
            X X X . . . X X X . . X . X X X
            . X X X . . X X X X . . X . X X
            . . X X X . . X X X X . X X . X
            . . . X X X . . X X X X . X X X
        """
        rows = [line.split() for line in table.strip().splitlines()]
        columns = [{row for row in range(6) if rows[row][column] == "X"} for column in range(16)]
        assert [set(row) for row in C3_TABLE] == columns
        assert sum(map(len, C3_TABLE)) == 60

    def test_c3_is_a_dense_convolution_with_most_kernels_zero(self, rng):
        table = ((0, 2), (1,), (2, 1, 0), (3, 1))
        layer = lenet.TableConv2D(table, 3, activation="relu")
        layer.build((None, 9, 7, 4))
        kernel, bias = rng.normal(size=(3, 3, 8)), rng.normal(size=4)
        layer.set_weights([kernel, bias])
        dense, pair = np.zeros((3, 3, 4, 4)), 0
        for after, row in enumerate(table):
            for before in row:
                dense[:, :, before, after] = kernel[:, :, pair]
                pair += 1
        images = rng.normal(size=(2, 9, 7, 4))
        expected = np.maximum(convolution.conv2d(images, dense) + bias, 0)
        np.testing.assert_allclose(layer(images), expected, atol=1e-5)

    def test_subsampling_by_hand(self):
        layer = lenet.Subsampling(2)
        layer.build((None, 2, 4, 2))
        layer.set_weights([np.array([0.5, -1.0]), np.array([0.1, 0.2])])
        image = np.zeros((1, 2, 4, 2), "float32")
        image[0, :, :, 0] = [[1, 2, 0, 0], [3, -4, 0, 0]]  # sums 2 and 0
        image[0, :, :, 1] = [[0, 0, 0.5, 0], [0, 0, 0, 0.25]]  # sums 0 and .75
        before = np.array([[0.5 * 2 + 0.1, -1 * 0 + 0.2], [0.5 * 0 + 0.1, -1 * 0.75 + 0.2]])
        expected = 1.7159 * np.tanh(2 / 3 * before)
        np.testing.assert_allclose(layer(image)[0, 0], expected, rtol=1e-6)

    def test_scaled_tanh_keeps_one(self):
        np.testing.assert_allclose(lenet._scaled_tanh(np.array([-1.0, 0, 1])), [-1, 0, 1], 1e-4)

    def test_distances_to_fixed_codes(self, rng):
        model = lenet5_1998(7)
        codes = model.get_layer("distances").codes.numpy()
        assert codes.shape == (7, 84)
        assert set(codes.flat) == {-1, 1}
        assert len(np.unique(codes, axis=0)) == 7
        images, labels = rng.random((6, 32, 32, 1), "float32"), np.arange(6)
        hidden = keras.Model(model.input, model.get_layer("F6").output)(images)
        expected = [[np.sum((row - code) ** 2) for code in codes] for row in np.asarray(hidden)]
        distances = keras.Model(model.input, model.get_layer("distances").output)
        np.testing.assert_allclose(distances(images), expected, rtol=1e-5)
        before = [weight.numpy() for weight in model.trainable_weights]
        train(model, images, labels)
        np.testing.assert_array_equal(model.get_layer("distances").codes, codes)
        for old, weight in zip(before, model.trainable_weights, strict=True):
            assert np.any(old != weight.numpy()), weight.path

    def test_1998_in_half_precision(self, rng):
        images = rng.random((2, 32, 32, 1), "float32")
        exact = lenet5_1998()
        keras.config.set_dtype_policy("mixed_float16")
        try:
            half = lenet5_1998()
        finally:
            keras.config.set_dtype_policy("float32")
        half.set_weights(exact.get_weights())
        distances = [
            np.asarray(keras.Model(model.input, model.get_layer("distances").output)(images))
            for model in (exact, half)
        ]
        assert distances[1].dtype == np.float16
        np.testing.assert_allclose(distances[1], distances[0], rtol=0.02)
        np.testing.assert_allclose(half(images), exact(images), atol=0.05)

    @SAVES
    def test_1998_saved_and_loaded(self, rng, tmp_path):
        model, images = lenet5_1998(3), rng.random((2, 32, 32, 1), "float32")
        random_weights(model, rng)
        model.save(tmp_path / "lenet5.keras")
        loaded = keras.models.load_model(tmp_path / "lenet5.keras")
        np.testing.assert_array_equal(loaded(images), model(images))
        assert parameters(loaded) == parameters(model)
        assert multiply_adds(loaded) == multiply_adds(model)

    def test_1998_from_its_settings(self):
        model = lenet5_1998()
        again = keras.Model.from_config(model.get_config())
        assert again.get_config() == model.get_config()
        assert again.get_layer("C3").table == [list(row) for row in C3_TABLE]
        np.testing.assert_array_equal(
            again.get_layer("distances").codes, model.get_layer("distances").codes
        )


class TestAlexNet:
    @pytest.fixture
    def alexnet_3(self):
        return small("alexnet")

    def test_layers(self, alexnet_3):
        shapes = {"C1": (55, 55, 96), "S2": (27, 27, 96), "C3": (27, 27, 256), "S4": (13, 13, 256)}
        shapes |= {"C5": (13, 13, 384), "C6": (13, 13, 384), "C7": (13, 13, 256), "S8": (6, 6, 256)}
        shapes |= {"F9": (4096,), "F10": (4096,), "logits": (3,)}
        assert {name: alexnet_3.get_layer(name).output.shape[1:] for name in shapes} == shapes

    def test_field_of_each_layer(self, alexnet_3):
        assert {name: receptive_field(alexnet_3, name) for name in ALEXNET_FIELDS} == ALEXNET_FIELDS

    @pytest.mark.parametrize(("name", "half"), [("C3", 128), ("C6", 192), ("C7", 128)])
    def test_halves_do_not_see_each_other(self, alexnet_3, rng, name, half):
        layer = alexnet_3.get_layer(name)
        assert layer.kernel.shape[2] == layer.input.shape[-1] // 2
        images = rng.random((1, 227, 227, 3), "float32")
        below = keras.Model(alexnet_3.input, layer.input)(images).numpy()
        kernel, bias = layer.get_weights()
        before = layer(below).numpy()
        changed = kernel.copy()
        changed[..., :half] += 1
        layer.set_weights([changed, bias])
        after = layer(below).numpy()
        layer.set_weights([kernel, bias])
        np.testing.assert_array_equal(after[..., half:], before[..., half:])
        assert np.all(np.any(after != before, axis=(0, 1, 2))[:half])
        # Nor does a half see the other half of the maps below.
        below[..., below.shape[-1] // 2 :] = 0
        np.testing.assert_array_equal(layer(below)[..., :half], before[..., :half])
        assert np.any(layer(below).numpy() != before)

    def test_grouped_layers_train(self, alexnet_3, rng):
        features = layers.GlobalAveragePooling2D()(alexnet_3.get_layer("C7").output)
        trained = keras.Model(alexnet_3.input, layers.Dense(2)(features))
        before = [weight.numpy() for weight in trained.weights]
        train(trained, rng.random((1, 227, 227, 3), "float32"), rng.random((1, 2)), "mse")
        for old, weight in zip(before, trained.weights, strict=True):
            assert np.any(old != weight.numpy()), weight.path

    @pytest.mark.parametrize("groups", [0, 3, None, "2"])
    def test_refuses_groups(self, groups):
        with pytest.raises(ValueError, match=f"groups must be 1 or 2, got {groups!r}"):
            alexnet(groups=groups)


class TestInception:
    def test_paths_in_order(self, rng):
        widths = (2, 5, 3, 7, 4, 6)
        model = block_model(inception_block, (9, 5, 8), widths, name="mix")
        assert model.output_shape == (None, 9, 5, 2 + 3 + 4 + 6)
        ends = ["mix_1x1", "mix_3x3", "mix_5x5", "mix_pool_proj"]
        for number, name in enumerate(ends, start=1):
            layer = model.get_layer(name)
            layer.set_weights([np.zeros(layer.kernel.shape), np.full(layer.filters, number)])
        output = model(rng.random((1, 9, 5, 8)))
        np.testing.assert_array_equal(output[0, 3, 2], [1] * 2 + [2] * 3 + [3] * 4 + [4] * 6)

    def test_layers(self):
        model = block_model(inception_block, (9, 5, 8), (2, 5, 3, 7, 4, 6), name="mix")
        convolutions = {layer.name: layer for layer in model.layers if hasattr(layer, "filters")}
        assert {name: (*layer.kernel_size, layer.filters) for name, layer in convolutions.items()} \
            == {
                "mix_1x1": (1, 1, 2), "mix_3x3_reduce": (1, 1, 5), "mix_3x3": (3, 3, 3),
                "mix_5x5_reduce": (1, 1, 7), "mix_5x5": (5, 5, 4), "mix_pool_proj": (1, 1, 6),
            }  # fmt: skip
        assert model.layers[-1].name == "mix"
        assert all(layer.activation is keras.activations.relu for layer in convolutions.values())

    def test_pool_path_by_hand(self):
        model = block_model(inception_block, (3, 3, 1), (1, 1, 1, 1, 1, 1), name="mix")
        for layer in model.layers:
            if hasattr(layer, "filters"):
                zero(layer)
        projection = model.get_layer("mix_pool_proj")
        projection.set_weights([np.full((1, 1, 1, 1), 2.0), np.array([0.5])])
        image = np.array([[9, 0, 1], [0, 2, 0], [3, 0, 4]], "float32").reshape(1, 3, 3, 1)
        expected = 2 * np.array([[9, 9, 2], [9, 9, 4], [3, 4, 4]]) + 0.5
        np.testing.assert_array_equal(model(image)[0, :, :, 3], expected)

    @pytest.mark.parametrize("count", [5, 7])
    def test_refuses_other_widths(self, count):
        with pytest.raises(ValueError, match="values to unpack"):
            inception_block(keras.Input((8, 8, 4)), range(1, count + 1), "mix")

    def test_rows_of_table_1(self):
        model = without_weights(googlenet, 2, auxiliary=True)
        # Szegedy et al. (2014), table 1, column "output size".
        sizes = {
            "conv1": (112, 112, 64), "pool1": (56, 56, 64), "conv2": (56, 56, 192),
            "pool2": (28, 28, 192), "inception_3a": (28, 28, 256), "inception_3b": (28, 28, 480),
            "pool3": (14, 14, 480), "inception_4a": (14, 14, 512), "inception_4b": (14, 14, 512),
            "inception_4c": (14, 14, 512), "inception_4d": (14, 14, 528),
            "inception_4e": (14, 14, 832), "pool4": (7, 7, 832), "inception_5a": (7, 7, 832),
            "inception_5b": (7, 7, 1024), "average": (1024,), "logits": (2,),
            # Section 5: "resulting in an 4 x 4 x 512 output for the (4a), and 4 x 4 x 528".
            "side_4a_average": (4, 4, 512), "side_4d_average": (4, 4, 528),
        }  # fmt: skip
        assert {name: model.get_layer(name).output.shape[1:] for name in sizes} == sizes
        assert [tensor._keras_history.operation.name for tensor in model.outputs] == [
            "predictions", "side_4a_predictions", "side_4d_predictions"
        ]  # fmt: skip


class TestResidual:
    BLOCKS = ((basic_block, 6, "2"), (bottleneck_block, 6, "3"))

    @pytest.mark.parametrize("training", [False, True])
    @pytest.mark.parametrize(("block", "filters", "last"), BLOCKS)
    def test_zero_weights_leave_the_input_alone(self, rng, block, filters, last, training):
        channels = filters * (4 if block is bottleneck_block else 1)
        model = block_model(block, (7, 5, channels), filters)
        random_weights(model, rng)
        images = rng.random((2, 7, 5, channels), "float32")
        assert np.any(np.asarray(model(images)) != images)
        norm = model.get_layer(f"block_{last}_bn")
        norm.gamma.assign(np.zeros(channels))
        norm.beta.assign(np.zeros(channels))
        np.testing.assert_array_equal(model(images, training=training), images)

    def test_all_kernels_zero(self, rng):
        images = rng.random((2, 7, 5, 6), "float32")
        for residual, expected in ((True, images), (False, np.zeros_like(images))):
            model = block_model(basic_block, (7, 5, 6), 6, residual=residual)
            zero(model.get_layer("block_1"), model.get_layer("block_2"))
            np.testing.assert_array_equal(model(images), expected)

    def test_negative_input_is_cut_by_the_last_relu(self, rng):
        images = rng.normal(size=(2, 7, 5, 6)).astype("float32")
        model = block_model(basic_block, (7, 5, 6), 6)
        zero(model.get_layer("block_2"))
        np.testing.assert_array_equal(model(images), np.maximum(images, 0))

    def test_the_input_is_added_before_the_last_relu(self, rng):
        images = rng.normal(size=(2, 7, 5, 6)).astype("float32")
        model = block_model(basic_block, (7, 5, 6), 6)
        random_weights(model, rng)
        inside = keras.Model(model.input, model.get_layer("block_2_bn").output)(images).numpy()
        np.testing.assert_allclose(model(images), np.maximum(inside + images, 0), rtol=1e-6)

    @pytest.mark.parametrize(
        ("stride", "channels", "filters"), [(2, 2, 5), (2, 3, 7), (1, 2, 4), (3, 4, 4), (2, 1, 2)]
    )
    def test_shortcut_without_parameters(self, rng, stride, channels, filters):
        """He et al. (2015), section 4.1, option A: every `stride`-th pixel, channels of zeros."""
        options = {"stride": stride, "project": False}
        model = block_model(basic_block, (7, 6, channels), filters, **options)
        zero(model.get_layer("block_2"))
        images = rng.random((2, 7, 6, channels), "float32")
        expected = np.zeros((2, -(-7 // stride), -(-6 // stride), filters))
        before = (filters - channels) // 2
        expected[..., before : before + channels] = images[:, ::stride, ::stride]
        np.testing.assert_array_equal(model(images), expected)
        assert not any(layer.name == "block_0" for layer in model.layers)

    @pytest.mark.parametrize("stride", [1, 2])
    @pytest.mark.parametrize(("block", "filters", "last"), BLOCKS)
    def test_shortcut_by_projection(self, rng, block, filters, last, stride):
        model = block_model(block, (7, 6, 3), filters, stride=stride)
        zero(model.get_layer(f"block_{last}"))
        kernel = rng.normal(size=model.get_layer("block_0").kernel.shape)
        model.get_layer("block_0").set_weights([kernel])
        images = rng.random((2, 7, 6, 3), "float32")
        mixed = images[:, ::stride, ::stride] @ kernel[0, 0] / np.sqrt(1 + 1e-5)
        np.testing.assert_allclose(model(images), np.maximum(mixed, 0), rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("block", [basic_block, bottleneck_block])
    def test_a_step_needs_a_shortcut_also_where_sizes_are_open(self, block):
        channels = 4 if block is basic_block else 16
        model = block_model(block, (None, None, channels), 4, stride=2)
        assert model.get_layer("block_0").strides == (2, 2)
        assert model(np.zeros((1, 7, 4, channels))).shape == (1, 4, 2, channels)

    def test_bottleneck_layers(self):
        model = block_model(bottleneck_block, (7, 9, 5), 3, stride=2, name="neck")
        assert model.output_shape == (None, 4, 5, 12)
        assert {
            layer.name: (layer.kernel_size[0], layer.strides[0], layer.filters, layer.use_bias)
            for layer in model.layers if hasattr(layer, "filters")
        } == {
            "neck_0": (1, 2, 12, False), "neck_1": (1, 2, 3, False),
            "neck_2": (3, 1, 3, False), "neck_3": (1, 1, 12, False),
        }  # fmt: skip
        assert {"neck_0_bn", "neck_1_relu", "neck_2_relu", "neck_3_bn", "neck_add", "neck"} < {
            layer.name for layer in model.layers
        }

    def test_conv_norm_alone(self):
        names = [layer.name for layer in block_model(conv_norm, (5, 5, 2), 3, 3).layers]
        assert names[1:] == ["conv", "conv_bn", "conv_relu"]

    def test_refuses_to_drop_channels(self):
        with pytest.raises(ValueError, match=r"can only add channels, expected at most 4 .* got 6"):
            basic_block(keras.Input((8, 8, 6)), 4, project=False)


class TestResNet:
    @pytest.mark.parametrize(
        ("build", "stages"),
        [
            (partial(small, "cifar_resnet20"), [(3, 16, 12, 16), (3, 8, 6, 32), (3, 4, 3, 64)]),
            (partial(without_weights, resnet, 34, input_shape=(64, 96, 3)),
             [(3, 16, 24, 64), (4, 8, 12, 128), (6, 4, 6, 256), (3, 2, 3, 512)]),
            (partial(small, "resnet50"),
             [(3, 9, 17, 256), (4, 5, 9, 512), (6, 3, 5, 1024), (3, 2, 3, 2048)]),
        ],
        ids=["cifar_resnet20", "resnet34", "resnet50"],
    )  # fmt: skip
    def test_stages(self, build, stages):
        model = build()
        names = [
            f"conv{stage}_{n + 1}" for stage, row in enumerate(stages, 2) for n in range(row[0])
        ]
        sizes = [row[1:] for row in stages for _ in range(row[0])]
        ends = {layer.name for layer in model.layers if layer.name.count("_") == 1}
        assert ends - {"conv1_bn", "conv1_relu"} == set(names)
        assert [model.get_layer(name).output.shape[1:] for name in names] == sizes

    def test_plain_has_the_same_kernels(self):
        plain, residual = (without_weights(cifar_resnet, 8, residual=r) for r in (False, True))
        assert plain.name == "cifar_plain8"
        shapes = [[weight.shape for weight in model.weights] for model in (plain, residual)]
        assert shapes[0] == shapes[1]
        assert multiply_adds(plain) == multiply_adds(residual)
        assert receptive_field(plain) == receptive_field(residual) == 25
        assert not any(isinstance(layer, layers.Add) for layer in plain.layers)
        assert sum(isinstance(layer, layers.Add) for layer in residual.layers) == 3

    def test_plain_of_18_has_no_projections(self):
        options = {"num_classes": 4, "input_shape": (33, 47, 3), "filters": 2}
        plain = without_weights(resnet, 18, residual=False, **options)
        assert sum(isinstance(layer, layers.Conv2D) for layer in plain.layers) == 17

    def test_for_small_grey_images(self):
        options = {"num_classes": 7, "input_shape": (28, 20, 1), "filters": 4}
        model = without_weights(cifar_resnet, 8, stem_stride=2, **options)
        assert model.get_layer("conv1").output.shape == (None, 14, 10, 4)
        assert model.get_layer("conv4_1").output.shape == (None, 4, 3, 16)
        whole = without_weights(cifar_resnet, 8, **options)
        assert trainable(model) == trainable(whole)
        ratio = multiply_adds(whole) / multiply_adds(model)
        assert 3.5 < ratio < 4  # SAME rounds 7 x 5 up to 4 x 3

    def test_every_weight_learns(self, rng):
        options = {"num_classes": 7, "input_shape": (28, 20, 1), "filters": 4}
        model = cifar_resnet(8, stem_stride=2, **options)
        images, labels = rng.random((6, 28, 20, 1), "float32"), np.arange(6)
        np.testing.assert_allclose(np.sum(model(images), axis=1), 1, rtol=1e-5)
        before = [weight.numpy() for weight in model.weights]
        train(model, images, labels)
        for old, weight in zip(before, model.weights, strict=True):
            assert np.all(np.isfinite(weight))
            assert np.any(old != weight.numpy()), weight.path

    @SAVES
    def test_saved_and_loaded(self, rng, tmp_path):
        """The padding of channels is an operation, not a layer."""
        model = cifar_resnet(8, num_classes=3, input_shape=(9, 7, 2), filters=2)
        images = rng.random((2, 9, 7, 2), "float32")
        model.save(tmp_path / "resnet.keras")
        loaded = keras.models.load_model(tmp_path / "resnet.keras")
        np.testing.assert_array_equal(loaded(images), model(images))
        assert multiply_adds(loaded) == multiply_adds(model)
        assert receptive_field(loaded) == 25

    @pytest.mark.parametrize("depth", [0, 20, -18, True, 18.0, "18", None, [18]])
    def test_refuses_a_depth(self, depth):
        with pytest.raises(ValueError, match="depth must be 18, 34, 50, 101 or 152, got") as error:
            resnet(depth)
        assert str(error.value).endswith(repr(depth))

    @pytest.mark.parametrize("depth", [0, 2, 18, 34, -10, True, 20.0, "20", None, [20]])
    def test_refuses_a_depth_for_small_images(self, depth):
        with pytest.raises(ValueError, match=r"depth must be (6 n \+ 2|a whole number >= 8)"):
            cifar_resnet(depth)

    def test_depths_of_6n_plus_2(self):
        model = without_weights(cifar_resnet, np.int64(8), input_shape=(8, 8, 3))
        assert (model.name, architectures.depth(model)) == ("cifar_resnet8", 8)
        assert architectures.depth(without_weights(resnet, np.uint8(18))) == 18

    @pytest.mark.parametrize("depth", [50, 101, 152])
    def test_refuses_plain_bottlenecks(self, depth):
        with pytest.raises(ValueError, match=f"has depth 18 or 34, got {depth}"):
            resnet(depth, residual=False)

    @pytest.mark.parametrize("build", [partial(resnet, 18), partial(cifar_resnet, 20)])
    def test_refuses_no_filters(self, build):
        with pytest.raises(ValueError, match="filters must be a whole number >= 1, got 0"):
            build(filters=0)


@pytest.mark.parametrize("num_classes", [0, -1, 2.0, True, "10"])
@pytest.mark.parametrize(
    "build",
    [lenet5, lenet5_1998, alexnet, vgg16, googlenet, partial(resnet, 34), partial(cifar_resnet, 8)],
)
def test_refuses_a_number_of_classes(build, num_classes):
    with pytest.raises(ValueError, match="num_classes must be a whole number >= 1, got") as error:
        build(num_classes=num_classes)
    assert str(error.value).endswith(repr(num_classes))


def test_everything_public_is_there():
    assert all(hasattr(architectures, name) for name in architectures.__all__)
