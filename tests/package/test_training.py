"""Training: the same as Keras' own, with one bar on stderr."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from course_utils import training

# Keras warns when a stream whose length it was not told ends after the first epoch.
STREAM_ENDS = pytest.mark.filterwarnings("ignore:Your input ran out of data")

COUNT, BATCH, STEPS = 23, 5, 5  # the last batch holds 3


class Stop(Exception):
    """Raised by a callback in the middle of a run."""


class Recorder(training.tqdm):
    """A bar that notes what it showed; `bars` holds one after another."""

    bars = []  # noqa: RUF012

    def __init__(self, *args, **kwargs):
        self.shown, self.closed = [], 0
        super().__init__(*args, **kwargs)
        self.bars.append(self)

    def update(self, n=1):
        super().update(n)
        self.shown.append((self.n, self.total))

    def close(self):
        if not self.disable:
            self.closed += 1
        super().close()


@pytest.fixture
def bars(monkeypatch):
    monkeypatch.setattr(training, "tqdm", Recorder)
    Recorder.bars = []
    return Recorder.bars


def network():
    return keras.Sequential([keras.Input((7,)), keras.layers.Dense(3)])


@pytest.fixture(scope="module")
def compiled():
    """What Keras builds of a network in its first `fit` takes longer than all else here."""
    model = network()
    model.compile("sgd", "mse", metrics=["mae"])
    return model


@pytest.fixture
def model(compiled):
    """The network that the tests share, with the same untrained weights for each of them."""
    rng = np.random.default_rng(1)
    compiled.set_weights([rng.normal(size=weight.shape) for weight in compiled.weights])
    return compiled


@pytest.fixture
def samples():
    rng = np.random.default_rng(2)
    return rng.random((COUNT, 7), "float32"), rng.random((COUNT, 3), "float32")


@pytest.fixture
def stream(samples):
    """A data set that does not know its length."""

    def batches():
        for start in range(0, COUNT, BATCH):
            yield tuple(array[start : start + BATCH] for array in samples)

    signature = (tf.TensorSpec((None, 7), tf.float32), tf.TensorSpec((None, 3), tf.float32))
    return tf.data.Dataset.from_generator(batches, output_signature=signature)


def test_the_slope_of_a_line_by_hand():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.set_weights([np.array([[1.0]])])
    history = training.fit(model, np.array([[2.0]]), np.array([[6.0]]))
    # Loss (1 * 2 - 6)^2 = 16, its slope 2 * (2 - 6) * 2 = -16, so the weight becomes 1 + 0.1 * 16.
    assert history.history == {"loss": [16.0]}
    np.testing.assert_allclose(model.get_weights()[0], [[2.6]], rtol=1e-6)


def test_like_keras(model, samples):
    settings = {"epochs": 3, "batch_size": BATCH, "validation_split": 0.2}
    untrained = model.get_weights()
    keras.utils.set_random_seed(4)
    expected = model.fit(*samples, verbose=0, **settings)
    model.set_weights(untrained)
    keras.utils.set_random_seed(4)
    history = training.fit(model, *samples, **settings)
    assert isinstance(history, keras.callbacks.History)
    assert set(history.history) == {"loss", "mae", "val_loss", "val_mae"}
    assert history.epoch == [0, 1, 2]
    for name, values in expected.history.items():
        np.testing.assert_allclose(history.history[name], values, rtol=1e-6)


def test_the_bar_is_on_stderr_alone_and_names_the_epoch(model, samples, capsys):
    training.fit(model, *samples, epochs=2, batch_size=BATCH)
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 1 of 2" in err
    assert "epoch 2 of 2" in err
    assert "10/10" in err
    assert "loss=" in err
    assert err.split("\r")[-2].strip() == ""  # it has wiped itself


def test_known_length(model, samples, bars):
    training.fit(model, *samples, epochs=3, batch_size=BATCH)
    assert len(bars) == 1
    assert bars[0].shown == [(step, 3 * STEPS) for step in range(1, 3 * STEPS + 1)]
    assert bars[0].closed == 1


@STREAM_ENDS
def test_unknown_length(model, stream, bars):
    training.fit(model, stream, epochs=2)
    first = [(step, None) for step in range(1, STEPS + 1)]
    second = [(step, 2 * STEPS) for step in range(STEPS + 1, 2 * STEPS + 1)]
    assert bars[0].shown == first + second


def test_steps_per_epoch(model, stream, bars):
    training.fit(model, stream.repeat(), epochs=2, steps_per_epoch=3)
    assert bars[0].shown == [(step, 6) for step in range(1, 7)]


@STREAM_ENDS
@pytest.mark.parametrize("known", [True, False])
def test_a_resumed_run_counts_only_its_own_epochs(model, samples, stream, bars, known):
    data = tf.data.Dataset.from_tensor_slices(samples).batch(BATCH) if known else stream
    training.fit(model, data, epochs=7, initial_epoch=5)
    assert bars[0].shown[-1] == (2 * STEPS, 2 * STEPS)


def test_several_steps_in_one_call(samples, bars):
    model = network()
    model.compile("sgd", "mse", steps_per_execution=2)
    training.fit(model, *samples, epochs=2, batch_size=BATCH)
    assert [done for done, _ in bars[0].shown] == [2, 4, 5, 7, 9, 10]
    assert bars[0].total == 2 * STEPS


@pytest.mark.parametrize("kind", [list, tuple, lambda callbacks: callbacks[0]])
def test_callbacks_are_called(model, samples, kind):
    epochs = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    training.fit(model, *samples, epochs=3, callbacks=kind([callback]))
    assert epochs == [0, 1, 2]


def test_leaves_the_list_of_callbacks_alone(model, samples):
    callbacks = []
    training.fit(model, *samples, callbacks=callbacks)
    assert callbacks == []
    assert training.fit(model, *samples, callbacks=None).epoch == [0]


def test_stopping_early_closes_the_bar(model, samples, bars):
    stop = keras.callbacks.EarlyStopping("loss", min_delta=1e9)
    history = training.fit(model, *samples, epochs=9, batch_size=BATCH, callbacks=[stop])
    assert len(history.epoch) == 2
    assert bars[0].closed == 1


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt])
@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_epoch_begin", "on_epoch_end"])
def test_an_exception_closes_the_bar(model, samples, bars, error, hook):
    def fail(*_):
        raise error

    # Batch 1 or epoch 1, not 0: the bar has begun by then.
    failing = keras.callbacks.LambdaCallback(**{hook: lambda at, logs: at and fail()})
    with pytest.raises(error):
        training.fit(model, *samples, epochs=2, batch_size=BATCH, callbacks=[failing])
    assert bars[0].closed == 1


def test_an_exception_before_the_first_epoch(model, samples, bars):
    with pytest.raises(ValueError, match="cardinality"):
        training.fit(model, samples[0], samples[1][:-1])
    assert bars == []


def test_a_metric_with_a_value_for_each_class(samples, capsys):
    model = keras.Sequential([keras.Input((7,)), keras.layers.Dense(3, "softmax")])
    model.compile("sgd", "mse", metrics=[keras.metrics.F1Score()])
    labels = np.eye(3, dtype="float32")[np.arange(COUNT) % 3]
    history = training.fit(model, samples[0], labels)
    assert np.shape(history.history["f1_score"]) == (1, 3)
    assert "f1_score=" in capsys.readouterr().err


def test_leaves_the_data_alone(model, samples):
    for array in samples:
        array.flags.writeable = False
    before = [array.copy() for array in samples]
    training.fit(model, *samples, batch_size=BATCH)
    for array, copy in zip(samples, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_refuses_a_model_that_is_not_compiled(samples, bars):
    with pytest.raises(ValueError, match=r"expected a compiled model: call model\.compile"):
        training.fit(network(), *samples)
    assert bars == []


@pytest.mark.parametrize("epochs", [0, -1, 1.5, "2", None])
def test_refuses_a_number_of_epochs(model, samples, epochs):
    with pytest.raises(ValueError, match="epochs must be a whole number >= 1, got") as error:
        training.fit(model, *samples, epochs=epochs)
    assert str(error.value).endswith(repr(epochs))


@pytest.mark.parametrize("verbose", [0, 1, "auto"])
def test_refuses_verbose(model, samples, verbose):
    with pytest.raises(ValueError, match="verbose is not an option here"):
        training.fit(model, *samples, verbose=verbose)


def test_takes_epochs_counted_by_numpy(model, samples):
    assert training.fit(model, *samples, epochs=np.int64(2)).epoch == [0, 1]
