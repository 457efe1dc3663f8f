"""Exercises of chapter 03, what is a convolution?"""

import numpy as np

from course_utils.convolution import output_size
from course_utils.exercises.judge import Exercises

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

EXERCISES.answer(
    "03.2",
    output_size(32, 5, 2),
    "how far can the left end of the window move before its right end leaves the row, and how many "
    "steps of 2 is that? The start counts as a position as well.",
    mistakes={
        "this is the answer for stride 1: you forgot the stride.": output_size(32, 5, 1),
        "this is SAME padding; here nothing is padded.": output_size(32, 5, 2, "same"),
        "you counted the steps. There is one position more than steps: the start.": 13,
        "you rounded up. A window that does not fit whole is not computed.": 15,
        "half a step leads to no position: round down.": (32 - 5) / 2 + 1,
    },
    praise="(32 - 5) / 2 is 13.5: the half step is dropped, and the start makes it 14.",
)


@EXERCISES.function(
    "03.3",
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


SHIFT_RIGHT = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0]])

EXERCISES.answer(
    "03.4",
    SHIFT_RIGHT,
    "each output pixel should copy the input pixel at its left: which of the kernel's nine places "
    "looks there?",
    mistakes={
        "this moves the photo to the left: the kernel is not flipped, so a 1 at the right fetches "
        "the pixel from the right.": SHIFT_RIGHT[:, ::-1],
        "this moves the photo down: you swapped rows and columns.": SHIFT_RIGHT.T,
        "this moves the photo up: you swapped rows and columns.": SHIFT_RIGHT.T[::-1],
        "a 1 in the middle leaves each pixel where it is.": np.diag([0, 1, 0]),
    },
)

EXERCISES.answer(
    "03.5",
    5 * 5 * 3 * 32 + 32,
    "a kernel has height x width x input channels weights and one bias; there is one kernel for "
    "every output channel.",
    mistakes={
        "you forgot the biases, one for each filter.": 5 * 5 * 3 * 32,
        "you forgot that each kernel spans all three input channels.": 5 * 5 * 32 + 32,
        "a kernel has height and width: 5 x 5.": 5 * 3 * 32 + 32,
        "you counted the biases twice.": 5 * 5 * 3 * 32 + 2 * 32,
        "a filter has one bias in all, not one for each channel.": 5 * 5 * 3 * 32 + 3 * 32,
        "this is one kernel; there are 32 of them.": 5 * 5 * 3 + 1,
    },
)


def _jump_too_early(layers):
    field, jump = 1, 1
    for kernel, stride, dilation in layers:
        jump *= stride
        field += dilation * (kernel - 1) * jump
    return field


@EXERCISES.function(
    "03.6",
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
        "without a layer one sees one pixel: start at 1.": lambda x: field_with_dilation(x) - 1,
    },
)
def field_with_dilation(layers):
    field, jump = 1, 1
    for kernel, stride, dilation in layers:
        field += dilation * (kernel - 1) * jump
        jump *= stride
    return field
