"""Networks that come trained, with weights that ship with the package."""

from course_utils.pretrained.fashion import build_fashion_cnn, fashion_cnn
from course_utils.pretrained.imagenet import class_names, efficientnet_lite0, top_k
from course_utils.pretrained.teachable import teachable_machine

__all__ = [
    "build_fashion_cnn",
    "class_names",
    "efficientnet_lite0",
    "fashion_cnn",
    "teachable_machine",
    "top_k",
]
