"""What is shipped: the artifact with its report, its runs and its manifest, written whole, read back, and verified."""
