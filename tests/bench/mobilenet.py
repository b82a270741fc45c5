"""MobileNetV2, and what its user would write without this project; runs where TensorFlow is.

python mobilenet.py write FOLDER [SIZE]     FOLDER/saved_model and FOLDER/samples.npz: an untrained network whose BatchNorm has seen images
python mobilenet.py script FOLDER           convert to float and to int8, run both over the samples, compare
python mobilenet.py variants FOLDER COUNT   so many int8 conversions, each with another calibration set
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np

CALIBRATION, VERIFICATION = 100, 128
_DIRECTIONS = 4  # in which the features of pictures differ most
_SPREAD = 3  # standard deviation of the scores
_SETTLING = 6  # passes in training mode, each of which takes the statistics halfway to those of the images


def images(count: int, size: int) -> Any:
    """Return smooth random pictures in [-1, 1], of a colour and a contrast each, float32 (count, size, size, 3)."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    coarse = rng.random((count, 8, 8, 3), dtype=np.float32)
    fine = rng.normal(0, 0.1, (count, size, size, 3)).astype(np.float32)
    contrast, colour = rng.random((count, 1, 1, 1)), rng.uniform(-0.7, 0.7, (count, 1, 1, 3))
    smooth = (tf.image.resize(coarse, (size, size)).numpy() * 2 - 1) * contrast + colour
    return np.clip(smooth + fine, -1, 1).astype(np.float32)


def write(folder: Path, size: int) -> None:
    """Write the network and its samples."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(input_shape=(size, size, 3), weights=None, classes=10)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            # Mostly the middle, as training makes them: of random ones, the padding's pattern soon hides the picture.
            (kernel,) = layer.get_weights()
            kernel *= 0.3
            kernel[1, 1] += 1
            layer.set_weights([kernel])
    seen = images(32, size)
    for _ in range(_SETTLING):
        model(seen, training=True)
    features = keras.Model(model.input, model.layers[-2].output)(seen).numpy()
    # Scores that differ from picture to picture, as a trained network's do: the last layer looks at what varies.
    varied = features - features.mean(axis=0)
    _, _, directions = np.linalg.svd(varied, full_matrices=False)
    kernel = directions[:_DIRECTIONS].T @ np.random.default_rng(0).normal(size=(_DIRECTIONS, 10))
    kernel *= _SPREAD / (varied @ kernel).std()
    model.layers[-1].set_weights([kernel.astype(np.float32), -(features.mean(axis=0) @ kernel).astype(np.float32)])
    signature = [tf.TensorSpec([1, size, size, 3], tf.float32, name="image")]
    model.export(folder / "saved_model", verbose=False, input_signature=signature)
    np.savez(folder / "samples.npz", image=images(CALIBRATION + VERIFICATION, size))


def quantized(folder: Path, calibration: Any) -> bytes:
    """Return the int8 model, by TensorFlow's converter."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved_model"))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[np.newaxis]] for image in calibration)
    return bytes(converter.convert())


def script(folder: Path) -> None:
    """Convert, run and compare, as a careful user would; print how far int8 is from the original."""
    import tensorflow as tf

    samples = np.load(folder / "samples.npz")["image"]
    calibration, verification = samples[:CALIBRATION], samples[CALIBRATION:]
    original = tf.saved_model.load(str(folder / "saved_model")).signatures["serving_default"]
    expected = np.concatenate([next(iter(original(tf.constant(x[np.newaxis])).values())) for x in verification])
    (folder / "float32.tflite").write_bytes(
        tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved_model")).convert()
    )
    content = quantized(folder, calibration)
    (folder / "int8.tflite").write_bytes(content)
    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for image in verification:
        interpreter.set_tensor(taken["index"], image[np.newaxis])
        interpreter.invoke()
        found.append(interpreter.get_tensor(given["index"]))
    noise = np.concatenate(found) - expected
    print(f"{len(content)} bytes, SQNR {10 * np.log10((expected**2).sum() / (noise**2).sum()):.1f} dB")


def variants(folder: Path, count: int) -> None:
    """Convert to int8 again and again."""
    samples = np.load(folder / "samples.npz")["image"]
    for number in range(count):
        content = quantized(folder, np.roll(samples, number, axis=0)[:CALIBRATION])
        (folder / f"variant{number}.tflite").write_bytes(content)


if __name__ == "__main__":
    verb, where, *more = sys.argv[1:]
    {"write": write, "script": lambda folder, _: script(folder), "variants": variants}[verb](
        Path(where), int(more[0]) if more else 224
    )
