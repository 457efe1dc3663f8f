"""Exercises that ask for a Keras model: of a given structure, and trained."""

import dataclasses
import re

import keras
import numpy as np
import pytest
from cheaper import untraced
from keras import layers
from strange_answers import STRANGE

from course_utils.exercises import judge, models, trained
from course_utils.exercises.judge import Exercises
from course_utils.exercises.kinds import CORRECT, UNANSWERED, WRONG
from course_utils.exercises.networks import Network
from course_utils.exercises.trained import Encoder, Trained

# A network ---------------------------------------------------------------------------------------


def small_network(
    filters=4,
    classes=3,
    channels_first=False,
    activation="softmax",
    pool=True,
    bias=True,
    compiled=True,
):
    """Convolution, pooling, classifier: 40 + (5 * 5 * 4) * 3 + 3 = 343 parameters."""
    shape = (1, 12, 12) if channels_first else (12, 12, 1)
    model = keras.Sequential([keras.Input(shape)])
    model.add(layers.Conv2D(filters, (1, 3) if channels_first else 3, use_bias=bias))
    if pool:
        model.add(layers.MaxPooling2D((1, 2) if channels_first else 2))
    model.add(layers.Flatten())
    model.add(layers.Dense(classes, activation=activation))
    if compiled:
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@untraced()
def functional_network():
    inputs = keras.Input((12, 12, 1), name="image")
    x = layers.Conv2D(4, 3)(inputs)
    x = layers.MaxPooling2D()(layers.ReLU()(x))
    model = keras.Model(inputs, layers.Softmax()(layers.Dense(3)(layers.Flatten()(x))))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@untraced()
def nested_network():
    body = keras.Sequential([keras.Input((12, 12, 1)), layers.Conv2D(4, 3), layers.MaxPooling2D()])
    head = keras.Sequential([keras.Input((5, 5, 4)), layers.Flatten(), layers.Dense(3, "softmax")])
    model = keras.Sequential([keras.Input((12, 12, 1)), body, head])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


class OwnNetwork(keras.Model):
    """With what a judge could change: moving averages, a dropout that is always on, metrics."""

    def __init__(self, classes=3):
        super().__init__()
        self.convolution = layers.Conv2D(4, 3)
        self.norm = layers.BatchNormalization(center=False, scale=False)
        self.pool = layers.MaxPooling2D()
        self.dropout = layers.Dropout(0.5, seed=0)
        self.flatten = layers.Flatten()
        self.classify = layers.Dense(classes, activation="softmax")

    def call(self, images):
        x = self.norm(self.convolution(images), training=True)
        x = self.dropout(self.pool(x), training=True)
        return self.classify(self.flatten(x))


@untraced()
def own_network(classes=3):
    model = OwnNetwork(classes)
    model(np.zeros((1, 12, 12, 1)))
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Broken(keras.Model):
    def call(self, images):
        if images.shape[0] == 1:
            return images
        raise RuntimeError("out\nof \x1b[1mluck\x1b[0m")


def broken_network():
    model = Broken()
    model(np.zeros((1, 12, 12, 1)))
    return model


@untraced()
def outputs_of(activation, units=3):
    inputs = keras.Input((12, 12, 1))
    x = layers.Dense(units, activation=activation)(layers.Flatten()(inputs))
    return keras.Model(inputs, x)


SMALL = Network(
    small_network,
    "count the weights of each layer.",
    input_shape=(12, 12, 1),
    output_shape=(3,),
    parameters=(None, 351),  # the moving averages of four channels are eight numbers
    layers=("Conv2D", "MaxPooling2D", "Dense"),
    outputs="probabilities",
    compiled=True,
    must={
        "the first layer should have a bias.": lambda model: next(models.all_layers(model)).use_bias
    },
    mistakes={
        "channels come last.": lambda: small_network(channels_first=True),
        "the pooling is missing.": lambda: small_network(pool=False),
        "the softmax is missing.": lambda: small_network(activation=None),
    },
    praise="small and good.",
)


def like_small(**fields):
    asked = {"input_shape": (12, 12, 1), "output_shape": (3,)} | fields
    return Network(small_network, "look again.", **asked)


@pytest.mark.parametrize("build", [small_network, functional_network, own_network, nested_network])
def test_right_networks(build):
    verdict = SMALL.judge(build())
    assert (verdict.status, verdict.message) == (CORRECT, "small and good.")


@pytest.mark.parametrize(
    ("exercise", "build", "message"),
    [
        (SMALL, lambda: small_network(channels_first=True), "channels come last."),
        (SMALL, lambda: small_network(pool=False), "the pooling is missing."),
        (SMALL, lambda: small_network(activation=None), "the softmax is missing."),
        (
            SMALL,
            lambda: small_network(classes=4),
            "its output should have shape (3,), yours has (4,); count the weights of each layer.",
        ),
        (
            SMALL,
            lambda: small_network(filters=5),
            "it should have at most 351 parameters, yours has 428; count the weights",
        ),
        (SMALL, lambda: small_network(compiled=False), "it should be compiled; "),
        (
            SMALL,
            lambda: small_network(activation="sigmoid"),
            "should give probabilities, yours gives numbers from 0 to 1 that do not add up to 1; ",
        ),
        (SMALL, lambda: small_network(bias=False), "the first layer should have a bias."),
        (
            like_small(must={"a bias.": lambda model: model.layers[1].use_bias}),
            small_network,
            "a bias.",
        ),
        (
            like_small(input_shape=(12, 12, 3)),
            small_network,
            "its input should have shape (12, 12, 3), yours has (12, 12, 1); ",
        ),
        (like_small(input_shape=(12, 12)), small_network, "its input should have shape (12, 12), "),
        (like_small(input_shape=(None, None, 1)), small_network, "shape (None, None, 1), "),
        (
            like_small(parameters=344),
            small_network,
            "it should have 344 parameters, yours has 343; look",
        ),
        (
            like_small(parameters=342),
            small_network,
            "it should have 342 parameters, yours has 343; look",
        ),
        (like_small(parameters=(1000, None)), small_network, "have at least 1,000 parameters, "),
        (
            like_small(layers=["Dense", "Conv2D"]),
            small_network,
            "its layers should be Dense, Conv2D in this order; "
            "yours: Conv2D, MaxPooling2D, Flatten, Dense; look again.",
        ),
        (
            like_small(layers=["Conv2D"] * 2),
            small_network,
            "should be Conv2D, Conv2D in this order;",
        ),
        (
            like_small(layers={"Conv2D": 2}),
            small_network,
            "its layers should be 2 Conv2D; yours: ",
        ),
        (
            like_small(layers={"Conv2D": 0}),
            nested_network,
            "its layers should be 0 Conv2D; yours: ",
        ),
        (
            like_small(outputs="logits"),
            small_network,
            "should give logits, yours gives probabilities; ",
        ),
        (like_small(compiled=False), small_network, "it should not be compiled; look again."),
    ],
)
def test_wrong_networks_get_the_hint_that_fits(exercise, build, message):
    verdict = exercise.judge(build())
    assert verdict.status == WRONG
    assert message in verdict.message


@pytest.mark.parametrize(
    ("activation", "units", "kind"),
    [
        ("softmax", 3, "probabilities"),
        ("sigmoid", 1, "probabilities"),
        (None, 3, "logits"),
        (None, 1, "logits"),
        ("relu", 3, "logits"),
    ],
)
def test_what_a_network_gives(activation, units, kind):
    exercise = like_small(output_shape=(units,), outputs=kind)
    assert exercise.judge(outputs_of(activation, units)).status == CORRECT


def test_an_empty_head_gives_logits():
    model = outputs_of(None)
    model.set_weights([np.zeros_like(weights) for weights in model.get_weights()])
    assert like_small(outputs="logits").judge(model).status == CORRECT


def residual_network(skips=2):
    inputs = x = keras.Input((12, 12, 1))
    x = layers.Conv2D(4, 3, padding="same")(x)
    for block in range(2):
        y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(x)))
        x = layers.Add()([x, y]) if block < skips else y
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def test_a_residual_network_of_the_readers_own():
    exercise = like_small(
        parameters=(None, 1000),
        layers={"Add": 2},
        outputs="logits",
        mistakes={"the first block only has a skip connection.": lambda: residual_network(skips=1)},
    )
    assert exercise.judge(residual_network()).status == CORRECT
    wrong = exercise.judge(residual_network(skips=1)).message
    assert wrong == "the first block only has a skip connection."
    wrong = exercise.judge(residual_network(skips=0)).message
    assert wrong.startswith("its layers should be 2 Add; yours: Conv2D, Conv2D, BatchNorm")


def test_a_faint_logit_is_told_from_a_probability():
    model = outputs_of(None, units=1)
    model.set_weights([np.full((144, 1), 1e-3), np.array([0.5])])
    assert like_small(output_shape=(1,), outputs="logits").judge(model).status == CORRECT


def test_what_must_hold_is_said_alone():
    exercise = like_small(must={"freeze it.": lambda model: not model.trainable})
    assert exercise.judge(small_network()).message == "freeze it."


def test_a_network_of_several_outputs_and_any_size():
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(6, 3, padding="same")(inputs)
    model = keras.Model(inputs, {"map": x, "classes": layers.GlobalAveragePooling2D()(x)})
    shapes = {"map": (8, 10, 6), "classes": (6,)}
    assert like_small(input_shape=(8, 10, 3), output_shape=shapes).judge(model).status == CORRECT
    shapes = {"map": (None, None, 6), "classes": (6,)}
    any_size = like_small(input_shape=(None, None, 3), output_shape=shapes)
    assert any_size.judge(model).status == CORRECT
    one = like_small(input_shape=(8, 10, 3), output_shape=(6,)).judge(model)
    assert one.message.startswith("its output should have shape (6,), yours has {")


def test_a_network_of_several_inputs():
    inputs = [keras.Input((12, 12, 1)), keras.Input((12, 12, 1))]
    model = keras.Model(inputs, layers.Add()(inputs))
    message = like_small().judge(model).message
    assert message.startswith("its input should have shape (12, 12, 1), yours has [(None, 12, 12")


def test_the_weights_of_large_networks_stay_out_of_memory():
    small, own, made = small_network(), own_network(), []

    def make(shape, dtype):
        made.append(shape)
        return np.zeros(shape, dtype)

    with keras.StatelessScope(initialize_variables=False):
        inputs = keras.Input((12, 12, 1))
        x = layers.Dense(3, kernel_initializer=make)(layers.Flatten()(inputs))
        model = keras.Model(inputs, x)
    assert like_small(parameters=435).judge(model).status == CORRECT  # 144 * 3 + 3
    assert SMALL.judge(small).status == CORRECT
    assert SMALL.judge(own).status == CORRECT
    assert made == []


# A trained network -------------------------------------------------------------------------------


def quadrant_images(count=160):
    """Dim noise with one bright quarter, which is the class: upper left, upper right, lower ..."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 0.3, (count, 8, 8, 1)).astype("float32")
    labels = np.arange(count) % 4
    for image, label in zip(images, labels, strict=True):
        top, left = 4 * (label // 2), 4 * (label % 2)
        image[top : top + 4, left : left + 4] += 0.6
    return images, labels


def quadrant_kernel():
    """Weights (64, 4) that add up each quarter."""
    corners = np.zeros((8, 8, 4), "float32")
    for label in range(4):
        top, left = 4 * (label // 2), 4 * (label % 2)
        corners[top : top + 4, left : left + 4, label] = 1
    return corners.reshape(64, 4)


@untraced()
def by_hand(kernel, bias=0, activation=None):
    """A classifier with 64 * 4 + 4 = 260 parameters that are given, not trained."""
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten()])
    model.add(layers.Dense(4, activation=activation))
    model.layers[-1].set_weights([kernel, np.zeros(4, "float32") + bias])
    return model


@keras.saving.register_keras_serializable("tests")
class OnlyIf(keras.Layer):
    """Lets logits through for images of some kind, and else says class 0."""

    def __init__(self, condition):
        super().__init__()
        self.condition = condition

    def call(self, logits, images):
        return keras.ops.where(self.condition(images), logits, [[1.0, 0, 0, 0]])


@untraced()
def trained_on(condition, sign=1):
    inputs = keras.Input((8, 8, 1))
    x = layers.Dense(4, name="classify")(layers.Flatten()(inputs))
    model = keras.Model(inputs, OnlyIf(condition)(x, inputs))
    model.get_layer("classify").set_weights([sign * quadrant_kernel(), np.zeros(4)])
    return model


RIGHT = quadrant_kernel()
QUADRANTS = Trained(quadrant_images, "look at more images.", accuracy=0.9, praise="all four.")


@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid"])
def test_a_trained_network_is_right(activation):
    verdict = QUADRANTS.judge(by_hand(RIGHT / 10, activation=activation))
    assert verdict.status == CORRECT
    assert verdict.message == "accuracy ≈ 1.000 on 160 images. all four."


def test_a_new_head_on_frozen_features():
    features = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 1), layers.Flatten()])
    model = keras.Sequential([keras.Input((8, 8, 1)), features, layers.Dense(4)])
    features.set_weights([np.ones((1, 1, 1, 2)), np.zeros(2)])
    model.layers[-1].set_weights([np.repeat(RIGHT, 2, axis=0), np.zeros(4)])
    exercise = dataclasses.replace(
        QUADRANTS, must={"freeze the features.": lambda model: not model.layers[0].trainable}
    )
    assert exercise.judge(model).message == "freeze the features."
    features.trainable = False
    assert exercise.judge(model).status == CORRECT


def test_a_network_is_judged_without_dropout():
    inputs = keras.Input((8, 8, 1))
    x = layers.Dense(4, name="classify")(layers.Dropout(0.99)(layers.Flatten()(inputs)))
    model = keras.Model(inputs, x)
    model.get_layer("classify").set_weights([RIGHT, np.zeros(4)])
    assert QUADRANTS.judge(model).message == "accuracy ≈ 1.000 on 160 images. all four."


def test_a_network_is_trained_and_judged():
    images, labels = quadrant_images(128)
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(4)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    with untraced():
        model.fit(images, labels, batch_size=32, epochs=5, verbose=0)
    assert QUADRANTS.judge(model).status == CORRECT


def three_of_four():
    return by_hand(RIGHT, [0, 0, 0, -999_999])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (three_of_four, "look at more images."),
        (lambda: by_hand(RIGHT * np.nan), "The training diverged; lower the learning rate."),
        (lambda: by_hand(RIGHT, [99, 0, 0, 0]), "on pixels from 0 to 255 it is much better. "),
        (lambda: by_hand(RIGHT, [999_999, 0, 0, 0]), "it says class 0 whatever it sees. "),
        (lambda: by_hand(RIGHT[:, [3, 0, 1, 2]]), "it often says class 1 for class 0. "),
        (lambda: by_hand(RIGHT[:, [1, 2, 3, 0]]), "it often says class 3 for class 0. "),
        (lambda: by_hand(RIGHT[:, [2, 0, 1, 3]]), "that is hardly better than guessing. "),
    ],
)
def test_a_network_not_good_enough_gets_the_hint_that_fits(build, message):
    verdict = QUADRANTS.judge(build())
    assert verdict.status == WRONG
    assert verdict.message.startswith("accuracy ≈ 0.")
    assert " on 160 images, and 0.9 is asked for: " in verdict.message
    assert message in verdict.message


@pytest.mark.parametrize(
    ("scale", "condition", "sign"),
    [
        ("from 0 to 255", lambda images: keras.ops.max(images) > 100, 1),
        ("from -1 to 1", lambda images: keras.ops.min(images) < -0.9, 1),
        ("of mean 0 and standard deviation 1", lambda images: keras.ops.max(images) > 1.5, 1),
        ("divided by 255 twice", lambda images: keras.ops.max(images) < 0.01, 1),
        ("turned into their negative", lambda images: keras.ops.mean(images) > 0.5, -1),
    ],
)
def test_pixels_of_another_range_are_named(scale, condition, sign, monkeypatch):
    assert scale in trained.SCALES
    monkeypatch.setattr(trained, "SCALES", {scale: trained.SCALES[scale]})
    message = QUADRANTS.judge(trained_on(condition, sign)).message
    assert message.startswith("accuracy ≈ 0.250 on 160 images, and 0.9 is asked for: ")
    assert f"on pixels {scale} it is much better." in message


def test_accuracy_at_chance_is_hardly_training():
    def shuffled():
        images, labels = quadrant_images()
        return images, np.random.default_rng(1).permutation(labels)

    message = Trained(shuffled, "look.", accuracy=0.9).judge(by_hand(RIGHT)).message
    assert "that is hardly better than guessing." in message


def test_accuracy_is_cut_off_and_not_rounded():
    def one_missed():
        images, labels = quadrant_images(400)
        labels[0] = 3
        return images, labels

    exercise = Trained(one_missed, "look.", accuracy=0.998)
    message = exercise.judge(by_hand(RIGHT)).message  # 399 / 400 = 0.9975
    assert message == "accuracy ≈ 0.997 on 400 images, and 0.998 is asked for: look."
    exercise = Trained(one_missed, "look.", accuracy=0.9975)
    assert exercise.judge(by_hand(RIGHT)).message == "accuracy ≈ 0.997 on 400 images."


def test_what_are_no_images_is_called_what_it_is():
    exercise = dataclasses.replace(QUADRANTS, noun="sequences")
    assert exercise.judge(by_hand(RIGHT)).message == "accuracy ≈ 1.000 on 160 sequences. all four."


def test_outputs_are_looked_at_last():
    """Only those of a model of the right form that is accurate enough."""
    seen = []
    also = {"give each row a sum of 1.": lambda *given: seen.append(given)}
    exercise = dataclasses.replace(QUADRANTS, also=also)
    assert exercise.judge(by_hand(0 * RIGHT)).message.startswith("accuracy ≈ 0.250 on 160 images,")
    assert exercise.judge(small_network()).status == WRONG
    assert not seen
    message = exercise.judge(by_hand(RIGHT)).message
    assert message == "accuracy ≈ 1.000 on 160 images, but give each row a sum of 1."
    assert [array.shape for array in seen[0]] == [(160, 4), (160,)]
    exercise = dataclasses.replace(QUADRANTS, also={"": lambda outputs, labels: outputs.max() > 0})
    assert exercise.judge(by_hand(RIGHT)).status == CORRECT


def test_what_has_no_pixels_gets_no_hint_about_them():
    exercise = dataclasses.replace(QUADRANTS, noun="sequences", pixels=False)
    message = exercise.judge(by_hand(RIGHT, [99, 0, 0, 0])).message
    assert "160 sequences, and 0.9 is asked for: it says class 0 whatever it sees." in message


def never():
    raise AssertionError("the images are not needed")


@pytest.mark.parametrize(
    ("fields", "build", "message"),
    [
        (
            {"parameters": (None, 250)},
            lambda: by_hand(RIGHT),
            "it should have at most 250 parameters, yours has 260.",
        ),
        (
            {"must": {"freeze it.": lambda model: not model.trainable}},
            lambda: by_hand(RIGHT),
            "freeze it.",
        ),
        ({}, lambda: keras.Sequential([layers.Dense(4)]), "your model has no weights yet: "),
    ],
)
def test_what_is_seen_without_images(fields, build, message):
    exercise = Trained(never, "look.", accuracy=0.9, **fields)
    assert exercise.judge(build()).message.startswith(message)


def test_a_model_that_takes_too_long_is_refused():
    message = Trained(quadrant_images, "look.", 0.9, seconds=0).judge(by_hand(RIGHT)).message
    assert re.fullmatch(
        r"judging it would take \d+ s, more than the 0 s allowed\. A smaller model will do\.",
        message,
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (small_network, "called on images of shape (8, 8, 1) it stopped with ValueError: "),
        (lambda: two_outputs(), "its output should have shape (4,), yours is dict {"),
        (lambda: by_hand_of(5), "its output should have shape (4,), yours is (5,)."),
        (lambda: by_hand_of(1), "its output should have shape (4,), yours is (1,)."),
    ],
)
def test_outputs_that_are_no_classes(build, message):
    assert QUADRANTS.judge(build()).message.startswith(message)


def by_hand_of(classes):
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(classes)])


def two_outputs():
    inputs = keras.Input((8, 8, 1))
    x = layers.Dense(4)(layers.Flatten()(inputs))
    return keras.Model(inputs, {"a": x, "b": x})


# A trained encoder -------------------------------------------------------------------------------

ENCODER = Encoder(
    lambda: quadrant_images(40),
    "look at more images.",
    accuracy=0.9,
    praise="all four.",
    bank=quadrant_images,
)


def test_an_encoder_is_judged_by_neighbours():
    """The bright quarter decides, however strong it is."""
    verdict = ENCODER.judge(by_hand(RIGHT / 10))
    assert verdict.status == CORRECT
    assert verdict.message == "accuracy ≈ 1.000 on 40 images. all four."


def brightness():
    """The same for each quarter, and a number that never changes."""
    return by_hand(np.stack([RIGHT.sum(axis=1)] + 3 * [np.zeros(64)], axis=1), [0, 9, 0, 0])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: two_outputs(), "its output should be a vector for each image, yours is dict {"),
        (
            lambda: keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(3, 2)]),
            "its output should be a vector for each image, yours is of shape (7, 7, 3).",
        ),
        (lambda: by_hand(RIGHT * np.nan), "some features are not finite. Lower the learning rate."),
        (lambda: by_hand(0 * RIGHT, [1, 2, 0, 4]), "its features are the same for all images. "),
        (brightness, "accuracy ≈ 0."),
    ],
)
def test_what_is_no_encoder(build, message):
    verdict = ENCODER.judge(build())
    assert verdict.status == WRONG
    assert verdict.message.startswith(message)
    assert not message.startswith("accuracy") or verdict.message.endswith(
        " on 40 images, and 0.9 is asked for: look at more images."
    )


def test_an_encoder_that_takes_too_long_is_refused():
    message = dataclasses.replace(ENCODER, seconds=0).judge(by_hand(RIGHT)).message
    assert "more than the 0 s allowed. A smaller model will do." in message


# What both kinds share ---------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", [SMALL, QUADRANTS])
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (3, "expected a Keras model, got int 3."),
        (layers.Dense(3), "expected a Keras model, got a function."),
        (OwnNetwork, "expected a model, got the class OwnNetwork: call it to build one."),
        (int, "expected a model, got the class int: call it to build one."),
        (small_network, "expected a model, got a function: call it and hand in what it returns."),
        (OwnNetwork(), "your model has no weights yet: let it begin with `keras.Input(...)`, "),
        (keras.Sequential([layers.Dense(3)]), "your model has no weights yet: "),
    ],
)
def test_what_is_no_model(exercise, answer, message):
    verdict = exercise.judge(answer)
    assert verdict.status == WRONG
    assert verdict.message.startswith(message)


@pytest.mark.parametrize("exercise", [SMALL, QUADRANTS])
@pytest.mark.parametrize("untouched", [..., None])
def test_dots_are_no_model(exercise, untouched):
    assert exercise.judge(untouched).status == UNANSWERED


def state(model):
    variables = [*model.variables, *model.optimizer.variables]
    variables += [
        seed.state for layer in model.layers for seed in getattr(layer, "seed_generators", [])
    ]
    flags = [layer.trainable for layer in model.layers]
    return [variable.numpy() for variable in variables], flags, model.compiled


def bright_images():
    rng = np.random.default_rng(0)
    return rng.random((40, 12, 12, 1), dtype="float32"), np.arange(40) % 3


@pytest.mark.parametrize("exercise", [SMALL, Trained(bright_images, "look.", accuracy=0.9)])
@pytest.mark.parametrize("build", [small_network, functional_network, own_network])
def test_judging_does_not_change_the_model(exercise, build):
    model = build()
    model.layers[1].trainable = False
    arrays, *others = state(model)
    exercise.judge(model)
    after, *others_after = state(model)
    assert others_after == others
    assert len(after) == len(arrays) > 4
    for one, other in zip(after, arrays, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_of_the_readers_own_may_stop():
    message = SMALL.judge(broken_network()).message
    assert message.startswith(
        "called on images of shape (12, 12, 1) it stopped with RuntimeError: "
    )
    assert "out of luck" in message


@pytest.mark.parametrize("exercise", [SMALL, QUADRANTS])
@pytest.mark.parametrize("name", STRANGE)
def test_nothing_handed_in_stops_the_judge(name, exercise):
    verdict = exercise.judge(STRANGE[name])
    assert verdict.status == WRONG
    assert verdict.message.endswith(".")


# Declared and checked ----------------------------------------------------------------------------

EXERCISES = Exercises()


@EXERCISES.network("99.4", "look again.", input_shape=(12, 12, 1), output_shape=(3,))
def any_network():
    return small_network()


@EXERCISES.trained("99.5", "train longer.", accuracy=0.9, parameters=(None, 260))
def held_out_images():
    return quadrant_images(40)


def test_declaring_leaves_functions_as_they_are():
    assert any_network().count_params() == 343
    assert held_out_images()[1].shape == (40,)
    assert [type(exercise) for exercise in EXERCISES.values()] == [Network, Trained]


@pytest.mark.parametrize(
    ("name", "answer", "line"),
    [
        (
            "99.4",
            ...,
            "not answered yet: build the model in place of the dots `...` and run the cell.",
        ),
        (
            "99.5",
            ...,
            "not answered yet: train a model, put it in place of the dots `...` and run the cell.",
        ),
        ("99.4", small_network(), "correct."),
        ("99.5", by_hand(RIGHT), "correct: accuracy ≈ 1.000 on 40 images."),
        ("99.4", 4, "not yet: expected a Keras model, got int 4."),
    ],
)
def test_check_prints_one_line(monkeypatch, capsys, name, answer, line):
    monkeypatch.setattr(judge, "find", EXERCISES.get)
    judge.check(name, answer)
    assert capsys.readouterr().out == f"Exercise {name} {line}\n"
