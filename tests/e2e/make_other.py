"""Write a trained model as TensorFlow 2.15 saves it: a checkpoint with its optimizer, whole-model files, and what it answers.

python make_other.py FOLDER       with an interpreter that holds TensorFlow 2.15
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parent / "builders"))

import other_keras2

SEED = 5
SAMPLES = 400
STEPS = 20


def main(folder: Path) -> None:
    """Train for a moment, so that no variable has the value that the builder gives it, and save."""
    model, optimizer = other_keras2.build(), other_keras2.optimizer()
    x = np.random.default_rng(SEED).normal(size=(SAMPLES, 6)).astype(np.float32)
    labels = np.argmax(x[:, :4], axis=1)
    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.keras.losses.sparse_categorical_crossentropy(labels, model(x, training=True)))
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))  # noqa: B905
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    tf.train.CheckpointManager(checkpoint, str(folder / "checkpoint"), max_to_keep=2).save(STEPS)
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    model.save(folder / "saved_model")
    model.save_weights(folder / "model.weights.h5")
    np.savez(folder / "samples.npz", x=x)
    np.save(folder / "scores.npy", model(x).numpy())
    (folder / "version").write_text(tf.__version__)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
