"""Starts a worker confined as its only job is.

An emulated worker cannot confine its jobs itself: its calls do not reach the kernel. A job that starts a browser is confined together with that.

    python -I -S enclosed.py ASKED COMMAND...

ASKED is JSON: `needs` (files and folders that the program itself reads), `private`, `folder` of the job, `access`, `memory_bytes`, `written_bytes`,
and `browser`, whether the job starts one.
COMMAND starts a worker, which is told how it was confined. This script runs in the host's interpreter and needs the standard library only.
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
    """Confine this process, then run the command in it."""
    asked, command = json.loads(sys.argv[1]), sys.argv[2:]
    confinement = Confinement(_PACKAGE, Path(asked["private"]), ability(namespace=processes.enclose(0)))
    confinement.prepare(asked["needs"])
    bounds = Bounds.from_json(asked["access"], emulated=not asked["browser"], browser=asked["browser"])
    told = ["--confined", str(confinement), *(["--starts-programs"] if bounds.browser else [])]
    os.makedirs(os.path.join(asked["folder"], "tmp"), exist_ok=True)  # rules are made for folders that are there
    with confinement.ready(bounds, Path(asked["folder"])) as ready:
        ready.enter(asked["memory_bytes"], asked["written_bytes"])
        os.execv(command[0], [*command, *told])  # noqa: S606 (a worker's command)


if __name__ == "__main__":
    main()
