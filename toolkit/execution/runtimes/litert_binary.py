"""TFLite models with a native program on a phone: TensorFlow Lite's benchmark_model, which the user builds or downloads and names.

Only the launcher `adb` can start it. On this machine the same kernels are those of LiteRT of the same version.
"""

from __future__ import annotations

from pathlib import Path

from toolkit.engines.loaded import Loaded, RunOptions
from toolkit.execution.android import loading

FORMATS = ("tflite",)
ENVIRONMENT = "litert"
KERNELS = "litert"


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run on the CPU of the phone that the launcher chose; TargetUnavailable where no launcher did."""
    return loading.load(model, options, "litert_binary", "cpu")
