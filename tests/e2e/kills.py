"""Kills at random points: what is started, who is killed and when (all drawn with a seed), and what has to be true afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import linked_home
from tests.e2e.conftest import HERE, PACKAGE, finished, processes_of, sha256, unfinished

END_S = 120.0  # that a command is given to end after a kill, on a machine that is busy: its workers are given 5 s each
WHOLE_S = 900.0  # of an undisturbed run, on a machine that is busy
LONGEST_S = 120.0  # within which a time is drawn
SHIPPED = (".tflite", ".npz")  # what a command writes that is the same each time; reports tell how long it took
STRAY_S = 86_000  # of sleep, with a number behind it by which a process that left its session is known

SIGNALS = {
    "host": (signal.SIGKILL, signal.SIGTERM, signal.SIGINT),
    "group": (signal.SIGINT, signal.SIGHUP),
    "worker": (signal.SIGKILL, signal.SIGTERM, signal.SIGINT),
    "child": (signal.SIGKILL, signal.SIGTERM, signal.SIGINT),
    "program": (signal.SIGKILL, signal.SIGTERM, signal.SIGINT),
}
"""By what is killed: `group` is all that a terminal's Ctrl-C reaches, `program` what is neither host nor worker (uv, tar, an emulator's own)."""

STRAY = """
import os, subprocess

def network():
    # One that makes its own session, one that forks twice and changes its folder, and one that ignores what a closed terminal sends.
    subprocess.Popen(["setsid", "sleep", "{mark}"], stdin=-3, stdout=-3, stderr=-3, env={{}})
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            for number in range(64):
                try:
                    os.close(number)
                except OSError:
                    pass
            os.execve("/bin/sleep", ["sleep", "{mark}"], {{}})
        os._exit(0)
    subprocess.Popen(["nohup", "sleep", "{mark}"], stdin=-3, stdout=-3, stderr=-3, start_new_session=True, env={{}})
    import checkpoint_keras3
    return checkpoint_keras3.functional()
"""


@dataclass(frozen=True)
class Scene:
    """One command that is killed: its arguments, the folder that it writes, and what of a store is forgotten before it begins."""

    name: str
    arguments: Callable[[Path], Sequence[object]]
    victims: Sequence[str]
    forgets: Callable[[dict[str, Any]], bool]
    makes_environment: str | None = None
    status: int = 0


@dataclass
class Round:
    """One kill and what was wrong after it."""

    scene: str
    victim: str
    signal: str
    after_s: float
    killed: int
    status: int | None
    wrong: list[str] = field(default_factory=list)


@dataclass
class Place:
    """Where a scene is played: a cache folder and an output folder of its own, and what an undisturbed run gave."""

    scene: Scene
    home: Path
    out: Path
    mark: str
    seconds: float = 0.0
    expected: dict[str, str] = field(default_factory=dict)

    def start(self) -> subprocess.Popen[str]:
        """Start the command in a process group of its own, as a terminal does."""
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        variables |= {"PYTHONPATH": str(PACKAGE.parent), "EDGE_TOOLKIT_HOME": str(self.home)}
        command = [sys.executable, "-m", "toolkit", *map(str, self.scene.arguments(self.out))]
        return subprocess.Popen(
            command,
            cwd=PACKAGE.parent,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def forget(self) -> None:
        """Remove from the store what the scene does again, and its environment where it makes one."""
        for folder, manifest in list(finished(self.home)):
            if self.scene.forgets(manifest):
                shutil.rmtree(folder)
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        if self.scene.makes_environment is not None:
            for folder in self.environments():
                shutil.rmtree(folder)

    def environments(self) -> list[Path]:
        """Return the folders of the environment that the scene makes, whole or not."""
        name = self.scene.makes_environment
        return [] if name is None else list((self.home / "environments").glob(f"{name}-*"))

    def whole_run(self) -> list[str]:
        """Run the command undisturbed; return what is wrong with how it ends and with what it leaves."""
        self.out.mkdir(exist_ok=True)
        began = time.monotonic()
        process = self.start()
        out, err = process.communicate(timeout=WHOLE_S)
        self.seconds = self.seconds or min(time.monotonic() - began, LONGEST_S)
        wrong = (
            []
            if process.returncode == self.scene.status
            else [f"status {process.returncode}: {out[-800:]} {err[-800:]}"]
        )
        wrong += said_badly(out + err) + self.left_over() + broken_entries(self.home) + broken_bundle(self.out)
        if (self.home / "store").is_dir():  # setup needs none
            wrong += [f"unfinished after a whole run: {name}" for name in unfinished(self.home)]
        wrong += [f"beside the bundle: {path}" for path in self.out.rglob("*.partial*")]
        wrong += [f"half an environment: {path}" for path in (self.home / "environments").glob("*.partial")]
        artifacts = {
            str(path.relative_to(self.out)): sha256(path) for path in self.out.rglob("*.*") if path.suffix in SHIPPED
        }
        if self.expected and artifacts != self.expected:
            wrong.append(f"artifacts {artifacts}, expected {self.expected}")
        self.expected = self.expected or artifacts
        return wrong

    def left_over(self, patience_s: float = END_S) -> list[str]:
        """Return the processes that are left: of this cache folder, and those that hid."""
        hidden = []
        deadline = time.monotonic() + patience_s
        while (hidden := marked(self.mark)) and time.monotonic() < deadline:
            time.sleep(0.1)
        for pid in hidden:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # said, and not in the way of what comes next
        return [f"left: {line}" for line in processes_of(self.home, patience_s)] + [
            f"left its session: {pid}" for pid in hidden
        ]


def series(place: Place, kills: int, chance: random.Random) -> list[Round]:
    """Kill the scene so many times, or until it ends before it is killed, each time going on from what the last one left; then run it to its end.

    Times are drawn over the first half of an undisturbed run, because each begins with what those before it have finished. What was wrong with the
    whole run, or was done again in it, is said of the last kill.
    """
    place.forget()
    kept: dict[str, int] = {}
    rounds = []
    for _ in range(kills):
        rounds.append(_struck(place, chance, kept))
        kept = _inodes(place.home)
        if not rounds[-1].killed:
            break
    rounds[-1].wrong += [f"the next run: {each}" for each in place.whole_run()]
    rounds[-1].wrong += _lost(kept, place)
    return rounds


def _struck(place: Place, chance: random.Random, kept: dict[str, int]) -> Round:
    """Start the scene, kill it once at a time that is drawn, and look at what is left; `kept` is what had been finished before."""
    victim = chance.choice(list(place.scene.victims))
    ending = chance.choice(SIGNALS[victim])
    after_s = chance.uniform(0, place.seconds / 2)
    process = place.start()
    killed = _killed(place, process, victim, ending, after_s)
    try:
        out, err = process.communicate(timeout=END_S if victim in ("host", "group") and killed else WHOLE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        err += f"\nstill there {END_S} s after {ending.name} to {victim}"
    done = Round(place.scene.name, victim, ending.name, round(after_s, 2), killed, process.returncode)
    if process.returncode not in _statuses(victim, ending, place.scene.status, killed):
        done.wrong.append(f"status {process.returncode}: {out[-800:]} {err[-800:]}")
    done.wrong += said_badly(out + err) + place.left_over() + broken_entries(place.home) + broken_bundle(place.out)
    done.wrong += [f"locked: {name}" for name in _locked(place.home)]
    done.wrong += _lost(kept, place)
    return done


def _lost(kept: dict[str, int], place: Place) -> list[str]:
    """Return what had been finished and is gone, or was done again: then its folder is another."""
    now = _inodes(place.home)
    return [f"lost or done again: {name}" for name, inode in kept.items() if now.get(name) != inode]


def _killed(place: Place, process: subprocess.Popen[str], victim: str, ending: signal.Signals, after_s: float) -> int:
    """Wait, then for a victim to be there, and kill it; return how many processes were, 0 where the command ended before."""
    time.sleep(after_s)
    deadline = time.monotonic() + place.seconds
    while process.poll() is None and time.monotonic() < deadline:
        if victim == "group":
            os.killpg(process.pid, ending)
            return 1
        found = {"host": [process.pid]}.get(victim) or _victims(place, process.pid, victim)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, ending)
        if found:
            return len(found)
        time.sleep(0.005)
    return 0


def _statuses(victim: str, ending: signal.Signals, whole: int, killed: int) -> set[int]:
    """Return the exit statuses that may follow: never 1, which is a verdict."""
    if not killed:
        return {whole}
    if victim == "host" and ending is signal.SIGKILL:
        return {whole, -9}
    if victim in ("host", "group"):
        return {whole, 130 if ending is signal.SIGINT else 128 + ending, -ending}
    return {whole, 3}  # what was killed may have done its part before


def _victims(place: Place, host: int, victim: str) -> list[int]:
    """Return the processes of a kind that work for the scene."""
    parents, commands = {}, {}
    for line in processes_of(place.home, 0):
        pid, _, command = line.partition(" ")
        with contextlib.suppress(OSError, IndexError, ValueError):
            parents[int(pid)] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            commands[int(pid)] = command
    of_workers = {pid for pid, command in commands.items() if "jobs/worker_main.py" in command}
    workers = {pid for pid in of_workers if parents[pid] not in of_workers}
    return sorted(
        {"worker": workers, "child": of_workers - workers, "program": set(commands) - of_workers - {host}}[victim]
    )


def said_badly(text: str) -> list[str]:
    """Return what no user is to see."""
    return [
        f"said: {text[-1500:]}" for word in ("Traceback (most recent call last)", "internal error") if word in text
    ][:1]


def broken_entries(home: Path) -> list[str]:
    """Return the files of finished jobs that are not what their manifest says."""
    wrong = []
    for folder, manifest in finished(home):
        for name, (size, known) in manifest["files"].items():
            path = folder / name
            if not path.is_file() or path.stat().st_size != size or sha256(path) != known:
                wrong.append(f"broken: {path}")
    return wrong


def broken_bundle(out: Path) -> list[str]:
    """Return what is wrong with the bundles under a folder: each is whole, with a manifest that tells its files, or not there."""
    wrong = []
    for folder in out.iterdir() if out.is_dir() else ():
        manifest = folder / "manifest.json"
        if folder.name.startswith(".") or not folder.is_dir():
            continue  # what is being written has another name
        if not manifest.is_file():
            wrong.append(f"no manifest: {folder}")
            continue
        for name, file in json.loads(manifest.read_text())["files"].items():
            if not (folder / name).is_file() or sha256(folder / name) != file["sha256"]:
                wrong.append(f"half a bundle: {folder / name}")
    return wrong


def _inodes(home: Path) -> dict[str, int]:
    """Return the inode of each finished job that is never done again; how long a call takes is measured each time."""
    lasting = (folder for folder, manifest in finished(home) if not manifest["about"]["title"].startswith("timing "))
    return {folder.name: folder.stat().st_ino for folder in lasting}


def _locked(home: Path) -> Iterator[str]:
    """Yield what somebody still holds the lock of."""
    for path in [*(home / "store" / "work").glob("*"), *(home / "environments").glob("*.partial/making.lock")]:
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield str(path)
            finally:
                os.close(descriptor)


def marked(mark: str) -> list[int]:
    """Return the processes with this word among their arguments, whatever else they hid."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and mark.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def artifact(sample: Path, home: Path, folder: Path) -> Path:
    """Return a converted model for the scenes that only run one."""
    path = folder / "model.tflite"
    variables = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "EDGE_TOOLKIT_HOME": str(home)}
    command = [sys.executable, "-m", "toolkit", "convert", str(sample), "--out", str(path)]
    subprocess.run(command, cwd=PACKAGE.parent, env=variables, check=True, capture_output=True)
    return path


def places_for(names: Sequence[str], home: Path, folder: Path, given: dict[str, Path]) -> list[Place]:
    """Return a place for each of the scenes that are named; `given` are the model, its samples, an artifact, a checkpoint."""
    made = []
    for position, name in enumerate(names):
        mark = f"{STRAY_S}.{os.getpid()}{position}"
        own = folder / name
        own.mkdir()
        made.append(Place(_scene(name, given, own, mark), linked_home(home, own / "home"), own / "out", mark))
        if made[-1].scene.makes_environment is not None:
            environments = made[-1].home / "environments"
            environments.unlink()
            environments.mkdir()
    return made


def _scene(name: str, given: dict[str, Path], folder: Path, mark: str) -> Scene:
    sample, digits = given["sample"], given["digits"]
    asked = ("--calibration", digits)
    if name == "cold":
        return Scene(
            name,
            lambda out: ("build", sample, "--target", "host", *asked, "--out", out),
            ("host", "group", "worker", "child"),
            lambda _: True,
        )
    if name == "warm":
        return Scene(
            name,
            lambda out: ("build", sample, "--target", "host", *asked, "--out", out),
            ("host", "group", "worker", "child"),
            _is_of("ai-edge-litert"),
        )
    if name in ("run", "emulated"):
        target, engine, more = {
            "run": ("host", "ai-edge-litert", ("group",)),
            "emulated": ("raspberry-pi-4", "qemu", ("program",)),
        }[name]
        run = ("run", given["artifact"], "--target", target, "--samples", digits)
        forgets = _is_of(engine) if name == "emulated" else lambda _: True
        return Scene(name, lambda out: (*run, "--out", out / "run.npz"), ("host", "worker", "child", *more), forgets)
    if name == "sweep":
        wide = ("--target", "host", "--scheme", "static_wi8_ai8", "--scheme", "float16")
        return Scene(
            name,
            lambda out: ("sweep", sample, *wide, *asked, "--out", out),
            ("host", "worker", "child"),
            _is_of("ai-edge-litert"),
        )
    if name == "setup":
        return Scene(name, lambda _: ("setup", "plots"), ("host", "group", "program"), lambda _: True, "plots")
    if name == "builder":
        builder = folder / "stray.py"
        builder.write_text(STRAY.format(mark=mark))
        shutil.copy(HERE / "builders" / "checkpoint_keras3.py", folder)  # a builder reads what lies beside it
        return Scene(
            name,
            lambda out: (
                "convert",
                given["checkpoint"],
                "--builder",
                f"{builder}:network",
                "--out",
                out / "model.tflite",
            ),
            ("host", "group", "worker", "child"),
            lambda _: True,
        )
    raise ValueError(name)


def _is_of(engine: str) -> Callable[[dict[str, Any]], bool]:
    return lambda manifest: engine in json.dumps(manifest)
