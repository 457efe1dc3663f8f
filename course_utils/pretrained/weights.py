"""Weights by name, to and from the files that ship with the package."""


def named_weights(model):
    """The weights of a model by the names that the files of weights use, "layer/weight"."""
    return {
        f"{layer.name}/{weight.name}": weight for layer in model.layers for weight in layer.weights
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
