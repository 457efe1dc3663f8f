"""What the exercises of chapter 10 that ask for a model look at."""

from functools import cache

import numpy as np

from course_utils import data
from course_utils.exercises import models

ATTACKED = 250  # images
STEPS = 10


def tested():
    """Test images: what is attacked is not what a network was trained on."""
    _, (images, labels) = data.fashion_mnist()
    return images[1000:2000], labels[1000:2000]


def _few():
    images, labels = tested()
    return images[:ATTACKED], labels[:ATTACKED]


def _attacked(model, epsilon):
    """The images after ten steps from a random start."""
    from course_utils import adversarial

    options = {"seed": 0, "batch_size": ATTACKED}
    return adversarial.pgd(model, *_few(), epsilon, STEPS, epsilon / 4, **options)


def _accuracy(model, images):
    return np.mean(models.run(model, images).argmax(axis=1) == _few()[1])


@cache
def defended():
    """The network of 10.4 that is to be attacked: pixels in five grey levels, then a network."""
    import keras
    from keras import ops

    from course_utils import pretrained

    images = keras.Input((28, 28, 1))
    return keras.Model(images, pretrained.fashion_cnn()(ops.round(4 * images) / 4))


def answers_as_the_defended(model):
    """Whether a model gives its probabilities, or logits of them."""
    from keras import ops

    images, _ = _few()
    outputs, wanted = models.run(model, images), models.run(defended(), images)
    if models.kind_of_outputs(model, images.shape[1:]) == "logits":
        outputs = ops.convert_to_numpy(ops.softmax(outputs))
    return np.allclose(outputs, wanted, atol=1e-3)


def has_a_gradient(model):
    """Whether one step of an attack moves at least some pixels of nearly all images."""
    from course_utils import adversarial

    images, labels = _few()
    moved = adversarial.fgsm(model, images, labels, 0.1) != images
    return np.mean(moved.any(axis=(1, 2, 3))) > 0.95


def breaks_it(model):
    """Whether images that are attacked through a model fool the defended network on over half."""
    return _accuracy(defended(), _attacked(model, 0.1)) < 0.5


def tells_images_apart(model):
    """Whether a model gives more than one class, which one that training has broken does not."""
    images, _ = _few()
    return np.ptp(models.run(model, images).argmax(axis=1)) > 0


def shows_its_gradient(model):
    """Whether an attack with which nothing can be left leaves nothing."""
    return _accuracy(model, _attacked(model, 0.5)) < 0.1


def withstands_ten_steps(model):
    """The accuracy that 10.6 asks for under attack."""
    return _left(model) >= 0.4


@models.once
def _left(model):
    """The accuracy that ten steps of .1 leave."""
    return _accuracy(model, _attacked(model, 0.1))


@cache
def _foreign():
    from course_utils import pretrained

    return _attacked(pretrained.fashion_cnn(), 0.1)


def is_no_easier_for_others(model):
    """Whether images made for another network fool it no more often than those made for it."""
    return _accuracy(model, _foreign()) >= _left(model) - 0.05
