"""LiteRT's GPU delegate: a `.tflite` through `CompiledModel`, and what the delegate took of it.

What the engine prints is read, because it says there and nowhere else

* which adapter it found, and which operators it left to the CPU;
* that a kernel is invalid: then it goes on, and gives numbers that nothing computed (TOPK_V2 of ten classes gave wrong ones);
* that it did not wait for the shaders to be compiled.

Where it fails and prints nothing known, an output keeps what was in its buffer: each call begins with buffers that hold no answer.

`CompiledModel.is_fully_accelerated` is not asked: with the CPU allowed, it counts what another delegate took.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.engines.engine_log import EngineLog
from toolkit.engines.loaded import Call, Delegated, Loaded, RunOptions
from toolkit.engines.tflite import interpreter as tflite
from toolkit.engines.tflite import shaders
from toolkit.engines.tflite.arithmetic import by_operator
from toolkit.engines.tflite.interpreter import TensorDetails
from toolkit.errors import EdgeToolkitError, EnvironmentUnavailable, RequestError, Unconvertible, WorkerRefused
from toolkit.tensors.signature import SignatureJson, TensorJson

FLOAT16, FLOAT32 = "default", "float32"
"""Values of the option `kernels`: the delegate computes in float16 unless it is told otherwise."""

_NOT_ALL = "Some ops are not accelerated"  # litert/runtime/compiled_model.cc
_ADAPTER = re.compile(r"Selected adapter: (.+), arch=")
_LEFT = "Following operations are not supported by GPU delegate:"
_SHARE = re.compile(r"(\d+) operations will run on the GPU, and the remaining (\d+) operations will run on the CPU")
# Errors that it prints without stopping: of WebGPU, as for an invalid shader, and of a kernel that is built for a shape that it cannot take.
_INVALID = re.compile(r"environment\.cc:\d+\] (\w[\w ]* error: .*)|^E\d+ .*gpu_model_builder\.cc:\d+\] (.*)")
# While shaders are compiled, which takes a driver in software longer than a GPU's, the engine gives up waiting for results. Of whole numbers it
# prints that and returns what is no result; of others it raises after 120 s, and their buffer stays locked. The shaders are there for a later call.
_LATE = "DEADLINE_EXCEEDED"
_NOT_THERE = "Failed to lock custom tensor buffer"  # litert/runtime/tensor_buffer.cc
_CALLS = 30
_REASON = re.compile(r"ERROR: (?:\[[^]]*\] )?(.*)")
_ANOTHER = "choose a target that runs it on the CPU, as android-arm64"
_INSTEAD = {  # what the engine says of a model that it refuses as a whole, and what it means
    "Variable tensors not yet supported": "it keeps state in variable tensors, as a fused LSTM does",
    "only supports static-sized tensors": "sizes of its tensors are known only while it runs",
}


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run on the GPU. `options["kernels"]` is FLOAT16 or FLOAT32.

    Operators that the delegate does not take run on the CPU, as `Loaded.delegated` says. Raises Unconvertible for a model of which the delegate takes
    nothing, EnvironmentUnavailable without a Vulkan device, WorkerRefused where the engine does not say what it took; each call does so
    where a shader is invalid.
    """
    from ai_edge_litert import interpreter

    if "compiled" in options:
        shaders.read_from(Path(options["compiled"]))
    kernels = options.get("kernels", FLOAT16)
    if kernels not in (FLOAT16, FLOAT32):
        raise RequestError(
            f"litert_gpu: kernels {kernels!r}: unknown; known: {FLOAT16} (float16 arithmetic), {FLOAT32}"
        )
    described = interpreter.Interpreter(
        model_path=str(model), experimental_op_resolver_type=tflite.resolvers(interpreter)["builtin"]
    )
    key, inputs, outputs = tflite.bind(described, options.get("signature"))
    log = EngineLog()
    compiled, said, with_cpu = _compiled(model, float32=kernels == FLOAT32, log=log)
    graphs = by_operator(model)
    delegated = _delegated(said, graphs[0]) if with_cpu else _all_of(graphs)
    if not delegated["operators"][0]:
        names = ", ".join(dict.fromkeys(name for name, _ in graphs[0]))
        raise Unconvertible(f"{model.name}: LiteRT's GPU delegate takes none of its operators ({names})", _ANOTHER)
    call = _call(compiled, key, inputs, outputs, log)
    engine = f"ai-edge-litert GPU delegate {version('ai-edge-litert')}"
    signature: SignatureJson = {"key": key, "inputs": tflite.specs(inputs), "outputs": tflite.specs(outputs)}
    return Loaded(call, engine, signature, delegated=delegated)


def compile_shaders(model: Path, options: RunOptions, folder: Path) -> None:
    """Write the shaders of a model to an empty folder, compiled; `load` takes a folder with the same content as options["compiled"].

    All shaders of a model are compiled by its first call, whatever it is fed. What keeps the model from running is left to `load` to say.
    """
    shaders.keep_in(folder)
    with contextlib.suppress(EdgeToolkitError, RuntimeError):
        loaded = load(model, options)
        loaded.call({spec["name"]: _zeros(spec) for spec in loaded.signature["inputs"]})
    shaders.wait_until_kept(folder)


def _zeros(spec: TensorJson) -> np.ndarray:
    return np.zeros([size or 1 for size in spec["shape"] or ()], np.dtype(str(spec["dtype"])))


def _compiled(model: Path, *, float32: bool, log: EngineLog) -> tuple[Any, list[str], bool]:
    """Return the compiled model, what was printed, and whether the CPU had to be allowed; nothing falls back to the CPU silently."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.gpu_options import GpuOptions
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import Options

    def compiled(accelerators: Any) -> Any:
        options = Options(hardware_accelerators=accelerators, gpu_options=GpuOptions(enforce_f32=float32))
        return CompiledModel.from_file(str(model), options=options)

    gpu = HardwareAccelerator.GPU
    try:
        made, with_cpu = compiled(gpu), False
        said = log.new_lines()
    except RuntimeError as error:
        said = log.new_lines()
        _require_adapter(said, str(error))
        if _NOT_ALL not in str(error):
            raise _refused(model, said, str(error)) from error
        made, with_cpu = compiled(gpu | HardwareAccelerator.CPU), True
        said = log.new_lines()
    _require_adapter(said, "the engine named no adapter")
    _require_valid(said)
    return made, said, with_cpu


def _require_adapter(said: Sequence[str], otherwise: str) -> None:
    """Raise EnvironmentUnavailable where the engine found no Vulkan device; it compiles a model whose file it refuses without looking for one."""
    if any(_ADAPTER.search(line) for line in said) or any(text in line for line in said for text in _INSTEAD):
        return
    raise EnvironmentUnavailable(
        f"LiteRT's GPU delegate found no Vulkan device: {_last_reason(said) or otherwise}",
        "use the launcher lavapipe (edge-toolkit setup lavapipe), or a machine with a Vulkan driver",
    )


def _refused(model: Path, said: Sequence[str], otherwise: str) -> Unconvertible:
    why = next((why for text, why in _INSTEAD.items() if any(text in line for line in said)), None)
    reason = next((text for text in _INSTEAD if any(text in line for line in said)), None) or _last_reason(said)
    told = f"{reason}: {why}" if why else reason or otherwise.strip().splitlines()[-1].strip(" └│")
    return Unconvertible(f"{model.name}: LiteRT's GPU delegate does not run it: {told}", _ANOTHER)


def _last_reason(said: Sequence[str]) -> str | None:
    found = [match[1] for match in map(_REASON.match, said) if match is not None and match[1]]
    return found[-1] if found else None


def _all_of(graphs: list[list[tuple[str, int]]]) -> Delegated:
    count, operations = len(graphs[0]), sum(each for _, each in graphs[0])
    return {"operators": (count, count), "multiply_accumulates": (operations, operations), "left": []}


def _delegated(said: Sequence[str], operators: list[tuple[str, int]]) -> Delegated:
    """Return what the delegate took of a main graph's (name, multiplications), by what it printed: nothing where it printed nothing.

    WorkerRefused where it spoke of several graphs, or of another number of operators than the graph has.
    """
    shares = [tuple(map(int, match.groups())) for match in map(_SHARE.search, said) if match is not None]
    if not shares:
        return {"operators": (0, len(operators)), "multiply_accumulates": None, "left": []}
    taken, remaining = shares[0]
    if len(shares) > 1 or taken + remaining != len(operators):
        raise WorkerRefused(f"LiteRT's GPU delegate took {shares} of {len(operators)} operators; expected one number")
    begin = next((place for place, line in enumerate(said) if _LEFT in line), len(said))
    end = next(place for place, line in enumerate(said) if _SHARE.search(line))
    left = [line.strip() for line in said[begin + 1 : end] if line.strip()]
    total = sum(each for _, each in operators)
    done = _of_partition(taken, operators, {line.partition(":")[0] for line in left})
    return {
        "operators": (taken, taken + remaining),
        "multiply_accumulates": None if done is None else (done, total),
        "left": left,
    }


def _of_partition(taken: int, operators: list[tuple[str, int]], refused: set[str]) -> int | None:
    """Return the multiplications of the partition that was taken: the run of so many operators between those of refused kinds.

    None where several runs, or none, have so many: the engine says how many operators it took, and not which.
    """
    runs = [list(run) for is_refused, run in groupby(operators, lambda each: each[0] in refused) if not is_refused]
    fitting = [sum(count for _, count in run) for run in runs if len(run) == taken]
    return fitting[0] if len(fitting) == 1 else None


def _call(
    compiled: Any, key: str | None, inputs: dict[str, TensorDetails], outputs: dict[str, TensorDetails], log: EngineLog
) -> Call:
    known = next(iter(compiled.get_signature_list())) if key is None else key
    given = {name: compiled.create_input_buffer_by_name(known, name) for name in inputs}
    taken = {name: compiled.create_output_buffer_by_name(known, name) for name in outputs}
    locked: list[Any] = []

    def run(fill: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what the engine leaves in buffers that hold `fill` before."""
        for _ in range(_CALLS):
            failure = None
            try:
                for name, array in fill.items():
                    taken[name].write(array)
                compiled.run_by_name(known, given, taken)
                results = {name: _read(taken[name], details) for name, details in outputs.items()}
            except RuntimeError as error:
                failure = error
            said = log.new_lines()
            _require_valid(said)
            late = any(_LATE in line for line in said)
            if _NOT_THERE in str(failure):
                late = True
                locked.extend(taken.values())
                taken.update({name: compiled.create_output_buffer_by_name(known, name) for name in outputs})
            if not late and failure is not None:
                raise failure
            if not late:
                return results
        raise WorkerRefused(f"LiteRT's GPU delegate did not wait for its shaders to be compiled, {_CALLS} times")

    def call(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for name, details in inputs.items():
            given[name].write(_fitting(sample[name], name, details))
        return _computed(run, outputs)

    return call


def _computed(
    run: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]], outputs: Mapping[str, TensorDetails]
) -> dict[str, np.ndarray]:
    """Return what `run` computes; WorkerRefused where it leaves an output as it was filled before.

    A buffer outlives a call, so a failure that nothing tells would repeat the answer to the sample before. One that holds its fill after a call
    either was not written, or the answer is the same by chance; with another fill only the former holds it again.
    """
    first, second = ({name: _filled(details, place) for name, details in outputs.items()} for place in (0, 1))
    results = run(first)
    if _unwritten(results, first):
        same = _unwritten(run(second), second)
        if same:
            raise WorkerRefused(
                f"LiteRT's GPU delegate computed nothing for {', '.join(map(repr, same))}, and said that all is well",
                _ANOTHER,
            )
    return results


def _filled(details: TensorDetails, place: int) -> np.ndarray:
    """Return an array for an output before a call, in the first or the second of two values: NaN or 0, or the ends of a type without NaN."""
    asked = np.dtype(details["dtype"])
    if asked.kind == "b":
        value: float = bool(place)
    elif asked.kind in "iu":
        value = (np.iinfo(asked).max, np.iinfo(asked).min)[place]
    else:
        value = (np.nan, 0.0)[place]
    return np.full(tuple(map(int, details["shape"])), value, asked)


def _unwritten(results: Mapping[str, np.ndarray], fill: Mapping[str, np.ndarray]) -> list[str]:
    """Return the names of outputs that hold what was there before."""
    return [name for name, found in results.items() if found.size and np.array_equal(found, fill[name], equal_nan=True)]


def _require_valid(said: Sequence[str]) -> None:
    """Raise WorkerRefused where the engine printed an error of WebGPU or of a kernel: it goes on, and what it then gives was not computed."""
    invalid = next((match[1] or match[2] for match in map(_INVALID.search, said) if match is not None), None)
    if invalid is not None:
        raise WorkerRefused(f"LiteRT's GPU delegate made an invalid kernel, and would have run it: {invalid}", _ANOTHER)


def _fitting(array: np.ndarray, name: str, details: TensorDetails) -> np.ndarray:
    """Return the array for an input. Sizes that the file leaves open are 1 in the compiled model, where they cannot be changed any more."""
    asked, shape = np.dtype(details["dtype"]), tuple(map(int, details["shape"]))
    if array.dtype != asked or array.shape != shape:
        raise Unconvertible(
            f"input {name!r}: given {array.dtype} {array.shape}, the GPU delegate compiled the model for {asked} {shape}",
            "convert the model with the sizes of a call (--shape)",
        )
    return array


def _read(buffer: Any, details: TensorDetails) -> np.ndarray:
    shape = tuple(map(int, details["shape"]))
    found: np.ndarray = buffer.read(int(np.prod(shape, dtype=np.int64)), np.dtype(details["dtype"])).reshape(shape)
    return found
