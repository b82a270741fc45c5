"""The parts of the search for a wrong operator that run in an engine's interpreter."""
