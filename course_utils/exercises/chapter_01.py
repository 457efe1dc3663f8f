"""Exercises of chapter 01, neural networks in Keras."""

import math

import numpy as np

from course_utils.exercises.judge import Answer, Function

_rng = np.random.default_rng(1)


def _softmax(scores, axis=-1, keepdims=True):
    shifted = scores - np.max(scores, axis=axis, keepdims=True)
    exponentials = np.exp(shifted)
    return exponentials / exponentials.sum(axis=axis, keepdims=keepdims)


def _naive_softmax(scores):
    exponentials = np.exp(scores)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def _accuracy(probabilities, labels):
    return np.mean(np.argmax(probabilities, axis=1) == labels)


def _step(w, b, x, y, rate, factor=2, mean=np.mean):
    error = w * x + b - y
    return w - rate * mean(factor * error * x), b - rate * mean(factor * error)


def _step_one_after_the_other(w, b, x, y, rate):
    w = w - rate * np.mean(2 * (w * x + b - y) * x)
    return w, b - rate * np.mean(2 * (w * x + b - y))


def _of_the_right(values, labels):
    return values[np.arange(len(labels)), labels]


def _losses(logits, labels):
    largest = logits.max(axis=1)
    total = np.log(np.exp(logits - largest[:, np.newaxis]).sum(axis=1)) + largest
    return total - _of_the_right(logits, labels)


def _loss_by_naive_softmax(logits, labels):
    return np.mean(-np.log(_of_the_right(_naive_softmax(logits), labels)))


_PROBABILITIES = _softmax(_rng.normal(0, 2, (8, 5)))
_LABELS = np.array([1, 0, 4, 2, 2, 3, 1, 0])

EXERCISES = {
    "01.1": Answer(
        expected=32 * 32 * 3 * 100 + 100 + 100 * 10 + 10,
        hint="each layer has inputs times units weights, and as many biases as units.",
        misconceptions=[
            (32 * 32 * 3 * 100 + 100 * 10, "you forgot the biases."),
            (32 * 32 * 100 + 100 + 100 * 10 + 10, "a colour photo has three channels."),
            (32 * 32 * 3 * 100 + 100, "this is the first layer only."),
            (
                32 * 32 * 3 * 100 + 100 + 32 * 32 * 3 * 10 + 10,
                "the second layer gets the 100 units of the first, not the pixels.",
            ),
        ],
        praise="nearly all of them in the first layer, and the photo is tiny.",
    ),
    "01.2": Function(
        reference=lambda images, batch_size, epochs: epochs * math.ceil(images / batch_size),
        cases=[(8500, 64, 6), (100, 10, 3), (10, 32, 5), (1001, 100, 1)],
        hint="first the steps of one epoch, rounded up, then times the epochs.",
        misconceptions=[
            (
                lambda images, batch_size, epochs: epochs * (images // batch_size),
                "you rounded down, so the last images of each epoch are never used. Keras makes a "
                "smaller batch of them.",
            ),
            (
                lambda images, batch_size, epochs: math.ceil(epochs * images / batch_size),
                "you rounded once at the end. Each epoch ends with a small batch of its own.",
            ),
            (
                lambda images, batch_size, epochs: math.ceil(images / batch_size),
                "these are the steps of one epoch.",
            ),
            (
                lambda images, batch_size, epochs: epochs * images / batch_size,
                "a step is whole, even if its batch is not full: round up.",
            ),
            (
                lambda images, batch_size, epochs: epochs * images,
                "a step takes a whole batch of images, not one.",
            ),
        ],
    ),
    "01.3": Function(
        reference=_softmax,
        cases=[
            (np.array([2.0, 1.0, -1.0]),),
            (_rng.normal(0, 3, (4, 6)),),
            (np.array([[1000.0, 999.0], [-1000.0, 0.0]]),),
            (np.array([-1000.0, -1001.0, -1002.0]),),
        ],
        hint="subtract the largest score of each row first, then exponentiate and divide by the "
        "sum of the row.",
        misconceptions=[
            (
                _naive_softmax,
                "right for small scores, but large ones overflow, and very negative ones all "
                "become zero.",
            ),
            (
                lambda scores: _softmax(scores, axis=None),
                "a batch must sum to 1 in each row, and yours does so over all rows together.",
            ),
            (
                lambda scores: _softmax(scores, axis=0),
                "you summed over the images of the batch; sum over the classes, the last axis.",
            ),
            (
                lambda scores: np.exp(scores - np.max(scores, axis=-1, keepdims=True)),
                "these do not sum to 1 yet: divide by their sum.",
            ),
            (
                lambda scores: (
                    np.exp(scores - np.max(scores))
                    / np.exp(scores - np.max(scores)).sum(axis=-1, keepdims=True)
                ),
                "nearly: you subtract the largest score of the whole batch. A row that lies far "
                "below it becomes zero divided by zero; take the largest of each row.",
            ),
        ],
        praise="this is what every library does.",
    ),
    "01.4": Function(
        reference=_accuracy,
        cases=[
            (_PROBABILITIES, _LABELS),
            (np.array([[0.2, 0.5, 0.3]]), np.array([1])),
            (np.array([[0.6, 0.4], [0.9, 0.1]]), np.array([1, 1])),
        ],
        hint="compare the class of the largest probability in each row with the label, and take "
        "the mean.",
        misconceptions=[
            (
                lambda probabilities, labels: np.sum(np.argmax(probabilities, axis=1) == labels),
                "this is how many are right. The accuracy is their share: divide by the number of "
                "images.",
            ),
            (
                lambda probabilities, labels: 100 * _accuracy(probabilities, labels),
                "right, in per cent. Asked was a number from 0 to 1.",
            ),
            (
                lambda probabilities, labels: np.mean(_of_the_right(probabilities, labels)),
                "this is the mean probability of the right class. Accuracy only asks who wins.",
            ),
            (
                lambda probabilities, labels: np.mean(_of_the_right(probabilities, labels) > 0.5),
                "with more than two classes the winner may have less than a half.",
            ),
            (
                lambda probabilities, labels: 1 - _accuracy(probabilities, labels),
                "this is the share of mistakes.",
            ),
        ],
    ),
    "01.5": Function(
        reference=_step,
        cases=[
            (0.0, 0.0, np.array([1.0, 2.0]), np.array([2.0, 4.0]), 0.1),
            (1.5, -0.5, _rng.normal(0, 1, 7), _rng.normal(0, 1, 7), 0.03),
            (2.0, 1.0, np.array([3.0]), np.array([7.0]), 0.5),
        ],
        hint="both slopes begin with 2 (wx + b - y); the one by w is multiplied by x. Take the "
        "mean, and go against the slope.",
        misconceptions=[
            (
                lambda w, b, x, y, rate: _step(w, b, x, y, -rate),
                "you walk uphill: the slope says where the loss grows, so subtract.",
            ),
            (
                lambda w, b, x, y, rate: _step(w, b, x, y, rate, factor=1),
                "the derivative of a square has a factor of 2.",
            ),
            (
                lambda w, b, x, y, rate: _step(w, b, x, y, rate, mean=np.sum),
                "the loss is a mean over the batch, and you took the sum: your step grows with the "
                "batch.",
            ),
            (
                _step_one_after_the_other,
                "you used the new w for the slope of b. Both slopes belong to the old place: "
                "compute them first, then move.",
            ),
            (
                lambda w, b, x, y, rate: (_step(w, b, x, y, rate)[0], b),
                "b has a slope too.",
            ),
            (
                lambda w, b, x, y, rate: _step(w, b, x, y, 1.0),
                "you forgot the learning rate.",
            ),
        ],
    ),
    "01.6": Function(
        reference=lambda logits, labels: np.mean(_losses(logits, labels)),
        cases=[
            (_rng.normal(0, 3, (6, 4)), np.array([0, 3, 1, 1, 2, 0])),
            (np.array([[1000.0, -1000.0], [0.0, 5.0]]), np.array([1, 1])),
            (np.array([[-1000.0, -1001.0, -1002.0]]), np.array([0])),
        ],
        hint="for each row the logarithm of the sum of exponentials, minus the logit of the right "
        "class; then the mean.",
        misconceptions=[
            (
                _loss_by_naive_softmax,
                "right for small logits; large ones overflow in the exponential.",
            ),
            (
                lambda logits, labels: np.mean(-np.log(_of_the_right(_softmax(logits), labels))),
                "nearly: the softmax is safe, but a hopeless class gets a probability of exactly "
                "0, and the logarithm of 0 is infinite. Do without the softmax.",
            ),
            (
                lambda logits, labels: np.mean(
                    -np.log(np.maximum(_of_the_right(_softmax(logits), labels), 1e-7))
                ),
                "clipping the probability hides how wrong a hopeless answer is: its loss should "
                "be 2000, not 16.",
            ),
            (
                lambda logits, labels: np.sum(_losses(logits, labels)),
                "this is the sum over the batch. Asked was the mean.",
            ),
            (
                lambda logits, labels: -np.mean(_losses(logits, labels)),
                "the sign: a loss is never below zero here.",
            ),
            (_losses, "these are the losses of the single images. Take their mean."),
            (
                lambda logits, labels: np.mean(_losses(_softmax(logits), labels)),
                "this is softmax twice. You have met it above.",
            ),
        ],
    ),
}
