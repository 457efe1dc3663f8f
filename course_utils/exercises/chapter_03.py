"""Exercises of chapter 03, what is a convolution?"""

import numpy as np

from course_utils.convolution import output_size
from course_utils.exercises.judge import Answer, Function

IMAGE = np.array([[3, 1, 0, 2], [5, 2, 4, 1], [0, 6, 1, 3], [2, 2, 7, 0]])
KERNEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])

SHIFT_RIGHT = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0]])


def _ignored(size, kernel, stride):
    positions = output_size(size, kernel, stride)
    return size - ((positions - 1) * stride + kernel) if positions else size


def _receptive_field(layers):
    field, jump = 1, 1
    for kernel, stride, dilation in layers:
        field += dilation * (kernel - 1) * jump
        jump *= stride
    return field


def _without_jump(layers):
    return 1 + sum(dilation * (kernel - 1) for kernel, _, dilation in layers)


def _jump_too_early(layers):
    field, jump = 1, 1
    for kernel, stride, dilation in layers:
        jump *= stride
        field += dilation * (kernel - 1) * jump
    return field


def _without_dilation(layers):
    return _receptive_field([(kernel, stride, 1) for kernel, stride, _ in layers])


EXERCISES = {
    "03.1": Answer(
        expected=int(np.sum(IMAGE[1:, 1:] * KERNEL)),
        hint="multiply the nine pixels of the window at the lower right with the nine numbers of "
        "the kernel, each with its counterpart, and add up the products.",
        misconceptions=[
            (
                int(np.sum(IMAGE[1:, 1:] * KERNEL[::-1, ::-1])),
                "this is the sum with the kernel turned around, a convolution in the sense of "
                "mathematics. Deep learning does not turn it.",
            ),
            (
                int(np.sum(IMAGE[:3, :3] * KERNEL)),
                "this is the window at the upper left. The lower right one starts a row below "
                "and a column to the right of it.",
            ),
            (
                int(np.sum(IMAGE[1:, 1:] * np.abs(KERNEL))),
                "you lost the minus signs of the kernel's right column.",
            ),
        ],
    ),
    "03.2": Answer(
        expected=output_size(32, 5, 2),
        hint="how far can the left end of the window move before its right end leaves the row, "
        "and how many steps of 2 is that? The start counts as a position as well.",
        misconceptions=[
            (output_size(32, 5, 1), "this is the answer for stride 1: you forgot the stride."),
            (output_size(32, 5, 2, "same"), "this is SAME padding; here nothing is padded."),
            (
                output_size(32, 5, 2) - 1,
                "you counted the steps. There is one position more than steps: the start.",
            ),
            (
                output_size(32, 5, 2) + 1,
                "you rounded up. A window that does not fit whole is not computed.",
            ),
        ],
        praise="(32 - 5) / 2 is 13.5: the half step is dropped, and the start makes it 14.",
    ),
    "03.3": Function(
        reference=_ignored,
        cases=[(13, 6, 5), (32, 5, 2), (10, 3, 1), (5, 7, 2), (7, 7, 3), (224, 11, 4)],
        hint="find where the last whole window ends; what lies behind it is never seen.",
        misconceptions=[
            (
                lambda size, kernel, stride: size % stride,
                "the pixels left over are counted from the end of the last window, not from "
                "its start: the window's own length matters.",
            ),
            (
                lambda size, kernel, stride: (size - kernel) % stride,
                "right wherever the window fits at least once. If it is longer than the row, it "
                "never stands anywhere, and all pixels go unseen.",
            ),
        ],
    ),
    "03.4": Answer(
        expected=SHIFT_RIGHT,
        hint="each output pixel should copy the input pixel at its left: which of the kernel's "
        "nine places looks there?",
        misconceptions=[
            (
                SHIFT_RIGHT[:, ::-1],
                "this moves the photo to the left: the kernel is not turned around, so a 1 at "
                "the right fetches the pixel from the right.",
            ),
            (
                SHIFT_RIGHT.T,
                "this moves the photo down: you swapped rows and columns.",
            ),
            (
                SHIFT_RIGHT.T[::-1],
                "this moves the photo up: you swapped rows and columns.",
            ),
        ],
    ),
    "03.5": Answer(
        expected=5 * 5 * 3 * 32 + 32,
        hint="a kernel has height x width x input channels weights and one bias; there is one "
        "kernel for every output channel.",
        misconceptions=[
            (5 * 5 * 3 * 32, "you forgot the biases, one for each filter."),
            (5 * 5 * 32 + 32, "you forgot that each kernel spans all three input channels."),
            (5 * 5 * 3 * 32 + 2 * 32, "you counted the biases twice."),
            (5 * 5 * 3 * 32 + 3 * 32, "a filter has one bias in all, not one for each channel."),
        ],
    ),
    "03.6": Function(
        reference=_receptive_field,
        cases=[
            ([(3, 1, 1), (3, 1, 1)],),
            ([(7, 2, 1), (3, 2, 1), (3, 1, 1)],),
            ([(3, 1, 1), (3, 1, 2), (3, 1, 4)],),
            ([(5, 3, 2), (1, 2, 1), (4, 1, 3)],),
            ([],),
        ],
        hint="walk from the first layer to the last with two numbers: the field so far, and how "
        "many input pixels one step of the current layer is worth.",
        misconceptions=[
            (
                _without_jump,
                "you forgot the strides: after a stride of 2, one step is worth two input pixels.",
            ),
            (
                _jump_too_early,
                "a layer's stride counts for the layers behind it, not for itself: add to the "
                "field first, then multiply the jump.",
            ),
            (
                _without_dilation,
                "you forgot the dilation: a kernel of 3 with dilation 2 spans 5 pixels.",
            ),
        ],
    ),
}
