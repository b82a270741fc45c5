"""TFLite models with LiteRT's GPU delegate (ai-edge-litert), in float16 by default, as in an Android app; operators that it leaves run on the CPU.

`kernels` are "default", float16 arithmetic as on a phone, and "float32".
"""

from __future__ import annotations

from pathlib import Path

from toolkit.engines.loaded import Loaded, RunOptions
from toolkit.engines.tflite import gpu_delegate

FORMATS = ("tflite",)
ENVIRONMENT = "litert"
KERNELS = "litert"
STEPS = {"delegate": gpu_delegate.FLOAT32, "precision": gpu_delegate.FLOAT16}


def compile(model: Path, options: RunOptions, folder: Path) -> None:  # noqa: A001 (the name in the contract)
    """Write the shaders of a model, compiled for this processor, to a folder."""
    gpu_delegate.compile_shaders(model, options, folder)


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run on the GPU."""
    return gpu_delegate.load(model, options)
