"""Files of models and the engines that read them; code for an engine's interpreter, with the standard library, numpy and that engine alone."""
