"""What an exercise sees of a Keras model, without changing it.

Whatever runs a model does it in a `StatelessScope`, which keeps every change to itself: weights,
moving averages and the state of a dropout stay as they are. Keras is imported when there is a model
to look at, so that importing this module takes no time.

What a function here finds wrong it returns as a sentence, or an empty one.
"""

import warnings
from collections.abc import Mapping
from functools import lru_cache, wraps

import numpy as np

from course_utils.exercises.compare import ANY_ERROR, describe, numbers, stopped

BATCH = 32  # images that run through a model at a time
PIXELS = 2**16  # and no more than this, as all that a model computes on the way is kept meanwhile


def about_kind(answer):
    """Whether an answer is a Keras model that has its weights."""
    import keras

    if isinstance(answer, keras.Model):
        begin = "let it begin with `keras.Input(...)`, or call it once on an image"
        return "" if answer.built else f"your model has no weights yet: {begin}."
    if isinstance(answer, type):
        return f"expected a model, got {describe(answer)}: call it to build one."
    if callable(answer) and not isinstance(answer, keras.Layer):
        return "expected a model, got a function: call it and hand in what it returns."
    return f"expected a Keras model, got {describe(answer)}."


def about_parameters(count, allowed):
    """Whether a number of parameters is the one allowed, or within (fewest, most)."""
    fewest, most = allowed if isinstance(allowed, tuple) else (allowed, allowed)
    exactly = not isinstance(allowed, tuple)
    if fewest is not None and count < fewest:
        wanted = f"{'' if exactly else 'at least '}{fewest:,}"
    elif most is not None and count > most:
        wanted = f"{'' if exactly else 'at most '}{most:,}"
    else:
        return ""
    return f"it should have {wanted} parameters, yours has {count:,}."


def about_missing(model, must):
    """The hint of the first function in `must` that does not hold of the model."""

    def holds(function):
        try:
            return bool(function(model))
        except ANY_ERROR:  # a model of another form, say without the layer that is looked at
            return False

    return next((hint for hint, function in must.items() if not holds(function)), "")


def about_error(shape, error):
    """What a model did when it was called on images of a shape."""
    return f"called on images of shape {tuple(shape)} it {stopped(error)}."


def all_layers(model):
    """Yields the layers of a model, and of models inside it, without the inputs."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer


def operations(model, shape):
    """TensorFlow's operations in a model, in order, also those in layers of the reader's own.

    Args:
        model: built.
        shape: of one image, for a model that has no shape of its own.
    """
    import tensorflow as tf

    shape = getattr(model, "input_shape", (None, *shape))[1:]
    images = tf.TensorSpec((2, *(length or BATCH for length in shape)))
    with _unchanged():
        traced = tf.function(lambda images: model(images, training=False))
        return traced.get_concrete_function(images).graph.get_operations()


def has_layers(kinds, wanted):
    """Whether kinds of layers come in the order wanted, others between them, or so many of each."""
    if isinstance(wanted, Mapping):
        return all(kinds.count(kind) == count for kind, count in wanted.items())
    rest = iter(kinds)
    return all(kind in rest for kind in wanted)  # each search goes on behind the last find


def shape_of_outputs(model, shape):
    """The shape of what one image of a shape gives; a list or a dict if there are several outputs.

    A graph of layers is asked, as its weights need not be in memory. A class of the reader's own
    is run: its code may depend on values.
    """
    import keras

    if hasattr(model, "input_shape"):
        with _unchanged():
            outputs = model.compute_output_spec(keras.KerasTensor((BATCH, *shape)))
    else:
        outputs = call(model, _noise(shape))
    return keras.tree.map_structure(lambda one: tuple(one.shape[1:]), outputs)


def kind_of_outputs(model, shape):
    """What a model gives for noise, faint and strong: probabilities, logits, or neither."""
    noise = _noise(shape)
    outputs = run(model, np.concatenate([noise, noise * 100]))
    if outputs.min() < 0 or outputs.max() > 1.001 or not outputs.any():  # all 0: an empty head
        return "logits"
    if outputs.shape[-1] == 1 or np.allclose(outputs.sum(axis=-1), 1, atol=1e-3):
        return "probabilities"
    return "numbers from 0 to 1 that do not add up to 1"


def run(model, images):
    """The outputs of a model for all images, as an array."""
    height, width = (*images.shape[1:3], 1)[:2]
    batch = max(1, min(BATCH, PIXELS // (height * width)))
    starts = range(0, len(images), batch)
    return np.concatenate([numbers(call(model, images[i : i + batch])) for i in starts])


def once(function):
    """Lets a function of a model keep what it found last, until the model or its weights change."""

    @lru_cache(maxsize=1)
    def found(model, weights):
        return function(model)

    @wraps(function)
    def remembered(model):
        return found(model, tuple(np.asarray(weight).tobytes() for weight in model.weights))

    return remembered


def computes_the_same(model, other, images, within=0.02):
    """Whether two models do, once the other has the weights of the first.

    Weights are matched by name and size, those of layers that Keras does not have by size alone;
    equal ones are in the order of the layers.

    Args:
        model: the reader's; it stays as it is.
        other: what it should be; it is given the reader's weights.
        images: what both are called with.
        within: how far the outputs may be apart, which leaves room for another epsilon of a norm.
    """

    def kind(weight):
        name = weight.name if weight.name in ("kernel", "bias", "gamma", "beta") else ""
        return name, int(np.prod(weight.shape))

    mine, theirs = (sorted(one.weights, key=kind) for one in (other, model))
    if [*map(kind, mine)] != [*map(kind, theirs)]:
        return False
    for ours, given in zip(mine, theirs, strict=True):
        ours.assign(np.reshape(given, ours.shape))
    return np.abs(run(other, images) - run(model, images)).max() < within


def call(model, images):
    """What a model returns for a few images; Keras' warnings about it are not for the reader."""
    with _unchanged(), warnings.catch_warnings(action="ignore"):
        return model(images.astype("float32"), training=False)


def _unchanged():
    import keras

    # The end of a scope also makes the weights of all models in this process that wait for it.
    return keras.StatelessScope(initialize_variables=False)


def _noise(shape):
    sizes = (length or BATCH for length in shape)
    return np.random.default_rng(0).normal(size=(4, *sizes))
