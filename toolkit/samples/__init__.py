"""Sets of samples: how they are declared, read, prepared, drawn and checked."""
