"""The bundle that ships: the artifact with its report, its runs and its manifest. It is written as a whole, read back and verified."""
