"""Exercises of chapter 05, famous architectures: from LeNet to AlexNet."""

import numpy as np

from course_utils.convolution import output_size
from course_utils.exercises.judge import Exercises

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
    },
    praise="300 more. Colour is cheap: only the first layer pays for it.",
)


def _accepted_of_best(probabilities, accepted, k):
    best = np.argsort(-probabilities, axis=1)[:, :k]
    return np.take_along_axis(accepted, best, axis=1)


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
        "this is the share that is right; the error is the rest.": (
            lambda *case: 1 - accepted_top_k_error(*case)
        ),
        "this is the error in per cent. Asked was a share, from 0 to 1.": (
            lambda *case: 100 * accepted_top_k_error(*case)
        ),
        "you took the least likely classes: `argsort` puts the smallest first.": (
            lambda p, accepted, k: accepted_top_k_error(-p, accepted, k)
        ),
        "you looked at the best class alone; any of the k may be the right one.": (
            lambda p, accepted, k: accepted_top_k_error(p, accepted, 1)
        ),
        "one accepted class among the k is enough; you asked for all of them.": (
            lambda *case: 1 - _accepted_of_best(*case).all(axis=1).mean()
        ),
        "count images, not classes: an image is right if any of its k is accepted.": (
            lambda *case: 1 - _accepted_of_best(*case).mean()
        ),
    },
    praise="with several accepted classes, the cat is right at the first guess.",
)
def accepted_top_k_error(probabilities, accepted, k):
    return 1 - _accepted_of_best(probabilities, accepted, k).any(axis=1).mean()


def _with_same_as(same):
    """`sizes` with another formula for SAME padding."""

    def wrong(size, stack):
        result = []
        for kernel, stride, padding in stack:
            valid = output_size(size, kernel, stride)
            size = same(size, kernel, stride) if padding == "same" else valid
            result.append(size)
        return result

    return wrong


def _rounded_up(size, stack):
    result = []
    for kernel, stride, padding in stack:
        size = -(-(size - (kernel if padding == "valid" else stride)) // stride) + 1
        result.append(size)
    return result


def _without_the_one(size, stack):
    result = []
    for kernel, stride, padding in stack:
        size = (size - kernel) // stride if padding == "valid" else -(-size // stride)
        result.append(size)
    return result


ALEXNET = [
    (11, 4, "valid"), (3, 2, "valid"), (5, 1, "same"), (3, 2, "valid"), (3, 1, "same"),
    (3, 1, "same"), (3, 1, "same"), (3, 2, "valid"),
]  # fmt: skip


@EXERCISES.function(
    "05.3",
    "the size behind one layer is the size before the next.",
    cases=[
        (227, ALEXNET),
        (225, [(7, 2, "same"), (3, 2, "same")]),
        (40, [(4, 2, "same"), (2, 4, "same"), (6, 1, "same")]),  # even kernels
        (21, [(2, 2, "same")]),
        (30, [(4, 3, "valid")]),
        (9, []),
    ],
    mistakes={
        "each layer works on what the layer before it left, not on the image.": (
            lambda size, stack: [output_size(size, *layer) for layer in stack]
        ),
        "with VALID a window that does not fit is dropped: round down.": _rounded_up,
        "with SAME the last window is completed by padding: round up.": (
            _with_same_as(lambda size, kernel, stride: size // stride)
        ),
        "there is one position more than there are steps: plus 1.": _without_the_one,
        "you took VALID everywhere; the layers that say SAME are padded.": (
            _with_same_as(output_size)
        ),
        "SAME keeps the size only at stride 1; otherwise it is divided by the stride, rounded up.": (
            _with_same_as(lambda size, kernel, stride: size)
        ),
        "you pad `kernel // 2` on both sides, as is usual in PyTorch. With an even kernel that is "
        "one pixel too many: SAME gives the size divided by the stride, rounded up.": (
            _with_same_as(lambda size, k, stride: output_size(size + k // 2 * 2, k, stride))
        ),
        "you pad `(kernel - 1) // 2` on both sides. With an even kernel that is one pixel too few: "
        "SAME gives the size divided by the stride, rounded up.": (
            _with_same_as(lambda size, k, stride: output_size(size + (k - 1) // 2 * 2, k, stride))
        ),
        "the list starts behind the first layer, not with the image.": (
            lambda size, stack: [size, *sizes(size, stack)]
        ),
        "this is the last size alone; the list has one entry for each layer.": (
            lambda size, stack: [size, *sizes(size, stack)][-1]
        ),
    },
)
def sizes(size, stack):
    result = []
    for layer in stack:
        size = output_size(size, *layer)
        result.append(size)
    return result


@EXERCISES.function(
    "05.4",
    "a kernel spans the channels of its own group only.",
    cases=[(5, 96, 256, 2), (3, 12, 6, 3), (3, 7, 7, 7), (1, 5, 4, 1)],
    mistakes={
        "you ignored the groups: a kernel does not see the channels of the others.": (
            lambda kernel, before, after, groups: grouped_parameters(kernel, before, after, 1)
        ),
        "this is one group; there are more of them.": (
            lambda kernel, before, after, groups: (
                grouped_parameters(kernel, before, after, groups) // groups
            )
        ),
        "you forgot the biases, one for each channel out.": (
            lambda kernel, before, after, groups: kernel**2 * before // groups * after
        ),
        "each channel out has one bias, however many groups there are.": (
            lambda kernel, before, after, groups: (
                kernel**2 * before // groups * after + groups * after
            )
        ),
        "a kernel has height and width: kernel times kernel.": (
            lambda kernel, before, after, groups: kernel * before // groups * after + after
        ),
    },
)
def grouped_parameters(kernel, channels_in, channels_out, groups):
    return kernel * kernel * (channels_in // groups) * channels_out + channels_out


@EXERCISES.function(
    "05.5",
    "subtract each code from each row, square, and sum over the D numbers.",
    cases=[
        (_values(3, 5), rng.choice([-1.0, 1.0], (4, 5))),
        (_values(1, 84), rng.choice([-1.0, 1.0], (10, 84))),
        (np.ones((2, 3)), np.array([[1.0, 1, 1], [-1, -1, -1]])),
    ],
    mistakes={
        "this is the distance; the paper's output is its square.": (
            lambda x, codes: np.sqrt(code_distances(x, codes))
        ),
        "you took the mean over the D numbers; it is their sum.": (
            lambda x, codes: code_distances(x, codes) / x.shape[1]
        ),
        "this is the score of a dense layer: the largest wins there, here the smallest.": (
            lambda x, codes: x @ codes.T
        ),
        "you swapped the axes: one row for each image, one column for each class.": (
            lambda x, codes: code_distances(codes, x)
        ),
        "square the differences, do not take their absolute value.": (
            lambda x, codes: np.abs(x[:, np.newaxis] - codes).sum(axis=-1)
        ),
    },
)
def code_distances(x, codes):
    return np.sum((x[:, np.newaxis] - codes) ** 2, axis=-1)


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


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
        "this is the nearest by distance; by angle the length must not matter.": (
            lambda queries, gallery, count: np.argsort(code_distances(queries, gallery), axis=1)[
                :, :count
            ]
        ),
        "a product alone favours long vectors: scale all of them to length 1 first.": (
            lambda queries, gallery, count: np.argsort(-queries @ gallery.T, axis=1)[:, :count]
        ),
        "these are the least alike: `argsort` puts the smallest first.": (
            lambda queries, gallery, count: nearest_by_cosine(-queries, gallery, count)
        ),
        "the right ones, in the wrong order: the best comes first.": (
            lambda *case: nearest_by_cosine(*case)[:, ::-1]
        ),
        "these are the cosines; asked were the indices of the largest.": (
            lambda queries, gallery, count: (
                -np.sort(-_unit(queries) @ _unit(gallery).T, axis=1)[:, :count]
            )
        ),
        "you searched the queries for each picture of the gallery; it is the other way round.": (
            lambda queries, gallery, count: nearest_by_cosine(gallery, queries, count)
        ),
    },
)
def nearest_by_cosine(queries, gallery, count):
    return np.argsort(-_unit(queries) @ _unit(gallery).T, axis=1)[:, :count]
