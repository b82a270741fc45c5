"""Models of Keras 3, of tf-keras, and of the Keras in an old TensorFlow: the model itself, its files, and what their configurations tell."""
