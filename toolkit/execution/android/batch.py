"""Several samples on a phone at once: one push of model, inputs and a script, one run of the script, one pull of what it wrote.

Each batch has a new folder on the phone, whose name no batch before it had, so an answer is never an older one. The folder is removed afterwards. A
phone that is lost on the way gets the whole batch again, in another folder, a limited number of times.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from toolkit.errors import TargetUnavailable, WorkerLied, WorkerRefused
from toolkit.files.foreign import open_plain
from toolkit.wire.android.adb import AdbError, Phone
from toolkit.wire.android.benchmark_model import NEEDED, Fed, flags, mean_ms, require_on_gpu

_ATTEMPTS = 3
_RUN_S = 3600.0  # a job has a limit of its own, which is shorter
_LOG_BYTES = 1 << 20
_PROGRAM = "benchmark_model"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the program gave for one sample: the bytes of all outputs, in the graph's order, and the milliseconds of the run that counts."""

    outputs: bytes
    ms: float


@dataclass(frozen=True, slots=True)
class Installed:
    """A program on a phone: `program` is its path there, and `folder` is where batches have their folders."""

    phone: Phone
    folder: str
    program: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What every sample of a model is run with: the file, threads, flags besides, and the most bytes that its outputs may have.

    `keeps` is whether the graph keeps numbers from one run to the next: then the run that gives outputs is the first, and time is that of another.
    `on_gpu` is whether each run's log has to say that the GPU ran the whole model.
    """

    model: Path
    threads: int
    flags: tuple[str, ...]
    most_bytes: int
    keeps: bool
    on_gpu: bool = False


def install(phone: Phone, folder: str, program: Path, digest: str) -> Installed:
    """Return the program on a phone, pushed if the phone does not have it; TargetUnavailable where that fails."""
    base = f"{folder}/edge-toolkit"
    place = f"{base}/{digest[:16]}"
    there = f"{place}/{_PROGRAM}"

    def push() -> Installed:
        if phone.digest(there) != digest:
            _made(phone, f"mkdir -p {shlex.quote(place)}", place)
            phone.push(str(program), there)
            if phone.digest(there) != digest:
                raise AdbError(f"{there} is not what was pushed; its SHA-256 is another")
        _made(phone, f"chmod 755 {shlex.quote(there)} && test -x {shlex.quote(there)}", there)
        return Installed(phone, base, there)

    return _in_attempts(phone, push)


def run(installed: Installed, asked: Asked, samples: Sequence[Sequence[np.ndarray]], scratch: Path) -> list[Answer]:
    """Return what a model gives for samples, whose inputs are in the graph's order.

    TargetUnavailable where the phone cannot be reached or has no space, WorkerRefused where the program failed, WorkerLied for an answer that is
    none.
    """

    def attempt() -> list[Answer]:
        name = f"run-{secrets.token_hex(8)}"
        here = scratch / name
        try:
            _pack(here, installed.program, asked, samples, name)
            _carry(installed, here, name, scratch / f"{name}-out")
            return [
                _answer(scratch / f"{name}-out", f"{name}-{place}", asked, f"sample {place + 1} of {len(samples)}")
                for place in range(len(samples))
            ]
        finally:
            shutil.rmtree(here, ignore_errors=True)
            shutil.rmtree(scratch / f"{name}-out", ignore_errors=True)
            with contextlib.suppress(AdbError):
                installed.phone.shell(f"rm -rf {shlex.quote(f'{installed.folder}/{name}')}")

    return _in_attempts(installed.phone, attempt)


def _in_attempts(phone: Phone, attempt: Callable[[], T]) -> T:
    """Return what an attempt gives; after a failure that may pass, wait for the phone and try again, a limited number of times."""
    for left in reversed(range(_ATTEMPTS)):
        try:
            return attempt()
        except AdbError as error:
            if error.stays or not left:
                tries = "" if error.stays else f" ({_ATTEMPTS} attempts)"
                raise TargetUnavailable(f"the phone {phone.serial}: {error}{tries}", error.helps) from error
            try:
                phone.await_return()
            except AdbError as gone:
                raise TargetUnavailable(
                    f"the phone {phone.serial}: {error}; it did not come back ({gone})", error.helps
                ) from error
    raise AssertionError("unreachable")


def _made(phone: Phone, command: str, what: str) -> None:
    """Run a command line whose success old phones do not tell; AdbError, with what it printed, where it failed."""
    said = phone.shell(f"{command} && echo made")
    if said.strip().splitlines()[-1:] != ["made"]:
        raise AdbError(f"{what}: {said.strip() or 'cannot be made'}")


def _pack(here: Path, program: str, asked: Asked, samples: Sequence[Sequence[np.ndarray]], name: str) -> None:
    """Write what goes to the phone: the model, the inputs as raw bytes, and the script that runs all samples."""
    (here / "in").mkdir(parents=True)
    shutil.copyfile(asked.model, here / "model.tflite")
    lines = ["mkdir out || exit 1"]
    for place, arrays in enumerate(samples):
        fed = []
        for number, array in enumerate(arrays):
            file = f"in/{place}.{number}"
            np.ascontiguousarray(array).tofile(here / file)
            fed.append(Fed(file, array.shape))
        lines += _lines(program, asked, fed, f"out/{name}-{place}")
    lines.append(f"echo {name} >out/end")
    (here / "run.sh").write_text("\n".join(lines) + "\n")


def _lines(program: str, asked: Asked, fed: Sequence[Fed], out: str) -> list[str]:
    """Return the script's lines for one sample: one run for outputs and time, or one for each where the graph keeps numbers."""

    def line(*, warm: bool, more: tuple[str, ...], log: str) -> str:
        words = [program, *flags("model.tflite", fed, threads=asked.threads, warm=warm), *asked.flags, *more]
        return f"{shlex.join(words)} >{log}.log 2>&1; echo $? >{log}.status"

    saved = (f"--output_filepath={out}",)
    if not asked.keeps:
        return [line(warm=True, more=saved, log=out)]
    return [line(warm=False, more=saved, log=out), line(warm=True, more=(), log=f"{out}-time")]


def _carry(installed: Installed, here: Path, name: str, back: Path) -> None:
    """Take a packed folder to the phone, run its script, and bring its folder `out` back as `back`."""
    phone, there = installed.phone, f"{installed.folder}/{name}"
    _made(phone, f"test ! -e {shlex.quote(there)}", f"{there} is there already")
    phone.push(str(here), installed.folder)
    said = phone.shell(f"cd {shlex.quote(there)} && sh run.sh; cat out/end", timeout_s=_RUN_S)
    if said.strip().splitlines()[-1:] != [name]:
        raise AdbError(f"the script of {name} did not end: {said.strip() or 'it printed nothing'}")
    phone.pull(f"{there}/out", str(back))


def _answer(folder: Path, name: str, asked: Asked, who: str) -> Answer:
    for run in (name, f"{name}-time") if asked.keeps else (name,):
        log = _text(folder / f"{run}.log")
        ms = mean_ms(_text(folder / f"{run}.status").strip(), log, who)
        if asked.on_gpu:
            require_on_gpu(log, who)
    try:
        with open_plain(folder / name) as file:
            outputs = file.read(asked.most_bytes + 1)
    except FileNotFoundError:
        raise WorkerRefused(f"{who}: benchmark_model wrote no outputs", NEEDED) from None
    if len(outputs) > asked.most_bytes:
        raise WorkerLied(f"{who}: benchmark_model wrote more than the {asked.most_bytes} bytes that the outputs have")
    return Answer(outputs, ms)


def _text(path: Path) -> str:
    """Return the beginning of a small text file of a phone's; "" where there is none."""
    try:
        with open_plain(path) as file:
            return file.read(_LOG_BYTES).decode(errors="replace")
    except FileNotFoundError:
        return ""
