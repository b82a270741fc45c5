"""Processors that this machine does not have: QEMU, the system for it, and the engines' packages for that system."""
