"""A network whose variables a checkpoint and Keras files hold, and how TensorFlow itself opens them: what `inspect` is measured against.

python network.py write FOLDER              network.keras, network.h5, network.weights.h5, checkpoint.index and its data
python network.py open FOLDER KIND          as a user would by hand: keras, h5, weights or checkpoint; saved_model opens FOLDER itself
"""

from __future__ import annotations

import sys
from typing import Any


def network() -> Any:
    """Return a small image classifier of Keras, built."""
    import keras

    keras.utils.set_random_seed(0)
    layers: list[Any] = [keras.Input((32, 32, 3), name="image")]
    for filters in (16, 32, 64, 128):
        layers += [keras.layers.Conv2D(filters, 3, 2, "same", activation="relu"), keras.layers.BatchNormalization()]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10, activation="softmax")]
    return keras.Sequential(layers)


def write(folder: str) -> None:
    """Write the network in each form."""
    import tensorflow as tf

    model = network()
    model.save(f"{folder}/network.keras")
    model.save(f"{folder}/network.h5")
    model.save_weights(f"{folder}/network.weights.h5")
    tf.train.Checkpoint(model=model).write(f"{folder}/checkpoint")


def open_(folder: str, kind: str) -> None:
    """Open one of them with TensorFlow."""
    import tensorflow as tf

    if kind == "saved_model":
        tf.saved_model.load(folder)
    elif kind == "checkpoint":
        tf.train.Checkpoint(model=network()).read(f"{folder}/checkpoint").assert_existing_objects_matched()
    elif kind == "weights":
        network().load_weights(f"{folder}/network.weights.h5")
    else:
        import keras

        keras.saving.load_model(f"{folder}/network.{kind}", compile=False)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(*sys.argv[2:])
    else:
        open_(*sys.argv[2:])
