"""Evidence -> a verdict."""
