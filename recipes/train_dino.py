"""Makes course_utils/assets/self_supervision.csv: networks that learn without labels, five seeds.

One small CNN, trained on the 10,000 images of Fashion-MNIST without their labels: to tell by how
much an image was rotated, by SimCLR, by DINO, and by DINO without centring or sharpening. A row is
one step: the loss, the entropy and the spread of the teacher's outputs (DINO only), and now and
then the k-NN accuracy, with the training images as the bank, on the test images as they are and
shifted by up to four pixels. Step 0 is the network as all five methods begin, and "pixels" means no
network. About 15 CPU-minutes with one thread:

    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python recipes/train_dino.py
"""

import functools

from course_utils import notebook

notebook.setup()

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402
from runs import complete  # noqa: E402

from course_utils import data, transfer  # noqa: E402
from course_utils.contrastive import Contrastive  # noqa: E402
from course_utils.dino import MultiCrop, SelfDistillation, with_head  # noqa: E402

TARGET = data.ASSETS / "self_supervision.csv"
COLUMNS = ("method", "seed", "step", "loss", "entropy", "spread", "knn", "knn_shifted")
STEPS = {
    "dino": 2000,
    "without centring": 450,
    "without sharpening": 450,
    "simclr": 900,
    "rotation": 900,
}
SEEDS, BATCH, WARMUP, NEIGHBOURS, SHIFT = 5, 64, 40, 20, 4


def encoder():
    images = x = keras.Input((None, None, 1))
    for filters in (16, 32, 64, 128):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(images, layers.GlobalAveragePooling2D(name="features")(x))


def learner(method, network, seed):
    """The model to fit, and the one whose layer "features" is to be judged."""
    crops = MultiCrop(28, seed=seed)
    if method == "rotation":
        model = keras.Model(network.input, layers.Dense(4)(network.output))
        return model, model
    if method == "simclr":
        x = layers.Dense(128, activation="relu")(network.output)
        model = keras.Model(network.input, layers.Dense(64)(x))
        return Contrastive(model, crops), model
    options = {
        "without centring": {"center_momentum": 1},
        "without sharpening": {"temperatures": (0.1, 0.1)},
    }
    model = SelfDistillation(with_head(network), crops, **options.get(method, {}))
    return model, model.teacher


def batches(method, images, steps, seed):
    """Yields what `train_on_batch` takes: images, or images and their quarter turns."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        chosen = images[rng.choice(len(images), BATCH, replace=False)]
        if method != "rotation":
            yield (chosen,)
            continue
        turns = rng.integers(4, size=BATCH)
        turned = [np.rot90(image, turn) for image, turn in zip(chosen, turns, strict=True)]
        yield np.stack(turned), turns


def shifted(images, seed=0):
    """Each image moved by up to four pixels, with black where nothing was."""
    rng = np.random.default_rng(seed)
    padded = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))
    starts = rng.integers(2 * SHIFT + 1, size=(len(images), 2))
    size = images.shape[1]
    return np.stack(
        [
            image[top : top + size, left : left + size]
            for image, (top, left) in zip(padded, starts, strict=True)
        ]
    )


def accuracies(describe):
    """k-NN on the test images as they are, and shifted; `describe` gives the features."""
    (x, y), (x_test, y_test) = data.fashion_mnist()
    bank = describe(x)
    for asked in (x_test, shifted(x_test)):
        found = transfer.nearest_labels(describe(asked), bank, y, NEIGHBOURS)
        yield f"{np.mean(found == y_test):.4f}"


def of_pixels():
    (x, _), _ = data.fashion_mnist()
    mean = x.mean(axis=0)
    yield 0, "", "", "", *accuracies(lambda images: (images - mean).reshape(len(images), -1))


def train(method, seed):
    """Yields the rest of each row."""
    steps = STEPS[method]
    (images, _), _ = data.fashion_mnist()
    keras.utils.set_random_seed(seed)
    model, judged = learner(method, encoder(), seed)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - WARMUP, warmup_target=3e-3, warmup_steps=WARMUP
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=1e-4, clipnorm=3),
        loss if method == "rotation" else None,
    )
    extractor = keras.Model(judged.input, judged.get_layer("features").output)

    def features(images):
        return extractor.predict(images, 500, verbose=0)

    if method == "dino":
        yield 0, "", "", "", *accuracies(features)
    for step, batch in enumerate(batches(method, images, steps, seed), start=1):
        model.reset_metrics()  # the loss is that of this step, not the mean of all so far
        logs = model.train_on_batch(*batch, return_dict=True)
        measured = step in (450, steps)
        if measured or step % 50 == 0 or (step < 100 and step % 10 == 0):
            found = (f"{logs[name]:.4f}" if name in logs else "" for name in COLUMNS[3:6])
            yield step, *found, *(accuracies(features) if measured else ("", ""))


def main():
    runs = [(("pixels", 0), of_pixels)]
    runs += [
        ((method, seed), functools.partial(train, method, seed))
        for seed in range(SEEDS)
        for method in STEPS
    ]
    complete(TARGET, COLUMNS, runs)


if __name__ == "__main__":
    main()
