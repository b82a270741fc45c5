"""Flat graphs: where they begin and end, which part is needed, and how that part is saved."""
