"""Makes the two pictures of book/images: python recipes/make_pictures.py (after `make book`)

`from_pixels_to_classes.png` is a figure of chapter 4 as it is stored there; `page.png` is the top
of chapter 3's page in headless Chromium.
"""

import base64
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "book" / "images"
sys.path.append(str(ROOT / "tests"))


def make_cover():
    notebook = nbformat.read(ROOT / "book" / "04_convolutional_networks.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "").startswith("A photo of"):
            figure = next(o.data["image/png"] for o in cell.outputs if "data" in o)
            (IMAGES / "from_pixels_to_classes.png").write_bytes(base64.b64decode(figure))
            return
    sys.exit('chapter 4 has no figure whose alt text begins with "A photo of"')


def make_page():
    from browser import open_browser

    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.goto((ROOT / "_build" / "html" / "book" / "03_convolution.html").as_uri())
        page.wait_for_timeout(1500)
        page.screenshot(path=IMAGES / "page.png")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    make_cover()
    make_page()
