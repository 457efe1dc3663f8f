"""Ratios to other libraries, the import, the site, chapters in yardsticks: see README.md."""

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tools"), str(ROOT / "tests")]

SLOWEST = 3.0  # times keras.ops.conv
IMPORT_MILLISECONDS = 100
SLOWEST_NMS = {1_000: 3.0, 10_000: 1.0}  # boxes -> times tf.image.non_max_suppression
SCENES, SLOWEST_MAP = 5_000, 1 / 5  # images, times pycocotools
SCENES_A_SECOND = 1_000
# What chapter 4 cost in November 2026, in trainings of its network over two epochs, as timed by
# `training_seconds`: one yardstick. It stays as it is when the chapter changes.
TRAININGS = 16.0
LONGEST, ALL = 1.0, 12.0  # yardsticks that a chapter may cost, and all of them
NOISE = 1.1  # between two runs of one chapter
CASES = [  # images, kernels, stride, padding, at most so many times keras.ops.conv
    ((64, 32, 32, 3), (3, 3, 3, 16), 1, "same", SLOWEST),
    ((64, 32, 32, 3), (3, 3, 3, 64), 1, "valid", SLOWEST),
    ((64, 32, 32, 3), (5, 5, 3, 32), 2, "same", SLOWEST),
    ((64, 32, 32, 3), (1, 1, 3, 32), 1, "valid", SLOWEST),
    # Nine times the images are copied, through no cache.
    ((8, 224, 224, 3), (3, 3, 3, 16), 1, "same", 6.0),
    ((8, 224, 224, 3), (3, 3, 3, 64), 2, "valid", SLOWEST),
    ((8, 224, 224, 3), (7, 7, 3, 64), 2, "same", SLOWEST),
    ((8, 224, 224, 3), (11, 11, 3, 96), 4, "valid", SLOWEST),
]


def best(functions, rounds):
    """Each function's shortest (CPU seconds, wall seconds); they take turns, as loads vary."""
    shortest = [(float("inf"), float("inf"))] * len(functions)
    for _ in range(rounds):
        for index, function in enumerate(functions):
            cpu, wall = time.process_time(), time.perf_counter()
            function()
            took = time.process_time() - cpu, time.perf_counter() - wall
            shortest[index] = tuple(map(min, shortest[index], took))
    return shortest


def bench_convolution(rounds):
    """Prints one line a case; returns whether all keep the bound."""
    import keras
    import numpy as np

    from course_utils.convolution import conv2d

    def with_keras(images, kernels, **settings):
        return np.asarray(keras.ops.conv(images, kernels, **settings))

    print(f"conv2d / keras.ops.conv, best of {rounds}")
    rng = np.random.default_rng(0)
    fast = True
    for image_shape, kernel_shape, stride, padding, bound in CASES:
        images = rng.random(image_shape, "float32")
        kernels = rng.random(kernel_shape, "float32") / math.prod(kernel_shape[:3])
        # Keras gets tensors, so that it is not charged for the copy.
        tensors = map(keras.ops.convert_to_tensor, (images, kernels))
        ours = partial(conv2d, images, kernels, stride, padding)
        reference = partial(with_keras, *tensors, strides=stride, padding=padding)
        difference = np.abs(ours() - reference()).max()
        (cpu, wall), (reference_cpu, reference_wall) = best((ours, reference), rounds)
        cpu, wall = cpu / reference_cpu, wall / reference_wall
        ok = max(cpu, wall) <= bound
        fast &= ok
        sizes = " * ".join("x".join(map(str, shape)) for shape in (image_shape, kernel_shape))
        ratios = f"CPU {cpu:5.2f}x  wall {wall:5.2f}x  difference {difference:.0e}"
        verdict = f"at most {bound}x  {'ok' if ok else 'slow'}"
        print(f"  {sizes:28} /{stride} {padding:5}  {ratios}  {verdict}", flush=True)
    return fast


def crowded_boxes(rng, count):
    """Boxes in clusters of 20 on a thousand pixels, and scores, as a detector gives them."""
    import numpy as np

    centres, sizes = rng.uniform(0, 1000, (count // 20, 2)), rng.uniform(20, 120, (count // 20, 2))
    boxes = np.hstack([centres - sizes / 2, centres + sizes / 2])[
        rng.integers(count // 20, size=count)
    ]
    return (boxes + rng.uniform(-5, 5, boxes.shape)).astype("float32"), rng.random(count, "float32")


def print_ratios(name, ours, reference, rounds, bound):
    """Prints one line; returns whether our time, in CPU and wall, keeps the bound."""
    (cpu, wall), (reference_cpu, reference_wall) = best((ours, reference), rounds)
    cpu, wall = cpu / reference_cpu, wall / reference_wall
    ok = max(cpu, wall) <= bound
    verdict = "ok" if ok else "slow"
    print(
        f"  {name:37}  CPU {cpu:5.2f}x  wall {wall:5.2f}x  at most {bound:.1f}x  {verdict}",
        flush=True,
    )
    return ok


def bench_detection(rounds):
    """Prints one line a case; returns whether all keep their bounds."""
    import numpy as np
    import tensorflow as tf
    from coco_reference import average_precisions, coco_tool

    from course_utils.detection import boxes, metrics, scenes

    print(f"detection / reference, best of {rounds}")
    rng = np.random.default_rng(0)
    fast = []
    for count, bound in SLOWEST_NMS.items():
        given = crowded_boxes(rng, count)
        # TensorFlow gets tensors, so that it is not charged for the copy.
        tensors = list(map(tf.constant, given))

        def reference(tensors=tensors, count=count):
            return tf.image.non_max_suppression(*tensors, count, 0.5).numpy()

        ours = partial(boxes.nms, *given, 0.5)
        np.testing.assert_array_equal(ours(), reference())
        fast.append(print_ratios(f"nms of {count:,} boxes", ours, reference, rounds, bound))

    truth, predictions = [], []
    for _ in range(SCENES):
        corners, labels = crowded_boxes(rng, 20)[0][:8], rng.integers(10, size=8)
        found = np.concatenate([corners + rng.uniform(-5, 5, corners.shape), corners])
        scores = rng.random(len(found))
        truth.append({"boxes": corners, "labels": labels})
        predictions.append({"boxes": found, "labels": np.tile(labels, 2), "scores": scores})
    tool = coco_tool(truth, predictions, metrics.COCO_THRESHOLDS)
    ours = partial(metrics.mean_average_precision, truth, predictions)
    reference = partial(average_precisions, tool)
    difference = abs(ours()["mAP"] - np.mean(list(reference().values())))
    assert difference < 1e-9, difference
    name = f"mAP of {SCENES:,} images / pycocotools"
    fast.append(print_ratios(name, ours, reference, 1, SLOWEST_MAP))

    scenes.make_scenes(1)  # reads the garments
    ((cpu, _),) = best([partial(scenes.make_scenes, 500)], rounds)
    fast.append(500 / cpu >= SCENES_A_SECOND)
    print(f"  {500 / cpu:.0f} scenes a CPU-second  {'ok' if fast[-1] else 'slow'}", flush=True)
    return all(fast)


def bench_import(rounds):
    """Prints the CPU milliseconds of `import course_utils`; returns whether they keep the bound."""
    program = "from time import process_time as t; a = t(); import course_utils; print(t() - a)"
    command = [sys.executable, "-c", program]
    took = min(float(subprocess.check_output(command, cwd=ROOT)) for _ in range(rounds)) * 1000
    ok = took <= IMPORT_MILLISECONDS
    print(f"import course_utils: {took:.1f} CPU-ms {'ok' if ok else 'slow'}", flush=True)
    return ok


def training_seconds():
    """CPU-seconds of a training over two epochs, of the network with which chapter 4 began."""
    import keras
    from keras import layers

    from course_utils import data

    (images, labels), _ = data.fashion_mnist()
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images[:64], labels[:64], verbose=0)  # what only the first step costs
    start = time.process_time()
    model.fit(images, labels, batch_size=64, epochs=2, verbose=0)
    return time.process_time() - start


def print_cost(name, used, cost, bound):
    """Prints one line; returns whether the cost, in yardsticks, keeps the bound."""
    ok = cost <= bound * NOISE
    verdict = "ok" if ok else "too costly"
    print(f"  {name:28} {used!s:22}  {cost:5.2f} yardsticks  {verdict}", flush=True)
    return ok


def bench_chapters(paths):
    """Runs copies of the chapters and prints what each took; returns whether all ran and fit."""
    from execute import execute

    print(f"chapters: at most {LONGEST} yardsticks each, {ALL} all")
    before = training_seconds()
    good, total = True, 0
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            copy = Path(folder, path.name)
            copy.write_bytes(path.read_bytes())
            try:
                used = execute(copy)
            except RuntimeError as error:
                good = False
                print(f"  {path.stem:28} failed\n{error}", flush=True)
            else:
                after = training_seconds()  # the machine's pace changes within minutes
                yardstick = TRAININGS * (before + after) / 2
                before = after
                cost = used.seconds / yardstick
                total += cost
                good &= print_cost(path.stem, used, cost, LONGEST)
    return print_cost("all", "", total, ALL) and good


def main():
    from execute import chapters
    from site_scores import bench_site

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out the chapters")
    parser.add_argument("--chapters", nargs="+", default=[], help="only these, as in 03 05b")
    parser.add_argument("--rounds", type=int, default=15, help="the best of so many counts")
    options = parser.parse_args()
    try:
        paths = chapters(options.chapters)
    except ValueError as error:
        parser.error(str(error))
    passed = [bench_import(3), bench_convolution(options.rounds), bench_detection(options.rounds)]
    passed.append(bench_site())
    if not options.quick:
        passed.append(bench_chapters(paths))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
