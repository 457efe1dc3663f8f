"""What makes a test cheaper, not weaker."""

import sys
from contextlib import contextmanager

import keras


@contextmanager
def untraced():
    """Keeps coverage from following each line of a library, which doubles the time that it takes.

    For what Keras or Matplotlib does, and for code of the package that smaller tests run as well.
    A function of the package that calls back into such a stretch is not followed to its end.
    """
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)


def without_weights(build, *arguments, **options):
    """Builds a network whose weights take neither memory nor time: they have a shape only."""
    with keras.StatelessScope(initialize_variables=False):
        model = build(*arguments, **options)
    keras.utils.clear_session(free_memory=False)  # else Keras would make up for it later
    return model
