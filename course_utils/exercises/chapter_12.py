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
    praise="halve the patch, and the last number grows nearly sixteenfold.",
)


def _attention(heads, rows, columns):
    weights = rng.random((heads, 1 + rows * columns, 1 + rows * columns))
    return weights / weights.sum(axis=-1, keepdims=True)


def _neighbours(weights, grid, step, mean=True, inside=True, first=1, asks=True):
    """12.2, right or with some of its faults."""
    shares = []
    for here in np.ndindex(*grid):
        row, column = here[0] + step[0], here[1] + step[1]
        there = row * grid[1] + column
        if inside and not (0 <= row < grid[0] and 0 <= column < grid[1]):
            continue
        if 0 <= there < grid[0] * grid[1]:
            pair = first + here[0] * grid[1] + here[1], first + there
            shares.append(weights[:, *(pair if asks else pair[::-1])])
    return np.sum(shares, axis=0) / (len(shares) if mean else weights.shape[1] - 1)


def _among_patches(weights):
    """The weights between patches, as shares of what goes to patches."""
    among = weights.copy()
    among[:, 1:, 1:] /= among[:, 1:, 1:].sum(axis=-1, keepdims=True)
    return among


@EXERCISES.function(
    "12.2",
    "take [CLS] out, and give the patches two axes, rows and columns, on both sides: who looks, "
    "and at whom.",
    cases=[
        (_attention(2, 3, 4), (3, 4), (0, 1)),
        (_attention(3, 4, 2), (4, 2), (-1, 0)),
        (_attention(1, 3, 5), (3, 5), (1, -2)),
        (_attention(2, 2, 3), (2, 3), (0, 0)),
    ],
    mistakes={
        "[CLS] stands in front: the first patch is token 1.": (
            lambda *case: _neighbours(*case, first=0)
        ),
        "this is how much the neighbour looks at the patch; it should be the other way round.": (
            lambda *case: _neighbours(*case, asks=False)
        ),
        "a patch at the edge has no neighbour beyond it: the next in the sequence is the first of "
        "the next row.": lambda *case: _neighbours(*case, inside=False),
        "take the mean over those patches only that have such a neighbour.": (
            lambda *case: _neighbours(*case, mean=False)
        ),
        "`step` is (down, right); yours goes right first.": lambda weights, grid, step: _neighbours(
            weights, grid, step[::-1]
        ),
        "do not divide by what goes to patches: what goes to [CLS] is in the whole, too.": (
            lambda weights, *case: _neighbours(_among_patches(weights), *case)
        ),
        "one number for each head; do not average over the heads.": lambda *case: np.mean(
            _neighbours(*case)
        ),
    },
    praise="With it you find the local heads of any vision transformer.",
)
def to_neighbour(weights, grid, step):
    return _neighbours(weights, grid, step)


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


def _by_keras(positions, before, after, **options):
    import keras

    grid = keras.ops.image.resize(positions[1:].reshape(*before, -1), after, **options)
    return np.concatenate([positions[:1], np.reshape(grid, (-1, positions.shape[1]))])


def _by_the_package(*case):
    from course_utils.architectures.vit import interpolate_positions

    return interpolate_positions(*case)


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
        (_tables(6, 8, 3), (6, 8), (3, 3)),
    ],
    tolerance=1e-5,
    mistakes={
        "[CLS] is no place in the image: leave its vector as it is.": (
            lambda positions, before, after: np.concatenate(
                [positions.mean(axis=0, keepdims=True), _positions(positions, before, after)[1:]]
            )
        ),
        "[CLS] stands behind the patches; it should stay the first.": (
            lambda *case: np.roll(_positions(*case), -1, axis=0)
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
        "this blurs where the table shrinks: no antialiasing.": (
            lambda *case: _by_keras(*case, antialias=True)
        ),
        "this is bicubic interpolation; go linearly.": (
            lambda *case: _by_keras(*case, interpolation="bicubic")
        ),
        "this is bicubic interpolation, as the package has it; go linearly.": _by_the_package,
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
        "this is not mended but built of other parts: keep Keras' `MultiHeadAttention`.": (
            encoder_12.attends_by_keras
        ),
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
    seconds=120.0,  # on a busy computer the estimate for the solution was 36
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
