"""Measure how long a page takes from the start of its browser to the first result; exit with 1 where the limit is missed.

    python pages.py [--rounds 5] [--json FILE] [MODEL.tflite]

Without a file, the embedded sample in int8 is converted. `start` is until the model is compiled, `first` until its first result, `next` one call
after that, with the way into the page and back. Where there is no browser nothing is measured, and that is said.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import bench

from toolkit.errors import TargetUnavailable
from toolkit.launchers import chromium
from toolkit.settings import Settings
from toolkit.wire import browser_setup

LIMIT_S = 3.0


def once(setup: browser_setup.Setup, model: Path) -> dict[str, float]:
    """Return the seconds of one page: until the model is compiled, until the first result, and of the next call."""
    from toolkit.engines.web import litert  # only where LiteRT is, whose classes read the file

    began = time.perf_counter()
    loaded = litert.load(setup, model, {"threads": 1})
    started = time.perf_counter()
    sample = {
        spec["name"]: np.zeros([size or 1 for size in spec["shape"] or ()], spec["dtype"])
        for spec in loaded.signature["inputs"]
    }
    loaded.call(sample)
    first = time.perf_counter()
    loaded.call(sample)
    return {"start": started - began, "first": first - began, "next": time.perf_counter() - first}


def in_pages(model: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each round, measured in the environment that has LiteRT."""
    launch = chromium.prepare("litert", {"accelerator": "wasm"}, Settings())
    command = [launch.command[0], __file__, "once", str(model)]
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        variables = {**os.environ, **launch.variables}
        ended = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=True)
        for name, seconds in json.loads(ended.stdout).items():
            found.setdefault(name, []).append(seconds)
    return found


def main() -> int:
    """Measure, print, and return 0 if the limit is met, else 1."""
    parser = bench.arguments(__doc__, rounds=5)
    parser.add_argument("model", type=Path, nargs="?")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edge-toolkit-bench-") as folder:
        model = asked.model or Path(folder) / "model.tflite"
        if asked.model is None:
            sets = ("--scheme", "static_wi8_ai8", "--calibration", bench.ROOT / "calibration" / "digits.toml")
            bench.Times().run(
                "convert", [bench.COMMAND, "convert", bench.SAMPLE, *sets, "--out", model], where=Path(folder)
            )
        try:
            seconds = in_pages(model, asked.rounds)
        except TargetUnavailable as missing:
            bench.say(f"NOT MEASURED: {missing}")
            return 0
    value = bench.Measured(
        "a page's first result", statistics.median(seconds["first"]), LIMIT_S, "s", "after its browser's start"
    )
    return bench.told(bench.Times(seconds), [value], asked.json)


if __name__ == "__main__":
    if sys.argv[1:2] == ["once"]:
        print(json.dumps(once(browser_setup.said(), Path(sys.argv[2]))))
    else:
        sys.exit(main())
