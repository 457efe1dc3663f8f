"""Exercises of chapter 08, life after classification."""

import numpy as np

from course_utils import data
from course_utils.exercises.judge import Exercises
from course_utils.exercises.networks_08 import (
    a_denoiser,
    a_pair,
    a_unet,
    answers_are,
    psnr_of,
    rows_found,
)

EXERCISES = Exercises()
rng = np.random.default_rng(8)

RIGHT, IOU, DICE = 96 / 100, 4 / 8, 8 / 12

EXERCISES.answer(
    "08.1",
    (RIGHT, IOU, DICE),
    "half of the tumour is 4 pixels, and only they are marked.",
    mistakes={
        "the network marks nothing wrongly, but it misses 4 pixels, and those are wrong.": (
            (1.0, IOU, DICE)
        ),
        "the accuracy counts all pixels, the background's as well.": (4 / 8, IOU, DICE),
        "what is in both masks stands in both of them: the union counts it once.": (
            (RIGHT, 4 / 12, DICE)
        ),
        "Dice counts the pixels in both masks twice, above as below.": (RIGHT, IOU, 4 / 12),
        "IoU and Dice are the other way round.": (RIGHT, DICE, IOU),
    },
    tolerance=0.004,  # two decimals are enough
    praise="nearly every pixel is right, and half of the tumour is missed.",
)


def _label_maps(height, width, num_classes):
    """Two random maps of classes, equal in most pixels."""
    truth = rng.integers(0, num_classes, (height, width))
    other = rng.integers(0, num_classes, (height, width))
    return truth, np.where(rng.random((height, width)) < 0.6, truth, other)


def _class_values(truth, found, num_classes, value):
    """A number for each class, from its intersection, its union and both areas; may be NaN."""
    masks = [(truth == label, found == label) for label in range(num_classes)]
    return np.array([value(np.sum(a & b), np.sum(a | b), np.sum(a), np.sum(b)) for a, b in masks])


def _absent_as(number):
    """The mean of the IoU, with a number in place of what absent classes have."""
    return lambda truth, found, num_classes: np.mean(
        np.nan_to_num(
            _class_values(truth, found, num_classes, lambda i, u, a, b: i / u), nan=number
        )
    )


@EXERCISES.function(
    "08.2",
    "for each class the intersection over the union of its two masks, then the mean.",
    cases=[
        (*_label_maps(7, 9, 3), 3),
        (np.array([[0, 0, 2], [0, 2, 2]]), np.array([[0, 2, 2], [0, 2, 4]]), 6),
        (np.array([[1, 1], [1, 1]]), np.array([[1, 1], [1, 1]]), 3),
        (np.array([[0, 1, 1, 3]]), np.array([[1, 1, 1, 0]]), 4),
    ],
    mistakes={
        "a class that is in neither map counts as 0 here; it should not count.": _absent_as(0.0),
        "a class that is in neither map counts as perfect here; it should not count.": (
            _absent_as(1.0)
        ),
        "a class in neither map gives 0 / 0, and that makes the whole mean NaN.": _absent_as(
            np.nan
        ),
        "a class that was found where there is none counts too, as 0.": lambda t, f, n: np.nanmean(
            _class_values(t, f, n, lambda i, u, a, b: i / u if a else np.nan)
        ),
        "a class that was missed altogether counts too, as 0.": lambda t, f, n: np.nanmean(
            _class_values(t, f, n, lambda i, u, a, b: i / u if b else np.nan)
        ),
        "this is the share of right pixels.": lambda t, f, n: np.mean(t == f),
        "this is Dice: the union counts what is in both masks once.": lambda t, f, n: np.nanmean(
            _class_values(t, f, n, lambda i, u, a, b: 2 * i / (a + b))
        ),
        "this divides the sum of all intersections by the sum of all unions, so that large classes "
        "decide. Divide for each class.": lambda t, f, n: (
            _class_values(t, f, n, lambda i, u, a, b: i).sum()
            / _class_values(t, f, n, lambda i, u, a, b: u).sum()
        ),
        "this divides by the truth alone, which forgives every false alarm.": (
            lambda t, f, n: np.nanmean(
                _class_values(t, f, n, lambda i, u, a, b: i / a if a else (np.nan if not b else 0))
            )
        ),
    },
)
def mean_iou(truth, found, num_classes):
    return np.nanmean(_class_values(truth, found, num_classes, lambda i, u, a, b: i / u))


def _neighbours(heatmap, border=-np.inf, steps=None):
    """(8, H, W), the neighbours of each pixel, or those at the steps down and right alone."""
    height, width = heatmap.shape
    padded = np.pad(heatmap, 1, constant_values=border)
    all_steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    return np.stack(
        [padded[1 + y : 1 + y + height, 1 + x : 1 + x + width] for y, x in steps or all_steps]
    )


def _peaks(heatmap, threshold, **options):
    higher = np.all(heatmap > _neighbours(heatmap, **options), axis=0)
    return np.argwhere(higher & (heatmap >= threshold))[:, ::-1]


def _without_border(heatmap, threshold):
    found = _peaks(heatmap, threshold)
    inside = np.all((found > 0) & (found < np.array(heatmap.shape[::-1]) - 1), axis=1)
    return found[inside]


@EXERCISES.function(
    "08.3",
    "larger than all neighbours, and at least the threshold.",
    cases=[
        (rng.normal(size=(9, 13)), 0.0),
        (np.array([[0.5, 0.2, 0.1], [0.2, 0.1, 0.6], [0.9, 0.3, 0.5]]), 0.5),
        (np.array([[-1.0, -3.0, -3.0, -0.5], [-3.0, -2.0, -2.5, -3.0]]), -1.0),
        (np.array([[0.7, 0.7, 0.1], [0.1, 0.1, 0.8]]), 0.3),
        (np.array([[0.1, 0.4], [0.2, 0.3]]), 0.6),
    ],
    mistakes={
        "np.argwhere gives rows first; x is the column.": lambda h, t: _peaks(h, t)[:, ::-1],
        "these are all pixels above the threshold, of which many belong to one object.": (
            lambda h, t: np.argwhere(h >= t)[:, ::-1]
        ),
        "this is the highest pixel only.": lambda h, t: np.array(
            [np.unravel_index(h.argmax(), h.shape)[::-1]]
        ),
        "the threshold is missing: noise has peaks, too.": lambda h, t: _peaks(h, -np.inf),
        "a value equal to the threshold is enough.": lambda h, t: _peaks(
            h, np.nextafter(t, np.inf)
        ),
        "neighbours over the corner count, too: there are eight.": lambda h, t: _peaks(
            h, t, steps=[(-1, 0), (1, 0), (0, -1), (0, 1)]
        ),
        "beyond the border there are zeros here, which are higher than negative values. Logits are "
        "negative.": lambda h, t: _peaks(h, t, border=0),
        "objects at the border have peaks there as well.": _without_border,
        "two equal neighbours are no peak: larger, not as large.": lambda h, t: np.argwhere(
            np.all(h >= _neighbours(h), axis=0) & (h >= t)
        )[:, ::-1],
    },
)
def find_peaks(heatmap, threshold):
    return _peaks(heatmap, threshold)


@EXERCISES.network(
    "08.4",
    "follow the sizes: 64, 32, 16, 32, 64.",
    input_shape=(64, 64, 3),
    output_shape=(64, 64, 5),
    parameters=57_045,
    layers={"Conv2D": 6, "MaxPooling2D": 2, "Conv2DTranspose": 2, "Concatenate": 2},
    outputs="probabilities",
    mistakes={
        "without the concatenations the decoder does not know where the edges are.": (
            lambda: a_unet(skips=False)
        ),
        "the skip connections start before the pooling and end after the Conv2DTranspose; yours "
        "connect the small maps.": lambda: a_unet(pooled=True),
        "adding works nearly as well, as the chapter measured, but the U-Net that is asked for "
        "concatenates, and its convolutions get twice the channels.": (lambda: a_unet(added=True)),
        "each pixel needs probabilities: the last layer lacks its softmax.": (
            lambda: a_unet(last=None)
        ),
        "five classes that exclude each other: a sigmoid gives each a probability of its own.": (
            lambda: a_unet(last="sigmoid")
        ),
    },
    praise="what from below, where from the side.",
)
def segmenter():
    return a_unet()


@EXERCISES.network(
    "08.5",
    "an image goes in and one of the same shape comes out.",
    input_shape=(28, 28, 1),
    output_shape=(28, 28, 1),
    parameters=(None, 50_000),
    must={
        "what it returns is no nearer to the clean garments than what it gets. Was it trained, and "
        "from noisy to clean garments in [0, 1]?": lambda model: psnr_of(model) >= 15,
        "its PSNR is below 19.5 dB, about what a Gaussian blur reaches. Can its last layer return "
        "every value from 0 to 1, and does it see more than a pixel's nearest neighbours?": (
            lambda model: psnr_of(model) >= 19.5
        ),
        "its PSNR is below 20.5 dB. Are there activations between its layers? Without them it is "
        "one linear filter. If there are, train longer or on more garments.": (
            lambda model: psnr_of(model) >= 20.5
        ),
    },
    mistakes={
        "without padding each convolution takes two pixels off the image.": (
            lambda: a_denoiser(padding="valid")
        ),
        "a dense layer at the end returns a vector; an image has rows and columns.": (
            lambda: a_denoiser(flat=True)
        ),
    },
    praise="a linear filter, fitted to the same garments, stops at about 20 dB.",
)
def denoiser():
    """A right one, which takes a few seconds to train."""
    import keras
    from keras import layers

    (clean, _), _ = data.fashion_mnist()
    clean = clean[:2000]
    noisy = clean + 0.2 * np.random.default_rng(0).normal(size=clean.shape)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(24, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2DTranspose(24, 4, strides=2, padding="same", activation="relu"),
            layers.Conv2D(1, 3, padding="same"),
        ]
    )
    model.compile(keras.optimizers.Adam(3e-3), "mse")
    model.fit(noisy, clean, epochs=4, batch_size=32, verbose=0)
    return model


@EXERCISES.network(
    "08.6",
    "two answers of four pixels for one mean.",
    input_shape=(1,),
    output_shape=(2, 4),
    parameters=(None, 10_000),
    must={
        "both answers are grey, the average of the two rows. That is what the squared error asks "
        "for when each answer pays for each row; let only the nearer answer pay.": (
            lambda model: not answers_are(model, 1, 1)
        ),
        "one answer is all dark and the other all bright: the smaller error was taken for each "
        "pixel. Take the mean over the row first.": lambda model: not answers_are(model, 0, 2),
        "one of the two rows is found and the other is not. Did both occur in your training rows, "
        "and is the smaller of the two errors taken for each row of a batch?": (
            lambda model: sum(rows_found(model)) != 1
        ),
        "each of the two rows must lie within 0.1 of one of the answers, in each pixel. Was it "
        "trained on means from 0.1 to 0.5, and for long enough? Is the smaller error taken for "
        "each row, not for a whole batch?": lambda model: all(rows_found(model)),
    },
    mistakes={
        "one answer can only be one of the two rows, or their average.": (
            lambda: a_pair(second=(), shape=(4,))
        ),
        "Dense returns one vector; a Reshape after it makes two answers of it.": (
            lambda: a_pair(shape=(8,))
        ),
    },
    praise="two sharp answers in place of one grey one.",
)
def two_answers():
    return a_pair()
