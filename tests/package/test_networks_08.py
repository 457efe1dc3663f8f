"""What exercises of chapter 08 ask of a network, on networks whose answers are known."""

import numpy as np
import pytest

from course_utils import data
from course_utils.exercises.networks_08 import MEANS, answers_are, psnr_of, rows_found

REACH = 3  # pixels that the filter sees on each side


def patches(images):
    """(N, 28, 28, 1) -> (N, 28, 28, 50), the 7 x 7 pixels around each, and a one."""
    side = 2 * REACH + 1
    padded = np.pad(images, ((0, 0), (REACH, REACH), (REACH, REACH), (0, 0)))
    moved = [padded[:, y : y + 28, x : x + 28] for y in range(side) for x in range(side)]
    return np.concatenate([*moved, np.ones_like(images)], axis=-1)


def test_a_denoiser_that_is_a_tenth_off_has_20_decibels():
    _, (images, _) = data.fashion_mnist()
    assert psnr_of(lambda noisy, training: images[1000:1200] + 0.1) == pytest.approx(20, abs=1e-4)


def test_a_linear_filter_stops_at_about_20_decibels():
    (clean, _), _ = data.fashion_mnist()
    clean = clean[:300]
    noisy = clean + 0.2 * np.random.default_rng(0).normal(size=clean.shape)
    columns = patches(noisy).reshape(-1, 50)
    weights = np.linalg.solve(columns.T @ columns, columns.T @ clean.reshape(-1))
    found = psnr_of(lambda images, training: np.clip(patches(images) @ weights, 0, 1)[..., None])
    assert 19.5 < found < 20.2


@pytest.mark.parametrize(
    ("multiples", "rows", "grey", "dark_and_bright"),
    [
        ([[2, 2, 0, 0], [0, 0, 2, 2]], [True, True], False, False),
        ([[0, 0, 2, 2], [2, 2, 0, 0]], [True, True], False, False),
        ([[1, 1, 1, 1], [1, 1, 1, 1]], [False, False], True, False),
        ([[2, 2, 2, 2], [0, 0, 0, 0]], [False, False], False, True),
        ([[1, 1, 1, 1], [0, 0, 2, 2]], [False, True], False, False),
    ],
)
def test_two_answers_are_told_apart(multiples, rows, grey, dark_and_bright):
    def model(means, training):
        np.testing.assert_array_equal(means, MEANS)
        return means[:, np.newaxis] * np.array(multiples)

    assert rows_found(model).tolist() == rows
    assert answers_are(model, 1, 1) == grey
    assert answers_are(model, 0, 2) == dark_and_bright
