"""Trains what chapter 6 compares and has no time for: five seeds, or three on large sets.

"rates": EfficientNet-Lite0 fine-tuned on the photos with several learning rates, after the head has
been trained or straight away, with BatchNormalization frozen or not. "matrix": features at several
layers, fine-tuning and training from scratch, on few and many images of a similar and of another
task. "halves": a small network trained on five kinds of garments, or on letters, moved to the other
five kinds. Each seed draws the images, the initial weights and, in "halves", the kinds.

    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python recipes/train_transfer.py

It writes accuracies on test images, the mean over classes of the share that is recognised, to
course_utils/assets/transfer.csv. A run that was cut off begins its last experiment anew. About 90
CPU-minutes.
"""

import csv
import hashlib
import itertools
from pathlib import Path

import keras
import numpy as np
from keras import layers
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from course_utils import data, notebook, pretrained, transfer

TARGET = data.ASSETS / "transfer.csv"
FIELDS = ("experiment", "task", "images_a_class", "method", "setting", "seed", "accuracy")
SEEDS = range(5)
LARGE = 900  # images of each class in a large set
SEEDS_LARGE = range(3)  # for large sets
SIZE = 96  # pixels a side for EfficientNet-Lite0
TOP = "top_activation"
LAYERS = ("block1a_project_bn", "block2b_add", "block3b_add", "block4c_add", "block5c_add", TOP)
FINE_TUNED_FROM = {"photos": "block6a_expand_conv", "garments": "block4a_expand_conv"}
RATES = (1e-5, 1e-4, 1e-3, 1e-2)


def balanced_accuracy(labels, probabilities):
    right = probabilities.argmax(axis=1) == labels
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def pick(labels, count, seed, classes=range(10)):
    """Indices of so many images of each class, drawn by the seed and shuffled."""
    rng = np.random.default_rng(seed)
    chosen = [rng.choice(np.flatnonzero(labels == c), count, replace=False) for c in classes]
    return rng.permutation(np.concatenate(chosen))


def seeds_for(count):
    return SEEDS if count < 100 else SEEDS_LARGE


def in_colour(garments):
    """(N, 28, 28, 1) -> (N, SIZE, SIZE, 3)."""
    return np.asarray(layers.Resizing(SIZE, SIZE)(np.repeat(garments, 3, axis=-1)))


def compiled(model, rate):
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    return model


def train(model, x, y, rate, steps, batch_size=32):
    """Adam with cosine decay, for about as many steps as asked for."""
    epochs = max(1, round(steps * batch_size / len(x)))
    steps = epochs * -(-len(x) // batch_size)
    compiled(model, keras.optimizers.schedules.CosineDecay(rate, steps))
    model.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0)
    return model


def small_network(num_classes):
    """A convolutional network of chapter 4's kind, for garments of 28 x 28."""
    images = x = keras.Input((28, 28, 1))
    for filters in (32, 64):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.4)(layers.Flatten()(x))
    x = layers.Dense(128, activation="relu", name="features")(x)
    return keras.Model(images, layers.Dense(num_classes, activation="softmax")(x))


def small_cnn(num_classes):
    """The network that chapter 6 trains from scratch on the photos."""
    images = x = keras.Input((SIZE, SIZE, 3))
    for filters, strides in ((32, 2), (64, 1), (128, 1)):
        x = layers.Conv2D(filters, 3, strides, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.4)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(images, layers.Dense(num_classes, activation="softmax")(x))


def probe(x, y, x_test, y_test):
    """Accuracy of chapter 6's linear probe, ridge regression on standardised features."""
    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-3
    x, x_test = (x - mean) / deviation, (x_test - mean) / deviation
    targets = np.eye(y.max() + 1)[y]
    bias, count = targets.mean(axis=0), x.shape[1]
    weights = np.linalg.solve(x.T @ x + count * np.eye(count), x.T @ (targets - bias))
    return balanced_accuracy(y_test, bias + x_test @ weights)


def photo_task():
    (x, y), (x_test, y_test) = data.photo_set(SIZE)
    return x, y, x_test, y_test


def garment_task():
    (x, y), (x_test, y_test) = data.fashion_mnist()
    return x, y, x_test, y_test


# ---- rates: how to fine-tune on the photos ----


def rates():
    x, y, x_test, y_test = photo_task()
    for batch_norm in ("frozen", "trained"):
        backbone = pretrained.efficientnet_lite0(False, (SIZE, SIZE, 3))
        model = transfer.add_head(backbone, 5)
        transfer.unfreeze_from(model, FINE_TUNED_FROM["photos"], batch_norm == "trained")
        compiled(model, 1e-3)
        start = model.get_weights()
        features = transfer.features(model, x, TOP)
        for seed, first, rate in itertools.product(SEEDS, ("head first", "straight"), RATES):
            model.set_weights(start)
            keras.utils.set_random_seed(seed)
            head = new_head(model)
            if first == "head first":
                train(head, features, y, 1e-2, steps=200)
            model.get_layer("logits").set_weights(head.layers[-2].get_weights())
            reset(model, rate)
            model.fit(x, y, epochs=10, batch_size=20, verbose=0)
            accuracy = balanced_accuracy(y_test, model.predict(x_test, verbose=0))
            row = ("rates", "photos", 20, f"{first} with BatchNorm {batch_norm}", rate, seed)
            yield *row, accuracy


def new_head(model):
    """A dense layer of its own, with new initial weights, for the features of a model."""
    logits = model.get_layer("logits")
    return keras.Sequential(
        [
            keras.Input(logits.input.shape[1:]),
            layers.Dropout(0.2),
            layers.Dense(logits.units),
            layers.Softmax(),
        ]
    )


def reset(model, rate):
    """An optimizer as new, without tracing the training step again."""
    for variable in model.optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    model.optimizer.learning_rate = rate


# ---- matrix: little or much data, a similar task or another ----


def small_and_similar():
    x, y, x_test, y_test = photo_task()
    return one_cell("photos", 20, x, y, x_test, y_test, x, x_test)


def not_similar(count):
    x, y, x_test, y_test = garment_task()
    return one_cell("garments", count, x, y, x_test, y_test, in_colour(x), in_colour(x_test))


def one_cell(task, count, x, y, x_test, y_test, large, large_test):
    """All methods on one task; `large` are the same images as the backbone takes them."""
    backbone = pretrained.efficientnet_lite0(False, (SIZE, SIZE, 3))
    features = transfer.features(backbone, large, LAYERS)
    features_test = transfer.features(backbone, large_test, LAYERS)
    num_classes = int(y.max()) + 1
    for seed in seeds_for(count):
        chosen = pick(y, count, seed, range(num_classes))
        for name in LAYERS:
            found = features[name][chosen], y[chosen], features_test[name], y_test
            yield "matrix", task, count, "features", name, seed, probe(*found)
        keras.utils.set_random_seed(seed)
        if task == "photos":
            network = compiled(small_cnn(num_classes), 1e-3)
            network.fit(x[chosen], y[chosen], epochs=60, batch_size=20, verbose=0)
        else:
            network = small_network(num_classes)
            train(network, x[chosen], y[chosen], 2e-3, steps=600 if count < 100 else 2000)
        accuracy = balanced_accuracy(y_test, network.predict(x_test, verbose=0))
        yield "matrix", task, count, "scratch", "", seed, accuracy
        start, rate = FINE_TUNED_FROM[task], 1e-4 if task == "photos" else 3e-4
        keras.utils.set_random_seed(seed)
        backbone = pretrained.efficientnet_lite0(False, (SIZE, SIZE, 3))
        tuned = transfer.add_head(backbone, num_classes)
        head = train(new_head(tuned), features[TOP][chosen], y[chosen], 1e-2, steps=200)
        tuned.get_layer("logits").set_weights(head.layers[-2].get_weights())
        transfer.unfreeze_from(tuned, start)
        train(tuned, large[chosen], y[chosen], rate, steps=60 if count < 100 else 600)
        accuracy = balanced_accuracy(y_test, tuned.predict(large_test, verbose=0))
        yield "matrix", task, count, "fine-tuned", start, seed, accuracy


# ---- halves: a backbone of our own, trained on a similar task and on another ----


def halves():
    x, y, x_test, y_test = garment_task()
    x_letters, y_letters = letters(5000)
    for seed in SEEDS:
        classes = np.random.default_rng(seed).permutation(10)
        source, target = np.sort(classes[:5]), np.sort(classes[5:])
        old = np.flatnonzero(np.isin(y, source))
        backbones = {
            "garments": backbone_of(x[old], np.searchsorted(source, y[old]), seed),
            "letters": backbone_of(x_letters, y_letters, seed),
        }
        test = np.isin(y_test, target)
        seen = x_test[test], np.searchsorted(target, y_test[test])
        for count in (20, LARGE):
            if seed not in seeds_for(count):
                continue
            new = pick(y, count, seed, target)
            task = x[new], np.searchsorted(target, y[new])
            steps = 600 if count < 100 else 1500
            keras.utils.set_random_seed(seed)
            network = train(small_network(5), *task, 2e-3, steps)
            accuracy = balanced_accuracy(seen[1], network.predict(seen[0], verbose=0))
            yield "halves", "garments", count, "scratch", "", seed, accuracy
            for name, backbone in backbones.items():
                features = keras.Model(backbone.input, backbone.get_layer("features").output)
                found = [features.predict(images, verbose=0) for images in (task[0], seen[0])]
                accuracy = probe(found[0], task[1], found[1], seen[1])
                yield "halves", "garments", count, "features", name, seed, accuracy
                tuned = keras.models.clone_model(backbone)
                tuned.set_weights(backbone.get_weights())
                tuned.layers[-1].set_weights(small_network(5).layers[-1].get_weights())
                transfer.unfreeze_from(tuned, tuned.layers[-1].name)
                train(tuned, *task, 2e-3, steps=200)  # the head first
                transfer.unfreeze_from(tuned, tuned.layers[1].name)
                train(tuned, *task, 5e-4, steps)
                accuracy = balanced_accuracy(seen[1], tuned.predict(seen[0], verbose=0))
                yield "halves", "garments", count, "fine-tuned", name, seed, accuracy


def backbone_of(x, y, seed):
    keras.utils.set_random_seed(seed)
    return train(small_network(5), x, y, 2e-3, steps=1500)


def letters(count):
    """Light letters A, B, E, R, S on black in Matplotlib's fonts, moved, scaled and rotated.

    Returns:
        float32 images in [0, 1] of shape (count, 28, 28, 1), labels (count,) from 0 to 4.
    """
    rng = np.random.default_rng(0)
    folder = Path(get_data_path()) / "fonts" / "ttf"
    files = sorted(str(path) for path in folder.glob("DejaVu*.ttf") if "Display" not in path.name)
    images, labels = [], []
    for index in range(count):
        label = index % 5
        font = ImageFont.truetype(files[rng.integers(len(files))], int(rng.integers(60, 110)))
        image = Image.new("L", (112, 112))
        place = tuple(56 + rng.uniform(-10, 10, 2))
        light = int(rng.integers(150, 256))
        ImageDraw.Draw(image).text(place, "ABERS"[label], light, font, anchor="mm")
        image = image.rotate(rng.uniform(-25, 25)).resize((28, 28))
        images.append(np.asarray(image, np.float32) / 255)
        labels.append(label)
    return np.array(images)[..., np.newaxis], np.array(labels)


# How the rows of each experiment begin, what makes them, and how many they are.
EXPERIMENTS = (
    ("rates", rates, 2 * 2 * len(RATES) * len(SEEDS)),
    ("matrix photos 20", small_and_similar, (len(LAYERS) + 2) * len(SEEDS)),
    ("matrix garments 20", lambda: not_similar(20), (len(LAYERS) + 2) * len(SEEDS)),
    ("halves", halves, 5 * (len(SEEDS) + len(SEEDS_LARGE))),
    (f"matrix garments {LARGE}", lambda: not_similar(LARGE), (len(LAYERS) + 2) * len(SEEDS_LARGE)),
)


def main():
    notebook.setup()
    rows = []
    if TARGET.exists():
        with open(TARGET, encoding="utf-8", newline="") as file:
            rows = [tuple(row.values()) for row in csv.DictReader(file)]
    for start, experiment, count in EXPERIMENTS:
        others = [row for row in rows if not " ".join(map(str, row)).startswith(f"{start} ")]
        if len(rows) - len(others) == count:
            continue
        rows = others
        for row in experiment():
            print(*row, flush=True)
            rows.append((*row[:-1], f"{row[-1]:.4f}"))
            with open(TARGET, "w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(FIELDS)
                writer.writerows(rows)
    print(hashlib.sha256(TARGET.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
