"""Exercises of chapter 01, neural networks in Keras."""

import math

import numpy as np

from course_utils.exercises.judge import Exercises

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


@EXERCISES.function(
    "01.2",
    "first the steps of one epoch, rounded up, then times the epochs.",
    cases=[(8500, 64, 6), (90, 10, 2), (100, 10, 3), (10, 32, 5), (1001, 100, 1)],
    mistakes={
        "you rounded down, so the last images of each epoch are never used. Keras makes a smaller "
        "batch of them.": lambda images, size, epochs: epochs * (images // size),
        "you rounded to the nearest number, so a last batch that is less than half full gets lost. "
        "Round up.": lambda images, size, epochs: epochs * round(images / size),
        "where the images fill their batches exactly, no smaller one follows: round up instead of "
        "adding 1.": lambda images, size, epochs: epochs * (images // size + 1),
        "adding a half and rounding fails where the batches are full: `round(9.5)` is 10. Round up "
        "with `math.ceil`.": lambda images, size, epochs: epochs * round(images / size + 0.5),
        "you rounded once at the end, but each epoch ends with a small batch of its own. Round the "
        "steps of an epoch.": lambda images, size, epochs: math.ceil(epochs * images / size),
        "these are the steps of one epoch.": lambda images, size, _: math.ceil(images / size),
        "a step is whole, even if its batch is not full: round up.": lambda n, b, e: e * n / b,
        "a step takes a whole batch, not one image.": lambda images, _, epochs: epochs * images,
    },
)
def count_steps(images, batch_size, epochs):
    return epochs * math.ceil(images / batch_size)


def _softmax(scores, offset=0, axis=-1):
    exponentials = np.exp(scores - offset)
    return exponentials / exponentials.sum(axis, keepdims=True)


@EXERCISES.function(
    "01.3",
    "subtract the largest score of each row first, then exponentiate and divide by the sum of the "
    "row.",
    cases=[
        (np.array([2.0, 1.0, -1.0]),),
        (rng.normal(0, 3, (4, 6)),),
        (np.array([[1000.0, 999.0], [-1000.0, 0.0]]),),
        (np.array([-1000.0, -1001.0, -1002.0]),),
        (np.array([[1000.0, -1000.0, -900.0]]),),
    ],
    mistakes={
        "right for small scores; large ones overflow, and very negative ones become 0.": _softmax,
        "a batch must sum to 1 in each row, and yours does so over all rows together. Sum along "
        "the last axis.": lambda scores: _softmax(scores, scores.max(), axis=None),
        "you summed over the images of the batch; sum over the classes, which are the last axis of "
        "the scores.": lambda scores: _softmax(scores, scores.max(axis=0), axis=0),
        "these do not sum to 1 yet: divide the exponentials of each row by their sum, as the last "
        "step.": lambda scores: np.exp(scores - scores.max(axis=-1, keepdims=True)),
        "nearly: you subtract the largest score of the whole batch. A row that lies far below it "
        "becomes 0 / 0; take the largest of each row.": lambda x: _softmax(x, x.max()),
        "nearly: you subtract the mean of each row, and a score far above it still overflows. Take "
        "the largest.": lambda scores: _softmax(scores, scores.mean(axis=-1, keepdims=True)),
    },
    praise="this is what every library does.",
)
def safe_softmax(scores):
    return _softmax(scores, scores.max(axis=-1, keepdims=True))


def _of_the_right(values, labels):
    return values[np.arange(len(labels)), labels]


@EXERCISES.function(
    "01.4",
    "compare the class of the largest probability in each row with the label, and take the mean.",
    cases=[
        (safe_softmax(rng.normal(0, 2, (8, 5))), np.array([1, 0, 4, 2, 2, 3, 1, 0])),
        (np.array([[0.2, 0.5, 0.3]]), np.array([1])),
        (np.array([[0.6, 0.4], [0.9, 0.1]]), np.array([1, 1])),
        (np.array([[0.4, 0.3, 0.3], [0.1, 0.3, 0.6], [0.2, 0.7, 0.1]]), np.array([0, 2, 2])),
    ],
    mistakes={
        "this is how many are right. The accuracy is their share: divide by the number of images, "
        "`len(labels)`.": lambda p, labels: len(labels) * accuracy_by_hand(p, labels),
        "right, but in per cent, not from 0 to 1.": lambda *case: 100 * accuracy_by_hand(*case),
        "this is the mean probability of the right class. Accuracy only asks which class has the "
        "largest.": lambda *case: np.mean(_of_the_right(*case)),
        "with more than two classes the winner may have less than a half: take the class with the "
        "largest.": lambda *case: np.mean(_of_the_right(*case) > 0.5),
        "you took the least likely class.": lambda p, labels: accuracy_by_hand(-p, labels),
        "this is the share of mistakes.": lambda *case: 1 - accuracy_by_hand(*case),
    },
)
def accuracy_by_hand(probabilities, labels):
    return np.mean(np.argmax(probabilities, axis=1) == labels)


def _slopes(w, b, x, y):
    error = w * x + b - y
    return np.mean(2 * error * x), np.mean(2 * error)


def _w_first(w, b, x, y, rate):
    w = w - rate * _slopes(w, b, x, y)[0]
    return w, b - rate * _slopes(w, b, x, y)[1]


@EXERCISES.function(
    "01.5",
    "both slopes begin with 2 (wx + b - y); the one by w is multiplied by x. Take the mean, and go "
    "against the slope.",
    cases=[
        (0.0, 0.0, np.array([1.0, 2.0]), np.array([2.0, 4.0]), 0.1),
        (1.5, -0.5, rng.normal(0, 1, 7), rng.normal(0, 1, 7), 0.03),
        (2.0, 1.0, np.array([3.0]), np.array([7.0]), 0.5),
    ],
    mistakes={
        "you walk uphill: the slope says where the loss grows, so subtract it, multiplied by the "
        "rate.": lambda w, b, x, y, rate: step(w, b, x, y, -rate),
        "the derivative of a square has a factor of 2.": lambda *case: step(*case[:4], case[4] / 2),
        "the loss is a mean over the batch, and you took the sum: your step grows with the size of "
        "the batch.": lambda w, b, x, y, rate: step(w, b, x, y, rate * len(x)),
        "you used the new w for the slope of b. Both slopes belong to the old w and b: compute "
        "them first, then move.": _w_first,
        "b has a slope too.": lambda w, b, *others: (step(w, b, *others)[0], b),
        "you forgot the learning rate.": lambda w, b, x, y, rate: step(w, b, x, y, 1.0),
        "these are the slopes; asked were the new w and b.": lambda *case: _slopes(*case[:-1]),
        "w comes first, then b.": lambda *case: step(*case)[::-1],
    },
)
def step(w, b, x, y, rate):
    by_w, by_b = _slopes(w, b, x, y)
    return w - rate * by_w, b - rate * by_b


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
        "nearly: the softmax is safe, but a hopeless class gets a probability of exactly 0, whose "
        "logarithm is infinite.": lambda logits, labels: _loss(safe_softmax(logits), labels),
        "clipping the probability hides how wrong a hopeless answer is: its loss should be 2000, "
        "not 16.": lambda logits, labels: _loss(np.maximum(safe_softmax(logits), 1e-7), labels),
        "nearly: you take out the largest logit of the whole batch, and the exponentials of a row "
        "far below it all become 0.": lambda *case: np.mean(_losses(*case, axis=(0, 1))),
        "this is the sum over the batch. Asked was the mean.": lambda *case: _losses(*case).sum(),
        "the sign: a loss is never below zero here.": lambda *case: -loss_from_logits(*case),
        "these are the losses of the single images. Take their mean.": _losses,
        "this is softmax twice.": lambda logits, y: loss_from_logits(safe_softmax(logits), y),
    },
)
def loss_from_logits(logits, labels):
    return np.mean(_losses(logits, labels))
