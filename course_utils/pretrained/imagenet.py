"""EfficientNet-Lite0 and -Lite1, trained on ImageNet, and the names of the 1,000 classes."""

import functools

import numpy as np

import course_utils.architectures.efficientnet as efficientnet
from course_utils._checks import whole_number
from course_utils.data import asset
from course_utils.pretrained.weights import load_weights


def efficientnet_lite0(include_top=True, input_shape=efficientnet.IMAGE_SHAPE, pooling=None):
    """EfficientNet-Lite0 with weights trained on ImageNet: 4.65 million, 385 million multiply-adds.

    Images are float32 in [0, 1]; the normalisation is the model's first layer. The layers are named
    as in `keras.applications.EfficientNetB0`. The Lite variant has ReLU6 in place of swish and no
    squeeze-and-excite. What only training needs is left out here, the random dropping of blocks.

    Args:
        include_top: True for the classifier, (N, 224, 224, 3) -> probabilities (N, 1000), whose
            logits are the output of the layer "logits"; False for the features before it.
        input_shape: (height, width, 3) in pixels. Without the top each length may be any from 32
            on, or None to leave it open.
        pooling: what to return without the top: None for the feature map (N, H, W, 1280), with H
            and W a 32nd of the input's; "avg" for its average over all positions, (N, 1280).

    Returns:
        A functional `keras.Model` named "efficientnet_lite0".

    Raises:
        ValueError: if the shape or the pooling is none of these, or the file of weights is damaged.

    Source: Tan and Le (2019), EfficientNet; the Lite variant and its weights come from Google's
    models for TensorFlow (2020), see `assets/SOURCES.md`.
    """
    model = efficientnet.efficientnet_lite0(include_top, input_shape, pooling)
    return load_weights(model, "efficientnet_lite0.npz")


def efficientnet_lite1(include_top=True, input_shape=efficientnet.LITE1_SHAPE, pooling=None):
    """EfficientNet-Lite1 with weights trained on ImageNet: 5.42 million, larger images.

    Lite0's larger sister, of the same data and the same training: it has one block more in each of
    the stages 2 to 6, and takes images of 240 x 240. Most kernels are stored in 8 bits.

    Args:
        include_top, input_shape, pooling: as for `efficientnet_lite0`; the classifier takes
            (N, 240, 240, 3).

    Returns:
        A functional `keras.Model` named "efficientnet_lite1".

    Raises:
        ValueError: if the shape or the pooling is none of these, or the file of weights is damaged.

    Source: as for `efficientnet_lite0`.
    """
    model = efficientnet.efficientnet_lite1(include_top, input_shape, pooling)
    return load_weights(model, "efficientnet_lite1.npz")


@functools.cache
def class_names():
    """The 1,000 classes of ImageNet, in the order of the probabilities; no two are alike.

    Returns:
        tuple of 1,000 names.
    """
    return tuple(asset("imagenet_classes.txt").read_text(encoding="utf-8").splitlines())


def top_k(probabilities, k=5):
    """Names the likeliest classes of each image.

    Args:
        probabilities: (N, 1000), each row a distribution over `class_names()`.
        k: how many classes, from 1 to 1000.

    Returns:
        A list of N lists of k pairs (name, probability), the likeliest first; of equally likely
        classes the one with the lower index.

    Raises:
        ValueError: if the shape or k does not fit, or a row is no distribution.
    """
    probabilities = np.asarray(probabilities, np.float64)
    names = class_names()
    if probabilities.ndim != 2 or probabilities.shape[1] != len(names):
        raise ValueError(
            f"probabilities must have shape (N, {len(names)}), got {probabilities.shape}"
        )
    k = whole_number("k", k, high=len(names))
    sums = probabilities.sum(axis=1)
    if not (np.all(probabilities >= 0) and np.allclose(sums, 1, rtol=0, atol=0.01)):
        raise ValueError(
            "each row must be >= 0 and sum to 1, got "
            f"values from {probabilities.min():.3g} and sums from {sums.min():.3g} to "
            f"{sums.max():.3g}; are these logits, before the softmax?"
        )
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return [
        [(names[index], float(row[index])) for index in indices]
        for row, indices in zip(probabilities, best, strict=True)
    ]
