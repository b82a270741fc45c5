"""TFLite models with a native program on a phone: TensorFlow Lite's benchmark_model, which the user builds or downloads and names.

Only the launcher `adb` can start it. On this machine the same kernels are those of LiteRT of the same version.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toolkit.engines.loaded import Loaded, RunOptions, TimedOutputs
from toolkit.errors import TargetUnavailable
from toolkit.execution.android.batch import Answer, Asked, install, run
from toolkit.execution.android.binding import Binding, bind
from toolkit.wire.android.adb import Adb, Phone
from toolkit.wire.android.benchmark_model import kernel_flags
from toolkit.wire.android.connection import VARIABLE, Connection

FORMATS = ("tflite",)
ENVIRONMENT = "litert"
KERNELS = "litert"

_MOST_SAMPLES = 64  # of one push
_MOST_BYTES = 32 << 20


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run on the phone that the launcher chose; TargetUnavailable where no launcher did."""
    told = os.environ.get(VARIABLE)
    if told is None:
        raise TargetUnavailable(
            "litert_binary: runs on a phone only, and no launcher has chosen one", "[runtime] launcher = 'adb'"
        )
    connection = Connection.from_json(told)
    flags = kernel_flags(options.get("kernels", "default"), connection.delegate)
    binding = bind(model, options.get("signature"))
    phone = Phone(Adb(connection.adb), connection.serial)
    installed = install(phone, connection.folder, Path(connection.program), connection.digest)
    asked = Asked(model, options["threads"], (*flags, *binding.flags), binding.most_bytes, binding.keeps)
    scratch = Path(tempfile.mkdtemp(prefix="phone-"))

    def call_several(samples: Sequence[dict[str, np.ndarray]]) -> list[TimedOutputs]:
        answers: list[Answer] = run(installed, asked, [binding.in_order(sample) for sample in samples], scratch)
        return [(binding.outputs(answer.outputs, f"sample {n}"), answer.ms) for n, answer in enumerate(answers, 1)]

    def call(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return call_several([sample])[0][0]

    return Loaded(call, connection.engine, binding.signature, call_several, _at_once(binding))


def _at_once(binding: Binding) -> int:
    """Return how many samples one push takes."""
    return max(1, min(_MOST_SAMPLES, _MOST_BYTES // max(1, binding.input_bytes)))
