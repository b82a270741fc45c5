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
PROBED_WITH = {"accelerator": "wasm"}


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run in a page of the browser that the launcher named; raises as `toolkit.engines.web.litert.load`."""
    return litert.load(browser_setup.said(), model, options)


def in_turn() -> litert.InTurn:
    """Return a page that models are loaded in one after the other, of the browser that the launcher named."""
    return litert.InTurn(browser_setup.said())
