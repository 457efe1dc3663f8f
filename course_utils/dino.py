"""DINO: a network that teaches itself, without labels.

A student sees crops of an image, and learns to say of each what its teacher says of another one.
Both are networks of one shape that give logits (N, K): how well each of N images fits each of K
prototypes, which nobody has named. The teacher is the moving average of the student.

Source: Caron et al. (2021), Emerging properties in self-supervised vision transformers.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from course_utils._checks import fraction, number, whole_number


class MultiCrop(layers.Layer):
    """Random crops of each image: as a rule two large ones, global, and some small ones, local.

    Area, shape and position of a crop are random. It is resized, mirrored in half of the cases, and
    its pixels are raised to a random power, which makes it darker or brighter and keeps 0 and 1 as
    they are. (The paper changes colours as well, and blurs.)

    Args:
        size: side of a global crop in pixels, >= 2; a local one has half of it, rounded down.
        global_crops: how many of them, >= 1.
        local_crops: how many of them, >= 0.
        area: least and largest share of the image in a global crop, 0.05 <= least <= largest <= 1.
            A local crop has from 0.05 to the least share of a global one. A crop that would be
            wider or higher than the image is cut off there.
        aspect: the ratio of height to width is from exp(-aspect) to exp(aspect), >= 0.
        contrast: the power is from exp(-contrast) to exp(contrast), >= 0; 0 for none.
        seed: for the random numbers.

    Call arguments:
        images: (N, H, W, C) in [0, 1].

    Returns:
        A list: the global crops (N, size, size, C), then the local ones (N, size // 2, ...),
        all in [0, 1].

    Raises:
        ValueError: if a number is none of these.
    """

    def __init__(
        self, size, global_crops=2, local_crops=0, area=(0.2, 1.0), aspect=0.2, contrast=0.8,
        seed=None, **options,
    ):  # fmt: skip
        super().__init__(**options)
        size = whole_number("size", size, low=2)
        least = number("the least area", area[0], 0.05, 1)
        largest = number("the largest area", area[1], least, 1)
        self.global_crops = whole_number("global_crops", global_crops)
        self.kinds = self.global_crops * [(size, least, largest)]
        self.kinds += whole_number("local_crops", local_crops, 0) * [(size // 2, 0.05, least)]
        self.aspect, self.contrast = number("aspect", aspect), number("contrast", contrast)
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, images):
        return [self._crop(images, *kind) for kind in self.kinds]

    def _crop(self, images, size, least, largest):
        count = ops.shape(images)[0]
        area, shape, top, left, side, power = (
            keras.random.uniform((count,), low, high, seed=self.seeds)
            for low, high in (
                (least, largest), (-self.aspect, self.aspect), (0, 1), (0, 1), (-1, 1),
                (-self.contrast, self.contrast),
            )
        )  # fmt: skip
        height = ops.minimum(ops.sqrt(area * ops.exp(shape)), 1)
        width = ops.minimum(ops.sqrt(area * ops.exp(-shape)), 1)
        top, left = top * (1 - height), left * (1 - width)
        right = left + width
        mirrored = side < 0  # from right to left
        starts, ends = ops.where(mirrored, right, left), ops.where(mirrored, left, right)
        boxes = ops.stack([top, starts, top + height, ends], axis=1)
        crops = tf.image.crop_and_resize(images, boxes, ops.arange(count), (size, size))
        return crops ** ops.reshape(ops.exp(power), (-1, 1, 1, 1))


@keras.saving.register_keras_serializable("course_utils")
class Prototypes(layers.Layer):
    """Cosines between each feature vector and each of a number of learned ones, (N, D) -> (N, K).

    Args:
        count: number K of prototypes, >= 2.
    """

    def __init__(self, count, **options):
        super().__init__(**options)
        self.count = whole_number("count", count, low=2)

    def build(self, shape):
        # Of lengths near the square root of D: small ones would turn far at each step.
        start = keras.initializers.RandomNormal(stddev=1)
        self.prototypes = self.add_weight((shape[-1], self.count), start, name="prototypes")

    def call(self, x):
        return ops.matmul(ops.normalize(x, axis=-1), ops.normalize(self.prototypes, axis=0))

    def get_config(self):
        return {**super().get_config(), "count": self.count}


def with_head(encoder, prototypes=128, hidden=256, width=64):
    """An encoder with the head that DINO trains behind it, and that nobody needs afterwards.

    Args:
        encoder: a functional `keras.Model` that gives features (N, D).
        prototypes: number K of logits, >= 2.
        hidden, width: numbers of the two layers in between, >= 1.

    Returns:
        A functional `keras.Model` with the inputs of the encoder, which gives logits (N, K) in
        [-1, 1]. It shares the encoder's layers.
    """
    x = layers.Dense(hidden, use_bias=False)(encoder.output)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Dense(width)(x)
    return keras.Model(encoder.input, Prototypes(prototypes, name="prototypes")(x))


def teacher_targets(logits, center, temperature=0.05):
    """What the student is to say: the teacher's logits, centred, then sharpened by a softmax.

    Args:
        logits: (N, K) of the teacher.
        center: (K,), the mean of its logits over many images; 0 for none.
        temperature: what they are divided by, > 0; the smaller, the sharper.

    Returns:
        (N, K) probabilities.
    """
    return ops.softmax((logits - center) / temperature, axis=-1)


def dino_loss(targets, logits, temperature=0.1):
    """Mean cross-entropy between the teacher's view and each other view of the student.

    Args:
        targets: list of G tensors (N, K), the `teacher_targets` of the G global crops.
        logits: list of V >= 2 tensors (N, K), the student's logits of all crops, the global ones
            first and in the same order. V >= G.
        temperature: of the student's softmax, > 0.

    Returns:
        A scalar, the mean over the N images and all pairs of different crops; equation 3 of the
        paper has the sum over the pairs.

    Raises:
        ValueError: if there are more targets than crops, or no pair.
    """
    if not 0 < len(targets) <= len(logits) or len(logits) < 2:
        raise ValueError(
            f"expected targets for 1 to V crops and logits of V >= 2, got {len(targets)} and "
            f"{len(logits)}"
        )
    logs = [ops.log_softmax(one / temperature, axis=-1) for one in logits]
    losses = [
        -ops.mean(ops.sum(target * log, axis=-1))
        for t, target in enumerate(targets)
        for s, log in enumerate(logs)
        if s != t
    ]
    return sum(losses) / len(losses)


def update_teacher(teacher, student, momentum):
    """Moves the trained weights of the teacher towards the student's, in place.

    Each becomes momentum x its own + (1 - momentum) x the student's. What gradients do not train,
    such as the averages of BatchNormalization, stays.

    Args:
        teacher, student: two Keras models of one shape, of which the student is trainable.
        momentum: from 0, which copies the student, to 1, which leaves the teacher as it is.
    """
    for mine, other in zip(teacher.variables, student.variables, strict=True):
        if other.trainable:
            mine.assign(momentum * mine + (1 - momentum) * other)


def diversity(probabilities):
    """Two numbers that show a collapse: how undecided outputs are, and how much they differ.

    The mean entropy of an output is near 0 when each image is given one prototype, and log K when
    all prototypes are equally likely. The spread is the entropy of the mean output minus the mean
    entropy: what an output tells about which image it is of. It is 0 when all images have the same.

    Args:
        probabilities: (N, K) outputs for N images; rows sum to 1.

    Returns:
        (entropy, spread), two scalars in nats; both are >= 0, together at most log K.
    """
    entropy = ops.mean(_entropy(probabilities))
    spread = _entropy(ops.mean(probabilities, axis=0)) - entropy
    return entropy, ops.abs(spread)  # rounding may leave a little below 0


def _entropy(probabilities):
    information = -ops.log(ops.maximum(probabilities, 1e-30))
    return ops.sum(probabilities * information, axis=-1)


class SelfDistillation(keras.Model):
    """A student and its teacher: `compile` with an optimizer, then `fit` to images (N, H, W, C).

    Each step reports its "loss", and "entropy" and "spread", the `diversity` of its targets. Before
    the training, the teacher is a copy of the student.

    Args:
        student: a functional `keras.Model` that gives logits, as from `with_head`.
        crops: a `MultiCrop`.
        momentum: of the teacher, see `update_teacher`. (The paper raises it from 0.996 to 1.)
        center_momentum: of the centre, in the same way; 1 trains without centring.
        temperatures: of the student and of the teacher, > 0; 0.1 and 0.04 in the paper.

    Attributes:
        student, teacher, crops: as above; the teacher is what one uses afterwards.
        center: (K,) the moving mean of the teacher's logits.

    Raises:
        ValueError: if a number is none of these.
    """

    def __init__(
        self, student, crops, momentum=0.99, center_momentum=0.95, temperatures=(0.1, 0.05),
        **options,
    ):  # fmt: skip
        super().__init__(**options)
        self.student, self.crops = student, crops
        # Not frozen, though no gradient reaches it: a frozen BatchNormalization would not normalise
        # with the batch at hand.
        self.teacher = keras.models.clone_model(student)
        self.teacher.set_weights(student.get_weights())
        self.momentum = fraction("momentum", momentum)
        self.center_momentum = fraction("center_momentum", center_momentum)
        self.temperatures = [number("a temperature", value, 1e-3) for value in temperatures]
        self.center = self.add_weight(student.output_shape[1:], "zeros", trainable=False)

    def train_step(self, data):
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        crops = self.crops(images)
        of_student, of_teacher = self.temperatures
        seen = [self.teacher(crop, training=True) for crop in crops[: self.crops.global_crops]]
        targets = [teacher_targets(logits, self.center, of_teacher) for logits in seen]
        with tf.GradientTape() as tape:
            logits = [self.student(crop, training=True) for crop in crops]
            loss = dino_loss(targets, logits, of_student)
        weights = self.student.trainable_variables
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        update_teacher(self.teacher, self.student, self.momentum)
        mean = ops.mean(ops.concatenate(seen), axis=0)
        share = self.center_momentum
        self.center.assign(share * self.center + (1 - share) * mean)
        entropy, spread = diversity(ops.concatenate(targets))
        return {"loss": loss, "entropy": entropy, "spread": spread}
