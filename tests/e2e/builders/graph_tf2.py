"""The same network, written again for TensorFlow 2: other names of variables, so a map says which is which."""

import tensorflow as tf


def model(units="3"):
    """Return x (None, 6) to y (None, 3)."""
    layer = tf.Module()
    layer.kernel = tf.Variable(tf.zeros([6, int(units)]), name="kernel")
    layer.bias = tf.Variable(tf.zeros([int(units)]), name="bias")
    specification = tf.TensorSpec([None, 6], tf.float32, "x")
    layer.call = tf.function(lambda x: {"y": tf.tanh(x @ layer.kernel + layer.bias)}, input_signature=[specification])
    return layer


def same_names():
    """Return it with the variables called as TensorFlow 1's code called them."""
    layer = tf.Module()
    layer.w, layer.b = tf.Variable(tf.zeros([6, 3]), name="w"), tf.Variable(tf.zeros([3]), name="b")
    specification = tf.TensorSpec([None, 6], tf.float32, "x")
    layer.call = tf.function(lambda x: {"y": tf.tanh(x @ layer.w + layer.b)}, input_signature=[specification])
    return layer
