"""COCO's own tool, pycocotools, on truth and predictions in the course's form."""

import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def coco_tool(truth, predictions, thresholds, max_boxes=100, area_range=(0, 1e10)):
    """The tool with everything loaded: `evaluate` and `accumulate` remain to be called.

    Its ids count from 1: an object with the id 0 would never be found. Its boxes are x, y, width,
    height.
    """
    sides = truth, predictions
    labels = {int(label) for side in sides for image in side for label in image["labels"]}
    dataset = {
        "images": [{"id": index + 1} for index in range(len(truth))],
        "categories": [{"id": label + 1} for label in sorted(labels)],
    }
    loaded = []
    for side in sides:
        annotations = []
        for index, image in enumerate(side):
            count = len(image["boxes"])
            crowds = image.get("crowd", np.zeros(count, bool))
            scores = image.get("scores", np.ones(count))
            columns = np.asarray(image["boxes"], float).reshape(-1, 4), image["labels"]
            for (x1, y1, x2, y2), label, score, crowd in zip(*columns, scores, crowds, strict=True):
                annotations.append(
                    {
                        "id": len(annotations) + 1, "image_id": index + 1, "score": float(score),
                        "category_id": int(label) + 1, "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "area": (x2 - x1) * (y2 - y1), "iscrowd": int(crowd),
                    }
                )  # fmt: skip
        coco = COCO()
        coco.dataset = dataset | {"annotations": annotations}
        with contextlib.redirect_stdout(io.StringIO()):
            coco.createIndex()
        loaded.append(coco)
    tool = COCOeval(*loaded, "bbox")
    tool.params.iouThrs = np.array(thresholds, float)
    tool.params.maxDets = [max_boxes]
    tool.params.areaRng, tool.params.areaRngLbl = [list(area_range)], ["all"]
    return tool


def average_precisions(tool):
    """{label: (T,) average precision at each threshold}, of the classes that have objects."""
    with contextlib.redirect_stdout(io.StringIO()):
        tool.evaluate()
        tool.accumulate()
    precision = tool.eval["precision"][:, :, :, 0, 0]  # (T, 101, K)
    return {
        category - 1: precision[:, :, k].mean(axis=1)
        for k, category in enumerate(tool.params.catIds)
        if (precision[:, :, k] > -1).all()
    }
