"""A model, ready to run on the phone that the launcher chose: on its CPU or its GPU."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toolkit.engines.loaded import Delegated, Loaded, RunOptions, TimedOutputs
from toolkit.engines.tflite.arithmetic import by_operator
from toolkit.errors import TargetUnavailable
from toolkit.execution.android.batch import Answer, Asked, install, run
from toolkit.execution.android.binding import Binding, bind
from toolkit.wire.android.adb import Adb, Phone
from toolkit.wire.android.benchmark_model import kernel_flags
from toolkit.wire.android.connection import VARIABLE, Connection

_MOST_SAMPLES = 64  # of one push
_MOST_BYTES = 32 << 20


def load(model: Path, options: RunOptions, runtime: str, processor: str) -> Loaded:
    """Return the model ready to run on the phone's `processor`, "cpu" or "gpu"; TargetUnavailable, said of `runtime`, where no phone was chosen.

    RequestError for kernels that the program has not there. Each call raises WorkerRefused where the phone does not say that all of the model ran
    on its GPU, if that was asked for.
    """
    told = os.environ.get(VARIABLE)
    if told is None:
        raise TargetUnavailable(
            f"{runtime}: runs on a phone only, and no launcher has chosen one", "[runtime] launcher = 'adb'"
        )
    connection, on_gpu = Connection.from_json(told), processor == "gpu"
    flags = kernel_flags(options.get("kernels", "default"), processor)
    binding = bind(model, options.get("signature"))
    phone = Phone(Adb(connection.adb), connection.serial)
    installed = install(phone, connection.folder, Path(connection.program), connection.digest)
    asked = Asked(model, options["threads"], (*flags, *binding.flags), binding.most_bytes, binding.keeps, on_gpu)
    scratch = Path(tempfile.mkdtemp(prefix="phone-"))

    def call_several(samples: Sequence[dict[str, np.ndarray]]) -> list[TimedOutputs]:
        answers: list[Answer] = run(installed, asked, [binding.in_order(sample) for sample in samples], scratch)
        return [(binding.outputs(answer.outputs, f"sample {n}"), answer.ms) for n, answer in enumerate(answers, 1)]

    def call(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return call_several([sample])[0][0]

    engine = f"GPU delegate of {connection.engine}" if on_gpu else connection.engine
    return Loaded(call, engine, binding.signature, call_several, _at_once(binding), _all_of(model) if on_gpu else None)


def _at_once(binding: Binding) -> int:
    """Return how many samples one push takes."""
    return max(1, min(_MOST_SAMPLES, _MOST_BYTES // max(1, binding.input_bytes)))


def _all_of(model: Path) -> Delegated:
    """Return what the delegate takes: the whole main graph, as each run has to show."""
    operators = by_operator(model)[0]
    count, operations = len(operators), sum(each for _, each in operators)
    return {"operators": (count, count), "multiply_accumulates": (operations, operations), "left": []}
