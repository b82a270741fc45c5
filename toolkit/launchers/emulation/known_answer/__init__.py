"""A small int8 model with a known answer: an emulated engine is trusted only if it gives exactly these integers.

QEMU 7.2 computes int8 kernels for Arm's SME wrongly, by up to 255 steps, with exit status 0; only a known answer shows this. `make.py` makes the
model and its answer, and `check.py` runs it in the engine's own interpreter. For ONNX Runtime, `check_sums.py` computes products of integers, which
also show whether the processor belongs to its declared class.
"""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from toolkit import printable
from toolkit.errors import TargetUnavailable
from toolkit.launchers import Launch
from toolkit.settings.environment_variables import by_everybody

__all__ = ["FOLDER", "known_answer"]

FOLDER = Path(__file__).resolve().parent

_SCRIPTS = {"onnxruntime": "check_sums.py"}
_TIMEOUT_S = 300  # the check takes one second, but ten emulators may share one busy processor
_TAIL_LINES = 8


def known_answer(launch: Launch, engine: str) -> None:
    """Raise `TargetUnavailable` unless the environment `engine`, started with `launch`, computes the known integers."""
    who = f"{launch.about['engine']} on {launch.about['launcher']}, cpu {launch.about['cpu']}"
    machine, wrong = _run([*launch.command, str(FOLDER / _SCRIPTS.get(engine, "check.py")), engine], launch, who)
    if machine != launch.about["machine"]:
        raise TargetUnavailable(f"{who}: runs as {machine}, expected {launch.about['machine']}")
    if wrong:
        errors = ", ".join(
            f"{name}: {count} integers wrong by up to {most}" for name, (count, most) in sorted(wrong.items())
        )
        hint = "this emulator cannot be trusted with this engine; `edge-toolkit doctor` shows which one is used, and where it is from"
        raise TargetUnavailable(f"{who}: computes a known int8 model wrongly ({errors})", hint)


def _run(command: list[str], launch: Launch, who: str) -> tuple[str, dict[str, tuple[int, int]]]:
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
