"""NanoDet-g: a one-stage detector without anchors, and the blocks that it is made of."""

import keras
from keras import layers

from course_utils._checks import is_whole_number

IMAGE_SIZE = 416  # pixels, what NanoDet-g was trained on
STRIDES = (8, 16, 32)  # pixels between neighbouring positions of the three feature maps
NUM_CLASSES = 80
NUM_BINS = 11  # distances from a position to a side of its box: 0, 1, ..., 10 strides
# Channels and residual blocks of the stages; a stage doubles the channels, by concatenation.
NANODET_STAGES = ((32, 1), (64, 2), (128, 2), (256, 3))
# ImageNet's mean and variance of the channels red, green and blue.
MEAN = (0.485, 0.456, 0.406)
VARIANCE = (0.229**2, 0.224**2, 0.225**2)


def nanodet_g(image_size=IMAGE_SIZE):
    """NanoDet-g without its weights; `pretrained.nanodet` has them.

    Batch normalisation is folded into the convolutions, so that each has a bias.

    Args:
        image_size: see there.

    Returns:
        A functional `keras.Model` named "nanodet".

    Raises:
        ValueError: if the size is none of those described there.

    Source: RangiLyu (2021), https://github.com/RangiLyu/nanodet, `config/nanodet-g.yml`.
    """
    image_size = checked_size(image_size)
    images = keras.Input((image_size, image_size, 3), name="images")
    x = layers.Normalization(mean=MEAN, variance=VARIANCE, name="normalization")(images)
    x = _conv(x, 32, 3, "stem_", strides=2)
    # A window on every position, then every second one: padding is even on all sides, as in
    # PyTorch. With strides of 2 SAME would pad on the right and below only.
    x = layers.MaxPooling2D(3, strides=1, padding="same", name="stem_pool")(x)
    x = layers.MaxPooling2D(1, strides=2, name="stem_pool_stride")(x)
    maps = []
    for stage, (filters, blocks) in enumerate(NANODET_STAGES, 2):
        x = csp_stage(x, filters, blocks, 1 if stage == 2 else 2, f"stage{stage}_")
        maps.append(x)
    maps = [
        layers.Conv2D(128, 1, name=f"neck{level}_conv")(x) for level, x in enumerate(maps[1:], 3)
    ]
    scores, distances = zip(
        *[head(x, f"head{level}_") for level, x in enumerate(path_aggregation(maps), 3)],
        strict=True,
    )
    logits = layers.Concatenate(axis=1, name="logits")(scores)
    outputs = {
        "scores": layers.Activation("sigmoid", name="scores")(logits),
        "distances": layers.Concatenate(axis=1, name="distances")(distances),
    }
    return keras.Model(images, outputs, name="nanodet")


def csp_stage(x, filters, blocks, strides, name):
    """Residual blocks on one path, a shortcut on the other: (N, H, W, filters) -> twice as many.

    Source: Wang et al. (2020), CSPNet: a new backbone that can enhance learning capability of CNN.
    """
    shortcut = x = _conv(x, filters, 3, name + "in_", strides)
    for block in range(1, blocks + 1):
        # Each half as wide as what comes in; together as wide.
        first = _conv(x, filters // 2, 3, f"{name}block{block}_first_")
        second = _conv(first, filters // 2, 3, f"{name}block{block}_second_")
        x = layers.Concatenate(name=f"{name}block{block}")([second, first])
    x = _conv(x, filters, 3, name + "out_")
    return layers.Concatenate(name=name[:-1])([x, shortcut])


def path_aggregation(maps):
    """Lets three feature maps know of each other: first from coarse to fine, then back.

    Maps and result are (N, H, W, C), (N, H/2, W/2, C), (N, H/4, W/4, C).

    Source: Liu et al. (2018), Path aggregation network for instance segmentation. NanoDet leaves
    the convolutions out.
    """
    fine, middle, coarse = maps
    middle = layers.Add(name="neck4_down")([middle, _upsample(coarse, "neck5_upsample")])
    fine = layers.Add(name="neck3")([fine, _upsample(middle, "neck4_upsample")])
    middle = layers.Add(name="neck4")([middle, _halve(fine, "neck3_halve")])
    coarse = layers.Add(name="neck5")([coarse, _halve(middle, "neck4_halve")])
    return fine, middle, coarse


def head(x, name):
    """What is predicted at each position: (N, H, W, C) -> (N, H W, 80) and (N, H W, 4, 11).

    Logits of the classes, and for each of the distances to the left, upper, right and lower side of
    the box the logits of a distribution over 0, 1, ..., 10 strides.

    Source: Li et al. (2020), Generalized focal loss.
    """
    x = _conv(x, 128, 3, name)
    scores = layers.Conv2D(NUM_CLASSES, 1, name=name + "scores_conv")(x)
    distances = layers.Conv2D(4 * NUM_BINS, 1, name=name + "distances_conv")(x)
    return (
        layers.Reshape((-1, NUM_CLASSES), name=name + "scores")(scores),
        layers.Reshape((-1, 4, NUM_BINS), name=name + "distances")(distances),
    )


def checked_size(image_size):
    """The size as an int, if NanoDet can take it."""
    if not is_whole_number(image_size) or image_size < 32 or image_size % 32:
        raise ValueError(f"image_size must be a multiple of 32 pixels, >= 32, got {image_size!r}")
    return int(image_size)


def _conv(x, filters, kernel, name, strides=1):
    if strides == 2:
        x = layers.ZeroPadding2D(kernel // 2, name=name + "pad")(x)
    padding = "valid" if strides == 2 else "same"
    x = layers.Conv2D(filters, kernel, strides, padding=padding, name=name + "conv")(x)
    return layers.LeakyReLU(negative_slope=0.1, name=name + "activation")(x)


def _upsample(x, name):
    return layers.UpSampling2D(2, interpolation="bilinear", name=name)(x)


def _halve(x, name):
    return layers.AveragePooling2D(2, name=name)(x)  # what bilinear resizing to a half comes to
