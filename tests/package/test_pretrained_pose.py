"""MoveNet against the graph that its weights come from; its recipe."""

import keras
import numpy as np
import pytest
import recipe_modules
from cheaper import untraced, without_weights

from course_utils import data
from course_utils.architectures import multiply_adds
from course_utils.architectures.movenet import movenet as untrained
from course_utils.architectures.movenet import pyramid_step
from course_utils.pretrained import (
    BODY_KEYPOINTS,
    BODY_LIMBS,
    find_pose,
    movenet,
    movenet_decode,
)
from course_utils.pretrained.weights import named_weights

# What TensorFlow.js 4.22 computes with the original graph: x, y in pixels of the photo, score.
# The third photo is cut to the box of a musician.
REFERENCE = {
    ("cameraman", None): {
        "nose": (250.2, 163.3, 0.64),
        "right eye": (238.2, 146.0, 0.74),
        "left shoulder": (213.7, 203.5, 0.52),
        "right shoulder": (89.0, 173.5, 0.73),
        "left elbow": (251.9, 292.6, 0.60),
        "left wrist": (277.4, 240.8, 0.43),
        "left hip": (114.1, 370.2, 0.49),
    },
    ("astronaut", None): {
        "nose": (221.9, 121.2, 0.58),
        "left eye": (246.4, 101.1, 0.72),
        "right eye": (203.9, 98.8, 0.73),
        "left ear": (275.9, 114.9, 0.48),
        "right ear": (175.8, 111.1, 0.74),
        "left shoulder": (317.9, 271.6, 0.60),
        "right shoulder": (109.1, 256.3, 0.63),
    },
    ("folk_band", (280, 38, 365, 196)): {
        "right ear": (313.8, 73.0, 0.77),
        "left shoulder": (342.6, 83.3, 0.75),
        "right shoulder": (305.4, 87.8, 0.81),
        "left elbow": (352.9, 109.0, 0.66),
        "right elbow": (293.3, 111.5, 0.86),
        "right wrist": (308.4, 114.5, 0.85),
        "left hip": (335.3, 123.5, 0.78),
        "right knee": (308.9, 133.1, 0.69),
        "left ankle": (348.9, 170.5, 0.60),
    },
}


@pytest.fixture(scope="module")
def model():
    return movenet()


@pytest.fixture(scope="module")
def recipe():
    with recipe_modules.imported("make_movenet") as module:
        yield module


class TestMovenet:
    def test_shapes_names_and_cost(self, model):
        assert model.name == "movenet"
        assert model.input_shape == (None, 192, 192, 3)
        assert {name: output.shape for name, output in model.output.items()} == {
            "centers": (None, 48, 48, 1),
            "heatmaps": (None, 48, 48, 17),
            "regression": (None, 48, 48, 34),
            "offsets": (None, 48, 48, 34),
        }
        assert model.count_params() == 2_317_974
        assert multiply_adds(model) == 270_549_504
        assert data.asset("movenet.npz").stat().st_size < 3_000_000

    def test_backbone_of_mobilenet_v2(self, model):
        with untraced():
            reference = without_weights(
                keras.applications.MobileNetV2, input_shape=(192, 192, 3), weights=None
            )
        # Folded, two of the four numbers of a normalised channel are left: kernel aside, the bias.
        channels = sum(
            layer.gamma.shape[0] for layer in reference.layers if hasattr(layer, "gamma")
        )
        own = sum(
            layer.count_params()
            for layer in model.layers
            if layer.name.startswith(("stem", "block", "top"))
        )
        kernels = sum(
            int(np.prod(layer.kernel.shape))
            for layer in reference.layers
            if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
        )
        assert own == kernels + channels

    def test_a_step_of_the_pyramid_adds_the_finer_map(self):
        maps = keras.Input((2, 3, 5)), keras.Input((4, 6, 5))
        step = keras.Model(maps, pyramid_step(*maps, 7, "p_"))
        for name, weight in named_weights(step).items():
            weight.assign(np.full(weight.shape, 0 if name.endswith("bias") else 1))
        y = np.asarray(step([np.full((1, 2, 3, 5), 2), np.full((1, 4, 6, 5), 3)]))
        assert y.shape == (1, 4, 6, 7)
        # Each of 5 channels: 2 + 5 * 3 from the two maps, times the pixels of a window of 3 x 3.
        assert y[0, 1, 1].tolist() == [9 * 5 * (2 + 15)] * 7
        assert y[0, 0, 0].tolist() == [4 * 5 * (2 + 15)] * 7


class TestDecode:
    @staticmethod
    def maps():
        channels = {"centers": 1, "heatmaps": 17, "regression": 34, "offsets": 34}
        return {name: np.zeros((48, 48, count), np.float32) for name, count in channels.items()}

    def test_by_hand(self):
        maps = self.maps()
        maps["centers"][20, 30] = 0.5  # (y, x)
        maps["centers"][0, 0] = 0.9  # another body, which is further from the middle
        maps["regression"][20, 30, 2 * 3 : 2 * 3 + 2] = -8, 5  # the keypoint 3 at about (12, 35)
        maps["heatmaps"][13, 36, 3] = 0.5
        maps["heatmaps"][40, 3, 3] = 0.9  # that of the other body
        maps["offsets"][13, 36, 2 * 3 : 2 * 3 + 2] = 0.25, 0.75
        keypoints, scores = movenet_decode(maps)
        assert keypoints.shape == (17, 2)
        assert scores.shape == (17,)
        assert keypoints.dtype == scores.dtype == np.float32
        assert keypoints[3].tolist() == [4 * 36.75, 4 * 13.25]
        assert scores[3] == 0.5
        # Where a heatmap is empty, any place is as good; the first is taken.
        assert keypoints[4].tolist() == [0, 0]
        assert scores[4] == 0

    def test_names(self):
        assert len(set(BODY_KEYPOINTS)) == 17
        assert BODY_KEYPOINTS[10] == "right wrist"
        assert all(0 <= start < end < 17 for start, end in BODY_LIMBS)
        assert {index for limb in BODY_LIMBS for index in limb} == set(range(17))

    @pytest.mark.parametrize("name", ["centers", "heatmaps", "regression", "offsets"])
    def test_refuses_maps(self, name):
        maps = self.maps()
        batch = maps | {name: maps[name][np.newaxis]}
        with pytest.raises(
            ValueError, match=rf"{name} must have shape \(48, 48, \d+\), got \(1, 48"
        ):
            movenet_decode(batch)
        del maps[name]
        with pytest.raises(ValueError, match=rf"{name} must .* got \(0,\)"):
            movenet_decode(maps)


class TestFindPose:
    @pytest.mark.parametrize(("name", "box"), REFERENCE)
    def test_keypoints_of_the_original(self, model, name, box):
        pose = find_pose(model, data.photo(name), box)
        assert pose["keypoints"].dtype == pose["scores"].dtype == np.float32
        for keypoint, (x, y, score) in REFERENCE[name, box].items():
            index = BODY_KEYPOINTS.index(keypoint)
            np.testing.assert_allclose(pose["keypoints"][index], (x, y), atol=3)
            # A peak between two positions may be at the other one, where its value is another.
            assert pose["scores"][index] == pytest.approx(score, abs=0.1)

    def test_a_box_is_rounded_outwards_and_clipped(self, model):
        photo = data.photo("astronaut")
        with untraced():
            whole = find_pose(model, photo)
            clipped = find_pose(model, photo, np.array([-5, -0.5, 511.5, 600]))
            part = find_pose(model, photo, (100.9, 0, 399.1, 300))
            same = find_pose(model, photo[:, 100:400], (0, 0, 300, 300))
        np.testing.assert_array_equal(whole["keypoints"], clipped["keypoints"])
        np.testing.assert_allclose(part["keypoints"], same["keypoints"] + [100, 0], atol=1e-3)

    @pytest.mark.parametrize(
        ("box", "message"),
        [
            ((600, 0, 700, 50), r"must hold a part of an image 512 x 512, got \(600, 0, 700, 50\)"),
            ((-9, -9, 0, 0), r"must hold a part of an image 512 x 512, got \(-9, -9, 0, 0\)"),
            ((0, 30, 50, 20), r"expected box x1, y1, x2, y2 with x1 < x2 and y1 < y2, got \[0"),
            ((0, 0, np.nan, 9), "expected box of finite numbers, got"),
            ((0, 0, 9), r"expected box of shape \(N, 4\), got \(1, 3\)"),
        ],
    )
    def test_refuses_a_box(self, model, box, message):
        with pytest.raises(ValueError, match=message):
            find_pose(model, data.photo("astronaut"), box)

    def test_refuses_an_image(self, model):
        with pytest.raises(ValueError, match="got nan to nan"):
            find_pose(model, np.full((4, 4, 3), np.nan))


class TestRecipe:
    def test_layers_are_those_of_the_model(self, recipe):
        layers = {name.split("/")[0] for name in named_weights(without_weights(untrained))}
        names = recipe.layer_names().values()
        assert set(names) == layers
        assert len(names) == len(layers)

    def test_weights_find_their_layers(self, recipe, monkeypatch):
        monkeypatch.setattr(recipe, "LARGE", 6)
        path = "StatefulPartitionedCall/"
        nodes = [
            ("_FusedConv2D", f"{path}model_1/model/Conv1/Conv2D_weights", "a"),
            ("FusedDepthwiseConv2dNative", f"{path}x/block_3_depthwise/depthwise_weights", "b"),
            (
                "DepthwiseConv2dNative",
                f"{path}c_0/separable_conv2d_4/separable_conv2d/ReadVariableOp",
            ),
            (
                "_FusedConv2D",
                f"{path}c_0/separable_conv2d_4/separable_conv2d/ReadVariableOp_1",
                "c",
            ),
            ("_FusedConv2D", f"{path}m/separable_conv2d/separable_conv2d_weights", "d"),
            ("_FusedConv2D", f"{path}kpt_offset_0/conv2d_7/Conv2D/ReadVariableOp", "e"),
            ("AddV2", "something", "else"),
        ]
        arrays = {
            name: np.full(5, i, np.float16) for i, (_, *names) in enumerate(nodes) for name in names
        }
        arrays[nodes[0][1]] = np.full((1, 7), 3, np.float16)
        nodes = [{"op": op, "input": ["x", *names]} for op, *names in nodes]
        found = recipe.to_keras(nodes, arrays)
        assert list(found) == [
            "stem_conv/kernel",
            "stem_conv/kernel:scale",
            "stem_conv/bias",
            "block3_dwconv/kernel",
            "block3_dwconv/bias",
            "heatmaps_sepconv/depthwise_kernel",
            "heatmaps_sepconv/pointwise_kernel",
            "heatmaps_sepconv/bias",
            "pyramid16_sepconv/pointwise_kernel",
            "pyramid16_sepconv/bias",
            "offsets_conv/kernel",
            "offsets_conv/bias",
        ]
        assert found["stem_conv/kernel"].tolist() == [[127] * 7]
        assert found["offsets_conv/bias"].tolist() == [5] * 5

    def test_refuses_another_graph(self, recipe):
        node = {"op": "_FusedConv2D", "input": ["x", "model/block_99_expand/Conv2D_weights", "b"]}
        with pytest.raises(ValueError, match="got one with the kernel model/block_99_expand"):
            recipe.to_keras([node], {})
