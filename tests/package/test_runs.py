"""Tables of the recipes' results."""

from itertools import product

import numpy as np
import pytest

from course_utils import data, runs

TABLE = "kind,depth,seed,error\nplain,20,0,0.5\nplain,56,0,0.25\nresidual,20,1,0.125\n"


@pytest.fixture
def table(tmp_path, monkeypatch):
    file = tmp_path / "errors.csv"
    file.write_text(TABLE, encoding="utf-8")
    monkeypatch.setattr(data, "asset", {"errors.csv": file}.__getitem__)


@pytest.mark.parametrize(
    ("wanted", "errors"),
    [
        ({}, [0.5, 0.25, 0.125]),
        ({"kind": "plain"}, [0.5, 0.25]),
        ({"depth": 20}, [0.5, 0.125]),
        ({"depth": 20, "kind": "residual"}, [0.125]),
        ({"error": 0.25}, [0.25]),
    ],
)
def test_rows_with_the_values_wanted(table, wanted, errors):
    assert runs.load("errors", **wanted)["error"].tolist() == errors


def test_columns_have_their_kind(table):
    kinds = runs.load("errors").dtype
    assert [kinds[name].kind for name in kinds.names] == ["U", "i", "i", "f"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"deep": 20}, "one of the columns kind, depth, seed, error; got 'deep'"),
        ({"kind": "plane"}, "expected kind to be one of 'plain', 'residual'; got 'plane'"),
        ({"kind": "residual", "depth": 56}, "expected depth to be one of 20; got 56"),
    ],
)
def test_a_slip_is_named(table, wanted, message):
    with pytest.raises(ValueError, match=message):
        runs.load("errors", **wanted)


def test_a_missing_file_is_named():
    with pytest.raises(ValueError, match="expected one of the assets"):
        runs.load("no_such")


# What ships --------------------------------------------------------------------------------------


def test_curves_of_degradation_are_whole():
    """Each network was trained once a seed, for the same number of epochs."""
    epochs = {}
    for row in runs.load("degradation"):
        run = row[["kind", "depth", "seed"]].tolist()
        epochs.setdefault(run, []).append(row["epoch"])
        assert 0 <= row["training_error"] <= 1
    assert {run[:2] for run in epochs} == {(k, d) for k in ("plain", "residual") for d in (20, 56)}
    assert all(found == list(range(1, 26)) for found in epochs.values())


def test_the_lectures_network_was_trained_both_ways():
    """With and without the activation of its first layer, three epochs each."""
    table = runs.load("lecture_network")
    found = table[["first_activation", "seed", "epoch"]].tolist()
    assert sorted(found) == list(product(("linear", "relu"), range(1), (1, 2, 3)))
    for column in ("training_accuracy", "test_accuracy"):
        assert np.all((table[column] > 0.1) & (table[column] < 1))


def test_each_family_was_trained_from_each_seed():
    table = runs.load("families")
    names = ("Inception", "inverted residual", "plain", "residual")
    assert sorted(table[["block", "seed"]].tolist()) == list(product(names, range(4)))
    assert np.all((table["test_accuracy"] > 0.5) & (table["test_accuracy"] < 1))
    for name in names:
        assert len(np.unique(table[table["block"] == name]["parameters"])) == 1


def test_blocks_that_begin_nearly_as_the_identity_were_trained_from_each_seed():
    table = runs.load("zero_scale")
    networks = ("plain", 1.0), ("residual", 0.0), ("residual", 0.1), ("residual", 1.0)
    found = table[["kind", "scale", "seed"]].tolist()
    assert sorted(found) == [(*network, seed) for network, seed in product(networks, range(5))]
    accuracy = table["training_accuracy"]
    assert np.all((accuracy >= 0.05) & (accuracy < 1))


def test_each_student_had_each_lesson_from_each_seed():
    table = runs.load("distillation")
    lessons = "all labels", "few labels", "teacher"
    found = table[["student", "lesson", "seed"]].tolist()
    assert sorted(found) == list(product(("conv", "dense"), lessons, range(5)))
    assert np.all((table["test_accuracy"] > 0.75) & (table["test_accuracy"] < 0.9))


def test_the_runs_of_chapter_6_are_whole():
    """Every setting was run once a seed: five times, or three where the set is large."""
    settings = ["experiment", "task", "images_a_class", "method", "setting"]
    found = {}
    for row in runs.load("transfer"):
        found.setdefault(row[settings].tolist(), []).append(row["seed"])
    assert {experiment for experiment, *_ in found} == {"rates", "matrix", "halves"}
    for (_, _, count, _, _), seeds in found.items():
        assert seeds == list(range(3 if count == 900 else 5))
    accuracy = runs.load("transfer")["accuracy"]
    assert len(accuracy) == (4 * 4 + 1) * 5 + 9 * (2 * 5 + 3) + 5 * (5 + 3)
    assert np.all((accuracy >= 0.1) & (accuracy <= 1))


def test_the_runs_of_chapter_12_are_whole():
    """Every setting was run once a seed: five times, or three where there are 10,000 images."""
    settings = ["network", "images", "pixels", "steps"]
    found = {}
    for row in runs.load("vision_transformer"):
        found.setdefault(tuple(row[settings].tolist()), []).append(row["seed"])
    assert len(found) == 17
    for (_, images, _, steps), seeds in found.items():
        assert sorted(seeds) == list(range(3 if images == 10_000 or steps > 500 else 5))
    for column in ("training_accuracy", "test_accuracy"):
        accuracy = runs.load("vision_transformer")[column]
        assert np.all((accuracy > 0.5) & (accuracy <= 1))


def test_the_runs_of_dino_are_whole():
    """Five seeds of each, to the same step; entropy and spread are those of 128 prototypes."""
    runs_of = {}
    for row in runs.load("self_supervision"):
        runs_of.setdefault((row["method"], row["seed"]), []).append(row)
    without = [f"without {part}" for part in ("centring", "sharpening", "momentum")]
    ends = {"dino": (0, 1000), **dict.fromkeys([*without, "frozen teacher"], (5, 300))}
    ends |= dict.fromkeys(["without moving crops", "with small crops"], (300, 1000))
    assert set(runs_of) == {("pixels", 0), *((m, s) for m in ends for s in range(5))}
    for (method, _), rows in runs_of.items():
        assert (rows[0]["step"], rows[-1]["step"]) == ends.get(method, (0, 0))
        assert 0.1 < rows[-1]["knn_shifted"] <= rows[-1]["knn"] < 1
        trained = [row for row in rows if row["step"]]
        assert all(
            0 <= row["entropy"] <= row["entropy"] + row["spread"] <= 4.853 for row in trained
        )


def test_few_labels_were_drawn_ten_times():
    """Once for all twenty of a class, which are one draw."""
    found = runs.load("few_labels")
    assert len(found) == 3 * (4 * 10 + 1)
    for name in ("dinov2_small", "efficientnet_lite0", "pixels"):
        counts = found[found["features"] == name]["labels_a_class"].tolist()
        assert counts == [1] * 10 + [2] * 10 + [5] * 10 + [10] * 10 + [20]
    assert np.all((found["probe"] > 0.1) & (found["probe"] < 1))
