"""Every exercise of every chapter: stubs, right answers of several kinds, mistakes and hints."""

import importlib
import inspect
import itertools
import pkgutil
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from cheaper import on_few_images
from exercise_cells import answer_of, sources
from keras import ops
from PIL import ImageOps
from strange_answers import STRANGE

from course_utils import architectures, attention, exercises, transfer
from course_utils.architectures.vit import ClassToken
from course_utils.detection import boxes, metrics
from course_utils.exercises import block_11, chapter_13, encoder_12
from course_utils.exercises.judge import find
from course_utils.exercises.kinds import CORRECT, UNANSWERED, WRONG, Function, Verdict
from course_utils.exercises.networks import Network
from course_utils.exercises.trained import Trained

CHAPTERS = {
    module.name.removeprefix("chapter_"): importlib.import_module(
        f"{exercises.__name__}.{module.name}"
    ).EXERCISES
    for module in pkgutil.iter_modules(exercises.__path__)
    if module.name.startswith("chapter_")
}
EXERCISES = {name: one for chapter in CHAPTERS.values() for name, one in chapter.items()}
# A trained model's mistakes are those of training; the judge itself recognises them.
TRAINED = {name for name, one in EXERCISES.items() if isinstance(one, Trained)}
NETWORKS = {name: one for name, one in EXERCISES.items() if isinstance(one, Network)}
FUNCTIONS = {name: one for name, one in EXERCISES.items() if isinstance(one, Function)}
STUBS, SOLUTIONS = sources("exercise"), sources("solution")
# A solution that trains does so where the notebooks are run, and nbval compares its verdict there.
QUICK = [name for name in EXERCISES if name not in TRAINED and "epochs=" not in SOLUTIONS[name]]


def assert_right(name, answer):
    verdict = find(name).judge(answer)
    assert verdict.status == CORRECT, verdict
    assert verdict.message.endswith(EXERCISES[name].praise)
    if not isinstance(EXERCISES[name], Trained):  # which says how good it is, too
        assert verdict.message == EXERCISES[name].praise


# What stands in the notebooks --------------------------------------------------------------------


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_exercises_are_numbered_from_one(chapter):
    numbers = range(1, len(CHAPTERS[chapter]) + 1)
    assert list(CHAPTERS[chapter]) == [f"{chapter}.{number}" for number in numbers]


def test_every_exercise_has_a_stub_and_a_solution():
    assert list(STUBS) == list(SOLUTIONS) == list(EXERCISES)


@pytest.mark.parametrize("name", EXERCISES)
def test_stub_is_not_answered(name):
    assert find(name).judge(answer_of(STUBS[name])).status == UNANSWERED


@pytest.mark.parametrize("name", QUICK)
def test_solution_is_right(name):
    assert_right(name, answer_of(SOLUTIONS[name]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_reference_has_the_parameters_of_the_stub(name):
    reference = inspect.signature(FUNCTIONS[name].reference)
    assert reference == inspect.signature(answer_of(STUBS[name]))


# Other right answers -----------------------------------------------------------------------------


def in_float32(value):
    is_double = isinstance(value, np.ndarray) and value.dtype == np.float64
    return value.astype("float32") if is_double else value


def in_tensors(value):
    if isinstance(value, list | tuple):
        return type(value)(map(in_tensors, value))
    if isinstance(value, tf.data.Dataset):
        return value
    return ops.convert_to_tensor(value)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_is_right(name):
    reference = FUNCTIONS[name].reference
    assert_right(name, lambda *case: reference(*map(in_float32, case)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_tensors_are_right(name):
    reference = FUNCTIONS[name].reference
    assert_right(name, lambda *case: in_tensors(reference(*map(in_float32, case))))


def step_by_gradient_tape(w, b, x, y, rate):
    w, b = tf.Variable(w, dtype="float32"), tf.Variable(b, dtype="float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((w * x.astype("float32") + b - y.astype("float32")) ** 2)
    by_w, by_b = tape.gradient(loss, [w, b])
    return w - rate * by_w, b - rate * by_b


def to_float_by_kind(image):
    if image.dtype.kind == "u":
        return image / np.float32(255)
    if not ((image >= 0) & (image <= 1)).all():
        raise ValueError
    return image


def centre_crop_by_keras(image):
    side = min(image.shape[:2])
    return keras.layers.CenterCrop(side, side)(image)


def load_clean_by_keras(folder, size):
    def whole(path):
        try:
            return ImageOps.exif_transpose(keras.utils.load_img(path, color_mode="rgba"))
        except OSError:
            return None

    images = filter(None, map(whole, sorted(folder.glob("*"))))
    arrays = [keras.utils.img_to_array(image) / 255 for image in images]
    on_white = [image[..., :3] * image[..., 3:] + 1 - image[..., 3:] for image in arrays]
    options = {"antialias": True, "crop_to_aspect_ratio": True}
    return [ops.image.resize(image, (size, size), **options) for image in on_white]


def batch_norm_by_keras(x, gamma, beta):
    layer = keras.layers.BatchNormalization()
    layer.build(x.shape)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    return layer(x, training=True)


def field_by_single_steps(layers):
    """The pixels that one output sees, followed back from it layer by layer."""
    seen = {0}
    for kernel, stride, dilation in reversed(layers):
        seen = {stride * place + dilation * k for place in seen for k in range(kernel)}
    return max(seen) - min(seen) + 1


def convolve_by_keras(image, kernel, stride, padding):
    image, kernel = image[None, ..., None], kernel[..., None, None]
    return ops.conv(image, kernel, strides=stride, padding=padding)[0, ..., 0]


def nearest_by_top_k(queries, gallery, count):
    queries, gallery = (
        ops.normalize(ops.cast(rows, "float32"), axis=1) for rows in (queries, gallery)
    )
    return ops.top_k(queries @ ops.transpose(gallery), count)[1]


def fold_by_trying(weights, gamma, beta, mean, variance):
    """The folded bias is what comes out for zeros, the weights are what each 1 adds to it."""

    def network(x):
        return gamma * (x @ weights - mean) / (variance + 0.001) ** 0.5 + beta

    bias = network(np.zeros((1, len(weights))))
    return np.concatenate([network(np.eye(len(weights))) - bias, bias])


def pipeline_with_all_that_helps(names, labels, load, augment, batch_size):
    parallel = {"num_parallel_calls": tf.data.AUTOTUNE}
    images = tf.data.Dataset.from_tensor_slices(names).map(load, **parallel).cache()
    dataset = tf.data.Dataset.zip((images, tf.data.Dataset.from_tensor_slices(labels)))
    dataset = dataset.shuffle(len(names)).map(lambda x, y: (augment(x), y), **parallel)
    return dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def kept_by_the_package(corners, scores, labels, threshold):
    return np.isin(np.arange(len(corners)), boxes.nms_per_class(corners, scores, labels, threshold))


def true_positives_by_the_metric(corners, scores, objects, threshold):
    truth = [{"boxes": objects, "labels": np.zeros(len(objects), int)}]
    found = [{"boxes": corners, "labels": np.zeros(len(corners), int), "scores": scores}]
    return metrics.outcomes(truth, found, 0, threshold)[1]


def true_positives_by_keys(corners, scores, objects, threshold):
    free, hits = set(range(len(objects))), []
    for box in corners[np.argsort(-scores)]:
        overlaps = {key: boxes.iou([box], objects[[key]]).item() for key in free}
        best = max(overlaps, key=overlaps.get, default=None)
        hits.append(best is not None and overlaps[best] >= threshold)
        free -= {best} if hits[-1] else set()
    return hits


def multi_head_by_einsum(x, w_query, w_key, w_value, heads):
    query, key, value = (
        (x @ w).reshape(*x.shape[:2], heads, -1) for w in (w_query, w_key, w_value)
    )
    scores = np.einsum("nthd,nshd->nhts", query, key) / query.shape[-1] ** 0.5
    return np.einsum("nhts,nshd->nthd", ops.softmax(scores), value).reshape(x.shape)


def cost_by_keras(asking, width, answering, other_width, heads):
    inputs = keras.Input((asking, width)), keras.Input((answering, other_width))
    look = attention.AttentionHeads(heads, width // heads)
    model = keras.Model(inputs, look(*inputs))
    weights = np.prod(model.outputs[1].shape[1:])
    return model.count_params(), architectures.multiply_adds(model), weights


def neighbours_by_masks(weights, grid, step):
    """The pairs of patches that are one step apart, as booleans (T, T)."""
    places = np.stack(np.divmod(np.arange(grid[0] * grid[1]), grid[1]), axis=1)
    pairs = (places - places[:, np.newaxis] == step).all(axis=-1)
    return weights[:, 1:, 1:][:, pairs].mean(axis=1)


def positions_by_keras(positions, before, after):
    resize = keras.layers.Resizing(*after)
    grid = resize(positions[1:].reshape(*before, -1))
    return np.vstack([positions[:1], np.reshape(grid, (-1, positions.shape[1]))])


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("01.2", {"H": "Labels mixed up", "G": "rate  too small", "I": "overfitting"}),
        ("01.3", step_by_gradient_tape),
        ("01.6", lambda z, y: keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, z)),
        ("01.6", lambda z, y: (np.logaddexp.reduce(z, 1) - z[np.arange(len(y)), y]).mean()),
        ("02.1", [16, 480, 640, 3]),
        ("02.2", to_float_by_kind),
        ("02.3", centre_crop_by_keras),
        ("02.6", load_clean_by_keras),
        ("03.1", 9.0),
        ("03.2", lambda size, kernel, step: (size - kernel) % step if size >= kernel else size),
        ("03.3", field_by_single_steps),
        ("03.5", convolve_by_keras),
        ("04.2", lambda row, column: np.array([2 * row - 4, 2 * column - 4, 10])),
        ("04.4", batch_norm_by_keras),
        ("05.6", nearest_by_top_k),
        ("05b.5", fold_by_trying),
        ("07.5", pipeline_with_all_that_helps),
        ("09.2", kept_by_the_package),
        ("09.3", boxes.decode),
        ("09.4", true_positives_by_the_metric),
        ("09.4", true_positives_by_keys),
        ("11.2", lambda *case: attention.scaled_dot_product_attention(*case)[0]),
        ("11.3", multi_head_by_einsum),
        ("11.4", cost_by_keras),
        ("12.1", (601, 526_464, 361_201)),
        ("12.2", neighbours_by_masks),
        ("12.3", positions_by_keras),
    ],
)
def test_other_ways_are_right(name, answer):
    assert_right(name, answer)


@pytest.mark.parametrize("hidden", [("tanh",), ("linear", "relu")])
def test_another_nonlinearity_or_one_in_a_layer_of_its_own_is_right(hidden):
    activation, *own = hidden
    stack = [keras.Input((28, 28, 1)), keras.layers.Flatten()]
    stack += [keras.layers.Dense(64, activation=activation), *map(keras.layers.Activation, own)]
    network = keras.Sequential([*stack, keras.layers.Dense(10, activation="softmax")])
    network.compile("adam", "sparse_categorical_crossentropy")
    assert_right("01.4", network)


def takes_any_photo(prepare):
    photos = keras.Input((None, None, 3))
    dense = keras.layers.Dense(5, activation="softmax")
    return keras.Model(photos, dense(keras.layers.Flatten()(prepare(photos))))


def cropped(photos):
    return ops.image.resize(photos, (32, 32), crop_to_aspect_ratio=True)


@pytest.mark.parametrize(
    "prepare",
    [
        lambda photos: cropped(photos) / 255,
        lambda photos: cropped(photos / 255),
        lambda photos: keras.layers.Normalization(mean=0, variance=255**2)(cropped(photos)),
        keras.Sequential(
            [
                keras.layers.Resizing(32, 32, crop_to_aspect_ratio=True, interpolation="nearest"),
                keras.layers.Rescaling(1 / 255),
            ]
        ),
    ],
)
def test_a_photo_may_be_prepared_by_other_layers(prepare):
    assert_right("02.4", takes_any_photo(prepare))


@pytest.mark.parametrize(
    ("prepare", "hint"),
    [
        (cropped, "as they are"),
        (lambda photos: cropped(photos) / 127.5 - 1, "should become 1"),
        (lambda photos: cropped(photos) * 255, "should become 1"),
        (lambda photos: ops.image.resize(photos, (32, 32)) / 255, "told to crop"),
        (lambda photos: keras.layers.CenterCrop(32, 32)(photos) / 255, "near the edge"),
    ],
)
def test_a_photo_that_is_prepared_wrongly_is_seen(prepare, hint):
    verdict = find("02.4").judge(takes_any_photo(prepare))
    assert verdict.status == WRONG
    assert hint in verdict.message


def test_a_range_that_is_mended_behind_the_dense_layer_is_seen():
    layers = [
        keras.layers.Resizing(32, 32, crop_to_aspect_ratio=True),
        keras.layers.Flatten(),
        keras.layers.Dense(5),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Softmax(),
    ]
    verdict = find("02.4").judge(keras.Sequential([keras.Input((None, None, 3)), *layers]))
    assert verdict.status == WRONG
    assert "should become 1" in verdict.message


def test_a_kernel_that_is_nearly_learned_is_right():
    model = NETWORKS["03.4"].builder()
    for weights in model.layers[0].weights:
        weights.assign(weights + 0.015)
    assert_right("03.4", model)


def test_pooling_in_place_of_convolutions_is_refused():
    model = keras.Sequential([keras.Input((64, 64, 3))])
    model.add(keras.layers.AveragePooling2D(21, strides=4, padding="same"))
    model.add(keras.layers.Conv2D(64, 1))
    assert "no pooling" in find("03.6").judge(model).message


def test_a_stack_of_models_is_right():
    stack = [keras.Input((64, 64, 3))]
    for filters in (16, 32):
        halve = keras.layers.Conv2D(filters, 3, strides=2, padding="same")
        stack.append(keras.Sequential([halve, keras.layers.ReLU()]))
    stack.append(keras.layers.SeparableConv2D(64, 3, dilation_rate=2, padding="same"))
    assert_right("03.6", keras.Sequential(stack))


def test_a_stack_for_images_of_any_size_is_right():
    stack = NETWORKS["03.6"].builder()
    assert_right("03.6", keras.models.clone_model(stack, keras.Input((None, None, 3))))


def test_a_block_of_other_layers_is_right():
    x = inputs = keras.Input((197, 192))
    outward, inward = keras.layers.Dense(192), keras.layers.Conv1D(768, 1)
    x = x + attention.AttentionHeads(3, 64)(keras.layers.LayerNormalization()(x))[0]
    y = ops.gelu(inward(keras.layers.LayerNormalization()(x)))
    assert_right("11.5", keras.Model(inputs, x + outward(y)))


class Excite(keras.Layer):
    """Squeeze-and-excitation as a reader writes it who comes from PyTorch."""

    def __init__(self):
        super().__init__()
        self.squeeze = keras.layers.Dense(8, activation="relu")
        self.excite = keras.layers.Dense(32, activation="sigmoid")

    def call(self, x):
        return x * self.excite(self.squeeze(ops.mean(x, axis=(1, 2), keepdims=True)))


def excited(weigh, join, after_first="relu"):
    """Two convolutions with BatchNorm, and what is made of them and the input."""
    x = y = keras.Input((14, 14, 32))
    for activation in (after_first, "linear"):
        y = keras.layers.Conv2D(32, 3, padding="same", use_bias=False)(y)
        y = keras.layers.Activation(activation)(keras.layers.BatchNormalization()(y))
    return keras.Model(x, keras.layers.ReLU()(join(x, y, weigh)))


def weigh_positions(y):
    weights = keras.layers.Dense(8, activation="relu")(y)
    return y * keras.layers.Dense(32, activation="sigmoid")(weights)


def add_weighed(x, y, weigh):
    return x + weigh(y)


def test_an_excited_block_of_ones_own_layers_is_right():
    assert_right("05b.4", excited(Excite(), add_weighed))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda: excited(weigh_positions, add_weighed), "Squeeze first"),
        (lambda: excited(Excite(), add_weighed, "linear"), "first BatchNorm has a ReLU"),
        (lambda: excited(Excite(), lambda x, y, weigh: weigh(y)), "the input is not added"),
        (lambda: excited(Excite(), lambda x, y, weigh: weigh(x + y)), "after the multiplication"),
    ],
)
def test_an_excited_block_of_ones_own_layers_is_looked_into(answer, hint):
    verdict = find("05b.4").judge(answer())
    assert verdict.status == WRONG
    assert hint in verdict.message


def test_a_transformer_of_other_layers_is_right():
    x = images = keras.Input((28, 28, 1))
    x = keras.layers.Dense(64)(ops.reshape(ops.image.extract_patches(x, 7), (-1, 16, 49)))
    x = attention.LearnedPositions()(ClassToken()(x))
    for _ in range(4):
        y = keras.layers.LayerNormalization(epsilon=1e-6)(x)
        x = x + keras.layers.MultiHeadAttention(num_heads=4, key_dim=16, value_dim=16)(y, y)
        y = keras.layers.Conv1D(128, 1)(keras.layers.LayerNormalization(epsilon=1e-6)(x))
        x = x + keras.layers.Dense(64)(ops.gelu(y, approximate=False))
    x = keras.layers.LayerNormalization(epsilon=1e-6)(x)
    assert_right("12.4", keras.Model(images, keras.layers.Dense(10)(x[:, 0])))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_that_an_exercise_builds_is_right(name):
    assert_right(name, NETWORKS[name].builder())


# Mistakes and hints ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in EXERCISES if name not in TRAINED])
def test_each_mistake_gets_its_own_hint(name):
    exercise = EXERCISES[name]
    verdicts = {
        hint: exercise.judge(wrong() if isinstance(exercise, Network) else wrong)
        for hint, wrong in exercise.mistakes.items()
    }
    assert verdicts == {hint: Verdict(WRONG, hint) for hint in exercise.mistakes}
    assert len(verdicts) >= 2


def answer_with(model, *multiples):
    model.get_layer("answers").set_weights([np.array([multiples], np.float32)])


def activated(index, name):
    """Gives the layer of a model at this place another activation."""
    return lambda model: setattr(model.layers[index], "activation", keras.activations.get(name))


def without_attention(model):
    for weight in model.layers[2].weights:
        weight.assign(ops.zeros_like(weight))


@pytest.mark.parametrize(
    ("name", "spoil", "hint"),
    [
        ("01.4", activated(1, "softmax"), "softmax in the hidden layer"),
        ("01.4", activated(1, "linear"), "the two layers are one"),
        (
            "01.4",
            lambda model: model.compile("adam", "categorical_crossentropy"),
            "the labels are whole numbers",
        ),
        (
            "01.4",
            lambda model: model.compile(loss=keras.losses.SparseCategoricalCrossentropy(True)),
            "softmax twice",
        ),
        (
            "03.4",
            lambda model: model.layers[0].kernel.assign(model.layers[0].kernel[::-1, ::-1]),
            "not yet the one in the box",
        ),
        ("03.4", lambda model: model.layers[0].bias.assign([0.3]), "the bias is not"),
        ("03.6", lambda model: setattr(model.layers[0], "kernel_size", (5, 5)), "above 3 x 3"),
        (
            "03.4",
            lambda model: setattr(model.layers[0], "activation", ops.relu),
            "without an activation",
        ),
        (
            "02.4",
            lambda model: setattr(model.layers[0], "crop_to_aspect_ratio", False),
            "unless it is told to crop",
        ),
        (
            "02.4",
            lambda model: setattr(model.layers[1], "scale", 1 / 127),
            "should become 1",
        ),
        (
            "04.5",
            lambda model: setattr(model.layers[0], "strides", (3, 3)),
            "still looks at positions",
        ),
        ("04.5", lambda model: model.layers[-1].kernel.assign(np.zeros((32, 10))), "every image"),
        (
            "04.5",
            lambda model: [setattr(layer, "kernel_size", (1, 1)) for layer in model.layers[:3]],
            "looks at neighbours",
        ),
        ("05.3", activated(2, "tanh"), "a tanh left"),
        ("05.3", activated(-2, "linear"), "need a ReLU"),
        ("05b.4", activated(-4, "tanh"), "by itself: a sigmoid"),
        ("05b.4", activated(-4, "softmax"), "by itself: a sigmoid"),
        ("05b.4", activated(3, "linear"), "first BatchNorm has a ReLU"),
        ("05b.4", activated(6, "relu"), "each activation in its place"),
        ("05b.4", activated(-1, "linear"), "follows the addition"),
        ("05b.4", activated(-5, "linear"), "8 units has a ReLU"),
        (
            "06.2",
            lambda model: setattr(model.layers[0], "trainable", True),
            "be frozen",
        ),
        ("06.2", lambda model: setattr(model, "trainable", False), "be frozen"),
        (
            "06.2",
            lambda model: setattr(model.layers[-2], "rate", 0.8),
            "Dropout(0.2)",
        ),
        (
            "06.4",
            lambda model: transfer.unfreeze_from(model, "block6a_expand_conv", batch_norm=True),
            "BatchNorm should be frozen",
        ),
        (
            "06.4",
            lambda model: transfer.unfreeze_from(model, "block5a_expand_conv"),
            "blocks from `block6a` on",
        ),
        (
            "06.4",
            lambda model: setattr(model.layers[-1], "trainable", False),
            "the head should be trained",
        ),
        (
            "06.4",
            lambda model: setattr(model.optimizer, "learning_rate", 1e-3),
            "would destroy the features",
        ),
        (
            "06.4",
            lambda model: setattr(model.optimizer, "learning_rate", 0),
            "learning rate at all",
        ),
        ("08.6", lambda model: answer_with(model, 1, 1, 1, 1, 1, 1, 1, 1), "both answers are grey"),
        ("08.6", lambda model: answer_with(model, 2, 2, 2, 2, 0, 0, 0, 0), "for each pixel"),
        ("08.6", lambda model: answer_with(model, 2, 2, 0, 0, 2, 2, 0, 0), "the other is not"),
        ("08.6", lambda model: answer_with(model, 2, 2, 0, 0, 1, 1, 1, 1), "the other is not"),
        ("08.6", lambda model: answer_with(model, 0, 0, 0, 0, 0, 0, 0, 0), "long enough"),
        (
            "09.5",
            lambda model: setattr(model.get_layer("softmax"), "axis", 1),
            "softmax runs over the anchors",
        ),
        ("11.5", without_attention, "the tokens do not see each other"),
    ],
)
def test_a_model_that_lacks_something_is_refused(name, spoil, hint):
    model = EXERCISES[name].builder()
    spoil(model)
    verdict = find(name).judge(model)
    assert verdict.status == WRONG
    assert hint in verdict.message


@pytest.mark.parametrize(
    ("faults", "hint"),
    [
        ({"heads": 1, "key_dim": 192}, "3 heads of 64"),
        ({"heads": 6, "key_dim": 32}, "3 heads of 64"),
        ({"activation": "relu"}, "not a ReLU"),
        ({"activation": None}, "no activation"),
        ({"raw_queries": True}, "before the norm"),
        ({"parallel": True}, "side by side"),
        ({"activation": "tanh"}, "its weights or what it makes"),
    ],
)
def test_a_block_with_the_right_number_of_parameters_is_looked_into(faults, hint):
    verdict = find("11.5").judge(block_11.build(**faults))
    assert verdict.status == WRONG
    assert hint in verdict.message


@pytest.mark.parametrize(
    ("faults", "hint"),
    [
        ({"read": -1}, "read off a patch"),
        ({"skip": False}, "around the attention"),
        ({"skip": False, "read": -1}, "around the attention"),
        ({"mlp_skip": False}, "the MLP has no skip"),
        ({"read": "mean"}, "the mean of all tokens"),
        ({"last_norm": False}, "128 parameters"),
        ({"epsilon": 1e-3}, "epsilon=1e-6"),
        ({"class_token_first": False, "read": -1}, "[CLS] has no position"),
    ],
)
def test_a_transformer_with_a_fault_is_looked_into(faults, hint):
    verdict = find("12.4").judge(encoder_12.build(**faults))
    assert verdict.status == WRONG
    assert hint in verdict.message


def test_a_transformer_that_computes_something_else_is_refused():
    model = encoder_12.build()
    model.layers[1].strides = (6, 6)  # still 16 patches
    verdict = find("12.4").judge(model)
    assert verdict.status == WRONG
    assert "does not compute" in verdict.message


def test_the_transformer_of_the_chapter_is_not_the_one_to_mend():
    three_channels = architectures.vit(28, 7, 64, 4, 4, num_classes=10, mlp_dim=128)
    body = keras.Model(three_channels.layers[2].output, three_channels.get_layer("logits").output)
    images = keras.Input((28, 28, 1))
    tokens = keras.layers.Reshape((-1, 64))(keras.layers.Conv2D(64, 7, strides=7)(images))
    model = keras.Model(images, body(tokens))
    assert model.count_params() == encoder_12.build().count_params()
    verdict = find("12.4").judge(model)
    assert verdict.status == WRONG
    assert "keep Keras' `MultiHeadAttention`" in verdict.message


@pytest.mark.parametrize(
    ("layer", "hint"),
    [
        (lambda x: keras.layers.Conv2D(8, 3, strides=2)(x), "convolutions overlap"),
        (lambda x: keras.layers.Conv2D(8, 4, strides=4)(x), "accuracy"),
        (None, "no attention"),
    ],
)
def test_a_small_transformer_cuts_and_attends(layer, hint):
    x = images = keras.Input((28, 28, 1))
    x = keras.layers.Flatten()(x) if layer is None else layer(x)
    if layer is not None:
        x = keras.layers.Reshape((-1, 8))(x)
        x = keras.layers.Flatten()(attention.AttentionHeads(2, 4)(x)[0])
    verdict = find("12.5").judge(keras.Model(images, keras.layers.Dense(10)(x)))
    assert verdict.status == WRONG
    assert hint in verdict.message


def test_pixels_are_no_encoder_of_shifted_garments():
    images = keras.Input((28, 28, 1))
    pixels = keras.Model(images, keras.layers.Flatten()(keras.layers.Rescaling(1, -0.3)(images)))
    message = find("13.4").judge(pixels).message
    assert re.match(r"accuracy ≈ 0\.(3|40)\d+ on 1,000 garments, and 0\.44 is asked for: ", message)


def test_an_untrained_encoder_of_shifted_garments_is_refused():
    keras.utils.set_random_seed(0)
    images = x = keras.Input((28, 28, 1))
    for filters in (16, 32, 64):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    untrained = keras.Model(images, keras.layers.GlobalAveragePooling2D()(x))
    assert find("13.4").judge(untrained).status == WRONG


def test_a_probe_is_one_layer(monkeypatch):
    monkeypatch.setattr(chapter_13, "_shipped", lambda: {"body": []})
    is_linear = next(holds for hint, holds in find("13.5").must.items() if "one layer" in hint)
    images = keras.Input((3,))
    x = keras.layers.Dense(4, name="body")(images)
    assert is_linear(keras.Model(images, keras.layers.Dense(2)(x)))
    assert not is_linear(keras.Model(images, keras.layers.Dense(2)(keras.layers.Dense(3)(x))))


def test_the_photos_of_a_probe_are_as_many_of_each_class():
    images, labels = chapter_13.mirrored_photos()
    assert images.shape == (40, 112, 112, 3)
    assert np.bincount(labels).tolist() == [8] * 5


def add_to_weights(model, *names):
    for name in names:
        weight = model.get_layer(name).weights[-1]
        weight.assign(weight + 0.001)


@pytest.mark.parametrize(
    ("moved", "hint"),
    [
        (["stem_bn", "block6a_expand_conv"], "BatchNorm have moved"),
        (["block5c_project_conv", "block6a_expand_conv"], "before `block6a` have moved"),
        ([], "ImageNet's still"),
        (["block7a_project_conv", "top_conv"], "ImageNet's still, all or some"),
        (["block6a_expand_conv", "block7a_project_conv", "top_conv"], "0.8 is asked for"),
    ],
)
def test_what_moved_in_fine_tuning_is_seen(moved, hint):
    model = EXERCISES["06.4"].builder()
    add_to_weights(model, *moved)
    verdict = on_few_images("06.5").judge(model)
    assert verdict.status == WRONG
    assert hint in verdict.message


@pytest.mark.parametrize(
    ("spoil", "hint"),
    [
        (list, "expected a tf.data.Dataset, got list"),
        (lambda dataset: STRANGE["__class__"], "the dataset stopped with RuntimeError"),
        (lambda dataset: dataset.repeat(), '["sizes of the batches"]'),
        (lambda dataset: dataset.take(1), '["sizes of the batches"]'),
        (lambda dataset: dataset.map(lambda images, labels: (images, 0 * labels)), "the labels"),
        (lambda dataset: dataset.map(lambda images, labels: images), "the dataset stopped with"),
    ],
)
def test_a_pipeline_that_lacks_something_is_refused(spoil, hint):
    right = EXERCISES["07.5"].reference
    verdict = find("07.5").judge(lambda *case: spoil(right(*case)))
    assert verdict.status == WRONG
    assert hint in verdict.message


@pytest.mark.parametrize("name", EXERCISES)
def test_hints_are_different_sentences(name):
    hints = [EXERCISES[name].hint, *getattr(EXERCISES[name], "mistakes", ())]
    hints += getattr(EXERCISES[name], "must", ())
    assert len(set(hints)) == len(hints)
    for hint in hints:
        assert hint.endswith((".", "?")), hint
        assert " " in hint, hint
    assert EXERCISES[name].praise.endswith(".") or not EXERCISES[name].praise


@pytest.mark.parametrize("name", FUNCTIONS)
def test_cases_differ(name):
    cases = FUNCTIONS[name].cases
    assert len(cases) >= 3
    for first, second in itertools.combinations(cases, 2):
        with pytest.raises(AssertionError):
            np.testing.assert_equal(first, second)
