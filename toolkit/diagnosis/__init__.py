"""Which operator or layer is off, and what to keep in float for it."""
