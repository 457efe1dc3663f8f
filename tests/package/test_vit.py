"""Vision transformers: the published counts, a forward pass by hand, positions for other sizes."""

import math

import keras
import numpy as np
import pytest
from cheaper import untraced, without_weights
from keras import layers

from course_utils.architectures import attention_maps, depth, multiply_adds, receptive_field, vit
from course_utils.architectures.vit import (
    ClassToken,
    LayerScale,
    copy_weights,
    encoder_block,
    interpolate_positions,
)
from course_utils.attention import rollout

# 2 x 3 patches of 3 x 3 pixels, 8 numbers in a token, 2 heads.
SMALL = {"image_size": (6, 9), "patch_size": 3, "dim": 8, "depth": 2, "heads": 2}
RNG = np.random.default_rng(0)
IMAGES = RNG.random((4, 6, 9, 3)).astype("float32")


def small(**options):
    """A small network with random weights, biases and positions included."""
    model = vit(**SMALL | {"num_classes": 5, "mlp_dim": 10} | options)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.5, weight.shape) for weight in model.weights])
    return model


@pytest.fixture(scope="module")
def model():
    return small()


def close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-5)


class ByHand:
    """The network in NumPy, one image at a time, with loops over patches and heads."""

    def __init__(self, model):
        self.weights = {weight.path: np.asarray(weight, np.float64) for weight in model.weights}

    def dense(self, name, x):
        return x @ self.weights[f"{name}/kernel"] + self.weights[f"{name}/bias"]

    def norm(self, name, x):
        x = x - x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6)
        return x * self.weights[f"{name}/gamma"] + self.weights[f"{name}/beta"]

    def embed(self, image):
        patches = [image[y : y + 3, x : x + 3].ravel() for y in (0, 3) for x in (0, 3, 6)]
        kernel = self.weights["patches/kernel"].reshape(27, 8)
        tokens = np.stack(patches) @ kernel + self.weights["patches/bias"]
        tokens = np.concatenate([self.weights["class_token/token"][0], tokens])
        return tokens + self.weights["positions/positions"]

    def attend(self, name, x):
        query, key, value = (self.dense(f"{name}/{part}", x) for part in ("query", "key", "value"))
        heads, maps = [], []
        for part in (slice(0, 4), slice(4, 8)):
            scores = np.exp(query[:, part] @ key[:, part].T / 2)
            maps.append(scores / scores.sum(axis=1, keepdims=True))
            heads.append(maps[-1] @ value[:, part])
        return self.dense(f"{name}/output", np.concatenate(heads, axis=1)), np.stack(maps)

    def block(self, name, x):
        y, maps = self.attend(f"{name}_attention", self.norm(f"{name}_norm1", x))
        x = x + y * self.weights.get(f"{name}_1_scale/scale", 1)
        y = self.dense(f"{name}_mlp1", self.norm(f"{name}_norm2", x))
        y = y * (1 + np.vectorize(math.erf)(y / math.sqrt(2))) / 2
        y = self.dense(f"{name}_mlp2", y)
        return x + y * self.weights.get(f"{name}_2_scale/scale", 1), maps

    def run(self, image):
        """Tokens, and the weights of both blocks."""
        x, first = self.block("block1", self.embed(image))
        x, second = self.block("block2", x)
        return self.norm("norm", x), [first, second]


class TestVit:
    @pytest.mark.parametrize(
        ("dim", "heads", "parameters"),
        [(192, 3, 5_717_416), (384, 6, 22_050_664), (768, 12, 86_567_656)],
    )
    def test_parameters(self, dim, heads, parameters):
        """Ti/16 (Touvron et al., 2021), S/16 and B/16."""
        model = without_weights(vit, 224, 16, dim, 12, heads, 1000)
        assert model.count_params() == parameters

    def test_cost_of_the_base_model(self):
        model = without_weights(vit)
        block = 197 * 768 * 768 * (4 + 8) + 2 * 197 * 197 * 768
        assert multiply_adds(model) == 196 * 768 * 768 + 12 * block + 768 * 1000
        assert multiply_adds(model) == 17_563_828_224
        assert depth(model) == 1 + 12 * 4 + 1
        assert receptive_field(model, "patches") == 16
        for layer in (None, "block1_attention"):
            with pytest.raises(ValueError, match="sees the whole image, whatever its size"):
                receptive_field(model, layer)

    def test_by_hand(self, model):
        by_hand, maps = ByHand(model), attention_maps(model)(IMAGES)
        probabilities = np.asarray(model(IMAGES))
        for index, image in enumerate(IMAGES):
            tokens, expected = by_hand.run(image)
            logits = np.exp(by_hand.dense("logits", tokens[0]))
            close(probabilities[index], logits / logits.sum())
            for block in (0, 1):
                close(maps[block][index], expected[block])

    def test_tokens_by_hand_with_scaled_layers(self):
        scaled = small(num_classes=None, layer_scale=0.5)
        assert scaled.output_shape == (None, 7, 8)
        close(scaled(IMAGES)[3], ByHand(scaled).run(IMAGES[3])[0])

    def test_names(self):
        model = vit(**SMALL, num_classes=5, dropout=0.1, layer_scale=1e-5, name="tiny")
        assert model.name == "tiny"
        names = [layer.name for layer in model.layers if "get_item" not in layer.name]
        block = [
            "norm1",
            "attention",
            "1_scale",
            "1_dropout",
            "add",
            "norm2",
            "mlp1",
            "gelu",
            "mlp2",
            "2_scale",
            "2_dropout",
        ]
        expected = ["images", "patches", "patch_tokens", "class_token", "positions", "dropout"]
        for number in (1, 2):
            expected += [f"block{number}_{part}" for part in block] + [f"block{number}"]
        assert names == [*expected, "norm", "logits", "predictions"]

    def test_the_mlp_is_four_times_as_wide_unless_told(self):
        assert vit(**SMALL).get_layer("block2_mlp1").output.shape == (None, 7, 32)
        assert small().get_layer("block2_mlp1").output.shape == (None, 7, 10)

    def test_a_square_and_integers_of_numpy(self):
        model = vit(np.int64(6), np.int32(3), 8, 1, np.int64(4), num_classes=None)
        assert model.input_shape == (None, 6, 6, 3)
        assert model.output_shape == (None, 5, 8)

    def test_only_training_drops(self, model):
        dropping = small(dropout=0.5)
        close(dropping(IMAGES), model(IMAGES))
        trained = np.asarray(dropping(IMAGES, training=True))
        assert np.abs(trained - model(IMAGES)).max() > 0.01

    @pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras 3.15 with NumPy 2, h5py
    def test_it_comes_back_from_a_file(self, tmp_path):
        scaled = small(layer_scale=0.5, dropout=0.1)
        with untraced():
            scaled.save(tmp_path / "vit.keras")
            loaded = keras.saving.load_model(tmp_path / "vit.keras")
        np.testing.assert_array_equal(loaded(IMAGES), scaled(IMAGES))
        assert loaded.get_layer("block1_1_scale").initial == 0.5

    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            ("image_size", 7, "image_size must be a multiple of 3 pixels, .* got 7"),
            ("image_size", 0, "got 0"),
            ("image_size", (6, 10), r"got \(6, 10\)"),
            ("image_size", (6, 9, 3), r"got \(6, 9, 3\)"),
            ("image_size", 6.0, "got 6.0"),
            ("image_size", None, "got None"),
            ("patch_size", 0, "patch_size must be a whole number >= 1, got 0"),
            ("dim", 0, "dim must be a whole number >= 1, got 0"),
            ("heads", 3, r"dim must be a multiple of heads, .* got dim 8 and 3 heads"),
            ("heads", True, "heads must be a whole number >= 1, got True"),
            ("depth", 0, "depth must be a whole number >= 1, got 0"),
            ("num_classes", 0, "num_classes must be a whole number >= 1, got 0"),
            ("mlp_dim", 2.5, "mlp_dim must be a whole number >= 1, got 2.5"),
        ],
    )
    def test_refuses(self, option, value, message):
        with pytest.raises(ValueError, match=message):
            vit(**SMALL | {option: value})


class TestParts:
    def test_a_block_refuses_a_width_that_heads_do_not_share(self):
        with pytest.raises(ValueError, match="dim must be a multiple of heads"):
            encoder_block(keras.Input((5, 8)), 3, 16)

    def test_a_block_that_adds_nothing(self):
        x = keras.Input((5, 8))
        still = keras.Model(x, encoder_block(x, 2, 16, layer_scale=0))
        tokens = RNG.normal(size=(2, 5, 8)).astype("float32")
        np.testing.assert_array_equal(still(tokens), tokens)
        assert still.layers[-1].name == "block"

    def test_class_token(self):
        layer = ClassToken()
        x = RNG.normal(size=(2, 3, 4)).astype("float32")
        assert np.all(np.asarray(layer(x))[:, 0] == 0)
        layer.token.assign(np.arange(4).reshape(1, 1, 4))
        after = np.asarray(layer(x))
        assert after[:, 0].tolist() == [[0, 1, 2, 3]] * 2
        np.testing.assert_array_equal(after[:, 1:], x)

    def test_layer_scale(self):
        layer = LayerScale(0.25)
        assert np.asarray(layer(np.ones((1, 3)))).tolist() == [[0.25] * 3]
        layer.scale.assign([1, 2, 3])
        assert np.asarray(layer(np.full((1, 2, 3), 2.0))).tolist() == [[[2, 4, 6]] * 2]
        assert len(layer.trainable_weights) == 1
        assert LayerScale.from_config(layer.get_config()).initial == 0.25


class TestAttentionMaps:
    def test_rows_are_shares(self, model):
        maps = attention_maps(model)(IMAGES)
        assert [weights.shape for weights in maps] == [(4, 2, 7, 7)] * 2
        for weights in maps:
            close(np.sum(weights, axis=-1), 1)
        assert rollout(maps).shape == (4, 7, 7)

    def test_it_is_the_same_network(self):
        network = small()
        maps = attention_maps(network)
        assert maps.name == "vit_attention"
        before = np.asarray(maps(IMAGES)[0])
        network.get_layer("block1_attention").query_dense.kernel.assign(np.zeros((8, 8)))
        network.get_layer("block1_attention").query_dense.bias.assign(np.zeros(8))
        after = np.asarray(maps(IMAGES)[0])
        close(after, 1 / 7)
        assert np.abs(before - after).max() > 0.1

    def test_refuses_a_network_without_attention(self):
        network = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="dense")
        with pytest.raises(ValueError, match="layers AttentionHeads, 'dense' has none"):
            attention_maps(network)


class TestInterpolatePositions:
    @pytest.mark.parametrize(
        ("count", "expected"),
        [
            # A lone 1 in the third of four; the four weights sum to 1: 225, -27, 67 and -9 of 256.
            (8, [0, -9 / 256, -27 / 256, 67 / 256, 225 / 256, 225 / 256, 67 / 256, -27 / 256]),
            (2, [-3 / 32, 19 / 32]),  # halfway between two: 19 / 32 each, -3 / 32 beyond
            (4, [0, 0, 1, 0]),
        ],
    )
    def test_along_a_row(self, count, expected):
        positions = np.array([5, 0, 0, 1, 0])[:, np.newaxis]
        row = interpolate_positions(positions, (1, 4), (1, count))
        column = interpolate_positions(positions, (4, 1), (count, 1))
        assert row.dtype == np.float32
        np.testing.assert_allclose(row[:, 0], [5, *expected], atol=1e-7)
        np.testing.assert_allclose(column, row, atol=1e-7)

    def test_rows_and_columns_do_not_mix(self):
        grid = np.arange(3)[:, np.newaxis] + 10 * np.ones(2)
        positions = np.concatenate([[-1], grid.ravel()])[:, np.newaxis]
        after = interpolate_positions(positions, (3, 2), (3, 5))
        np.testing.assert_allclose(
            after[1:, 0].reshape(3, 5), 10 + np.arange(3)[:, None] @ [[1] * 5]
        )

    def test_refuses_another_grid(self):
        with pytest.raises(ValueError, match=r"\(1 \+ 2 x 3, D\), got \(6, 8\)"):
            interpolate_positions(np.zeros((6, 8)), (2, 3), (4, 4))
        with pytest.raises(ValueError, match=r"got \(7,\)"):
            interpolate_positions(np.zeros(7), (2, 3), (4, 4))


class TestCopyWeights:
    def test_to_the_same_size(self, model):
        copied = copy_weights(model, vit(**SMALL, num_classes=5, mlp_dim=10))
        np.testing.assert_array_equal(copied(IMAGES), model(IMAGES))

    def test_to_another_size(self, model):
        target = vit(**SMALL | {"image_size": (12, 6)}, num_classes=5, mlp_dim=10)
        assert copy_weights(model, target) is target
        before, after = (
            np.asarray(network.get_layer("positions").positions) for network in (model, target)
        )
        np.testing.assert_array_equal(after, interpolate_positions(before, (2, 3), (4, 2)))
        kernels = [np.asarray(net.get_layer("block2_mlp1").kernel) for net in (model, target)]
        np.testing.assert_array_equal(*kernels)

    def test_refuses_another_network(self, model):
        for option in ({"depth": 1}, {"mlp_dim": 11}):
            target = vit(**SMALL | {"num_classes": 5, "mlp_dim": 10} | option)
            with pytest.raises(ValueError, match="differ in nothing but the size of their images"):
                copy_weights(model, target)
