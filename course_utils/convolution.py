"""Sliding windows: the arithmetic of their shapes, and a convolution fast enough to use.

Everywhere here "convolution" is what deep learning calls so: cross-correlation, the kernel
is not flipped (Goodfellow, Bengio and Courville, Deep Learning, 2016, section 9.1).
"""

import numpy as np

from course_utils._checks import one_of, whole_number

PADDINGS = ("valid", "same")


def output_size(size, kernel, stride=1, padding="valid", dilation=1):
    """Number of positions of a sliding window along one axis.

    VALID counts the positions at which the whole window fits; SAME pads the axis first, so that the
    number of positions depends on the stride alone.

    Args:
        size: input length in pixels, >= 1.
        kernel: kernel length in pixels, >= 1.
        stride: step in pixels, >= 1.
        padding: "valid" or "same".
        dilation: distance in pixels between neighbouring kernel elements, >= 1.

    Returns:
        The output length, >= 0: 0 where a window larger than the input is not padded.

    Raises:
        ValueError: if a length is not a whole number >= 1, or the padding is unknown.
    """
    size, stride = whole_number("size", size), whole_number("stride", stride)
    window = _window(kernel, dilation)
    if one_of("padding", padding, PADDINGS) == "same":
        return -(-size // stride)
    return max(0, (size - window) // stride + 1)


def same_padding(size, kernel, stride=1, dilation=1):
    """Zeros that SAME padding adds on each side of one axis.

    Args:
        size: input length in pixels, >= 1.
        kernel: kernel length in pixels, >= 1.
        stride: step in pixels, >= 1.
        dilation: distance in pixels between neighbouring kernel elements, >= 1.

    Returns:
        (before, after) in pixels; an odd one goes after, as in TensorFlow.

    Raises:
        ValueError: if a length is not a whole number >= 1.
    """
    size, stride = whole_number("size", size), whole_number("stride", stride)
    window = _window(kernel, dilation)
    positions = output_size(size, window, stride, "same")
    total = max(0, (positions - 1) * stride + window - size)
    return total // 2, total - total // 2


def conv2d(images, kernels, stride=1, padding="valid", dilation=1):
    """Convolves a batch of images with a set of kernels, as `keras.ops.conv` does.

    Every window is copied into one row of a matrix; one matrix product then computes all weighted
    sums (the "im2col" method: Chellapilla, Puri and Simard, 2006). The copy is KH KW / stride^2
    times as large as the images.

    Args:
        images: (N, H, W, C) real numbers.
        kernels: (KH, KW, C, F) real numbers, F kernels over all C channels.
        stride: step in pixels, the same down and across, >= 1.
        padding: "valid" or "same".
        dilation: distance in pixels between neighbouring kernel elements, the same down and
            across, >= 1. Unlike Keras, it may be above 1 together with the stride.

    Returns:
        (N, H', W', F) array of the floating type that holds both inputs, at least float32.

    Raises:
        ValueError: if a shape, a type, the stride, the padding or the dilation does not fit.
    """
    images, kernels = np.asarray(images), np.asarray(kernels)
    if images.ndim != 4:
        raise ValueError(f"images must have shape (N, H, W, C), got {images.shape}")
    if kernels.ndim != 4 or 0 in kernels.shape:
        raise ValueError(f"kernels must have shape (KH, KW, C, F), got {kernels.shape}")
    if kernels.shape[2] != images.shape[3]:
        raise ValueError(
            f"kernels expect {kernels.shape[2]} channels, the images have {images.shape[3]}"
        )
    if images.dtype.kind not in "biuf" or kernels.dtype.kind not in "biuf":
        raise ValueError(
            "expected real numbers, "
            f"got images of type {images.dtype} and kernels of type {kernels.dtype}"
        )
    dtype = np.result_type(images, kernels, np.float32)
    images, kernels = images.astype(dtype, copy=False), kernels.astype(dtype, copy=False)
    axes = list(zip(images.shape[1:3], kernels.shape[:2], strict=True))
    positions = [output_size(*axis, stride, padding, dilation) for axis in axes]
    if 0 in positions:
        return np.zeros((len(images), *positions, kernels.shape[3]), dtype)
    if padding == "same":
        pads = [same_padding(*axis, stride, dilation) for axis in axes]
        images = np.pad(images, ((0, 0), *pads, (0, 0)))
    window = [_window(kernel, dilation) for _, kernel in axes]
    windows = np.lib.stride_tricks.sliding_window_view(images, window, (1, 2))
    # (N, H', W', C, KH, KW): a position every `stride` pixels, in its window every `dilation`-th.
    windows = windows[:, ::stride, ::stride, :, ::dilation, ::dilation]
    return np.tensordot(windows, kernels, ((4, 5, 3), (0, 1, 2)))


def _window(kernel, dilation):
    """Pixels from the first element of a dilated kernel to its last."""
    return whole_number("dilation", dilation) * (whole_number("kernel", kernel) - 1) + 1
