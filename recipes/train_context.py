"""Makes course_utils/assets/context.csv: what a background and a missing group do, five seeds.

"shortcut": small networks for pullovers and coats on meadow and sand, `share` of which lie where
most of their class do; tested on garments that all lie there ("in context") and on the other place
("out of context"). Cures and their controls, at a share of .95:

- "weights": each of the four groups counts as much as the others; "weights shuffled": the same
  weights, dealt out at random;
- "other places": each epoch shows each garment on a piece of either place; "other pieces": on
  another piece of its own place;
- "garment alone": the background is grey, in the test as well; "place alone": the garment is.

"groups": small networks for all ten garments, 6,000 of them; those of shop B lie turned by 90
degrees. `share` of them are B's. "weights" and "weights shuffled" as above, at a share of .02;
"more of B" and "more of A" have 1,000 images more. Tested on the same 2,000 test images of either
shop.

About ten CPU-minutes with one thread:

    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python recipes/train_context.py
"""

from runs import complete

from course_utils import notebook

notebook.setup()

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402

from course_utils import context, data  # noqa: E402

TARGET = data.ASSETS / "context.csv"
COLUMNS = ("experiment", "training", "share", "seed", "tested", "accuracy")
SHARES = (0.5, 0.8, 0.9, 0.95, 0.98, 1.0)
CURES = (
    "weights", "weights shuffled", "other places", "other pieces", "garment alone", "place alone"
)  # fmt: skip
GROUPS = [
    ("as it is", 0), ("as it is", 0.02), ("as it is", 0.1), ("as it is", 0.5), ("weights", 0.02),
    ("weights shuffled", 0.02), ("more of B", 0.02), ("more of A", 0.02),
]  # fmt: skip
SEEDS, IMAGES, MORE = 5, 6000, 1000


def network(channels, classes, seed):
    keras.utils.set_random_seed(seed)
    conv = {"strides": 2, "padding": "same", "activation": "relu"}
    model = keras.Sequential(
        [
            keras.Input((28, 28, channels)),
            layers.Conv2D(16, 3, **conv),
            layers.Conv2D(32, 3, **conv),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(classes),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss)
    return model


def accuracy(model, images, labels):
    right = model.predict(images, batch_size=512, verbose=0).argmax(axis=1) == labels
    return round(float(np.mean(right)), 4)


def balanced(groups):
    """A weight for each image, so that each group counts as much as the others."""
    counts = np.bincount(groups)
    return (len(groups) / np.count_nonzero(counts) / counts.clip(1))[groups]


def shortcut(training, share, seed, epochs=8):
    images, labels, places, masks = context.garments_on_places("train", share, seed)
    inside, _, _, shown = context.garments_on_places("test", 1.0, 100 + seed)
    outside, truth, _, shown_out = context.garments_on_places("test", 0.0, 200 + seed)
    rng = np.random.default_rng(seed)
    weights = None
    if training.startswith("weights"):
        weights = balanced(2 * labels + places)
        weights = rng.permutation(weights) if training == "weights shuffled" else weights
    if training.endswith("alone"):
        keep = (lambda masks: masks) if training == "garment alone" else np.logical_not
        images = np.where(keep(masks), images, np.float32(0.5))
        inside = np.where(keep(shown), inside, np.float32(0.5))
        outside = np.where(keep(shown_out), outside, np.float32(0.5))
    model = network(3, 2, seed)
    for _ in range(epochs):
        seen = images
        if training.startswith("other"):
            new = rng.integers(0, 2, len(labels)) if training == "other places" else places
            seen = np.where(masks, images, context.backgrounds(new, rng))
        model.fit(seen, labels, batch_size=32, epochs=1, sample_weight=weights, verbose=0)
    yield "in context", accuracy(model, inside, truth)
    yield "out of context", accuracy(model, outside, truth)


def turned(images):
    return np.rot90(images, axes=(1, 2))


def groups(training, share, seed, epochs=4):
    (x, y), (x_test, y_test) = data.fashion_mnist()
    rng = np.random.default_rng(seed)
    of_b = round(share * IMAGES)
    counts = [IMAGES - of_b, of_b]
    if training.startswith("more"):
        counts["AB".index(training[-1])] += MORE
    chosen = rng.permutation(len(x))[: sum(counts)]
    shop = np.repeat([0, 1], counts)
    images, labels = x[chosen], y[chosen]
    images = np.where(shop[:, None, None, None] == 1, turned(images), images)
    weights = None
    if training.startswith("weights"):
        weights = balanced(shop)
        weights = rng.permutation(weights) if training == "weights shuffled" else weights
    model = network(1, 10, seed)
    model.fit(images, labels, batch_size=64, epochs=epochs, sample_weight=weights, verbose=0)
    yield "A", accuracy(model, x_test, y_test)
    yield "B", accuracy(model, turned(x_test), y_test)


def main():
    settings = [("shortcut", shortcut, "as it is", share) for share in SHARES]
    settings += [("shortcut", shortcut, cure, 0.95) for cure in CURES]
    settings += [("groups", groups, *setting) for setting in GROUPS]
    runs = [
        ((name, training, share, seed), lambda f=run, key=(training, share, seed): f(*key))
        for name, run, training, share in settings
        for seed in range(SEEDS)
    ]
    complete(TARGET, COLUMNS, runs)


if __name__ == "__main__":
    main()
