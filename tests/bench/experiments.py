"""Measure quantization of MobileNetV2 against what a user would write: one cold build, a sweep of variants, and thirty sweeps in one process.

    python experiments.py [--rounds 3] [--sweeps 30] [--json FILE]

As in bench.py: whole commands by the wall clock, in turns; a ratio is that of the medians; exit status 1 where a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bench

from toolkit.environments import resolve
from toolkit.settings import Settings, default_home

HERE = Path(__file__).resolve().parent
VARIANTS = 12
SETTLED = 5  # sweeps until the allocator has its pools
RECIPE = """\
[reader]
kind = "arrays"
path = "samples.npz"
[sampling]
calibration = 100
verification = 128
"""
# Ten sectors of random directions: where two of them meet, an untrained network's best score is soon another.
TARGET = """\
name = "untrained"
about = "host, for a network without training"
hardware = "whatever this runs on"
extends = "host"
[[bounds]]
stage = "total"
output = "*"
metric = "top1_agreement"
limit = 0.5
because = "nothing was learned that would keep scores apart"
[[bounds]]
stage = "total"
output = "*"
metric = "sqnr_db"
schemes = ["static_wi8_ai8"]
limit = 6
because = "nor that would keep activations in a range; what is measured here is time"
[[bounds]]
stage = "total"
output = "*"
metric = "class_recall:of=scores"
off = true
because = "a class of three samples by chance is no class"
[[bounds]]
stage = "total"
output = "*"
metric = "kappa:of=scores"
off = true
because = "nor do such classes agree by more than chance"
"""


def measure(rounds: int, sweeps: int, work: Path) -> tuple[Any, list[Any]]:
    """Return all times and all values with their limits."""
    settings = Settings(home=default_home(), offline=True)
    python = resolve("tensorflow", settings=settings).python
    network = work / "network"
    network.mkdir()
    (work / "tmp").mkdir()
    times = bench.Times()
    bench.say("writing MobileNetV2")
    bench.Times().run("written", [python, HERE / "mobilenet.py", "write", network], where=work)
    (network / "samples.toml").write_text(RECIPE)
    (network / "untrained.toml").write_text(TARGET)
    source: list[Any] = [
        network / "saved_model",
        "--target",
        network / "untrained.toml",
        "--calibration",
        network / "samples.toml",
    ]
    # Three estimators by two quantizers by two set sizes: twelve variants of static int8.
    varied = ["--scheme", "static_wi8_ai8", "--estimator", "min_max", "--estimator", "percentile", "--estimator", "mse"]
    sized = ["--size", "100", "--size", "50"]
    for number in range(rounds):
        bench.say(f"round {number + 1} of {rounds}")
        times.run("script", [python, HERE / "mobilenet.py", "script", network], where=work)
        with bench.fresh(settings, work) as home:
            build: list[Any] = [bench.COMMAND, "build", *source, "--scheme", "static_wi8_ai8", "--out", work / "dist"]
            times.run("build", build, home=home, where=work)
        with bench.fresh(settings, work) as home:
            times.run("sweep", [bench.COMMAND, "sweep", *source, *varied, *sized], home=home, where=work)
            one_more = ["--scheme", "static_wi8_ai8", "--estimator", "percentile:percentile=99.9"]
            times.run("one more", [bench.COMMAND, "sweep", *source, *one_more], home=home, where=work)
    times.run("conversions", [python, HERE / "mobilenet.py", "variants", network, str(VARIANTS)], where=work)
    bench.say(f"{sweeps} sweeps in one process")
    grown = memory_grown(settings, work, sweeps)
    return times, [
        bench.Measured(
            "cold build, MobileNetV2 int8", times.ratio("build", "script"), 0.7, "x", "the handwritten script"
        ),
        bench.Measured(
            f"sweep of {VARIANTS} variants", times.ratio("sweep", "conversions"), 0.125, "x", f"{VARIANTS} conversions"
        ),
        bench.Measured("memory grown", grown, 5.0, "MB", f"sweep {sweeps} against sweep {SETTLED}"),
    ]


def memory_grown(settings: Settings, work: Path, sweeps: int) -> float:
    """Return how much the process holds more after the last sweep than when it had settled, in MB."""
    with bench.fresh(settings, work) as home:
        command: list[Any] = [sys.executable, HERE / "sweeps.py", home, str(sweeps)]
        ended = subprocess.run(command, env=bench.surroundings(work, home), capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise SystemExit(f"bench: sweeps.py: exit status {ended.returncode}\n{ended.stderr[-4000:]}")
        resident = json.loads(ended.stdout.splitlines()[-1])
    return float(resident[-1] - resident[min(SETTLED, sweeps) - 1]) / 1e6


def main() -> int:
    """Measure, print, and return 0 if every limit is met, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sweeps", type=int, default=30)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to it as well")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edge-toolkit-bench-") as work:
        times, values = measure(asked.rounds, asked.sweeps, Path(work))
    print(bench.table(times, values))
    if asked.json:
        measured = [{**asdict(each), "met": each.met} for each in values]
        asked.json.write_text(json.dumps({"measured": measured, "seconds": times.seconds}, indent=2) + "\n")
    return 0 if all(each.met for each in values) else 1


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
