"""The famous networks of image classification, exact to the parameter, and their blocks.

A block is a function from tensor to tensor; a network strings blocks together and returns a
`keras.Model`. Layers carry the names of the papers' tables: C1, S2, C3 in LeNet-5 and AlexNet,
inception_3a in GoogLeNet, conv2_1 in ResNet. Every network begins at the layer "images" and ends
with "logits" and "predictions", their softmax. What a network costs and how far it sees is counted
from its graph by `multiply_adds`, `depth` and `receptive_field`.
"""

from course_utils.architectures.alexnet import alexnet, vgg16
from course_utils.architectures.counting import depth, multiply_adds, receptive_field
from course_utils.architectures.googlenet import INCEPTION, googlenet, inception_block
from course_utils.architectures.lenet import C3_TABLE, lenet5, lenet5_1998
from course_utils.architectures.resnet import basic_block, bottleneck_block, cifar_resnet, resnet
from course_utils.architectures.vit import attention_maps, encoder_block, vit

__all__ = [
    "C3_TABLE", "INCEPTION", "alexnet", "attention_maps", "basic_block", "bottleneck_block",
    "cifar_resnet", "depth", "encoder_block", "googlenet", "inception_block", "lenet5",
    "lenet5_1998", "multiply_adds", "receptive_field", "resnet", "vgg16", "vit",
]  # fmt: skip
