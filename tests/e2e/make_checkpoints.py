"""Write checkpoints of small trained models, each in a folder of its own, with samples and the outputs that the trained model gave for them.

    python make_checkpoints.py FOLDER       with the interpreter of the tensorflow environment

Each was trained a few steps, so that no variable has the value that a builder gives it and the optimizer has slots; `known.npz` has x and scores.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parent / "builders"))

import checkpoint_keras3
import checkpoint_module
import checkpoint_tf_keras
import keras
import tf_keras

SAMPLES = 300
STEPS = 5
SHARD_BYTES = 600


def samples() -> np.ndarray:
    """Return x, (N, 6) float32."""
    return np.random.default_rng(3).normal(size=(SAMPLES, 6)).astype(np.float32)


def trained(model: Any, optimizer: Any, steps: int = STEPS) -> Any:
    """Return the model after a few steps."""
    x = samples()
    wanted = np.stack([x[:, 0] * x[:, 1], np.sin(x[:, 2]), x[:, 3] - x[:, 4], np.abs(x[:, 5])], axis=1)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - wanted) ** 2)
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
        )
    return model


def note(folder: Path, model: Any) -> None:
    """Write what the model gives for the samples."""
    np.savez(folder / "known.npz", x=samples(), scores=np.asarray(model(samples(), training=False)))


def keras3(folder: Path) -> None:
    """A Keras 3 model saved with its optimizer: kernels are under the optimizer's keys."""
    optimizer = keras.optimizers.Adam(0.05)
    model = trained(checkpoint_keras3.functional(), optimizer)
    tf.train.Checkpoint(model=model, optimizer=optimizer).save(str(folder / "ckpt"))
    note(folder, model)


def keras3_root(folder: Path) -> None:
    """A Keras 3 model as the root, by write(): no counter, nothing around it."""
    model = trained(checkpoint_keras3.functional(), keras.optimizers.Adam(0.05))
    tf.train.Checkpoint(model).write(str(folder / "weights"))
    note(folder, model)


def keras3_deep(folder: Path) -> None:
    """A Keras 3 class, two objects below the root, beside a counter."""
    model = trained(checkpoint_keras3.subclassed()[0], keras.optimizers.Adam(0.05))
    inner = tf.train.Checkpoint(network=model)
    tf.train.Checkpoint(trainer=inner, step=tf.Variable(STEPS, dtype=tf.int64)).write(str(folder / "ckpt"))
    note(folder, model)


def keras3_listed(folder: Path) -> None:
    """A Keras 3 class with layers in a list: most of it is not in the file, and nobody was told."""
    model = trained(checkpoint_keras3.listed()[0], keras.optimizers.Adam(0.05))
    tf.train.Checkpoint(model=model).save(str(folder / "ckpt"))
    note(folder, model)


def twice(folder: Path) -> None:
    """A model and its running average, built alike; what is noted are the average's outputs."""
    model = trained(checkpoint_keras3.functional(), keras.optimizers.Adam(0.05))
    average = trained(checkpoint_keras3.functional(), keras.optimizers.Adam(0.01))
    tf.train.Checkpoint(model=model, average=average).save(str(folder / "ckpt"))
    note(folder, average)


def manager(folder: Path) -> None:
    """A CheckpointManager's folder with three steps, of which the last but one by number is the latest by its state file; absolute paths in it."""
    optimizer = keras.optimizers.Adam(0.05)
    model = checkpoint_keras3.functional()
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=5)
    for step in (5, 20, 10):
        trained(model, optimizer)
        manager.save(step)
        np.savez(folder / f"known_{step}.npz", x=samples(), scores=model(samples(), training=False).numpy())
    state = tf.train.get_checkpoint_state(str(folder))
    paths = [str(folder / Path(path).name) for path in state.all_model_checkpoint_paths]
    tf.compat.v1.train.update_checkpoint_state(str(folder), paths[-1], paths)


def sharded(folder: Path) -> None:
    """Values in several files."""
    model = trained(checkpoint_keras3.functional(), keras.optimizers.Adam(0.05))
    options = tf.train.CheckpointOptions(
        experimental_sharding_callback=tf.train.experimental.MaxShardSizePolicy(max_shard_size=SHARD_BYTES)
    )
    tf.train.Checkpoint(model=model).write(str(folder / "ckpt"), options=options)
    note(folder, model)


def tf_keras_model(folder: Path) -> None:
    """A tf-keras model saved with its optimizer."""
    optimizer = tf_keras.optimizers.Adam(0.05)
    model = trained(checkpoint_tf_keras.functional(), optimizer)
    tf.train.Checkpoint(model=model, optimizer=optimizer).save(str(folder / "ckpt"))
    note(folder, model)


def tf_keras_legacy(folder: Path) -> None:
    """A tf-keras class with the optimizer of 2019, whose slots hang on variables."""
    optimizer = tf_keras.optimizers.legacy.Adam(0.05)
    model = trained(checkpoint_tf_keras.subclassed(), optimizer)
    tf.train.Checkpoint(net=model, optimizer=optimizer).save(str(folder / "ckpt"))
    note(folder, model)


def tf_keras_weights(folder: Path) -> None:
    """tf-keras' own save_weights in TensorFlow's format, of a compiled model that was fitted."""
    model = checkpoint_tf_keras.functional()
    model.compile(tf_keras.optimizers.Adam(0.05), "mse")
    model.fit(samples(), np.tanh(samples()[:, :4]), epochs=1, verbose=0)
    model.save_weights(str(folder / "weights"))
    note(folder, model)


def tf_keras_saved_model(folder: Path) -> None:
    """A SavedModel of tf-keras, whose variables are a checkpoint."""
    model = checkpoint_tf_keras.functional()
    model.compile(tf_keras.optimizers.Adam(0.05), "mse", metrics=["mae"])
    model.fit(samples(), np.tanh(samples()[:, :4]), epochs=1, verbose=0)
    model.save(str(folder / "saved"))
    note(folder, model)


def module(folder: Path) -> None:
    """A tf.Module with variables of several types, some with the values that a builder gives them too."""
    network = checkpoint_module.network()
    for variable in network.matrices:
        variable.assign(np.random.default_rng(5).normal(size=variable.shape))
    network.shift.assign(-3)
    network.active.assign(value=True)
    network.calls.assign(7)
    network.names.assign(["yes", "no"])
    tf.train.Checkpoint(network).write(str(folder / "ckpt"))
    np.savez(folder / "known.npz", x=samples(), scores=network(samples())["scores"].numpy())


def module_around(folder: Path) -> None:
    """A tf.Module around a Keras 3 model."""
    network = checkpoint_module.around()
    trained(network.inner, keras.optimizers.Adam(0.05))
    network.scale.assign(1.5)
    tf.train.Checkpoint(network=network).save(str(folder / "ckpt"))
    np.savez(folder / "known.npz", x=samples(), scores=network(samples())["scores"].numpy())


def saver(folder: Path) -> None:
    """A file of tf.train.Saver, which is of another kind."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.get_variable("w", initializer=np.ones((6, 4), np.float32))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(folder / "model.ckpt"))


CHECKPOINTS = (
    keras3, keras3_root, keras3_deep, keras3_listed, twice, manager, sharded, tf_keras_model, tf_keras_legacy,
    tf_keras_weights, tf_keras_saved_model, module, module_around, saver,
)  # fmt: skip


def main(folder: Path) -> None:
    """Write all of them, each under its function's name."""
    for position, make in enumerate(CHECKPOINTS):
        keras.utils.set_random_seed(position)
        (folder / make.__name__).mkdir(parents=True)
        make(folder / make.__name__)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
