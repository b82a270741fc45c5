"""What is read of TensorFlow's own files, and of its devices."""
