"""What workers do to make .onnx files, and to see what they hold."""
