"""The detectors with the weights that ship, on scenes that they were not chosen by."""

from itertools import product

import numpy as np
import pytest
from cheaper import untraced

from course_utils import runs
from course_utils.detection import faster_rcnn, scenes, ssd, yolo
from course_utils.detection.metrics import mean_average_precision
from course_utils.pretrained import detectors

MODULES = {"yolo": yolo, "ssd": ssd, "faster_rcnn": faster_rcnn}


@pytest.mark.parametrize("name", MODULES)
def test_the_weights_find_what_the_table_says(name):
    images, truth = scenes.make_scenes(100, seed=1, split="test")
    model = getattr(detectors, name)()
    with untraced():
        found = MODULES[name].decode(model(images))
    score = mean_average_precision(truth, found, 0.5)["mAP"]
    last = runs.load("detectors", detector=name, seed=0)[-1]
    assert score == pytest.approx(last["mAP50"], abs=0.05)


def test_the_table_is_of_500_scenes():
    rows = runs.load("detectors")
    _, truth = scenes.make_scenes(500, split="test")
    objects = sum(len(scene["labels"]) for scene in truth)
    turns = sorted(rows[["detector", "seed", "scenes"]].tolist())
    assert turns == list(product(sorted(MODULES), range(3), (44800, 89600)))
    assert max(rows["mAP50"]) > 0.8
    for row in rows:
        assert 0.65 < row["mAP50"] < row["mAP50_one_class"] < 1
        assert row["mAP75"] < row["mAP50"]
        assert row["found"] + row["missed"] < objects
        assert np.all([row[kind] >= 0 for kind in ("misplaced", "misnamed", "doubled")])
