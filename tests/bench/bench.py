"""Measure `edge-toolkit build` against the script that its user would write, on the embedded sample; exit with 1 where a limit is missed.

    python bench.py [--rounds 5] [--builds 20] [--json FILE]

Whole commands are timed by the wall clock, one after the other in turns, so that a busy moment hits all of them; a ratio is that of the
medians. Everything is set up and has run once before. Ratios hold on any machine; seconds are those of this one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from toolkit.environments import resolve
from toolkit.settings import Settings, default_home

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SAMPLE = ROOT / "toolkit" / "sample" / "digits"
COMMAND = Path(sys.executable).with_name("edge-toolkit")
HOST = ("--target", "host")
SECOND = ("--target", "linux-x86_64-tflite-runtime")
STARTS = 15  # of a command that takes a fraction of a second
SETTLED = 3  # builds until everything is imported and the allocator has its pools
LOOK_EVERY_S = 0.01
LEAVE_WITHIN_S = 2.0


@dataclass(frozen=True)
class Measured:
    """A value that must not be above its limit."""

    what: str
    value: float
    limit: float
    unit: str
    of: str = ""

    @property
    def met(self) -> bool:
        """Whether the value is within the limit; NaN is not."""
        return self.value <= self.limit


@dataclass
class Times:
    """Seconds of each command, by round, and the most memory that the process itself (without its workers) had resident."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)

    def run(self, name: str, command: list[Any], *, home: Path | None = None, where: Path) -> None:
        """Run a command and note what it took; its failure ends the benchmark with its last words."""
        began = time.perf_counter()
        with subprocess.Popen(
            command,
            cwd=where,
            env=surroundings(where, home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            peak = [0]
            watcher = threading.Thread(target=watch, args=(process, peak), daemon=True)
            watcher.start()
            said, _ = process.communicate()
        seconds = time.perf_counter() - began
        if process.returncode != 0:
            raise SystemExit(f"bench: {' '.join(map(str, command))}: exit status {process.returncode}\n{said[-4000:]}")
        self.seconds.setdefault(name, []).append(seconds)
        self.peak_bytes[name] = max(self.peak_bytes.get(name, 0), *peak)

    def ratio(self, name: str, of: str) -> float:
        """Return the ratio of two commands' medians."""
        return statistics.median(self.seconds[name]) / statistics.median(self.seconds[of])


def surroundings(where: Path, home: Path | None) -> dict[str, str]:
    """Return the variables of a command: bytecode as any user has it; a build's temporary files where they are seen, and no network."""
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    if home is None:
        return variables | {"TMPDIR": str(where)}
    return variables | {"EDGE_TOOLKIT_OFFLINE": "1", "EDGE_TOOLKIT_HOME": str(home), "TMPDIR": str(where / "tmp")}


def watch(process: subprocess.Popen[str], peak: list[int]) -> None:
    """Keep the process's own peak of resident memory; the kernel counts it, so looking now and then misses only the last moment."""
    while process.poll() is None:
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            peak[0] = max(peak[0], 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1]))
        time.sleep(LOOK_EVERY_S)


@contextlib.contextmanager
def fresh(settings: Settings, work: Path) -> Iterator[Path]:
    """Yield a cache folder with the environments of this machine and an empty store."""
    folder = Path(tempfile.mkdtemp(prefix="home-", dir=work))
    for entry in settings.home.iterdir():
        if entry.name != "store":
            (folder / entry.name).symlink_to(entry)
    yield folder
    shutil.rmtree(folder)


def processes_of(home: Path) -> list[str]:
    """Return the processes that still work with a cache folder, given a moment to end."""
    mark = f"EDGE_TOOLKIT_HOME={home}".encode()
    deadline = time.monotonic() + LEAVE_WITHIN_S
    while True:
        left = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if folder.name.isdigit() and mark in (folder / "environ").read_bytes().split(b"\0"):
                    left.append(f"{folder.name} {(folder / 'cmdline').read_bytes().replace(bytes(1), b' ').decode()}")
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(LOOK_EVERY_S)


def one_round(times: Times, python: Path, settings: Settings, work: Path) -> list[str]:
    """Time each command once; return the processes that a build left behind."""
    build = [COMMAND, "build", SAMPLE, "--calibration", ROOT / "calibration" / "digits.toml", "--out", work / "dist"]
    times.run("handwritten", [python, HERE / "handwritten.py", SAMPLE, ROOT / "calibration" / "digits.npz"], where=work)
    with fresh(settings, work) as home:
        times.run("cold", [*build, *HOST], home=home, where=work)
        times.run("unchanged", [*build, *HOST], home=home, where=work)
        left = processes_of(home)
    with fresh(settings, work) as home:
        times.run("two targets", [*build, *HOST, *SECOND], home=home, where=work)
        left += processes_of(home)
    return left


def opening(times: Times, python: Path, settings: Settings, work: Path, rounds: int) -> list[Measured]:
    """Return what it costs to look into a model, and to load one, against TensorFlow's own opening of it."""
    networks = work / "networks"
    networks.mkdir()
    times.run("written", [python, HERE / "network.py", "write", networks], where=work)
    files = {
        "saved_model": SAMPLE,
        "keras": networks / "network.keras",
        "h5": networks / "network.h5",
        "checkpoint": networks / "checkpoint",
    }
    built = {"checkpoint": files["checkpoint"], "weights": networks / "network.weights.h5"}
    for _ in range(rounds):
        for kind, path in {**files, **built}.items():
            folder = path if kind == "saved_model" else networks
            times.run(f"TensorFlow opens {kind}", [python, HERE / "network.py", "open", folder, kind], where=work)
            with fresh(settings, work) as home:
                if kind in files:
                    times.run(f"inspect {kind}", [COMMAND, "inspect", path], home=home, where=work)
                if kind in built:
                    builder = ["--builder", f"{HERE / 'network.py'}:network"]
                    times.run(f"inspect {kind}, built", [COMMAND, "inspect", path, *builder], home=home, where=work)
    seconds = {kind: statistics.median(times.seconds[f"inspect {kind}"]) for kind in files}
    return [Measured(f"inspect {kind}", value, 1.0, "s", "without TensorFlow") for kind, value in seconds.items()] + [
        Measured(
            f"inspect {kind} with its builder",
            times.ratio(f"inspect {kind}, built", f"TensorFlow opens {kind}"),
            1.1,
            "x",
            "TensorFlow's own loading",
        )
        for kind in built
    ]


def many_builds(settings: Settings, work: Path, builds: int) -> list[Measured]:
    """Return what many builds in one process left behind."""
    with fresh(settings, work) as home:
        command: list[Any] = [sys.executable, HERE / "loop.py", home, work / "dist", str(builds)]
        ended = subprocess.run(command, env=surroundings(work, home), capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise SystemExit(f"bench: loop.py: exit status {ended.returncode}\n{ended.stderr[-4000:]}")
        rounds = json.loads(ended.stdout.splitlines()[-1])
        processes = processes_of(home)
    settled, last = rounds[min(SETTLED, len(rounds)) - 1], rounds[-1]
    left = (
        sorted(set(last["files"]) ^ set(settled["files"]))
        + last["unfinished"]
        + processes
        + sorted(map(str, (work / "tmp").iterdir()))
    )
    for each in left:
        print(f"left behind: {each}", file=sys.stderr)
    grown = (last["resident_bytes"] - settled["resident_bytes"]) / 1e6
    of = f"build {builds} against build {SETTLED}"
    return [
        Measured("memory grown", grown, 5.0, "MB", of),  # what Python's allocator gives and takes
        Measured("file descriptors grown", last["descriptors"] - settled["descriptors"], 0, "", of),
        Measured("threads grown", last["threads"] - settled["threads"], 0, "", of),
        Measured("files, locks, processes left", len(left), 0, "", f"after {builds} builds"),
    ]


def measure(rounds: int, builds: int, work: Path) -> tuple[Times, list[Measured]]:
    """Return all times and all values with their limits."""
    settings = Settings(home=default_home(), offline=True)
    python = resolve("tensorflow", settings=settings).python
    (work / "tmp").mkdir()
    say("warming up")
    one_round(Times(), python, settings, work)
    times, left = Times(), []
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        left += one_round(times, python, settings, work)
    for _ in range(STARTS):
        times.run("numpy", [sys.executable, "-c", "import numpy"], where=work)
        times.run("help", [COMMAND, "--help"], where=work)
    say(f"{builds} builds in one process")
    return times, [
        Measured("cold build, host", times.ratio("cold", "handwritten"), 1.2, "x", "the handwritten script"),
        Measured("unchanged build, host", times.ratio("unchanged", "handwritten"), 0.1, "x", "the handwritten script"),
        Measured("cold build, two targets", times.ratio("two targets", "cold"), 1.25, "x", "the build for one"),
        Measured("edge-toolkit --help", times.ratio("help", "numpy"), 1.0, "x", 'python -c "import numpy"'),
        Measured("memory of the host process", times.peak_bytes["cold"] / 1e6, 150.0, "MB", "at its peak, cold build"),
        Measured("processes left", len(left), 0, "", f"after {3 * rounds} builds"),
        *opening(times, python, settings, work, rounds),
        *many_builds(settings, work, builds),
    ]


def say(line: str) -> None:
    """Tell on standard error what is going on."""
    print(line, file=sys.stderr, flush=True)


def table(times: Times, values: list[Measured]) -> str:
    """Return both as text for people."""
    lines = [f"{'seconds':30}{'median':>9}{'least':>9}{'most':>9}"]
    for name, seconds in times.seconds.items():
        numbers = (statistics.median(seconds), min(seconds), max(seconds))
        lines.append(f"{name:30}" + "".join(f"{number:9.3f}" for number in numbers))
    lines += ["", f"{'measured':30}{'value':>9}{'limit':>9}"]
    for each in values:
        verdict = "met   " if each.met else "MISSED"
        lines.append(f"{each.what:30}{each.value:9.3g}{each.limit:9.3g}  {each.unit:3}{verdict}  {each.of}".rstrip())
    return "\n".join(lines)


def arguments(about: str | None, rounds: int) -> argparse.ArgumentParser:
    """Return what a benchmark can be told: how many rounds, and where to write its numbers."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to it as well")
    return parser


def told(times: Times, values: list[Measured], path: Path | None) -> int:
    """Print all numbers, write them to a file where one is named, and return 0 if every limit is met, else 1."""
    print(table(times, values))
    if path:
        measured = [{**asdict(each), "met": each.met} for each in values]
        document = {"measured": measured, "seconds": times.seconds, "peak_bytes": times.peak_bytes}
        path.write_text(json.dumps(document, indent=2) + "\n")
    return 0 if all(each.met for each in values) else 1


def main() -> int:
    """Measure, print, and return 0 if every limit is met, else 1."""
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--builds", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edge-toolkit-bench-") as work:
        times, values = measure(asked.rounds, asked.builds, Path(work))
    return told(times, values, asked.json)


if __name__ == "__main__":
    sys.exit(main())
