"""Exercises of chapter 11, attention."""

import itertools

import numpy as np

from course_utils.exercises import block_11
from course_utils.exercises.judge import Exercises

EXERCISES = Exercises()
rng = np.random.default_rng(11)


def _mixture(scores, values=(10, 20, 60)):
    weights = np.exp(scores)
    return weights @ np.array(values) / weights.sum()


SCORES = np.array([4.0, 1.0, 0.0])  # dot products of 11.1

EXERCISES.answer(
    "11.1",
    _mixture(SCORES / 2),
    "three dot products, each divided by the root of the vectors' length; a softmax; and the mean "
    "of the values with these weights.",
    mistakes={
        "the scores are to be divided by the square root of the vectors' length.": (
            _mixture(SCORES)
        ),
        "this divides by the length of the vectors itself; take its square root.": (
            _mixture(SCORES / 4)
        ),
        "this takes the root of the number of keys; it is the length of the vectors.": (
            _mixture(SCORES / np.sqrt(3))
        ),
        "the weights do not sum to 1 yet.": np.exp(SCORES / 2) @ np.array([10, 20, 60]),
        "these weights are proportional to the scores; the softmax takes exponentials first.": (
            SCORES @ np.array([10, 20, 60]) / SCORES.sum()
        ),
        "this is the value of the best key alone; the softmax mixes all three.": 10,
        "this is the plain mean of the values, whatever the query.": 30,
    },
    tolerance=0.02,
    praise="the third key has a score of 0 and still gets a tenth of the weight.",
)


def _masked(query, key, value, mask, axis=-1, scale=np.sqrt, hidden=-np.inf, late=False):
    """The function of 11.2, right or with some of its faults."""
    scores = query @ key.T / scale(query.shape[-1])
    if not late:
        scores = np.where(mask, scores, hidden)
    weights = np.exp(scores - scores.max())
    weights = weights / weights.sum(axis=axis, keepdims=True)
    return (weights * mask if late else weights) @ value


def _allowed(queries, keys):
    mask = rng.random((queries, keys)) < 0.6
    mask[np.arange(queries), np.arange(queries) % keys] = True
    mask[np.arange(keys) % queries, np.arange(keys)] = True  # each key has somebody who looks
    return mask


def _vectors(queries, keys, length, values, size=1.0):
    shapes = (queries, length), (keys, length), (keys, values)
    return [size * rng.normal(size=shape) for shape in shapes]


@EXERCISES.function(
    "11.2",
    "scores first, then the mask, then a softmax over the keys, then the values.",
    cases=[
        (*_vectors(5, 7, 4, 3), _allowed(5, 7)),
        (*_vectors(6, 6, 9, 2, size=2.0), np.tri(6, dtype=bool)),
        (*_vectors(3, 3, 2, 2), np.eye(3, dtype=bool)),
        (*_vectors(4, 2, 3, 5), np.ones((4, 2), bool)),
    ],
    mistakes={
        "the softmax runs over the queries: the weights of one query should sum to 1, along the "
        "last axis.": lambda *case: _masked(*case, axis=0),
        "the softmax runs over all scores at once; each query has one of its own.": (
            lambda *case: _masked(*case, axis=None)
        ),
        "the mask is the wrong way round: True means that a query may look.": (
            lambda query, key, value, mask: _masked(query, key, value, ~mask)
        ),
        "a hidden score of 0 still gets a weight, as exp(0) is 1.": (
            lambda *case: _masked(*case, hidden=0)
        ),
        "here the mask comes after the softmax, so that a row no longer sums to 1.": (
            lambda *case: _masked(*case, late=True)
        ),
        "the scores are not divided by the root of the vectors' length.": (
            lambda *case: _masked(*case, scale=lambda length: 1)
        ),
        "the scores are divided by the length of the vectors; take its square root.": (
            lambda *case: _masked(*case, scale=lambda length: length)
        ),
        "this takes the root of the number of keys; it is the length of the vectors.": (
            lambda query, key, value, mask: _masked(
                query, key, value, mask, scale=lambda length: np.sqrt(len(key))
            )
        ),
        "nothing is masked.": (
            lambda query, key, value, mask: _masked(query, key, value, np.ones_like(mask))
        ),
    },
    praise="Keras and scaled_dot_product_attention give the same.",
)
def masked_attention(query, key, value, mask):
    return _masked(query, key, value, mask)


def _heads(x, w_query, w_key, w_value, heads, split=True, join=True, axis=-1, whole=False):
    """The function of 11.3, right or with some of its faults."""
    count, length, width = x.shape

    def separate(y):
        if not split:
            return y.reshape(count, heads, length, width // heads)
        return y.reshape(count, length, heads, width // heads).transpose(0, 2, 1, 3)

    query, key, value = (separate(x @ w) for w in (w_query, w_key, w_value))
    scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(width if whole else width // heads)
    weights = np.exp(scores) / np.exp(scores).sum(axis=axis, keepdims=True)
    mixed = weights @ value
    return (mixed.transpose(0, 2, 1, 3) if join else mixed).reshape(count, length, width)


def _layer(count, length, width):
    return rng.normal(size=(count, length, width)), *rng.normal(0, 0.5, (3, width, width))


FAULTS = {  # of 11.3: the place, an option of `_heads`, and a hint for this fault alone
    "the cutting into heads": (
        {"split": False},
        "where heads are cut out: `reshape` alone mixes the tokens, as it only counts numbers. Cut "
        "the last axis, then exchange two axes.",
    ),
    "the root": (
        {"whole": True},
        "a head's vectors are shorter than the model's: width = heads x key width, and the root is "
        "that of the key width.",
    ),
    "the softmax": (
        {"axis": -2},
        "the softmax still runs over the queries; it is the keys' weights that sum to 1.",
    ),
    "the joining of the heads": (
        {"join": False},
        "where heads are joined: exchange the two axes back before the reshape.",
    ),
}


def _faulty(places):
    """A hint for what is left of the faults of 11.3, and the function that has them."""
    options = {key: value for place in places for key, value in FAULTS[place][0].items()}
    hint = f"{len(places)} faults are left: {', '.join(places[:-1])} and {places[-1]}."
    return hint if len(places) > 1 else FAULTS[places[0]][1], lambda *case: _heads(*case, **options)


@EXERCISES.function(
    "11.3",
    "follow the shapes: behind each line, which axis is the head, which the token?",
    cases=[
        (*_layer(2, 5, 6), 3),
        (*_layer(3, 4, 8), 2),
        (*_layer(1, 3, 4), 1),
        (*_layer(2, 3, 9), 3),
    ],
    mistakes=dict(
        _faulty(places)
        for count in range(1, len(FAULTS) + 1)
        for places in itertools.combinations(FAULTS, count)
    ),
    praise="with a fourth matrix behind it, this is a layer of multi-head attention.",
)
def multi_head(x, w_query, w_key, w_value, heads):
    return _heads(x, w_query, w_key, w_value, heads)


def _cost(asking, width, answering, other_width, heads):
    """The numbers of 11.4; the inner width is that of the tokens that ask."""
    parameters = 2 * (width**2 + width) + 2 * (other_width * width + width)
    projections = 2 * asking * width**2 + 2 * answering * other_width * width
    weights = asking * answering
    return parameters, projections + 2 * weights * width, heads * weights


def _changed(place, change):
    """`_cost` with one of its three numbers changed: change(number, arguments)."""

    def wrong(*case):
        numbers = list(_cost(*case))
        numbers[place] = change(numbers[place], *case)
        return tuple(numbers)

    return wrong


@EXERCISES.function(
    "11.4",
    "four matrices, two products. For each, write down who is multiplied with what, and how often.",
    cases=[(12, 512, 197, 768, 8), (3, 4, 5, 6, 2), (7, 6, 2, 10, 3), (1, 8, 9, 4, 1)],
    mistakes={
        "this is self-attention; here keys and values are made from the other tokens.": (
            lambda t, d, s, e, heads: _cost(t, d, t, d, heads)
        ),
        "the wrong way round: the first sequence asks, the second is looked at.": (
            lambda t, d, s, e, heads: _cost(s, e, t, d, heads)
        ),
        "parameters: each has a bias.": _changed(0, lambda number, t, d, *_: number - 4 * d),
        "parameters: the matrices of keys and values take vectors of the other width.": _changed(
            0, lambda number, t, d, s, e, heads: 4 * (d * d + d)
        ),
        "parameters: a fourth matrix stands behind the heads.": (
            _changed(0, lambda number, t, d, *_: number - d * d - d)
        ),
        "multiply-adds: two large products, queries with keys and weights with values.": _changed(
            1, lambda number, t, d, s, e, heads: number - t * s * d
        ),
        "multiply-adds: the four projections cost something, too.": _changed(
            1, lambda number, t, d, s, e, heads: 2 * t * s * d
        ),
        "multiply-adds: keys and values are computed once for each token that is looked at.": (
            _changed(1, lambda number, t, d, s, e, heads: number + 2 * (t - s) * e * d)
        ),
        "weights: each head has weights of its own.": _changed(
            2, lambda number, t, d, s, e, heads: t * s
        ),
    },
    praise="no square here: the cost grows with the product of the two lengths.",
)
def cost_of_cross_attention(asking, width, answering, other_width, heads):
    return _cost(asking, width, answering, other_width, heads)


@EXERCISES.network(
    "11.5",
    "norm, attention, plus; norm, MLP, plus: count each part by hand.",
    input_shape=(block_11.TOKENS, block_11.WIDTH),
    output_shape=(block_11.TOKENS, block_11.WIDTH),
    parameters=4 * (192 * 192 + 192) + (192 * 768 + 768) + (768 * 192 + 192) + 2 * 2 * 192,
    must={
        "the tokens do not see each other: it should attend.": block_11.tokens_meet,
        "its outputs have mean 0 and variance 1: the norms come before attention and MLP, and "
        "nothing stands on the way around them.": block_11.ends_without_norm,
        "something is missing of the two skip connections: a very large input should come out "
        "nearly unchanged.": block_11.has_skips,
        "it should have 3 heads of 64.": block_11.has_heads,
        "the hidden layer of the MLP has a GELU, not a ReLU.": block_11.differs(activation="relu"),
        "the hidden layer of the MLP has no activation; it should be a GELU.": (
            block_11.differs(activation=None)
        ),
        "the queries are made before the norm; they come from the same vectors as the keys.": (
            block_11.differs(raw_queries=True)
        ),
        "attention and MLP stand side by side; the MLP works on what attention has found.": (
            block_11.differs(parallel=True)
        ),
        "its weights or what it makes of them are not those of ViT's block.": block_11.agrees,
    },
    mistakes={
        "in Keras `key_dim` is the length of one head's vectors: width = heads x key_dim.": (
            lambda: block_11.build(key_dim=block_11.WIDTH)
        ),
        "the attention's dense layers have biases in ViT.": lambda: block_11.build(use_bias=False),
        "the hidden layer of the MLP is four times as wide as the model.": (
            lambda: block_11.build(hidden=block_11.WIDTH)
        ),
        "attention and MLP each have a norm of their own.": lambda: block_11.build(norms=1),
        "the MLP is missing.": lambda: block_11.build(hidden=0),
        "the norms stand behind the sums: that is the block of 2017.": (
            lambda: block_11.build(pre_norm=False)
        ),
        "attention and MLP are there, their skip connections are not.": (
            lambda: block_11.build(skips=False)
        ),
    },
    praise="twelve of these, with patches, [CLS], positions, a last norm and a dense layer, are a "
    "ViT-Ti/16.",
)
def block():
    return block_11.build()


@EXERCISES.trained(
    "11.6",
    "does the last token look at both positions, and does a dense layer behind it compare what it "
    "found? Without positions it cannot find either.",
    accuracy=0.95,
    parameters=(None, 20_000),
    praise="It finds both digits and compares them.",
    noun="sequences",
    pixels=False,
)
def held_out():
    return block_11.make_larger(2_000, seed=1106)
