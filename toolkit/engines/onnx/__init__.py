"""ONNX files: how they are converted to, read, run and compared."""
