"""Trains the patch of `adversarial.toaster_patch`: course_utils/assets/toaster_patch.png

An adversarial patch for EfficientNet-Lite0 and the class "toaster", trained on the 100 training
photos of `data.photo_set`; about ten CPU-minutes. The test photos are looked at once, at the end.

    python recipes/train_patch.py
"""

import hashlib

from course_utils import notebook

notebook.setup()

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from course_utils import adversarial, data, pretrained  # noqa: E402

TARGET = data.ASSETS / "toaster_patch.png"


def main():
    (photos, _), (unseen, _) = data.photo_set(224)
    model = pretrained.efficientnet_lite0()
    toaster = pretrained.class_names().index("toaster")
    patch = adversarial.train_patch(
        model, photos, toaster, size=80, steps=700, sizes=(50, 112), max_angle=20, batch_size=12
    )
    Image.fromarray(np.rint(255 * patch).astype(np.uint8)).save(TARGET, optimize=True)
    print(TARGET.name, hashlib.sha256(TARGET.read_bytes()).hexdigest(), flush=True)
    for size in (30, 45, 60, 75, 90, 105):
        places = adversarial.random_places(len(unseen), (224, 224), (size, size), 20, seed=1)
        share = adversarial.patch_success(model, unseen, patch, toaster, places)
        print(f"{size} pixels: {share:.2f} of the test photos")


if __name__ == "__main__":
    main()
