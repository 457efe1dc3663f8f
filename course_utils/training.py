"""Training with a progress bar."""

import keras
import tensorflow as tf
from tqdm import tqdm

from course_utils._checks import whole_number


def fit(model, x, y=None, *, epochs=1, callbacks=None, **options):
    """Trains a compiled model as `model.fit` does, and shows one bar for the whole run.

    The bar goes to the standard error stream and vanishes at the end, so that it is not part
    of a notebook's stored output; Keras' own report of each epoch is off.

    Args:
        model: a compiled Keras model.
        x, y: training inputs and targets, or `x` alone when it yields both, as a data set does.
        epochs: number of passes over the training data, >= 1.
        callbacks: further Keras callbacks: one, a list of them, or None.
        **options: whatever else `keras.Model.fit` takes, `verbose` excepted.

    Returns:
        The `keras.callbacks.History` of the run.

    Raises:
        ValueError: if the model is not compiled, `epochs` is not a whole number >= 1, or
            `verbose` is given.
    """
    if not model.compiled:
        raise ValueError("expected a compiled model: call model.compile(...) before fit")
    epochs = whole_number("epochs", epochs)
    if "verbose" in options:
        raise ValueError("verbose is not an option here: this fit shows its own progress bar")
    if isinstance(x, tf.data.Dataset):
        options.setdefault("shuffle", False)  # Keras' own default, True, would make it warn
    bar = _ProgressBar()
    try:
        callbacks = [*keras.tree.flatten(callbacks or []), bar]
        return model.fit(x, y, epochs=epochs, callbacks=callbacks, verbose=0, **options)
    finally:
        bar.close()


class _ProgressBar(keras.callbacks.Callback):
    """Counts batches over all epochs; the length of a stream is known after its first epoch."""

    bar = None

    def on_epoch_begin(self, epoch, logs=None):
        epochs, steps = self.params["epochs"], self.params["steps"]
        if self.bar is None:
            total = steps and steps * (epochs - epoch)
            self.bar = tqdm(total=total, unit="batch", leave=False)
        self.bar.set_description(f"epoch {epoch + 1} of {epochs}")
        self.before = self.bar.n

    def on_train_batch_end(self, batch, logs=None):
        # One call may stand for several batches (`steps_per_execution`), some of them missing.
        done = min(batch + 1, self.params["steps"] or batch + 1)
        self.bar.update(self.before + done - self.bar.n)

    def on_epoch_end(self, epoch, logs=None):
        if self.bar.total is None:
            self.bar.total = self.bar.n * (self.params["epochs"] - epoch)
        self.bar.set_postfix(logs)

    def close(self):
        if self.bar is not None:
            self.bar.close()
