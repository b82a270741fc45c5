"""Processors that this machine does not have: QEMU, the system it runs on, and the engines' packages for it."""
