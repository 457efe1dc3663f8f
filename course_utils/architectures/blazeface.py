"""BlazeFace: a small single-shot detector of faces, and the block that it is made of."""

import keras
from keras import layers

IMAGE_SIZE = 128  # pixels
# Channels that leave each block, and its stride.
BLAZEFACE_BLOCKS = (
    (24, 1), (28, 1), (32, 2), (36, 1), (42, 1), (48, 2), (56, 1), (64, 1), (72, 1), (80, 1),
    (88, 1), (96, 2), (96, 1), (96, 1), (96, 1), (96, 1),
)  # fmt: skip
# Of the two feature maps that predict: the block, positions along a side, anchors at a position.
BLAZEFACE_GRIDS = ((11, 16, 2), (16, 8, 6))
NUM_OFFSETS = 16  # x, y, width, height of the box, then x, y of six keypoints


def blazeface():
    """BlazeFace for short range without its weights; `pretrained.blazeface` has them.

    Batch normalisation is folded into the convolutions, so that each has a bias.

    Returns:
        A functional `keras.Model` named "blazeface".

    Source: Bazarevsky et al. (2019), BlazeFace: sub-millisecond neural face detection on mobile
    GPUs. The weights that MediaPipe publishes are of a network with kernels of 3 x 3 in place of
    the paper's 5 x 5, and with single blocks only.
    """
    images = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="images")
    x = layers.Rescaling(2, offset=-1, name="rescaling")(images)  # [0, 1] -> [-1, 1]
    x = layers.Conv2D(24, 5, 2, padding="same", name="stem_conv")(x)
    x = layers.ReLU(name="stem_activation")(x)
    maps = {}
    for block, (filters, strides) in enumerate(BLAZEFACE_BLOCKS, 1):
        maps[block] = x = blaze_block(x, filters, strides, f"block{block}_")
    scores, offsets = [], []
    for block, _, anchors in BLAZEFACE_GRIDS:
        x, name = maps[block], f"head{block}_"
        score = layers.Conv2D(anchors, 1, name=name + "scores_conv")(x)
        offset = layers.Conv2D(anchors * NUM_OFFSETS, 1, name=name + "offsets_conv")(x)
        scores.append(layers.Reshape((-1,), name=name + "scores")(score))
        offsets.append(layers.Reshape((-1, NUM_OFFSETS), name=name + "offsets")(offset))
    logits = layers.Concatenate(axis=1, name="logits")(scores)
    outputs = {
        "scores": layers.Activation("sigmoid", name="scores")(logits),
        "offsets": layers.Concatenate(axis=1, name="offsets")(offsets),
    }
    return keras.Model(images, outputs, name="blazeface")


def blaze_block(x, filters, strides, name):
    """Residual block of a depthwise separable convolution.

    (N, H, W, C) -> (N, H / strides, W / strides, filters). The shortcut is pooled where the block
    has a stride, and added to the first C channels alone where it widens.
    """
    shortcut, channels = x, x.shape[-1]
    x = layers.DepthwiseConv2D(3, strides, padding="same", name=name + "dwconv")(x)
    x = layers.Conv2D(filters, 1, name=name + "project_conv")(x)
    if strides > 1:
        shortcut = layers.MaxPooling2D(strides, name=name + "pool")(shortcut)
    # Not by zeros behind the shortcut's channels: in TensorFlow 2.21 with oneDNN, Pad in front of
    # such a sum ends the process (segmentation fault) as soon as the model is compiled.
    first = layers.Add(name=name + "add")([x[..., :channels], shortcut])
    if filters > channels:
        first = layers.Concatenate(name=name + "widen")([first, x[..., channels:]])
    return layers.ReLU(name=name + "activation")(first)
