"""Puts a scene of garments, and the boxes in it, into the boxes lab.

Run from the repository's root:

    python recipes/make_lab_scene.py
"""

import base64
import io

import numpy as np
from make_lab_photos import put
from PIL import Image

from course_utils.detection.scenes import make_scenes

INDEX, SEED, SPLIT = 285, 0, "test"
QUALITY = 88


def main():
    images, truth = make_scenes(INDEX + 1, SEED, SPLIT)
    target = io.BytesIO()
    pixels = np.rint(255 * images[INDEX]).astype(np.uint8)
    Image.fromarray(pixels).save(target, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
    # The URL-safe letters have no slash: two in a row would look like an address.
    text = base64.urlsafe_b64encode(target.getvalue()).decode()
    put("boxes", 'const SCENE = ".*";', f'const SCENE = "{text}";')
    boxes = truth[INDEX]["boxes"].astype(int).tolist()
    put("boxes", r"const OBJECTS = \[.*\];", f"const OBJECTS = {boxes};")


if __name__ == "__main__":
    main()
