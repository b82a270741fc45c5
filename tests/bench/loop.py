"""Build the sample many times in one process, each time from an empty store; print what each build left behind, as JSON.

python loop.py HOME OUT BUILDS        HOME: a cache folder with the environments; its store is emptied again and again
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from toolkit import LocalExecutor, Original, Samples, Settings, build
from toolkit.jobs.pruning import prune
from toolkit.jobs.store import Store

ROOT = Path(__file__).resolve().parents[2]


def tree(folder: Path, without: str = "") -> list[str]:
    """Return the paths of all that is in a folder; what a link leads to is not in it."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if os.path.join(place, name) != os.path.join(folder, without)]
        found += [os.path.relpath(os.path.join(place, name), folder) for name in folders + files]
    return sorted(found)


def build_once(settings: Settings, out: Path) -> dict[str, object]:
    """Return resident bytes, open file descriptors, threads and files after one cold build."""
    prune(Store(settings.home / "store"), 0.0)
    with LocalExecutor(settings) as executor:
        samples = Samples(str(ROOT / "calibration" / "digits.toml"))
        outcomes = build(Original(ROOT / "toolkit" / "sample" / "digits"), ["host"], samples, out, executor=executor)
    verdict = outcomes["host"]
    if isinstance(verdict, Exception):
        raise verdict
    if not verdict.passed:
        raise SystemExit("the sample did not pass for host")
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "resident_bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "unfinished": tree(settings.home / "store" / "work") + tree(settings.home / "store" / "failed"),
        "files": [
            *tree(settings.home, without="store/objects"),
            *tree(out),
        ],  # a SavedModel, so its key, is never the same
    }


def main(home: str, out: str, builds: str) -> None:
    """Print one JSON document: a list with an entry for each build."""
    settings = Settings(home=Path(home), offline=True)
    print(json.dumps([build_once(settings, Path(out)) for _ in range(int(builds))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
