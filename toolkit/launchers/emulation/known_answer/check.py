"""Run the known-answer model on an engine, in the engine's interpreter: `python check.py ENGINE`. Needs numpy and the engine only.

Prints one line of JSON: the `machine`, and for each `wrong` output the number of wrong integers and the largest difference.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import platform
import resource
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
MODULES = {"litert": "ai_edge_litert.interpreter", "tflite_runtime": "tflite_runtime.interpreter"}


def compare(engine: str) -> dict[str, list[int]]:
    """Return `{output: [number of wrong integers, largest difference]}`, empty if the engine computes right."""
    answer = dict(np.load(HERE / "answer.npz"))
    interpreter = importlib.import_module(MODULES[engine]).Interpreter(
        model_path=str(HERE / "model.tflite"), num_threads=1
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], answer.pop("sample"))
    interpreter.invoke()
    results = {detail["name"]: interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()}
    if set(results) != set(answer):
        raise SystemExit(f"outputs are {sorted(results)}, expected {sorted(answer)}")
    wrong = {}
    for name, right in answer.items():
        error = np.abs(results[name].astype(np.int32) - right)
        if error.any():
            wrong[name] = [int(np.count_nonzero(error)), int(error.max())]
    return wrong


if __name__ == "__main__":
    faulthandler.enable()  # if a signal kills the engine, the message names the line that called it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(json.dumps({"machine": platform.machine(), "wrong": compare(sys.argv[1])}))
