"""Exercises of chapter 01, neural networks in Keras."""

import numpy as np

import course_utils.exercises.models as models
from course_utils.exercises.judge import Exercises

# TensorFlow's operations in a dense layer without an activation.
LINEAR = {"AddV2", "BiasAdd", "Cast", "Identity", "MatMul", "Placeholder", "ReadVariableOp"}

EXERCISES = Exercises()
rng = np.random.default_rng(1)

EXERCISES.answer(
    "01.1",
    32 * 32 * 3 * 100 + 100 + 100 * 10 + 10,
    "each layer has inputs times units weights, and as many biases as units.",
    mistakes={
        "you forgot the biases.": 32 * 32 * 3 * 100 + 100 * 10,
        "a colour photo has three channels.": 32 * 32 * 100 + 100 + 100 * 10 + 10,
        "this is the first layer only.": 32 * 32 * 3 * 100 + 100,
        "the second layer gets 100 numbers, not the pixels.": 32 * 32 * 3 * 110 + 110,
    },
    praise="nearly all of them in the first layer, and the photo is tiny.",
)


EXERCISES.answer(
    "01.2",
    {"G": "rate too small", "H": "labels mixed up", "I": "overfitting"},
    "ask of each: are the curves low, is there a gap, are they still falling, are they smooth? The "
    "chapter shows each cause.",
    mistakes={
        "G: underfitting and a small rate are both high. Is G still falling?": {
            "G": "underfitting",
            "H": "labels mixed up",
            "I": "overfitting",
        },
        "G: smooth and without a gap, but compare its end with that of C. Is G still falling?": {
            "G": "healthy",
            "H": "labels mixed up",
            "I": "overfitting",
        },
        "H: overfitting begins with something that holds for other images: the validation loss "
        "first falls. Does it in H?": {
            "G": "rate too small",
            "H": "overfitting",
            "I": "overfitting",
        },
        "H and I are exchanged: in which of them did the validation loss fall at first?": {
            "G": "rate too small",
            "H": "overfitting",
            "I": "labels mixed up",
        },
        "I: what does its validation loss do after the first ten epochs?": {
            "G": "rate too small",
            "H": "labels mixed up",
            "I": "healthy",
        },
        "I: with a rate that is too large the training loss stays high. In I it goes to zero.": {
            "G": "rate too small",
            "H": "labels mixed up",
            "I": "rate too large",
        },
        "H: a rate that is too large makes the training loss jump. In H it falls smoothly.": {
            "G": "rate too small",
            "H": "rate too large",
            "I": "overfitting",
        },
    },
    praise="in H the labels are learned by heart, and say nothing about other images.",
)


def _gradient(w, b, x, y):
    error = w * x + b - y
    return np.mean(2 * error * x), np.mean(2 * error)


def _w_first(w, b, x, y, rate):
    w = w - rate * _gradient(w, b, x, y)[0]
    return w, b - rate * _gradient(w, b, x, y)[1]


@EXERCISES.function(
    "01.3",
    "both derivatives begin with 2 (wx + b - y); the one by w is multiplied by x. Take the mean, "
    "and go against the gradient.",
    cases=[
        (0.0, 0.0, np.array([1.0, 2.0]), np.array([2.0, 4.0]), 0.1),
        (1.5, -0.5, rng.normal(0, 1, 7), rng.normal(0, 1, 7), 0.03),
        (2.0, 1.0, np.array([3.0]), np.array([7.0]), 0.5),
    ],
    mistakes={
        "you go uphill: the gradient says where the loss grows, so subtract it, multiplied by the "
        "rate.": lambda w, b, x, y, rate: step(w, b, x, y, -rate),
        "the derivative of a square has a factor of 2.": lambda *case: step(*case[:4], case[4] / 2),
        "the loss is a mean over the batch, and you took the sum: your step grows with the size of "
        "the batch.": lambda w, b, x, y, rate: step(w, b, x, y, rate * len(x)),
        "you used the new w for the derivative by b. Both belong to the old w and b: compute "
        "them first, then move.": _w_first,
        "b has to move as well.": lambda w, b, *others: (step(w, b, *others)[0], b),
        "you forgot the learning rate.": lambda w, b, x, y, rate: step(w, b, x, y, 1.0),
        "this is the gradient; asked were the new w and b.": lambda *case: _gradient(*case[:-1]),
        "this is how far to go; asked were the new w and b.": lambda w, b, *others: np.subtract(
            step(w, b, *others), (w, b)
        ),
        "w comes first, then b.": lambda *case: step(*case)[::-1],
    },
)
def step(w, b, x, y, rate):
    by_w, by_b = _gradient(w, b, x, y)
    return w - rate * by_w, b - rate * by_b


def _mended(
    outputs=10, hidden="relu", last="softmax", loss="sparse_categorical_crossentropy", scale=None
):
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            *([] if scale is None else [layers.Rescaling(scale)]),
            layers.Flatten(),
            layers.Dense(64, activation=hidden),
            layers.Dense(outputs, activation=last),
        ]
    )
    if loss:
        model.compile("adam", loss, metrics=["accuracy"])
    return model


def _has_rescaling(model):
    return any(type(layer).__name__ == "Rescaling" for layer in models.all_layers(model))


def _behind_the_hidden_units(model):
    """TensorFlow's operations between the first matrix product and the last."""
    kinds = [operation.type for operation in models.operations(model, (28, 28, 1))]
    return kinds[kinds.index("MatMul") + 1 : len(kinds) - kinds[::-1].index("MatMul")]


def _has_nonlinearity(model):
    return not LINEAR.issuperset(_behind_the_hidden_units(model))


@EXERCISES.network(
    "01.4",
    "leave the rest as it is.",
    input_shape=(28, 28, 1),
    output_shape=(10,),
    parameters=784 * 64 + 64 + 64 * 10 + 10,
    layers=["Flatten", "Dense", "Dense"],
    outputs="probabilities",
    compiled=True,
    must={
        "the pixels run from 0 to 1 already: divided by 255 once more, all of them are nearly 0.": (
            lambda model: not _has_rescaling(model)
        ),
        "a softmax in the hidden layer leaves 64 numbers that sum to 1, about a sixty-fourth each. "
        "Which activation do hidden layers have?": lambda model: (
            "Softmax" not in _behind_the_hidden_units(model)
        ),
        "without an activation in the hidden layer, the two layers are one.": _has_nonlinearity,
        "the labels are whole numbers from 0 to 9, and this loss expects something else.": (
            lambda model: "sparse" in str(getattr(model.loss, "name", model.loss)).lower()
        ),
        "softmax twice: the model ends in one, and the loss expects logits.": lambda model: (
            not getattr(model.loss, "from_logits", False)
        ),
    },
    mistakes={
        "there are ten classes, so ten outputs: a softmax over a single one always gives 1.": (
            lambda: _mended(outputs=1)
        ),
        "without the softmax these are logits, which this loss does not expect.": (
            lambda: _mended(last=None)
        ),
        "a sigmoid gives ten numbers that need not sum to 1; each image has one class.": (
            lambda: _mended(last="sigmoid")
        ),
        "compile it, with the loss that belongs to these labels.": lambda: _mended(loss=None),
    },
    praise="four mistakes, and only one of them would have raised an error.",
)
def mended_network():
    return _mended()


@EXERCISES.trained(
    "01.5",
    "was the network trained for a few epochs, on all classes, and is the learning rate neither "
    "too large nor too small?",
    accuracy=0.82,
    parameters=(None, 13_000),
    must={
        "dense layers only: convolutions come in chapter 3.": lambda model: all(
            "Conv" not in type(layer).__name__ for layer in model.layers
        ),
    },
    praise="A quarter of the chapter's parameters, and nearly as accurate.",
)
def test_images():
    from course_utils import data

    return data.fashion_mnist()[1]


def _softmax(scores, offset=0, axis=-1):
    exponentials = np.exp(scores - offset)
    return exponentials / exponentials.sum(axis, keepdims=True)


def _safe_softmax(scores):
    return _softmax(scores, scores.max(axis=-1, keepdims=True))


def _of_the_right(values, labels):
    return values[np.arange(len(labels)), labels]


def _losses(logits, labels, axis=1):
    largest = logits.max(axis, keepdims=True)
    total = np.log(np.exp(logits - largest).sum(axis=1)) + largest.squeeze(axis)
    return total - _of_the_right(logits, labels)


def _loss(probabilities, labels):
    return -np.mean(np.log(_of_the_right(probabilities, labels)))


@EXERCISES.function(
    "01.6",
    "for each row the logarithm of the sum of exponentials, minus the logit of the right class; "
    "then the mean.",
    cases=[
        (rng.normal(0, 3, (6, 4)), np.array([0, 3, 1, 1, 2, 0])),
        (np.array([[1000.0, -1000.0], [0.0, 5.0]]), np.array([1, 1])),
        (np.array([[-1000.0, -1001.0, -1500.0]]), np.array([2])),
    ],
    mistakes={
        "right for small logits; large ones overflow in the exponential, and very negative ones "
        "become 0.": lambda logits, labels: _loss(_softmax(logits), labels),
        "the formula is right, but the exponential of 1000 overflows, and that of -1000 is 0. Take "
        "the largest logit of each row out first.": lambda logits, labels: np.mean(
            np.log(np.exp(logits).sum(axis=1)) - _of_the_right(logits, labels)
        ),
        "you took the largest logit out of the sum; add it back after the logarithm.": (
            lambda logits, labels: np.mean(_losses(logits, labels) - logits.max(axis=1))
        ),
        "nearly: the softmax is safe, but a hopeless class gets a probability of exactly 0, whose "
        "logarithm is infinite.": lambda logits, labels: _loss(_safe_softmax(logits), labels),
        "clipping the probability hides how wrong a hopeless answer is: its loss should be 2000, "
        "not 16.": lambda logits, labels: _loss(np.maximum(_safe_softmax(logits), 1e-7), labels),
        "nearly: you take out the largest logit of the whole batch, and the exponentials of a row "
        "far below it all become 0.": lambda *case: np.mean(_losses(*case, axis=(0, 1))),
        "this is the sum over the batch. Asked was the mean.": lambda *case: _losses(*case).sum(),
        "the sign: a loss is never below zero here.": lambda *case: -loss_from_logits(*case),
        "these are the losses of the single images. Take their mean.": _losses,
        "this is softmax twice.": lambda logits, y: loss_from_logits(_safe_softmax(logits), y),
    },
)
def loss_from_logits(logits, labels):
    return np.mean(_losses(logits, labels))
