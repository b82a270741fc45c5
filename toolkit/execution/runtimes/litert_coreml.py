"""TFLite models with the Core ML delegate, in an app on an iPhone: nothing executes it here, so its share of a model is estimated from the file.

Operators that the delegate leaves run on LiteRT's kernels, which are run on this machine.
"""

from __future__ import annotations

from pathlib import Path

from toolkit.engines.loaded import Loaded, RunOptions
from toolkit.errors import TargetUnavailable

FORMATS = ("tflite",)
ENVIRONMENT = "litert"
KERNELS = "litert"
ESTIMATE = "engines.tflite.coreml_delegate"


def load(model: Path, options: RunOptions) -> Loaded:
    """Raise TargetUnavailable: Core ML is part of Apple's systems."""
    raise TargetUnavailable("litert_coreml: runs on Apple's systems only", "measure in your app, on a phone")
