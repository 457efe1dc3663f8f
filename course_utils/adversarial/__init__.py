"""Attacks on classifiers: small changes of images, and a sticker, that change the answer."""

from course_utils.adversarial.attacks import accuracy_curve, fgsm, pgd
from course_utils.adversarial.patch import (
    patch_success,
    place_patch,
    random_places,
    toaster_patch,
    train_patch,
)

__all__ = [
    "accuracy_curve",
    "fgsm",
    "patch_success",
    "pgd",
    "place_patch",
    "random_places",
    "toaster_patch",
    "train_patch",
]
