"""A small convolutional network, trained on the garments of Fashion-MNIST."""

import keras
from keras import layers

from course_utils.pretrained.weights import load_weights


def fashion_cnn():
    """A convolutional network that knows Fashion-MNIST: 257,162 parameters, about 91 % right.

    It is trained for 24 passes over the 10,000 images of `data.fashion_mnist()`, see
    `recipes/train_fashion_cnn.py`.

    Returns:
        A `keras.Model` named "fashion_cnn": images (N, 28, 28, 1) in [0, 1] -> probabilities
        (N, 10), whose logits are the output of the layer "logits".

    Raises:
        ValueError: if the file of weights is damaged.
    """
    return load_weights(build_fashion_cnn(), "fashion_cnn.npz")


def build_fashion_cnn():
    """The network of `fashion_cnn`, untrained."""
    conv = {"padding": "same", "activation": "relu"}
    x = images = keras.Input((28, 28, 1), name="images")
    x = layers.Conv2D(32, 3, **conv, name="conv1")(x)
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = layers.Conv2D(64, 3, **conv, name="conv2")(x)
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = layers.Conv2D(64, 3, **conv, name="conv3")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.5, name="dropout1")(x)
    x = layers.Dense(64, activation="relu", name="dense")(x)
    x = layers.Dropout(0.2, name="dropout2")(x)
    x = layers.Dense(10, name="logits")(x)
    x = layers.Softmax(name="predictions")(x)
    return keras.Model(images, x, name="fashion_cnn")
