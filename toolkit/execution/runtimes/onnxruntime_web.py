"""ONNX models with ONNX Runtime Web in a browser, on Wasm."""

from __future__ import annotations

from pathlib import Path

from toolkit.engines.loaded import Loaded, RunOptions
from toolkit.engines.web import onnxruntime
from toolkit.wire import browser_setup

FORMATS = ("onnx",)
ENVIRONMENT = "onnxruntime"
KERNELS = "onnxruntime"


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run in a page of the browser that the launcher named; raises as `toolkit.engines.web.onnxruntime.load`."""
    return onnxruntime.load(browser_setup.said(), model, options)
