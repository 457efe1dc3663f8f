"""What the exercises of chapter 10b see of a model, and whom they refuse."""

import keras
import numpy as np
import pytest
from keras import layers

from course_utils import pretrained
from course_utils.exercises import chapter_10b
from course_utils.exercises.judge import find
from course_utils.exercises.kinds import WRONG


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


def test_logits_are_no_probabilities(logits):
    assert not chapter_10b.gives_probabilities(logits)
    assert chapter_10b.gives_probabilities(keras.Sequential([logits, layers.Softmax()]))


@pytest.mark.parametrize(("factor", "calibrated"), [(1, True), (3, False), (0.2, False)])
def test_confidence_must_fit(logits, factor, calibrated):
    scaled = keras.Sequential([logits, layers.Rescaling(factor), layers.Softmax()])
    assert chapter_10b.is_calibrated(scaled) == calibrated


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
