"""Interactive pages: one self-contained HTML file each, shown in a sandboxed frame."""

import html
import re
from pathlib import Path

from IPython.display import HTML

_FOLDER = Path(__file__).parent


def names():
    """Sorted names of the labs that `embed` knows."""
    return sorted(path.stem for path in _FOLDER.glob("*.html"))


def embed(name, height=None):
    """Shows a lab, the same on the website, in Colab and in JupyterLab.

    Args:
        name: one of `names()`.
        height: of the frame in pixels, >= 1; by default what the lab itself asks for.

    Returns:
        An `IPython.display.HTML` that holds the whole page: it makes no request.

    Raises:
        ValueError: if the lab is unknown, or the height is below 1.
    """
    if name not in names():
        raise ValueError(f"name must be one of {', '.join(names())}, got {name!r}")
    if height is not None and not height >= 1:
        raise ValueError(f"height must be at least 1 pixel, got {height}")
    page = (_FOLDER / f"{name}.html").read_text(encoding="utf-8")
    title = re.search(r"<title>(.*?)</title>", page).group(1)
    height = height or re.search(r'<meta name="lab-height" content="(\d+)">', page).group(1)
    # The div is for the site's style; it also keeps IPython from advising its own IFrame.
    return HTML(
        f'<div class="course-lab"><iframe sandbox="allow-scripts" loading="lazy" title="{title}" '
        f'style="width: 100%; height: {height}px; border: 0" '
        f'srcdoc="{html.escape(page)}"></iframe></div>'
    )
