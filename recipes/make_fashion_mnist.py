"""Makes course_utils/assets/fashion_mnist.npz: 10,000 training and 2,000 test images.

Source: the Debian package dataset-fashion-mnist, whose files are in the format of the original
download (Xiao, Rasul and Vollgraf, 2017). The first images of each part are nearly balanced.
"""

import argparse
import gzip
import hashlib
import io
import lzma
import struct
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


def write_npz(path, arrays):
    """Writes arrays as `numpy.savez_compressed` does, but smaller, and without the time of day.

    Each array is packed in the way that takes least: images by LZMA, 16-bit numbers by LZMA that
    knows which byte is which, noise of few bits by Huffman's code alone.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array)
            compress_type, packed = _smallest(content.getvalue(), array.itemsize)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = compress_type
            with archive.open(entry, "w") as file:
                file._compressor = _Packed(packed)  # zipfile itself offers no choice of method
                file.write(content.getvalue())


class _Packed:
    def __init__(self, packed):
        self.packed = packed

    def compress(self, content):
        return b""

    def flush(self):
        return self.packed


def _smallest(content, itemsize):
    """The method for an entry of a ZIP file that packs the content into fewest bytes, and these."""
    ways = []
    for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY):
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy)
        ways.append((zipfile.ZIP_DEFLATED, deflate.compress(content) + deflate.flush()))
    position = itemsize.bit_length() - 1  # bits that tell the bytes of a number apart
    for context in (0, 4 - position):
        settings = {"id": lzma.FILTER_LZMA1, "lc": context, "lp": position, "pb": position}
        packed = lzma.compress(content, lzma.FORMAT_RAW, filters=[settings])
        properties = lzma._encode_filter_properties(settings)
        header = struct.pack("<BBH", 9, 4, len(properties)) + properties
        ways.append((zipfile.ZIP_LZMA, header + packed))
    return min(ways, key=lambda way: len(way[1]))


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
