"""Files of variables: what is in them, which variable of a model each belongs to, and the proof that it was restored."""
