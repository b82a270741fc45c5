"""Workers' code that makes .onnx files and reads their content."""
