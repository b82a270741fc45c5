"""Measure verifying many samples against the bare loop that invokes the two engines; exit with 1 where a limit is missed.

    python verification.py [--rounds 2] [--json FILE]

The network is ResNet8 from ../shared/models, or an untrained one of its shape. As in bench.py: whole commands by the wall clock, in turns.

    python verification.py loop FOLDER          where TensorFlow is: original and artifact over all samples, one after the other, and how far they are
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
MANY = 10_000
PEAKS = (1_000, 50_000)
LOOK_EVERY_S = 0.02
RECIPE = """\
[reader]
kind = "arrays"
path = "{count}.npz"
[preprocess]
dtype = "float32"
[sampling]
verification = {count}
"""


def pictures(count: int) -> np.ndarray:
    """Return pictures of random patches, no two of them alike, uint8 (count, 32, 32, 3)."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def loop(folder: Path) -> None:
    """Run original and artifact over all samples, and print the largest difference."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    images = np.load(folder / f"{MANY}.npz")["image"].astype(np.float32)
    original = tf.saved_model.load(str(folder / "saved_model")).signatures["serving_default"]
    interpreter = tf.lite.Interpreter(str(folder / "model.tflite"))
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    expected, found = [], []
    for image in images:
        expected.append(next(iter(original(tf.constant(image[np.newaxis])).values())).numpy())
        interpreter.set_tensor(taken["index"], image[np.newaxis])
        interpreter.invoke()
        found.append(interpreter.get_tensor(given["index"]))
    print(np.abs(np.concatenate(expected) - np.concatenate(found)).max())


def peak_bytes(bench: Any, command: list[Any], settings: Any, work: Path) -> int:
    """Return the most that any one process of a command had resident, the workers and what they start included.

    A worker is the first of a namespace of processes, so that nobody whom the command waits for has waited for it: the kernel's own account of
    finished children lacks it. So each process that names the command's cache folder is looked at while it runs.
    """
    with bench.fresh(settings, work) as home, tempfile.TemporaryFile() as told:
        running = subprocess.Popen(
            list(map(str, command)), env=bench.surroundings(work, home), stdout=subprocess.DEVNULL, stderr=told
        )
        peak = 0
        while running.poll() is None:
            peak = max([peak, *_peaks_of(os.fsencode(home))])
            time.sleep(LOOK_EVERY_S)
        told.seek(0)
        said = told.read().decode(errors="replace")
    if running.returncode != 0:
        raise SystemExit(f"bench: {' '.join(map(str, command))}: exit status {running.returncode}\n{said[-4000:]}")
    return peak


def _peaks_of(home: bytes) -> Iterator[int]:
    """Yield the peak of resident bytes of each process whose command line or environment has that folder."""
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if home in (place / "cmdline").read_bytes() or home in (place / "environ").read_bytes():
                lines = (place / "status").read_text().splitlines()
                yield from (1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def measure(rounds: int, work: Path) -> tuple[Any, list[Any]]:
    """Return all times and all values with their limits."""
    import bench

    import calibration
    from toolkit.environments import resolve
    from toolkit.settings import Settings, default_home

    settings = Settings(home=default_home(), offline=True)
    python = resolve("tensorflow", settings=settings).python
    (work / "tmp").mkdir()
    network = work / "network"
    network.mkdir()
    bench.say("writing ResNet8 and its samples")
    calibration.say_of(python, "network", network, calibration.RESNET8)
    for count in (MANY, *PEAKS):
        np.savez(network / f"{count}.npz", image=pictures(count))
        (network / f"{count}.toml").write_text(RECIPE.format(count=count))
    times = bench.Times()

    def verify(count: int) -> list[Any]:
        judged = ["--source", network / "saved_model", "--target", "host", "--eval", network / f"{count}.toml"]
        return [bench.COMMAND, "verify", network / "model.tflite", *judged]

    for number in range(rounds):
        bench.say(f"round {number + 1} of {rounds}")
        times.run("loop", [python, HERE / "verification.py", "loop", network], where=work)
        with bench.fresh(settings, work) as home:
            times.run("verify", verify(MANY), home=home, where=work)
    few, many = (peak_bytes(bench, verify(count), settings, work) for count in PEAKS)
    of = f"{PEAKS[1]:,} samples against {PEAKS[0]:,}"
    return times, [
        bench.Measured(f"verifying {MANY:,} samples", times.ratio("verify", "loop"), 1.15, "x", "the bare loop"),
        bench.Measured("peak memory", many / few, 1.2, "x", of),
    ]


def main() -> int:
    """Measure, print, and return 0 if every limit is met, else 1."""
    import bench

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to it as well")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edge-toolkit-bench-") as work:
        times, values = measure(asked.rounds, Path(work))
    print(bench.table(times, values))
    if asked.json:
        measured = [{**asdict(each), "met": each.met} for each in values]
        asked.json.write_text(json.dumps({"measured": measured, "seconds": times.seconds}, indent=2) + "\n")
    return 0 if all(each.met for each in values) else 1


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if sys.argv[1:2] == ["loop"]:
        loop(Path(sys.argv[2]))
    else:
        sys.exit(main())
