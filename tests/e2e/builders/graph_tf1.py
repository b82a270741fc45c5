"""The training project's own code, of TensorFlow 1: it knows how the graph is made, the checkpoint has the variables."""

import tensorflow as tf

v1 = tf.compat.v1


def _variable(name, *shape):
    return v1.get_variable(name, shape, use_resource=False)


def _features(x, channels):
    y = tf.nn.conv2d(x, _variable("conv/kernel", 3, 3, 1, channels), 1, "SAME")
    moments = _variable("bn/moving_mean", channels), _variable("bn/moving_variance", channels)
    y = tf.nn.batch_normalization(y, *moments, _variable("bn/beta", channels), _variable("bn/gamma", channels), 1e-3)
    return tf.reshape(tf.nn.max_pool2d(tf.nn.relu(y), 2, 2, "SAME"), [-1, 16 * channels])


def _scores(x, channels=4):
    y = tf.nn.relu(tf.matmul(_features(x, channels), _variable("fc1/w", 16 * channels, 12)) + _variable("fc1/b", 12))
    return tf.matmul(y, _variable("fc2/w", 12, 5)) + _variable("fc2/b", 5)


def model():
    """Return the graph for inference: x (None, 8, 8, 1) to probabilities (None, 5)."""
    x = v1.placeholder(tf.float32, [None, 8, 8, 1])
    return {"inputs": {"x": x}, "outputs": {"probabilities": tf.nn.softmax(_scores(x))}}


def wider():
    """Return one with more channels than were trained."""
    x = v1.placeholder(tf.float32, [None, 8, 8, 1])
    return {"inputs": {"x": x}, "outputs": {"probabilities": tf.nn.softmax(_scores(x, 6))}}


def deeper():
    """Return one with a layer that was never trained."""
    x = v1.placeholder(tf.float32, [None, 8, 8, 1])
    scores = tf.matmul(_scores(x), _variable("fc3/w", 5, 5))
    return {"inputs": {"x": x}, "outputs": {"probabilities": tf.nn.softmax(scores)}}


def shallower():
    """Return one without the last layer."""
    x = v1.placeholder(tf.float32, [None, 8, 8, 1])
    y = tf.matmul(_features(x, 4), _variable("fc1/w", 64, 12)) + _variable("fc1/b", 12)
    return {"inputs": {"x": x}, "outputs": {"probabilities": tf.nn.softmax(y)}}


def renamed():
    """Return the graph as a later version of the project makes it, under a scope."""
    with v1.variable_scope("net"):
        return model()


def numbers():
    """Return something that is no tensor."""
    return {"inputs": {"x": 1.0}, "outputs": {"y": 2.0}}
