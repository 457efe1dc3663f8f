"""Interactive pages, one HTML file each.

A lab's file holds what is its own. `<!-- shared style -->` in its head and `<!-- shared script -->`
before its own script stand for `shared.css` and `shared.js`, which `page` puts in.

Most labs are shown in a sandboxed frame inside a notebook. The teachable machine needs a camera and
a network of megabytes, which such a frame may not have: it lives on the website, and a notebook
links to it.
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
# A lab of the website may besides read the files beside it, and nothing else.
_ON_SITE = {"teachable": "book/teachable.html"}
_SITE_POLICY = _POLICY.replace(
    "script-src", "connect-src 'self'; script-src 'self' 'wasm-unsafe-eval'"
)
_REPOSITORY = "https://github.com/classic-deep-learning/classic-deep-learning-images"


def names():
    """Sorted names of the labs that `page` and `embed` know."""
    return sorted(path.stem for path in _FOLDER.glob("*.html"))


def page(name):
    """The page of a lab as one HTML text, which can make no request to another host.

    It runs by itself, but for "teachable", which loads the files beside it on demand.

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
    allowed = _SITE_POLICY if name in _ON_SITE else _POLICY
    policy = f'<meta http-equiv="Content-Security-Policy" content="{allowed}">'
    text = text.replace("<!-- shared style -->", f"{policy}\n<style>\n{style}</style>")
    return text.replace("<!-- shared script -->", f"<script>\n{script}</script>")


def embed(name, height=None):
    """Shows a lab, the same on the website, in Colab and in JupyterLab.

    Args:
        name: one of `names()`.
        height: of the frame in pixels, a whole number >= 1; by default what the lab asks for.

    Returns:
        An `IPython.display.HTML` that holds the whole page and makes no request; for "teachable" a
        link to its page on the website.

    Raises:
        ValueError: if the lab is unknown, or the height is not a whole number >= 1.
    """
    text = page(name)
    if height is None:
        height = re.search(r'<meta name="lab-height" content="(\d+)">', text).group(1)
    else:
        height = whole_number("height", height)
    title = html.unescape(re.search(r"<title>(.*?)</title>", text).group(1))
    if name in _ON_SITE:
        return _link(title, _ON_SITE[name])
    # The div is for the site's style; it also keeps IPython from advising its own IFrame.
    return HTML(
        f'<div class="course-lab"><iframe sandbox="allow-scripts" loading="lazy" '
        f'title="{html.escape(title)}" style="width: 100%; height: {height}px; border: 0" '
        f'srcdoc="{html.escape(text)}"></iframe></div>'
    )


def _link(title, place):
    """A card that leads to a page of the website; on the website itself, to its own copy."""
    owner, repository = _REPOSITORY.split("/")[-2:]
    address = f"https://{owner}.github.io/{repository}/{place}"
    return HTML(
        f'<div class="course-card" style="border: 1px solid #85909b; border-radius: 10px; '
        f'padding: 14px 18px; max-width: 44rem"><p><b>{html.escape(title)}</b></p>'
        "<p>It needs your camera or your files, and a network of 3 MB, so it has a page of its own "
        "on the course's website. What you show it stays on your computer.</p>"
        f'<p><a href="{address}" data-course-page="{place}" target="_blank" rel="noopener">'
        "Open the teachable machine</a></p></div>"
    )
