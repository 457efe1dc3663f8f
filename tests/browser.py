"""A headless Chromium for the checks of pages; no request of theirs leaves this machine."""

import os
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright
from screenshots import find_chromium

MISSING = "browser checks skipped: no Chromium found (apt-get install chromium)"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    # Else the first requests of a sandboxed frame pass before playwright watches its process.
    "--disable-site-isolation-trials",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def stays_here(url):
    """Whether a request for this address leaves neither the file system nor this machine."""
    parts = urlsplit(url)
    return parts.scheme in ("file", "data", "blob", "about") or parts.hostname == "127.0.0.1"


@contextmanager
def open_browser(*flags):
    """Yields a playwright Browser; without Chromium the test is skipped, or fails where CI=true.

    Args:
        *flags: switches of Chromium besides those that all checks need.
    """
    path = find_chromium()
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(MISSING.replace("skipped", "impossible"))
    if path is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser, **options):
    """Yields a new page; an outside request is refused and fails the test, a script error too.

    Args:
        browser: what `open_browser` yields.
        **options: those of playwright's `new_context`, as in `viewport` or `color_scheme`.
    """
    problems = []

    def answer(route):
        if stays_here(route.request.url):
            route.continue_()
        else:
            problems.append(f"request to {route.request.url}")
            route.abort()

    context = browser.new_context(**options)
    try:
        context.route("**/*", answer)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
        yield page
    finally:
        context.close()
    assert not problems, "; ".join(problems)
