"""Sweep the embedded sample many times in one process, each time from an empty store; print the resident bytes after each, as JSON.

python sweeps.py HOME SWEEPS        HOME: a cache folder with the environments; its store is emptied again and again
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from toolkit import LocalExecutor, Original, Samples, Settings
from toolkit.experiments.sweep import Asking, sweep
from toolkit.jobs.pruning import prune
from toolkit.jobs.store import Store
from toolkit.profiles.recipe import estimator

ROOT = Path(__file__).resolve().parents[2]


def resident_after_one(settings: Settings) -> int:
    """Return the resident bytes after one cold sweep."""
    prune(Store(settings.home / "store"), 0.0)
    asking = Asking(("static_wi8_ai8",), (estimator("min_max"), estimator("mse")))
    with LocalExecutor(settings) as executor:
        samples = Samples(str(ROOT / "calibration" / "digits.toml"))
        rows = sweep(Original(ROOT / "toolkit" / "sample" / "digits"), ["host"], samples, asking, executor=executor)
    if not all(row.verdict == "passed" for row in rows):
        raise SystemExit("a variant of the sample did not pass for host")
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(home: str, sweeps: str) -> None:
    """Print one JSON document: a number for each sweep."""
    settings = Settings(home=Path(home), offline=True)
    print(json.dumps([resident_after_one(settings) for _ in range(int(sweeps))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
