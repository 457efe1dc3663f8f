"""tools/make_pdf.py: the whole course on paper."""

import re
from urllib.parse import unquote

import make_pdf
import pytest
from browser import open_browser
from bs4 import BeautifulSoup

CHAPTERS = [{"file": "book/01_a"}, {"file": "book/02_b"}]
TOC = {"root": "book/index", "parts": [{"chapters": CHAPTERS}]}
HEAD = """<html><head><title>{0} \u2014 Course</title><script>x()</script>
<style>article + article, ul, ul + article {{ break-before: page }}</style>
<link rel="canonical" href="https://owner.github.io/name/book/{0}.html"></head>
<body><nav>no</nav>"""
PAGES = {
    "index": '<article class="bd-article"><h1>Course</h1><a href="02_b.html#end">b</a></article>',
    "01_a": """<article class="bd-article">
<h1 id="top">A<a class="headerlink" href="#top">#</a></h1>
<p class="course-run">Colab</p><details><summary>Hint</summary><p>hidden</p></details>
<iframe title="Lab of a" srcdoc="x"></iframe><img src="a.svg" loading="lazy">
<a href="#top">up</a><a href="https://a.example/02_b.html">out</a><a href="none.html">n</a>
</article>""",
    "02_b": '<article class="bd-article"><h1 id="end">B</h1><a href="01_a.html">a</a></article>',
}


@pytest.fixture
def site(tmp_path):
    (tmp_path / "book").mkdir()
    for name, article in PAGES.items():
        (tmp_path / "book" / f"{name}.html").write_text(HEAD.format(name) + article)
    return tmp_path


def test_the_pages_come_in_the_order_of_the_contents():
    assert make_pdf.page_names(TOC) == ["index", "01_a", "02_b"]


def test_all_pages_become_one(site):
    page = BeautifulSoup(make_pdf.one_page(site / "book", ["index", "01_a", "02_b"]), "html.parser")
    assert page.title.string == "Course"
    assert page.nav is page.script is page.find(class_="headerlink") is None
    assert page.find(class_="course-run") is page.find(loading=True) is page.iframe is None
    assert page.details.has_attr("open")
    assert [article["id"] for article in page.find_all("article")] == ["index", "01_a", "02_b"]
    assert page.find_all("article")[0].find_next_sibling()["class"] == ["course-contents"]
    links = [link["href"] for link in page.find_all("a")]
    assert links[:4] == ["#02_b--end", "#index", "#01_a", "#02_b"]
    lab = "https://owner.github.io/name/book/01_a.html"
    assert links[4:] == [lab, "#01_a--top", "https://a.example/02_b.html", "none.html", "#01_a"]
    assert f"Lab of a: to be tried at {lab}" in page.get_text()
    inside = {unquote(link[1:]) for link in links if link.startswith("#")}
    assert inside <= {element["id"] for element in page.find_all(id=True)}


def test_each_page_begins_on_a_sheet_of_its_own(site):
    with open_browser():
        pass  # or the test is skipped
    (site / "book" / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    before = sorted((site / "book").iterdir())
    make_pdf.make(site, TOC, site / "course.pdf")
    content = (site / "course.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type ?/Page\b", content)) == 4  # three pages and the contents
    assert sorted((site / "book").iterdir()) == before
