"""Trains what chapter 6 compares and has no time for: five seeds, or three on large sets.

"rates": EfficientNet-Lite0 fine-tuned on the photos with several learning rates, after the head has
been trained or straight away, with BatchNormalization frozen or not. "matrix": features at several
layers, a head on the last, fine-tuning and training from scratch, on few and many images of a
similar and of another task. "halves": a small network trained on five kinds of garments, or on
letters, moved to the other five kinds. Each seed draws the images, the initial weights and, in
"halves", the kinds.

    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python recipes/train_transfer.py

It writes accuracies on test images, the mean over classes of the share that is recognised, to
course_utils/assets/transfer.csv. A recipe that was cut off goes on with what is missing. About 90
CPU-minutes.
"""

import functools
import itertools
from pathlib import Path

import keras
import numpy as np
from keras import layers
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from runs import complete

from course_utils import data, notebook, pretrained, transfer

COLUMNS = ("experiment", "task", "images_a_class", "method", "setting", "seed", "accuracy")
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


@functools.cache
def task_images(task):
    """Images and labels to train on and to test on."""
    (x, y), (x_test, y_test) = data.photo_set(SIZE) if task == "photos" else data.fashion_mnist()
    return x, y, x_test, y_test


@functools.cache
def large_images(task):
    """The same images, to train on and to test on, as EfficientNet-Lite0 takes them."""
    x, _, x_test, _ = task_images(task)
    return (x, x_test) if task == "photos" else (in_colour(x), in_colour(x_test))


@functools.cache
def backbone_features(task):
    """For each of LAYERS the features of all images to train on, and of all to test on."""
    backbone = pretrained.efficientnet_lite0(False, (SIZE, SIZE, 3))
    return [transfer.features(backbone, images, LAYERS) for images in large_images(task)]


def score(model, images, labels):
    return balanced_accuracy(labels, model.predict(images, verbose=0))


def new_head(num_features, num_classes):
    """A dense layer of its own for pooled features."""
    inputs, dropout = keras.Input((num_features,)), layers.Dropout(0.2)
    return keras.Sequential([inputs, dropout, layers.Dense(num_classes), layers.Softmax()])


# ---- rates: how to fine-tune on the photos ----


@functools.cache
def model_to_tune(batch_norm):
    backbone = pretrained.efficientnet_lite0(False, (SIZE, SIZE, 3))
    model = transfer.add_head(backbone, 5)
    transfer.unfreeze_from(model, FINE_TUNED_FROM["photos"], batch_norm == "trained")
    return compiled(model, 1e-3), model.get_weights()


def trained_head(seed):
    """A head for the photos, and how good it is on features that nobody touched."""
    _, y, _, y_test = task_images("photos")
    features, features_test = (part[TOP] for part in backbone_features("photos"))
    keras.utils.set_random_seed(seed)
    head = train(new_head(features.shape[1], 5), features, y, 1e-2, steps=200)
    return head, score(head, features_test, y_test)


def tuned_at(first, batch_norm, rate, seed):
    x, y, x_test, y_test = task_images("photos")
    model, start = model_to_tune(batch_norm)
    model.set_weights(start)
    if first == "head first":
        head, _ = trained_head(seed)
    else:
        keras.utils.set_random_seed(seed)
        head = new_head(model.get_layer("logits").input.shape[1], 5)
    model.get_layer("logits").set_weights(head.layers[-2].get_weights())
    reset(model, rate, seed)
    model.fit(x, y, epochs=10, batch_size=20, verbose=0)
    return score(model, x_test, y_test)


def reset(model, rate, seed):
    """An optimizer and a dropout layer as new, without tracing the training step again."""
    model.get_layer("head_dropout").seed_generator.state.assign([seed, 0])
    for variable in model.optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    model.optimizer.learning_rate = rate


def rates():
    for norm, seed in itertools.product(("frozen", "trained"), SEEDS):
        for first, rate in itertools.product(("head first", "straight"), RATES):
            key = ("rates", "photos", 20, f"{first} with BatchNorm {norm}", rate, seed)
            yield key, functools.partial(tuned_at, first, norm, rate, seed)
    for seed in SEEDS:
        key = ("rates", "photos", 20, "head alone", "", seed)
        yield key, lambda seed=seed: trained_head(seed)[1]


# ---- matrix: little or much data, a similar task or another ----


def drawn(task, count, seed):
    """Indices of the images to train on, their labels, and the number of classes."""
    labels = task_images(task)[1]
    num_classes = int(labels.max()) + 1
    chosen = pick(labels, count, seed, range(num_classes))
    return chosen, labels[chosen], num_classes


def probed(task, count, name, seed):
    chosen, labels, _ = drawn(task, count, seed)
    features, features_test = (part[name] for part in backbone_features(task))
    return probe(features[chosen], labels, features_test, task_images(task)[3])


def from_scratch(task, count, seed):
    x, _, x_test, y_test = task_images(task)
    chosen, labels, num_classes = drawn(task, count, seed)
    keras.utils.set_random_seed(seed)
    if task == "photos":
        network = compiled(small_cnn(num_classes), 1e-3)
        network.fit(x[chosen], labels, epochs=60, batch_size=20, verbose=0)
    else:
        network = small_network(num_classes)
        train(network, x[chosen], labels, 2e-3, steps=600 if count < 100 else 2000)
    return score(network, x_test, y_test)


def head_on_top(task, count, seed):
    """EfficientNet-Lite0 under a trained head, and how good it is as it is."""
    chosen, labels, num_classes = drawn(task, count, seed)
    features, features_test = (part[TOP] for part in backbone_features(task))
    keras.utils.set_random_seed(seed)
    model = transfer.add_head(pretrained.efficientnet_lite0(False, (SIZE, SIZE, 3)), num_classes)
    head = new_head(features.shape[1], num_classes)
    train(head, features[chosen], labels, 1e-2, steps=200)
    model.get_layer("logits").set_weights(head.layers[-2].get_weights())
    return model, score(head, features_test, task_images(task)[3])


def fine_tuned(task, count, start, seed):
    chosen, labels, _ = drawn(task, count, seed)
    images, images_test = large_images(task)
    tuned, _ = head_on_top(task, count, seed)
    transfer.unfreeze_from(tuned, start)
    rate, steps = 1e-4 if task == "photos" else 3e-4, 60 if count < 100 else 600
    train(tuned, images[chosen], labels, rate, steps)
    return score(tuned, images_test, task_images(task)[3])


def matrix(task, count):
    for seed in seeds_for(count):
        for name in LAYERS:
            key = ("matrix", task, count, "features", name, seed)
            yield key, functools.partial(probed, task, count, name, seed)
        key = ("matrix", task, count, "head", TOP, seed)
        yield key, lambda seed=seed: head_on_top(task, count, seed)[1]
        key = ("matrix", task, count, "scratch", "", seed)
        yield key, functools.partial(from_scratch, task, count, seed)
        start = FINE_TUNED_FROM[task]
        key = ("matrix", task, count, "fine-tuned", start, seed)
        yield key, functools.partial(fine_tuned, task, count, start, seed)


# ---- halves: a backbone of our own, trained on a similar task and on another ----


def five_kinds(kinds, images, labels):
    """The images of five kinds of garments, which are then called 0 to 4."""
    chosen = np.isin(labels, kinds)
    return images[chosen], np.searchsorted(kinds, labels[chosen])


def old_and_new_kinds(seed):
    classes = np.random.default_rng(seed).permutation(10)
    return np.sort(classes[:5]), np.sort(classes[5:])


@functools.lru_cache(maxsize=2)
def small_backbone(source, seed):
    x, y, _, _ = task_images("garments")
    images = letters(5000) if source == "letters" else five_kinds(old_and_new_kinds(seed)[0], x, y)
    keras.utils.set_random_seed(seed)
    return train(small_network(5), *images, 2e-3, steps=1500)


def new_task(count, seed):
    """Images and labels of the five new kinds, `count` of each to train on, and the steps."""
    x, y, x_test, y_test = task_images("garments")
    _, kinds = old_and_new_kinds(seed)
    chosen = pick(y, count, seed, kinds)
    some = five_kinds(kinds, x[chosen], y[chosen])
    return *some, *five_kinds(kinds, x_test, y_test), 600 if count < 100 else 1500


def half_from_scratch(count, seed):
    x, y, x_test, y_test, steps = new_task(count, seed)
    keras.utils.set_random_seed(seed)
    return score(train(small_network(5), x, y, 2e-3, steps), x_test, y_test)


def half_probed(count, source, seed):
    x, y, x_test, y_test, _ = new_task(count, seed)
    backbone = small_backbone(source, seed)
    features = keras.Model(backbone.input, backbone.get_layer("features").output)
    return probe(features.predict(x, verbose=0), y, features.predict(x_test, verbose=0), y_test)


def half_fine_tuned(count, source, seed):
    x, y, x_test, y_test, steps = new_task(count, seed)
    backbone = small_backbone(source, seed)
    keras.utils.set_random_seed(seed)
    tuned = small_network(5)
    for layer, trained in zip(tuned.layers[:-1], backbone.layers[:-1], strict=True):
        layer.set_weights(trained.get_weights())
    transfer.unfreeze_from(tuned, tuned.layers[-1].name)
    train(tuned, x, y, 2e-3, steps=200)  # the head first
    transfer.unfreeze_from(tuned, tuned.layers[1].name)
    return score(train(tuned, x, y, 5e-4, steps), x_test, y_test)


def halves():
    for seed, count in itertools.product(SEEDS, (20, LARGE)):
        if seed not in seeds_for(count):
            continue
        key = ("halves", "garments", count, "scratch", "", seed)
        yield key, functools.partial(half_from_scratch, count, seed)
        for source in ("garments", "letters"):
            for method, run in (("features", half_probed), ("fine-tuned", half_fine_tuned)):
                key = ("halves", "garments", count, method, source, seed)
                yield key, functools.partial(run, count, source, seed)


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


def main():
    notebook.setup()
    runs = [*rates(), *matrix("photos", 20), *matrix("garments", 20), *halves()]
    runs += matrix("garments", LARGE)
    rows = [(key, lambda run=run: [(f"{run():.4f}",)]) for key, run in runs]
    complete(data.ASSETS / "transfer.csv", COLUMNS, rows)


if __name__ == "__main__":
    main()
