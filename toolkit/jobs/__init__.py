"""Jobs, the store of finished ones, and who runs them in workers."""
