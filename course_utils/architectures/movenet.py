"""MoveNet: keypoints of one body as peaks of heatmaps, on MobileNetV2 and a feature pyramid."""

import keras
from keras import layers

from course_utils.architectures.mobilenet import inverted_residual

IMAGE_SIZE = 192  # pixels
STRIDE = 4  # pixels between neighbouring positions of the maps
# Expansion of channels, channels that leave the stage, blocks, stride of the first (MobileNetV2).
MOBILENET_V2_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
HEADS = {
    "centers": 1,
    "heatmaps": 17,
    "regression": 34,
    "offsets": 34,
}  # channels; two for each of 17 keypoints


def movenet():
    """MoveNet Lightning for a single pose without its weights; `pretrained.movenet` has them.

    Batch normalisation is folded into the convolutions, so that each has a bias.

    Returns:
        A functional `keras.Model` named "movenet".

    Source: Google's model card of MoveNet.SinglePose (2021); Sandler et al. (2018), MobileNetV2;
    Zhou, Wang and Krähenbühl (2019), Objects as points.
    """
    images = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="images")
    x = layers.Rescaling(2, offset=-1, name="rescaling")(images)  # [0, 1] -> [-1, 1]
    x = layers.Conv2D(32, 3, 2, padding="same", name="stem_conv")(x)
    x = layers.ReLU(max_value=6, name="stem_activation")(x)
    block, maps = 0, {}
    for expansion, filters, blocks, strides in MOBILENET_V2_STAGES:
        for first in (True, *[False] * (blocks - 1)):
            expanded = expansion * x.shape[-1] if expansion > 1 else None
            stride = strides if first else 1
            x = inverted_residual(x, filters, expanded, f"block{block}_", strides=stride)
            block += 1
        maps[filters] = x
    x = layers.Conv2D(1280, 1, name="top_conv")(x)
    x = layers.ReLU(max_value=6, name="top_activation")(x)
    x = layers.Conv2D(64, 1, name="pyramid32_conv")(x)  # named by its stride
    for stride, filters, leaving in ((16, 64, 32), (8, 32, 24), (4, 24, 24)):
        x = pyramid_step(x, maps[filters], leaving, f"pyramid{stride}_")
    outputs = {}
    for name, channels in HEADS.items():
        y = layers.SeparableConv2D(96, 3, padding="same", activation="relu", name=name + "_sepconv")
        outputs[name] = layers.Conv2D(channels, 1, name=name + "_conv")(y(x))
    for name in ("centers", "heatmaps"):
        outputs[name] = layers.Activation("sigmoid", name=name)(outputs[name])
    return keras.Model(images, outputs, name="movenet")


def pyramid_step(x, lateral, filters, name):
    """Doubles the size of a map and adds a finer one of the backbone; -> (N, H, W, filters).

    Source: Lin et al. (2017), Feature pyramid networks for object detection.
    """
    x = layers.UpSampling2D(2, interpolation="bilinear", name=name + "upsample")(x)
    lateral = layers.Conv2D(lateral.shape[-1], 1, name=name + "conv")(lateral)
    x = layers.Add(name=name + "add")([x, lateral])
    return layers.SeparableConv2D(
        filters, 3, padding="same", activation="relu", name=name + "sepconv"
    )(x)
