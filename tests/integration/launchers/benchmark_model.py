"""What TensorFlow Lite's benchmark_model does with the flags that the launcher `adb` gives, done with ai-edge-litert: for tests without a phone.

It runs in the interpreter of the environment `litert`. Its log has the lines of the real program (tflite/tools/benchmark/benchmark_model.cc).

There is no GPU in it: with --use_gpu inputs and outputs are rounded to float16, unless --gpu_precision_loss_allowed=false.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

KNOWN = {
    "graph", "num_threads", "warmup_runs", "warmup_min_secs", "num_runs", "min_secs", "input_layer", "input_layer_shape",
    "input_layer_value_files", "output_filepath", "use_xnnpack", "signature_to_run_for",
    "use_gpu", "require_full_delegation", "gpu_precision_loss_allowed",
}  # fmt: skip


def rounded(array: np.ndarray, given: dict[str, str]) -> np.ndarray:
    """Return an array as a GPU in the precision of the flags holds it."""
    is_half = given.get("use_gpu") == "true" and given.get("gpu_precision_loss_allowed", "true") == "true"
    return array.astype(np.float16).astype(array.dtype) if is_half and array.dtype == np.float32 else array


def main(arguments: list[str]) -> int:
    given = dict(argument.removeprefix("--").split("=", 1) for argument in arguments)
    strange = [f"--{name}={value}" for name, value in given.items() if name not in KNOWN]
    print("INFO: STARTING!")
    if strange:
        print(f"WARN: Unconsumed cmdline flags: {' '.join(strange)}")
    interpreter = Interpreter(model_path=given["graph"], num_threads=int(given["num_threads"]))
    print(f"INFO: Loaded model {given['graph']}")
    if given.get("use_gpu") == "true":
        print("INFO: Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.")
    names, shapes = given["input_layer"].split(","), given["input_layer_shape"].split(":")
    files = dict(each.split(":") for each in given["input_layer_value_files"].split(","))
    details = interpreter.get_input_details()
    assert len(names) == len(shapes) == len(details), "Inputs mismatch"
    for each, shape in zip(details, shapes, strict=True):
        interpreter.resize_tensor_input(each["index"], [int(size) for size in shape.split(",") if size])
    interpreter.allocate_tensors()
    arrays = []
    for each, name in zip(interpreter.get_input_details(), names, strict=True):
        content = Path(files[name]).read_bytes()
        size = int(np.prod(each["shape"], dtype=np.int64)) * np.dtype(each["dtype"]).itemsize
        if len(content) != size:
            print(f"FATAL: The size of {files[name]} is {len(content)} bytes. It should be {size} bytes.")
            return 134
        arrays.append(rounded(np.frombuffer(content, each["dtype"]).reshape(each["shape"]), given))
    for _ in range(int(given["warmup_runs"]) + int(given["num_runs"])):
        for each, array in zip(interpreter.get_input_details(), arrays, strict=True):
            interpreter.set_tensor(each["index"], array)
        began = time.perf_counter()
        interpreter.invoke()
        microseconds = (time.perf_counter() - began) * 1e6
    print(f"INFO: count=1 curr={microseconds:.0f}")
    print(
        f"INFO: Inference timings in us: Init: 900, First inference: 120, Warmup (avg): 120, Inference (avg): {microseconds:g}"
    )
    if "output_filepath" in given:
        outputs = [rounded(interpreter.get_tensor(each["index"]), given) for each in interpreter.get_output_details()]
        Path(given["output_filepath"]).write_bytes(b"".join(array.tobytes() for array in outputs))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
