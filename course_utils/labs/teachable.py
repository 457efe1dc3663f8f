"""What the teachable machine reads from its folder on the site, made from what ships anyway."""

import json
import zipfile

import numpy as np

from course_utils.data import asset

LAST = "block6d_project_conv"  # the features are what leaves its block
# A photo is in the page's example only if it is in the public domain.
EXAMPLE = {
    "hammer": ("hammer_1", "hammer_2", "hammer_3", "hammer_4"),
    "pliers": ("plier_1", "plier_2", "plier_3", "plier_4"),
    "scissors": ("scissors_1", "scissors_2", "scissors_3", "scissors_4"),
}


def files():
    """The files that the page `labs.page("teachable")` loads on demand, by their names.

    Returns:
        Dictionary of bytes: "network.bin", see `packed_network`; "example.json", the names of the
        photos of each class of the example; and those photos as JPEG.
    """
    names = {label: [f"{photo}.jpg" for photo in photos] for label, photos in EXAMPLE.items()}
    with zipfile.ZipFile(asset("photo_set/photos.zip")) as archive:
        photos = {name: archive.read(name) for row in names.values() for name in row}
    return {
        "network.bin": packed_network(),
        "example.json": json.dumps(names).encode(),
        **photos,
    }


def packed_network():
    """The weights of EfficientNet-Lite0 up to its block 6d, in a quarter of their size.

    Each BatchNormalization becomes part of the convolution before it. A kernel is stored as whole
    numbers, those of each output channel times a scale of its own: 8 bits for the convolutions of
    1 x 1, which are nearly all of the weights, and 16 bits for the others, whose channels have few
    weights each and suffer from 8.

    Returns:
        bytes, little-endian: for each convolution, in the order in which they are computed, the
        scales and the biases of its C channels as float32, then its kernel, (height * width *
        inputs, C), as int8 or int16.
    """
    with np.load(asset("efficientnet_lite0.npz")) as arrays:
        names = [key.split("/")[0] for key in arrays if key.endswith("/kernel")]
        return b"".join(_packed(arrays, name) for name in names[: names.index(LAST) + 1])


def _packed(arrays, name):
    """One convolution of `packed_network`."""
    norm = name.replace("dwconv", "bn").replace("_conv", "_bn")
    gamma, beta, mean, variance = (
        arrays[f"{norm}/{weight}"].astype(np.float32)
        for weight in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    factor = gamma / np.sqrt(variance + 1e-3)
    kernel = arrays[f"{name}/kernel"]
    # All kernels end in C, but for depthwise ones, (height, width, C, 1).
    matrix = kernel.reshape(-1, len(factor)).astype(np.float32) * factor
    kind = np.dtype("int8" if kernel.shape[:2] == (1, 1) else "<i2")
    scale = np.abs(matrix).max(axis=0) / np.iinfo(kind).max
    whole = np.round(matrix / np.where(scale > 0, scale, 1))
    stored = (scale, "<f4"), (beta - mean * factor, "<f4"), (whole, kind)
    return b"".join(values.astype(form).tobytes() for values, form in stored)
