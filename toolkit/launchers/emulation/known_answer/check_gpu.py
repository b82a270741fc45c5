"""Run the known-answer model in float on LiteRT's GPU delegate, in the engine's interpreter: `python check_gpu.py ENGINE`.

Both in float32 and in float16 it must compute exactly. Prints one line of JSON: the `machine`, and for each `wrong` output, with its arithmetic, the
number of wrong values and the largest difference. Needs numpy and the engine only.
"""

from __future__ import annotations

import faulthandler
import json
import platform
import resource
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.gpu_options import GpuOptions
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.options import Options

HERE = Path(__file__).resolve().parent
MODEL = str(HERE / "float.tflite")
CALLS = (
    5  # it gives up waiting after 120 s while shaders are compiled on a busy machine; they are there for a later call
)


def compare(*, float32: bool) -> dict[str, list[float]]:
    """Return `{output: [number of wrong values, largest difference]}`, empty if the delegate on its driver computes right."""
    answer = dict(np.load(HERE / "float_answer.npz"))
    options = Options(hardware_accelerators=HardwareAccelerator.GPU, gpu_options=GpuOptions(enforce_f32=float32))
    compiled = CompiledModel.from_file(MODEL, options=options)
    given = compiled.create_input_buffers(0)
    given[0].write(answer.pop("sample"))
    outputs = [detail["name"] for detail in Interpreter(model_path=MODEL).get_output_details()]
    if set(outputs) != set(answer):
        raise SystemExit(f"outputs are {sorted(outputs)}, expected {sorted(answer)}")
    wrong = {}
    for name, found in zip(outputs, _computed(compiled, given, [answer[name] for name in outputs]), strict=True):
        error = np.abs(found.reshape(answer[name].shape) - answer[name])
        if not (error == 0).all():
            largest = float(np.nan_to_num(error, nan=np.inf, posinf=np.inf).max())
            wrong[f"{name} in {'float32' if float32 else 'float16'}"] = [int(np.count_nonzero(error)), largest]
    return wrong


def _computed(compiled: CompiledModel, given: list[Any], like: list[np.ndarray]) -> list[np.ndarray]:
    """Return the outputs, from buffers that held NaN before."""
    locked = []  # by calls that gave up
    for left in reversed(range(CALLS)):
        taken = compiled.create_output_buffers(0)
        try:
            for buffer, array in zip(taken, like, strict=True):
                buffer.write(np.full_like(array, np.nan))
            compiled.run_by_index(0, given, taken)
            return [buffer.read(array.size, array.dtype) for buffer, array in zip(taken, like, strict=True)]
        except RuntimeError:
            if not left:
                raise
            locked.append(taken)
    raise AssertionError("unreachable: the last call returns or raises")


if __name__ == "__main__":
    faulthandler.enable()  # if a signal kills the engine, the message names the line that called it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(json.dumps({"machine": platform.machine(), "wrong": compare(float32=True) | compare(float32=False)}))
