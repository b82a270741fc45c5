"""An original -> artifacts: formats, schemes, estimators of ranges, and quantizers."""
