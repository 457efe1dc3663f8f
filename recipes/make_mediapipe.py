"""Makes course_utils/assets/blazeface.npz and selfie_segmentation.npz.

Source: the wheel of mediapipe (PyPI), whose networks are files of TensorFlow Lite. They are not
run: TensorFlow's description of the format reads their operations and constants.
"""

import argparse
import hashlib
import zipfile
from pathlib import Path

import numpy as np
from make_fashion_mnist import write_npz
from tensorflow.lite.python import schema_py_generated as schema

from course_utils.architectures.blazeface import BLAZEFACE_BLOCKS, BLAZEFACE_GRIDS
from course_utils.architectures.selfie import SELFIE_BLOCKS

ASSETS = Path(__file__).parents[1] / "course_utils" / "assets"
FILES = {
    "blazeface": "mediapipe/modules/face_detection/face_detection_short_range.tflite",
    "selfie_segmentation": "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
}
OPERATORS = schema.BuiltinOperator
TRANSPOSED = b"Convolution2DTransposeBias"  # MediaPipe's own operation
AXES = {  # of a kernel of TensorFlow Lite, in the order that Keras has them
    OPERATORS.CONV_2D: (1, 2, 3, 0),  # (out, height, width, in) -> (height, width, in, out)
    OPERATORS.DEPTHWISE_CONV_2D: (1, 2, 3, 0),  # (1, height, width, C) -> (height, width, C, 1)
    OPERATORS.CUSTOM: (1, 2, 0, 3),  # (out, height, width, in) -> (height, width, out, in)
}


def read_convolutions(content):
    """Reads what a file of TensorFlow Lite convolves with.

    Args:
        content: bytes of the file; its weights are float16.

    Returns:
        List of (kernel, bias) as Keras has them, in the order of the operations.

    Raises:
        ValueError: if the file has an operation of its own that is no transposed convolution.
    """
    model = schema.ModelT.InitFromPackedBuf(content)
    (graph,) = model.subgraphs
    constants, found = {}, []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)  # the field moved in 2020
        if kind == OPERATORS.CUSTOM and code.customCode != TRANSPOSED:
            raise ValueError(
                f"expected {TRANSPOSED} or an operation of the format, got {code.customCode}"
            )
        if kind == OPERATORS.DEQUANTIZE:  # float16 -> float32
            tensor = graph.tensors[operator.inputs[0]]
            array = np.frombuffer(bytes(model.buffers[tensor.buffer].data), "<f2")
            constants[operator.outputs[0]] = array.reshape(tensor.shape)
        elif kind in AXES:
            _, kernel, bias = operator.inputs
            found.append((constants[kernel].transpose(AXES[kind]), constants[bias]))
    return found


def blazeface_layers():
    """Names of the layers that convolve, in the order of the file."""
    names = ["stem_conv"]
    for block in range(1, len(BLAZEFACE_BLOCKS) + 1):
        names += [f"block{block}_dwconv", f"block{block}_project_conv"]
    return names + [
        f"head{block}_{part}_conv"
        for part in ("scores", "offsets")
        for block, *_ in BLAZEFACE_GRIDS
    ]


def selfie_layers():
    """Names of the layers that convolve, in the order of the file."""
    names = ["stem_conv"]
    for block, (*_, excite) in enumerate(SELFIE_BLOCKS, 1):
        middle = ("squeeze_conv", "excite_conv") if excite else ()
        names += [f"block{block}_{p}" for p in ("expand_conv", "dwconv", *middle, "project_conv")]
    names += ["context_conv", "context_weights_conv"]
    for size in (32, 64, 128):
        parts = ("conv", "squeeze_conv", "excite_conv", "mix_conv", "dwconv")
        names += [f"decoder{size}_{part}" for part in parts]
    return [*names, "logits"]


LAYERS = {"blazeface": blazeface_layers, "selfie_segmentation": selfie_layers}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="mediapipe-0.10.14-*.whl")
    with zipfile.ZipFile(parser.parse_args().wheel) as wheel:
        contents = {name: wheel.read(file) for name, file in FILES.items()}
    for name, content in contents.items():
        arrays = {}
        layers = LAYERS[name]()
        for layer, (kernel, bias) in zip(layers, read_convolutions(content), strict=True):
            arrays[f"{layer}/kernel"] = np.ascontiguousarray(kernel)
            arrays[f"{layer}/bias"] = bias
        path = ASSETS / f"{name}.npz"
        write_npz(path, arrays)
        print(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
