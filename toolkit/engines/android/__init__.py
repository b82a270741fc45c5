"""Android phones that `adb` reaches, and TensorFlow Lite's `benchmark_model`, which runs a model there. Nothing here was ever run on a phone."""
