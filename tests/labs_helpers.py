"""A lab inside a page, as on the site, for the checks of all labs."""

import shutil
import time
from contextlib import contextmanager, nullcontext
from threading import Thread

import pytest
from browser import open_page
from build_book import ROOT, add_teachable_machine
from serve_book import server

from course_utils import labs

RUNTIME = ROOT / "book" / "_static" / "teachable"

PAGE = """<!doctype html><html lang="en"><head><title>A page around a lab</title></head>
<body><main><h1>A page around a lab</h1>{lab}</main><script>
window.heights = [];
addEventListener("message", ({{data}}) => {{
  if (data.type === "course-lab-height") heights.push(data.height);
}});
</script></body></html>"""

# The teachable machine as after training, but without its network: five classes of made-up images.
FILLED = """() => {
  const long = "Donaudampfschifffahrtsgesellschaft";
  const names = ["hammer", "a pair of pliers", long, "✂", "W".repeat(24)];
  const sample = (label, i) => {
    const picture = Object.assign(document.createElement("canvas"), {width: 96, height: 96});
    picture.getContext("2d").fillRect(8 * label, 4 * i, 48, 48);
    const feature = (_, k) => (k % 5 === label) + 1.3 * Math.sin(k * k + 7 * i);
    const features = lab.unit(Array.from({length: 192}, feature));
    return {picture, features, edge: [label], recording: `of ${label}`};
  };
  const samples = (label) => Array.from({length: 2 + 4 * label}, (_, i) => sample(label, i));
  lab.begin();
  lab.put(names.map((name, label) => ({name, samples: samples(label)})));
  lab.train();
}"""


@contextmanager
def served(folder):
    """Yields the address at which a folder is served on this machine."""
    httpd = server(folder)
    thread = Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


@contextmanager
def embedded(browser, folder, name, width=800, theme="light", **options):
    """Yields (page, the lab's frame): from file://, but from a server what needs one."""
    if name == "teachable":
        shutil.copytree(RUNTIME, folder, dirs_exist_ok=True)
        add_teachable_machine(folder)
        lab = '<iframe src="index.html" title="Lab" style="width: 100%; height: 1400px; border: 0">'
        lab += "</iframe>"
    else:
        lab = labs.embed(name, height=1400).data
    path = folder / "page.html"
    path.write_text(PAGE.format(lab=lab), encoding="utf-8")
    viewport = {"width": width, "height": 900}
    place = served(folder) if name == "teachable" else nullcontext(folder.as_uri())
    with (
        place as address,
        open_page(browser, viewport=viewport, color_scheme=theme, **options) as page,
    ):
        page.goto(f"{address}/{path.name}")
        frame = page.frames[1]
        until(frame, "window.lab !== undefined")
        yield page, frame


# Focus and scrolling begin at the top of the page; the lab that goes has told its last height.
RELOAD = """async () => {
  const frame = document.querySelector("iframe"), lab = frame.srcdoc;
  const load = (content) => new Promise((loaded) => {
    frame.onload = loaded;
    frame.srcdoc = content;
  });
  document.body.tabIndex = -1;
  document.body.focus();
  scrollTo(0, 0);
  await load("");
  heights.length = 0;
  await load(lab);
}"""


def fresh(page, width=800, theme="light", reduced_motion="no-preference"):
    """Loads an embedded lab again, which is cheaper than to open its page; returns its frame."""
    page.mouse.move(0, 0)
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=theme, reduced_motion=reduced_motion)
    if page.evaluate("document.querySelector('iframe').srcdoc"):
        page.evaluate(RELOAD)
    else:  # a page of its own, from a server
        page.goto(page.url)
    frame = page.frames[1]
    until(frame, "window.lab !== undefined")
    return frame


def until(frame, condition, seconds=10):
    """Waits for a JavaScript condition; playwright's own way is refused by a lab's policy."""
    deadline = time.monotonic() + seconds
    while not frame.evaluate(condition):
        assert time.monotonic() < deadline, f"{seconds} seconds were too short for: {condition}"
        time.sleep(0.02)


def press_until(page, frame, condition, key="Tab", limit=60):
    """Presses a key until the focused element of the lab fulfils a JavaScript condition."""
    for _ in range(limit):
        page.keyboard.press(key)
        if frame.evaluate(f"(element => {condition})(document.activeElement)"):
            return
    pytest.fail(f"{limit} times {key} did not reach: {condition}")


def spoken(frame, text):
    """Waits until the live region says a text, and returns the whole of it."""
    live = frame.locator("#live")
    live.filter(has_text=text).wait_for(state="attached", timeout=5000)
    return live.text_content()


def finger(page):
    """A function that touches a page: ("touchStart", x, y), ("touchMove", x, y), ("touchEnd")."""
    session = page.context.new_cdp_session(page)

    def touch(kind, *place):
        points = [{"x": place[0], "y": place[1]}] if place else []
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    return touch
