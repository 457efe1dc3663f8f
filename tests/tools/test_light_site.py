"""The step that makes the built site light, on small sites."""

import re

import light_site
import numpy as np
import pytest
from PIL import Image
from py_mini_racer import mini_racer

HOME = "https://owner.github.io/name/"
PAGE = """<!DOCTYPE html><html><head>
    <title>A &amp; B</title>
  <link href="../_static/styles/theme.css?digest=1" rel="stylesheet" />
    <link rel="stylesheet" type="text/css" href="../_static/site.css?v=1" />
    <script src="../_static/documentation_options.js?v=9"></script>
    <script>window.MathJax = {"options": {}}</script>
    <script defer="defer" src="../_static/none.js"></script>
    <script>DOCUMENTATION_OPTIONS.pagename = 'a';</script>
    <script src="../_static/site.js"></script>
  <link rel="canonical" href="https://owner.github.io/name/book/a.html" />
  </head><body><img class="logo__image" src="logo.svg">
<h1>for print</h1><article><h1>A<a class="headerlink" href="#a">#</a></h1>
<p>A <b>short</b> start, 1 &lt; 2.</p><h2>Next</h2><p>More.</p>
<pre><span class="n">x</span><span class="o">=</span><span class="p">(</span></pre>
<p class="kept also">x</p><span class="math notranslate nohighlight">\\(a &lt; b\\)</span>
<img alt="noise" src="../_images/noise.png"/> <a href="../_images/noise.png">large</a>
<img alt="dot" src="../_images/dot.png" style="width: 1rem" />
<img alt="set" width="7" src="../_images/dot.png" /></article>
<script defer src="../_static/late.js?digest=2"></script></body></html>"""


@pytest.fixture(scope="module")
def engine():
    with mini_racer() as engine:
        engine.eval(light_site.KATEX.read_text(encoding="utf-8"))
        yield engine


@pytest.fixture
def site(tmp_path):
    for folder in ("book", "_images", "_static/styles", "_static/katex/fonts"):
        (tmp_path / folder).mkdir(parents=True)
    search = PAGE.replace("../", "").replace("/book/a.html", "/search.html")
    search = search.replace("</body>", '<script src="_static/searchtools.js"></script></body>')
    files = {
        "book/a.html": PAGE,
        "search.html": search,
        "404.html": "<html><title>Missing</title></html>",
        "_static/styles/theme.css": '@import "../basic.css";\n.kept { color: red }',
        "_static/basic.css": 'p { background: url("file.png") }',
        "_static/site.css": ".gone { color: blue }",
        "_static/documentation_options.js": "const DOCUMENTATION_OPTIONS = {};",
        "_static/late.js": "late()",
        "_static/site.js": "early();\n",
        "_static/searchtools.js": "search()",
        "_static/katex/katex.min.css": "@font-face{src:url(fonts/a.woff2)}",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    noise = np.random.default_rng(0).integers(0, 3, (30, 50, 3), np.uint8) * 80
    Image.fromarray(noise).save(tmp_path / "_images" / "noise.png")
    Image.fromarray(noise[:1, :1]).save(tmp_path / "_images" / "dot.png")
    return tmp_path


def test_a_site_becomes_light(site):
    noise = np.asarray(Image.open(site / "_images" / "noise.png"))
    light_site.lighten(site)
    page = (site / "book" / "a.html").read_text()
    (css,) = re.findall(r'<link rel="stylesheet" href="\.\./_static/(course\.css)\?v=\w{8}">', page)
    (script,) = re.findall(r'<script defer src="\.\./_static/(course\.js)\?v=\w{8}">', page)
    assert page.count(".css") == page.count("src=") - 4 == 1  # besides four pictures
    assert "<script>\nearly();\n</script>" in page
    assert "pagename" not in page
    assert '<pre>x<span class="o">=</span>(</pre>' in page
    css = (site / "_static" / css).read_text()
    assert "gone" not in css
    assert css.index('url("file.png")') < css.index("kept{color: red}")
    assert 'url("katex/fonts/a.woff2")' in css
    script = (site / "_static" / script).read_text()
    parts = ["const DOCUMENTATION_OPTIONS", "late()", "search_as_you_type = false"]
    assert sorted(parts, key=script.index) == parts
    assert "early" not in script
    assert "search()" not in script
    assert not (site / "_static" / "site.css").exists()

    assert page.count("<math ") == 1
    assert (site / "_images" / "noise.webp").is_file()
    assert not (site / "_images" / "noise.png").exists()
    np.testing.assert_array_equal(Image.open(site / "_images" / "noise.webp"), noise)
    assert '<img decoding="async" width="50" height="30" alt="noise"' in page
    assert page.count('<img loading="lazy" decoding="async"') == 2
    assert '<img width="44" height="44" class="logo__image" src="logo.svg">' in page
    assert page.count("_images/noise.webp") == 2
    assert page.count("_images/noise.png") == 0
    assert 'decoding="async" width="1" height="1" alt="dot"' in page
    assert 'decoding="async" alt="set" width="7"' in page

    assert page.count('content="A short start, 1 &lt; 2."') == 2
    assert '<meta property="og:title" content="A &amp; B">' in page
    assert f'<meta property="og:image" content="{HOME}_static/card.png">' in page
    search = (site / "search.html").read_text()
    assert f'content="{HOME}_static/card.png"' in search
    assert 'src="_static/searchtools.js"' in search
    assert search.index("course.js") < search.index("searchtools.js")
    assert (site / "404.html").read_text() == "<html><title>Missing</title></html>"


def test_a_lab_becomes_a_file_that_loads_when_it_comes_near(tmp_path):
    frame = (
        '<div class="course-lab"><iframe loading="lazy" srcdoc="&lt;p&gt;A &amp;amp; B"></iframe>'
    )
    other = '<iframe srcdoc="x"></iframe>'
    text = light_site.lazy_labs(f"{frame}{other}{frame}", tmp_path / "labs")
    (file,) = (tmp_path / "labs").iterdir()
    place = f'src="../_static/labs/{file.name}"'
    lab = f'<div class="course-lab"><iframe loading="lazy" {place}></iframe>'
    assert text == f"{lab}{other}{lab}"
    assert file.read_text() == "<p>A &amp; B"


def test_a_page_without_an_address_or_a_lead_is_not_described():
    for text in (PAGE.replace("canonical", "other"), PAGE.replace("<article>", "")):
        assert light_site.describe(text, "book/a.html") == text


def test_a_long_lead_is_cut_between_words(engine):
    text = light_site.describe(PAGE.replace("A <b>", "word " * 50 + "<b>"), "book/a.html")
    description = re.search('name="description" content="(.*?)"', text)[1]
    assert description == "word " * 31 + "..."


@pytest.mark.parametrize(("brackets", "display"), [(r"\(\)", False), (r"\[\]", True)])
def test_formulas_are_set_for_the_eye_and_for_a_screen_reader(engine, brackets, display):
    text = f'<div class="math x" id="i">\n{brackets[:2]}a &lt; b{brackets[2:]}</div> \\(c\\)'
    result = light_site.set_formulas(text, engine)
    assert result.startswith('<div class="math x" id="i"><span class="katex')
    assert "<mi>a</mi><mo>&lt;</mo><mi>b</mi>" in result
    assert ("katex-display" in result) == display
    assert result.endswith("</div> \\(c\\)")  # no formula: it stands in the text


@pytest.mark.parametrize("formula", [r"\frac{a", r"\unknown", "x^2^3"])
def test_a_formula_with_an_error_is_named(engine, formula):
    with pytest.raises(ValueError, match="cannot be set: " + re.escape(formula)):
        light_site.set_formulas(f'<span class="math">\\({formula}\\)</span>', engine)


@pytest.mark.parametrize(
    ("css", "expected"),
    [
        (".a{b:1}", ".a{b:1}"),
        (".a .gone{b:1}", ""),
        (".gone,.a>p{b:1}", ".a>p{b:1}"),
        ("#a{b:1} #gone{b:1}", "#a{b:1}"),
        ("p:not(.gone){b:1}", "p:not(.gone){b:1}"),
        ("p{ b:  1 } /* why */ :root{--x:2}", "p{b: 1}:root{--x:2}"),
        ("@media (min-width: 2px){.gone{b:1} .a{b:1}}", "@media (min-width: 2px){.a{b:1}}"),
        ("@media print{.gone{b:1}}", ""),
        ("@font-face{src:url(x)}", '@font-face{src:url("x")}'),
        ("p{}", ""),
        (".a.b,.a.gone{c:1}", ".a.b{c:1}"),
        (".fa-x{--i:url(\"data:image/svg+xml,%3Csvg c='.gone'\")}", ""),
    ],
)
def test_rules_that_no_page_can_use_are_left_out(css, expected):
    result = light_site.used_rules(css, {"a", "b"})
    assert result.replace("\n", "") in (expected, expected.replace('url("x")', "url(x)"))


def test_a_photo_becomes_smaller_and_stays_the_same_to_the_eye(tmp_path):
    rows, columns = np.mgrid[:64, :48]
    photo = np.stack([rows * 3, columns * 4, rows + columns], axis=-1).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.jpg", quality=95)
    assert light_site.shrink_pictures(tmp_path) == {"photo.jpg": ("photo.webp", 48, 64)}
    after = np.asarray(Image.open(tmp_path / "photo.webp"), float)
    assert np.abs(after - photo).mean() < 4
