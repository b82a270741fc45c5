"""TFLite models on the GPU of a phone, with TensorFlow Lite's benchmark_model: its GPU delegate, which has to take the whole model.

Only the launcher `adb` can start it. `kernels` are "default", float16 arithmetic as an app has it, and "float32". It never ran on hardware.
"""

from __future__ import annotations

from pathlib import Path

from toolkit.engines.loaded import Loaded, RunOptions
from toolkit.execution.android import loading
from toolkit.wire.android.benchmark_model import FLOAT16, FLOAT32

FORMATS = ("tflite",)
ENVIRONMENT = "litert"
KERNELS = "litert"
STEPS = {"delegate": FLOAT32, "precision": FLOAT16}


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run on the GPU of the phone that the launcher chose; TargetUnavailable where no launcher did."""
    return loading.load(model, options, "litert_binary_gpu", "gpu")
