"""The runtime of the teachable machine, out of npm's packages: recipes/get_tensorflow_js.py FOLDER

FOLDER holds what `npm pack` has fetched of the packages named below.
"""

import hashlib
import re
import sys
import tarfile
from pathlib import Path

RUNTIME = Path(__file__).resolve().parents[1] / "book" / "_static" / "teachable"
FILES = {
    "tf-core.es2017.min.js": "tensorflow-tfjs-core-4.22.0.tgz",
    "tf-backend-wasm.es2017.min.js": "tensorflow-tfjs-backend-wasm-4.22.0.tgz",
    "tfjs-backend-wasm-simd.wasm": "tensorflow-tfjs-backend-wasm-4.22.0.tgz",
}


def main(folder):
    source = (RUNTIME / "SOURCE.txt").read_text(encoding="utf-8")
    for name, package in FILES.items():
        with tarfile.open(Path(folder) / package) as archive:
            content = archive.extractfile(f"package/dist/{name}").read()
        (RUNTIME / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        source = re.sub(rf"(?m)^({re.escape(name)} .*) \w+$", rf"\1 {digest}", source)
    (RUNTIME / "SOURCE.txt").write_text(source, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
