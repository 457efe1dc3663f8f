"""SimCLR's loss by hand, and a step of its training."""

import keras
import numpy as np
import pytest
from keras import layers

from course_utils.contrastive import Contrastive, nt_xent
from course_utils.dino import MultiCrop


def test_the_loss_by_hand():
    """Partners are the same, the two images at right angles: 1 against 0 and 0."""
    vectors = np.array([[1, 0], [0, 1]], "float32")
    temperature = 1 / np.log(3)
    assert np.isclose(nt_xent(vectors, vectors, temperature), np.log(3 + 1 + 1) - np.log(3))
    # What one is like decides, not how long it is.
    assert np.isclose(nt_xent(5 * vectors, 2 * vectors, temperature), np.log(5 / 3))


def test_partners_are_in_the_same_row():
    first = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], "float32")
    swapped = first[[1, 0, 2]]
    assert nt_xent(first, first, 0.1) < 0.01 < 1 < nt_xent(first, swapped, 0.1)


def test_what_is_the_same_for_all_costs_the_logarithm_of_the_others():
    same = np.ones((5, 3), "float32")
    assert np.isclose(nt_xent(same, same, 0.2), np.log(9))


@pytest.mark.parametrize("shapes", [((4, 3), (5, 3)), ((4,), (4,))])
def test_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match=r"of one shape \(N, D\), got \(4,"):
        nt_xent(*map(np.ones, shapes), 0.2)


def test_a_step_lowers_the_loss_of_its_crops():
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(3)])
    before = network.get_weights()
    model = Contrastive(network, MultiCrop(4, seed=1), temperature=0.5)
    model.compile(keras.optimizers.SGD(0.05))
    images = np.random.default_rng(0).random((7, 4, 4, 1), np.float32)
    crops = [np.asarray(crop) for crop in MultiCrop(4, seed=1)(images)]
    expected = nt_xent(*map(network, crops), 0.5)
    logs = model.train_on_batch(images, return_dict=True)
    assert np.isclose(logs["nt_xent"], expected, rtol=1e-5)
    assert not np.array_equal(network.get_weights()[0], before[0])
    assert nt_xent(*map(network, crops), 0.5) < expected


def test_fit_reports_the_loss():
    network = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(3)])
    model = Contrastive(network, MultiCrop(4, seed=1))
    model.compile(keras.optimizers.SGD(0.05))
    images = np.random.default_rng(0).random((6, 4, 4, 1), np.float32)
    history = model.fit(images, batch_size=6, verbose=0).history
    assert 0 < history["nt_xent"][0] < 10


def test_a_temperature_is_positive():
    with pytest.raises(ValueError, match="temperature must be a finite number"):
        Contrastive(None, None, temperature=0)
