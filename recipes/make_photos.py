"""Makes course_utils/assets/photos/*.jpg from the wheels of scikit-image and scikit-learn.

Only photos whose licence is beyond doubt: CC0, public domain, CC BY. Left out for that reason:
rocket (said to be public domain, but its Flickr page names a non-commercial licence), coins, moon,
motorcycle (no licence named).
"""

import argparse
import hashlib
import io
import zipfile
from pathlib import Path

from PIL import Image

TARGET = Path(__file__).parents[1] / "course_utils" / "assets" / "photos"
SCIKIT_IMAGE = "scikit_image-0.25.2-*.whl"
SCIKIT_LEARN = "scikit_learn-1.6.1-*.whl"
PHOTOS = {
    "astronaut": (SCIKIT_IMAGE, "skimage/data/astronaut.png"),
    "bricks": (SCIKIT_IMAGE, "skimage/data/brick.png"),
    "cameraman": (SCIKIT_IMAGE, "skimage/data/camera.png"),
    "cat": (SCIKIT_IMAGE, "skimage/data/chelsea.png"),
    "coffee": (SCIKIT_IMAGE, "skimage/data/coffee.png"),
    "flower": (SCIKIT_LEARN, "sklearn/datasets/images/flower.jpg"),
    "galaxies": (SCIKIT_IMAGE, "skimage/data/hubble_deep_field.jpg"),
    "retina": (SCIKIT_IMAGE, "skimage/data/retina.jpg"),
    "temple": (SCIKIT_LEARN, "sklearn/datasets/images/china.jpg"),
}
LONGER_SIDE = 640  # pixels
QUALITY = 90


def read_photo(folder, wheel, member):
    """Reads one picture out of a wheel, no larger than LONGER_SIDE.

    Args:
        folder: where the wheels are.
        wheel: pattern of the wheel's file name.
        member: path of the picture in the wheel.

    Returns:
        A PIL image, grey or RGB.

    Raises:
        FileNotFoundError: if the folder holds no such wheel.
    """
    path = next(folder.glob(wheel), None)
    if path is None:
        raise FileNotFoundError(f"no {wheel} in {folder}")
    with zipfile.ZipFile(path) as archive:
        image = Image.open(io.BytesIO(archive.read(member)))
    image.thumbnail((LONGER_SIDE, LONGER_SIDE), Image.Resampling.LANCZOS)
    return image


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with the two wheels")
    folder = parser.parse_args().folder
    TARGET.mkdir(exist_ok=True)
    for name, (wheel, member) in PHOTOS.items():
        image = read_photo(folder, wheel, member)
        path = TARGET / f"{name}.jpg"
        # Full colour resolution: kernels on single channels should not show JPEG's subsampling.
        # Profiles are dropped, as all of them are sRGB.
        image.save(path, quality=QUALITY, subsampling=0, optimize=True)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        print(path.name, image.size, path.stat().st_size, sha256)


if __name__ == "__main__":
    main()
