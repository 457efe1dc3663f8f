"""The detectors with the weights that ship, on scenes that they were not chosen by."""

import csv

import numpy as np
import pytest
from cheaper import untraced

from course_utils import data
from course_utils.detection import faster_rcnn, scenes, ssd, yolo
from course_utils.detection.metrics import mean_average_precision
from course_utils.pretrained import detectors

MODULES = {"yolo": yolo, "ssd": ssd, "faster_rcnn": faster_rcnn}


@pytest.fixture(scope="module")
def rows():
    with open(data.asset("detectors.csv"), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", MODULES)
def test_the_weights_find_what_the_table_says(name, rows):
    images, truth = scenes.make_scenes(100, seed=1, split="test")
    model = getattr(detectors, name)()
    with untraced():
        found = MODULES[name].decode(model(images))
    score = mean_average_precision(truth, found, 0.5)["mAP"]
    its_rows = [row for row in rows if (row["detector"], row["seed"]) == (name, "0")]
    assert score == pytest.approx(float(its_rows[-1]["mAP50"]), abs=0.05)


def test_the_table_is_of_500_scenes(rows):
    _, truth = scenes.make_scenes(500, split="test")
    objects = sum(len(scene["labels"]) for scene in truth)
    runs = [(row["detector"], row["seed"], row["scenes"]) for row in rows]
    assert len(set(runs)) == len(runs)
    assert {(name, "0", "44800") for name in MODULES} <= set(runs)
    for row in rows:
        assert 0.65 < float(row["mAP50"]) < float(row["mAP50_one_class"]) < 1
        assert float(row["mAP75"]) < float(row["mAP50"])
        assert int(row["found"]) + int(row["missed"]) < objects
        assert np.all([int(row[kind]) >= 0 for kind in ("misplaced", "misnamed", "doubled")])
