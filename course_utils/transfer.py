"""Transfer learning: features at any layer and what they are worth, a new head, fine-tuning."""

import difflib

import keras
import numpy as np
from keras import layers
from tqdm import tqdm

from course_utils._checks import labels as class_labels
from course_utils._checks import one_of, rows, whole_number


def features(model, images, names, pooling="avg", batch_size=32):
    """What a model computes at some of its layers, at all of them in one pass over the images.

    Layers behave as in inference. A bar on the standard error stream shows the progress.

    Args:
        model: a functional or sequential Keras model; it is not changed.
        images: what the model takes, (N, ...), N >= 1.
        names: name of a layer, or a list of names.
        pooling: "avg" to average feature maps (N, H, W, C) over all positions, None to keep them.
        batch_size: images computed at a time, >= 1.

    Returns:
        The outputs of the layer as an array (N, C), or (N, H, W, C) without pooling; for a list of
        names a dictionary from each name to such an array.

    Raises:
        ValueError: if the model has no such layer, there are no images, the pooling is none of
            these, or `batch_size` is not a whole number >= 1.
    """
    pooling = one_of("pooling", pooling, (None, "avg"))
    batch_size = whole_number("batch_size", batch_size)
    if len(images) == 0:
        raise ValueError("expected at least one image, got none")
    wanted = [names] if isinstance(names, str) else list(names)
    outputs = {name: model.layers[_index(model, name)].output for name in wanted}
    if pooling == "avg":
        # Pooled batch by batch: the maps of all images would not fit into memory.
        outputs = {name: _pooled(output) for name, output in outputs.items()}
    extractor = keras.Model(model.inputs, outputs)
    batches = []
    for start in tqdm(range(0, len(images), batch_size), unit="batch", leave=False):
        # The last batch begins earlier, as one of another size would be traced anew.
        begin = max(0, min(start, len(images) - batch_size))
        batch = extractor.predict_on_batch(images[begin : begin + batch_size])
        batches.append({name: found[start - begin :] for name, found in batch.items()})
    found = {name: np.concatenate([batch[name] for batch in batches]) for name in wanted}
    return found[names] if isinstance(names, str) else found


def nearest_labels(features, bank, labels, k=20):
    """Classifies by the k nearest neighbours in a bank of labelled features (k-NN).

    Nothing is trained. Near means a large cosine; each of the k has one vote, and among classes
    with as many votes the one with the smallest number is taken.

    Args:
        features: (N, D) of the images to classify.
        bank: (M, D) of images whose labels are known.
        labels: (M,) their classes, whole numbers >= 0.
        k: number of neighbours, from 1 to M.

    Returns:
        (N,) predicted classes.

    Raises:
        ValueError: if the shapes do not fit, or a number is none of these.
    """
    bank = np.asarray(bank)
    if bank.ndim != 2:
        raise ValueError(f"expected a bank of shape (M, D), got {bank.shape}")
    bank, features = rows("bank", bank, bank.shape[1]), rows("features", features, bank.shape[1])
    labels = class_labels("labels", labels, len(bank), of="row of the bank")
    k = whole_number("k", k, high=len(bank))
    bank, features = (
        array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-12)
        for array in (bank, features)
    )
    votes = np.zeros((len(features), labels.max() + 1), int)
    for start in range(0, len(features), 1000):  # 1000 at a time, since all cosines may not fit
        cosines = features[start : start + 1000] @ bank.T
        nearest = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        for row, found in enumerate(labels[nearest], start):
            votes[row] = np.bincount(found, minlength=votes.shape[1])
    return votes.argmax(axis=1)


def add_head(backbone, num_classes, dropout=0.2):
    """A new classifier on top of a backbone, in one flat model: its layers keep their names.

    The layers of the two models are the same objects: what is trained in one changes the other.

    Args:
        backbone: a functional Keras model that gives feature maps (N, H, W, C), which are averaged
            over all positions, or features (N, C).
        num_classes: number of classes, >= 1.
        dropout: share of the features that training drops, in [0, 1).

    Returns:
        A `keras.Model` that gives probabilities (N, num_classes); its layer "logits" gives what
        comes before the softmax.

    Raises:
        ValueError: if `num_classes` is not a whole number >= 1.
    """
    num_classes = whole_number("num_classes", num_classes)
    x = layers.Dropout(dropout, name="head_dropout")(_pooled(backbone.output))
    x = layers.Dense(num_classes, name="logits")(x)
    return keras.Model(backbone.input, layers.Softmax(name="predictions")(x))


def unfreeze_from(model, name, batch_norm=False):
    """Makes a model trainable from a layer on, and freezes what comes before it.

    BatchNormalization stays frozen unless asked for. A frozen one works as in inference, even in
    `fit`: it normalises with the statistics of the pretraining. An unfrozen one normalises with
    those of the batch at hand, a few photos, and moves its averages towards them: what the layers
    behind it were trained on changes before any gradient has improved it.

    A model that has been trained must be compiled again: until then `fit` goes on with what was
    trainable at its first run.

    Args:
        model: a functional or sequential Keras model, changed in place.
        name: name of the first layer to train. It must begin a block, so that a skip connection
            does not lead past it.
        batch_norm: True to train BatchNormalization as well, from that layer on.

    Raises:
        ValueError: if the model has no such layer, or the layer is in the middle of a block.
    """
    start = _index(model, name)
    if not _is_border(model, start):
        block = next(i for i in reversed(range(start)) if _is_border(model, i))
        raise ValueError(
            f"expected the first layer of a block, got {name!r}: a skip connection leads past it. "
            f"Its block begins at {model.layers[block].name!r}."
        )
    model.trainable = True  # a frozen model would override its layers
    for i, layer in enumerate(model.layers):
        # One by one: Keras skips `model.trainable = True` for a model that says so already,
        # whatever its layers say.
        for part in _layer_and_inner(layer):
            frozen_norm = isinstance(part, layers.BatchNormalization) and not batch_norm
            part.trainable = i >= start and not frozen_norm


def _layer_and_inner(layer):
    """The layer, and if it is a model, all those inside."""
    yield layer
    if isinstance(layer, keras.Model):
        for inner in layer.layers:
            yield from _layer_and_inner(inner)


def _index(model, name):
    """Position of a layer in `model.layers`; a ValueError that suggests the nearest name."""
    names = [layer.name for layer in model.layers]
    if name in names:
        return names.index(name)
    nearest = difflib.get_close_matches(str(name), names, n=3, cutoff=0)
    raise ValueError(
        f"expected the name of one of the {len(names)} layers of {model.name!r}, got {name!r}. "
        f"The nearest are {', '.join(map(repr, nearest))}."
    )


def _is_border(model, start):
    """Whether the layers from `start` on read the output of one earlier layer only."""
    earlier = {id(output) for layer in model.layers[:start] for output in _tensors(layer.output)}
    read = {id(tensor) for layer in model.layers[start:] for tensor in _tensors(layer.input)}
    return len(earlier & read) <= 1


def _tensors(structure):
    return keras.tree.flatten(structure)


def _pooled(x):
    return layers.GlobalAveragePooling2D()(x) if len(x.shape) == 4 else x
