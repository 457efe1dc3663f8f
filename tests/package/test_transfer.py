"""Features at a layer, a head, and what is trainable, on networks of a few weights."""

import keras
import numpy as np
import pytest
from cheaper import untraced, without_weights
from keras import layers

from course_utils import pretrained
from course_utils.architectures.efficientnet import efficientnet_lite0
from course_utils.transfer import add_head, features, nearest_labels, unfreeze_from


@pytest.fixture
@untraced()
def network():
    """Two blocks after a stem; the second has a skip connection. (N, 7, 5, 3) -> (N, 4, 3, 2)."""
    keras.utils.set_random_seed(0)
    images = keras.Input((7, 5, 3), name="images")
    x = layers.Conv2D(2, 3, 2, padding="same", name="stem_conv")(images)
    shortcut = x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.Conv2D(2, 1, name="block_conv")(x)
    x = layers.BatchNormalization(name="block_bn")(x)
    x = layers.Add(name="block_add")([shortcut, x])
    return keras.Model(images, x, name="tiny")


@pytest.fixture
def images():
    return np.random.default_rng(1).random((11, 7, 5, 3), np.float32)


def trainable(model):
    return [layer.name for layer in model.layers if layer.trainable_weights]


# Features


def test_features_are_averages_over_all_positions():
    double = keras.Sequential([keras.Input((2, 3, 1)), layers.Rescaling(2, name="double")])
    images = np.arange(12, dtype=np.float32).reshape(2, 2, 3, 1)
    assert features(double, images, "double").tolist() == [[5], [17]]  # 2 x 2.5 and 2 x 8.5
    maps = features(double, images, "double", pooling=None)
    assert np.array_equal(maps, 2 * images)


def test_features_equal_those_of_the_model_cut_in_two(network, images):
    cut = keras.Model(network.input, network.get_layer("stem_bn").output)
    expected = cut.predict(images, verbose=0)
    maps = features(network, images, "stem_bn", pooling=None, batch_size=4)
    assert maps.shape == (11, 4, 3, 2)
    assert np.allclose(maps, expected, rtol=1e-5)
    pooled = features(network, images, "stem_bn", batch_size=4)
    assert np.allclose(pooled, expected.mean(axis=(1, 2)), rtol=1e-5)


def test_several_layers_are_read_in_one_pass(images, monkeypatch):
    inputs = keras.Input((7, 5, 3))
    x = layers.Rescaling(2, name="double")(inputs)
    x = layers.Flatten(name="flat")(x)
    model = keras.Model(inputs, layers.Dense(6, name="dense")(x))
    seen = []
    original = keras.Model.predict_on_batch

    def predict_on_batch(self, batch):
        seen.extend(batch[:, 0, 0, 0])
        return original(self, batch)

    monkeypatch.setattr(keras.Model, "predict_on_batch", predict_on_batch)
    found = features(model, images, ["dense", "double"], batch_size=3)
    # Four batches of three: the last one begins with an image that has been there.
    assert seen == images[[*range(9), *range(8, 11)], 0, 0, 0].tolist()
    assert {name: array.shape for name, array in found.items()} == {
        "dense": (11, 6),
        "double": (11, 3),
    }
    assert np.allclose(found["double"], 2 * images.mean(axis=(1, 2)))


def test_features_are_those_of_inference_and_leave_the_model_alone(network, images):
    dropping = keras.Model(network.input, layers.Dropout(0.9, name="drop")(network.output))
    before = [weight.copy() for weight in dropping.get_weights()]
    first = features(dropping, images, "drop")
    assert np.array_equal(first, features(dropping, images, "block_add"))
    for weight, kept in zip(dropping.get_weights(), before, strict=True):
        assert np.array_equal(weight, kept)


def test_features_of_the_real_network_end_in_its_own_average():
    images = np.random.default_rng(0).random((4, 40, 64, 3), np.float32)
    with untraced():
        inside = pretrained.efficientnet_lite0(
            include_top=False, input_shape=(40, 64, 3), pooling="avg"
        )
        found = features(inside, images, ["top_activation", "avg_pool"], batch_size=2)
    assert found["avg_pool"].shape == (4, 1280)
    assert np.allclose(found["top_activation"], found["avg_pool"], atol=1e-5)


def test_progress_goes_to_standard_error(network, images, capsys):
    features(network, images, "stem_bn", batch_size=2)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "/6 " in shown.err  # 11 images, two at a time


@pytest.mark.parametrize("function", [unfreeze_from, lambda m, name: features(m, [0], name)])
@pytest.mark.parametrize("name", ["block_con", "Block_conv", "blockconv"])
def test_a_wrong_name_is_answered_with_the_nearest(network, function, name):
    with pytest.raises(ValueError, match=rf"6 layers of 'tiny', got '{name}'.*are 'block_conv',"):
        function(network, name)


def test_features_refuse_what_makes_no_sense(network, images):
    with pytest.raises(ValueError, match="pooling must be None or \"avg\", got 'max'"):
        features(network, images, "stem_bn", pooling="max")
    with pytest.raises(ValueError, match="batch_size must be a whole number >= 1, got 0"):
        features(network, images, "stem_bn", batch_size=0)
    with pytest.raises(ValueError, match="at least one image, got none"):
        features(network, images[:0], "stem_bn")
    with pytest.raises(ValueError, match=r"got 3\. The nearest are"):
        unfreeze_from(network, 3)


# Nearest neighbours


def test_neighbours_vote():
    """By the angle: (9, 1) is far from all, and in the direction of the first two."""
    bank = np.array([[1, 0], [2, 0.1], [0, 1], [0.1, 2], [0, 3]])
    labels = np.array([2, 2, 0, 0, 0])
    queries = np.array([[9, 1], [0.1, 7]])
    assert nearest_labels(queries, bank, labels, k=1).tolist() == [2, 0]
    assert nearest_labels(queries, bank, labels, k=2).tolist() == [2, 0]
    assert nearest_labels(queries, bank, labels, k=5).tolist() == [0, 0]  # all have a vote


def test_a_tie_goes_to_the_smaller_class():
    bank = np.array([[1, 0], [0, 1], [-1, 0]])
    assert nearest_labels([[1, 1]], bank, np.array([3, 1, 2]), k=2).tolist() == [1]


def test_thousands_are_asked_in_parts():
    rng = np.random.default_rng(0)
    bank, queries = rng.normal(size=(37, 3)), rng.normal(size=(2001, 3))
    labels = rng.integers(4, size=37)
    expected = [
        np.bincount(
            labels[np.argsort(-(bank / np.linalg.norm(bank, axis=1, keepdims=True)) @ q)[:5]]
        )
        for q in queries
    ]
    found = nearest_labels(queries, bank, labels, k=5)
    assert found.tolist() == [votes.argmax() for votes in expected]


@pytest.mark.parametrize(
    ("queries", "bank", "labels", "k", "message"),
    [
        (np.ones((2, 3)), np.ones(5), np.zeros(5, int), 1, r"a bank of shape \(M, D\), got \(5,\)"),
        (np.ones((2, 4)), np.ones((5, 3)), np.zeros(5, int), 1, r"features of shape \(N, 3\)"),
        (np.ones((2, 3)), np.ones((5, 3)), np.zeros(4, int), 1, "one for each row of the bank"),
        (np.ones((2, 3)), np.ones((5, 3)), np.zeros(5, int), 6, "k must be .* from 1 to 5, got 6"),
        (np.ones((2, 3)), np.full((5, 3), np.nan), np.zeros(5, int), 1, "bank of finite numbers"),
    ],
)
def test_what_has_no_neighbours_is_refused(queries, bank, labels, k, message):
    with pytest.raises(ValueError, match=message):
        nearest_labels(queries, bank, labels, k)


# The head


@pytest.mark.parametrize("num_classes", [0, 2.0, True])
def test_head_refuses_what_is_no_number_of_classes(network, num_classes):
    with pytest.raises(ValueError, match="num_classes must be a whole number >= 1"):
        add_head(network, num_classes)


def test_head_adds_a_dense_layer_and_a_softmax(network, images):
    model = add_head(network, np.int32(4), dropout=0.5)  # as `labels.max() + 1` gives it
    assert model.output_shape == (None, 4)
    assert model.count_params() == network.count_params() + 2 * 4 + 4
    assert model.get_layer("stem_conv") is network.get_layer("stem_conv")
    assert model.get_layer("head_dropout").rate == 0.5
    kernel, bias = model.get_layer("logits").get_weights()
    logits = features(network, images, "block_add") @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(model.predict(images, verbose=0), expected, atol=1e-5)


def test_head_takes_features_that_are_averaged_already(network):
    pooled = keras.Model(network.input, layers.GlobalAveragePooling2D()(network.output))
    assert len(add_head(pooled, 4).layers) == len(pooled.layers) + 3


# What is trainable


def test_only_layers_from_the_named_one_on_learn(network):
    model = add_head(network, 4)
    unfreeze_from(model, "logits")
    assert trainable(model) == ["logits"]
    unfreeze_from(model, "block_conv")
    assert trainable(model) == ["block_conv", "logits"]
    unfreeze_from(model, "images", batch_norm=True)
    assert trainable(model) == ["stem_conv", "stem_bn", "block_conv", "block_bn", "logits"]


def test_a_frozen_model_is_thawed(network):
    network.trainable = False
    unfreeze_from(network, "block_conv", batch_norm=True)
    assert trainable(network) == ["block_conv", "block_bn"]
    assert len(network.trainable_weights) == 4


def test_frozen_batch_norm_keeps_its_statistics_in_fit(network, images):
    def moved_by_fit(batch_norm):
        model = add_head(network, 2)
        unfreeze_from(model, "block_conv", batch_norm=batch_norm)
        model.compile("sgd", "sparse_categorical_crossentropy")
        before = {layer.name: layer.get_weights() for layer in model.layers}
        with untraced():
            model.fit(images, np.arange(11) % 2, epochs=1, verbose=0)
        return [
            layer.name
            for layer in model.layers
            if not all(map(np.array_equal, layer.get_weights(), before[layer.name]))
        ]

    assert moved_by_fit(batch_norm=False) == ["block_conv", "logits"]
    assert moved_by_fit(batch_norm=True) == ["block_conv", "block_bn", "logits"]


def test_batch_norm_inside_a_nested_model_stays_frozen(network):
    model = keras.Sequential([keras.Input((7, 5, 3)), network, layers.Dense(4, name="logits")])
    unfreeze_from(model, "tiny")
    assert trainable(network) == ["stem_conv", "block_conv"]
    unfreeze_from(model, "logits")
    assert trainable(network) == []
    unfreeze_from(model, "tiny", batch_norm=True)
    assert trainable(network) == ["stem_conv", "stem_bn", "block_conv", "block_bn"]


def test_a_block_is_not_cut_in_two(network):
    network.trainable = False
    for name in ("block_bn", "block_add"):
        with pytest.raises(ValueError, match=rf"got '{name}'.*begins at 'block_conv'"):
            unfreeze_from(network, name)
    assert not network.trainable  # refused before anything was changed


def test_blocks_of_the_real_network_are_borders():
    with untraced():
        network = without_weights(efficientnet_lite0, include_top=False)
    for stage in range(2, 8):
        unfreeze_from(network, f"block{stage}a_expand_conv")
    assert trainable(network)[0] == "block7a_expand_conv"
    with pytest.raises(ValueError, match="begins at 'block6d_expand_conv'"):
        unfreeze_from(network, "block6d_project_conv")
