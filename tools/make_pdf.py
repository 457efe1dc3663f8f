"""Makes one PDF of the whole course from the built site: python tools/make_pdf.py

Chromium prints one long page: a table of contents, then the pages of the site in their order.
"""

import sys
from pathlib import Path

import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright
from screenshots import launched

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
TARGET = ROOT / "_build" / "classic-deep-learning-images.pdf"
FOOTER = (
    '<div style="font-size: 8px; width: 100%; text-align: center">'
    '<span class="pageNumber"></span></div>'
)


def page_names(toc):
    """Names of the pages of a table of contents (the content of _toc.yml), in its order."""
    files = [toc["root"]]
    for part in toc["parts"]:
        files += [chapter["file"] for chapter in part["chapters"]]
    return [Path(file).name for file in files]


def one_page(folder, names):
    """All pages of a site on one.

    Args:
        folder: where the pages are.
        names: of the pages, in their order, without the ending.

    Returns:
        HTML whose links lead inside it wherever they can. Folded parts are open; a lab, which
        paper cannot run, is named with its address.
    """
    result = BeautifulSoup((folder / f"{names[0]}.html").read_text(encoding="utf-8"), "html.parser")
    result.html["data-theme"] = "light"
    for script in result.find_all("script"):
        script.decompose()
    home = result.find("link", rel="canonical")
    home = home["href"].rpartition("/")[0] if home else ""
    result.title.string = result.title.string.rpartition("\u2014")[2].strip()
    body = result.new_tag("body")
    contents = result.new_tag("ul", attrs={"class": "course-contents"})
    for name in names:
        page = BeautifulSoup((folder / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
        article = page.find("article", class_="bd-article")
        _make_paper(article, page, name, names, home)
        article["id"] = name
        link = result.new_tag("a", href=f"#{name}")
        link.string = article.h1.get_text()
        contents.append(result.new_tag("li"))
        contents.contents[-1].append(link)
        body.append(article)
    body.insert(1, contents)
    result.body.replace_with(body)
    return str(result)


def _make_paper(article, page, name, names, home):
    for link in article.find_all("a", class_="headerlink"):
        link.decompose()
    for run in article.find_all(class_=["course-run", "copybtn"]):
        run.decompose()
    for details in article.find_all("details"):
        details["open"] = ""
    for frame in article.find_all("iframe"):
        note = page.new_tag("p")
        link = page.new_tag("a", href=f"{home}/{name}.html")
        link.string = f"{home}/{name}.html"
        note.extend([f"{frame.get('title', 'Lab')}: to be tried at ", link])
        frame.replace_with(note)
    for image in article.find_all("img", loading=True):
        del image["loading"]  # paper does not scroll
    for element in article.find_all(id=True):
        element["id"] = f"{name}--{element['id']}"
    for link in article.find_all("a", href=True):
        target, _, anchor = link["href"].partition("#")
        other = Path(target).stem if target else name
        if other in names and (not target or target.endswith(".html")) and "//" not in target:
            link["href"] = f"#{other}--{anchor}" if anchor else f"#{other}"


def make(site, toc, target):
    """Writes the PDF of a built site; its folded parts are open, its outline has all headings."""
    page_path = site / "book" / "_paper.html"  # beside the pages, whose addresses are relative
    page_path.write_text(one_page(site / "book", page_names(toc)), encoding="utf-8")
    try:
        with sync_playwright() as playwright:
            browser = launched(playwright)
            page = browser.new_page()
            page.set_default_timeout(600_000)
            page.goto(page_path.as_uri(), wait_until="load")
            page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
            page.pdf(
                path=target,
                format="A4",
                margin=dict.fromkeys(("top", "right", "bottom", "left"), "16mm"),
                display_header_footer=True,
                header_template="<span></span>",
                footer_template=FOOTER,
                tagged=True,
                outline=True,
            )
            browser.close()
    finally:
        page_path.unlink()


def main():
    if not SITE.is_dir():
        sys.exit("There is no built site: make book")
    print("pdf: printing the whole course, about a minute", flush=True)
    make(SITE, yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")), TARGET)
    size = TARGET.stat().st_size / 1e6
    print(f"pdf: done, {size:.0f} MB: {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
