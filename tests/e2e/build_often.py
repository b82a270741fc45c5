"""Build a model again and again in one process, and print what each build left behind, as JSON.

    python build_often.py MODEL SAMPLES OUT BUILDS

Each time all runs of the artifact are done again, by workers that are started and ended again, and TensorFlow's is begun and ended before it
is ready; what TensorFlow itself makes stays in the store, because importing it twenty times takes minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path

import toolkit
from toolkit import Original, Samples, Settings

HERE = Path(__file__).resolve().parent


def forget_runs(home: Path) -> int:
    """Remove the finished jobs of the small engine from the store, and return how many there were."""
    found = [
        path.parent
        for path in (home / "store" / "objects").glob("*/*/manifest.json")
        if "ai-edge-litert" in path.read_text()
    ]
    for folder in found:
        shutil.rmtree(folder)
    return len(found)


def main(model: str, samples: str, out: str, builds: int) -> None:
    """Print a list with an entry for each build."""
    home, rounds = Settings().home, []
    for _ in range(builds):
        forgotten = forget_runs(home)
        outcomes = toolkit.build(Original(Path(model)), ["host"], Samples(samples), Path(out), scheme="static_wi8_ai8")
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        rounds.append(
            {
                "passed": outcomes["host"].passed,
                "forgotten": forgotten,
                "resident_bytes": pages * os.sysconf("SC_PAGE_SIZE"),
                "descriptors": len(os.listdir("/proc/self/fd")),
                "threads": threading.active_count(),
            }
        )
    sys.stdout.write(json.dumps(rounds))


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
