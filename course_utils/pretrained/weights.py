"""Weights by name, to and from the files that ship with the package."""

import numpy as np

from course_utils.data import asset

SCALE = ":scale"  # behind the name of a weight that is stored in 8 bits


def named_weights(model):
    """The weights of a model by the names that the files of weights use, "layer/weight".

    A weight of a layer inside a layer is "layer/inner/weight".
    """
    return {
        f"{layer.name}/{weight.path.split(layer.name + '/')[-1]}": weight
        for layer in model.layers
        for weight in layer.weights
    }


def set_weights(model, arrays):
    """Gives every weight of the model its array "layer/weight"; each must be there, and be used."""
    weights = named_weights(model)
    for name in weights.keys() | arrays.keys():
        expected = tuple(weights[name].shape) if name in weights else "no such array"
        actual = arrays[name].shape if name in arrays else "none"
        if actual != expected:
            raise ValueError(f"{model.name} expected {expected} for {name}, got {actual}")
    for name, weight in weights.items():
        weight.assign(arrays[name])


def read_weights(file):
    """The weights in a file that ships with the package.

    Args:
        file: name of the asset. Whole numbers "layer/weight" are multiplied by
            "layer/weight:scale".

    Returns:
        Dictionary from "layer/weight" to array.

    Raises:
        ValueError: if the file is damaged.
    """
    with np.load(asset(file)) as arrays:
        return {name: _read(arrays, name) for name in arrays if not name.endswith(SCALE)}


def load_weights(model, file):
    """Gives a model its weights from a file that ships with the package.

    Args:
        model: whose layers are named as in the file.
        file: as in `read_weights`. It may hold weights of the layer "logits" for a model that ends
            before it.

    Returns:
        The model.

    Raises:
        ValueError: if the file is damaged, or its other weights are not those of the model.
    """
    unused = set() if any(layer.name == "logits" for layer in model.layers) else {"logits"}
    arrays = read_weights(file)
    set_weights(model, {n: array for n, array in arrays.items() if n.split("/")[0] not in unused})
    return model


def _read(arrays, name):
    scale = arrays.get(name + SCALE)
    return arrays[name] if scale is None else arrays[name] * scale
