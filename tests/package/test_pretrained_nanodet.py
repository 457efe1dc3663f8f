"""NanoDet against the graph that its weights come from; its boxes on photos; its recipe."""

import keras
import numpy as np
import pytest
import recipe_modules
from cheaper import untraced, without_weights

from course_utils import data
from course_utils.architectures import depth, multiply_adds
from course_utils.architectures.nanodet import csp_stage, nanodet_g, path_aggregation
from course_utils.pretrained import coco_names, detect_objects, nanodet, nanodet_boxes
from course_utils.pretrained.weights import named_weights

# What TensorFlow.js 4.22 computes with the original graph, decoded and suppressed by another
# program: class, score, box in pixels of the photo. Scores below 0.45 are left out.
REFERENCE = {
    "cow": [
        ("cow", 0.808, (109.7, 141.4, 437.1, 328.2)),
        ("cow", 0.801, (124.4, 84.2, 201.2, 131.6)),
        ("cow", 0.720, (377.6, 86.5, 428.3, 127.9)),
    ],
    "giraffes": [
        ("giraffe", 0.812, (293.1, 53.4, 426.5, 297.8)),
        ("giraffe", 0.796, (213.8, 86.7, 339.3, 297.7)),
    ],
    "folk_band": [
        ("person", 0.561, (162.3, 59.5, 224.9, 130.1)),
        ("person", 0.502, (290.7, 56.9, 356.4, 177.9)),
        ("person", 0.477, (13.3, 55.3, 86.3, 162.3)),
        ("person", 0.473, (405.7, 54.7, 464.0, 138.2)),
    ],
    "cameraman": [("person", 0.883, (3.9, 67.7, 320.9, 512.0))],
    "horses": [
        ("horse", 0.710, (277.2, 109.6, 424.3, 260.9)),
        ("horse", 0.656, (55.8, 97.6, 185.6, 263.9)),
        ("cow", 0.579, (153.0, 106.3, 264.8, 253.9)),
        ("horse", 0.528, (154.7, 105.3, 264.1, 253.2)),
        ("cow", 0.522, (239.2, 149.5, 299.8, 260.6)),
    ],
}


@pytest.fixture(scope="module")
def model():
    return nanodet()


@pytest.fixture(scope="module")
def recipe():
    with recipe_modules.imported("make_nanodet") as module:
        yield module


def matching(found, label, box):
    """The score and the box found that is nearest to one of the same class."""
    mine = found["labels"] == coco_names().index(label)
    distances = np.abs(found["boxes"][mine] - box).max(axis=1)
    return found["scores"][mine][distances.argmin()], found["boxes"][mine][distances.argmin()]


class TestNanodet:
    def test_shapes_and_names(self, model):
        assert model.name == "nanodet"
        assert model.input_shape == (None, 416, 416, 3)
        positions = 52**2 + 26**2 + 13**2
        assert {name: output.shape for name, output in model.output.items()} == {
            "scores": (None, positions, 80),
            "distances": (None, positions, 4, 11),
        }
        assert positions == 3549

    def test_cost(self, model):
        # Its authors: 3.8 million parameters, "4.2 B FLOPs", two for each multiplication.
        assert model.count_params() == 3_786_068
        assert multiply_adds(model) == 2_090_083_840
        assert depth(model) == 28

    @pytest.mark.parametrize("name", REFERENCE)
    def test_boxes_of_the_original(self, model, name):
        found = detect_objects(model, data.photo(name), min_score=0.45)
        assert len(found["boxes"]) == len(REFERENCE[name])
        assert np.all(np.diff(found["scores"]) <= 0)
        for label, score, box in REFERENCE[name]:
            actual, nearest = matching(found, label, box)
            # Weights of 8 bits move a score by up to 0.017, a side by up to 2.3 pixels.
            assert actual == pytest.approx(score, abs=0.02)
            np.testing.assert_allclose(nearest, box, atol=2.5)

    def test_other_sizes(self):
        with untraced():
            small = nanodet(np.int64(96))
            outputs = small(np.zeros((2, 96, 96, 3)))
        assert outputs["scores"].shape == (2, 12**2 + 6**2 + 3**2, 80)
        assert outputs["distances"].shape == (2, 189, 4, 11)

    def test_a_larger_image_shows_smaller_objects(self, model):
        photo = data.photo("orchestra")
        with untraced():
            larger = detect_objects(nanodet(640), photo, min_score=0.5)
            usual = detect_objects(model, photo, min_score=0.5)
        assert len(larger["boxes"]) > len(usual["boxes"])

    @pytest.mark.parametrize("size", [0, 16, 400, 416.0, None, True, "416"])
    def test_refuses_a_size(self, size):
        with pytest.raises(
            ValueError, match=r"image_size must be a multiple of 32 .* got"
        ) as error:
            nanodet(size)
        assert str(error.value).endswith(repr(size))

    def test_the_file_is_small(self):
        assert data.asset("nanodet.npz").stat().st_size < 4_000_000


class TestParts:
    """Which pixels and channels each part mixes, with weights that are easy to follow."""

    @staticmethod
    def run(build, shape, values):
        x = keras.Input(shape)
        model = keras.Model(x, build(x))
        for weight in model.weights:
            weight.assign(np.full(weight.shape, values[weight.path.split("/")[-1]]))
        return model

    def test_a_stage_halves_the_map_and_puts_its_shortcut_last(self):
        model = self.run(
            lambda x: csp_stage(x, 4, 1, 2, "s_"), (6, 10, 4), {"kernel": 0.5, "bias": 1}
        )
        x = np.zeros((1, 6, 10, 4), np.float32)
        y = np.asarray(model(x))
        assert y.shape == (1, 3, 5, 8)
        np.testing.assert_array_equal(y[..., 4:], 1)  # the bias of the first convolution alone
        assert y[..., :4].min() > 1

    def test_the_first_convolution_of_a_stage_is_padded_evenly(self):
        model = self.run(
            lambda x: csp_stage(x, 4, 1, 2, "s_"), (6, 10, 4), {"kernel": 1, "bias": 0}
        )
        x = np.zeros((1, 6, 10, 4), np.float32)
        x[0, 2, 4] = 1  # seen by the window around it alone: strides of 2 from (0, 0) on
        assert np.argwhere(np.asarray(model(x))[0, ..., 7]).tolist() == [[1, 2]]

    def test_paths_add_up(self):
        maps = [keras.Input((side, side, 1)) for side in (16, 8, 4)]
        model = keras.Model(maps, path_aggregation(maps))
        constant = [
            np.full((1, 4 * n, 4 * n, 1), v, np.float32) for n, v in ((4, 1), (2, 10), (1, 100))
        ]
        fine, middle, coarse = (np.asarray(y) for y in model(constant))
        np.testing.assert_array_equal(fine, 1 + (10 + 100))
        np.testing.assert_array_equal(middle, (10 + 100) + 111)
        np.testing.assert_array_equal(coarse, 100 + 221)


class TestNanodetBoxes:
    def test_by_hand(self):
        # 32 pixels: 16 + 4 + 1 positions.
        distances = np.full((2, 21, 4, 11), -50.0)
        for side, bins in enumerate([[0], [1], [2, 3], [10]]):
            distances[0, 6, side, bins] = 50
        distances[1, 20, :, 0] = 50
        boxes = nanodet_boxes(distances, 32)
        assert boxes.shape == (2, 21, 4)
        assert boxes.dtype == np.float32
        # The seventh of the fine grid lies in its second row and third column, at (20, 12).
        np.testing.assert_allclose(boxes[0, 6], [20, 12 - 8, 20 + 2.5 * 8, 12 + 80], rtol=1e-6)
        np.testing.assert_allclose(boxes[1, 20], [16, 16, 16, 16])  # the middle of the coarse one
        np.testing.assert_allclose(boxes[1, 17], [24 - 80, 8 - 80, 24 + 80, 8 + 80])  # all alike

    def test_huge_logits(self):
        assert np.isfinite(nanodet_boxes(np.full((21, 4, 11), 1e4), 32)).all()

    @pytest.mark.parametrize("shape", [(3549, 44), (3549, 4, 10), (21, 4, 11), (11,)])
    def test_refuses_a_shape(self, shape):
        with pytest.raises(ValueError, match=r"must have shape \(\.\.\., 3549, 4, 11\)") as error:
            nanodet_boxes(np.zeros(shape))
        assert str(error.value).endswith(str(shape))

    def test_refuses_a_size(self):
        with pytest.raises(ValueError, match=r"image_size must be a multiple of 32 .* got 400"):
            nanodet_boxes(np.zeros((3281, 4, 11)), 400)


class TestDetectObjects:
    def test_types(self, model):
        with untraced():
            found = detect_objects(model, data.photo("cow").astype(np.float64))
        assert {name: (array.shape, array.dtype) for name, array in found.items()} == {
            "boxes": ((3, 4), np.float32),
            "labels": ((3,), np.int32),
            "scores": ((3,), np.float32),
        }

    def test_nothing_above_the_score(self, model):
        with untraced():
            found = detect_objects(model, data.photo("cow"), min_score=1)
        assert [len(array) for array in found.values()] == [0, 0, 0]
        assert found["boxes"].shape == (0, 4)

    def test_boxes_stay_in_the_photo_and_have_an_area(self, model):
        photo = data.photo("folk_band")
        with untraced():
            boxes = detect_objects(model, photo, min_score=0.05, max_boxes=70)["boxes"]
        assert len(boxes) == 70
        assert np.all(boxes[:, :2] < boxes[:, 2:])
        assert np.all((boxes >= 0) & (boxes <= np.tile(photo.shape[1::-1], 2)))

    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            ("min_score", 1.5, "min_score must be from 0 to 1, got 1.5"),
            ("min_score", "0.4", "got '0.4'"),
            ("iou_threshold", np.nan, "iou_threshold must be from 0 to 1, got nan"),
            ("max_boxes", -1, "max_boxes must be a whole number >= 0, got -1"),
        ],
    )
    def test_refuses_an_option(self, model, option, value, message):
        with untraced(), pytest.raises(ValueError, match=message):
            detect_objects(model, data.photo("cow"), **{option: value})

    def test_refuses_pixels_of_another_range(self, model):
        with pytest.raises(ValueError, match="divide 8 bits by 255"):
            detect_objects(model, np.zeros((9, 9, 3), np.uint8))


def test_names_of_coco():
    names = coco_names()
    assert len(set(names)) == len(names) == 80
    known = {0: "person", 2: "car", 9: "traffic light", 15: "cat", 19: "cow", 56: "chair"}
    known |= {64: "mouse", 79: "toothbrush"}
    assert {index: names[index] for index in known} == known


class TestRecipe:
    def test_arrays_of_tensorflow_js(self, recipe):
        half = {"dtype": "float16", "original_dtype": "float32"}
        manifest = [
            {"weights": [{"name": "a", "shape": [2, 1], "dtype": "int32"}]},
            {"weights": [{"name": "b", "shape": [], "dtype": "float32", "quantization": half}]},
        ]
        content = np.array([7, -1], "<i4").tobytes() + np.array(0.5, "<f2").tobytes()
        arrays = recipe.read_arrays(manifest, content)
        assert {name: array.tolist() for name, array in arrays.items()} == {
            "a": [[7], [-1]],
            "b": 0.5,
        }
        with pytest.raises(ValueError, match="expected at least 10 bytes, got 9"):
            recipe.read_arrays(manifest, content[:-1])
        with pytest.raises(ValueError, match="expected 10 bytes, got 11"):
            recipe.read_arrays(manifest, content + b"x")

    def test_convolutions_go_by_number(self, recipe):
        nodes = [
            {"name": f"convolution{end}", "op": "Conv2D", "input": ["x", f"kernel{end}"]}
            for end in ("_10", "", "_2")
        ]
        nodes += [
            {"name": f"sum{end}", "op": "Add", "input": [f"convolution{end}", f"bias{end}"]}
            for end in ("", "_2", "_10")
        ]
        arrays = {
            f"{kind}{end}": kind + end for kind in ("kernel", "bias") for end in ("", "_2", "_10")
        }
        assert recipe.read_convolutions(nodes, arrays) == [
            ("kernel", "bias"),
            ("kernel_2", "bias_2"),
            ("kernel_10", "bias_10"),
        ]

    def test_layers_are_those_of_the_model(self, recipe):
        model = without_weights(nanodet_g)
        names = {name.removesuffix("_both") for name in recipe.layer_names()}
        layers = {name.split("/")[0] for name in named_weights(model)} - {"normalization"}
        assert {name for name in layers if not name.startswith("head")} == {
            f"{name}_conv" for name in names if not name.startswith("head")
        }
        assert len(recipe.layer_names()) == 34

    def test_colours_change_places_and_heads_are_split(self, recipe, monkeypatch):
        monkeypatch.setattr(recipe, "layer_names", lambda: ["stem", "head4_both"])
        stem, both = np.arange(6).reshape(1, 1, 3, 2), np.arange(3 * 124).reshape(1, 1, 3, 124)
        arrays = recipe.to_keras([(stem, np.array([7, 8])), (both, np.arange(124))])
        assert arrays["stem_conv/kernel"].tolist() == [[[[4, 5], [2, 3], [0, 1]]]]
        assert arrays["stem_conv/bias"].tolist() == [7, 8]
        assert arrays["head4_scores_conv/kernel"].shape == (1, 1, 3, 80)
        assert arrays["head4_scores_conv/bias"].tolist() == list(range(80))
        assert arrays["head4_distances_conv/kernel"][0, 0, 1].tolist() == list(range(204, 248))
        assert arrays["head4_distances_conv/bias"].tolist() == list(range(80, 124))
        assert {array.dtype for array in arrays.values()} == {np.dtype("float16")}

    def test_large_kernels_before_the_heads_get_8_bits(self, recipe, monkeypatch):
        monkeypatch.setattr(recipe, "layer_names", lambda: ["stage2_in", "head3"])
        monkeypatch.setattr(recipe, "LARGE", 3)
        kernel = np.array([[[[1, 0.02], [-0.5, 0.0101]]]])  # two output channels
        arrays = recipe.to_keras([(kernel, np.zeros(2))] * 2)
        assert arrays["stage2_in_conv/kernel"].dtype == np.int8
        assert arrays["stage2_in_conv/kernel"].tolist() == [[[[127, 127], [-64, 64]]]]
        scale = arrays["stage2_in_conv/kernel:scale"]
        np.testing.assert_allclose(scale, [[[[1 / 127, 0.02 / 127]]]], rtol=1e-3)
        assert arrays["head3_conv/kernel"].dtype == np.float16

    def test_names(self, recipe):
        source = 'x = 1\n_COCO_CATEGORIES = ["__background__", "person", "N/A", "car"]\n'
        assert recipe.read_names(source) == ["person", "car"]
        with pytest.raises(ValueError, match="expected an assignment to _COCO_CATEGORIES"):
            recipe.read_names("x = []")
