"""Exercises of chapter 12, vision transformers."""

import numpy as np

from course_utils.exercises import encoder_12
from course_utils.exercises.judge import Exercises

EXERCISES = Exercises()
rng = np.random.default_rng(12)


def _counts(height=480, width=320, patch=16, dim=384, channels=3, extra=1, bias=True):
    """The numbers of 12.1: tokens, parameters in front of the blocks, weights of one head."""
    tokens = height // patch * (width // patch) + extra
    embedding = patch * patch * channels * dim + (dim if bias else 0)
    return [tokens, embedding + dim + tokens * dim, tokens**2]


RIGHT = _counts()

EXERCISES.answer(
    "12.1",
    RIGHT,
    "patches in a column times patches in a row, and one more token. What has parameters in front "
    "of the first block? The patch embedding, [CLS], the positions.",
    mistakes={
        "[CLS] is a token, too: it has a position, it looks and is looked at.": _counts(extra=0),
        "a patch has three channels.": _counts(channels=1),
        "384 parameters are missing. The patch embedding has a bias, and [CLS] is a learned vector "
        "besides its position.": _counts(bias=False),
        "a head keeps a weight for each pair of tokens.": [*RIGHT[:2], RIGHT[0]],
        "the photo is not square: 30 patches in a column, 20 in a row.": _counts(width=480),
    },
    praise="halve the patch, and the last number grows sixteenfold.",
)


def _cut(image, size):
    """(H, W, C) -> (rows, size, columns, size, C)"""
    height, width, channels = image.shape
    return image.reshape(height // size, size, width // size, size, channels)


@EXERCISES.function(
    "12.2",
    "which axis counts rows of patches, which the rows within one? Bring the two that count "
    "patches to the front before the last reshape.",
    cases=[
        (rng.random((6, 9, 2)), 3),
        (rng.random((4, 2, 3)), 2),
        (rng.random((5, 5, 1)), 5),
        (rng.integers(0, 256, (8, 12, 3)).astype("uint8"), 4),
    ],
    mistakes={
        "`reshape` alone cuts the list of all pixels into pieces; a patch is a square.": (
            lambda image, size: image.reshape(-1, size * size * image.shape[2])
        ),
        "the patches come column by column; read row by row.": lambda image, size: (
            _cut(image, size).transpose(2, 0, 1, 3, 4).reshape(-1, size * size * image.shape[2])
        ),
        "the pixels within a patch come column by column.": lambda image, size: (
            _cut(image, size).transpose(0, 2, 3, 1, 4).reshape(-1, size * size * image.shape[2])
        ),
        "within a patch the channels come first; the three of a pixel belong together.": (
            lambda image, size: (
                _cut(image, size).transpose(0, 2, 4, 1, 3).reshape(-1, size**2 * image.shape[2])
            )
        ),
        "each patch should be one flat vector.": lambda image, size: (
            _cut(image, size).swapaxes(1, 2).reshape(-1, size, size, image.shape[2])
        ),
        "the rows and columns of patches should be one axis: (T, size * size * C).": (
            lambda image, size: (
                _cut(image, size)
                .swapaxes(1, 2)
                .reshape(image.shape[0] // size, image.shape[1] // size, -1)
            )
        ),
    },
    praise="Behind it a dense layer, and you have the convolution of stride `size`.",
)
def patches(image, size):
    return _cut(image, size).swapaxes(1, 2).reshape(-1, size * size * image.shape[2])


def _resized(grid, after, offset=0.5, nearest=False):
    """(H, W, D) -> (H', W', D), linear between the centres of cells, one axis after the other."""
    for axis, count in enumerate(after):
        length = grid.shape[axis]
        centres = (np.arange(count) + offset) * length / count - offset
        centres = np.rint(centres) if nearest else centres
        lines = np.moveaxis(grid, axis, 0).reshape(length, -1)
        lines = np.stack([np.interp(centres, np.arange(length), line) for line in lines.T], axis=1)
        shape = (count, *np.delete(grid.shape, axis))
        grid = np.moveaxis(lines.reshape(shape), 0, axis)
    return grid


def _positions(positions, before, after, **faults):
    grid = _resized(positions[1:].reshape(*before, -1), after, **faults)
    return np.concatenate([positions[:1], grid.reshape(-1, positions.shape[1])])


def _tables(rows, columns, width):
    return rng.normal(size=(1 + rows * columns, width))


@EXERCISES.function(
    "12.3",
    "[CLS] aside, the table is a small image with many channels. Resize that, and put [CLS] back "
    "in front.",
    cases=[
        (_tables(3, 4, 5), (3, 4), (6, 6)),
        (_tables(2, 3, 2), (2, 3), (5, 4)),
        (_tables(5, 2, 3), (5, 2), (5, 2)),
        (_tables(1, 3, 4), (1, 3), (2, 7)),
    ],
    tolerance=1e-5,
    mistakes={
        "[CLS] is no place in the image: leave its vector as it is.": (
            lambda positions, before, after: np.concatenate(
                [positions.mean(axis=0, keepdims=True), _positions(positions, before, after)[1:]]
            )
        ),
        "[CLS] is missing at the front.": (
            lambda positions, before, after: _positions(positions, before, after)[1:]
        ),
        "rows and columns are exchanged: `before` is (rows, columns), counted row by row.": (
            lambda positions, before, after: np.concatenate(
                [
                    positions[:1],
                    _resized(positions[1:].reshape(*before[::-1], -1), after).reshape(
                        -1, positions.shape[1]
                    ),
                ]
            )
        ),
        "this stretches the list of all vectors; stretch rows and columns.": (
            lambda positions, before, after: np.concatenate(
                [
                    positions[:1],
                    _resized(positions[1:, np.newaxis], (after[0] * after[1], 1))[:, 0],
                ]
            )
        ),
        "this takes the nearest vector; go linearly from one to the next.": (
            lambda *case: _positions(*case, nearest=True)
        ),
        "this puts the first and the last vector on the edges of the image, not on the centres of "
        "the outermost patches.": lambda *case: _positions(*case, offset=0.0),
    },
    praise="The trained transformer can now read photos of another size.",
)
def resize_positions(positions, before, after):
    return _positions(positions, before, after)


@EXERCISES.network(
    "12.4",
    "write down the shape behind each line, and compare with the chapter's `vision_transformer`.",
    input_shape=(28, 28, 1),
    output_shape=(10,),
    parameters=139_018,
    outputs="logits",
    must={
        "the answer is read off a patch; only [CLS] is there for it.": encoder_12.differs(read=-1),
        "the skip connection around the attention is missing still.": (
            encoder_12.differs(skip=False)
        ),
        "the MLP has no skip connection any more.": encoder_12.differs(mlp_skip=False),
        "the answer is the mean of all tokens; here [CLS] is there for it.": (
            encoder_12.differs(read="mean")
        ),
        "the norms need `epsilon=1e-6`: [CLS] begins small, and Keras' own 0.001 hides it.": (
            encoder_12.differs(epsilon=1e-3)
        ),
        "its parameters are right, but it does not compute what the chapter's transformer does.": (
            encoder_12.agrees
        ),
    },
    mistakes={
        "[CLS] has no position: put it in front before the positions are added.": (
            lambda: encoder_12.build(class_token_first=False)
        ),
        "in Keras `key_dim` is the length of one head's vectors: width = heads x key_dim.": (
            lambda: encoder_12.build(key_dim=encoder_12.WIDTH)
        ),
        "both `key_dim` and the place of [CLS] are wrong still.": (
            lambda: encoder_12.build(key_dim=encoder_12.WIDTH, class_token_first=False)
        ),
        "128 parameters are missing: [CLS] and its position, or the last norm.": (
            lambda: encoder_12.build(class_token=False)
        ),
        "the positions are missing.": lambda: encoder_12.build(positions=False),
        "the softmax is part of the loss; give logits.": lambda: encoder_12.build(softmax=True),
    },
    praise="None of the four faults would have stopped it with an error.",
)
def transformer():
    return encoder_12.build()


@EXERCISES.trained(
    "12.5",
    "a warm-up, a rate that falls, a few epochs on all 10,000 images; is the rate far from 0.002?",
    accuracy=0.75,
    parameters=(None, 70_000),
    must={
        "there is no attention in it.": encoder_12.attends,
        "its convolutions overlap: cut the image into patches, and leave the rest to attention.": (
            encoder_12.only_cuts
        ),
    },
    praise="Half of the chapter's parameters.",
)
def test_images():
    from course_utils import data

    return data.fashion_mnist()[1]
