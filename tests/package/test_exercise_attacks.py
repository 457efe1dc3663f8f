"""What the exercises of chapter 10 that ask for a model accept and refuse."""

import keras
import numpy as np
import pytest
from exercise_cells import answer_of, sources
from keras import ops

from course_utils import pretrained
from course_utils.exercises import robust_10
from course_utils.exercises.judge import find
from course_utils.exercises.kinds import CORRECT, WRONG


def before_garments(change, scale=1, probabilities=True):
    """The network of 10.4 behind a change of the pixels, its logits multiplied."""
    network = pretrained.fashion_cnn()
    images = keras.Input((28, 28, 1))
    logits = keras.Model(network.inputs[0], network.get_layer("logits").output)
    outputs = keras.layers.Rescaling(scale)(logits(change(images)))
    return keras.Model(images, keras.layers.Softmax()(outputs) if probabilities else outputs)


def rounded(images):
    return ops.round(4 * images) / 4


def pretending(images):
    return images + ops.stop_gradient(rounded(images) - images)


def test_a_stand_in_may_give_logits():
    verdict = find("10.4").judge(before_garments(pretending, probabilities=False))
    assert verdict.status == CORRECT


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (lambda images: images, "gives other answers than the defended network"),
        (lambda images: ops.round(5 * images) / 5, "gives other answers"),
        (rounded, "finds no gradient, or one that is zero"),
        (lambda images: ops.stop_gradient(rounded(images)), "finds no gradient"),
        (lambda images: images * 0 + ops.stop_gradient(rounded(images)), "or one that is zero"),
        (lambda images: ops.stop_gradient(rounded(images) + images) - images, "at least half"),
    ],
)
def test_a_stand_in_that_does_not_break_the_defence_is_refused(change, hint):
    verdict = find("10.4").judge(before_garments(change))
    assert verdict.status == WRONG
    assert hint in verdict.message


def hidden(model):
    """A model whose gradient is lost in the softmax, which no longer is the last layer.

    What a softmax makes of such logits is 1 on some processors and a little less on others.
    """
    clipped = keras.layers.ReLU(max_value=1 - 1e-6)
    return keras.Sequential([model, keras.layers.Rescaling(1000), keras.layers.Softmax(), clipped])


def test_a_gradient_that_is_only_hidden_is_no_robustness():
    network = answer_of(sources("solution")["10.6"])
    verdict = find("10.6").judge(hidden(network))
    assert verdict.status == WRONG
    assert "it hides its gradient" in verdict.message
    assert robust_10.withstands_ten_steps(hidden(network))
    assert not robust_10.shows_its_gradient(hidden(network))
    assert robust_10.is_no_easier_for_others(network)


def test_a_network_that_collapsed_is_refused():
    constant = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten()])
    constant.add(keras.layers.Dense(10, kernel_initializer="zeros"))
    verdict = find("10.6").judge(constant)
    assert verdict.status == WRONG
    assert "the same to every image" in verdict.message


def test_what_an_attack_leaves_is_found_again_when_the_weights_have_changed():
    network = before_garments(lambda images: images)
    left = robust_10._left(network)
    network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    assert robust_10._left(network) != left


def test_a_network_that_saw_no_attack_is_refused():
    network = before_garments(lambda images: images)
    assert not robust_10.withstands_ten_steps(network)
    assert robust_10.shows_its_gradient(network)
    assert not robust_10.is_no_easier_for_others(hidden(network))
    verdict = find("10.6").judge(network)
    assert verdict.status == WRONG
    assert "30,000 parameters" in verdict.message
