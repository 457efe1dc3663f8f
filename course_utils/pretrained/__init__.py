"""Networks that come trained, with weights that ship with the package."""

from course_utils.pretrained.dinov2 import dinov2_from_keras_hub, dinov2_small
from course_utils.pretrained.faces import (
    FACE_KEYPOINTS,
    blazeface,
    blazeface_anchors,
    blazeface_decode,
    detect_faces,
)
from course_utils.pretrained.fashion import build_fashion_cnn, fashion_cnn
from course_utils.pretrained.imagenet import (
    class_names,
    efficientnet_lite0,
    efficientnet_lite1,
    top_k,
)
from course_utils.pretrained.letterbox import letterbox, undo_letterbox
from course_utils.pretrained.nanodet import coco_names, detect_objects, nanodet, nanodet_boxes
from course_utils.pretrained.pose import (
    BODY_KEYPOINTS,
    BODY_LIMBS,
    find_pose,
    movenet,
    movenet_decode,
)
from course_utils.pretrained.selfie import person_mask, selfie_segmentation
from course_utils.pretrained.teachable import teachable_machine

__all__ = [
    "BODY_KEYPOINTS",
    "BODY_LIMBS",
    "FACE_KEYPOINTS",
    "blazeface",
    "blazeface_anchors",
    "blazeface_decode",
    "build_fashion_cnn",
    "class_names",
    "coco_names",
    "detect_faces",
    "detect_objects",
    "dinov2_from_keras_hub",
    "dinov2_small",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "fashion_cnn",
    "find_pose",
    "letterbox",
    "movenet",
    "movenet_decode",
    "nanodet",
    "nanodet_boxes",
    "person_mask",
    "selfie_segmentation",
    "teachable_machine",
    "top_k",
    "undo_letterbox",
]
