"""Pictures of built pages, to be looked at: python tools/screenshots.py OUTDIR [PAGE ...]

PAGE is a path inside the site, as book/index.html; without any, all of book/ is taken, each page
wide (1280) and narrow (360), light and dark, in slices of 1800 pixels of height.
"""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

SITE = Path(os.environ.get("SITE", "_build/html")).resolve()
# A file, since .ci/run reads it where there is no Python yet.
NAMES = Path(__file__).parents[1].joinpath("tests", "browser_names.txt").read_text().split()
WIDTHS = {"wide": 1280, "phone": 360}
SLICE = 1800


def find_chromium():
    """Path of the machine's Chromium or Chrome, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def launched(playwright):
    """This machine's Chromium or Chrome, headless."""
    chromium = find_chromium()
    if chromium is None:
        sys.exit(f"needs a browser on the path, one of {', '.join(NAMES)}")
    args = ["--no-sandbox", "--disable-gpu"]
    return playwright.chromium.launch(executable_path=chromium, args=args)


def shoot(browser, page_path, folder):
    """Saves PAGE-WIDTH-THEME-NN.png for each width and theme; returns how many files."""
    count = 0
    for kind, width in WIDTHS.items():
        for theme in ("light", "dark"):
            page = browser.new_page(viewport={"width": width, "height": SLICE}, color_scheme=theme)
            page.goto((SITE / page_path).as_uri())
            page.wait_for_timeout(1500)  # formulas and labs settle
            height = page.evaluate("document.documentElement.scrollHeight")
            # What is out of sight is not painted, so it scrolls; the bar on top hides 60 pixels.
            for number, top in enumerate(range(0, max(height - 60, 1), SLICE - 60)):
                page.evaluate("top => window.scrollTo({top, behavior: 'instant'})", top)
                page.wait_for_timeout(250)
                name = f"{Path(page_path).stem}-{kind}-{theme}-{number:02}.png"
                page.screenshot(path=folder / name)
                count += 1
            page.close()
    return count


def main():
    if len(sys.argv) < 2 or not SITE.is_dir():
        sys.exit(f"{__doc__}\n(needs the built site at {SITE}: make book)")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    pages = sys.argv[2:] or [str(p.relative_to(SITE)) for p in sorted(SITE.glob("book/*.html"))]
    with sync_playwright() as playwright:
        browser = launched(playwright)
        for page_path in pages:
            print(f"{page_path}: {shoot(browser, page_path, folder)} pictures in {folder}")
        browser.close()


if __name__ == "__main__":
    main()
