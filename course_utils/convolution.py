"""Sliding windows: the arithmetic of their shapes, and a convolution fast enough to use.

Everywhere here "convolution" is what deep learning calls so: cross-correlation, the kernel
is not flipped (Goodfellow, Bengio and Courville, Deep Learning, 2016, section 9.1).
"""

import numpy as np

PADDINGS = ("valid", "same")
CHUNK_BYTES = 2**20  # windows copied at a time: they stay in the processor's cache
# Multiply-adds of one matrix product: OpenBLAS, NumPy's usual library, shares larger ones among
# threads, and where other programs keep a core busy these wait for each other many times too long.
PRODUCT_SIZE = 500_000


def output_size(size, kernel, stride=1, padding="valid", dilation=1):
    """Number of positions of a sliding window along one axis.

    VALID counts the places where the whole window fits; SAME pads the axis first, so that the
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
    _check_lengths(size=size, kernel=kernel, stride=stride, dilation=dilation)
    if _check_padding(padding) == "same":
        return -(-size // stride)
    window = dilation * (kernel - 1) + 1
    return max(0, (size - window) // stride + 1)


def same_padding(size, kernel, stride=1):
    """Zeros that SAME padding adds on each side of one axis.

    Args:
        size: input length in pixels, >= 1.
        kernel: kernel length in pixels, >= 1.
        stride: step in pixels, >= 1.

    Returns:
        (before, after) in pixels; an odd one goes after, as in TensorFlow.

    Raises:
        ValueError: if a length is not a whole number >= 1.
    """
    positions = output_size(size, kernel, stride, "same")
    total = max(0, (positions - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def conv2d(images, kernels, stride=1, padding="valid"):
    """Convolves a batch of images with a set of kernels, as `keras.ops.conv` does.

    Every window is copied into one column of a matrix; one matrix product then computes all
    weighted sums (the "im2col" method: Chellapilla, Puri and Simard, 2006).

    Args:
        images: (N, H, W, C) real numbers.
        kernels: (KH, KW, C, F) real numbers, F kernels over all C channels.
        stride: step in pixels, the same down and across, >= 1.
        padding: "valid" or "same".

    Returns:
        (N, H', W', F) array of the floating type that holds both inputs, at least float32.

    Raises:
        ValueError: if a shape, a type, the stride or the padding does not fit.
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
    count, height, width, _ = images.shape
    kernel_height, kernel_width, _, filters = kernels.shape
    rows = output_size(height, kernel_height, stride, padding)
    columns = output_size(width, kernel_width, stride, padding)
    if padding == "same":
        down = same_padding(height, kernel_height, stride)
        across = same_padding(width, kernel_width, stride)
        images = np.pad(images, ((0, 0), down, across, (0, 0)))
    if 0 in (count, rows, columns):
        return np.zeros((count, rows, columns, filters), dtype)
    # Along one axis a kernel element meets the pixels of a stretch this long.
    rows_seen = images.shape[1] - kernel_height + 1
    columns_seen = images.shape[2] - kernel_width + 1
    # One plane a channel: a row of a plane is then copied in one run, not pixel by pixel.
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype)  # (N, C, H, W)
    windows = np.lib.stride_tricks.sliding_window_view(planes, (rows_seen, columns_seen), (2, 3))
    windows = windows[..., ::stride, ::stride]  # (N, C, KH, KW, H', W')
    weights = kernels.transpose(2, 0, 1, 3).reshape(-1, filters).astype(dtype)  # (C KH KW, F)
    output = np.empty((count, rows, columns, filters), dtype)
    chunk = max(1, CHUNK_BYTES // (columns * weights[:, 0].nbytes))  # rows at a time
    step = PRODUCT_SIZE // weights.size  # positions at a time
    if step < 4:  # so many weights are worth the threads
        step = rows * columns
    for image in range(count):
        for top in range(0, rows, chunk):
            part = windows[image, ..., top : top + chunk, :].reshape(len(weights), -1)
            target = output[image, top : top + chunk].reshape(-1, filters)
            for start in range(0, len(target), step):
                stop = start + step
                np.matmul(part[:, start:stop].T, weights, out=target[start:stop])
    return output


def _check_lengths(**lengths):
    for name, value in lengths.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name} must be a whole number >= 1, got {value!r}")


def _check_padding(padding):
    if padding not in PADDINGS:
        raise ValueError(f'padding must be "valid" or "same", got {padding!r}')
    return padding
