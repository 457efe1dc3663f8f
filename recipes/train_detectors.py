"""Trains the three detectors of chapter 9: course_utils/assets/{yolo,ssd,faster_rcnn}.npz

First their common convolutions learn to name the garment in the middle of a window; then each
detector learns from scenes, with these convolutions as its start, in turns of 44,800 scenes, none
of them twice. All are drawn from the 10,000 training garments; the 500 scenes of the test from the
others.

    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python recipes/train_detectors.py work

The folder `work` keeps what has been trained, so that a run that was cut off goes on where it was.
The last weights of seed 0 are shipped, and for all seeds and turns mAP at IoU .5 and .75 and the
kinds of errors go to course_utils/assets/detectors.csv. About five CPU-minutes a turn.
"""

import argparse
import csv
import hashlib
import shutil
from functools import partial
from pathlib import Path

import keras
import numpy as np
from make_fashion_mnist import write_npz

from course_utils import data
from course_utils.detection import backbone, errors, faster_rcnn, scenes, ssd, yolo
from course_utils.detection.boxes import nms
from course_utils.detection.metrics import mean_average_precision
from course_utils.pretrained.weights import named_weights, set_weights

TABLE = data.ASSETS / "detectors.csv"
COLUMNS = (
    "detector", "seed", "scenes", "mAP50", "mAP75", "mAP50_one_class",
    errors.FOUND, *errors.FALSE_ALARMS, errors.MISSED,
)  # fmt: skip
SHIPPED = 0  # the seed whose weights are shipped
DETECTORS = {
    "yolo": (yolo.build_yolo, yolo),
    "ssd": (ssd.build_ssd, ssd),
    "faster_rcnn": (faster_rcnn.build_faster_rcnn, faster_rcnn),
}
TURNS, STEPS, BATCH = 2, 2800, 16  # in each turn the learning rate falls
TEST_SCENES = 500


class Batches(keras.utils.PyDataset):
    """A new batch at each step: `make` makes it from the number of the step."""

    def __init__(self, steps, make):
        super().__init__()
        self.steps, self.make = steps, make

    def __len__(self):
        return self.steps

    def __getitem__(self, step):
        return self.make(step)


def train(model, make, first, steps, rates, clipnorm=None, **compiled):
    """Adam with a warm-up between two rates and cosine decay; batches count from `first` on."""
    schedule = keras.optimizers.schedules.CosineDecay(
        rates[0], steps, warmup_target=rates[1], warmup_steps=steps // 12
    )
    model.compile(keras.optimizers.Adam(schedule, global_clipnorm=clipnorm), **compiled)
    model.fit(Batches(steps, lambda step: make(first + step)), shuffle=False, verbose=2)


def train_classifier(seed):
    model = backbone.build_classifier()

    def make(number):
        x, y = backbone.windows(*scenes.make_scenes(52, seed=number))
        return x[:128], y[:128]

    options = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    train(model, make, 1000 + 10**6 * seed, 1200, (1e-6, 3e-3), **options)
    test = backbone.windows(*scenes.make_scenes(TEST_SCENES, split="test"))
    print("accuracy on test windows", model.evaluate(*test, verbose=0)[1], flush=True)
    return model


def train_detector(name, seed, turn, start):
    """From the weights of `start`: the classifier, or the same detector after its last turn."""
    build, module = DETECTORS[name]
    model = build()
    ours = named_weights(model)
    for weight, value in named_weights(start).items():
        if weight in ours:
            ours[weight].assign(value)

    def make(number):
        images, truth = scenes.make_scenes(BATCH, seed=number)
        return images, module.encode(truth)

    compiled = {} if name == "faster_rcnn" else {"loss": module.loss}
    first = 1 + 10**6 * seed + turn * STEPS
    train(model, make, first, STEPS, (1e-5, 1e-3), clipnorm=10.0, **compiled)
    return model


def kept(path, build, trained):
    """A model with the weights in the file, which is written first if it is missing."""
    if not path.exists():
        weights = named_weights(trained()).items()
        write_npz(path, {name: np.float16(weight.numpy()) for name, weight in weights})
    model = build()
    with np.load(path) as arrays:
        set_weights(model, arrays)
    return model


def evaluate(name, model):
    """mAP at two thresholds, mAP if the class does not matter, and counts of errors."""
    images, truth = scenes.make_scenes(TEST_SCENES, split="test")
    found = DETECTORS[name][1].decode(model.predict(images, verbose=0))
    scores = mean_average_precision(truth, found, (0.5, 0.75))["per_threshold"].values()
    alike = mean_average_precision(*map(without_classes, (truth, found)), 0.5)["mAP"]
    counts = errors.count_errors(truth, found)
    return *(f"{score:.4f}" for score in (*scores, alike)), *counts.values()


def without_classes(images):
    """Truth or detections as if all were of one class; of detections without the doubles."""
    result = []
    for image in images:
        count = len(image["boxes"])
        scores = image.get("scores", np.ones(count))
        kept = nms(image["boxes"], scores, 0.5) if "scores" in image else np.arange(count)
        labels = np.zeros(len(kept), int)
        result.append({"boxes": image["boxes"][kept], "labels": labels, "scores": scores[kept]})
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    arguments = parser.parse_args()
    arguments.work.mkdir(exist_ok=True)
    rows = [COLUMNS]
    for seed in arguments.seeds:
        keras.utils.set_random_seed(seed)
        file = arguments.work / f"garments_{seed}.npz"
        classifier = kept(file, backbone.build_classifier, partial(train_classifier, seed))
        for name, (build, _) in DETECTORS.items():
            model = classifier
            for turn in range(TURNS):
                keras.utils.set_random_seed(seed + turn)
                file = arguments.work / f"{name}_{seed}_{turn}.npz"
                model = kept(file, build, partial(train_detector, name, seed, turn, model))
                rows.append((name, seed, (turn + 1) * STEPS * BATCH, *evaluate(name, model)))
                print(*rows[-1], flush=True)
                with open(TABLE, "w", encoding="utf-8", newline="") as table:
                    csv.writer(table, lineterminator="\n").writerows(rows)
            if seed == SHIPPED:
                shutil.copyfile(file, data.ASSETS / f"{name}.npz")
    for path in (TABLE, *(data.ASSETS / f"{name}.npz" for name in DETECTORS)):
        print(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
