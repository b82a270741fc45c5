"""Files of models and the engines that read them: in an engine's interpreter, with the standard library, numpy and that engine alone."""
