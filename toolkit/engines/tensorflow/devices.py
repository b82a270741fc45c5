"""The devices that TensorFlow computes on: only the processor, or also a GPU."""

from __future__ import annotations

from toolkit.errors import RequestError


def use(device: str) -> None:
    """Let TensorFlow see only the processor ("cpu") or also a GPU ("gpu"); RequestError where there is no GPU. Call it before TensorFlow computes.

    TensorFlow takes a GPU's memory only as needed, because two jobs may share it.
    """
    import tensorflow as tf

    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
        return
    found = tf.config.list_physical_devices("GPU")
    if not found:
        raise RequestError(
            f"reference device {device!r}: TensorFlow {tf.__version__} finds no GPU here",
            "leave out --reference-device, or install a TensorFlow with CUDA and name it: --python source=/path/to/python",
        )
    for one in found:
        tf.config.experimental.set_memory_growth(one, enable=True)
