"""How long a page takes from the start of its browser to the first result: `python tests/bench/pages.py MODEL.tflite [TIMES]`.

Prints seconds, the least and the middle of several starts: `start` until the model is compiled, `first` until its first result, `next` for one call
after that, with the way into the page and back. Wanted: a first result within 3 s on a machine that does nothing else.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from toolkit.engines.web import litert  # noqa: E402 (from this checkout)
from toolkit.launchers import chromium  # noqa: E402 (likewise)
from toolkit.settings import Settings  # noqa: E402 (likewise)
from toolkit.wire import browser_setup  # noqa: E402 (from this checkout)

WANTED_S = 3.0


def once(setup: browser_setup.Setup, model: Path) -> tuple[float, float, float]:
    """Return the seconds of one page: until the model is compiled, until the first result, and of the next call."""
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
    return started - began, first - began, time.perf_counter() - first


def main(model: str, times: str = "5") -> None:
    """Measure in the environment that has LiteRT, whose classes read the file, and print."""
    if browser_setup.SAID not in os.environ:
        launch = chromium.prepare("litert", {"accelerator": "wasm"}, Settings())
        command = [launch.command[0], __file__, model, times]
        raise SystemExit(subprocess.run(command, env={**os.environ, **launch.variables}, check=False).returncode)
    setup = browser_setup.said()
    found = list(zip(*(once(setup, Path(model)) for _ in range(int(times))), strict=True))
    for name, seconds in zip(("start", "first", "next"), found, strict=True):
        print(f"{name:6} {min(seconds):7.3f} s {statistics.median(seconds):7.3f} s")
    print(f"wanted: a first result within {WANTED_S:g} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
