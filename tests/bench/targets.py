"""Measure the processor time of a cold build for six targets against one for a single target; exit with 1 where the limit is missed.

    python targets.py [--rounds 2] [--json FILE]

No target is emulated: an emulator's time is its own. The six take three runtimes and four schemes, from one source and one set of samples.
Processor time, unlike the wall clock, hardly depends on what else the machine does.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench

from toolkit.settings import Settings, default_home

LOOK_EVERY_S = 0.02
ONE = ("host",)
SHIPPED = (*ONE, "linux-x86_64-tflite-runtime", "onnxruntime-host")
OWN = {"float32": "host", "float16": "host", "dynamic_wi8_afp32": "host"}


def profiles(folder: Path) -> list[Path]:
    """Write three profiles, each of a single scheme; return their paths."""
    for scheme, extends in OWN.items():
        name = scheme.replace("_", "-")
        text = f'name = "{name}"\nabout = "{scheme} alone"\nextends = "{extends}"\nschemes = ["{scheme}"]\n'
        (folder / f"{name}.toml").write_text(text)
    return sorted(folder.glob("*.toml"))


def processor_seconds(targets: list[object], settings: Settings, work: Path) -> float:
    """Return the processor time of a cold build and of all processes that it started, in seconds.

    Nobody whom the command waits for has waited for a worker, so the kernel's account of finished children lacks it (`verification.peak_bytes`).
    So each process that names the command's cache folder is looked at while it runs; its last moment, up to 0.02 s, is lost.
    """
    asked = [word for target in targets for word in ("--target", target)]
    command = [
        bench.COMMAND,
        "build",
        bench.SAMPLE,
        *asked,
        "--calibration",
        bench.ROOT / "calibration" / "digits.toml",
    ]
    with bench.fresh(settings, work) as home, tempfile.TemporaryFile() as told:
        running = subprocess.Popen(
            [*map(str, command), "--out", str(home / "dist")],
            env=bench.surroundings(work, home),
            stdout=subprocess.DEVNULL,
            stderr=told,
        )
        ticks: dict[str, int] = {}
        while running.poll() is None:
            look(os.fsencode(home), ticks)
            time.sleep(LOOK_EVERY_S)
        told.seek(0)
        said = told.read().decode(errors="replace")
    if running.returncode != 0:
        raise SystemExit(f"bench: {' '.join(map(str, command))}: exit status {running.returncode}\n{said[-4000:]}")
    return sum(ticks.values()) / os.sysconf("SC_CLK_TCK")


def look(home: bytes, ticks: dict[str, int]) -> None:
    """Note the clock ticks of each process whose environment has that folder: utime and stime, fields 14 and 15 of proc_pid_stat(5)."""
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if home in (place / "environ").read_bytes():
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                ticks[f"{place.name} {fields[19]}"] = int(fields[11]) + int(
                    fields[12]
                )  # with its start: numbers return


def main() -> int:
    """Measure, print, and return 0 if the limit is met, else 1."""
    asked = bench.arguments(__doc__, rounds=2).parse_args()
    settings = Settings(home=default_home(), offline=True)
    with tempfile.TemporaryDirectory(prefix="edge-toolkit-bench-") as folder:
        work = Path(folder)
        (work / "tmp").mkdir()
        six: list[object] = [*SHIPPED, *profiles(work)]
        found = [
            (processor_seconds([*ONE], settings, work), processor_seconds(six, settings, work))
            for _ in range(asked.rounds)
        ]
    one, many = (statistics.median(column) for column in zip(*found, strict=True))
    value = bench.Measured("six targets, processor time", many / one, 2.0, "x", "the build for one")
    times = bench.Times({"one target": [each for each, _ in found], "six targets": [each for _, each in found]})
    return bench.told(times, [value], asked.json)


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
