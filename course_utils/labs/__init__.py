"""Interactive pages, one HTML file each, shown in a sandboxed frame.

A lab's file holds what is its own. `<!-- shared style -->` in its head and `<!-- shared script -->`
before its own script stand for `shared.css` and `shared.js`, which `page` puts in.
"""

import html
import re
from pathlib import Path

from IPython.display import HTML

from course_utils._checks import whole_number

_FOLDER = Path(__file__).parent
# Whatever a lab's code may try, the browser loads nothing; pictures come within the page.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def names():
    """Sorted names of the labs that `page` and `embed` know."""
    return sorted(path.stem for path in _FOLDER.glob("*.html"))


def page(name):
    """The whole page of a lab as one HTML text, which runs by itself and can make no request.

    Args:
        name: one of `names()`.

    Returns:
        The text of the page.

    Raises:
        ValueError: if the lab is unknown.
    """
    if name not in names():
        raise ValueError(f"name must be one of {', '.join(names())}, got {name!r}")
    text, style, script = (
        (_FOLDER / file).read_text(encoding="utf-8")
        for file in (f"{name}.html", "shared.css", "shared.js")
    )
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    text = text.replace("<!-- shared style -->", f"{policy}\n<style>\n{style}</style>")
    return text.replace("<!-- shared script -->", f"<script>\n{script}</script>")


def embed(name, height=None):
    """Shows a lab, the same on the website, in Colab and in JupyterLab.

    Args:
        name: one of `names()`.
        height: of the frame in pixels, a whole number >= 1; by default what the lab asks for.

    Returns:
        An `IPython.display.HTML` that holds the whole page: it makes no request.

    Raises:
        ValueError: if the lab is unknown, or the height is not a whole number >= 1.
    """
    text = page(name)
    if height is None:
        height = re.search(r'<meta name="lab-height" content="(\d+)">', text).group(1)
    else:
        height = whole_number("height", height)
    title = html.unescape(re.search(r"<title>(.*?)</title>", text).group(1))
    # The div is for the site's style; it also keeps IPython from advising its own IFrame.
    return HTML(
        f'<div class="course-lab"><iframe sandbox="allow-scripts" loading="lazy" '
        f'title="{html.escape(title)}" style="width: 100%; height: {height}px; border: 0" '
        f'srcdoc="{html.escape(text)}"></iframe></div>'
    )
