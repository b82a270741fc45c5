"""TensorFlow Lite's `benchmark_model`: how it is told to run one sample, and what its log says of that.

Of LiteRT's native programs it alone takes a sample's values (`--input_layer_value_files`) and writes whole outputs (`--output_filepath`: all tensors
in the graph's order, one after another, as raw bytes). `run_model` prints a few numbers of each tensor, and the `benchmark_model` of LiteRT's own
CompiledModel takes no values. Flags and log: tflite/tools/benchmark in LiteRT's repository, benchmark_model.cc and benchmark_tflite_model.cc.

A program that does not know a flag prints a warning, goes on, and feeds random numbers: so that warning is an error here.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.errors import RequestError, WorkerRefused

# Since July 2022 (github.com/tensorflow/tensorflow/pull/55493).
_SINCE = "TensorFlow 2.11"
# Numbers of processors in the header of an ELF file (e_machine, System V gABI, chapter 4), with the ABIs of Android's NDK that they serve.
ABIS = {
    3: ("x86",),
    40: ("armeabi-v7a", "armeabi"),
    62: ("x86_64",),
    183: ("arm64-v8a",),
    243: ("riscv64",),
}
HEADER_BYTES = 20
NEEDED = (
    f"give the benchmark_model of TensorFlow Lite (tflite/tools/benchmark in LiteRT's repository), of {_SINCE} or newer"
)
FLOAT16, FLOAT32 = "default", "float32"
"""Kernels of the GPU: float16 arithmetic, as an app has it unless it asks for float32, and float32."""

_GPU = ("--use_gpu=true", "--require_full_delegation=true")  # no part of the model may run on the CPU
# The GPU computes in float16 unless it is told otherwise (tflite/tools/delegates/gpu_delegate_provider.cc, default true).
_PRECISION = "--gpu_precision_loss_allowed={}"
_KERNELS: dict[str, dict[str, tuple[str, ...]]] = {
    "cpu": {"default": (), "builtin": ("--use_xnnpack=false",)},
    "gpu": {FLOAT16: (*_GPU, _PRECISION.format("true")), FLOAT32: (*_GPU, _PRECISION.format("false"))},
}
# benchmark_tflite_model.cc. Where no delegate was made, as in a program without it, the model runs on the CPU, and full delegation is not asked for.
_WHOLLY = "Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate."
_IGNORED = re.compile(r"Unconsumed cmdline flags:\s*(.*\S)")
_MEAN_US = re.compile(r"Inference timings in us: .*Inference \(avg\): ([0-9.e+]+)")
_MISTAKE = re.compile(
    r"^(?:(?:ERROR|FATAL): .*|.*(?:error:|not found|not executable|Permission denied).*)$", re.MULTILINE
)
_TAIL_LINES = 8


@dataclass(frozen=True, slots=True)
class Fed:
    """One input of a sample, in the graph's order: the file with its raw bytes, and its shape."""

    file: str
    shape: tuple[int, ...]


def abis_of(header: bytes) -> tuple[str, ...] | None:
    """Return the ABIs that a program serves, by its first HEADER_BYTES; None for a script, which any phone may run.

    RequestError for a file that is no program, or one for a processor that no Android runs on.
    """
    if header[:2] == b"#!":
        return None
    if header[:4] != b"\x7fELF" or len(header) < HEADER_BYTES:
        raise RequestError("is no program (neither ELF nor a script)")
    order = ">" if header[5] == 2 else "<"
    (machine,) = struct.unpack_from(f"{order}H", header, 18)
    if machine not in ABIS:
        raise RequestError(f"is a program for a processor that Android does not run on (ELF machine {machine})")
    return ABIS[machine]


def kernel_flags(kernels: str, processor: str) -> tuple[str, ...]:
    """Return the flags for the option `kernels` on a processor, "cpu" or "gpu"; RequestError for kernels that the program has not there."""
    known = _KERNELS[processor]
    if kernels not in known:
        where = "" if processor == "cpu" else " on the GPU"
        raise RequestError(f"benchmark_model has no {kernels} kernels{where}; known: {', '.join(known)}")
    return known[kernels]


def require_on_gpu(log: str, who: str) -> None:
    """Raise WorkerRefused where a run's log does not say that the GPU ran the whole model: the exit status is 0 too where the CPU ran it."""
    if _WHOLLY not in log:
        words = "\n".join(log.strip().splitlines()[-_TAIL_LINES:]) or None
        raise WorkerRefused(f"{who}: the log of benchmark_model does not say that the GPU ran the whole model", words)


def flags(model: str, inputs: Sequence[Fed], *, threads: int, warm: bool) -> list[str]:
    """Return the flags for one run of a sample, after one run that does not count if `warm`; `output` and signature are the caller's.

    Inputs are named by their number: the program binds them by order, and has rules of its own for ':' and ',' in names.
    """
    names = [f"in{place}" for place in range(len(inputs))]
    given = ",".join(f"{name}:{fed.file}" for name, fed in zip(names, inputs, strict=True))
    return [
        f"--graph={model}",
        f"--num_threads={threads}",
        f"--warmup_runs={int(warm)}",
        "--warmup_min_secs=-1",
        "--num_runs=1",
        "--min_secs=-1",
        f"--input_layer={','.join(names)}",
        f"--input_layer_shape={':'.join(','.join(map(str, fed.shape)) for fed in inputs)}",
        f"--input_layer_value_files={given}",
    ]


def mean_ms(status: str, log: str, who: str) -> float:
    """Return the milliseconds of the run that counts, as the program measured them.

    WorkerRefused where it failed, where its log does not show that it ran, or where it did not know a flag. `status` is its exit status as text, ""
    where there is none; `who` begins the message.
    """
    words = "\n".join(log.strip().splitlines()[-_TAIL_LINES:]) or None
    if status != "0":
        mistake = _MISTAKE.search(log)
        said = f": {mistake[0].strip()}" if mistake else ""
        how = f"exit status {status}" if status else "did not end"
        raise WorkerRefused(f"{who}: benchmark_model: {how}{said}", words)
    ignored = _IGNORED.search(log)
    if ignored:
        raise WorkerRefused(
            f"{who}: benchmark_model does not know {ignored[1]}",
            NEEDED,
        )
    found = _MEAN_US.search(log)
    ms = float(found[1]) / 1e3 if found else math.nan
    if not 0 <= ms < math.inf:
        raise WorkerRefused(f"{who}: the log of benchmark_model does not say that the model ran", words)
    return ms
