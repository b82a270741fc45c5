"""TFLite files: how they are read, run, tapped and compared, by whatever interpreter the environment holds."""
