"""BlazeFace and the segmentation of people against the originals in MediaPipe; their recipe."""

import keras
import numpy as np
import pytest
import recipe_modules
from cheaper import untraced, without_weights

from course_utils import data, pretrained
from course_utils.architectures import multiply_adds
from course_utils.architectures.blazeface import blaze_block
from course_utils.architectures.blazeface import blazeface as untrained_blazeface
from course_utils.architectures.mobilenet import channel_weights, inverted_residual
from course_utils.architectures.selfie import decoder_block
from course_utils.architectures.selfie import selfie_segmentation as untrained_selfie
from course_utils.pretrained.weights import named_weights

# What TensorFlow Lite computes with the original file of BlazeFace for letterboxed photos: the
# anchors with the highest scores, the scores, and the 16 numbers of the first.
FACES = {
    "astronaut": (
        (141, 143, 109, 111),
        (0.9215, 0.9108, 0.8903, 0.8895),
        (4.627, -3.667, 23.636, 23.636, -1.068, -10.256, 10.279, -8.603)
        + (3.723, -4.442, 3.083, 0.748, -7.642, -8.123, 16.203, -4.727),
    ),
    "mariachi": (
        (283, 285, 284, 282),
        (0.7357, 0.7258, 0.6871, 0.6669),
        (3.835, -2.088, 19.869, 19.869, -2.900, -3.641, 1.261, -6.343)
        + (-1.751, 0.023, 1.750, 3.092, 0.484, -3.329, 11.399, -8.962),
    ),
    "cat": (
        (670, 671, 677, 676),
        (0.5809, 0.5387, 0.5332, 0.5298),
        (1.203, 8.075, 76.313, 76.299, -7.859, -11.328, 18.664, 2.114)
        + (-7.904, 8.105, -14.713, 22.878, -18.442, -11.570, 34.692, 19.887),
    ),
}

# Masks of MediaPipe 0.10.14 for photos of 256 x 256 pixels: their means, and every 32nd pixel of
# the rows 80 and 176, from 16 on.
MASKS = {
    "astronaut": (0.5408, [0, 0, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0.724, 1, 1, 0]),
    "cameraman": (0.3214, [0, 1, 1, 1, 0.445, 0, 0, 0], [0.830, 1, 1, 0, 0, 0, 0, 0]),
    "folk_band": (0.0225, [0] * 8, [0] * 8),
}


@pytest.fixture(scope="module")
def faces():
    return pretrained.blazeface()


@pytest.fixture(scope="module")
def selfie():
    return pretrained.selfie_segmentation()


@pytest.fixture(scope="module")
def recipe():
    with recipe_modules.imported("make_mediapipe") as module:
        yield module


def filled(build, shape, value):
    """A model of one block whose kernels are all `value` and whose biases are zero."""
    x = keras.Input(shape)
    model = keras.Model(x, build(x))
    for weight in model.weights:
        weight.assign(np.full(weight.shape, value if weight.path.endswith("kernel") else 0))
    return model


class TestBlazeface:
    def test_shapes_names_and_cost(self, faces):
        assert faces.name == "blazeface"
        assert faces.input_shape == (None, 128, 128, 3)
        assert {name: output.shape for name, output in faces.output.items()} == {
            "scores": (None, 896),
            "offsets": (None, 896, 16),
        }
        assert faces.count_params() == 101_390
        assert multiply_adds(faces) == 30_760_960
        assert data.asset("blazeface.npz").stat().st_size < 250_000

    @pytest.mark.parametrize("name", FACES)
    def test_outputs_of_the_original(self, faces, name):
        anchors, scores, offsets = FACES[name]
        square = pretrained.letterbox(data.photo(name), 128)[np.newaxis]
        with untraced():
            outputs = {part: np.asarray(output)[0] for part, output in faces(square).items()}
        assert np.argsort(-outputs["scores"])[:4].tolist() == list(anchors)
        np.testing.assert_allclose(outputs["scores"][list(anchors)], scores, atol=2e-3)
        np.testing.assert_allclose(outputs["offsets"][anchors[0]], offsets, atol=0.05)

    def test_a_block_pools_and_widens_its_shortcut(self):
        block = filled(lambda x: blaze_block(x, 5, 2, "b_"), (4, 6, 3), 0)
        x = np.arange(72, dtype=np.float32).reshape(1, 4, 6, 3)
        y = np.asarray(block(x))
        assert y.shape == (1, 2, 3, 5)
        np.testing.assert_array_equal(y[0, 1, 2, :3], x[0, 3, 5])  # the largest of the last four
        assert not y[..., 3:].any()

    def test_a_block_adds_its_shortcut(self):
        block = filled(lambda x: blaze_block(x, 3, 1, "b_"), (4, 6, 3), 1)
        # Nine pixels of three channels, and the pixel itself.
        np.testing.assert_array_equal(np.asarray(block(np.ones((1, 4, 6, 3))))[0, 1, 1], 28)


class TestDecoding:
    def test_anchors(self):
        anchors = pretrained.blazeface_anchors()
        assert anchors.shape == (16 * 16 * 2 + 8 * 8 * 6, 2) == (896, 2)
        assert anchors[[0, 1, 2, 32, 511]].tolist() == [
            [4, 4],
            [4, 4],
            [12, 4],
            [4, 12],
            [124, 124],
        ]
        assert anchors[[512, 517, 518, 895]].tolist() == [[8, 8], [8, 8], [24, 8], [120, 120]]

    def test_by_hand(self):
        offsets = np.zeros((2, 896, 16))
        offsets[1, 2] = [1, 2, 10, 20, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -20, -30]
        boxes, keypoints = pretrained.blazeface_decode(offsets)
        assert boxes.shape == (2, 896, 4)
        assert keypoints.shape == (2, 896, 6, 2)
        assert boxes.dtype == keypoints.dtype == np.float32
        assert boxes[1, 2].tolist() == [13 - 5, 6 - 10, 13 + 5, 6 + 10]
        assert keypoints[1, 2].tolist() == [
            [12, 5],
            [14, 7],
            [16, 9],
            [18, 11],
            [20, 13],
            [-8, -26],
        ]
        assert boxes[0, 2].tolist() == [12, 4, 12, 4]

    @pytest.mark.parametrize("shape", [(896, 4), (895, 16), (16,), (1, 16, 896)])
    def test_refuses_a_shape(self, shape):
        with pytest.raises(ValueError, match=r"must have shape \(\.\.\., 896, 16\), got") as error:
            pretrained.blazeface_decode(np.zeros(shape))
        assert str(error.value).endswith(str(shape))


class TestDetectFaces:
    def test_the_astronaut(self, faces):
        found = pretrained.detect_faces(faces, data.photo("astronaut"))
        assert {name: (array.shape, array.dtype) for name, array in found.items()} == {
            "boxes": ((1, 4), np.float32),
            "labels": ((1,), np.int32),
            "scores": ((1,), np.float32),
            "keypoints": ((1, 6, 2), np.float32),
        }
        assert found["labels"] == 0
        # MediaPipe averages overlapping boxes: (177.2, 82.7, 273.1, 178.6) there.
        np.testing.assert_allclose(found["boxes"][0], (177.2, 82.7, 273.1, 178.6), atol=8)
        right_eye, left_eye, nose, mouth, *_ = found["keypoints"][0]
        assert right_eye[0] < nose[0] < left_eye[0]  # her right eye is on our left
        assert right_eye[1] < nose[1] < mouth[1]
        assert len(pretrained.FACE_KEYPOINTS) == 6

    def test_a_wide_photo_is_letterboxed(self, faces):
        photo = data.photo("astronaut")[:224, 100:400]
        wide = np.zeros((224, 600, 3), np.float32)
        wide[:, 250:550] = photo
        with untraced():
            box = pretrained.detect_faces(faces, wide)["boxes"]
        expected = np.array([177.2, 82.7, 273.1, 178.6]) + np.array([150, 0, 150, 0])
        np.testing.assert_allclose(box, [expected], atol=12)

    def test_false_alarms_score_less(self, faces):
        with untraced():
            scores = pretrained.detect_faces(faces, data.photo("giant_panda"))["scores"]
        assert len(scores) > 0
        assert scores.max() < 0.75

    def test_no_face(self, faces):
        with untraced():
            found = pretrained.detect_faces(faces, data.photo("temple"))
        assert found["boxes"].shape == (0, 4)
        assert found["keypoints"].shape == (0, 6, 2)

    @pytest.mark.parametrize(
        ("option", "value"), [("min_score", -0.1), ("iou_threshold", 2), ("max_boxes", 1.5)]
    )
    def test_refuses_an_option(self, faces, option, value):
        with untraced(), pytest.raises(ValueError, match=rf"{option} must be .*, got {value}"):
            pretrained.detect_faces(faces, data.photo("astronaut"), **{option: value})

    def test_refuses_an_image(self, faces):
        with pytest.raises(ValueError, match=r"must have shape \(height, width, 3\)"):
            pretrained.detect_faces(faces, np.zeros((9, 9)))


class TestSelfieSegmentation:
    def test_shapes_names_and_cost(self, selfie):
        assert selfie.name == "selfie_segmentation"
        assert selfie.input_shape == (None, 256, 256, 3)
        assert selfie.output_shape == (None, 256, 256, 1)
        assert selfie.count_params() == 106_401
        assert multiply_adds(selfie) == 59_215_744
        assert data.asset("selfie_segmentation.npz").stat().st_size < 250_000

    @pytest.mark.parametrize("name", MASKS)
    def test_masks_of_the_original(self, selfie, name):
        mean, upper, lower = MASKS[name]
        square = keras.ops.image.resize(data.photo(name), (256, 256), antialias=True)
        with untraced():
            mask = np.asarray(selfie(square[np.newaxis]))[0, ..., 0]
        assert mask.mean() == pytest.approx(mean, abs=2e-3)
        np.testing.assert_allclose(mask[80, 16::32], upper, atol=0.03)
        np.testing.assert_allclose(mask[176, 16::32], lower, atol=0.03)

    def test_a_mask_has_the_size_of_its_photo(self, selfie):
        photo = data.photo("astronaut")[100:400, :480]
        mask = pretrained.person_mask(selfie, photo)
        assert mask.shape == (300, 480)
        assert mask.dtype == np.float32
        assert 0 <= mask.min() < 0.01
        assert 0.99 < mask.max() <= 1
        assert mask[:60, 380:].max() < 0.5 < mask[200:, 150:250].min()  # the wall, her suit

    def test_refuses_an_image(self, selfie):
        with pytest.raises(ValueError, match="got nan to nan"):
            pretrained.person_mask(selfie, np.full((4, 4, 3), np.nan))

    def test_weights_of_channels(self):
        block = filled(lambda x: channel_weights(x, 2, "c_"), (4, 6, 3), 0.5)
        x = np.zeros((1, 4, 6, 3), np.float32)
        x[0, :2] = 2  # the average of each channel is 1
        expected = 1 / (1 + np.exp(-0.5 * (1.5 + 1.5)))
        np.testing.assert_allclose(np.asarray(block(x)), np.full((1, 1, 1, 3), expected), rtol=1e-6)

    @pytest.mark.parametrize(("strides", "filters", "expected"), [(1, 3, 1), (2, 3, 0), (1, 5, 0)])
    def test_a_residual_block_adds_its_input_where_it_fits(self, strides, filters, expected):
        options = {"strides": strides, "excite": True}
        block = filled(lambda x: inverted_residual(x, filters, 4, "b_", **options), (4, 6, 3), 0)
        y = block(np.ones((1, 4, 6, 3)))
        assert y.shape == (1, 4 // strides, 6 // strides, filters)
        np.testing.assert_array_equal(y, expected)

    def test_a_residual_block_need_not_widen(self):
        block = filled(lambda x: inverted_residual(x, 5, None, "b_"), (4, 6, 3), 1)
        # Each channel: a window of nine ones, cut off at 6; then the sum of three channels.
        np.testing.assert_array_equal(block(np.ones((1, 4, 6, 3)))[0, 1, 1], [18] * 5)

    def test_a_decoder_block_doubles_the_size_and_weighs_the_other_map(self):
        maps = keras.Input((2, 3, 5)), keras.Input((4, 6, 2))
        model = keras.Model(maps, decoder_block(*maps, 2, "d_"))
        for name, weight in named_weights(model).items():
            value = 1 if "mix" in name and name.endswith("kernel") else 0
            weight.assign(np.full(weight.shape, value))
        y = model([np.ones((1, 2, 3, 5)), np.full((1, 4, 6, 2), 3)])
        np.testing.assert_array_equal(y, np.full((1, 4, 6, 2), 3))  # sigmoid(0) (3 + 3) + 0


class TestRecipe:
    def test_layers_are_those_of_the_models(self, recipe):
        for name, build in (
            ("blazeface", untrained_blazeface),
            ("selfie_segmentation", untrained_selfie),
        ):
            layers = {weight.split("/")[0] for weight in named_weights(without_weights(build))}
            assert set(recipe.LAYERS[name]()) == layers
            assert len(recipe.LAYERS[name]()) == len(layers)

    @staticmethod
    def file(recipe, operations):
        """A file of TensorFlow Lite with operations (code, custom code, kernel, bias)."""
        import flatbuffers

        s = recipe.schema
        model, graph = s.ModelT(), s.SubGraphT()
        model.version, model.subgraphs, model.operatorCodes = 3, [graph], []
        model.buffers, graph.tensors, graph.operators = [s.BufferT()], [], []

        def add_tensor(array=None):
            tensor = s.TensorT()
            if array is not None:
                buffer = s.BufferT()
                buffer.data = np.frombuffer(array.tobytes(), np.uint8)
                model.buffers.append(buffer)
                tensor.buffer, tensor.shape = len(model.buffers) - 1, list(array.shape)
            graph.tensors.append(tensor)
            return len(graph.tensors) - 1

        def add_operator(code, custom, inputs):
            kind, operator = s.OperatorCodeT(), s.OperatorT()
            kind.builtinCode, kind.customCode = code, custom
            model.operatorCodes.append(kind)
            operator.opcodeIndex = len(model.operatorCodes) - 1
            operator.inputs, operator.outputs = inputs, [add_tensor()]
            graph.operators.append(operator)
            return operator.outputs[0]

        for code, custom, *arrays in operations:
            dequantize = s.BuiltinOperator.DEQUANTIZE
            inputs = [add_operator(dequantize, None, [add_tensor(array)]) for array in arrays]
            add_operator(code, custom, [add_tensor(), *inputs])
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def test_kernels_are_turned_to_the_layout_of_keras(self, recipe):
        kinds = recipe.OPERATORS
        arrays = [
            np.arange(np.prod(shape), dtype="<f2").reshape(shape)
            for shape in ((5, 2, 3, 4), (5,), (1, 2, 3, 4), (4,), (5, 2, 3, 4), (5,))
        ]
        content = self.file(
            recipe,
            [
                (kinds.CONV_2D, None, *arrays[:2]),
                (kinds.RELU, None),
                (kinds.DEPTHWISE_CONV_2D, None, *arrays[2:4]),
                (kinds.CUSTOM, "Convolution2DTransposeBias", *arrays[4:]),
            ],
        )
        (conv, bias), (depthwise, _), (transposed, _) = recipe.read_convolutions(content)
        assert conv.shape == (2, 3, 4, 5)
        assert conv[1, 2, 3, 4] == arrays[0][4, 1, 2, 3]
        assert bias.tolist() == [0, 1, 2, 3, 4]
        assert depthwise.shape == (2, 3, 4, 1)
        assert depthwise[1, 0, 2, 0] == arrays[2][0, 1, 0, 2]
        assert transposed.shape == (2, 3, 5, 4)
        assert transposed[1, 2, 4, 3] == arrays[4][4, 1, 2, 3]

    def test_refuses_an_operation_that_it_does_not_know(self, recipe):
        content = self.file(recipe, [(recipe.OPERATORS.CUSTOM, "Other")])
        with pytest.raises(
            ValueError, match=r"expected b'Convolution2DTransposeBias' .* got b'Other'"
        ):
            recipe.read_convolutions(content)
