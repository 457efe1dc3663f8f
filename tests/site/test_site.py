"""Checks of the built site, in SITE or _build/html; each rule is shown a page that it refuses."""

import gzip
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import site_checks as checks
import yaml
from axe_playwright_python.sync_playwright import Axe
from browser import open_browser, open_page
from labs_helpers import served

from course_utils import labs

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("SITE", ROOT / "_build" / "html")).resolve()
PAGES = checks.page_names(SITE) or ["book/index.html"]
READ = [name for name in PAGES if name != "index.html"]  # the root only leads to book/index.html
NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def site():
    if not (SITE / "book" / "index.html").is_file():
        pytest.fail(f"There is no built site in {SITE}: run `make book` first.")
    return SITE


@pytest.fixture(scope="module")
def chapter(site):
    """The first page that was a notebook."""
    sources = sorted(site.glob("_sources/book/*.ipynb"))
    return f"book/{sources[0].stem}.html"


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


def settings(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


# ---- What is written in the files ----


def test_all_pages_were_built(site):
    assert checks.check_pages(site, settings("_toc.yml")) == []


def test_all_links_lead_somewhere(site):
    assert checks.check_links(site) == []


def test_nothing_comes_from_another_host(site):
    assert checks.check_outside_requests(site) == []


def test_all_pictures_have_an_alt_text(site):
    assert checks.check_alt_texts(site) == []


def test_no_raw_markup_is_seen(site):
    assert checks.check_raw_markup(site) == []


def test_all_pages_have_language_and_title(site):
    assert checks.check_titles(site) == []


def test_chapters_lead_to_colab_binder_and_their_file(site):
    assert checks.check_launch_links(site, settings("_config.yml")) == []


def test_the_missing_page_stands_alone(site):
    assert checks.check_stands_alone(site) == []


# ---- The same checks refuse what is wrong ----

GOOD = """<!doctype html><html lang="en"><head><title>{title}</title>
<link rel="stylesheet" href="{up}style.css"></head><body>{body}</body></html>"""
CONFIG = {
    "repository": {"url": "https://github.com/owner/name", "branch": "main"},
    "launch_buttons": {
        "colab_url": "https://colab.example",
        "binderhub_url": "https://binder.example",
    },
}
TOC = {"root": "book/index", "parts": [{"chapters": [{"file": "book/01_first"}]}]}
CHAPTER = """<article id="text">
<a href="https://colab.example/github/owner/name/blob/main/book/01_first.ipynb">Colab</a>
<a href="https://binder.example/v2/gh/owner/name/main?urlpath=lab/tree/book/01_first.ipynb">Binder</a>
<a href="../_sources/book/01_first.ipynb">Notebook</a> <a href="https://github.com/owner/name">Source</a>
<img src="../picture.png" alt="A cat that sits on a warm roof"> <a href="index.html#top">up</a>
</article>"""


@pytest.fixture
def small(tmp_path):
    """A small site that keeps all rules; returns its folder and a function that adds to a page."""
    pages = {
        "index.html": ("Start", ""),
        "404.html": ("Missing", ""),
        "search.html": ("Search", ""),
        "book/index.html": ("Course", '<p id="top">Welcome</p>'),
        "book/01_first.html": ("First", CHAPTER),
    }
    (tmp_path / "book").mkdir()
    (tmp_path / "_static" / "labs").mkdir(parents=True)
    (tmp_path / "_static" / "labs" / "1a.html").write_text("<script>lab()</script>")
    (tmp_path / "_sources" / "book").mkdir(parents=True)
    (tmp_path / "_sources" / "book" / "01_first.ipynb").write_text('{"cells": []}')
    (tmp_path / "picture.png").touch()
    (tmp_path / "searchindex.js").touch()
    (tmp_path / "style.css").write_text('p { background: url("picture.png") }')
    for name, (title, body) in pages.items():
        up = "../" * name.count("/")
        text = GOOD.format(title=title, body=body, up=up)
        if name == "404.html":
            text = text.replace('<link rel="stylesheet" href="style.css">', "")
        (tmp_path / name).write_text(text)

    def add(text, name="book/01_first.html"):
        path = tmp_path / name
        path.write_text(path.read_text().replace("</body>", f"{text}</body>"))

    return tmp_path, add


def complaints(folder):
    """All complaints of all checks about a folder."""
    return [
        *checks.check_pages(folder, TOC),
        *checks.check_links(folder),
        *checks.check_outside_requests(folder),
        *checks.check_alt_texts(folder),
        *checks.check_raw_markup(folder),
        *checks.check_titles(folder),
        *checks.check_launch_links(folder, CONFIG),
        *checks.check_stands_alone(folder),
    ]


def test_a_good_site_passes(small):
    assert complaints(small[0]) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('<a href="nowhere.html">x</a>', "nowhere.html does not exist"),
        ('<a href="index.html#none">x</a>', "index.html#none has no such anchor"),
        ('<a href="#none">x</a>', "#none has no such anchor"),
        ('<a href="/book/index.html">x</a>', "is absolute"),
        ('<a href="../../secret.html">x</a>', "leaves the site"),
        ('<img src="none.png" alt="">', "none.png does not exist"),
        ('<script src="none.js"></script>', "none.js does not exist"),
        ('<script src="https://cdn.example/x.js"></script>', "script comes from another host"),
        ('<link rel="stylesheet" href="//cdn.example/x.css">', "link comes from another host"),
        ('<img src="http://cdn.example/x.png" alt="">', "img comes from another host"),
        ('<iframe src="https://video.example/1"></iframe>', "iframe comes from another host"),
        ("<style>@import 'https://fonts.example/x';</style>", "style comes from another host"),
        ('<p style="background: url(https://cdn.example/x)">', "style of p comes from another"),
        (
            '<iframe srcdoc="&lt;script src=&quot;https://cdn.example/x.js&quot;&gt;"></iframe>',
            "script in a frame comes from another host",
        ),
        ('<img src="../picture.png">', "a picture without alt text"),
        ('<article><img src="../picture.png" alt=""></article>', "an alt text below 20"),
        ('<article><img src="../picture.png" alt="a figure"></article>', "an alt text below 20"),
        (
            '<article><img src="../picture.png" alt="../_images/output_of_cell_number_3.png">',
            "a file name is no alt text",
        ),
        (
            '<article><img src="../picture.png" alt="5bab7509ac6d35f7665f77061765d1e9"></article>',
            "a file name is no alt text",
        ),
        ("<p>```{note} Mind the gap</p>", "a raw directive: ```{n"),
        ("<pre>:::{tip}</pre>", "a raw directive: :::{t"),
        ("<p>see {doc}`intro`</p>", "a raw role: {doc}`"),
    ],
)
def test_a_bad_page_is_refused(small, text, complaint):
    folder, add = small
    add(text)
    found = complaints(folder)
    assert len(found) >= 1
    assert any(complaint in line for line in found), found
    assert all(line.startswith("book/01_first.html: ") for line in found), found


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("book/01_first.html", 'lang="en"', "", 'needs <html lang="en">'),
        ("book/01_first.html", "<title>First</title>", "<title> </title>", "needs a title"),
        ("book/01_first.html", "<title>First", "<title>Search", "has the same title as"),
        ("book/01_first.html", "blob/main", "blob/other", "no Colab link"),
        ("book/01_first.html", "gh/owner", "gh/somebody", "no Binder link"),
        ("book/01_first.html", "../_sources/book/01", "../_sources/book/02", "no download link"),
        ("book/01_first.html", "https://github.com/owner/name", "#text", "no repository link"),
        ("_sources/book/01_first.ipynb", "cells", "sells", "is no notebook"),
        ("style.css", "picture.png", "none.woff2", "none.woff2 does not exist"),
        ("_static/labs/1a.html", "<script>", '<script src="//a.example/x.js">', "another host"),
        ("style.css", "picture.png", "https://fonts.example/x", "asks another host"),
        ("404.html", "</body>", '<img src="picture.png" alt=""></body>', "img needs picture.png"),
    ],
)
def test_a_bad_site_is_refused(small, name, old, new, complaint):
    folder, _ = small
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    assert any(complaint in line for line in complaints(folder)), complaints(folder)


@pytest.mark.parametrize("name", ["404.html", "index.html", "search.html", "book/01_first.html"])
def test_a_missing_page_is_noticed(small, name):
    folder, _ = small
    (folder / name).unlink()
    assert f"{name} is missing" in checks.check_pages(folder, TOC)


# ---- What a browser sees ----


@contextmanager
def visit(browser, address, **options):
    """Yields a page; a console error or an outside request fails."""
    errors = []
    choices = {"viewport": WIDE, "reduced_motion": "reduce", **options}
    with open_page(browser, **choices) as page:
        page.on("console", lambda line: line.type == "error" and errors.append(line.text))
        page.goto(address if "://" in address else (SITE / address).as_uri())
        yield page
    assert errors == []


def barriers(page, part=None):
    """What axe finds serious or critical in a page, or a part of it: a line for each element."""
    # Without `preload`, which would read the style sheets anew, and a file may not.
    options = {"resultTypes": ["violations"], "preload": False}
    found = Axe().run(page, part, options).response["violations"]
    return [
        f"{one['impact']} {one['id']}: {node['target']} {node['html'][:150]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", READ)
def test_page_is_accessible_from_a_file(site, browser, name, theme):
    with visit(browser, name, color_scheme=theme) as page:
        if name != "404.html":
            assert page.evaluate("document.documentElement.dataset.theme") == theme
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert barriers(page) == []


# A picture that is still to be loaded has the shape that its attributes give it.
SQUEEZED = """[...document.querySelectorAll("main img[width][height]")].filter((image) => {
    const style = getComputedStyle(image);
    const width = image.clientWidth - 2 * parseFloat(style.paddingLeft);
    const height = image.clientHeight - 2 * parseFloat(style.paddingTop);
    const ratio = image.getAttribute("width") / image.getAttribute("height");
    return width > 20 && height > 20 && Math.abs(width / height / ratio - 1) > 0.05;
}).map((image) => image.src)"""


def troubles(page):
    """What a narrow page does wrong: it scrolls sideways, squeezes pictures, sets no formula."""
    found = []
    if (width := page.evaluate("document.documentElement.scrollWidth")) > page.viewport_size[
        "width"
    ]:
        found.append(f"it scrolls sideways, being {width} pixels wide")
    for name in page.evaluate(SQUEEZED):
        found.append(f"a picture is squeezed: {name}")
    if page.locator(".math").count() != page.locator(".math .katex-mathml > math").count():
        found.append("a formula stands there as it was typed")
    if page.locator(".katex-error").count():
        found.append("a formula has an error")
    return found


@pytest.mark.parametrize("name", READ)
def test_page_fits_a_phone(site, browser, name):
    with visit(browser, name, viewport=NARROW) as page:
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert troubles(page) == []
        assert barriers(page) == []


LIGHT = {"bytes": 300_000, "requests": 15}
PACKED = {".html", ".css", ".js", ".svg"}  # what a server sends compressed
SHIFTS = """window.shift = 0;
new PerformanceObserver((list) => list.getEntries().forEach((one) => (window.shift += one.value)))
    .observe({ type: "layout-shift", buffered: true });"""


def weight(page, folder, address, name):
    """What a page costs at first load: bytes, requests, and how far its content jumps."""
    names = []
    page.on("response", lambda answer: names.append(urlsplit(answer.url).path.lstrip("/")))
    page.add_init_script(SHIFTS)
    page.goto(f"{address}/{name}", wait_until="networkidle")
    contents = [(Path(name).suffix, (folder / name).read_bytes()) for name in names]
    size = sum(len(gzip.compress(c) if suffix in PACKED else c) for suffix, c in contents)
    return {"bytes": size, "requests": len(names), "shift": page.evaluate("window.shift")}


@pytest.mark.parametrize("name", READ)
def test_page_is_light(site, browser, name):
    with served(site) as address, open_page(browser, viewport=NARROW) as page:
        found = weight(page, site, address, name)
    assert found["bytes"] <= LIGHT["bytes"]
    assert found["requests"] <= LIGHT["requests"]
    assert found["shift"] < 0.02


def test_a_page_is_weighed(browser, tmp_path):
    (tmp_path / "a.html").write_text(
        '<link rel="stylesheet" href="a.css"><link rel="icon" href="data:,"><img src="a.png">'
        "<script>setTimeout(() => document.body.prepend(document.createElement('h1')), 100);"
        '</script><style>h1 { height: 400px }</style><p style="height: 300px">Down it goes.</p>'
    )
    (tmp_path / "a.css").write_text("p { color: red }" * 1000)
    (tmp_path / "a.png").write_bytes(bytes(5000))
    with served(tmp_path) as address, open_page(browser, viewport=NARROW) as page:
        found = weight(page, tmp_path, address, "a.html")
    assert 5000 < found["bytes"] < 6000
    assert found["requests"] == 3
    assert found["shift"] > 0.02


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<p>A good page.</p>", None),
        ('<p style="background: #fff; color: #bbb">pale</p>', "serious color-contrast"),
        ("<button></button>", "critical button-name"),
        ('<pre style="width: 700px">wide</pre>', "it scrolls sideways, being 7"),
        (
            '<img alt="A" src="x.svg" width="600" height="60" style="max-width: 100%">',
            "a picture is squeezed",
        ),
        ('<p class="math">\\(x^2\\)</p>', "a formula stands there as it was typed"),
        (
            '<p class="math"><i class="katex-error katex-mathml"><math></math></i></p>',
            "an error",
        ),
    ],
)
def test_the_browser_checks_refuse_a_bad_page(browser, tmp_path, text, complaint):
    path = tmp_path / "page.html"
    path.write_text(GOOD.format(title="T", up="", body=f"<main><h1>Title</h1>{text}</main>"))
    path.with_name("style.css").touch()
    path.with_name("x.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    with visit(browser, path.as_uri(), viewport=NARROW) as page:
        found = troubles(page) + barriers(page)
    assert len(found) == (0 if complaint is None else 1), found
    assert complaint is None or complaint in found[0]


@pytest.mark.parametrize(
    "text",
    [
        "<script>console.error('no')</script>",
        "<script>nowhere()</script>",
        "<script src='none.js'></script>",
        "<img src='https://cdn.example/x.png' alt=''>",
    ],
)
def test_the_browser_refuses_errors_and_other_hosts(browser, tmp_path, text):
    path = tmp_path / "page.html"
    path.write_text(text)
    with pytest.raises(AssertionError), visit(browser, path.as_uri()) as page:
        page.wait_for_timeout(100)


def test_menus_are_accessible(site, browser, chapter):
    with visit(browser, chapter) as page:
        page.get_by_role("button", name="More for this page").click()
        assert page.get_by_text("Download the notebook").is_visible()
        assert barriers(page, ".bd-header-article") == []
    with visit(browser, chapter, viewport=NARROW, color_scheme="dark") as page:
        page.locator(".primary-toggle").click()
        assert page.get_by_role("link", name="Glossary").first.is_visible()
        assert barriers(page, "#pst-primary-sidebar-modal") == []


def test_keyboard_reaches_the_text_first(site, browser, chapter):
    with visit(browser, chapter) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(outline) == "solid"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('main') !== null")


def test_only_one_search_field_and_one_search_button_are_seen(site, browser, chapter):
    for viewport in (WIDE, NARROW):
        with visit(browser, chapter, viewport=viewport) as page:
            buttons = page.get_by_role("button", name="Search", exact=True)
            assert sum(button.is_visible() for button in buttons.all()) == 1
            page.keyboard.press("Control+k")
            fields = page.locator("input[type=search]")
            assert sum(field.is_visible() for field in fields.all()) == 1


def test_search_finds_convolution(site, browser):
    with served(site) as address, visit(browser, f"{address}/book/index.html") as page:
        page.keyboard.press("Control+k")
        page.keyboard.type("convolution")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search.html?q=convolution")
        found = page.locator("#search-results li a")
        found.first.wait_for()
        assert any("convolution" in link.text_content().lower() for link in found.all())
        found.first.click()
        page.wait_for_load_state()
        assert "/book/" in page.url


def test_search_works_from_a_file(site, browser):
    with visit(browser, f"{(site / 'search.html').as_uri()}?q=convolution") as page:
        page.locator("#search-results li a").first.wait_for()


def test_theme_switch_reaches_the_labs(site, browser):
    names = [name for name in PAGES if checks.soup(site / name).select(".course-lab > iframe")]
    assert names, "no page of the site has a lab"
    for name in names:
        with visit(browser, name, color_scheme="light") as page:
            frame = page.locator(".course-lab > iframe").first
            frame.scroll_into_view_if_needed()
            inside = frame.content_frame.locator("html")
            for theme in ("dark", "light"):
                page.locator(".theme-switch-button").click()
                page.locator(f"html[data-theme={theme}]").wait_for()
                assert page.evaluate("localStorage.mode") == theme
                told = "(root, theme) => root.dataset.theme === theme"
                deadline = time.monotonic() + 5
                while not inside.evaluate(told, theme):
                    assert time.monotonic() < deadline, f"the lab of {name} was not told {theme}"
                    page.wait_for_timeout(20)


LAB = """<script>
addEventListener('message', ({data}) => { document.title = data.theme; });
parent.postMessage({type: 'course-lab-height', height: HEIGHT}, '*');
</script>"""


@pytest.mark.parametrize(
    ("asked", "given"), [(50, 200), (640.2, 641), (9000, 4000), ("'tall'", 300), ("NaN", 300)]
)
def test_a_lab_gets_the_height_it_asks_for_within_bounds(site, browser, tmp_path, asked, given):
    lab = LAB.replace("HEIGHT", str(asked))
    frame = (
        f'<iframe sandbox="allow-scripts" style="height: 300px; border: 0" srcdoc="{lab}"></iframe>'
    )
    script = "<script>DOCUMENTATION_OPTIONS = {};</script>"
    script += f'<script src="{(ROOT / "book" / "_static" / "site.js").as_uri()}"></script>'
    path = tmp_path / "page.html"
    path.write_text(f'<!doctype html><html data-theme="dark"><head>{script}</head>{frame}{frame}')
    with visit(browser, path.as_uri()) as page:
        for frame in page.frames[1:]:
            frame.wait_for_function("document.title === 'dark'")
        page.evaluate(
            "postMessage({type: 'course-lab-height', height: 999}, '*')"
        )  # no lab says it
        page.wait_for_timeout(100)
        heights = page.evaluate("[...document.querySelectorAll('iframe')].map(f => f.offsetHeight)")
        assert heights == [given, given]


def test_the_missing_page_leads_home_from_any_depth(site, browser, tmp_path):
    shutil.copy(site / "404.html", tmp_path)
    (tmp_path / "repository").symlink_to(site)
    with served(tmp_path) as address, open_page(browser) as page:
        answer = page.goto(f"{address}/repository/book/gone/deeper.html")
        assert answer.status == 404
        home = page.locator("#home[href='/repository/book/index.html']")
        home.click()
        assert page.url == f"{address}/repository/book/index.html"
    with visit(browser, "404.html") as page:
        page.locator("#home").click()
        assert page.url == (site / "book" / "index.html").as_uri()


def test_the_teachable_machine_works_in_a_folder_of_a_server(site, browser, tmp_path):
    (tmp_path / "repository").symlink_to(site)
    with (
        served(tmp_path) as address,
        visit(browser, f"{address}/repository/book/teachable.html") as page,
    ):
        frame = page.frame_locator(".course-lab > iframe")
        frame.locator("#load").click()
        frame.locator("#camera").wait_for()
        assert page.evaluate("document.featurePolicy.allowsFeature('camera')")


def test_a_link_of_a_notebook_to_the_site_leads_to_this_copy(site, browser, tmp_path):
    script = (ROOT / "book" / "_static" / "site.js").as_uri()
    path = tmp_path / "page.html"
    path.write_text(
        f"<html data-content_root='../'><script>DOCUMENTATION_OPTIONS = {{}};</script>"
        f"<script src='{script}'></script>{labs.embed('teachable').data}"
    )
    with visit(browser, path.as_uri()) as page:
        expected = (tmp_path.parent / "book" / "teachable.html").as_uri()
        assert page.locator("a").evaluate("link => link.href") == expected


# ---- The build ----


TOOLS = ("build_book.py", "lecture_times.py", "light_site.py", "katex/katex.min.js")


def test_a_warning_or_an_error_fails_the_build_and_is_named(tmp_path):
    for name in ("_config.yml", *(f"tools/{name}" for name in TOOLS)):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    ignored = shutil.ignore_patterns("*.ipynb", "*.md", "images")
    shutil.copytree(ROOT / "book", tmp_path / "book", ignore=ignored)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    (tmp_path / "README.md").write_text("# No page\n\n[no link](none.md)\n")
    index = tmp_path / "book" / "index.md"

    def build():
        environment = {**os.environ, "HOME": str(tmp_path / "nobody"), "NO_COLOR": "1"}
        command = [sys.executable, "tools/build_book.py"]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    index.write_text("# Course\n\nA page.\n")
    good = build()
    assert good.returncode == 0, good.stderr
    assert index.with_suffix(".html").name in good.stdout
    assert good.stderr == ""
    assert checks.page_names(tmp_path / "_build" / "html") == [
        "404.html",
        "book/index.html",
        "index.html",
        "search.html",
    ]
    index.write_text("# Course\n\nA [link](nowhere.md) to nothing.\n")
    bad = build()
    assert bad.returncode == 1
    assert "book/index.md:3: WARNING" in bad.stderr
    assert "nowhere.md" in bad.stderr
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters: 3\n")
    broken = build()
    assert broken.returncode == 1
    assert "'chapters' not a non-empty list" in broken.stderr
