"""Starts a worker that cannot confine its jobs, because an emulator stands between it and the kernel: confined as its one job is.

    python -I -S enclosed.py ASKED COMMAND...

ASKED is JSON: `needs` (files and folders that the program itself reads), `private`, `folder` of the job, `access`, `memory_bytes`, `written_bytes`.
The command is a worker's; it is told how it was confined. It runs in the interpreter of the host, and needs the standard library only.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_PACKAGE.parent))
from toolkit.confinement import Bounds, Confinement, ability, processes  # noqa: E402 (from where it lies)


def main() -> None:
    """Confine this process, and become the command."""
    asked, command = json.loads(sys.argv[1]), sys.argv[2:]
    confinement = Confinement(_PACKAGE, Path(asked["private"]), ability(namespace=processes.enclose(0)))
    confinement.prepare(asked["needs"])
    bounds = Bounds.from_json(asked["access"], emulated=True)
    with confinement.ready(bounds, Path(asked["folder"])) as ready:
        ready.enter(asked["memory_bytes"], asked["written_bytes"])
        os.execv(command[0], [*command, "--confined", str(confinement)])  # noqa: S606 (a worker's command)


if __name__ == "__main__":
    main()
