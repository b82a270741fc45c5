"""Small models with a known answer: an emulated engine is trusted only if it gives exactly these numbers.

QEMU 7.2 computes int8 kernels for Arm's SME wrongly, by up to 255 steps, with exit status 0; only a known answer shows this. `make.py` makes the
model and its answer, and `check.py` runs it in the engine's own interpreter. For ONNX Runtime, `check_sums.py` computes products of integers, which
also show whether the processor belongs to its declared class. For a GPU's driver in software, `make_float.py` makes a model in float, and
`check_gpu.py` runs it.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from pathlib import Path

from toolkit import printable
from toolkit.errors import TargetUnavailable
from toolkit.launchers import Launch
from toolkit.settings.environment_variables import by_everybody

__all__ = ["FOLDER", "answer_key", "known_answer"]

FOLDER = Path(__file__).resolve().parent

CHECK, CHECK_SUMS, CHECK_GPU = "check.py", "check_sums.py", "check_gpu.py"
_SCRIPTS = {"onnxruntime": CHECK_SUMS}
_FILES = {  # that a check depends on
    CHECK: (CHECK, "model.tflite", "answer.npz"),
    CHECK_SUMS: (CHECK_SUMS,),
    CHECK_GPU: (CHECK_GPU, "float.tflite", "float_answer.npz"),
}
_TIMEOUT_S = 300  # the check takes one second, but ten emulators may share one busy processor
_TAIL_LINES = 8


def answer_key(launch: Launch, engine: str, *, gpu: bool = False) -> list[str]:
    """Return what it depends on whether an engine gives the known answer: JSON, for `toolkit.environments.remembered`."""
    files = b"".join((FOLDER / name).read_bytes() for name in _FILES[_script(engine, gpu=gpu)])
    return [launch.identity, launch.about["cpu"], launch.command[0], hashlib.sha256(files).hexdigest()]


def known_answer(launch: Launch, engine: str, *, gpu: bool = False) -> None:
    """Raise `TargetUnavailable` unless the environment `engine`, started with `launch`, computes the known numbers.

    With `gpu` its GPU delegate computes them, in float32 and in float16.
    """
    on = launch.about["emulator"] if gpu else f"{launch.about['launcher']}, cpu {launch.about['cpu']}"
    who = f"{launch.about['engine']} on {on}"
    machine, wrong = _run([*launch.command, str(FOLDER / _script(engine, gpu=gpu)), engine], launch, who)
    if machine != launch.about["machine"]:
        raise TargetUnavailable(f"{who}: runs as {machine}, expected {launch.about['machine']}")
    if wrong:
        errors = ", ".join(
            f"{name}: {count} {'numbers' if gpu else 'integers'} wrong by up to {most:g}"
            for name, (count, most) in sorted(wrong.items())
        )
        what = "driver" if gpu else "emulator"
        hint = f"this {what} cannot be trusted with this engine; `edge-toolkit doctor` shows which one is used, and where it is from"
        raise TargetUnavailable(f"{who}: computes a known {'float' if gpu else 'int8'} model wrongly ({errors})", hint)


def _script(engine: str, *, gpu: bool) -> str:
    return CHECK_GPU if gpu else _SCRIPTS.get(engine, CHECK)


def _run(command: list[str], launch: Launch, who: str) -> tuple[str, dict[str, tuple[int, float]]]:
    try:
        ended = subprocess.run(
            command,
            env={**by_everybody(), **launch.variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TargetUnavailable(f"{who}: no answer to a known model in {_TIMEOUT_S} s") from error
    except OSError as error:
        raise TargetUnavailable(f"{who}: cannot be started: {error.strerror or error}", command[0]) from error
    words = printable.lines(ended.stderr.decode(errors="replace").strip().splitlines()[-_TAIL_LINES:])
    if ended.returncode != 0:
        status = ended.returncode
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        raise TargetUnavailable(f"{who}: failed on a known model ({how})", words or None)
    try:
        answer = json.loads(ended.stdout.splitlines()[-1])
        return answer["machine"], answer["wrong"]
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise TargetUnavailable(f"{who}: gave no answer to a known model", words or None) from error
