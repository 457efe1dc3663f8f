"""Puts the three small grey photos into the convolution lab.

They come from scikit-image 0.25.2's wheel (`pip download --no-deps scikit-image==0.25.2`):
chelsea.png, camera.png and coffee.png, all CC0. Run from the repository's root:

    python recipes/make_lab_photos.py PATH_TO_WHEEL
"""

import base64
import io
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

LAB = Path(__file__).parents[1] / "course_utils" / "labs" / "convolution.html"
SIDE = 28
# Name in the lab: file, and the square to cut out (left, top, right, bottom).
CROPS = {
    "cat": ("chelsea.png", (100, 0, 400, 300)),
    "camera": ("camera.png", (80, 40, 400, 360)),
    "coffee": ("coffee.png", (100, 0, 500, 400)),
}


def small_photo(file, crop):
    """Whole hundredths of white: each number the lab shows is then the exact pixel."""
    photo = Image.open(file).convert("L").crop(crop)
    photo = ImageOps.autocontrast(photo.resize((SIDE, SIDE), Image.Resampling.LANCZOS), cutoff=1)
    return np.round(np.asarray(photo) / 2.55).astype(np.uint8)


def main(wheel):
    page = LAB.read_text(encoding="utf-8")
    with zipfile.ZipFile(wheel) as archive:
        for name, (file, crop) in CROPS.items():
            pixels = small_photo(io.BytesIO(archive.read(f"skimage/data/{file}")), crop)
            text = base64.b64encode(pixels.tobytes()).decode()
            page, found = re.subn(rf'(?m)^  {name}: ".*",$', f'  {name}: "{text}",', page)
            if found != 1:
                raise SystemExit(f"{LAB.name}: expected one line for the photo {name}, got {found}")
    LAB.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
