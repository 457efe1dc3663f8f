"""Attacks on models of a few weights, by hand and against Foolbox."""

import io
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from PIL import Image

from course_utils.adversarial import accuracy_curve, fgsm, pgd
from course_utils.adversarial.scores import cross_entropy_exponent, logits_of, margin

WEIGHTS = np.array([[3, -1], [-2, 1], [0.5, 4], [0, 0]], np.float32)  # two classes
IMAGES = np.array([[0.5, 0.25, 0.75, 0.5], [0.125, 0.5, 0.5, 0.25]], np.float32)


def linear(last=None, scale=1):
    """z = x W: the margin z0 - z1 has the gradient (4, -3, -3.5, 0)."""
    dense = layers.Dense(2, activation=last, use_bias=False)
    model = keras.Sequential([keras.Input((4,)), dense])
    model.set_weights([scale * WEIGHTS])
    return model


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((5, 7, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(6),
        ]
    )


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    return rng.random((9, 5, 7, 3), np.float32), rng.integers(0, 6, 9)


def margins(images):
    return images @ WEIGHTS @ [1, -1]


# One step


def test_the_margin_of_a_linear_model_falls_by_epsilon_times_the_l1_norm():
    attacked = fgsm(linear(), IMAGES, [0, 0], 0.1)
    expected = IMAGES + 0.1 * np.array([-1, 1, 1, 0])
    np.testing.assert_allclose(attacked, expected, atol=1e-7)
    fallen = margins(IMAGES) - margins(attacked)
    np.testing.assert_allclose(fallen, 0.1 * (4 + 3 + 3.5), rtol=1e-5)


def test_a_target_draws_and_a_label_repels():
    toward = fgsm(linear(), IMAGES, [1, 1], 0.1, targeted=True)
    assert np.array_equal(toward, fgsm(linear(), IMAGES, [0, 0], 0.1))


def test_the_label_is_the_true_one_also_where_the_model_is_wrong():
    assert margins(IMAGES).tolist() == [-1.375, -2.75]  # the model says 1 to both
    attacked = fgsm(linear(), IMAGES, [0, 1], 0.1)
    fallen = margins(IMAGES) - margins(attacked)
    # Away from 0 for the first, although the model does not say 0; away from 1 for the second.
    np.testing.assert_allclose(fallen, [1.05, -1.05], rtol=1e-5)


def test_pixels_stay_in_their_range():
    edge = np.array([[0, 1, 1, 0.5]], np.float32)
    assert fgsm(linear(), edge, [0], 0.1).tolist() == [[0, 1, 1, 0.5]]
    assert fgsm(linear(), edge, [1], 0.25).tolist() == [[0.25, 0.75, 0.75, 0.5]]


def test_nothing_that_is_given_changes(network, batch):
    images, labels = batch[0].copy(), batch[1].copy()
    weights = [weight.copy() for weight in network.get_weights()]
    result = pgd(network, images, labels, 0.1, 2, 0.1, seed=0, restarts=2)
    assert np.array_equal(images, batch[0])
    assert np.array_equal(labels, batch[1])
    assert not np.shares_memory(result, images)
    for before, after in zip(weights, network.get_weights(), strict=True):
        assert np.array_equal(before, after)
    assert not np.shares_memory(fgsm(network, images, labels, 0), images)


def test_an_image_does_not_depend_on_its_batch(network, batch, capsys):
    images, labels = batch
    whole = pgd(network, images, labels, 0.1, 3, 0.05)
    parts = pgd(network, images, labels, 0.1, 3, 0.05, batch_size=4)
    assert np.mean(whole == parts) > 0.99  # a gradient of 1e-9 may change its sign
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "/9 " in shown.err  # three batches, three steps


# Several steps


def test_steps_are_projected_back():
    far = pgd(linear(), IMAGES, [0, 0], 0.1, 3, 0.07)
    np.testing.assert_allclose(far, IMAGES + 0.1 * np.array([-1, 1, 1, 0]), atol=1e-7)
    near = pgd(linear(), IMAGES, [0, 0], 0.1, 1, 0.07)
    np.testing.assert_allclose(near, IMAGES + 0.07 * np.array([-1, 1, 1, 0]), atol=1e-7)


def test_l2_steps_follow_the_gradient_and_have_its_length():
    direction = np.array([-4, 3, 3.5, 0]) / np.sqrt(37.25)
    one = pgd(linear(), IMAGES, [0, 0], 0.2, 1, 0.05, norm="l2")
    np.testing.assert_allclose(one, IMAGES + 0.05 * direction, atol=1e-6)
    many = pgd(linear(), IMAGES, [0, 0], 0.15, 6, 0.04, norm="l2")
    np.testing.assert_allclose(many, IMAGES + 0.15 * direction, atol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_starts_lie_within_epsilon_and_depend_on_the_seed(norm):
    images = np.full((400, 5), 0.5, np.float32)

    def zero(x):
        return ops.zeros_like(x)[:, :2] * x[:, :2]

    starts = pgd(zero, images, np.zeros(400, int), 0.3, 1, 0, norm=norm, seed=7)
    change = starts - 0.5
    lengths = np.abs(change).max(axis=1) if norm == "linf" else np.sqrt(np.sum(change**2, axis=1))
    assert lengths.max() < 0.3001
    # Uniform in the ball: a share r^5 of all lies within r of its radius.
    assert np.mean(lengths < 0.3 * 0.5 ** (1 / 5)) == pytest.approx(0.5, abs=0.08)
    assert np.abs(change.mean()) < 0.02
    assert np.array_equal(
        starts, pgd(zero, images, np.zeros(400, int), 0.3, 1, 0, norm=norm, seed=7)
    )
    assert not np.array_equal(
        starts, pgd(zero, images, np.zeros(400, int), 0.3, 1, 0, norm=norm, seed=8)
    )


@pytest.mark.parametrize("targeted", [False, True])
def test_of_several_starts_the_best_is_kept(network, batch, targeted):
    images, labels = batch
    options = {"targeted": targeted, "seed": 1}

    def reached(restarts):
        found = pgd(network, images, labels, 0.2, 1, 0.02, restarts=restarts, **options)
        return margin(network(found), labels) * (-1 if targeted else 1)

    one, five = reached(1), reached(5)
    assert np.all(five >= one)
    assert np.any(five > one + 1e-3)


# 8 bits


def png(image):
    file = io.BytesIO()
    Image.fromarray(np.rint(255 * image).astype("uint8")).save(file, "PNG")
    return np.asarray(Image.open(file)).astype(np.float32) / 255


@pytest.mark.parametrize(
    ("epsilon", "levels"), [(0.003, 0), (1 / 255, 1), (0.007, 1), (2 / 255, 2), (0.03, 7)]
)
def test_an_attack_in_8_bits_survives_a_png_and_stays_within_epsilon(network, epsilon, levels):
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (2, 5, 7, 3)).astype(np.float32) / 255
    for attacked in (
        fgsm(network, images, [1, 2], epsilon, eight_bit=True),
        pgd(network, images, [1, 2], epsilon, 5, epsilon / 3, eight_bit=True, seed=0),
    ):
        assert np.array_equal(attacked, np.stack([png(image) for image in attacked]))
        change = 255 * np.abs(attacked - images)
        assert change.max() == pytest.approx(levels, abs=1e-4)
        assert np.abs(attacked - images).max() < epsilon + 1e-6


# Logits or probabilities


def softmax_after(model):
    return {
        "layer": keras.Sequential([*model.layers, layers.Softmax()]),
        "activation": keras.Sequential([*model.layers, layers.Activation("softmax")]),
        "function": lambda x: ops.softmax(model(x)),
    }


@pytest.mark.parametrize("way", ["layer", "activation", "function", "dense"])
def test_probabilities_are_attacked_as_logits_are(way):
    model = linear("softmax") if way == "dense" else softmax_after(linear())[way]
    attacked = pgd(model, IMAGES, [0, 0], 0.1, 2, 0.1, norm="l2")
    np.testing.assert_allclose(
        attacked, pgd(linear(), IMAGES, [0, 0], 0.1, 2, 0.1, norm="l2"), atol=1e-6
    )


@pytest.mark.parametrize("way", ["layer", "activation", "dense"])
def test_a_confident_network_is_no_obstacle(way):
    """With these logits a softmax in float32 is 0 and 1, the gradient of the usual loss 0."""
    scaled = linear(scale=1000)
    model = linear("softmax", 1000) if way == "dense" else softmax_after(scaled)[way]
    np.testing.assert_allclose(model(IMAGES), [[0, 1], [0, 1]], atol=1e-30)
    x = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = -ops.log(ops.clip(ops.softmax(scaled(x))[:, 1], 1e-7, 1 - 1e-7))  # as Keras does
    assert not np.any(tape.gradient(loss, x))
    attacked = fgsm(model, IMAGES, [1, 1], 0.25)
    np.testing.assert_allclose(attacked, IMAGES + 0.25 * np.array([1, -1, -1, 0]), atol=1e-7)


def test_a_dense_layer_with_a_bias_and_one_with_another_activation(batch):
    keras.utils.set_random_seed(1)
    for activation, bias in (("softmax", True), ("relu", True)):
        model = keras.Sequential(
            [
                keras.Input((3, 2, 1)),
                layers.Flatten(),
                layers.Dense(4, activation=activation, bias_initializer="uniform", use_bias=bias),
            ]
        )
        x = batch[0][:3, :3, :2, :1]
        logits = np.array(logits_of(model, x, [0])(x))
        if activation == "softmax":
            kernel, bias = model.layers[-1].get_weights()
            np.testing.assert_allclose(logits, x.reshape(3, 6) @ kernel + bias, rtol=1e-5)
        else:
            np.testing.assert_allclose(logits, model(x), rtol=1e-5)


@pytest.mark.parametrize("last", ["model", "convolution", "einsum"])
def test_softmax_of_another_layer_or_model_is_found_by_its_values(last):
    images = keras.Input((4,))
    if last == "model":
        outputs = softmax_after(linear())["layer"](images)
    elif last == "convolution":
        layer = layers.Conv1D(2, 1, activation="softmax")
        outputs = layers.Flatten()(layer(layers.Reshape((1, 4))(images)))
        layer.set_weights([WEIGHTS[np.newaxis], np.zeros(2)])
    else:
        layer = layers.EinsumDense("ab,bc->ac", 2, activation="softmax")
        outputs = layer(images)
        layer.set_weights([WEIGHTS])
    logits = np.array(logits_of(keras.Model(images, outputs), IMAGES, [0])(IMAGES))
    np.testing.assert_allclose(logits[:, 0] - logits[:, 1], margins(IMAGES), rtol=1e-5)


def test_the_loss_is_the_exponent_of_the_cross_entropy():
    logits = np.array([[1, 2, 4], [3, -2, 0.5]], np.float32)
    labels = np.array([2, 1])
    expected = [np.log(np.exp(1) + np.exp(2)) - 4, np.log(np.exp(3) + np.exp(0.5)) + 2]
    exponent = np.array(cross_entropy_exponent(logits, labels))
    np.testing.assert_allclose(exponent, expected, rtol=1e-6)
    entropy = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    np.testing.assert_allclose(np.log1p(np.exp(exponent)), entropy, rtol=1e-5)
    assert margin(logits, labels).tolist() == [-2, 5]


# Foolbox


@pytest.fixture(scope="module")
def foolbox():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks SciPy for names that are to go
        import foolbox
    return foolbox


def targets(foolbox, batch, targeted):
    labels = tf.constant(batch[1], tf.int64)
    kind = (
        foolbox.criteria.TargetedMisclassification
        if targeted
        else foolbox.criteria.Misclassification
    )
    return kind(labels)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize(
    ("name", "norm", "steps", "epsilon"),
    [
        ("LinfBasicIterativeAttack", "linf", 1, 0.03),
        ("LinfPGD", "linf", 4, 0.1),
        ("L2BasicIterativeAttack", "l2", 1, 0.5),
        ("L2PGD", "l2", 4, 0.7),
    ],
)
def test_equal_to_foolbox(foolbox, network, batch, name, norm, steps, epsilon, targeted):
    step = 1 if steps == 1 else 0.4
    attack = getattr(foolbox.attacks, name)(steps=steps, rel_stepsize=step, random_start=False)
    images = tf.constant(batch[0])
    reference = foolbox.TensorFlowModel(network, bounds=(0, 1))
    criterion = targets(foolbox, batch, targeted)
    expected = attack(reference, images, criterion, epsilons=epsilon)[1].numpy()
    actual = pgd(network, *batch, epsilon, steps, step * epsilon, targeted, norm=norm)
    assert (
        np.mean(np.abs(actual - expected) > 1e-4) < 0.01
    )  # a gradient of 1e-9 may change its sign
    assert np.abs(actual - batch[0]).max() > 0.02


def test_one_step_is_that_of_foolbox(foolbox, network, batch):
    reference = foolbox.TensorFlowModel(network, bounds=(0, 1))
    images, labels = tf.constant(batch[0]), tf.constant(batch[1])
    attack = foolbox.attacks.LinfFastGradientAttack()
    expected = attack(reference, images, labels, epsilons=0.03)[1].numpy()
    np.testing.assert_allclose(fgsm(network, *batch, 0.03), expected, atol=1e-6)


# Curves, and what is refused


def test_a_curve_of_accuracies():
    images = np.array(
        [[0.5, 0.5, 0.5, 0.5], [0.5, 0.25, 0.25, 0.5], [0.75, 0.25, 0.25, 0]], np.float32
    )
    assert margins(images).tolist() == [-1.25, 0.375, 1.375]
    # The last two are right; the margin falls by 10.5 epsilon: below 0 from 0.036 and 0.131 on.
    curve = accuracy_curve(linear(), images, [0, 0, 0], [0, 0.03, 0.04, 0.13, 0.14])
    np.testing.assert_allclose(curve, np.array([2, 2, 1, 1, 0]) / 3)
    curve = accuracy_curve(linear(), images, [0, 0, 0], [0.04], pgd, steps=1, step_size=0.03)
    np.testing.assert_allclose(curve, [2 / 3])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epsilon": 8}, r"epsilon must be a finite number from 0 to 1, got 8"),
        ({"epsilon": -0.1}, "epsilon must be a finite number from 0 to 1, got -0.1"),
        ({"norm": "l1"}, "norm must be \"linf\" or \"l2\", got 'l1'"),
        ({"norm": "l2", "epsilon": np.inf}, "epsilon must be a finite number >= 0, got inf"),
        ({"steps": 0}, "steps must be a whole number >= 1, got 0"),
        ({"step_size": np.nan}, "step_size must be a finite number >= 0, got nan"),
        ({"restarts": 2}, "restarts must be 1 without a seed for random starts, got 2"),
        ({"restarts": 0}, "restarts must be a whole number >= 1, got 0"),
        ({"seed": -1}, "seed must be a whole number >= 0, got -1"),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1, got 0"),
        ({"labels": [0]}, r"labels of shape \(2,\), one for each image, got \(1,\)"),
        ({"labels": [0, 2]}, "labels must be from 0 to 1, got 2"),
        ({"labels": [0, -1]}, "labels >= 0, got -1"),
        ({"labels": [[1, 0], [0, 1]]}, r"labels of shape \(2,\), one for each image, got \(2, 2\)"),
        ({"images": 255 * IMAGES}, r"images must have values in \[0, 1\], got 31.9 to 191"),
        ({"images": np.ones((2, 4), "uint8")}, "must be float in .*got uint8: divide 8 bits"),
        ({"images": IMAGES[0]}, r"images must have shape \(N, ...\) with N >= 1, got \(4,\)"),
        ({"images": IMAGES[:0], "labels": []}, r"with N >= 1, got \(0, 4\)"),
        ({"eight_bit": True}, "eight_bit needs images of 256 levels.* got one 0.5 levels off"),
        ({"eight_bit": True, "norm": "l2"}, "eight_bit needs the norm \"linf\", got 'l2'"),
        ({"model": lambda x: x[:, :1]}, r"at least 2 classes, got \(1, 1\)"),
        ({"model": lambda x: x[:, 0]}, r"at least 2 classes, got \(1,\)"),
        ({"model": lambda x: ops.round(x)}, "a gradient by its input, got one without"),
    ],
)  # fmt: skip
def test_refuses_what_makes_no_sense(changed, message):
    options = {"model": linear(), "images": IMAGES, "labels": [0, 1], "epsilon": 0.1}
    options |= {"steps": 1, "step_size": 0.1, **changed}
    with pytest.raises(ValueError, match=message):
        pgd(**options)
