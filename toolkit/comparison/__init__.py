"""Two runs -> how far apart they are, output by output, and whether that is within bounds."""
