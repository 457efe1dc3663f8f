"""Shapes of sliding windows, and the fast convolution against Keras and SciPy."""

import itertools

import keras
import numpy as np
import pytest
from scipy.signal import correlate2d

from course_utils import convolution
from course_utils.convolution import conv2d, output_size, same_padding

SIZES = range(1, 16)
SETTINGS = list(itertools.product((1, 2, 3, 5), ("valid", "same")))  # stride, padding


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def keras_conv(images, kernels, **settings):
    return np.asarray(keras.ops.conv(images, kernels, **settings))


class TestOutputSize:
    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ({"size": 13, "kernel": 6, "stride": 5}, 2),  # pixels 1-6 and 6-11
            ({"size": 13, "kernel": 6, "stride": 5, "padding": "same"}, 3),
            ({"size": 13, "kernel": 3, "dilation": 2}, 9),  # the window spans 5 pixels
            ({"size": 13, "kernel": 3, "stride": 4, "dilation": 2}, 3),
            ({"size": 7, "kernel": 7}, 1),
            ({"size": 1, "kernel": 1, "stride": 9}, 1),
            ({"size": 7, "kernel": 8}, 0),
            ({"size": 2, "kernel": 11, "stride": 3}, 0),
            ({"size": 7, "kernel": 4, "dilation": 3}, 0),  # the window spans 10 pixels
            ({"size": 7, "kernel": 8, "padding": "same"}, 7),
            ({"size": np.uint8(200), "kernel": np.int8(100), "dilation": np.int8(2)}, 2),
            ({"size": np.uint8(200), "kernel": 9, "stride": np.uint8(3), "padding": "same"}, 67),
        ],
    )
    def test_by_hand(self, arguments, expected):
        assert output_size(**arguments) == expected

    def test_counts_the_places_where_a_window_fits(self):
        for size, kernel, stride, dilation in itertools.product(SIZES, SIZES, SIZES, (1, 2, 3)):
            starts = range(0, size, stride)
            fits = sum(start + dilation * (kernel - 1) < size for start in starts)
            assert output_size(size, kernel, stride, "valid", dilation) == fits
            assert output_size(size, kernel, stride, "same", dilation) == len(starts)

    @pytest.mark.parametrize("padding", convolution.PADDINGS)
    @pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (5, 1), (1, 2), (1, 3)])
    def test_like_keras(self, padding, stride, dilation):
        for size, kernel in itertools.product((7, 12, 15), (1, 2, 3)):
            layer = keras.layers.Conv1D(4, kernel, stride, padding, dilation_rate=dilation)
            _, expected, _ = layer.compute_output_shape((2, size, 3))
            assert output_size(size, kernel, stride, padding, dilation) == expected

    @pytest.mark.parametrize("name", ["size", "kernel", "stride", "dilation"])
    @pytest.mark.parametrize("value", [0, -1, 2.0, 2.5, True, "3", None, np.float32(2)])
    def test_refuses_a_length(self, name, value):
        arguments = {"size": 9, "kernel": 3, name: value}
        with pytest.raises(ValueError, match="must be a whole number >= 1, got") as error:
            output_size(**arguments)
        assert str(error.value).startswith(name)
        assert str(error.value).endswith(repr(value))

    @pytest.mark.parametrize("padding", ["full", "SAME", "", None, 0, (1, 2)])
    def test_refuses_a_padding(self, padding):
        with pytest.raises(ValueError, match='must be "valid" or "same", got') as error:
            output_size(9, 3, padding=padding)
        assert repr(padding) in str(error.value)


class TestSamePadding:
    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ({"size": 13, "kernel": 6, "stride": 5}, (1, 2)),  # the odd zero goes after
            ({"size": 9, "kernel": 3}, (1, 1)),
            ({"size": 9, "kernel": 4}, (1, 2)),
            ({"size": 9, "kernel": 1}, (0, 0)),
            ({"size": 1, "kernel": 5}, (2, 2)),
            ({"size": 8, "kernel": 3, "stride": 2}, (0, 1)),
            ({"size": 11, "kernel": 2, "stride": 5}, (0, 1)),
            ({"size": 10, "kernel": 2, "stride": 5}, (0, 0)),  # gaps between the windows
            ({"size": 9, "kernel": 3, "dilation": 4}, (4, 4)),  # the window spans 9 pixels
            ({"size": 9, "kernel": 2, "stride": 2, "dilation": 3}, (1, 2)),
            ({"size": np.uint8(200), "kernel": np.int8(100), "dilation": np.int8(2)}, (99, 99)),
        ],
    )
    def test_by_hand(self, arguments, expected):
        assert same_padding(**arguments) == expected

    def test_the_padded_axis_has_as_many_valid_windows(self):
        sizes = range(1, 12)
        for size, kernel, stride, dilation in itertools.product(sizes, sizes, sizes, (1, 2, 3)):
            before, after = same_padding(size, kernel, stride, dilation)
            assert 0 <= before <= after <= before + 1
            positions = output_size(size + before + after, kernel, stride, "valid", dilation)
            assert positions == output_size(size, kernel, stride, "same", dilation)

    @pytest.mark.parametrize(
        ("size", "kernel", "stride", "dilation"),
        [(13, 6, 5, 1), (7, 4, 1, 1), (8, 3, 2, 1), (2, 5, 3, 1), (9, 4, 1, 3), (11, 2, 1, 4)],
    )
    def test_like_tensorflow(self, size, kernel, stride, dilation):
        row = np.arange(1, size + 1, dtype="float32").reshape(1, 1, size, 1)
        weights = np.arange(1, kernel + 1, dtype="float32").reshape(1, kernel, 1, 1)
        zeros = same_padding(size, kernel, stride, dilation)
        padded = np.pad(row, ((0, 0), (0, 0), zeros, (0, 0)))
        settings = {"strides": (1, stride), "dilation_rate": (1, dilation)}
        expected = keras_conv(row, weights, **settings, padding="same")
        actual = keras_conv(padded, weights, **settings, padding="valid")
        np.testing.assert_array_equal(actual, expected)

    @pytest.mark.parametrize("name", ["size", "kernel", "stride", "dilation"])
    @pytest.mark.parametrize("value", [0, -3, 1.0, False])
    def test_refuses_a_length(self, name, value):
        arguments = {"size": 9, "kernel": 3, name: value}
        with pytest.raises(ValueError, match=f"^{name} must be a whole number >= 1, got {value}$"):
            same_padding(**arguments)


class TestConv2d:
    def test_by_hand(self):
        image = np.arange(1, 7).reshape(1, 2, 3, 1)
        kernel = np.array([[1, 10]]).reshape(1, 2, 1, 1)  # not flipped: 1 * left + 10 * right
        expected = [[21, 32], [54, 65]]
        np.testing.assert_array_equal(conv2d(image, kernel)[0, ..., 0], expected)
        expected = [[21, 32, 3], [54, 65, 6]]  # SAME: the zero is on the right
        np.testing.assert_array_equal(conv2d(image, kernel, padding="same")[0, ..., 0], expected)
        np.testing.assert_array_equal(conv2d(image, kernel, stride=2)[0, ..., 0], [[21]])
        expected = [[31], [64]]  # 1 * left + 10 * the next but one
        np.testing.assert_array_equal(conv2d(image, kernel, dilation=2)[0, ..., 0], expected)

    @pytest.mark.parametrize("padding", convolution.PADDINGS)
    @pytest.mark.parametrize(
        ("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (5, 1), (1, 2), (1, 3)]
    )
    @pytest.mark.parametrize("kernel_size", [(1, 1), (3, 3), (2, 5), (7, 4), (1, 6)])
    def test_like_keras(self, rng, kernel_size, stride, dilation, padding):
        """In all that Keras allows: it refuses strides together with dilation."""
        images = rng.random((3, 23, 17, 5), "float32")
        kernels = rng.normal(0, 0.2, (*kernel_size, 5, 4)).astype("float32")
        actual = conv2d(images, kernels, stride, padding, dilation)
        settings = {"strides": stride, "padding": padding, "dilation_rate": dilation}
        expected = keras_conv(images, kernels, **settings)
        assert actual.dtype == np.float32
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual, expected, atol=1e-5)

    @pytest.mark.parametrize("dilation", [1, 2, 3])
    @pytest.mark.parametrize("stride", [2, 3])
    def test_strides_with_dilation_like_scipy(self, rng, stride, dilation):
        """A dilated kernel is one with zeros in between; a stride skips positions."""
        images, kernels = rng.normal(size=(2, 13, 19, 1)), rng.normal(size=(3, 4, 1, 1))
        spread = np.zeros((2 * dilation + 1, 3 * dilation + 1))
        spread[::dilation, ::dilation] = kernels[..., 0, 0]
        whole = [correlate2d(image[..., 0], spread, "valid") for image in images]
        expected = np.array(whole)[:, ::stride, ::stride]
        actual = conv2d(images, kernels, stride, "valid", dilation)
        np.testing.assert_allclose(actual[..., 0], expected, atol=1e-12)
        zeros = [same_padding(size, k, stride, dilation) for size, k in ((13, 3), (19, 4))]
        padded = np.pad(images, ((0, 0), *zeros, (0, 0)))
        np.testing.assert_array_equal(
            conv2d(images, kernels, stride, "same", dilation),
            conv2d(padded, kernels, stride, "valid", dilation),
        )

    @pytest.mark.parametrize("padding", convolution.PADDINGS)
    @pytest.mark.parametrize("kernel_size", [(3, 5), (5, 3), (1, 1)])
    def test_like_scipy(self, rng, kernel_size, padding):
        images, kernels = rng.normal(size=(2, 9, 13, 3)), rng.normal(size=(*kernel_size, 3, 2))
        actual = conv2d(images, kernels, padding=padding)
        assert actual.dtype == np.float64
        for image, filter_ in np.ndindex(2, 2):
            expected = sum(
                correlate2d(images[image, ..., channel], kernels[..., channel, filter_], padding)
                for channel in range(3)
            )
            np.testing.assert_allclose(actual[image, ..., filter_], expected, atol=1e-12)

    def test_one_pixel_one_channel_one_filter(self):
        images, kernels = np.full((1, 1, 1, 1), 3.0), np.full((1, 1, 1, 1), -2.0)
        for stride, padding in SETTINGS:
            assert conv2d(images, kernels, stride, padding).tolist() == [[[[-6.0]]]]

    @pytest.mark.parametrize(("height", "width"), [(4, 9), (9, 4), (2, 3)])
    def test_a_window_larger_than_the_image(self, rng, height, width):
        images = rng.random((2, height, width, 3), "float32")
        kernels = rng.random((5, 5, 3, 4), "float32")
        empty = conv2d(images, kernels)
        assert empty.shape == (2, max(0, height - 4), max(0, width - 4), 4)
        expected = keras_conv(images, kernels, padding="same")
        np.testing.assert_allclose(conv2d(images, kernels, padding="same"), expected, atol=1e-5)

    @pytest.mark.parametrize("padding", convolution.PADDINGS)
    def test_no_images(self, padding):
        images, kernels = np.zeros((0, 7, 9, 3), "float32"), np.ones((3, 3, 3, 2), "float32")
        output = conv2d(images, kernels, 2, padding)
        one = keras_conv(np.zeros((1, 7, 9, 3), "float32"), kernels, strides=2, padding=padding)
        assert output.shape == one[:0].shape
        assert output.dtype == np.float32

    @pytest.mark.parametrize(
        ("images_type", "kernels_type", "expected"),
        [
            ("float32", "float32", "float32"),
            ("float16", "float16", "float32"),
            ("uint8", "float32", "float32"),
            ("bool", "int8", "float32"),
            ("float64", "float32", "float64"),
            ("float32", "float64", "float64"),
            ("int64", "int64", "float64"),  # float32 does not hold every large whole number
        ],
    )
    def test_types(self, rng, images_type, kernels_type, expected):
        images = rng.integers(0, 2, (2, 7, 6, 3)).astype(images_type)
        kernels = rng.integers(0, 2, (3, 2, 3, 4)).astype(kernels_type)
        output = conv2d(images, kernels)
        assert output.dtype == expected
        reference = keras_conv(images.astype("float32"), kernels.astype("float32"))
        np.testing.assert_array_equal(output, reference)

    def test_bytes_do_not_overflow(self):
        assert conv2d(np.full((1, 3, 3, 1), 255, "uint8"), np.ones((3, 3, 1, 1), "uint8")) == 2295

    def test_lists(self):
        assert conv2d([[[[2], [3]]]], [[[[4]]]]).tolist() == [[[[8.0], [12.0]]]]

    @pytest.mark.parametrize(("stride", "padding"), SETTINGS)
    def test_views_into_larger_arrays(self, rng, stride, padding):
        images = rng.random((5, 3, 14, 18)).transpose(0, 2, 3, 1)[::2, ::-1, ::2]
        kernels = rng.random((4, 3, 3, 2)).T[:, ::-1]
        expected = conv2d(images.copy(), kernels.copy(), stride, padding)
        np.testing.assert_array_equal(conv2d(images, kernels, stride, padding), expected)

    @pytest.mark.parametrize(("stride", "padding"), SETTINGS)
    def test_leaves_its_inputs_alone(self, rng, stride, padding):
        images, kernels = rng.random((2, 7, 9, 1)), rng.random((1, 1, 1, 1))
        images.flags.writeable = kernels.flags.writeable = False
        output = conv2d(images, kernels, stride, padding)
        assert output.flags.writeable
        assert not np.shares_memory(output, images)

    @pytest.mark.parametrize("shape", [(), (7,), (7, 9), (7, 9, 3), (1, 2, 7, 9, 3)])
    def test_refuses_a_shape(self, shape):
        images, kernels = np.ones((2, 7, 9, 3)), np.ones((3, 3, 3, 4))
        with pytest.raises(ValueError, match=r"images must have shape \(N, H, W, C\)") as error:
            conv2d(np.ones(shape), kernels)
        assert str(error.value).endswith(f"got {shape}")
        with pytest.raises(ValueError, match=r"kernels must have shape \(KH, KW, C, F\)") as error:
            conv2d(images, np.ones(shape))
        assert str(error.value).endswith(f"got {shape}")

    @pytest.mark.parametrize("axis", range(4))
    def test_refuses_empty_kernels(self, axis):
        shape = tuple(0 if index == axis else 3 for index in range(4))
        with pytest.raises(ValueError, match=r"kernels must have shape .* got \("):
            conv2d(np.ones((2, 7, 9, 3)), np.ones(shape))

    def test_refuses_other_channels(self):
        with pytest.raises(ValueError, match="kernels expect 5 channels, the images have 3"):
            conv2d(np.ones((2, 7, 9, 3)), np.ones((3, 3, 5, 4)))

    @pytest.mark.parametrize("shape", [(2, 0, 9, 3), (2, 9, 0, 3)])
    def test_refuses_an_image_without_pixels(self, shape):
        with pytest.raises(ValueError, match="size must be a whole number >= 1, got 0"):
            conv2d(np.ones(shape), np.ones((3, 3, 3, 4)))

    @pytest.mark.parametrize("name", ["stride", "dilation"])
    @pytest.mark.parametrize("value", [0, -1, 1.5, "2", (1, 2), True])
    def test_refuses_a_step(self, name, value):
        images, kernels = np.ones((2, 7, 9, 3)), np.ones((3, 3, 3, 4))
        with pytest.raises(ValueError, match="must be a whole number >= 1, got") as error:
            conv2d(images, kernels, **{name: value})
        assert str(error.value).startswith(name)
        assert str(error.value).endswith(repr(value))

    def test_steps_counted_by_numpy(self, rng):
        images, kernels = rng.random((2, 9, 7, 3)), rng.random((2, 3, 3, 4))
        steps = {"stride": np.uint8(2), "dilation": np.int64(3)}
        expected = conv2d(images, kernels, stride=2, dilation=3)
        np.testing.assert_array_equal(conv2d(images, kernels, **steps), expected)

    def test_refuses_a_padding(self):
        with pytest.raises(ValueError, match='padding must be "valid" or "same", got 1'):
            conv2d(np.ones((2, 7, 9, 3)), np.ones((3, 3, 3, 4)), padding=1)

    @pytest.mark.parametrize("kind", ["str", "object", "complex64"])
    def test_refuses_what_is_not_real_numbers(self, kind):
        good, bad = np.ones((1, 3, 3, 1)), np.ones((1, 3, 3, 1)).astype(kind)
        with pytest.raises(
            ValueError, match=f"expected real numbers, got images of type {bad.dtype}"
        ):
            conv2d(bad, good.transpose(1, 2, 0, 3))
        with pytest.raises(ValueError, match=f"and kernels of type {bad.dtype}"):
            conv2d(good, bad.transpose(1, 2, 0, 3))
