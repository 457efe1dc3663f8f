"""Exercises of chapter 05, famous architectures: from LeNet to AlexNet."""

import numpy as np

from course_utils.exercises.judge import Exercises
from course_utils.exercises.models import all_layers

EXERCISES = Exercises()
rng = np.random.default_rng(5)


def _values(*shape):
    return rng.normal(0.5, 2, shape)


EXERCISES.answer(
    "05.1",
    61_706 + 5 * 5 * 2 * 6,
    "only one layer looks at the image itself. How many weights does each of its kernels have now?",
    mistakes={
        "the kernels of C1 must be as deep as the image: three layers, not one.": 61_706,
        "only C1 sees the colours; all later layers see its six maps, as before.": 3 * 61_706,
        "each kernel gets deeper, but it still has a single bias.": 61_706 + 2 * 156,
        "one of the three channels was there before.": 61_706 + 5 * 5 * 3 * 6,
        "there are six kernels, and each of them gets deeper.": 61_706 + 5 * 5 * 2,
        "this is what colour adds; add it to the rest.": 5 * 5 * 2 * 6,
        "this is C1 alone; add the layers behind it.": 5 * 5 * 3 * 6 + 6,
    },
    praise="300 more. Colour is cheap: only the first layer pays for it.",
)


def _share_found(probabilities, accepted, k, of_row=np.any):
    best = np.argsort(-probabilities, axis=1)[:, :k]
    return of_row(np.take_along_axis(accepted, best, axis=1), axis=1).mean()


def _first_alone(accepted):
    return np.eye(accepted.shape[1], dtype=bool)[accepted.argmax(axis=1)]


@EXERCISES.function(
    "05.2",
    "take the k likeliest classes of each image, and see whether any of them is accepted.",
    cases=[
        (rng.random((7, 5)), rng.random((7, 5)) > 0.7, 1),
        (rng.random((40, 6)), rng.random((40, 6)) > 0.5, 2),
        (rng.random((3, 4)), np.zeros((3, 4), bool), 4),
        (np.array([[0.1, 0.2, 0.7]]), np.array([[True, False, False]]), 3),
    ],
    mistakes={
        "this is the share that is right; the error is the rest.": _share_found,
        "this is in per cent, not from 0 to 1.": lambda *case: 100 * accepted_top_k_error(*case),
        "you took the least likely classes: `argsort` puts the smallest first, so turn the order "
        "around.": lambda p, accepted, k: accepted_top_k_error(-p, accepted, k),
        "you looked at the best class alone; any of the k likeliest may be the one that is "
        "accepted.": lambda p, accepted, k: accepted_top_k_error(p, accepted, 1),
        "one accepted class among the k is enough, and you asked for all of them: `any` of the k, "
        "not `all`.": lambda *case: 1 - _share_found(*case, np.all),
        "this is how many images are wrong; divide by how many there are.": lambda p, *case: (
            len(p) * accepted_top_k_error(p, *case)
        ),
        "you looked for one accepted class of each image, say by `argmax`; any of them will do.": (
            lambda p, accepted, k: accepted_top_k_error(p, _first_alone(accepted), k)
        ),
        "count images, not classes: an image is right if any of its k likeliest classes is "
        "accepted.": lambda *case: 1 - _share_found(*case, np.mean),
    },
    praise="with several accepted classes, the cat is right at the first guess.",
)
def accepted_top_k_error(probabilities, accepted, k):
    return 1 - _share_found(probabilities, accepted, k)


def _lenet(c1="same", c3="valid", activation="relu", pool="MaxPooling2D", c5=True):
    """LeNet-5 for images of 28 x 28 with today's parts, or nearly."""
    import keras
    from keras import layers

    pooling = getattr(layers, pool)
    c5_layer = [layers.Conv2D(120, 5, activation=activation), layers.Flatten()]
    as_dense = [layers.Flatten(), layers.Dense(120, activation=activation)]
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, 5, padding=c1, activation=activation),
            pooling(2),
            layers.Conv2D(16, 5, padding=c3, activation=activation),
            pooling(2),
            *(c5_layer if c5 else as_dense),
            layers.Dense(84, activation=activation),
            layers.Dense(10, activation="softmax"),
        ]
    )


def _kinds(model):
    return [type(layer).__name__ for layer in all_layers(model)]


def _activations(model):
    """Names of the activations in their order, also of those that are layers of their own."""
    own = {"ReLU": "relu", "Softmax": "softmax"}
    found = (getattr(layer, "activation", None) for layer in all_layers(model))
    names = (getattr(one, "__name__", "linear") for one in found)
    return [own.get(kind, name) for kind, name in zip(_kinds(model), names, strict=True)]


def _kernels_and_activations(model):
    """In their order: a K for each layer with a kernel, and the activations behind it."""
    order = []
    for kind, activation in zip(_kinds(model), _activations(model), strict=True):
        order += ["K"] * (kind in ("Conv2D", "Dense")) + [activation] * (activation != "linear")
    return order


@EXERCISES.network(
    "05.3",
    "the table of LeNet-5 holds for 32 x 32. Where do the missing two pixels on each side come "
    "from?",
    input_shape=(28, 28, 1),
    output_shape=(10,),
    parameters=61_706,
    outputs="probabilities",
    must={
        "it should have two max pooling layers.": lambda model: (
            _kinds(model).count("MaxPooling2D") == 2
        ),
        "there is a tanh left.": lambda model: "tanh" not in _activations(model),
        "softmax twice: the second makes all probabilities nearly equal.": lambda model: (
            _activations(model).count("softmax") == 1
        ),
        "the four hidden layers with kernels need a ReLU each, and the last layer has none.": (
            lambda model: _kernels_and_activations(model) == ["K", "relu"] * 4 + ["K", "softmax"]
        ),
        "LeNet-5 has no global pooling: with the right border C5 leaves a single position.": (
            lambda model: not any(kind.startswith("Global") for kind in _kinds(model))
        ),
    },
    mistakes={
        "this is the network of 44,426: on 28 x 28 without padding the maps get too small.": (
            lambda: _lenet(c1="valid", c5=False)
        ),
        "only the first layer needs a border: with SAME everywhere the maps stay too large.": (
            lambda: _lenet(c3="same")
        ),
    },
    praise="C1 puts out 28 x 28 as in 1998, so that all later layers fit, to the parameter.",
)
def lenet_28():
    return _lenet()


@EXERCISES.function(
    "05.4",
    "a kernel spans the channels of its own group only.",
    cases=[(5, 96, 256, 2), (3, 12, 6, 3), (3, 7, 7, 7), (1, 5, 4, 1)],
    mistakes={
        "you ignored the groups: a kernel does not see the channels of the other groups, so it is "
        "less deep.": lambda kernel, a, b, groups: grouped_parameters(kernel, a, b, 1),
        "this is one group; there are more.": lambda *case: grouped_parameters(*case) // case[3],
        "each channel out has a kernel; divide its depth by the groups, and not the number of "
        "kernels as well.": lambda kernel, a, b, groups: (
            kernel**2 * (a // groups) * (b // groups) + b
        ),
        "you forgot the biases.": lambda kernel, a, b, groups: kernel**2 * a // groups * b,
        "each channel out has one bias, however many groups there are, since it belongs to one of "
        "them.": lambda kernel, a, b, groups: (kernel**2 * a // groups + groups) * b,
        "a kernel has height and width.": lambda kernel, a, b, groups: (
            (kernel * a // groups + 1) * b
        ),
    },
)
def grouped_parameters(kernel, channels_in, channels_out, groups):
    return kernel * kernel * (channels_in // groups) * channels_out + channels_out


def _about_convolutions(model):
    """What `Conv2D` layers and poolings come in which order, and the windows of the poolings."""
    kinds = {"Conv2D": "C", "MaxPooling2D": "P"}
    found = [one for one in all_layers(model) if type(one).__name__ in kinds]
    windows = {(one.pool_size, one.strides) for one in found if type(one).__name__ != "Conv2D"}
    return "".join(kinds[type(one).__name__] for one in found), windows


def _dropouts_in_place(model):
    """Whether there are three dense layers, and a Dropout before each of the last two."""
    order = [kind for kind in _kinds(model) if kind in ("Dense", "Dropout")]
    return order == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]


@EXERCISES.trained(
    "05.5",
    "print the height and width of each layer: do enough pixels reach the first dense layer? Then "
    "look at the rate, which should fall, and at the number of epochs.",
    accuracy=0.75,
    parameters=(None, 150_000),
    must={
        "AlexNet's order is convolve, pool, convolve, pool, three convolutions, pool.": (
            lambda model: _about_convolutions(model)[0] == "CPCPCCCP"
        ),
        "its max pooling takes windows of 3 x 3, two pixels apart, so that they overlap.": (
            lambda model: _about_convolutions(model)[1] == {((3, 3), (2, 2))}
        ),
        "it ends in three dense layers, with Dropout behind the first and the second.": (
            _dropouts_in_place
        ),
        "there is no ReLU in one of the seven layers before the last.": lambda model: (
            _activations(model).count("relu") >= 7
        ),
        "it should have no groups: each convolution sees all maps of the layer before.": (
            lambda model: all(getattr(layer, "groups", 1) == 1 for layer in all_layers(model))
        ),
    },
    praise="The plan of 2012, at less than a four-hundredth of its size.",
)
def test_images():
    from course_utils import data

    return data.fashion_mnist()[1]


def _first(count, distances):
    return np.argsort(distances, axis=1)[:, :count]


def _squared_distances(queries, gallery):
    return np.sum((queries[:, np.newaxis] - gallery) ** 2, axis=-1)


def _cosines(queries, gallery):
    lengths = np.linalg.norm(gallery, axis=1)
    return queries @ gallery.T / lengths / np.linalg.norm(queries, axis=1, keepdims=True)


def _vectors(count, length):
    """Vectors of very different lengths, so that angle and distance disagree."""
    return _values(count, length) * np.logspace(-1, 1, count)[:, np.newaxis]


@EXERCISES.function(
    "05.6",
    "scale every vector to length 1, multiply queries by gallery, sort from the largest down.",
    cases=[
        (_vectors(3, 4), _vectors(9, 4), 4),
        (_vectors(5, 7), _vectors(6, 7), 1),
        (_vectors(2, 3), _vectors(4, 3), 4),
    ],
    mistakes={
        "this is the nearest by distance; by angle the length must not matter. Scale all of them "
        "to length 1.": lambda *c: _first(c[2], _squared_distances(*c[:2])),
        "a product alone favours long vectors: scale all of them to length 1 before you multiply, "
        "or divide after.": lambda queries, gallery, n: _first(n, -queries @ gallery.T),
        "these are the least alike: `argsort` puts the smallest first, and the largest cosine is "
        "the best.": lambda queries, gallery, n: _first(n, _cosines(queries, gallery)),
        "the right ones, but the best comes first.": lambda *c: nearest_by_cosine(*c)[:, ::-1],
        "these are the cosines; return the indices of the largest, which `argsort` gives you, "
        "not `sort`.": lambda queries, gallery, n: -np.sort(-_cosines(queries, gallery))[:, :n],
        "you searched the queries for each picture of the gallery; search the gallery for each "
        "query.": lambda queries, gallery, n: nearest_by_cosine(gallery, queries, n),
    },
)
def nearest_by_cosine(queries, gallery, count):
    return _first(count, -_cosines(queries, gallery))
