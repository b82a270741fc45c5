"""Times one model's calls in a process of its own: its load, the first call, a warm-up, then calls with the same inputs, one after another.

Only the engine's own call is inside the clock. Where an engine takes its inputs apart from the call (`Loaded.steps`), they are set before each call,
outside the clock, as LiteRT's benchmark_model does (tflite/tools/benchmark/benchmark_tflite_model.cc, ResetInputsAndOutputs).

Standard library and numpy: a worker imports it.
"""

from __future__ import annotations

import gc
import importlib
import statistics
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from toolkit.engines.answers import check
from toolkit.engines.loaded import Loaded, Sample, Steps
from toolkit.errors import WorkerRefused
from toolkit.execution.edges import quantize
from toolkit.execution.infer import called
from toolkit.execution.machine import Busy, Machine, Memory, high_water_bytes, load_average, machine
from toolkit.wire.request import Request
from toolkit.wire.shards import read_samples

_MOST_KEPT = 1 << 20  # durations of one process; beyond it every second one is dropped, evenly over the whole time
Clock = Callable[[], int]
"""Returns nanoseconds of a clock that only goes forward."""


class Rule(TypedDict):
    """How long to measure; `latency.toml` has the values and their reasons. Seconds are of the clock, `calls` and `seconds` are the least of both.

    `window_s` is the length of a piece of the warm-up, `faster` the share by which a piece has to be faster than the last for it to go on, and
    `warm_up_most_s` its limit. `most_s` ends the timed calls even if there were fewer.
    """

    window_s: float
    faster: float
    warm_up_most_s: float
    calls: int
    seconds: float
    most_s: float


class ProcessTimes(TypedDict):
    """What one process measured. out/call_ms.npy has the timed calls in their order: float64, milliseconds.

    `timed` says what is inside the clock: "invoke" (the computation alone) or "call" (with the copies of inputs and outputs). `steady` is whether the
    warm-up ended because calls got no faster, and not by its limit. `calls` is the number of timed calls, of which one in `every` is in the file.
    """

    engine: str
    timed: str
    load_ms: float
    first_ms: float
    warm_up_calls: int
    steady: bool
    calls: int
    every: int
    seconds: float
    memory: Memory | None
    machine: Machine


@dataclass(frozen=True)
class Calls:
    """The durations of a model's calls, in milliseconds: the first one, and those after the warm-up, `ms`, in their order."""

    first_ms: float
    warm_up_calls: int
    steady: bool
    ms: np.ndarray
    count: int
    every: int
    seconds: float


def run(request: Request) -> ProcessTimes:
    """Time the model inputs["model"] with the first sample of inputs["samples"], and write out/call_ms.npy.

    Options: those of `toolkit.execution.infer`, and `rule`, a `Rule`. A call after the timed ones is checked against the signature.
    """
    runtime = importlib.import_module(f"toolkit.execution.runtimes.{request.options['runtime']}")
    rule: Rule = request.options["rule"]
    sample = next(read_samples(request.inputs["samples"], 0, 1))
    before, load_before = high_water_bytes(), load_average()
    began = time.perf_counter_ns()
    loaded: Loaded = runtime.load(request.inputs["model"], request.options)
    load_ms = (time.perf_counter_ns() - began) / 1e6
    if loaded.call_several is not None:
        raise WorkerRefused(
            f"{loaded.engine}: is reached from here, and its calls cannot be timed one after the other yet"
        )
    after_load = high_water_bytes()
    fed = as_fed(sample, loaded, request.options.get("names", {"inputs": {}, "outputs": {}}))
    steps = loaded.steps or by_call(loaded)
    busy = Busy.now()
    found = measured(steps, fed, rule)
    others = busy.share_of_others()
    check(loaded.call(fed), loaded.signature["outputs"], "the timed sample")
    np.save(request.out / "call_ms.npy", found.ms)
    peak = high_water_bytes()
    return {
        "engine": loaded.engine,
        "timed": "call" if loaded.steps is None else "invoke",
        "load_ms": load_ms,
        "first_ms": found.first_ms,
        "warm_up_calls": found.warm_up_calls,
        "steady": found.steady,
        "calls": found.count,
        "every": found.every,
        "seconds": found.seconds,
        "memory": None
        if before is None or after_load is None or peak is None
        else {"before_bytes": before, "loaded_bytes": after_load, "peak_bytes": peak},
        "machine": machine(load_before, others),
    }


def as_fed(sample: Sample, loaded: Loaded, names: dict[str, dict[str, str]]) -> Sample:
    """Return a sample under the model's own names, quantized where the model takes integers."""
    own = {theirs: mine for mine, theirs in names["inputs"].items()}
    specs = {spec["name"]: spec for spec in called({**loaded.signature}, names)["inputs"]}
    return {
        own.get(name, name): quantize(array, specs[name]) if name in specs else array for name, array in sample.items()
    }


def by_call(loaded: Loaded) -> Steps:
    """Return the steps of an engine that takes inputs and gives outputs in one call."""
    held: Sample = {}

    def invoke() -> None:
        loaded.call(held)

    return Steps(held.update, invoke)


def measured(steps: Steps, sample: Sample, rule: Rule, clock: Clock = time.perf_counter_ns) -> Calls:
    """Return the durations of a model's calls with one sample.

    The warm-up goes on in pieces of `window_s` as long as the median of a piece is lower than that of the piece before by more than `faster`: a call
    gets faster until memory has its pages, caches are filled and the processor's frequency has risen. It has two pieces at least, and no more begin
    after `warm_up_most_s`. Noise that slows a piece down ends it; so it never waits for a machine to become quiet.
    """

    def once() -> float:
        steps.feed(sample)
        began = clock()
        steps.invoke()
        return (clock() - began) / 1e6

    collecting = gc.isenabled()
    gc.disable()
    try:
        first_ms = once()
        warm_up_calls, steady = _warm_up(once, rule, clock)
        kept, count, every, began = array("d"), 0, 1, clock()
        while True:
            ms = once()
            if count % every == 0:
                kept.append(ms)
            count += 1
            if len(kept) == _MOST_KEPT:
                kept, every = kept[::2], 2 * every
            seconds = (clock() - began) / 1e9
            if (count >= rule["calls"] and seconds >= rule["seconds"]) or seconds >= rule["most_s"]:
                return Calls(first_ms, warm_up_calls, steady, np.array(kept), count, every, seconds)
    finally:
        if collecting:
            gc.enable()


def _warm_up(once: Callable[[], float], rule: Rule, clock: Clock) -> tuple[int, bool]:
    """Return how many calls warmed the model up, and whether calls got no faster in the end."""
    began, calls, before = clock(), 0, None
    while True:
        piece: list[float] = []
        piece_began = clock()
        while not piece or (clock() - piece_began) / 1e9 < rule["window_s"]:
            piece.append(once())
        calls += len(piece)
        median = statistics.median(piece)
        if before is not None and median >= before * (1 - rule["faster"]):
            return calls, True
        if (clock() - began) / 1e9 >= rule["warm_up_most_s"]:
            return calls, False
        before = median
