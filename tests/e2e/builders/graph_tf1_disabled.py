"""Code of TensorFlow 1 that was made to run with TensorFlow 2 by two lines."""

import tensorflow as tf

v1 = tf.compat.v1
v1.disable_v2_behavior()


def model():
    """Return x (None, 6) to y (None, 3), made in the default graph."""
    x = v1.placeholder(v1.float32, [None, 6])
    w, b = v1.get_variable("w", [6, 3]), v1.get_variable("b", [3])
    return {"inputs": {"x": x}, "outputs": {"y": v1.tanh(v1.matmul(x, w) + b)}}
