"""Flat graphs: where they begin and end, what of them is needed, and how that is saved."""
