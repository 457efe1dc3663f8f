"""Puts the small photos into the labs.

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

LABS = Path(__file__).parents[1] / "course_utils" / "labs"
SIDE = 28
# Name in the convolution lab: file, and the square to cut out (left, top, right, bottom).
CROPS = {
    "cat": ("chelsea.png", (100, 0, 400, 300)),
    "camera": ("camera.png", (80, 40, 400, 360)),
    "coffee": ("coffee.png", (100, 0, 500, 400)),
}
# AlexNet's input: the largest that the shapes lab's own stacks show.
COLOUR_SIDE, COLOUR_QUALITY = 227, 80


def small_photo(file, crop):
    """Whole hundredths of white: each number the lab shows is then the exact pixel."""
    photo = Image.open(file).convert("L").crop(crop)
    photo = ImageOps.autocontrast(photo.resize((SIDE, SIDE), Image.Resampling.LANCZOS), cutoff=1)
    return np.round(np.asarray(photo) / 2.55).astype(np.uint8)


def colour_photo(file, crop):
    """The bytes of a JPEG file."""
    photo = Image.open(file).convert("RGB").crop(crop)
    photo = photo.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.LANCZOS)
    target = io.BytesIO()
    photo.save(target, "JPEG", quality=COLOUR_QUALITY, optimize=True)
    return target.getvalue()


def put(lab, pattern, line):
    """Replaces the one line of a lab that matches a pattern."""
    path = LABS / f"{lab}.html"
    page, found = re.subn(rf"(?m)^{pattern}$", line, path.read_text(encoding="utf-8"))
    if found != 1:
        raise SystemExit(f"{path.name}: expected one line like {pattern}, got {found}")
    path.write_text(page, encoding="utf-8")


def main(wheel):
    with zipfile.ZipFile(wheel) as archive:
        for name, (file, crop) in CROPS.items():
            pixels = small_photo(io.BytesIO(archive.read(f"skimage/data/{file}")), crop)
            text = base64.b64encode(pixels.tobytes()).decode()
            put("convolution", f'  {name}: ".*",', f'  {name}: "{text}",')
        file, crop = CROPS["cat"]
        jpeg = colour_photo(io.BytesIO(archive.read(f"skimage/data/{file}")), crop)
        # The URL-safe letters have no slash: two in a row would look like an address.
        text = base64.urlsafe_b64encode(jpeg).decode()
        put("shapes", 'const PHOTO = ".*";', f'const PHOTO = "{text}";')


if __name__ == "__main__":
    main(sys.argv[1])
