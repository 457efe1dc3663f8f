"""The evaluation of exercise 09.6, right and with some of its faults, and what it is tried on."""

import itertools

import numpy as np

from course_utils.detection import metrics

HEIGHT, WIDTH = 75, 90
QUIET = {
    "cut": "which detections does a curve need?",
    "raw": "between two hits, which precision counts at a recall?",
    "absent": "what should a class without objects add to a mean?",
}


def _to_pixels(found, swapped=False, sizes=(WIDTH, HEIGHT)):
    order = [0, 1, 2, 3] if swapped else [1, 0, 3, 2]
    return [{**one, "boxes": one["boxes"][:, order] * np.tile(sizes, 2)} for one in found]


def evaluate(truth, found, height, width):
    """The right function: what the package says of the same boxes."""
    found = _to_pixels(found, sizes=(width, height))
    return metrics.mean_average_precision(truth, found, 0.5, "voc")["mAP"]


def faulty(cut=False, raw=False, absent=False, shares=False, among="truth", **turned):
    """A function as the reader's, with some of the faults that were planted or that may come.

    Args:
        cut: whether scores below 0.5 do not count.
        raw: whether the precision is taken as it is, without interpolation.
        absent: whether classes without objects count as 0.
        shares: whether the boxes stay shares of the image.
        among: "truth" or "found", whose classes the mean is over.
        **turned: of `_to_pixels`.
    """

    def evaluate(truth, found, height, width):
        sizes = turned.get("sizes", (width, height))
        found = found if shares else _to_pixels(found, **(turned | {"sizes": sizes}))
        seen = np.concatenate([one["labels"] for one in {"truth": truth, "found": found}[among]])
        values = []
        for label in range(10) if absent else np.unique(seen):
            scores, hits, total = metrics.outcomes(truth, found, int(label))
            counted = scores >= (0.5 if cut else 0)
            curve = scores[counted], hits[counted], max(total, 1)
            precision, recall = metrics.precision_recall(*curve)
            if not raw:
                precision = np.maximum.accumulate(precision[::-1])[::-1]
            values.append(np.sum(np.diff(recall, prepend=0) * precision))
        return np.mean(values)

    return evaluate


def _by_coco(truth, found, height, width):
    found = _to_pixels(found, sizes=(width, height))
    return metrics.mean_average_precision(truth, found, 0.5)["mAP"]


def _mistakes():
    """Hints and wrong functions: what is loud alone, then each set of quiet faults."""
    planted = dict.fromkeys(QUIET, True)
    yield (
        "nothing overlaps anything. Are both lists in pixels?",
        faulty(**planted, shares=True),
    )
    axes = "TensorFlow's functions put y first, the truth has x first"
    yield f"{axes}.", faulty(swapped=True)
    yield f"{axes}; and there is more.", faulty(**planted, swapped=True)
    yield (
        "x wants the width, y the height.",
        faulty(sizes=(HEIGHT, WIDTH)),
    )
    for count in (1, 2, 3):
        for left in itertools.combinations(QUIET, count):
            questions = " ".join(QUIET[name] for name in left)
            number = ("one quiet fault is", "two quiet faults are", "three quiet faults are")
            yield f"{number[count - 1]} left: {questions}", faulty(**dict.fromkeys(left, True))
    yield (
        "the classes of the mean are those that have objects, found or not.",
        faulty(among="found"),
    )
    yield "the exact area under the curve is asked for, not COCO's 101 points.", _by_coco


def _scenes(rng, count, labels, others=()):
    """Truth, and detections of it in shares y1, x1, y2, x2; `others` are seen where nothing is."""
    truth, found = [], []
    for _ in range(count):
        chosen = rng.choice(labels, 4)
        corner = rng.integers(0, 25, (4, 2)) * [2, 1]
        corners = np.hstack([corner, corner + rng.integers(12, 30, (4, 2))]).astype(float)
        truth.append({"boxes": corners, "labels": chosen})
        index = rng.integers(0, 4, 6)
        named = np.where(rng.random(6) < 0.8, chosen[index], rng.choice([*labels, *others], 6))
        seen = corners[index] + rng.integers(-3, 4, (6, 4))
        shares = seen[:, [1, 0, 3, 2]] / [HEIGHT, WIDTH, HEIGHT, WIDTH]
        found.append({"boxes": shares, "labels": named, "scores": rng.permutation(6) / 6})
    return truth, found, HEIGHT, WIDTH


def _handed_in(truth):
    """The truth as detections, which must score 1."""
    return [
        {
            "boxes": one["boxes"][:, [1, 0, 3, 2]] / [HEIGHT, WIDTH, HEIGHT, WIDTH],
            "labels": one["labels"],
            "scores": np.linspace(0.9, 0.2, len(one["labels"])),
        }
        for one in truth
    ]


def _cases():
    rng = np.random.default_rng(96)
    many = _scenes(rng, 12, np.arange(10))
    few = _scenes(rng, 6, np.array([0, 4, 9]), others=(2, 7))
    alone = [{"boxes": np.array([[10.0, 12, 40, 44]]), "labels": np.array([9])}]
    empty = {"boxes": np.zeros((0, 4)), "labels": np.zeros(0, int)}
    nothing = {**empty, "scores": np.zeros(0)}
    return [
        many,
        few,
        (few[0], _handed_in(few[0]), HEIGHT, WIDTH),
        (alone + [empty], [nothing] + few[1][:1], HEIGHT, WIDTH),
        (alone + [empty], _handed_in(alone) + [nothing], HEIGHT, WIDTH),
    ]


FIELDS = {
    "hint": "begin with the boxes, then take one class, and then one that does not occur.",
    "cases": _cases(),
    "mistakes": dict(_mistakes()),
    "praise": "now the truth, handed in as detections, scores 1.",
}
