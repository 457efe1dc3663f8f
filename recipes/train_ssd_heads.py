"""Trains SSD's heads with three losses, over five seeds: course_utils/assets/ssd_heads.csv

As chapter 9b does it live with one seed: on the frozen convolutions of the YOLO that ships, 1,600
scenes, three epochs. The losses are SSD's own with hard negative mining ("mining"), the same with
all negatives ("all"), and focal loss ("focal"). About three CPU-minutes.

    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python recipes/train_ssd_heads.py
"""

from course_utils import notebook

notebook.setup()

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import ops  # noqa: E402
from runs import complete  # noqa: E402

from course_utils import data  # noqa: E402
from course_utils.detection import scenes, ssd  # noqa: E402
from course_utils.detection.boxes import iou  # noqa: E402
from course_utils.detection.metrics import mean_average_precision  # noqa: E402
from course_utils.detection.tensors import smooth_l1  # noqa: E402
from course_utils.pretrained import detectors  # noqa: E402

TARGET = data.ASSETS / "ssd_heads.csv"
COLUMNS = ("loss", "seed", "mAP50", "mAP75", "recall", "boxes")
SEEDS = range(5)


def weighted(weight):
    """SSD's loss without mining: cross-entropies, each times `weight` of it, and smooth L1."""

    def loss(y_true, y_pred):
        category = y_true[..., 0]
        named = ops.sparse_categorical_crossentropy(category, y_pred[..., :11], from_logits=True)
        positive = ops.cast(category > 0, "float32")
        placed = positive * smooth_l1(y_pred[..., 11:] - y_true[..., 1:])
        return ops.sum(weight(named) * named + placed) / ops.maximum(ops.sum(positive), 1)

    return loss


LOSSES = {
    "mining": ssd.loss,
    "all": weighted(ops.ones_like),
    "focal": weighted(lambda named: (1 - ops.exp(-named)) ** 2),
}


def main():
    yolo = detectors.yolo()
    maps = [yolo.get_layer(name).output for name in ("conv5_relu", "conv7_relu")]
    convolutions = keras.Model(yolo.input, maps)
    images, truth = scenes.make_scenes(1600, seed=1)
    features, targets = convolutions.predict(images, verbose=0), ssd.encode(truth)
    images, truth = scenes.make_scenes(500, split="test")
    test_features = convolutions.predict(images, verbose=0)

    def run(loss, seed):
        keras.utils.set_random_seed(seed)
        inputs = [keras.Input((12, 12, 96)), keras.Input((6, 6, 96))]
        model = keras.Model(inputs, ssd.heads(*inputs))
        rate = keras.optimizers.schedules.CosineDecay(
            1e-4, decay_steps=300, warmup_target=2e-3, warmup_steps=30
        )
        model.compile(keras.optimizers.Adam(rate, global_clipnorm=10.0), LOSSES[loss])
        model.fit(features, targets, batch_size=16, epochs=3, verbose=0)
        found = ssd.decode(model.predict(test_features, verbose=0))
        scores = mean_average_precision(truth, found, (0.5, 0.75))["per_threshold"].values()
        overlaps = [iou(a["boxes"], b["boxes"]) for a, b in zip(truth, found, strict=True)]
        best = np.concatenate([pairs.max(axis=1, initial=0) for pairs in overlaps])
        boxes = np.mean([len(some["boxes"]) for some in found])
        yield *(f"{score:.4f}" for score in (*scores, np.mean(best >= 0.5))), f"{boxes:.1f}"

    runs = [((loss, seed), lambda key=(loss, seed): run(*key)) for seed in SEEDS for loss in LOSSES]
    complete(TARGET, COLUMNS, runs)


if __name__ == "__main__":
    main()
