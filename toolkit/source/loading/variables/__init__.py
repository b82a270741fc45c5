"""Files of variables: their content, the model's variable for each of theirs, and the proof that it was restored."""
