"""Exercises of chapter 06, transfer learning and fine-tuning."""

import functools

import numpy as np

from course_utils.exercises.judge import Exercises
from course_utils.exercises.models import all_layers

EXERCISES = Exercises()
rng = np.random.default_rng(6)
IMAGE = (96, 96, 3)
BACKBONE = 3_413_024  # numbers in EfficientNet-Lite0 without its classifier
HEAD = 1280 * 5 + 5

EXERCISES.answer(
    "06.1",
    2048 * 12 + 12,
    "only the head is trained: its weights and its biases.",
    mistakes={
        "each class has a bias as well.": 2048 * 12,
        "these are the weights on MobileNetV2's features; ResNet-50 gives more.": 1280 * 12 + 12,
        "a bias belongs to a class, not to a feature.": 2048 * 12 + 2048,
        "this is the head for ImageNet's 1000 classes.": 2048 * 1000 + 1000,
    },
    praise="24,588, beside 23.6 million in the backbone that nobody touches.",
)


def _classifier(freeze=True, dropout=0.2, activation="softmax", pooling="GlobalAveragePooling2D"):
    import keras
    from keras import layers

    from course_utils import pretrained

    backbone = pretrained.efficientnet_lite0(include_top=False, input_shape=IMAGE)
    backbone.trainable = not freeze
    stack = [keras.Input(IMAGE), backbone, getattr(layers, pooling)()]
    stack += [layers.Dropout(dropout)] if dropout else []
    return keras.Sequential([*stack, layers.Dense(5, activation=activation)])


def _trained(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def _of_kind(model, kind):
    import keras

    return [layer for layer in model.layers if isinstance(layer, getattr(keras.layers, kind))]


@EXERCISES.network(
    "06.2",
    "the backbone, global average pooling, dropout, one dense layer with a softmax.",
    input_shape=IMAGE,
    output_shape=(5,),
    parameters=BACKBONE + HEAD,
    layers=["GlobalAveragePooling2D", "Dropout", "Dense"],
    outputs="probabilities",
    must={
        "the backbone should be frozen and the head should not: what `trainable_weights` holds is "
        "not the head's.": lambda model: _trained(model) == HEAD,
        "a fifth of the features should be dropped, `Dropout(0.2)`.": lambda model: (
            [layer.rate for layer in _of_kind(model, "Dropout")] == [0.2]
        ),
    },
    mistakes={
        "the map has 3 x 3 positions; flattened, each has weights of its own. Average over "
        "them.": lambda: _classifier(pooling="Flatten"),
        "the last layer gives logits; a softmax makes probabilities of them.": lambda: _classifier(
            activation=None
        ),
        "the dropout is missing.": lambda: _classifier(dropout=0),
    },
    praise="6,405 weights to train, 3.4 million to rely on.",
)
def classifier():
    return _classifier()


MEANS = np.array([103.939, 116.779, 123.68])  # of ImageNet's photos: blue, green, red


@EXERCISES.function(
    "06.3",
    "three steps: the order of the channels, the range, the mean; each at its place.",
    cases=[
        (rng.random((2, 4, 5, 3)),),
        (rng.random((1, 1, 1, 3)),),
        (np.array([[[[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]]]),),
    ],
    mistakes={
        "the mean is in the order blue, green, red; the channels must be, too.": lambda x: (
            255 * x - MEANS
        ),
        "the channels are turned around, and the mean too: it was in the right order.": lambda x: (
            255 * x[..., ::-1] - MEANS[::-1]
        ),
        "ResNet wants 0 to 255: multiply before you subtract.": lambda x: x[..., ::-1] - MEANS,
        "first multiply, then subtract: the mean is in units of 0 to 255.": lambda x: (
            255 * (x[..., ::-1] - MEANS)
        ),
        "this turned the rows around; the channels are the last axis.": lambda x: (
            255 * x[:, ::-1] - MEANS
        ),
        "this turned the columns around; the channels are the last axis.": lambda x: (
            255 * x[:, :, ::-1] - MEANS
        ),
        "the mean is still there: subtract it.": lambda x: 255 * x[..., ::-1],
    },
    tolerance=1e-4,
    praise="this is what `keras.applications.resnet50.preprocess_input` does with 255 x images.",
)
def for_resnet(images):
    return 255 * images[..., ::-1] - MEANS


def _fine_tuned(activation="softmax", rate=1e-4):
    import keras
    from keras import layers

    from course_utils import pretrained, transfer

    backbone = pretrained.efficientnet_lite0(include_top=False, input_shape=IMAGE)
    x = layers.GlobalAveragePooling2D()(backbone.output)
    # The same weights each time, so large that what comes out of a ReLU is not all below 1.
    initial = keras.initializers.RandomNormal(stddev=1, seed=0)
    head = layers.Dense(5, activation, kernel_initializer=initial, name="predictions")
    outputs = head(x)
    model = keras.Model(backbone.input, outputs)
    transfer.unfreeze_from(model, "block6a_expand_conv")
    if rate is not None:
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    return model


def _trained_from_block_6(model):
    """Whether the layers from block 6 on are trained and no earlier ones, BatchNorm left aside."""
    late, aside = ("block6", "block7", "top"), _of_kind(model, "BatchNormalization")
    return all(
        bool(layer.trainable_weights) == layer.name.startswith(late)
        for layer in model.layers
        if layer.weights and layer not in aside and layer.name != "predictions"
    )


@EXERCISES.network(
    "06.4",
    "look at the activation, at `unfreeze_from` and at the optimizer.",
    input_shape=IMAGE,
    output_shape=(5,),
    parameters=BACKBONE + HEAD,
    outputs="probabilities",
    compiled=True,
    must={
        "BatchNorm should be frozen; see the arguments of `unfreeze_from`.": lambda model: (
            not any(layer.trainable for layer in _of_kind(model, "BatchNormalization"))
        ),
        "the blocks from `block6a` on should be trained, and those before should not.": (
            _trained_from_block_6
        ),
        "the head should be trained as well.": lambda model: bool(
            model.get_layer("predictions").trainable_weights
        ),
        "the learning rate would destroy the features: look at the figure.": lambda model: (
            float(model.optimizer.learning_rate) <= 3e-4
        ),
        "is there a learning rate at all?": lambda model: (
            float(model.optimizer.learning_rate) >= 1e-6
        ),
    },
    mistakes={
        "a softmax gives probabilities; a ReLU or nothing does not, and the loss expects them.": (
            lambda: _fine_tuned(activation="relu")
        ),
        "it was not compiled, or is a new model around one that was.": lambda: _fine_tuned(
            rate=None
        ),
    },
    praise="three lines, and no error message for any of them.",
)
def fine_tuned():
    return _fine_tuned()


@functools.cache
def _shipped_weights():
    from course_utils import pretrained

    shipped = pretrained.efficientnet_lite0(include_top=False, input_shape=IMAGE)
    return {layer.name: layer.get_weights() for layer in shipped.layers}


def _moved(model):
    """Names of the layers whose weights are not those that EfficientNet-Lite0 ships with."""
    shipped = _shipped_weights()
    return {
        layer.name
        for layer in all_layers(model)
        for now, before in zip(layer.get_weights(), shipped.get(layer.name, ()), strict=False)
        if not np.array_equal(now, before)
    }


def _norms_stayed(model):
    return not any(name.endswith("_bn") for name in _moved(model))


def _early_blocks_stayed(model):
    return all(name.startswith(("block6", "block7", "top")) for name in _moved(model))


def _late_blocks_moved(model):
    return {"block6a_expand_conv", "block7a_project_conv", "top_conv"} <= _moved(model)


@EXERCISES.trained(
    "06.5",
    "was the head trained before the rest, and is the learning rate small enough?",
    accuracy=0.8,
    parameters=BACKBONE + HEAD,
    must={
        "the averages or scales of some BatchNorm have moved: freeze it in the second phase.": (
            _norms_stayed
        ),
        "layers before `block6a` have moved: freeze them in the second phase.": (
            _early_blocks_stayed
        ),
        "the last blocks are ImageNet's still, all or some of them: were they unfrozen, and the "
        "model compiled again after that?": _late_blocks_moved,
    },
    praise="Both phases, and only what should move has moved.",
)
def mirrored_photos():
    from course_utils import data

    _, (images, labels) = data.photo_set(size=IMAGE[0])
    return images[:, :, ::-1], labels
