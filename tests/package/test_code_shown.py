"""Code that chapters show and do not run, since it downloads: run here with an origin at hand."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras.src.applications import mobilenet_v2
from keras.src.utils import file_utils

from course_utils import transfer

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
