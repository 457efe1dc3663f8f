"""Stretches of a test that coverage need not follow."""

import sys
from contextlib import contextmanager


@contextmanager
def untraced():
    """Keeps coverage from following each line of a library, which doubles the time that it takes.

    For what Keras or Matplotlib does, and for code of the package that smaller tests run as well.
    """
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)
