"""Makes course_utils/assets/animal_masks.npz: which pixels of some photos show the animal.

The vision transformer's tokens differ most between the animal and what is behind it: their first
principal component, cut by Otsu's threshold, is a mask of coarse edges. The colours inside and
outside, and a guided filter, move the edges to those of the photo. Of a herd only the largest
animal stays, with those that touch it. Each mask was looked at; photos whose mask was wrong are not
in the list. `BY_HAND` adds what two masks missed, tails and legs, and takes away some ground. A
CPU-minute and a half, with SciPy:

    python recipes/make_animal_masks.py
"""

import hashlib

import numpy as np
from make_fashion_mnist import write_npz
from PIL import Image, ImageDraw
from scipy import ndimage

from course_utils import notebook

notebook.setup()

from course_utils import data, pretrained  # noqa: E402

TARGET = data.ASSETS / "animal_masks.npz"
NAMES = (
    "bison", "chickens", "cow", "crocodile", "german_shepherd", "giant_panda", "gibbon",
    "kangaroos", "koala", "komodo_dragon", "lemurs", "pig", "polar_bear", "red_panda",
    "scarlet_macaw", "sheep",
)  # fmt: skip
# Polygons to add and polygons to take away, corners (x, y) in pixels.
BY_HAND = {
    "kangaroos": (
        [
            [  # the tail
                (152, 234), (140, 258), (125, 275), (110, 291), (88, 292), (58, 292), (28, 296),
                (8, 302), (10, 305), (30, 307), (60, 308), (88, 310), (110, 310), (125, 307),
                (140, 299), (155, 285), (170, 270), (172, 247),
            ],
            [  # the near leg and its foot
                (170, 247), (173, 270), (172, 292), (170, 312), (175, 317), (200, 319), (225, 322),
                (250, 323), (253, 319), (245, 314), (225, 308), (195, 304), (191, 282), (193, 248),
            ],
            [  # the far leg and its foot
                (226, 242), (222, 272), (219, 292), (218, 304), (230, 307), (255, 309), (275, 307),
                (294, 303), (295, 298), (274, 296), (250, 294), (240, 290), (236, 277), (232, 260),
            ],
            [  # the young one's back and hind legs
                (280, 211), (300, 214), (315, 222), (325, 237), (327, 250), (322, 257), (315, 270),
                (311, 276), (305, 270), (298, 262), (295, 293), (283, 293), (281, 250),
            ],
        ],
        [
            [(194, 246), (222, 248), (220, 290), (196, 290)],
            [(260, 262), (270, 260), (274, 272), (268, 287), (248, 288), (251, 279)],
            [(302, 282), (312, 277), (324, 288), (319, 303), (303, 300)],
        ],
    ),
    "komodo_dragon": (
        [
            [  # the tail
                (36, 122), (45, 107), (60, 91), (80, 77), (99, 62), (111, 45), (119, 18), (123, 17),
                (119, 45), (109, 66), (96, 80), (80, 92), (68, 106), (61, 120), (62, 132),
            ],
        ],
        [],
    ),
}  # fmt: skip
PATCH, PATCHES = 14, 32  # pixels; patches along the longer side
ROUNDS, RADIUS, EPSILON = 4, 5, 1e-3  # of the refinement


def otsu(values):
    """The threshold that leaves least variance on its two sides."""
    counts, edges = np.histogram(values, 128)
    centres = (edges[1:] + edges[:-1]) / 2
    below, sums = np.cumsum(counts)[:-1], np.cumsum(counts * centres)[:-1]
    total, mean = len(values), values.mean()
    between = (mean * below - sums) ** 2 / (below * (total - below))
    return centres[between.argmax()]


def salience(photo):
    """First principal component of the patches, above 0 on the animal, in photo's size."""
    height, width = photo.shape[:2]
    grid = [round(side * PATCHES / max(height, width)) for side in (height, width)]
    image = Image.fromarray(np.rint(255 * photo).astype("uint8"))
    image = image.resize((PATCH * grid[1], PATCH * grid[0]), Image.Resampling.LANCZOS)
    model = pretrained.dinov2_small((PATCH * grid[0], PATCH * grid[1]))
    pixels = np.asarray(image, "float32")[np.newaxis] / 255
    tokens = model.predict(pixels, verbose=0)[0, 1:]
    tokens = tokens - tokens.mean(axis=0)
    first = tokens @ np.linalg.svd(tokens, full_matrices=False)[2][0]
    values = (first - otsu(first)).reshape(grid) / first.std()
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    if border.mean() > values.mean():
        values = -values
    zoom = (height / grid[0], width / grid[1])
    return ndimage.zoom(values, zoom, order=1, grid_mode=True, mode="nearest")


def colour_odds(photo, soft):
    """Logarithm of how much more frequent a pixel's colour is inside than outside."""
    cells = np.minimum((photo * 24).astype(int), 23)
    counts = []
    for weight in (soft, 1 - soft):
        cube = np.zeros((24, 24, 24))
        np.add.at(cube, tuple(cells.reshape(-1, 3).T), weight.ravel())
        cube = ndimage.gaussian_filter(cube, 1) + 1e-2
        counts.append(cube / cube.sum())
    return np.log(counts[0] / counts[1])[tuple(np.moveaxis(cells, -1, 0))]


def guided(photo, soft):
    """He, Sun and Tang (2010): smooths a mask but for the edges of the photo."""

    def mean(array):
        size = (2 * RADIUS + 1, 2 * RADIUS + 1) + (0,) * (array.ndim - 2)
        return ndimage.uniform_filter(array, size, mode="nearest")

    colour, level = mean(photo), mean(soft)
    covariance = mean(photo * soft[..., None]) - colour * level[..., None]
    outer = mean(photo[..., :, None] * photo[..., None, :])
    outer += EPSILON * np.eye(3) - colour[..., :, None] * colour[..., None, :]
    slope = np.linalg.solve(outer, covariance[..., None])[..., 0]
    offset = level - np.sum(slope * colour, axis=-1)
    return np.clip(np.sum(mean(slope) * photo, axis=-1) + mean(offset), 0, 1)


def mask(photo):
    """True where the animal is, (H, W)."""
    photo = photo.astype(float)
    start = 3 * salience(photo)
    soft = 1 / (1 + np.exp(-start))
    for _ in range(ROUNDS):
        score = start + 0.6 * np.clip(colour_odds(photo, soft), -6, 6)
        soft = guided(photo, 1 / (1 + np.exp(-score)))
    parts, count = ndimage.label(soft > 0.5)
    sizes = ndimage.sum(soft > 0.5, parts, range(1, count + 1))
    large = [part for part, size in enumerate(sizes, 1) if size > 0.15 * sizes.max()]
    return ndimage.binary_opening(ndimage.binary_fill_holes(np.isin(parts, large)))


def mended(name, found):
    """A mask with the polygons of `BY_HAND`, if it has any."""
    picture = Image.fromarray(found)
    draw = ImageDraw.Draw(picture)
    for polygons, value in zip(BY_HAND.get(name, ([], [])), (1, 0), strict=True):
        for polygon in polygons:
            draw.polygon(polygon, fill=value)
    return np.asarray(picture)


def main():
    write_npz(TARGET, {name: mended(name, mask(data.photo(name))) for name in NAMES})
    print(TARGET.name, TARGET.stat().st_size, hashlib.sha256(TARGET.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
