"""Attention by hand, against Keras, and in half precision; positions; what flows through layers."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers, ops

from course_utils.architectures import depth, multiply_adds
from course_utils.attention import (
    AttentionHeads,
    LearnedPositions,
    rollout,
    scaled_dot_product_attention,
    sinusoidal_positions,
)

BATCH, QUERIES, KEYS, DIM, HEADS, KEY_DIM = 3, 5, 7, 8, 2, 3
RNG = np.random.default_rng(0)
ASKING = RNG.normal(size=(BATCH, QUERIES, DIM)).astype("float32")
LOOKED_AT = RNG.normal(size=(BATCH, KEYS, DIM + 1)).astype("float32")
ALLOWED = RNG.random((BATCH, QUERIES, KEYS)) < 0.5
ALLOWED[1, 2] = False  # a query that may look at nothing
MASKS = {
    "none": None,
    "one for all": ALLOWED[0],
    "one a sequence": ALLOWED,
    "keys only": ALLOWED[:, :1],
}


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


class TestScaledDotProductAttention:
    def test_by_hand(self):
        """Scores ln 3 and 0 after the division by 2 = sqrt(4): weights 3/4 and 1/4."""
        query = [[2 * np.log(3), 0, 0, 0]]
        output, weights = scaled_dot_product_attention(
            query, key=[[1, 5, 0, 0], [0, 0, 7, 9]], value=[[4, 0, 8], [8, 4, 0]]
        )
        close(weights, [[0.75, 0.25]])
        close(output, [[5, 1, 6]])

    def test_against_plain_numpy(self):
        query, key, value = (RNG.normal(size=(2, 3, *shape)) for shape in ((5, 4), (7, 4), (7, 6)))
        output, weights = scaled_dot_product_attention(query, key, value)
        expected = softmax(np.einsum("abtd,absd->abts", query, key) / 2)
        close(weights, expected)
        close(output, np.einsum("abts,absv->abtv", expected, value))

    def test_a_mask_hides_keys_as_if_they_were_not_there(self):
        query, key, value = RNG.normal(size=(5, 4)), RNG.normal(size=(7, 4)), np.eye(7)
        mask = np.array([True, False, True, True, False, False, True])
        output, weights = scaled_dot_product_attention(query, key, value, mask[np.newaxis])
        _, expected = scaled_dot_product_attention(query, key[mask], value[mask])
        close(np.asarray(weights)[:, mask], expected)
        close(np.asarray(weights)[:, ~mask], 0)
        close(output, weights)

    def test_a_query_that_may_look_at_nothing_fetches_nothing(self):
        mask = np.array([[True, True], [False, False]])
        output, weights = scaled_dot_product_attention(np.eye(2), np.eye(2), np.ones((2, 3)), mask)
        close(ops.sum(weights, axis=-1), [1, 0])
        close(output, [[1, 1, 1], [0, 0, 0]])

    def test_its_gradient_is_a_number(self):
        import tensorflow as tf

        query = tf.Variable(np.eye(2, dtype="float32"))
        mask = np.array([[True, True], [False, False]])
        with tf.GradientTape() as tape:
            output, _ = scaled_dot_product_attention(query, np.eye(2), np.eye(2) * 3, mask)
            loss = tf.reduce_sum(output[:, 0])
        gradient = np.asarray(tape.gradient(loss, query))
        assert np.isfinite(gradient).all()
        assert np.abs(gradient[0]).min() > 0.1
        close(gradient[1], 0)

    def test_a_column_of_the_mask_serves_all_keys(self):
        _, weights = scaled_dot_product_attention(
            np.zeros((2, 4)), np.zeros((5, 4)), np.zeros((5, 1)), np.array([[True], [False]])
        )
        close(weights, [[0.2] * 5, [0] * 5])

    def test_large_numbers_in_half_precision(self):
        query = np.full((2, 64), 60, "float16")
        output, weights = scaled_dot_product_attention(query, query, np.ones((2, 1), "float16"))
        assert keras.backend.standardize_dtype(output.dtype) == "float16"
        close(weights, np.full((2, 2), 0.5))  # 64 x 60 x 60 is beyond 65,504, an eighth is not

    def test_in_a_functional_model(self):
        query, key = keras.Input((5, 4)), keras.Input((None, 4))
        mask = keras.Input((5, None), dtype="bool")
        model = keras.Model([query, key, mask], scaled_dot_product_attention(query, key, key, mask))
        given = ASKING[..., :4], LOOKED_AT[..., :4], ALLOWED
        for found, expected in zip(
            model(given), scaled_dot_product_attention(*given[:2], given[1], ALLOWED), strict=True
        ):
            close(found, expected)

    @pytest.mark.parametrize(
        ("shapes", "message"),
        [
            (((4,), (7, 4), (7, 6)), r"shape \(\.\.\., T, D\), got \(4,\)"),
            (
                ((5, 4), (7, 3), (7, 6)),
                r"equally many numbers, got \(5, 4\), \(7, 3\) and \(7, 6\)",
            ),
            (((5, 4), (7, 4), (6, 6)), "one value for each key"),
            (((2, 5, 4), (7, 4), (7, 6)), "the same leading axes"),
            (((2, 5, 4), (3, 7, 4), (3, 7, 6)), "the same leading axes"),
            (((2, 5, 4), (2, 7, 4), (1, 7, 6)), "the same leading axes"),
        ],
    )
    def test_shapes_that_do_not_fit_are_refused(self, shapes, message):
        with pytest.raises(ValueError, match=message):
            scaled_dot_product_attention(*map(np.zeros, shapes))

    @pytest.mark.parametrize(
        ("mask", "message"),
        [
            (np.ones((5, 7)), "mask of booleans, True where to look, got"),
            (np.ones((7, 5), bool), r"broadcasts to \(5, 7\), got \(7, 5\)"),
            (np.ones((5, 6), bool), r"broadcasts to \(5, 7\), got \(5, 6\)"),
            (np.ones((1, 5, 7), bool), r"broadcasts to \(5, 7\), got \(1, 5, 7\)"),
        ],
    )
    def test_a_wrong_mask_is_refused(self, mask, message):
        with pytest.raises(ValueError, match=message):
            scaled_dot_product_attention(np.zeros((5, 4)), np.zeros((7, 4)), np.zeros((7, 2)), mask)


def pair(use_bias=True, looked_at=LOOKED_AT):
    """Keras' layer with random weights, and ours with the same."""
    theirs = layers.MultiHeadAttention(HEADS, KEY_DIM, use_bias=use_bias)
    theirs(ASKING, looked_at)
    theirs.set_weights([RNG.normal(0, 0.4, weight.shape) for weight in theirs.get_weights()])
    ours = AttentionHeads(HEADS, KEY_DIM, qkv_bias=use_bias, output_bias=use_bias)
    ours(ASKING, looked_at)
    pairs = zip(theirs.get_weights(), ours.get_weights(), strict=True)
    ours.set_weights([weight.reshape(other.shape) for weight, other in pairs])
    return theirs, ours


class TestAttentionHeads:
    @pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
    @pytest.mark.parametrize("use_bias", [True, False])
    def test_cross_attention_equals_that_of_keras(self, use_bias, mask):
        theirs, ours = pair(use_bias)
        given = {"attention_mask": mask}
        expected = theirs(ASKING, LOOKED_AT, return_attention_scores=True, **given)
        for found, wanted in zip(ours(ASKING, LOOKED_AT, **given), expected, strict=True):
            close(found, wanted)

    @pytest.mark.parametrize("causal", [False, True])
    def test_self_attention_equals_that_of_keras(self, causal):
        theirs, ours = pair(looked_at=ASKING)
        mask = np.tri(QUERIES, dtype=bool) if causal else None
        expected = theirs(ASKING, ASKING, use_causal_mask=causal, return_attention_scores=True)
        for found, wanted in zip(ours(ASKING, attention_mask=mask), expected, strict=True):
            close(found, wanted)

    def test_a_mask_for_each_head(self):
        _, ours = pair()
        mask = np.ones((BATCH, HEADS, QUERIES, KEYS), bool)
        mask[:, 1, :, 3] = False
        _, weights = ours(ASKING, LOOKED_AT, attention_mask=mask)
        assert np.min(np.asarray(weights)[:, 0, :, 3]) > 0
        close(np.asarray(weights)[:, 1, :, 3], 0)

    @pytest.mark.parametrize(
        ("qkv_bias", "output_bias", "expected"),
        [(True, True, 6 + 6 + 6 + 8), (True, False, 18), (False, True, 8), (False, False, 0)],
    )
    def test_parameters(self, qkv_bias, output_bias, expected):
        layer = AttentionHeads(HEADS, KEY_DIM, qkv_bias, output_bias)
        layer.build((None, QUERIES, DIM), (None, KEYS, DIM + 1))
        assert layer.count_params() == 8 * 6 + 9 * 6 + 9 * 6 + 6 * 8 + expected

    def test_what_a_block_of_dinov2_small_has(self):
        layer = AttentionHeads(num_heads=6, key_dim=64)
        layer.build((None, 257, 384))
        assert layer.count_params() == 4 * (384 * 384 + 384)

    def test_the_weights_are_an_output_of_the_graph(self):
        x = inputs = keras.Input((None, DIM))
        for name in ("first", "second"):
            after, _ = AttentionHeads(HEADS, KEY_DIM, name=name)(x)
            x = x + after
        model = keras.Model(inputs, x)
        looks = keras.Model(
            inputs, [model.get_layer(name).output[1] for name in ("first", "second")]
        )
        for weights in looks(ASKING):
            assert weights.shape == (BATCH, HEADS, QUERIES, QUERIES)
            close(ops.sum(weights, axis=-1), np.ones((BATCH, HEADS, QUERIES)))

    @pytest.mark.filterwarnings(
        "ignore:__array__ implementation"
    )  # Keras 3.15 with NumPy 2 and h5py
    def test_saved_and_loaded(self, tmp_path):
        query, value = keras.Input((QUERIES, DIM)), keras.Input((KEYS, DIM + 1))
        after = AttentionHeads(HEADS, KEY_DIM, qkv_bias=False, name="look")(query, value)
        model = keras.Model([query, value], [*after, LearnedPositions()(value)])
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert loaded.get_layer("look").get_config() == model.get_layer("look").get_config()
        for found, expected in zip(
            loaded([ASKING, LOOKED_AT]), model([ASKING, LOOKED_AT]), strict=True
        ):
            close(found, expected)

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_half_precision_is_near(self, policy):
        _, ours = pair()
        half = AttentionHeads(HEADS, KEY_DIM, dtype=policy)
        half(ASKING, LOOKED_AT)
        half.set_weights(ours.get_weights())
        expected = ours(ASKING, LOOKED_AT, attention_mask=ALLOWED)
        found = half(ASKING, LOOKED_AT, attention_mask=ALLOWED)
        error = {"mixed_float16": 0.01, "mixed_bfloat16": 0.05}[policy]
        for ours_half, ours_full in zip(found, expected, strict=True):
            assert keras.backend.standardize_dtype(ours_half.dtype) == policy.removeprefix("mixed_")
            ours_half = np.asarray(ops.cast(ours_half, "float32"))
            assert np.abs(ours_half - ours_full).max() < error  # NaN is not

    @pytest.mark.parametrize("given", [(0, 4), (2, 0), (2.0, 4), (2, True)])
    def test_numbers_of_heads_and_of_a_key_are_checked(self, given):
        with pytest.raises(ValueError, match="must be a whole number >= 1, got"):
            AttentionHeads(*given)

    @pytest.mark.parametrize("shape", [(5, 8), (3, 2, 5, 8)])
    def test_other_ranks_are_refused(self, shape):
        with pytest.raises(ValueError, match=r"expected query of shape \(N, T, D\), got"):
            AttentionHeads(HEADS, KEY_DIM)(np.zeros(shape))
        with pytest.raises(ValueError, match=r"expected value of shape \(N, T, D\), got"):
            AttentionHeads(HEADS, KEY_DIM)(ASKING, np.zeros(shape))

    def test_a_wrong_mask_is_refused(self):
        with pytest.raises(ValueError, match="a mask that broadcasts to"):
            AttentionHeads(HEADS, KEY_DIM)(ASKING, attention_mask=np.ones((5, 7), bool))


class TestCounted:
    def test_self_attention(self):
        """4 projections of 5 tokens from 8 to 6 numbers or back, and two products for each pair."""
        x = keras.Input((5, 8))
        mask = keras.Input((5, 5), dtype="bool")
        expected = 4 * 5 * 8 * 6 + 5 * 5 * 2 * (3 + 3)
        for calls in (lambda layer: layer(x), lambda layer: layer(x, None, mask)):
            model = keras.Model([x, mask], calls(AttentionHeads(2, 3)))
            assert (multiply_adds(model), depth(model)) == (expected, 2)

    @pytest.mark.parametrize("by_name", [(), ("value",), ("query", "value")])
    def test_cross_attention(self, by_name):
        inputs = {"query": keras.Input((5, 8)), "value": keras.Input((7, 9))}
        given = [tensor for name, tensor in inputs.items() if name not in by_name]
        after = AttentionHeads(2, 3)(*given, **{name: inputs[name] for name in by_name})
        model = keras.Model(list(inputs.values()), after)
        assert multiply_adds(model) == 2 * 5 * 8 * 6 + 2 * 7 * 9 * 6 + 5 * 7 * 2 * (3 + 3)

    def test_learned_positions_cost_nothing(self):
        x = keras.Input((5, 8))
        assert multiply_adds(keras.Model(x, LearnedPositions()(x))) == 0


class TestPositions:
    def test_by_hand(self):
        """Of 4 numbers the first two turn by 1 a position, the last two by 1 / 100."""
        angles = np.array([[0, 0], [1, 0.01], [2, 0.02]])
        found = sinusoidal_positions(length=3, dim=4)
        close(found[:, 0::2], np.sin(angles))
        close(found[:, 1::2], np.cos(angles))
        assert found.dtype == np.float32

    def test_a_shift_is_the_same_rotation_everywhere(self):
        """What section 3.5 hopes for: position t + 3 is a linear function of position t."""
        positions = sinusoidal_positions(20, 6)
        before, after = positions[:-3], positions[3:]
        matrix, *_ = np.linalg.lstsq(before, after, rcond=None)
        np.testing.assert_allclose(before @ matrix, after, atol=1e-4)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ((0, 4), "length must be a whole number >= 1, got 0"),
            ((3, 0), "dim must be a whole number >= 2, got 0"),
            ((3, 5), "dim must be even, .*, got 5"),
        ],
    )
    def test_wrong_sizes_are_refused(self, given, message):
        with pytest.raises(ValueError, match=message):
            sinusoidal_positions(*given)

    def test_learned_ones_are_added(self):
        layer = LearnedPositions()
        layer.build((None, 5, 8))
        table = RNG.normal(size=(5, 8)).astype("float32")
        layer.set_weights([table])
        close(layer(ASKING), ASKING + table)
        close(layer(ASKING[:, :3]), ASKING[:, :3] + table[:3])

    def test_learned_ones_begin_small_and_different(self):
        keras.utils.set_random_seed(0)
        layer = LearnedPositions()
        layer.build((None, 50, 80))
        (table,) = layer.get_weights()
        assert 0.015 < table.std() < 0.02  # truncated at two standard deviations of .02

    def test_learned_ones_know_their_length(self):
        with pytest.raises(ValueError, match="of known length"):
            LearnedPositions()(keras.Input((None, 8)))
        with pytest.raises(ValueError, match="of known length"):
            LearnedPositions()(np.zeros((5, 8)))
        layer = LearnedPositions()
        layer(ASKING)
        with pytest.raises(ValueError, match="at most 5 tokens, got 7"):
            layer(np.zeros((3, 7, 8)))
        with pytest.raises(ValueError, match="at most 5 tokens, got None"):
            layer(keras.Input((None, 8)))


class TestRollout:
    def test_two_layers_by_hand(self):
        """Two heads that look at the first and at the second token; then one that swaps."""
        first = [[[1, 0], [1, 0]], [[0, 1], [0, 1]]]
        second = [[[0, 1], [1, 0]]] * 2
        a1 = np.array([[0.75, 0.25], [0.25, 0.75]])
        a2 = np.array([[0.5, 0.5], [0.5, 0.5]])
        close(rollout([first]), a1)
        close(rollout([first, second]), a2 @ a1)

    def test_the_last_layer_comes_first_in_the_product(self):
        first, second = softmax(RNG.normal(size=(2, 3, 4, 5, 5)) * 3)
        found = rollout([first, second])
        assert found.shape == (3, 5, 5)
        mixed = [(weights.mean(axis=1) + np.eye(5)) / 2 for weights in (first, second)]
        close(found, mixed[1] @ mixed[0])
        assert np.abs(found - mixed[0] @ mixed[1]).max() > 0.01
        close(found.sum(axis=-1), 1)

    def test_it_follows_every_path(self):
        """The product equals the sum over all ways from layer to layer, one by one."""
        attentions = softmax(RNG.normal(size=(3, 1, 4, 4)))
        mixed = [(weights[0] + np.eye(4)) / 2 for weights in attentions]
        ways = np.zeros((4, 4))
        for top, upper, lower, bottom in itertools.product(range(4), repeat=4):
            ways[top, bottom] += (
                mixed[2][top, upper] * mixed[1][upper, lower] * mixed[0][lower, bottom]
            )
        close(rollout(attentions), ways)

    def test_a_token_that_may_look_at_none_stays_itself(self):
        close(rollout([[[[0, 0], [0.5, 0.5]]]]), [[1, 0], [0.25, 0.75]])

    @pytest.mark.parametrize(
        ("attentions", "message"),
        [
            ([], "at least one layer, got none"),
            ([np.full((2, 3), 0.3)], r"\(\.\.\., heads, T, T\) of one shape, got \(2, 3\)"),
            ([np.full((1, 2, 3), 0.3)], r"got \(1, 2, 3\)"),
            ([np.zeros((0, 3, 3))], r"got \(0, 3, 3\)"),
            ([np.zeros((1, 2, 2)), np.zeros((2, 2, 2))], r"got \(1, 2, 2\) and \(2, 2, 2\)"),
            ([np.full((1, 2, 2), -0.1)], "from 0 to 1, got -0.1 to -0.1"),
            ([np.full((1, 2, 2), 3)], "from 0 to 1, got 3 to 3"),
            ([np.full((1, 2, 2), np.nan)], "from 0 to 1, got nan to nan"),
        ],
    )
    def test_what_are_no_weights_is_refused(self, attentions, message):
        with pytest.raises(ValueError, match=message):
            rollout(attentions)
