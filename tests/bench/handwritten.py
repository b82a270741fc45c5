"""What `edge-toolkit build` is measured against: the script that its user would write, and no slower than need be.

    python handwritten.py SAVED_MODEL SAMPLES.npz

Loads the model, converts it to a float and to an int8 .tflite, runs both models over the samples that did not calibrate, compares, prints.
It verifies one stage of those that `build` does: the int8 model against the original, on this machine, with TensorFlow's own interpreter.
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

CALIBRATION = 200


def main(folder: str, samples: str) -> None:
    """Write model.float32.tflite and model.int8.tflite into the working folder, and print how far int8 is from the original."""
    with np.load(samples) as arrays:
        images, labels = arrays["images"].astype(np.float32), arrays["labels"]
    order = np.random.default_rng(0).permutation(len(images))
    calibration, verification = images[order[:CALIBRATION]], images[order[CALIBRATION:]]
    truth = labels[order[CALIBRATION:]]

    original = tf.saved_model.load(folder).signatures["serving_default"]
    expected = original(image=tf.constant(verification))["probabilities"].numpy()

    with open("model.float32.tflite", "wb") as file:
        file.write(tf.lite.TFLiteConverter.from_saved_model(folder).convert())

    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ({"image": image[np.newaxis]} for image in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    quantized = converter.convert()
    with open("model.int8.tflite", "wb") as file:
        file.write(quantized)

    run = tf.lite.Interpreter(model_content=quantized).get_signature_runner("serving_default")
    found = np.concatenate([run(image=image[np.newaxis])["probabilities"] for image in verification])

    agreement = np.mean(found.argmax(axis=1) == expected.argmax(axis=1))
    snr_db = 10 * np.log10(np.sum(expected**2) / np.sum((found - expected) ** 2))
    print(
        f"{len(quantized)} bytes, {len(verification)} samples: agreement {agreement:.4f}, SNR {snr_db:.1f} dB, ", end=""
    )
    print(
        f"accuracy {np.mean(found.argmax(axis=1) == truth):.4f} (original {np.mean(expected.argmax(axis=1) == truth):.4f})"
    )
    if agreement < 0.98:
        sys.exit("not good enough")


if __name__ == "__main__":
    main(*sys.argv[1:])
