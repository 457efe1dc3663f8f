"""What a built site must keep: a check takes the site's folder and returns a list of complaints."""

import json
import re
from functools import cache
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

OUTSIDE = re.compile(r"^(https?:)?//", re.IGNORECASE)
CSS_TARGET = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")
FILE_NAME = re.compile(r"^[\w./-]+\.(png|jpe?g|svg|gif|webp)$|\b[0-9a-f]{16,}\b", re.IGNORECASE)
RAW_DIRECTIVE = re.compile(r"(`{3,}|:{3,})\{\w")
RAW_ROLE = re.compile(r"\{\w[\w:-]*\}`")
# Attributes that make a browser fetch something, by tag.
FETCHED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
    "link": "href",
}
SHORTEST_ALT = 20


def page_names(folder):
    """Sorted paths, relative to the site, of its pages; the theme's templates are none."""
    found = (path.relative_to(folder) for path in folder.rglob("*.html"))
    return sorted(path.as_posix() for path in found if path.parts[0] != "_static")


@cache
def parse(path, _version):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def soup(path):
    """The parsed page, kept until the file changes."""
    return parse(path, path.stat().st_mtime_ns)


def css_targets(text):
    """What a style sheet asks for, inline data left out."""
    targets = (match[1] or match[2] for match in CSS_TARGET.finditer(text))
    return [target.strip() for target in targets if not target.startswith(("data:", "#"))]


def fetched(page):
    """What a parsed page makes a browser fetch: (where it stands, address) pairs."""
    pairs = []
    for tag, attribute in FETCHED.items():
        for element in page.find_all(tag, {attribute: True}):
            if element.get("rel") != ["canonical"]:  # a name, which no browser fetches
                pairs.append((tag, element[attribute]))
    for style in page.find_all("style"):
        pairs += [("style", target) for target in css_targets(style.get_text())]
    for element in page.find_all(style=True):
        pairs += [(f"style of {element.name}", target) for target in css_targets(element["style"])]
    for frame in page.find_all("iframe", srcdoc=True):
        inside = fetched(BeautifulSoup(frame["srcdoc"], "html.parser"))
        pairs += [(f"{where} in a frame", target) for where, target in inside]
    return pairs


def style_sheets(folder):
    """(path relative to the site, address) of all that the site's style sheets ask for."""
    for path in sorted(folder.rglob("*.css")):
        for target in css_targets(path.read_text(encoding="utf-8")):
            yield path, target


def check_outside_requests(folder):
    """No page, no lab and no style sheet fetches anything from another host."""
    problems = []
    labs = sorted(folder.glob("_static/labs/*.html"))
    for name in (*page_names(folder), *(lab.relative_to(folder).as_posix() for lab in labs)):
        for where, target in fetched(soup(folder / name)):
            if OUTSIDE.match(target):
                problems.append(f"{name}: {where} comes from another host: {target}")
    for path, target in style_sheets(folder):
        if OUTSIDE.match(target):
            problems.append(f"{path.relative_to(folder)}: asks another host: {target}")
    return problems


def missing(folder, source, target):
    """Why an address that stands in the file `source` leads nowhere inside the site, or None."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return None
    if parts.path.startswith("/"):
        return "is absolute: the site may live in a folder"
    path = source
    if parts.path:
        path = (source.parent / unquote(parts.path)).resolve()
        if not path.is_relative_to(folder.resolve()):
            return "leaves the site"
        if not path.is_file():
            return "does not exist"
    if parts.fragment and path.suffix == ".html":
        anchor = unquote(parts.fragment)
        page = soup(path)
        if not page.find(id=anchor) and not page.find("a", attrs={"name": anchor}):
            return "has no such anchor"
    return None


def check_links(folder):
    """Every link, anchor, image, script and style of the site leads to something in it."""
    problems = []
    for name in page_names(folder):
        path = folder / name
        page = soup(path)
        targets = {target for where, target in fetched(page) if "in a frame" not in where}
        targets |= {link["href"] for link in page.find_all("a", href=True)}
        if name == "404.html":
            targets.discard("/")  # this page does not know how deep it is; its script does
        for target in sorted(targets):
            if reason := missing(folder, path, target):
                problems.append(f"{name}: {target} {reason}")
    for path, target in style_sheets(folder):
        if reason := missing(folder, path, target):
            problems.append(f"{path.relative_to(folder)}: {target} {reason}")
    return problems


def check_alt_texts(folder):
    """Every picture has an alt text; one in the text itself says what one sees."""
    problems = []
    for name in page_names(folder):
        for image in soup(folder / name).find_all("img"):
            alt = image.get("alt")
            if alt is None:
                problems.append(f"{name}: a picture without alt text: {image['src']}")
            elif not image.find_parent("article"):
                continue  # the logo beside the title says nothing new
            elif FILE_NAME.search(alt.strip()):
                problems.append(f"{name}: a file name is no alt text: {alt!r}")
            elif len(alt.strip()) < SHORTEST_ALT:
                problems.append(f"{name}: an alt text below {SHORTEST_ALT} characters: {alt!r}")
    return problems


def check_raw_markup(folder):
    """No directive or role stands in the text as it was typed."""
    problems = []
    for name in page_names(folder):
        page = BeautifulSoup((folder / name).read_text(encoding="utf-8"), "html.parser")
        for element in page.find_all(["script", "style"]):
            element.decompose()
        if found := RAW_DIRECTIVE.search(page.get_text()):
            problems.append(f"{name}: a raw directive: {found[0]}")
        for element in page.find_all(["pre", "code"]):
            element.decompose()
        if found := RAW_ROLE.search(page.get_text()):
            problems.append(f"{name}: a raw role: {found[0]}")
    return problems


def check_titles(folder):
    """Every page says its language and has a title; no two pages share one."""
    problems, seen = [], {}
    for name in page_names(folder):
        page = soup(folder / name)
        if not page.html or page.html.get("lang") != "en":
            problems.append(f'{name}: needs <html lang="en">')
        title = page.title.get_text().strip() if page.title else ""
        if not title:
            problems.append(f"{name}: needs a title")
        elif title in seen and "index.html" not in name:
            problems.append(f"{name}: has the same title as {seen[title]}: {title}")
        seen[title] = name
    return problems


def check_launch_links(folder, config):
    """Each notebook's page leads to itself in Colab and Binder, and to its own file.

    Args:
        folder: the built site.
        config: the parsed `_config.yml`.
    """
    url, branch = config["repository"]["url"], config["repository"]["branch"]
    owner_and_name = "/".join(url.rstrip("/").split("/")[-2:])
    buttons = config["launch_buttons"]
    notebooks = sorted(folder.glob("_sources/**/*.ipynb"))
    problems = [] if notebooks else ["no notebook is offered for download"]
    for notebook in notebooks:
        path = notebook.relative_to(folder / "_sources").as_posix()
        name = path.replace(".ipynb", ".html")
        wanted = {
            "Colab": f"{buttons['colab_url']}/github/{owner_and_name}/blob/{branch}/{path}",
            "Binder": f"{buttons['binderhub_url']}/v2/gh/{owner_and_name}/{branch}"
            f"?urlpath=lab/tree/{path}",
            "download": f"../_sources/{path}",
            "repository": url,
        }
        links = {link["href"] for link in soup(folder / name).find_all("a", href=True)}
        problems += [
            f"{name}: no {kind} link {target}"
            for kind, target in wanted.items()
            if target not in links
        ]
        try:
            json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        except (ValueError, KeyError):
            problems.append(f"{name}: what it offers for download is no notebook")
    return problems


def check_pages(folder, toc):
    """Every page of the table of contents is there, and what a server needs beside them.

    Args:
        folder: the built site.
        toc: the parsed `_toc.yml`.
    """
    chapters = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    wanted = [f"{name}.html" for name in (toc["root"], *chapters)]
    wanted += ["index.html", "404.html", "search.html", "searchindex.js"]
    return [f"{name} is missing" for name in wanted if not (folder / name).is_file()]


def check_stands_alone(folder):
    """404.html is shown at any address, so it may need no other file."""
    pairs = fetched(soup(folder / "404.html"))
    return [f"404.html: {where} needs {target}" for where, target in pairs]
