"""TFLite models with LiteRT.js in a browser: on Wasm, or on WebGPU where the launcher says so; never silently on another."""

from __future__ import annotations

from pathlib import Path

from toolkit.engines.loaded import Loaded, RunOptions
from toolkit.engines.web import litert
from toolkit.wire import browser_setup

FORMATS = ("tflite",)
ENVIRONMENT = "litert"
KERNELS = "litert"
EDGES = litert.EDGES


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run in a page of the browser that the launcher named; raises as `toolkit.engines.web.litert.load`."""
    return litert.load(browser_setup.said(), model, options)
