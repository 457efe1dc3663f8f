"""Vision transformers: an image as a sequence of patches, and the encoder that reads it.

(N, T, D) are N images of T tokens, each a vector of D numbers: [CLS] first, which stands for the
image, then one for each patch, row by row.
"""

import keras
import numpy as np
from keras import layers, ops

from course_utils._checks import is_whole_number, whole_number
from course_utils.attention import AttentionHeads, LearnedPositions

EPSILON = 1e-6  # of the LayerNorms, as in the code of the paper
CUBIC = -0.75  # the slope of PyTorch's bicubic kernel; that of TensorFlow has -0.5


def vit(
    image_size=224, patch_size=16, dim=768, depth=12, heads=12, num_classes=1000, *,
    mlp_dim=None, dropout=0.0, layer_scale=None, name="vit",
):  # fmt: skip
    """A vision transformer. As it stands it is ViT-B/16, the paper's base model.

    Its layers are "patches", a convolution that turns each patch into a vector, "class_token",
    "positions", the blocks (`encoder_block`) "block1_...", "block2_..." and so on, and "norm".

    Args:
        image_size: height and width in pixels, or (height, width): multiples of the patches' side.
        patch_size: side of a patch in pixels, >= 1.
        dim: numbers in a token, the width of the model: a multiple of `heads`.
        depth: number of blocks, >= 1.
        heads: heads of a block's attention, >= 1. Each is dim / heads wide.
        num_classes: number of classes, >= 1; None ends the model at its tokens.
        mlp_dim: numbers between the two layers of a block's MLP, >= 1; None for 4 dim.
        dropout: rate in [0, 1) of what is dropped, in training, of the tokens before the first
            block and of what each attention and MLP adds.
        layer_scale: None, or what the factors of `LayerScale` begin with.
        name: of the model.

    Returns:
        A functional `keras.Model`: images (N, H, W, 3) -> probabilities (N, num_classes), or the
        normalised tokens (N, 1 + H W / patch_size^2, dim).

    Raises:
        ValueError: if a number is none of these, or does not fit another.

    Source: Dosovitskiy et al. (2020), An image is worth 16x16 words.
    """
    patch_size = whole_number("patch_size", patch_size)
    image_size = checked_size(image_size, patch_size)
    dim, heads = whole_number("dim", dim), whole_number("heads", heads)
    _check_width(dim, heads)
    depth = whole_number("depth", depth)
    mlp_dim = 4 * dim if mlp_dim is None else whole_number("mlp_dim", mlp_dim)
    if num_classes is not None:
        num_classes = whole_number("num_classes", num_classes)
    images = keras.Input((*image_size, 3), name="images")
    x = layers.Conv2D(dim, patch_size, strides=patch_size, name="patches")(images)
    x = layers.Reshape((-1, dim), name="patch_tokens")(x)  # (N, H, W, D) -> (N, H W, D)
    x = ClassToken(name="class_token")(x)
    x = LearnedPositions(name="positions")(x)
    x = _dropped(x, dropout, "dropout")
    for block in range(1, depth + 1):
        x = encoder_block(
            x, heads, mlp_dim, dropout=dropout, layer_scale=layer_scale, name=f"block{block}"
        )
    x = layers.LayerNormalization(epsilon=EPSILON, name="norm")(x)
    if num_classes is not None:
        x = layers.Dense(num_classes, name="logits")(x[:, 0])
        x = layers.Softmax(name="predictions")(x)
    return keras.Model(images, x, name=name)


def encoder_block(x, heads, mlp_dim, *, dropout=0.0, layer_scale=None, name="block"):
    """Tokens look at each other, then each is worked on by itself; both times x + f(norm(x)).

    Normalising in front of f ("pre-norm") leaves the skip connection free from the first to the
    last block. The MLP has two layers, with the exact GELU between them.

    Args:
        x: (N, T, D) tensor, D a multiple of `heads`.
        heads, mlp_dim, dropout, layer_scale: as in `vit`.
        name: of the layer that comes out, and prefix of the others: "block_attention" and so on.

    Returns:
        (N, T, D) tensor.

    Raises:
        ValueError: if D is no multiple of `heads`.
    """
    dim = x.shape[-1]
    _check_width(dim, heads)
    y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm1")(x)
    y, _ = AttentionHeads(heads, dim // heads, name=f"{name}_attention")(y)
    x = _add(x, y, dropout, layer_scale, f"{name}_add", f"{name}_1")
    y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm2")(x)
    y = layers.Dense(mlp_dim, name=f"{name}_mlp1")(y)
    y = layers.Activation("gelu", name=f"{name}_gelu")(y)
    y = layers.Dense(dim, name=f"{name}_mlp2")(y)
    return _add(x, y, dropout, layer_scale, name, f"{name}_2")


def _add(x, y, dropout, layer_scale, name, prefix):
    if layer_scale is not None:
        y = LayerScale(layer_scale, name=f"{prefix}_scale")(y)
    return layers.Add(name=name)([x, _dropped(y, dropout, f"{prefix}_dropout")])


def _dropped(x, rate, name):
    return layers.Dropout(rate, name=name)(x) if rate else x


@keras.saving.register_keras_serializable("course_utils")
class ClassToken(layers.Layer):
    """Puts a learned token [CLS] in front of each sequence: (N, T, D) -> (N, 1 + T, D)."""

    counts_as = "pointwise"

    def build(self, shape):
        self.token = self.add_weight((1, 1, shape[-1]), "zeros", name="token")

    def call(self, x):
        tokens = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([tokens, x], axis=1)


@keras.saving.register_keras_serializable("course_utils")
class LayerScale(layers.Layer):
    """Multiplies each channel by a learned factor, so that a block can begin small.

    Args:
        initial: what the factors are before training; DINOv2 began with 1e-5.

    Source: Touvron et al. (2021), Going deeper with image transformers.
    """

    counts_as = "pointwise"

    def __init__(self, initial, **options):
        super().__init__(**options)
        self.initial = initial

    def build(self, shape):
        start = keras.initializers.Constant(self.initial)
        self.scale = self.add_weight((shape[-1],), start, name="scale")

    def call(self, x):
        return x * self.scale

    def get_config(self):
        return {**super().get_config(), "initial": self.initial}


def attention_maps(model):
    """A model of what each block's attention looks at; its layers are those of the model given.

    Args:
        model: a functional model with `AttentionHeads`, such as `vit` builds.

    Returns:
        A `keras.Model` with the same inputs -> a list of the weights of each such layer, first to
        last: (N, heads, T, T), from each token (the last axis but one) to each token (the last).
        Of a vision transformer, [..., 0, 1:] is what [CLS] looks at, patch by patch.

    Raises:
        ValueError: if the model has no such layer.
    """
    weights = [layer.output[1] for layer in model.layers if isinstance(layer, AttentionHeads)]
    if not weights:
        raise ValueError(f"expected a model with layers AttentionHeads, {model.name!r} has none")
    return keras.Model(model.input, weights, name=f"{model.name}_attention")


def interpolate_positions(positions, before, after):
    """Positions for another number of patches: the learned ones as a small image, resized.

    As in PyTorch the interpolation is bicubic with a slope of -0.75, between the centres of
    patches, and does not blur when it shrinks. The position of [CLS] stays as it is.

    Args:
        positions: (1 + H W, D), [CLS] first, then patches row by row.
        before: (H, W), the patches in a column and in a row.
        after: (H', W') of the same.

    Returns:
        (1 + H' W', D) float32 array.

    Raises:
        ValueError: if there are not as many positions as that.
    """
    positions = np.asarray(positions)
    if positions.ndim != 2 or len(positions) != 1 + before[0] * before[1]:
        raise ValueError(
            f"expected positions of shape (1 + {before[0]} x {before[1]}, D), got {positions.shape}"
        )
    grid = positions[1:].reshape(*before, -1)
    rows, columns = map(_bicubic, before, after)
    grid = np.einsum("ih,jw,hwd->ijd", rows, columns, grid, optimize=True)
    return np.concatenate([positions[:1], grid.reshape(-1, grid.shape[-1])]).astype(np.float32)


def _bicubic(before, after):
    """The matrix (after, before) that resizes one axis."""
    centres = (np.arange(after) + 0.5) * before / after - 0.5
    matrix = np.zeros((after, before))
    for offset in (-1, 0, 1, 2):  # of the four pixels around each centre
        pixels = np.floor(centres).astype(int) + offset
        distance = np.abs(centres - pixels)
        near = ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1
        far = CUBIC * (((distance - 5) * distance + 8) * distance - 4)
        share = np.where(distance <= 1, near, far)
        np.add.at(matrix, (np.arange(after), pixels.clip(0, before - 1)), share)
    return matrix


def copy_weights(source, target):
    """Gives a vision transformer the weights of one for images of another size.

    Args:
        source: what `vit` returned.
        target: what it returned for another `image_size`. Its positions are interpolated.

    Returns:
        The target.

    Raises:
        ValueError: if more than the number of positions differs.
    """
    before, after = (model.get_layer("patches").output.shape[1:3] for model in (source, target))
    learned = source.get_layer("positions").positions
    arrays = [
        interpolate_positions(weight, before, after) if weight is learned else np.asarray(weight)
        for weight in source.weights
    ]
    if [array.shape for array in arrays] != [tuple(weight.shape) for weight in target.weights]:
        raise ValueError("expected networks that differ in nothing but the size of their images")
    target.set_weights(arrays)
    return target


def checked_size(image_size, patch_size):
    """(height, width) as ints, if they are multiples of the patches' side."""
    pair = image_size if isinstance(image_size, tuple | list) else (image_size, image_size)
    if len(pair) != 2 or not all(
        is_whole_number(side) and side >= patch_size and side % patch_size == 0 for side in pair
    ):
        raise ValueError(
            f"image_size must be a multiple of {patch_size} pixels, the side of a patch, or two "
            f"of them, height and width; got {image_size!r}"
        )
    return tuple(int(side) for side in pair)


def _check_width(dim, heads):
    if dim % heads:
        raise ValueError(
            f"dim must be a multiple of heads, since each head takes dim / heads of the numbers, "
            f"got dim {dim} and {heads} heads"
        )
