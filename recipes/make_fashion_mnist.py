"""Makes course_utils/assets/fashion_mnist.npz: 10,000 training and 2,000 test images.

Source: the Debian package dataset-fashion-mnist, whose files are in the format of the original
download (Xiao, Rasul and Vollgraf, 2017). The first images of each part are nearly balanced.
"""

import argparse
import gzip
import hashlib
import zipfile
import zlib
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[1] / "course_utils" / "assets" / "fashion_mnist.npz"
PARTS = {"train": 10_000, "t10k": 2_000}


def read_idx(path):
    """Reads one file of the MNIST family.

    Args:
        path: a gzipped IDX file of unsigned bytes.

    Returns:
        uint8 array of the shape that the file's header gives.
    """
    content = gzip.decompress(path.read_bytes())
    rank = content[3]  # header: two zeros, a type code, the rank, then each length in 4 bytes
    shape = np.frombuffer(content, ">u4", count=rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def write_npz(path, arrays, strategy=zlib.Z_DEFAULT_STRATEGY):
    """Writes arrays as `numpy.savez_compressed` does, but without the time of day in the file.

    Random small numbers take a seventh less with `zlib.Z_HUFFMAN_ONLY`, which looks for no repeats.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as file:
                if strategy != zlib.Z_DEFAULT_STRATEGY:  # for which zipfile has no word
                    file._compressor = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy)
                np.lib.format.write_array(file, array)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("/usr/share/datasets/fashion-mnist")
    )
    folder = parser.parse_args().folder
    arrays = {}
    for part, count in PARTS.items():
        name = "test" if part == "t10k" else part
        arrays[f"x_{name}"] = read_idx(folder / f"{part}-images-idx3-ubyte.gz")[:count]
        arrays[f"y_{name}"] = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")[:count]
    write_npz(TARGET, arrays)
    print(TARGET.name, TARGET.stat().st_size, hashlib.sha256(TARGET.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
