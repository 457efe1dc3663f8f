"""Attention: queries look at keys, and fetch a mixture of values.

Equation and section numbers are those of Vaswani et al. (2017), Attention is all you need. Here
(N, T, D) are N sequences of T tokens, each a vector of D numbers.
"""

import keras
import numpy as np
from keras import layers, ops

from course_utils._checks import attention_weights, whole_number


def scaled_dot_product_attention(query, key, value, mask=None):
    """softmax(Q K^T / sqrt(D)) V, equation 1: for each query the mean of the values it looks for.

    Args:
        query: (..., T, D), T queries of D numbers. Leading axes, such as those of sequences and
            heads, are the same for all three.
        key: (..., S, D), S keys.
        value: (..., S, V), one value for each key.
        mask: None, or booleans that broadcast to (..., T, S), True where a query may look at a key.

    Returns:
        (output, weights): the mixtures (..., T, V), and the weights (..., T, S) they are made with.
        These are >= 0 and sum to 1 over the keys. A query that may look at no key has weights of 0,
        and so a mixture of 0.

    Raises:
        ValueError: if the shapes do not fit, or the mask is not of booleans.
    """
    query, key, value = (_real_numbers(tensor) for tensor in (query, key, value))
    _check_shapes(query.shape, key.shape, value.shape)
    # Scaled before the product, since half precision ends at 65,504.
    query = query / float(np.sqrt(query.shape[-1]))
    scores = ops.matmul(query, ops.swapaxes(key, -2, -1))  # (..., T, S)
    if mask is None:
        weights = ops.softmax(scores, axis=-1)
    else:
        mask = _checked_mask(mask, scores.shape)
        # A softmax of nothing but -inf is not a number.
        blind = ops.logical_not(ops.any(mask, axis=-1, keepdims=True))
        seen = ops.where(ops.logical_or(mask, blind), scores, -np.inf)
        weights = ops.where(mask, ops.softmax(seen, axis=-1), 0.0)
    return ops.matmul(weights, value), weights


@keras.saving.register_keras_serializable("course_utils")
class AttentionHeads(layers.Layer):
    """Multi-head attention (section 3.2.2) that returns its weights as well.

    Called with one sequence it is self-attention; with two, the first asks and the second is looked
    at: cross-attention. With the same weights it computes what `keras.layers.MultiHeadAttention`
    does, whose kernels (D, heads, key_dim) and (heads, key_dim, D) are those here, reshaped.

    Args:
        num_heads: number of heads, >= 1.
        key_dim: numbers in a head's query, key and value, >= 1. As a rule, the model's width D is
            `num_heads` times this.
        qkv_bias: whether the projections to queries, keys and values have a bias.
        output_bias: whether the projection behind the heads has one.

    Call arguments:
        query: (N, T, D), the sequence that asks.
        value: (N, S, E), the sequence that is looked at; None for `query` itself.
        attention_mask: None, or booleans (T, S), (N, T, S) or (N, heads, T, S), True where a query
            may look.

    Returns:
        (output, weights): (N, T, D), and (N, heads, T, S) as `scaled_dot_product_attention` gives
        them.

    Raises:
        ValueError: if a number is not whole or too small, or the shapes do not fit.
    """

    def __init__(self, num_heads, key_dim, qkv_bias=True, output_bias=True, **options):
        super().__init__(**options)
        self.num_heads = whole_number("num_heads", num_heads)
        self.key_dim = self.value_dim = whole_number("key_dim", key_dim)
        self.qkv_bias, self.output_bias = bool(qkv_bias), bool(output_bias)
        self.attention_axes = (1,)  # as `architectures.counting` asks of Keras' layer

    def build(self, query_shape, value_shape=None):
        value_shape = value_shape or query_shape
        for name, shape in (("query", query_shape), ("value", value_shape)):
            if len(shape) != 3 or shape[-1] is None:
                raise ValueError(f"expected {name} of shape (N, T, D), got {tuple(shape)}")
        inner = self.num_heads * self.key_dim
        for name, units, use_bias, shape in (
            ("query", inner, self.qkv_bias, query_shape),
            ("key", inner, self.qkv_bias, value_shape),
            ("value", inner, self.qkv_bias, value_shape),
            ("output", query_shape[-1], self.output_bias, (*query_shape[:-1], inner)),
        ):
            dense = layers.Dense(units, use_bias=use_bias, dtype=self.dtype_policy, name=name)
            dense.build(shape)
            setattr(self, f"{name}_dense", dense)

    def call(self, query, value=None, attention_mask=None):
        value = query if value is None else value
        if attention_mask is not None and len(attention_mask.shape) == 3:
            attention_mask = ops.expand_dims(attention_mask, 1)  # the same for all heads
        heads, weights = scaled_dot_product_attention(
            self._split(self.query_dense(query)),
            self._split(self.key_dense(value)),
            self._split(self.value_dense(value)),
            attention_mask,
        )
        joined = ops.transpose(heads, (0, 2, 1, 3))  # (N, H, T, K) -> (N, T, H, K)
        joined = ops.reshape(joined, (-1, ops.shape(query)[1], self.num_heads * self.key_dim))
        return self.output_dense(joined), weights

    def _split(self, x):
        """(N, T, H K) -> (N, H, T, K)"""
        x = ops.reshape(x, (-1, ops.shape(x)[1], self.num_heads, self.key_dim))
        return ops.transpose(x, (0, 2, 1, 3))

    def get_config(self):
        names = ("num_heads", "key_dim", "qkv_bias", "output_bias")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def sinusoidal_positions(length, dim):
    """A fixed vector for each position, of sines and cosines of many wavelengths (section 3.5).

    Number 2 i of position t is sin(t / 10000^(2 i / dim)), number 2 i + 1 the cosine of the same.

    Args:
        length: number of positions, >= 1; the first is 0.
        dim: numbers in a vector, even.

    Returns:
        (length, dim) float32 array, to be added to tokens.

    Raises:
        ValueError: if `length` is not a whole number >= 1, or `dim` not an even one >= 2.
    """
    length, dim = whole_number("length", length), whole_number("dim", dim, low=2)
    if dim % 2:
        raise ValueError(f"dim must be even, since sines and cosines come in pairs, got {dim}")
    angles = np.outer(np.arange(length), 10000.0 ** (-np.arange(0, dim, 2) / dim))
    return (
        np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, dim).astype("float32")
    )


@keras.saving.register_keras_serializable("course_utils")
class LearnedPositions(layers.Layer):
    """Adds a vector of its own to each position, (N, T, D) -> (N, T, D), learned like any weight.

    The table (T, D) begins with small random numbers, as in BERT and ViT. It has as many rows as
    the sequence that the layer first sees has tokens. A longer one is refused; a shorter one takes
    the first rows.

    Raises:
        ValueError: if the input is not (N, T, D) with a known T, or is longer than the table.
    """

    counts_as = "pointwise"

    def build(self, shape):
        if len(shape) != 3 or None in shape[1:]:
            raise ValueError(f"expected a sequence (N, T, D) of known length, got {tuple(shape)}")
        start = keras.initializers.TruncatedNormal(stddev=0.02)
        self.positions = self.add_weight(shape[1:], start, name="positions")

    def call(self, x):
        known, length = self.positions.shape[0], x.shape[1]
        if length is None or length > known:
            raise ValueError(f"expected a sequence of at most {known} tokens, got {length}")
        return x + self.positions[:length]


def rollout(attentions):
    """How much each token of the last layer goes back to each token of the input.

    The heads of a layer are averaged, and the skip connection around it counts as looking at
    oneself: A = (W + I) / 2. The product of all layers' A follows every path through the network.
    What the values and the MLPs do is left out: it says where information can come from, not what
    is made of it.

    Args:
        attentions: weights of the layers, first to last, each (..., heads, T, T) and all of one
            shape; rows sum to 1 (or are 0, where a token may look at none).

    Returns:
        (..., T, T) array, rows of which sum to 1.

    Raises:
        ValueError: if there are no layers, their shapes differ or are not square, or a weight is
            not from 0 to 1.

    Source: Abnar and Zuidema (2020), Quantifying attention flow in transformers.
    """
    attentions = [np.asarray(weights) for weights in attentions]
    if not attentions:
        raise ValueError("expected the attention weights of at least one layer, got none")
    shapes = {weights.shape for weights in attentions}
    shape = attentions[0].shape
    if len(shapes) > 1 or len(shape) < 3 or shape[-1] != shape[-2] or 0 in shape:
        got = " and ".join(map(str, sorted(shapes)))
        raise ValueError(f"expected weights (..., heads, T, T) of one shape, got {got}")
    total = np.eye(shape[-1])
    for weights in attentions:
        attention_weights(weights)
        mixed = weights.mean(axis=-3, dtype=float) + np.eye(shape[-1])
        total = mixed / mixed.sum(axis=-1, keepdims=True) @ total
    return total


def _real_numbers(tensor):
    """A tensor of floating point numbers; lists and whole numbers become Keras' default type."""
    if not keras.utils.is_keras_tensor(tensor):
        tensor = ops.convert_to_tensor(tensor)
    is_float = keras.backend.is_float_dtype(tensor.dtype)
    return tensor if is_float else ops.cast(tensor, keras.config.floatx())


def _check_shapes(query, key, value):
    short = [tuple(shape) for shape in (query, key, value) if len(shape) < 2]
    if short:
        raise ValueError(f"expected query, key and value of shape (..., T, D), got {short[0]}")
    found = f"got {tuple(query)}, {tuple(key)} and {tuple(value)}"
    if not _fits(key[-1:], query[-1:]):
        raise ValueError(f"expected query and key with equally many numbers, {found}")
    if not _fits(value[-2:-1], key[-2:-1]):
        raise ValueError(f"expected one value for each key, {found}")
    if not (len(query) == len(key) == len(value)) or not all(
        _fits(shape[:-2], query[:-2]) for shape in (key, value)
    ):
        raise ValueError(f"expected query, key and value with the same leading axes, {found}")


def _checked_mask(mask, scores):
    if not keras.utils.is_keras_tensor(mask):
        mask = ops.convert_to_tensor(mask)
    if keras.backend.standardize_dtype(mask.dtype) != "bool":
        raise ValueError(f"expected a mask of booleans, True where to look, got {mask.dtype}")
    shape, scores = tuple(mask.shape), tuple(scores)
    # A size of 1 serves for all.
    common = [
        full if size == 1 else size for size, full in zip(shape[::-1], scores[::-1], strict=False)
    ]
    if len(shape) > len(scores) or not _fits(common, scores[::-1][: len(shape)]):
        raise ValueError(f"expected a mask that broadcasts to {scores}, got {shape}")
    return mask


def _fits(shape, other):
    """Whether sizes are equal, as far as both are known."""
    return all(None in pair or pair[0] == pair[1] for pair in zip(shape, other, strict=True))
