"""A model on an Android phone: samples as files, and runs of TensorFlow Lite's `benchmark_model`. Nothing here was ever run on a phone."""
