"""The model that the lab "teachable" lets one download, as a Keras model."""

import json
from pathlib import Path

import keras
import numpy as np
from keras import layers

from course_utils.pretrained.imagenet import efficientnet_lite0

FORMAT = "course_utils teachable machine 1"
LAYER, WIDTH = "block6d_add", 192  # few photos gave better accuracy here than at later layers


def teachable_machine(file):
    """Loads what was trained on the page of the teachable machine.

    The page computes with weights rounded to 8 bits, so probabilities agree to about 0.02.

    Args:
        file: path of the file that the page lets one download, `teachable_machine.json`.

    Returns:
        (model, classes): a `keras.Model` named "teachable_machine", float32 images (N, 224, 224, 3)
        in [0, 1] -> probabilities (N, num_classes), and the names of the classes in their order.
        The page cuts the middle square out of an image and makes it smaller with averaging, as
        `keras.utils.load_img(path, target_size=(224, 224), keep_aspect_ratio=True,
        interpolation="lanczos")` does.

    Raises:
        ValueError: if the file is not one that the page has written.
    """
    try:
        saved = json.loads(Path(file).read_text(encoding="utf-8"))
        written = saved["format"]
        kernel, bias = (np.array(saved[name], np.float32) for name in ("kernel", "bias"))
        classes = tuple(saved["classes"])
    except (ValueError, KeyError, TypeError) as error:
        raise _refusal(file, f"something else: {error!r}") from error
    if written != FORMAT:
        raise _refusal(file, f"format {written!r}")
    if kernel.shape != (WIDTH, len(classes)) or bias.shape != (len(classes),):
        raise _refusal(file, f"weights {kernel.shape} and {bias.shape} of {len(classes)} classes")
    backbone = efficientnet_lite0(include_top=False)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(backbone.get_layer(LAYER).output)
    x = layers.UnitNormalization(name="unit_length")(x)  # divided by its length
    x = layers.Dense(len(classes), name="logits")(x)
    outputs = layers.Softmax(name="predictions")(x)
    model = keras.Model(backbone.input, outputs, name="teachable_machine")
    model.get_layer("logits").set_weights([kernel, bias])
    return model, classes


def _refusal(file, found):
    return ValueError(
        f"{file} must be a model that the page of the teachable machine has written, got {found}"
    )
