"""Exercises of chapter 05, famous architectures: from LeNet to AlexNet."""

import numpy as np

from course_utils.convolution import output_size
from course_utils.exercises.judge import Answer, Function

_rng = np.random.default_rng(5)

_ALEXNET = [
    (11, 4, "valid"), (3, 2, "valid"), (5, 1, "same"), (3, 2, "valid"), (3, 1, "same"),
    (3, 1, "same"), (3, 1, "same"), (3, 2, "valid"),
]  # fmt: skip


def _accepted_of_best(probabilities, accepted, k):
    best = np.argsort(-probabilities, axis=1)[:, :k]
    return np.take_along_axis(accepted, best, axis=1)


def _top_k_error(probabilities, accepted, k):
    return 1 - _accepted_of_best(probabilities, accepted, k).any(axis=1).mean()


def _sizes(size, stack, step=output_size):
    result = []
    for kernel, stride, padding in stack:
        size = step(size, kernel, stride, padding)
        result.append(size)
    return result


def _rounded_up(size, kernel, stride, padding):
    return -(-(size - kernel) // stride) + 1 if padding == "valid" else -(-size // stride)


def _same_rounded_down(size, kernel, stride, padding):
    return output_size(size, kernel, stride) if padding == "valid" else size // stride


def _without_the_one(size, kernel, stride, padding):
    return (size - kernel) // stride if padding == "valid" else -(-size // stride)


def _parameters(kernel, depth, channels_out):
    return kernel * kernel * depth * channels_out + channels_out


def _distances(x, codes):
    return np.sum((x[:, np.newaxis] - codes) ** 2, axis=-1)


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _by_cosine(queries, gallery, count):
    return np.argsort(-_unit(queries) @ _unit(gallery).T, axis=1)[:, :count]


def _by_distance(queries, gallery, count):
    return np.argsort(_distances(queries, gallery), axis=1)[:, :count]


def _values(*shape):
    return _rng.normal(0.5, 2, shape)


def _vectors(count, length):
    """Vectors of very different lengths, so that angle and distance disagree."""
    return _values(count, length) * np.logspace(-1, 1, count)[:, np.newaxis]


EXERCISES = {
    "05.1": Answer(
        expected=61_706 + 5 * 5 * 2 * 6,
        hint="only one layer looks at the image itself. How many weights does each of its kernels "
        "have now?",
        misconceptions=[
            (61_706, "the kernels of C1 must be as deep as the image: three layers, not one."),
            (3 * 61_706, "only C1 sees the colours; all later layers see its six maps, as before."),
            (
                61_706 + 2 * 156,
                "each kernel gets deeper, but it still has a single bias.",
            ),
            (61_706 + 5 * 5 * 3 * 6, "one of the three channels was there before."),
            (
                61_706 + 5 * 5 * 2,
                "there are six kernels, and each of them gets deeper.",
            ),
        ],
        praise="300 more. Colour is cheap: only the first layer pays for it.",
    ),
    "05.2": Function(
        reference=_top_k_error,
        cases=[
            (_rng.random((7, 5)), _rng.random((7, 5)) > 0.7, 1),
            (_rng.random((40, 6)), _rng.random((40, 6)) > 0.5, 2),
            (_rng.random((3, 4)), np.zeros((3, 4), bool), 4),
            (np.array([[0.1, 0.2, 0.7]]), np.array([[True, False, False]]), 3),
        ],
        hint="take the k likeliest classes of each image, and see whether any of them is accepted.",
        misconceptions=[
            (
                lambda p, accepted, k: 1 - _top_k_error(p, accepted, k),
                "this is the share that is right; the error is the rest.",
            ),
            (
                lambda p, accepted, k: _top_k_error(-p, accepted, k),
                "you took the least likely classes: `argsort` puts the smallest first.",
            ),
            (
                lambda p, accepted, k: _top_k_error(p, accepted, 1),
                "you looked at the best class alone; any of the k may be the right one.",
            ),
            (
                lambda p, accepted, k: 1 - _accepted_of_best(p, accepted, k).all(axis=1).mean(),
                "one accepted class among the k is enough; you asked for all of them.",
            ),
            (
                lambda p, accepted, k: 1 - _accepted_of_best(p, accepted, k).mean(),
                "count images, not classes: an image is right if any of its k is accepted.",
            ),
        ],
        praise="with several accepted classes, the cat is right at the first guess.",
    ),
    "05.3": Function(
        reference=_sizes,
        cases=[
            (227, _ALEXNET),
            (225, [(7, 2, "same"), (3, 2, "same")]),
            (30, [(4, 3, "valid")]),
            (9, []),
        ],
        hint="the size behind one layer is the size before the next.",
        misconceptions=[
            (
                lambda size, stack: [output_size(size, *layer) for layer in stack],
                "each layer works on what the layer before it left, not on the image.",
            ),
            (
                lambda size, stack: _sizes(size, stack, _rounded_up),
                "with VALID a window that does not fit is dropped: round down.",
            ),
            (
                lambda size, stack: _sizes(size, stack, _same_rounded_down),
                "with SAME the last window is completed by padding: round up.",
            ),
            (
                lambda size, stack: _sizes(size, stack, _without_the_one),
                "there is one position more than there are steps: plus 1.",
            ),
            (
                lambda size, stack: _sizes(
                    size, stack, lambda s, kernel, stride, padding: output_size(s, kernel, stride)
                ),
                "you took VALID everywhere; the layers that say SAME are padded.",
            ),
            (
                lambda size, stack: [size, *_sizes(size, stack)],
                "the list starts behind the first layer, not with the image.",
            ),
            (
                lambda size, stack: [size, *_sizes(size, stack)][-1],
                "this is the last size alone; the list has one entry for each layer.",
            ),
        ],
    ),
    "05.4": Function(
        reference=lambda kernel, channels_in, channels_out, groups: _parameters(
            kernel, channels_in // groups, channels_out
        ),
        cases=[(5, 96, 256, 2), (3, 12, 6, 3), (3, 7, 7, 7), (1, 5, 4, 1)],
        hint="a kernel spans the channels of its own group only.",
        misconceptions=[
            (
                lambda kernel, channels_in, channels_out, groups: _parameters(
                    kernel, channels_in, channels_out
                ),
                "you ignored the groups: a kernel does not see the channels of the others.",
            ),
            (
                lambda kernel, channels_in, channels_out, groups: _parameters(
                    kernel, channels_in // groups, channels_out // groups
                ),
                "this is one group; there are more of them.",
            ),
            (
                lambda kernel, channels_in, channels_out, groups: (
                    _parameters(kernel, channels_in // groups, channels_out) - channels_out
                ),
                "you forgot the biases, one for each channel out.",
            ),
            (
                lambda kernel, channels_in, channels_out, groups: (
                    _parameters(kernel, channels_in // groups, channels_out)
                    + (groups - 1) * channels_out
                ),
                "each channel out has one bias, however many groups there are.",
            ),
            (
                lambda kernel, channels_in, channels_out, groups: (
                    kernel * (channels_in // groups) * channels_out + channels_out
                ),
                "a kernel has height and width: kernel times kernel.",
            ),
        ],
    ),
    "05.5": Function(
        reference=_distances,
        cases=[
            (_values(3, 5), _rng.choice([-1.0, 1.0], (4, 5))),
            (_values(1, 84), _rng.choice([-1.0, 1.0], (10, 84))),
            (np.ones((2, 3)), np.array([[1.0, 1, 1], [-1, -1, -1]])),
        ],
        hint="subtract each code from each row, square, and sum over the D numbers.",
        misconceptions=[
            (
                lambda x, codes: np.sqrt(_distances(x, codes)),
                "this is the distance; the paper's output is its square.",
            ),
            (
                lambda x, codes: _distances(x, codes) / x.shape[1],
                "you took the mean over the D numbers; it is their sum.",
            ),
            (
                lambda x, codes: x @ codes.T,
                "this is the score of a dense layer: the largest wins there, here the smallest.",
            ),
            (
                lambda x, codes: _distances(codes, x),
                "you swapped the axes: one row for each image, one column for each class.",
            ),
            (
                lambda x, codes: np.abs(x[:, np.newaxis] - codes).sum(axis=-1),
                "square the differences, do not take their absolute value.",
            ),
        ],
    ),
    "05.6": Function(
        reference=_by_cosine,
        cases=[
            (_vectors(3, 4), _vectors(9, 4), 4),
            (_vectors(5, 7), _vectors(6, 7), 1),
            (_vectors(2, 3), _vectors(4, 3), 4),
        ],
        hint="scale every vector to length 1, multiply queries by gallery, sort from the largest "
        "down.",
        misconceptions=[
            (
                _by_distance,
                "this is the nearest by distance; by angle the length must not matter.",
            ),
            (
                lambda queries, gallery, count: np.argsort(-queries @ gallery.T, axis=1)[:, :count],
                "a product alone favours long vectors: scale all of them to length 1 first.",
            ),
            (
                lambda queries, gallery, count: _by_cosine(-queries, gallery, count),
                "these are the least alike: `argsort` puts the smallest first.",
            ),
            (
                lambda queries, gallery, count: _by_cosine(queries, gallery, count)[:, ::-1],
                "the right ones, in the wrong order: the best comes first.",
            ),
            (
                lambda queries, gallery, count: _by_cosine(gallery, queries, count),
                "you searched the queries for each picture of the gallery; it is the other way "
                "round.",
            ),
        ],
    ),
}
