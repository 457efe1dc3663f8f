"""What the exercises of chapter 10b see of a model, and whom they refuse."""

import dataclasses
import re

import keras
import numpy as np
import pytest
from keras import layers

from course_utils import pretrained
from course_utils.exercises import chapter_10b
from course_utils.exercises.judge import find
from course_utils.exercises.kinds import CORRECT, WRONG


@pytest.fixture(scope="module")
def logits():
    network = pretrained.fashion_cnn()
    return keras.Model(network.inputs[0], network.get_layer("logits").output)


def test_calibration_error_by_hand():
    """Two answers of .9, one of them right; one of .6, right: (|1 - 1.8| + |1 - .6|) / 3."""
    probabilities = np.array([[0.9, 0.1, 0], [0.1, 0.9, 0], [0.4, 0, 0.6]])
    assert chapter_10b.calibration_error(probabilities, np.array([0, 0, 2])) == pytest.approx(0.4)


def test_gaps_of_one_bin_cancel_and_those_of_two_do_not():
    """.61 and .65 share the bin from .6 to .667; .68 is in the next."""
    close = np.array([[0.61, 0.39], [0.65, 0.35]])
    apart = np.array([[0.61, 0.39], [0.68, 0.32]])
    labels = np.array([0, 1])
    assert chapter_10b.calibration_error(close, labels) == pytest.approx(0.13)
    assert chapter_10b.calibration_error(apart, labels) == pytest.approx((0.39 + 0.68) / 2)


def test_a_certain_answer_is_in_the_last_bin():
    assert chapter_10b.calibration_error(np.eye(3), np.array([0, 1, 1])) == pytest.approx(1 / 3)


def judged(logits, *more):
    """The verdict of 10b.5 on a network with more layers, whatever its size."""
    exercise = dataclasses.replace(find("10b.5"), parameters=(None, None))
    return exercise.judge(keras.Sequential([keras.Input((28, 28, 1)), logits, *more]))


def test_logits_are_no_probabilities(logits):
    verdict = judged(logits)
    assert verdict.status == WRONG
    assert "but its rows are no probabilities" in verdict.message
    assert judged(logits, layers.Softmax()).status == CORRECT


@pytest.mark.parametrize("factor", [3, 0.2])
def test_confidence_must_fit(logits, factor):
    message = judged(logits, layers.Rescaling(factor), layers.Softmax()).message
    assert "but its calibration error is above .04" in message


@pytest.mark.parametrize(
    ("shape", "classes", "message"),
    [
        ((28, 28, 3), 10, "called on images of shape"),
        ((28, 28, 1), 8, r"its output should have shape \(10,\), yours is \(8,\)."),
        ((28, 28, 1), 10, "Was it trained, "),
    ],
)
def test_form_and_accuracy_come_before_calibration(shape, classes, message):
    flat = [keras.Input(shape), layers.Flatten()]
    model = keras.Sequential([*flat, layers.Dense(classes, "softmax", kernel_initializer="zeros")])
    verdict = find("10b.5").judge(model)
    assert verdict.status == WRONG
    assert re.search(message, verdict.message)


def test_a_larger_network_is_refused():
    verdict = find("10b.5").judge(pretrained.fashion_cnn())
    assert verdict.status == WRONG
    assert "at most 150,000" in verdict.message


def test_a_network_that_sees_the_place_alone_is_refused():
    """More red than green is sand, and sand is a coat to it."""
    model = keras.Sequential(
        [keras.Input((28, 28, 3)), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    )
    kernel = np.array([[0, 1], [0, -1], [0, 0]], "float32")
    model.layers[-1].set_weights([kernel, np.zeros(2, "float32")])
    verdict = find("10b.3").judge(model)
    assert verdict.status == WRONG
    images, labels = chapter_10b.garments_anywhere()
    said = model.predict(images, verbose=0).argmax(axis=1)
    assert abs(np.mean(said == labels) - 0.5) < 0.02


def test_the_two_falls_by_hand():
    """Object .2 and .6, background .1 and .3; the confidence is the largest pixel."""
    images = np.array([0.2, 0.6, 0.1, 0.3]).reshape(1, 1, 4, 1)
    masks = np.array([1.0, 1, 0, 0]).reshape(1, 1, 4, 1)
    falls = chapter_10b.depends_on(lambda x: x.max(axis=(1, 2, 3)), images, masks)
    assert falls == pytest.approx((0.2, 0))  # .6 -> .4, and .6 -> .6
