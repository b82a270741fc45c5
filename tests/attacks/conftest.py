"""What tests of attacks share."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def bottomless() -> Iterator[Path]:
    """Return a folder that may be filled with folders in each other without end.

    It is none of pytest's, which removes its own by recursion: where a session was killed, what it left there would make all later ones fail.
    """
    folder = Path(tempfile.mkdtemp(prefix="edge-toolkit-bottomless-"))
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)
