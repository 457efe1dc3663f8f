"""What an attack asks of a classifier: its logits, and how far they are from a class."""

import keras
import numpy as np
from keras import layers, ops

SMALLEST = 1e-37  # probabilities below it are no normal float32 numbers


def logits_of(model, images, labels):
    """What gives the logits of a classifier, whether the classifier itself does or not.

    A softmax at the end of a functional or sequential model is left out. Of other models that give
    probabilities the logarithm is taken, which is as good up to a constant for each image, unless
    probabilities are so small that float32 has no number for them.

    Args:
        model: a Keras model, or a function of a tensor that Keras can differentiate, from images
            (N, ...) to logits or probabilities (N, K), K >= 2.
        images: at least one image, to see what the model gives.
        labels: whole numbers that are to be classes of the model.

    Returns:
        A function from a tensor of images to a tensor (N, K). Layers behave as in inference.

    Raises:
        ValueError: if the model gives anything else, or has no class of such a number.
    """
    shape = tuple(_call(model, images[:1]).shape)
    if len(shape) != 2 or shape[1] < 2:
        raise ValueError(
            f"expected a model that gives (N, classes), at least 2 classes, got {shape}"
        )
    if max(labels) >= shape[1]:
        raise ValueError(f"labels must be from 0 to {shape[1] - 1}, got {max(labels)}")
    without = _without_softmax(model)
    if without is not None:
        return without
    outputs = ops.convert_to_numpy(_call(model, images))
    if np.all(outputs >= 0) and np.allclose(outputs.sum(axis=1), 1, rtol=0, atol=1e-3):
        return lambda x: ops.log(ops.maximum(_call(model, x), SMALLEST))
    return lambda x: _call(model, x)


def cross_entropy_exponent(logits, labels):
    """By how much all other classes together exceed one of them: (N, K), (N,) -> (N,).

    m = log(sum of exp(z_j) over j != y) - z_y. The cross-entropy is log(1 + exp(m)), so that the
    gradients of both have the same direction. That of the cross-entropy is lost in float32 where
    the network is confident; that of m is not.
    """
    chosen = ops.one_hot(labels, logits.shape[1], dtype=logits.dtype)
    others = ops.where(chosen > 0, -np.inf, logits)
    return ops.logsumexp(others, axis=1) - ops.sum(ops.where(chosen > 0, logits, 0), axis=1)


def margin(logits, labels):
    """By how much the best of the other classes exceeds one of them: (N, K), (N,) -> (N,) array."""
    logits = ops.convert_to_numpy(logits)
    rows = np.arange(len(logits))
    others = logits.copy()
    others[rows, labels] = -np.inf
    return others.max(axis=1) - logits[rows, labels]


def predicted(model, images, batch_size=32):
    """The class with the largest output for each image, (N,) array."""
    if isinstance(model, keras.Model):
        return model.predict(images, batch_size=batch_size, verbose=0).argmax(axis=1)
    starts = range(0, len(images), batch_size)
    outputs = [_call(model, images[start : start + batch_size]) for start in starts]
    return np.concatenate([ops.convert_to_numpy(output).argmax(axis=1) for output in outputs])


def _call(model, images):
    if isinstance(model, layers.Layer):
        return model(images, training=False)
    return model(images)


def _without_softmax(model):
    """A function from images to what the softmax at the end of a model gets, or None."""
    last = getattr(model, "layers", [None])[-1]
    outputs = getattr(model, "outputs", None)
    if not outputs or outputs[0] is not last.output:
        return None
    if isinstance(last, layers.Softmax):
        return _inference(model, last.input)
    if getattr(last, "activation", None) is not keras.activations.softmax:
        return None
    features = _inference(model, last.input)
    if isinstance(last, layers.Activation):
        return features
    if isinstance(last, layers.Dense):
        return lambda x: ops.matmul(features(x), last.kernel) + (last.bias if last.use_bias else 0)
    return None


def _inference(model, output):
    """The model up to one of its tensors, with the same layers."""
    part = keras.Model(model.inputs[0], output)
    return lambda x: part(x, training=False)
