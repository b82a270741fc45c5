"""Make the embedded sample: train the digits model, and write its SavedModel and its held-out images.

    python train.py [MODEL_FOLDER] [IMAGES_FILE]        needs tensorflow and scikit-learn; `make sample` provides both

The data are the 1797 handwritten digits that scikit-learn carries: 8x8 pixels, grey levels 0 to 16. They are the test part of
"Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998
(doi 10.24432/C50P49), CC BY 4.0. What is written keeps the grey levels; only the order and the storage type change.

The images that the model is trained on are not written: whoever calibrates or judges it with the written ones uses images that
it has never seen. On one machine the script gives the same weights every time (seeds, deterministic kernels); another processor
may round differently, and a SavedModel is never the same file twice. What converters make of it is.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when tensorflow is imported
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its kernels may sum in another order from run to run

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

SEED = 1797
HELD_OUT = 700  # 200 to calibrate with and 500 to judge with; the other 1097 are for training
EPOCHS = 60
BATCH = 32
HERE = Path(__file__).resolve().parent

Split = tuple[np.ndarray, np.ndarray]  # images (n, 8, 8, 1) uint8 and labels (n,) uint8


def split_digits() -> tuple[Split, Split]:
    """Return the training part and the held-out part, always the same ones; no image is in both."""
    digits = load_digits()
    images = digits.images.astype(np.uint8)[..., np.newaxis]
    labels = digits.target.astype(np.uint8)
    if len({image.tobytes() for image in images}) != len(images):
        raise SystemExit("train.py: scikit-learn's digits hold an image twice; the held-out part would not be held out")
    order = np.random.default_rng(SEED).permutation(len(images))
    held_out, training = order[:HELD_OUT], order[HELD_OUT:]
    return (images[training], labels[training]), (images[held_out], labels[held_out])


def convolution(x: Any, filters: int, *, kernel: int = 3, linear: bool = False) -> Any:
    """Return `x` after a convolution, batch normalization and, unless it is linear, ReLU6."""
    x = keras.layers.Conv2D(filters, kernel, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    return x if linear else keras.layers.ReLU(max_value=6.0)(x)


def depthwise(x: Any, *, strides: int) -> Any:
    """Return `x` after a 3x3 depthwise convolution, batch normalization and ReLU6."""
    x = keras.layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    return keras.layers.ReLU(max_value=6.0)(x)


def build() -> keras.Model:
    """Return the untrained network: the operators of a mobile classifier, on raw grey levels (None, 8, 8, 1) float32."""
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Rescaling(1 / 8, offset=-1.0)(image)  # 0..16 to -1..1: deployed with the model, not beside it
    x = convolution(x, 16)
    x = depthwise(x, strides=2)
    x = shortcut = convolution(x, 24, kernel=1, linear=True)
    x = convolution(x, 72, kernel=1)
    x = depthwise(x, strides=1)
    x = convolution(x, 24, kernel=1, linear=True)
    x = keras.layers.Add()([x, shortcut])
    x = convolution(x, 64, kernel=1)
    x = keras.layers.GlobalAveragePooling2D()(x)
    probabilities = keras.layers.Dense(10, activation="softmax", name="probabilities")(x)
    return keras.Model(image, probabilities, name="digits")


def train(training: Split) -> keras.Model:
    """Return the trained network; the same weights each time on one machine."""
    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    images, labels = training
    model = build()
    image = keras.Input((8, 8, 1))
    moved = keras.layers.RandomTranslation(0.1, 0.1, fill_mode="constant", seed=SEED)(image)
    student = keras.Model(image, model(moved))  # so that no optimizer is exported with the model
    steps = EPOCHS * -(-len(images) // BATCH)
    student.compile(
        optimizer=keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(4e-3, steps), weight_decay=1e-3),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.05),
    )
    one_hot = np.eye(10, dtype=np.float32)[labels]
    student.fit(images.astype(np.float32), one_hot, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return model


def export(model: keras.Model, folder: Path) -> None:
    """Write the SavedModel: one signature, `image` (None, 8, 8, 1) float32 to `probabilities` (None, 10) float32."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default",
        lambda image: {"probabilities": model(image, training=False)},  # Keras' own export would call it output_0
        input_signature=[tf.TensorSpec((None, 8, 8, 1), tf.float32, name="image")],
    )
    if folder.is_dir():
        others = {path.name for path in folder.iterdir()} - {"saved_model.pb", "variables", "fingerprint.pb", "assets"}
        if others:
            raise SystemExit(f"train.py: {folder}: holds {', '.join(sorted(others))}, and is no SavedModel alone")
        shutil.rmtree(folder)
    archive.write_out(str(folder), tf.saved_model.SaveOptions(experimental_debug_stripper=True), verbose=False)
    for left_over in ("fingerprint.pb", "assets"):  # the one differs every time, the other is an empty folder
        path = folder / left_over
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


def accuracy(folder: Path, held_out: Split) -> float:
    """Return the fraction of the held-out images that the written SavedModel recognizes."""
    images, labels = held_out
    classify = tf.saved_model.load(str(folder)).signatures["serving_default"]
    probabilities = classify(image=tf.constant(images, tf.float32))["probabilities"].numpy()
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def main(model_folder: Path, images_file: Path) -> None:
    """Write both and say how good the model is; exit with 1 if it recognizes less than 97 % of the held-out images."""
    training, held_out = split_digits()
    model = train(training)
    export(model, model_folder)
    np.savez_compressed(images_file, images=held_out[0], labels=held_out[1])
    right = accuracy(model_folder, held_out)
    size = sum(path.stat().st_size for path in model_folder.rglob("*") if path.is_file())
    print(f"{images_file}: {HELD_OUT} held-out images, {images_file.stat().st_size} bytes")
    print(f"{model_folder}: {model.count_params()} parameters, {size} bytes, {right:.4f} of them recognized")
    if not right >= 0.97:
        raise SystemExit("train.py: less than 0.97; not fit to be the sample")


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    main(*given, *(HERE / "digits", HERE.parents[1] / "calibration" / "digits.npz")[len(given) :])
