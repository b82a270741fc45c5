"""Runs an artifact over samples: a run holds the outputs, sample by sample, and says which engine gave them."""
