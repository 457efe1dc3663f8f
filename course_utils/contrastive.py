"""Contrastive learning: two crops of one image should be alike, those of others should not.

Source: Chen et al. (2020), A simple framework for contrastive learning of visual representations
(SimCLR).
"""

import keras
import tensorflow as tf
from keras import ops

from course_utils._checks import number


def nt_xent(first, second, temperature=0.2):
    """The loss of SimCLR, equation 1: each crop has to find its partner among all others.

    It is the cross-entropy of a softmax over cosines: for each of the 2 N crops, with the partner
    as the right class among the 2 N - 1 others.

    Args:
        first: (N, D) vectors of a crop of each image, N >= 2; their lengths do not matter.
        second: (N, D) vectors of another crop of each, in the same order.
        temperature: what the cosines are divided by, > 0.

    Returns:
        A scalar, the mean over all 2 N crops; log(2 N - 1) when all vectors are the same.

    Raises:
        ValueError: if the shapes differ or are not (N, D).
    """
    if len(first.shape) != 2 or tuple(first.shape) != tuple(second.shape):
        raise ValueError(
            f"expected two tensors of one shape (N, D), got {tuple(first.shape)} and "
            f"{tuple(second.shape)}"
        )
    count = ops.shape(first)[0]
    vectors = ops.normalize(ops.concatenate([first, second]), axis=-1)  # (2 N, D)
    logits = ops.matmul(vectors, ops.transpose(vectors)) / temperature
    logits -= 1e9 * ops.eye(2 * count)  # nobody is a partner of itself
    partners = (ops.arange(2 * count) + count) % (2 * count)
    losses = keras.losses.sparse_categorical_crossentropy(partners, logits, from_logits=True)
    return ops.mean(losses)


class Contrastive(keras.Model):
    """SimCLR: `compile` with an optimizer, then `fit` to images (N, H, W, C).

    Each step reports its loss as "nt_xent".

    Args:
        network: a `keras.Model` that gives vectors (N, D): an encoder and its projection head.
        crops: a `dino.MultiCrop` of two crops.
        temperature: of `nt_xent`, > 0.

    Raises:
        ValueError: if the temperature is not such a number.
    """

    def __init__(self, network, crops, temperature=0.2, **options):
        super().__init__(**options)
        self.network, self.crops = network, crops
        self.temperature = number("temperature", temperature, 1e-3)

    def train_step(self, data):
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            vectors = [self.network(crop, training=True) for crop in self.crops(images)]
            loss = nt_xent(*vectors, self.temperature)
        weights = self.network.trainable_variables
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        return {"nt_xent": loss}  # in place of "loss" alone Keras would report its own, 0
