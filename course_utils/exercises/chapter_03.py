"""Exercises of chapter 03, what is a convolution?"""

import numpy as np

from course_utils.convolution import conv2d, output_size, same_padding
from course_utils.exercises.judge import Exercises
from course_utils.exercises.models import all_layers

EXERCISES = Exercises()

IMAGE = np.array([[3, 1, 0, 2], [5, 2, 4, 1], [0, 6, 1, 3], [2, 2, 7, 0]])
KERNEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])

EXERCISES.answer(
    "03.1",
    np.sum(IMAGE[1:, 1:] * KERNEL),
    "multiply the nine pixels of the window at the lower right with the nine numbers of the "
    "kernel, each with its counterpart, and add up the products.",
    mistakes={
        "this is the sum with the kernel flipped, a convolution in the sense of mathematics. Deep "
        "learning does not flip it.": np.sum(IMAGE[1:, 1:] * KERNEL[::-1, ::-1]),
        "this is a window at the top; go down one row.": np.sum(IMAGE[:3, :3] * KERNEL),
        "this is the window at the lower left.": np.sum(IMAGE[1:, :3] * KERNEL),
        "you lost the kernel's minus signs.": np.sum(IMAGE[1:, 1:] * np.abs(KERNEL)),
    },
)


@EXERCISES.function(
    "03.2",
    "find where the last whole window ends; what lies behind it is never seen.",
    cases=[(13, 6, 5), (32, 5, 2), (10, 3, 1), (5, 7, 2), (6, 7, 1), (7, 7, 3), (9, 2, 4)],
    mistakes={
        "the pixels left over are counted from the end of the last window, not from its start: the "
        "window's own length matters.": lambda size, kernel, stride: size % stride,
        "right wherever the window fits at least once. If it is longer than the row, it never "
        "fits, and no pixel is seen.": lambda size, kernel, stride: (size - kernel) % stride,
        "a window exactly as long as the row fits once, and sees all of it; only a longer one sees "
        "nothing.": lambda size, kernel, step: (size - kernel) % step if size > kernel else size,
    },
)
def ignored(size, kernel, stride):
    positions = output_size(size, kernel, stride)
    return size - ((positions - 1) * stride + kernel) if positions else size


def _walk(layers, further):
    """The field if `further` says what a layer adds, times the jump, and its own step."""
    field, jump = 1, 1
    for layer in layers:
        more, apart = further(*layer)
        field += more * jump
        jump *= apart
    return field


def _jump_too_early(layers):
    field, jump = 1, 1
    for kernel, stride, dilation in layers:
        jump *= stride
        field += dilation * (kernel - 1) * jump
    return field


@EXERCISES.function(
    "03.3",
    "walk from the first layer to the last with two numbers: the field so far, and how many input "
    "pixels one step of the current layer is worth.",
    cases=[
        ([(3, 1, 1), (3, 1, 1)],),
        ([(7, 2, 1), (3, 2, 1), (3, 1, 1)],),
        ([(3, 1, 1), (3, 1, 2), (3, 1, 4)],),
        ([(5, 3, 2), (1, 2, 1), (4, 1, 3)],),
        ([],),
    ],
    mistakes={
        "you forgot the strides: after a stride of 2, one step is worth two input pixels, and so "
        "it adds twice as much.": lambda x: field_with_dilation([(k, 1, d) for k, _, d in x]),
        "you forgot the dilation: a kernel of 3 with dilation 2 is as long as one of 5, "
        "2 x (3 - 1) + 1.": lambda x: field_with_dilation([(k, s, 1) for k, s, _ in x]),
        "a layer's stride counts for the layers behind it, not for itself: add to the field first, "
        "then multiply the jump.": _jump_too_early,
        "a layer adds one pixel less than its length, since its first one overlaps.": (
            lambda x: _walk(x, further=lambda k, s, d: (d * (k - 1) + 1, s))
        ),
        "dilation widens the layer itself; it does not move its outputs apart.": (
            lambda x: _walk(x, further=lambda k, s, d: (d * (k - 1), s * d))
        ),
        "without a layer one sees one pixel: start at 1.": lambda x: field_with_dilation(x) - 1,
    },
)
def field_with_dilation(layers):
    return _walk(layers, lambda kernel, stride, dilation: (dilation * (kernel - 1), stride))


KERNEL_IN_BOX = np.array([[0.2, -0.7, 0.4], [1.1, 0.3, -0.5], [-0.9, 0.6, 0.1]], "float32")
BIAS_IN_BOX = 0.35


def black_box(images):
    """Filters images (N, H, W, 1) with a kernel that exercise 03.4 asks for, and adds a bias.

    Returns:
        float32 array of shape (N, H - 2, W - 2, 1).
    """
    kernel = KERNEL_IN_BOX[:, :, np.newaxis, np.newaxis]
    return conv2d(np.asarray(images, np.float32), kernel) + np.float32(BIAS_IN_BOX)


def _box_model(kernel=KERNEL_IN_BOX, bias=BIAS_IN_BOX, use_bias=True, padding="valid"):
    """A model that does what the box does, or nearly."""
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input((None, None, 1))])
    model.add(layers.Conv2D(1, 3, padding=padding, use_bias=use_bias))
    weights = [kernel[:, :, np.newaxis, np.newaxis], np.array([bias])]
    model.set_weights(weights[: 1 + use_bias])
    return model


def _convolution(model):
    return next(layer for layer in model.layers if type(layer).__name__ == "Conv2D")


def _near(found, wanted):
    return np.abs(found.squeeze() - wanted).max() < 0.02


def _is_linear(model):
    """Whether the output is what the model's own weights give, on numbers below 0 too."""
    import keras

    signed = (IMAGE - 3).astype("float32")[np.newaxis, ..., np.newaxis]
    kernel, bias = _convolution(model).get_weights()
    output = keras.ops.convert_to_numpy(model(signed))
    return np.allclose(output, conv2d(signed, kernel) + bias, rtol=0, atol=1e-3)


@EXERCISES.network(
    "03.4",
    "one convolution with a single 3 x 3 kernel and a bias does all that the box does.",
    input_shape=(None, None, 1),
    output_shape=(None, None, 1),
    parameters=10,
    layers={"Conv2D": 1},
    must={
        "the box pads nothing: from 5 x 5 pixels it makes 3 x 3.": (
            lambda model: _convolution(model).padding == "valid"
        ),
        "the kernel is not yet the one in the box. Train longer, and on images in which a pixel "
        "says nothing about its neighbours.": (
            lambda model: _near(_convolution(model).get_weights()[0], KERNEL_IN_BOX)
        ),
        "the kernel is right, the bias is not: train longer.": (
            lambda model: _near(_convolution(model).get_weights()[1], BIAS_IN_BOX)
        ),
        "the output should be that of the convolution as it is, without an activation.": (
            _is_linear
        ),
    },
    mistakes={
        "what black images give is not zero: the box adds a bias.": (
            lambda: _box_model(use_bias=False)
        ),
        "it pads, and the box does not: images come out of it smaller.": (
            lambda: _box_model(padding="same")
        ),
    },
    praise="A single white pixel on black would have told it at once, flipped.",
)
def box_model():
    return _box_model()


def _convolved(image, kernel, stride, padding, pad=same_padding):
    """`pad` says for one axis how many zeros SAME padding adds before and after."""
    axes = list(zip(image.shape, kernel.shape, strict=True))
    if padding == "same":
        image = np.pad(image, [pad(*axis, stride) for axis in axes])
    image, kernel = image[np.newaxis, ..., np.newaxis], kernel[..., np.newaxis, np.newaxis]
    return conv2d(image, kernel, stride)[0, :, :, 0]


def _image_and_kernel(size, kernel_size, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 9, size).astype(float), rng.integers(-3, 4, kernel_size).astype(float)


def _odd_one_before(size, kernel, stride):
    return same_padding(size, kernel, stride)[::-1]


def _for_stride_1(size, kernel, stride):
    return same_padding(size, kernel)


@EXERCISES.function(
    "03.5",
    "compare with `conv2d` on a small image: first without padding, then with SAME padding and "
    "stride 1, then with both.",
    cases=[
        (*_image_and_kernel((5, 7), (3, 2), 0), 1, "valid"),
        (*_image_and_kernel((13, 9), (6, 4), 1), 5, "valid"),
        (*_image_and_kernel((13, 9), (6, 4), 2), 5, "same"),
        (*_image_and_kernel((6, 5), (3, 2), 3), 1, "same"),
        (*_image_and_kernel((8, 4), (3, 3), 4), 2, "same"),
        (*_image_and_kernel((4, 3), (1, 1), 5), 3, "same"),
        (*_image_and_kernel((2, 3), (2, 3), 6), 2, "valid"),
    ],
    mistakes={
        "it ignores the stride.": lambda image, kernel, stride, padding: _convolved(
            image, kernel, 1, padding
        ),
        "it ignores the padding.": lambda image, kernel, stride, padding: _convolved(
            image, kernel, stride, "valid"
        ),
        "deep learning does not flip the kernel.": lambda image, kernel, stride, padding: (
            _convolved(image, kernel[::-1, ::-1], stride, padding)
        ),
        "where the zeros cannot be shared out evenly, the odd one goes right and below.": (
            lambda *case: _convolved(*case, pad=_odd_one_before)
        ),
        "how many zeros SAME padding needs depends on the stride as well.": (
            lambda *case: _convolved(*case, pad=_for_stride_1)
        ),
    },
    praise="Now it is the lab, in a dozen lines.",
)
def convolve_with(image, kernel, stride, padding):
    return _convolved(image, kernel, stride, padding)


def _stack(last="separable", dilation=2):
    """Two strided convolutions and a third one."""
    import keras
    from keras import layers

    kind = {"separable": layers.SeparableConv2D, "full": layers.Conv2D}[last]
    return keras.Sequential(
        [
            keras.Input((64, 64, 3)),
            layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            kind(64, 3, dilation_rate=dilation, padding="same"),
        ]
    )


def _sees(model):
    import keras

    from course_utils.architectures import receptive_field

    if None in model.input_shape[1:]:  # where SAME padding begins depends on the size
        model = keras.models.clone_model(model, keras.Input((64, 64, 3)))
    return receptive_field(model)


def _is_a_stack_of_small_kernels(model):
    layers = list(all_layers(model))
    kernels = [layer.kernel_size for layer in layers if hasattr(layer, "kernel_size")]
    pools = any("Pooling" in type(layer).__name__ for layer in layers)
    return len(kernels) >= 3 and max(map(max, kernels)) <= 3 and not pools


@EXERCISES.network(
    "03.6",
    "the first layers may have few channels, the last one can be separable.",
    input_shape=(64, 64, 3),
    output_shape=(16, 16, 64),
    parameters=(None, 10_000),
    must={
        "at least three convolutions, none with a kernel above 3 x 3, and no pooling.": (
            _is_a_stack_of_small_kernels
        ),
        "an output sees fewer than 21 pixels across. Walk through your layers with the field and "
        "the jump.": lambda model: _sees(model) >= 21,
        "an output sees the whole image at once.": lambda model: _sees(model) < 64,
    },
    mistakes={
        "a full convolution from 32 to 64 channels alone takes 18,496 parameters.": (
            lambda: _stack(last="full")
        ),
        "after two strides of 2 a 3 x 3 kernel reaches over 15 pixels in all. What spreads it out "
        "without more weights?": lambda: _stack(dilation=1),
    },
    praise="Fewer parameters than one full 3 x 3 layer from 32 to 64 channels.",
)
def stack_to_order():
    return _stack()
