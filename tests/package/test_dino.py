"""DINO's parts against numbers by hand, and its training on a network of a few weights."""

import keras
import numpy as np
import pytest
from cheaper import untraced
from keras import layers, ops

from course_utils.dino import (
    MultiCrop,
    Prototypes,
    SelfDistillation,
    dino_loss,
    diversity,
    teacher_targets,
    update_teacher,
    with_head,
)

LOG2, LOG3 = np.log(2), np.log(3)


# Crops -------------------------------------------------------------------------------------------


@pytest.fixture
def ramps():
    """200 images (9, 7) of two channels: the row and the column of a pixel, both from 0 to 1."""
    rows, columns = np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 7), indexing="ij")
    return np.repeat(np.stack([rows, columns], axis=-1)[None].astype("float32"), 200, axis=0)


def test_global_crops_come_first(ramps):
    crops = MultiCrop(5, global_crops=2, local_crops=3, seed=0)(ramps[:4])
    assert [tuple(crop.shape) for crop in crops] == 2 * [(4, 5, 5, 2)] + 3 * [(4, 2, 2, 2)]
    assert not np.allclose(crops[0], crops[1])
    assert all(np.min(crop) >= 0 and np.max(crop) <= 1 for crop in crops)


def test_crops_have_the_area_asked_for(ramps):
    """Where a crop begins and ends is what its corners say."""
    layer = MultiCrop(6, 1, 1, area=(0.3, 0.6), contrast=0, seed=1)
    bounds = ((0.3, 0.6), (0.05, 0.3))
    for crop, (least, largest) in zip(layer(ramps), bounds, strict=True):
        (top, left), (bottom, right) = np.asarray(crop)[:, 0, 0].T, np.asarray(crop)[:, -1, -1].T
        area = (bottom - top) * np.abs(right - left)
        assert least - 1e-5 < area.min() < area.max() < largest + 1e-5
        assert area.max() - area.min() > 0.8 * (largest - least)
        ratio = np.log((bottom - top) / np.abs(right - left))
        assert np.allclose([ratio.min(), ratio.max()], [-0.2, 0.2], atol=0.03)
        # They lie everywhere in the image.
        assert np.allclose([top.min(), bottom.max()], [0, 1], atol=0.05)
        assert 0.4 < np.mean(right < left) < 0.6  # half of them are mirrored


def test_a_crop_of_everything_is_the_image_mirrored_or_not(ramps):
    (crop,) = MultiCrop(9, 1, area=(1, 1), aspect=0, contrast=0, seed=5)(ramps[:, :, :, 1:])
    left, right = np.asarray(crop)[:, :, 0, 0], np.asarray(crop)[:, :, -1, 0]
    assert np.allclose(np.sort([left[:, 0], right[:, 0]], axis=0), [[0], [1]], atol=1e-6)
    assert 0.4 < left.mean() < 0.6


def test_a_crop_of_everything_is_the_image_in_other_tones():
    image = np.full((50, 4, 4, 3), 0.4, "float32")
    (crop,) = MultiCrop(4, 1, area=(1, 1), contrast=0.7, seed=2)(image)
    powers = np.log(np.asarray(crop)) / np.log(0.4)
    assert np.allclose(powers, powers[:, :1, :1, :1], atol=1e-4)  # one for each image
    bounds = np.log(powers).min(), np.log(powers).max()
    assert np.allclose(bounds, [-0.7, 0.7], atol=0.1)
    assert np.abs(bounds).max() < 0.701


@pytest.mark.parametrize("level", [0, 1])
def test_black_and_white_stay(level):
    (crop,) = MultiCrop(2, 1, seed=3)(np.full((5, 3, 3, 1), level, "float32"))
    assert np.allclose(crop, level)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 1}, "size must be a whole number >= 2, got 1"),
        ({"global_crops": 0}, "global_crops must be a whole number >= 1"),
        ({"local_crops": -1}, "local_crops must be a whole number >= 0"),
        ({"area": (0.5, 0.4)}, "the largest area must be a finite number from 0.5 to 1, got 0.4"),
        ({"area": (0, 1)}, "the least area must be a finite number from 0.05 to 1"),
        ({"aspect": -1}, "aspect must be a finite number >= 0"),
        ({"contrast": -1}, "contrast must be a finite number >= 0"),
    ],
)
def test_what_is_no_crop_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MultiCrop(**{"size": 4} | options)


# The head ----------------------------------------------------------------------------------------


def test_logits_are_cosines():
    layer = Prototypes(3)
    layer.build((None, 2))
    layer.prototypes.assign([[1, 0, -3], [0, 2, -4]])
    assert np.allclose(layer(np.array([[3.0, 4], [0, 5]])), [[0.6, 0.8, -1], [0, 1, -0.8]])
    assert layer.get_config()["count"] == 3


def test_the_head_shares_the_encoder():
    inputs = keras.Input((5,))
    encoder = keras.Model(inputs, layers.Dense(4)(inputs))
    model = with_head(encoder, prototypes=7, hidden=3, width=2)
    assert model.output_shape == (None, 7)
    assert model.layers[: len(encoder.layers)] == encoder.layers
    # 4 x 3; four for each of 3 in BatchNorm; 3 x 2 + 2; 2 x 7
    assert model.count_params() == encoder.count_params() + 12 + 12 + 8 + 14


# The loss ----------------------------------------------------------------------------------------


def test_targets_by_hand():
    """exp(0.2 log 2 / 0.1) is 4 against 1."""
    logits = np.array([[0.5 + 0.2 * LOG2, 0.3]], "float32")
    targets = teacher_targets(logits, np.array([0.5, 0.3], "float32"), temperature=0.1)
    assert np.allclose(targets, [[0.8, 0.2]])
    assert np.allclose(teacher_targets(logits, 0, 1e3), 0.5, atol=1e-3)


def test_the_loss_by_hand():
    """One global crop and two of the student: the cross-entropy of the other crop only."""
    targets = [np.array([[0.25, 0.75], [1, 0]], "float32")]
    same = np.array([[9.0, -9], [9, -9]], "float32")  # of the same crop, so that it does not count
    other = np.array([[0, 0.1 * LOG3], [0, 0]], "float32")  # 1/4 and 3/4; a half each
    entropy = 0.25 * np.log(4) + 0.75 * np.log(4 / 3)
    assert np.isclose(dino_loss(targets, [same, other], temperature=0.1), (entropy + LOG2) / 2)


def test_each_target_is_for_all_other_crops():
    """Two targets and three crops are four pairs: all but a crop with itself."""
    targets = [np.array([[1.0, 0]], "float32"), np.array([[0, 1.0]], "float32")]
    logits = [np.array([[0, LOG3 * power]], "float32") for power in (0, 1, 2)]
    first = [np.log(4), np.log(10)]  # what 1/4 and 1/10 cost
    second = [LOG2, np.log(10 / 9)]
    loss = dino_loss(targets, logits, temperature=1.0)
    assert np.isclose(loss, np.mean(first + second))


@pytest.mark.parametrize(("targets", "logits"), [(0, 2), (1, 1), (3, 2)])
def test_a_loss_needs_pairs(targets, logits):
    with pytest.raises(ValueError, match=f"got {targets} and {logits}"):
        dino_loss([np.ones((1, 2))] * targets, [np.ones((1, 2))] * logits)


# The teacher -------------------------------------------------------------------------------------


def tiny(seed):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((3,)), layers.BatchNormalization(), layers.Dense(2)])


def test_the_teacher_moves_by_its_momentum():
    teacher, student = tiny(0), tiny(1)
    student.layers[0].moving_mean.assign([5.0, 5, 5])
    before, other = teacher.get_weights(), student.get_weights()
    update_teacher(teacher, student, momentum=0.75)
    names = [weight.path.split("/")[-1] for weight in teacher.weights]
    for name, mine, theirs, now in zip(names, before, other, teacher.get_weights(), strict=True):
        own = name.startswith("moving")
        assert np.allclose(now, mine if own else 0.75 * mine + 0.25 * theirs), name
    assert all(map(np.array_equal, student.get_weights(), other))


# Collapse ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outputs", "entropy", "spread"),
    [
        ([[1, 0, 0], [1, 0, 0]], 0, 0),  # one prototype for all
        ([[1 / 3] * 3] * 2, LOG3, 0),  # all the same
        ([[1, 0, 0], [0, 1, 0]], 0, LOG2),  # one each
        ([[0.5, 0.5, 0], [0, 0, 1]], LOG2 / 2, LOG2),
    ],
)
def test_entropy_and_spread_by_hand(outputs, entropy, spread):
    found = diversity(ops.convert_to_tensor(outputs, "float32"))
    assert np.allclose(found, [entropy, spread], atol=1e-6)


# Training ----------------------------------------------------------------------------------------


def distillation(**options):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((4, 4, 1))
    encoder = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(inputs)))
    crops = MultiCrop(4, local_crops=0, seed=4)
    model = SelfDistillation(with_head(encoder, 5, 3, 2), crops, **options)
    model.compile(keras.optimizers.SGD(0.1))
    return model


def test_a_step_moves_student_teacher_and_centre():
    model = distillation(momentum=0.5, center_momentum=0.75)
    assert all(map(np.array_equal, model.student.get_weights(), model.teacher.get_weights()))
    before = model.student.get_weights()
    images = np.random.default_rng(0).random((6, 4, 4, 1), np.float32)
    logs = model.train_on_batch(images, return_dict=True)
    after, teacher = model.student.get_weights(), model.teacher.get_weights()
    kernel = [w.path.endswith("prototypes/prototypes") for w in model.student.weights].index(True)
    assert not np.allclose(before[kernel], after[kernel])
    assert np.allclose(teacher[kernel], (before[kernel] + after[kernel]) / 2, atol=1e-6)
    assert 0 < np.abs(model.center).max() <= 0.25  # a quarter of a mean of cosines
    assert set(logs) == {"loss", "entropy", "spread"}
    assert 0 <= logs["entropy"] + logs["spread"] <= np.log(5) + 1e-5


@untraced()
def test_what_a_step_computes():
    """Its loss and its centre, from the crops that it has seen."""
    model = distillation(center_momentum=0.75)
    images = np.random.default_rng(1).random((6, 4, 4, 1), np.float32)
    crops = [np.asarray(crop) for crop in MultiCrop(4, seed=4)(images)]
    seen = [model.teacher(crop, training=True) for crop in crops]
    targets = [teacher_targets(logits, 0, 0.05) for logits in seen]
    logs = model.train_on_batch(images, return_dict=True)
    assert np.isclose(logs["loss"], dino_loss(targets, seen, 0.1), rtol=1e-4)
    assert np.allclose(model.center, 0.25 * np.mean(seen, axis=(0, 1)), atol=1e-5)


@untraced()
def test_the_teacher_normalises_with_the_batch_at_hand():
    """A frozen BatchNormalization would not, and its averages would stay at 0."""
    model = distillation()
    model.train_on_batch(np.random.default_rng(2).random((6, 4, 4, 1), np.float32))
    (norm,) = (x for x in model.teacher.layers if isinstance(x, layers.BatchNormalization))
    assert np.abs(norm.moving_mean).min() > 0


@untraced()
def test_fit_reports_all_three():
    images = np.random.default_rng(0).random((6, 4, 4, 1), np.float32)
    history = distillation().fit(images, batch_size=6, verbose=0).history
    assert all(history[name][0] > 0 for name in ("loss", "entropy", "spread"))


@untraced()
def test_without_centring_the_centre_stays():
    model = distillation(center_momentum=1)
    model.train_on_batch(np.random.default_rng(0).random((6, 4, 4, 1), np.float32))
    assert np.array_equal(model.center, np.zeros(5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 1.5}, "momentum must be from 0 to 1, got 1.5"),
        ({"center_momentum": -1}, "center_momentum must be from 0 to 1"),
        ({"temperatures": (0.1, 0)}, "a temperature must be a finite number"),
    ],
)
def test_what_cannot_be_trained_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        distillation(**options)
