"""Puts photos into the attention lab, and what each head of `dinov2_small` looks at in them.

The photos are those that ship, cut to squares of 224 pixels. Of the 16 x 16 patches 2 x 2 become
one square, to keep the page small. Some ten CPU-seconds.

    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python recipes/make_attention_maps.py
"""

import base64
import json
import zlib

import numpy as np
from make_augment_answers import images, square
from make_lab_photos import put

from course_utils import pretrained
from course_utils.architectures import attention_maps

PHOTOS = {"german_shepherd": "German shepherd", "coffee": "Espresso"}
SIDE, LEVELS = 8, 7


def pooled(attention):
    """Attention between squares of 2 x 2 patches: means over who looks, sums over what is seen.

    Args:
        attention: (..., 257, 257), [CLS] first, then 16 x 16 patches.

    Returns:
        (..., 65, 65), rows of which sum to 1 as well.
    """
    halves = np.zeros((65, 257))
    halves[0, 0] = 1
    rows, columns = np.divmod(np.arange(256), 16)
    halves[1 + rows // 2 * SIDE + columns // 2, 1 + np.arange(256)] = 1
    return halves / halves.sum(axis=1, keepdims=True) @ attention @ halves.T


def levels(attention):
    """What the page holds of rows of weights (..., 65): uint8 of the same shape.

    For [CLS] its share, in 255ths. For each square one of eight levels by the square root of its
    weight, 7 for the largest of the squares.
    """
    squares = attention[..., 1:]
    relative = squares / squares.max(axis=-1, keepdims=True)
    parts = np.rint(255 * attention[..., :1]), np.rint(LEVELS * np.sqrt(relative))
    return np.concatenate(parts, axis=-1).astype(np.uint8)


def pack(array):
    """Deflated bytes in URL-safe letters, which have no slash: two would look like an address."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = deflate.compress(array.tobytes()) + deflate.flush()
    return base64.urlsafe_b64encode(content).decode()


def maps(network, jpeg):
    """What all heads look at in a JPEG file: (12, 6, 257, 257)."""
    return np.stack([weights[0] for weights in network.predict(images(jpeg), verbose=0)])


def main():
    network = attention_maps(pretrained.dinov2_small())
    photos = {}
    for name, label in PHOTOS.items():
        jpeg = square(name)
        text = pack(levels(pooled(maps(network, jpeg))))
        photos[name] = [label, base64.urlsafe_b64encode(jpeg).decode(), text]
    line = json.dumps(photos, separators=(",", ":"))
    put("attention", "const PHOTOS = .*;", f"const PHOTOS = {line};")


if __name__ == "__main__":
    main()
