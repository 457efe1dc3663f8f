"""Code that chapters show and do not run, since it downloads: run here with an origin at hand."""

import json
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.src.applications import mobilenet_v2
from keras.src.utils import file_utils

from course_utils import architectures, pretrained, transfer

BOOK = Path(__file__).parents[2] / "book"


def shown(chapter, word):
    """The only block of Python in a chapter's text with a word in it."""
    notebook = json.loads((BOOK / chapter).read_text(encoding="utf-8"))
    texts = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown"]
    blocks = re.findall(r"```python\n(.*?)```", "\n\n".join(texts), re.DOTALL)
    (found,) = [block for block in blocks if word in block]
    return found


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras 3.15 with NumPy 2 and h5py
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_features_of_a_network_that_keras_downloads(tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(96, 96, 3)
    )
    images = np.random.default_rng(0).random((2, 96, 96, 3), np.float32)
    for layer in network.layers:  # averages of random images, since without any its outputs vanish
        layer.momentum = 0.0
    network(images, training=True)
    file = tmp_path / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_96_no_top.h5"
    network.save(file)
    monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", f"{tmp_path.as_uri()}/")
    (tmp_path / "home").mkdir()
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path / "home"))
    names = {"keras": keras, "transfer": transfer, "x_train": images}
    exec(shown("06_transfer_learning.ipynb", "keras.applications"), names)
    assert (tmp_path / "home" / "models" / file.name).is_file()
    expected = network.predict(2 * images - 1, verbose=0).mean(axis=(1, 2))
    np.testing.assert_allclose(names["features"], expected, atol=1e-4)
    assert np.ptp(expected) > 0.001


@pytest.mark.skipif(sys.platform == "win32", reason="KerasHub asks for TensorFlow Text")
@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
def test_a_preset_of_keras_hub(tmp_path):
    import keras_hub

    keras.utils.set_random_seed(0)
    saved = keras_hub.models.ResNetImageClassifier(
        backbone=keras_hub.models.ResNetBackbone(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[7],
            stackwise_num_filters=[64],
            stackwise_num_blocks=[1],
            stackwise_num_strides=[1],
            block_type="basic_block",
            image_shape=(32, 32, 3),
        ),
        preprocessor=keras_hub.models.ResNetImageClassifierPreprocessor(
            image_converter=keras_hub.layers.ResNetImageConverter(image_size=(32, 32))
        ),
        num_classes=1000,
    )
    preset = str(tmp_path / "resnet_50_imagenet")
    saved.save_to_preset(preset)
    code = shown("06_transfer_learning.ipynb", "keras_hub").replace("epochs=10", "epochs=0")
    images = np.random.default_rng(0).random((5, 96, 96, 3), np.float32)
    names = {"x_train": images, "y_train": np.arange(5)}
    exec(code.replace('"resnet_50_imagenet"', repr(preset)), names)
    classifier = names["classifier"]
    assert classifier.predict(255 * images, verbose=0).shape == (5, 5)
    for before, now in zip(saved.backbone.weights, classifier.backbone.weights, strict=True):
        np.testing.assert_array_equal(before, now)


@pytest.mark.skipif(sys.platform == "win32", reason="KerasHub asks for TensorFlow Text")
@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_a_vision_transformer_of_keras_hub(tmp_path):
    import keras_hub

    keras.utils.set_random_seed(0)
    saved = keras_hub.models.ViTImageClassifier(
        backbone=keras_hub.models.ViTBackbone(
            image_shape=(32, 32, 3),
            patch_size=16,
            num_layers=1,
            num_heads=2,
            hidden_dim=8,
            mlp_dim=12,
        ),
        preprocessor=keras_hub.models.ViTImageClassifierPreprocessor(
            image_converter=keras_hub.layers.ViTImageConverter(
                image_size=(32, 32), scale=1 / 127.5, offset=-1
            )
        ),
        num_classes=1000,
    )
    preset = str(tmp_path / "vit_base_patch16_224_imagenet")
    saved.save_to_preset(preset)
    code = shown("12_vision_transformers.ipynb", "ImageClassifier")
    photos = np.random.default_rng(0).random((3, 32, 32, 3), np.float32)
    names = {"photos": photos}
    exec(code.replace('"vit_base_patch16_224_imagenet"', repr(preset)), names)
    expected = keras.ops.softmax(saved.backbone(2 * photos - 1)[:, 0] @ saved.output_dense.kernel)
    np.testing.assert_allclose(names["probabilities"], expected, atol=1e-4)
    assert np.ptp(expected) > 1e-4


@pytest.mark.skipif(sys.platform == "win32", reason="KerasHub asks for TensorFlow Text")
@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_dinov2_of_keras_hub(tmp_path):
    import keras_hub

    size = {"patch_size": 14, "num_layers": 2, "hidden_dim": 8, "num_heads": 2}
    size |= {"intermediate_dim": 20, "image_shape": (28, 28, 3)}
    backbone = keras_hub.models.DINOV2Backbone(
        **size, position_embedding_shape=(28, 28), name="tiny"
    )
    preset = str(tmp_path / "dinov2_small")
    backbone.save_to_preset(preset)
    code = shown("12_vision_transformers.ipynb", "DINOV2Backbone")
    code = code.replace('"dinov2_small"', repr(preset)).replace("(224, 224, 3)", "(28, 28, 3)")
    photos = np.random.default_rng(0).random((3, 28, 28, 3), np.float32)
    names = {"photos": photos, "pretrained": pretrained, "architectures": architectures}
    exec(code, names)
    assert [one.shape for one in names["weights"]] == [(3, 2, 5, 5)] * 2
