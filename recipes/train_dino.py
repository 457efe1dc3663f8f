"""Makes course_utils/assets/self_supervision.csv: DINO on Fashion-MNIST, five seeds.

One small CNN, trained on the 10,000 images without their labels by DINO; by DINO without centring,
without sharpening or without momentum, where the teacher is a copy of the student; with a teacher
that is frozen, so that its BatchNormalization does not use the batch; with crops that are the whole
image, mirrored and in other tones; and with four small crops beside the two large ones. A row is
one step: the loss, the entropy and the spread of the teacher's targets, and now and then the k-NN
accuracy, with the training images as the bank, on the test images as they are and shifted by up to
four pixels. Step 0 is the network as all begin, and "pixels" means no network. Of the last two
there are only the steps with an accuracy. About 20 CPU-minutes with one thread:

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
from course_utils.dino import MultiCrop, SelfDistillation, with_head  # noqa: E402

TARGET = data.ASSETS / "self_supervision.csv"
COLUMNS = ("method", "seed", "step", "loss", "entropy", "spread", "knn", "knn_shifted")
STEPS = {
    "dino": 1000,
    "without centring": 300,
    "without sharpening": 300,
    "without momentum": 300,
    "frozen teacher": 300,
    "without moving crops": 1000,
    "with small crops": 1000,
}
OPTIONS = {
    "without centring": {"center_momentum": 1},
    "without sharpening": {"temperatures": (0.1, 0.1)},
    "without momentum": {"momentum": 0},
}
CROPS = {
    "without moving crops": {"area": (1, 1), "aspect": 0},
    "with small crops": {"local_crops": 4},
}
SEEDS, BATCH, WARMUP, NEIGHBOURS, SHIFT = 5, 64, 40, 20, 4


def encoder():
    images = x = keras.Input((None, None, 1))
    for filters in (16, 32, 64, 128):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(images, layers.GlobalAveragePooling2D(name="features")(x))


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
    crops = MultiCrop(28, seed=seed, **CROPS.get(method, {}))
    model = SelfDistillation(with_head(encoder()), crops, **OPTIONS.get(method, {}))
    model.teacher.trainable = method != "frozen teacher"
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - WARMUP, warmup_target=3e-3, warmup_steps=WARMUP
    )
    model.compile(keras.optimizers.AdamW(rate, weight_decay=1e-4, clipnorm=3))
    extractor = keras.Model(model.teacher.input, model.teacher.get_layer("features").output)

    def features(images):
        return extractor.predict(images, 500, verbose=0)

    if method == "dino":
        yield 0, "", "", "", *accuracies(features)
    rng = np.random.default_rng(seed)
    for step in range(1, steps + 1):
        chosen = rng.choice(len(images), BATCH, replace=False)
        logs = model.train_on_batch(images[chosen], return_dict=True)
        measured = step in (300, steps)
        drawn = method not in CROPS and (step % 25 == 0 or (step < 100 and step % 5 == 0))
        if measured or drawn:
            found = (f"{logs[name]:.4f}" for name in COLUMNS[3:6])
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
