"""Makes the built site light: formulas set, pictures and labs lazy, one style sheet, one script.

Sphinx and its theme write pages that set their formulas in the browser (260 KB of script), fetch
nine style sheets and ten scripts, and load every picture at once. What a page needs is known when
the site is built.
"""

import hashlib
import html
import os
import re
import textwrap
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import tinycss2
from PIL import Image
from py_mini_racer import JSEvalException, mini_racer

KATEX = Path(__file__).with_name("katex") / "katex.min.js"
FORMULA = re.compile(
    r'<(span|div) class="(math[^"]*)"([^>]*)>\s*\\([(\[])(.*?)\\[)\]]\s*</\1>', re.S
)
STYLE = re.compile(r'\s*<link[^>]* href="([^"]*\.css[^"]*)"[^>]*>')
SCRIPT = re.compile(r'\s*<script[^>]* src="([^"]+)"[^>]*></script>')
SETTINGS = re.compile(
    r"\s*<script>(?:DOCUMENTATION_OPTIONS\.|window\.MathJax).*?</script>", re.DOTALL
)
PICTURE = re.compile(r'<img\b[^>]*? src="([^"]*_images/[^"]+\.(?:png|jpe?g))"[^>]*>')
LAB = re.compile(r'(<div class="course-lab"><iframe\b[^>]*?) srcdoc="([^"]*)"')
# Names, module names, punctuation and spaces of code have the colour of the block around them.
PLAIN_CODE = re.compile(r'<span class="(?:n|nn|p|w)">([^<]*)</span>')
PAGE_ONLY = {"searchtools.js", "language_data.js", "searchindex.js"}  # of the search page
CANONICAL = re.compile(r'<link rel="canonical" href="([^"]+)"')
LEAD = re.compile(
    r"<article.*?</h1>(.*?)(?=<h2|<section|<div class=\"cell|</article)", re.S
)  # before any code
EARLY = "site.js"  # hears what the labs say while the page loads, so it stands in the page
# A page opened from a file may not read its neighbours: there the search shows no excerpts.
AFTER = """
DOCUMENTATION_OPTIONS.search_as_you_type = false;
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
"""
WORD = re.compile(r"[\w-]+")


def lighten(site):
    """Rewrites the pages below a folder, and the pictures, styles and scripts that they use."""
    texts = pages(site)
    with mini_racer() as engine:
        engine.eval(KATEX.read_text(encoding="utf-8"))
        texts = {path: set_formulas(text, engine) for path, text in texts.items()}
    sizes = shrink_pictures(site / "_images")
    texts = {path: lazy_pictures(text, sizes) for path, text in texts.items()}
    texts = {path: lazy_labs(text, site / "_static" / "labs") for path, text in texts.items()}
    texts = {path: PLAIN_CODE.sub(r"\1", text) for path, text in texts.items()}
    for path, text in bundle(site, texts).items():
        described = describe(text, path.relative_to(site).as_posix())
        path.write_text(described, encoding="utf-8")


def pages(site):
    """Path and text of each page that the theme made."""
    found = sorted(site.glob("*.html")) + sorted(site.glob("book/*.html"))
    texts = {path: path.read_text(encoding="utf-8") for path in found}
    return {path: text for path, text in texts.items() if "_static/styles" in text}


def set_formulas(text, engine):
    r"""Sets the formulas of a page, which stand there as \(...\) or \[...\], with KaTeX.

    Args:
        text: the page.
        engine: a JavaScript engine in which KaTeX is loaded.

    Returns:
        The page. A screen reader finds MathML in it.

    Raises:
        ValueError: if a formula has an error.
    """

    def typeset(match):
        tag, names, rest, bracket, formula = match.groups()
        options = {"displayMode": bracket == "[", "strict": "error"}
        try:
            code = engine.call("katex.renderToString", html.unescape(formula).strip(), options)
        except JSEvalException as error:
            raise ValueError(f"a formula cannot be set: {formula.strip()}\n{error}") from None
        return f'<{tag} class="{names}"{rest}>{code}</{tag}>'

    return FORMULA.sub(typeset, text)


def shrink_pictures(folder):
    """Writes each picture of a folder as WebP where that is smaller.

    Returns:
        Name of each picture -> (name to be used, width, height in pixels).
    """

    def shrink(path):
        with Image.open(path) as image:
            size, photo = image.size, image.format == "JPEG"
            file = BytesIO()
            how = {"quality": 82, "method": 4} if photo else {"lossless": True, "method": 2}
            image.save(file, "WEBP", **how)
        name = path.name
        if file.tell() < 0.95 * path.stat().st_size:
            name = f"{path.stem}.webp"
            path.with_name(name).write_bytes(file.getvalue())
            path.unlink()
        return path.name, (name, *size)

    paths = [p for p in sorted(folder.glob("*")) if p.suffix in (".png", ".jpg", ".jpeg")]
    with ThreadPoolExecutor() as pool:
        return dict(pool.map(shrink, paths))


def lazy_pictures(text, sizes):
    """Pictures of a page keep their place before they are there, and load when they come near."""

    def lazy(match):
        tag, address = match[0], match[1]
        name, width, height = sizes[address.rpartition("/")[2]]
        tag = tag.replace(address, f"{address.rpartition('/')[0]}/{name}")
        if " width=" not in tag and " height=" not in tag:
            tag = tag.replace("<img", f'<img width="{width}" height="{height}"', 1)
        return tag.replace("<img", '<img loading="lazy" decoding="async"', 1)

    text = PICTURE.sub(lazy, text).replace(' loading="lazy"', "", 1)  # the first one may be in view
    text = text.replace('class="logo__image', 'width="44" height="44" class="logo__image')
    for old, (name, *_) in sizes.items():
        text = text.replace(f"_images/{old}", f"_images/{name}")  # links to the picture alone
    return text


def lazy_labs(text, folder):
    """Labs, which stand whole in a notebook, become files that load when they come near.

    Args:
        text: a page that lies one folder below the site.
        folder: `_static/labs` of the site; the files are written there.

    Returns:
        The page.
    """

    def own_file(match):
        code = html.unescape(match[2])
        path = folder / f"{hashlib.sha256(code.encode()).hexdigest()[:16]}.html"
        folder.mkdir(exist_ok=True)
        path.write_text(code, encoding="utf-8")
        return f'{match[1]} src="../_static/labs/{path.name}"'

    return LAB.sub(own_file, text)


def describe(text, name):
    """Tells search engines, and those who share a link, what a page is about.

    Args:
        text: the page, which names its own address.
        name: where it lies in the site.

    Returns:
        The page with its first sentences as a description, and the course's picture.
    """
    lead, address = LEAD.search(text), CANONICAL.search(text)
    if not lead or not address:
        return text
    words = html.unescape(re.sub(r"<[^>]+>", " ", lead[1]))
    words = re.sub(r" ([,;:.?])", r"\1", " ".join(words.split()))
    words = textwrap.shorten(words, 160, placeholder=" ...", break_on_hyphens=False)
    description = html.escape(words)
    title = re.search("<title>(.*?)</title>", text, re.DOTALL)[1]
    home = address[1].removesuffix(name)
    tags = {
        'name="description"': description,
        'property="og:description"': description,
        'property="og:title"': title,
        'property="og:type"': "article",
        'property="og:url"': address[1],
        'property="og:image"': f"{home}_static/card.png",
    }
    meta = "".join(f'\n  <meta {key} content="{value}">' for key, value in tags.items())
    return text.replace("</title>", f"</title>{meta}", 1)


def bundle(site, texts):
    """Makes one style sheet and one script of those of all pages, and lets the pages use them."""
    styles, scripts = {}, {}  # ordered sets of paths
    for path, text in texts.items():
        styles |= dict.fromkeys(_file(path, link) for link in STYLE.findall(text))
        scripts |= dict.fromkeys(_file(path, link) for link in SCRIPT.findall(text))
    scripts = {
        p: p.read_text(encoding="utf-8") for p in scripts if p.is_file()
    }  # MathJax's is none
    words = set()
    for text in (*texts.values(), *scripts.values()):
        words.update(WORD.findall(text))
    scripts = {path: code for path, code in scripts.items() if path.name not in PAGE_ONLY}
    early = "".join(code for path, code in scripts.items() if path.name == EARLY)
    script = ";\n".join(code for path, code in scripts.items() if path.name != EARLY) + AFTER
    katex = site / "_static" / "katex" / "katex.min.css"
    css = "\n".join(style_text(path, site / "_static") for path in (*styles, katex))
    used = used_rules(css, words)

    names = {}
    for name, content in (("course.css", used), ("course.js", script)):
        (site / "_static" / name).write_text(content, encoding="utf-8")
        names[name] = f"{name}?v={hashlib.sha256(content.encode()).hexdigest()[:8]}"
    for path in (*styles, *scripts, katex):
        path.unlink()

    def one_bundle(path, text):
        up = "../" * (len(path.relative_to(site).parts) - 1) + "_static/"
        own = [link for link in SCRIPT.findall(text) if _file(path, link).name in PAGE_ONLY]
        tags = [
            f'<link rel="stylesheet" href="{up}{names["course.css"]}">',
            f'<script defer src="{up}{names["course.js"]}"></script>',
            *(f'<script defer src="{link}"></script>' for link in own),
            f"<script>\n{early}</script>",
        ]
        text = SETTINGS.sub("", SCRIPT.sub("", STYLE.sub("", text)))
        return text.replace("</title>", "</title>\n  " + "\n  ".join(tags), 1)

    return {path: one_bundle(path, text) for path, text in texts.items()}


def _file(page, link):
    """The file that a link of a page leads to."""
    return (page.parent / urlsplit(link).path).resolve()


def style_text(path, home):
    """A style sheet with what it imports, for use in the folder `home`."""
    text = path.read_text(encoding="utf-8")

    def imported(match):
        return style_text((path.parent / match[1]).resolve(), home)

    def moved(match):
        target = match[1].strip("\"' ")
        if target.startswith(("data:", "#")):
            return match[0]
        return f'url("{os.path.relpath(path.parent / target, home)}")'

    text = re.sub(r"url\(((?!data:)[^)]+)\)", moved, text.replace('@charset "UTF-8";', ""))
    return re.sub(r'@import "([^"]+)";', imported, text)


def used_rules(css, words):
    """Leaves out rules for classes and ids that occur in no page and no script.

    Args:
        css: a style sheet.
        words: set of all words in the pages and scripts.

    Returns:
        The style sheet without comments. What stands in the brackets of a selector is not looked
        at: such a rule stays.
    """
    rules = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    return "".join(_rule(rule, words) for rule in rules)


def _rule(rule, words):
    if rule.type == "at-rule" and rule.at_keyword in ("media", "supports"):
        inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
        body = "".join(_rule(one, words) for one in inner)
        return f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{body}}}" if body else ""
    if rule.type != "qualified-rule":
        return rule.serialize()
    selectors = [s for s in _split(rule.prelude) if _names(s) <= words]
    content = re.sub(r"\s+", " ", tinycss2.serialize(rule.content)).strip()
    if not selectors or not content:
        return ""
    prelude = ",".join(tinycss2.serialize(s).strip() for s in selectors)
    return f"{prelude}{{{content}}}\n"


def _split(prelude):
    """The selectors of a rule, parted at commas."""
    selectors = [[]]
    for token in prelude:
        if token.type == "literal" and token.value == ",":
            selectors.append([])
        else:
            selectors[-1].append(token)
    return selectors


def _names(selector):
    """The classes and ids that a page must have for the selector to find something."""
    names = {token.value for token in selector if token.type == "hash"}
    for dot, token in pairwise(selector):
        if dot.type == "literal" and dot.value == "." and token.type == "ident":
            names.add(token.value)
    return names
