"""What workers do to make .tflite files, and to see what they hold."""
