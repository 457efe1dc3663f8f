"""Makes course_utils/assets/few_labels.csv: what frozen features are worth with a few labels.

From the 100 training photos of `data.photo_set`, a few of each class are drawn; the 90 test photos
are classified by their nearest neighbour among these, and by a linear probe fitted to them. Ten
draws, the same for all features: those of the vision transformer's [CLS], of EfficientNet-Lite0,
and pixels. Numbers are mean accuracies of the classes, since these differ in size. About two
CPU-minutes:

    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python recipes/measure_few_labels.py
"""

from course_utils import notebook

notebook.setup()

import numpy as np  # noqa: E402
from runs import complete  # noqa: E402

from course_utils import data, pretrained, transfer  # noqa: E402

TARGET = data.ASSETS / "few_labels.csv"
COLUMNS = ("features", "labels_a_class", "draw", "knn", "probe")
COUNTS, DRAWS, CLASSES, RIDGE = (1, 2, 5, 10, 20), 10, 5, 10.0


def class_token(images):
    return pretrained.dinov2_small().predict(images, batch_size=10, verbose=0)[:, 0]


def of_lite0(images):
    model = pretrained.efficientnet_lite0(include_top=False, pooling="avg")
    return model.predict(images, batch_size=10, verbose=0)


def pixels(images):
    """32 x 32 of them, each the mean of a square."""
    return images.reshape(len(images), 32, 7, 32, 7, 3).mean(axis=(2, 4)).reshape(len(images), -1)


FEATURES = {"dinov2_small": class_token, "efficientnet_lite0": of_lite0, "pixels": pixels}


def drawn(labels, count, draw):
    """Indices of `count` photos of each class."""
    rng = np.random.default_rng(draw)
    return np.concatenate(
        [rng.permutation(np.flatnonzero(labels == c))[:count] for c in range(CLASSES)]
    )


def balanced(found, labels):
    return np.mean([np.mean(found[labels == c] == c) for c in range(CLASSES)])


def probed(bank, labels, asked):
    """A ridge regression on the classes, in its dual form, on features of mean square 1."""
    mean = bank.mean(axis=0)
    bank, asked = bank - mean, asked - mean
    scale = np.sqrt(np.mean(bank**2))
    bank, asked = bank / scale, asked / scale
    targets = np.eye(CLASSES)[labels] - 1 / CLASSES
    weights = np.linalg.solve(bank @ bank.T + RIDGE * np.eye(len(bank)), targets)
    return (asked @ bank.T @ weights).argmax(axis=1)


def run(name):
    (x, y), (x_test, y_test) = data.photo_set(224)
    bank, asked = FEATURES[name](x), FEATURES[name](x_test)
    for count in COUNTS:
        # All twenty of a class are one draw, whatever their order.
        for draw in range(DRAWS if count < max(COUNTS) else 1):
            chosen = drawn(y, count, draw)
            near = transfer.nearest_labels(asked, bank[chosen], y[chosen], k=1)
            linear = probed(bank[chosen], y[chosen], asked)
            yield count, draw, *(f"{balanced(found, y_test):.4f}" for found in (near, linear))


def main():
    complete(TARGET, COLUMNS, [((name,), lambda name=name: run(name)) for name in FEATURES])


if __name__ == "__main__":
    main()
