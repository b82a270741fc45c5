"""Bytecode for the emulated Python, compiled by a Python of this machine: the format depends on the version, not on the processor."""

from __future__ import annotations

import sys
from pathlib import Path

from toolkit.environments.made_once import Making
from toolkit.environments.virtualenv import UV_VARIABLES, find_python, find_uv


def compile_bytecode(making: Making, *folders: Path) -> None:
    """Compile all modules under the folders if this machine has a Python 3.11 (LiteRT's import under QEMU: 0.7 s instead of 1.8 s).

    The bytecode is marked as valid without a check of the source, because a copy of a folder changes the source's times.
    """
    here = sys.executable if sys.version_info[:2] == (3, 11) else None
    python = here or find_python(making, find_uv(making.what), "3.11")
    if python is not None:
        options = ["-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
        making.run([python, "-m", "compileall", *options, *folders], variables=UV_VARIABLES)
