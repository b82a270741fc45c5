"""TFLite files: how they are read, run, tapped and compared, with the interpreter of the environment."""
