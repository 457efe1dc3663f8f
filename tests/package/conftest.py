"""What every worker does once, before coverage follows each of its steps."""

import gc

import keras  # noqa: F401

# TensorFlow's million objects stay to the end: no collection need look at them again.
gc.freeze()
