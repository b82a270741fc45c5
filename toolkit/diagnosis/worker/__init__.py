"""What the search for a wrong operator does in an engine's interpreter."""
