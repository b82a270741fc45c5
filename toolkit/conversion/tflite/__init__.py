"""Workers' code that makes .tflite files and reads their content."""
