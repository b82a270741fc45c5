"""What launchers of browsers need: the program, and the packages of the engines that run in a page."""
