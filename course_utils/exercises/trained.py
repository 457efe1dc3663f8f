"""The kinds of exercise that ask for a trained network, and what may have gone wrong with it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

import course_utils.exercises.models as models
from course_utils.exercises.compare import ANY_ERROR, describe, is_unanswered, stopped
from course_utils.exercises.kinds import CORRECT, UNANSWERED, WRONG, Verdict

TIMED = 8  # images that tell how long all take
FEW = 500  # images on which other reasons for a low accuracy are tried
CLEARLY = 0.1  # that much accuracy is no chance, on `FEW` images
MOST = 0.5  # where labels were shifted, more than this share of the images is a shift away
SCALES = {  # of pixels that a model may have been trained on instead of those in [0, 1]
    "from 0 to 255": lambda images: images * 255,
    "from -1 to 1": lambda images: images * 2 - 1,
    "of mean 0 and standard deviation 1": lambda images: (images - images.mean()) / images.std(),
    "divided by 255 twice": lambda images: images / 255,
    "turned into their negative": lambda images: 1 - images,
}


@dataclass(frozen=True)
class Trained:
    """A trained Keras model that classifies the checker's own images well enough.

    Whether it was trained on those images cannot be seen: take some that readers do not train on.

    Attributes:
        images: returns images in [0, 1] and their labels, an array of whole numbers in which every
            class occurs; called only when a model is judged.
        hint: said of a model that is not good enough and that no misconception explains.
        accuracy: the least share of the images that must be classified correctly.
        parameters: how many numbers the model holds, or (fewest, most), with None for no bound.
        must: what else holds of a right model: functions of it, each under the hint for a model
            of which it does not hold.
        also: what else holds of the outputs, looked at last: functions of outputs and labels, each
            under the hint for outputs of which it does not hold.
        seconds: CPU time that the judging may take, estimated from the first images.
        praise: one sentence added to "correct".
        noun: what the verdict calls the images, where they are something else.
        pixels: whether they are images in [0, 1], so that a model may want pixels of other ranges.
    """

    images: Callable
    hint: str
    accuracy: float
    parameters: int | tuple = (None, None)
    must: Mapping[str, Callable] = field(default_factory=dict)
    also: Mapping[str, Callable] = field(default_factory=dict)
    seconds: float = 30.0
    praise: str = ""
    noun: str = "images"
    pixels: bool = True

    def judge(self, answer):
        if is_unanswered(answer):
            todo = "train a model, put it in place of the dots `...` and run the cell."
            return Verdict(UNANSWERED, todo)
        try:
            problem = models.about_kind(answer) or self._problem(answer)
        except ANY_ERROR as error:  # from the reader's own class of models
            problem = f"it {stopped(error)}."
        if problem:
            return Verdict(WRONG, problem)
        images, labels = self.images()
        try:
            return self._verdict(answer, images, labels)
        except ANY_ERROR as error:
            return Verdict(WRONG, models.about_error(images.shape[1:], error))

    def _problem(self, model):
        problem = models.about_parameters(model.count_params(), self.parameters)
        return problem or models.about_missing(model, self.must)

    def _verdict(self, model, images, labels):
        wanted = (1, int(labels.max()) + 1)
        one = models.call(model, images[:1])
        shape = getattr(one, "shape", None)
        if shape is None or tuple(shape) != wanted:
            yours = describe(one) if shape is None else tuple(shape[1:])
            return Verdict(WRONG, f"its output should have shape {wanted[1:]}, yours is {yours}.")
        seconds = _seconds(model, images, self.seconds)
        if seconds > self.seconds:
            return Verdict(WRONG, _too_slow(seconds, self.seconds))
        outputs = models.run(model, images)
        right = int(np.sum(outputs.argmax(axis=-1) == labels))
        found = self._found(right, len(labels))
        if right / len(labels) < self.accuracy:
            scales = SCALES if self.pixels else {}
            why = _misconception(model, outputs, images, labels, scales) or self.hint
            return Verdict(WRONG, f"{found}, and {self.accuracy} is asked for: {why}")
        for hint, holds in self.also.items():
            if not holds(outputs, labels):
                return Verdict(WRONG, f"{found}, but {hint}")
        return Verdict(CORRECT, f"{found}. {self.praise}".strip())

    def _found(self, right, count):
        # Cut off, not rounded: 0.8796 must not look like the 0.880 that it misses.
        return f"accuracy ≈ {right * 1000 // count / 1000:.3f} on {count:,} {self.noun}"


@dataclass(frozen=True)
class Encoder(Trained):
    """A Keras model whose features tell the classes of the checker's own images.

    Each image is classified by its 20 nearest neighbours in a bank of labelled images.

    Attributes:
        images, hint, accuracy, parameters, must, seconds, praise, noun: as in `Trained`.
        bank: returns the images of the bank and their labels, in the same form.
    """

    bank: Callable = field(kw_only=True)

    def _verdict(self, model, images, labels):
        from course_utils import transfer

        one = models.call(model, images[:1])
        shape = getattr(one, "shape", None)
        if shape is None or len(shape) != 2:
            yours = describe(one) if shape is None else f"of shape {tuple(shape[1:])}"
            wanted = "its output should be a vector for each image"
            return Verdict(WRONG, f"{wanted}, yours is {yours}.")
        known, names = self.bank()
        seconds = _seconds(model, np.concatenate([images, known]), self.seconds)
        if seconds > self.seconds:
            return Verdict(WRONG, _too_slow(seconds, self.seconds))
        bank, features = models.run(model, known), models.run(model, images)
        if not np.isfinite(bank).all() or not np.isfinite(features).all():
            return Verdict(WRONG, "some features are not finite. Lower the learning rate.")
        if np.allclose(features, features[:1], rtol=1e-3, atol=1e-6):
            return Verdict(WRONG, "its features are the same for all images. It has collapsed.")
        right = int(np.sum(transfer.nearest_labels(features, bank, names) == labels))
        found = self._found(right, len(labels))
        if right / len(labels) >= self.accuracy:
            return Verdict(CORRECT, f"{found}. {self.praise}".strip())
        return Verdict(WRONG, f"{found}, and {self.accuracy} is asked for: {self.hint}")


def _too_slow(seconds, allowed):
    needed = f"judging it would take {seconds:.0f} s, more than the {allowed:.0f} s"
    return f"{needed} allowed. A smaller model will do."


def _seconds(model, images, allowed):
    """CPU time that a model needs for all images, told by a few; a slow call is tried again."""
    first, fastest = images[:TIMED], np.inf
    for _ in range(3):
        start = time.process_time()
        models.call(model, first)
        took = time.process_time() - start
        fastest = min(fastest, took * len(images) / len(first))
        if fastest <= allowed:
            break
    return fastest


def _misconception(model, outputs, images, labels, scales):
    """A sentence about what may have gone wrong in the training, or an empty one."""
    if not np.isfinite(outputs).all():
        return "some outputs are not finite. The training diverged; lower the learning rate."
    few = np.random.default_rng(0).permutation(len(labels))[:FEW]
    images, labels, predicted = images[few], labels[few], outputs[few].argmax(axis=-1)
    accuracy = np.mean(predicted == labels)
    shifts = np.bincount((predicted - labels) % outputs.shape[-1]) / len(few)
    said = f"it often says class {shifts.argmax()} for class 0. Were the labels shifted?"
    shifted = shifts.max() if shifts.max() > MOST else 0  # wrong labels may look a little shifted
    explained = {said: shifted}  # what the accuracy would be if this were the reason
    for pixels, scale in scales.items():
        said = f"on pixels {pixels} it is much better. These run from 0 to 1, in training as here."
        explained[said] = np.mean(models.run(model, scale(images)).argmax(axis=-1) == labels)
    best = max(explained, key=explained.get)
    if explained[best] >= accuracy + CLEARLY:
        return best
    if (predicted == predicted[0]).all():
        return f"it says class {predicted[0]} whatever it sees. Was it trained, on all classes?"
    if accuracy < np.bincount(labels).max() / len(few) + CLEARLY:
        return "that is hardly better than guessing. Was it trained, and do the labels fit?"
    return ""
