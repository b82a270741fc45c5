"""An artifact and samples -> a run: what was given, sample by sample, and by which engine."""
