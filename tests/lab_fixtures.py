"""Fixtures of the labs' tests: a browser, and the lab that a module names as `LAB`."""

import pytest
from browser import open_browser
from cheaper import untraced
from labs_helpers import embedded, fresh


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def shared(request, browser, tmp_path_factory):
    name = request.module.LAB
    with embedded(browser, tmp_path_factory.mktemp(name), name) as (page, _):
        yield page


@pytest.fixture
def lab(shared):
    """(page, frame) of the lab as it opens, 800 pixels wide."""
    with untraced():  # what is under test here is no Python
        yield shared, fresh(shared)
