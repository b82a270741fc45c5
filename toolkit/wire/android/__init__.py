"""Android phones that `adb` reaches, as host and worker ask them: the client, and what TensorFlow Lite's `benchmark_model` takes and prints."""
