"""Jobs that observe the activations of a float artifact over a calibration set, and estimate their ranges."""

from __future__ import annotations

import functools
import importlib
import itertools
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypedDict, TypeVar, cast

import numpy as np

from toolkit.conversion.made_file import RangesResult
from toolkit.engines import table_index
from toolkit.engines.loaded import Extremes, TappedTensor
from toolkit.errors import InvalidSamples, WorkerRefused
from toolkit.wire.request import Request
from toolkit.wire.shards import read_index, read_samples, sequence_length
from toolkit.wire.statistics import COLUMNS, Histograms, RowFile, Statistics

VALUES = 1024  # the most values of each tensor and sample that a histogram counts
_COUNTED_AT_ONCE = 16  # samples
_BLOCK = 1 << 17  # values, 512 KB: they stay in a core's cache from one pass to the next
_END = np.zeros(1, np.float32)  # gives a place to a last tensor without values
_STATE = "READ_VARIABLE"
_Opened = TypeVar("_Opened")


class GatherOptions(TypedDict):
    """The options of `gather`."""

    runtime: str
    histograms: bool
    part: int
    parts: int


class StatisticsResult(TypedDict):
    """The numbers of samples and tensors in the statistics, and the tensors that no tap can read."""

    samples: int
    tensors: int
    unread: list[str]


class GatheredResult(StatisticsResult):
    """The same for one part, and the engine that ran."""

    engine: str


def gather(request: Request) -> GatheredResult:
    """Run inputs["samples"] through the float artifact inputs["model"], and write out/statistics for one of `parts` parts of the samples.

    Options: `runtime` (a file of toolkit/execution/runtimes that can tap), `histograms`, `part` (from 0) and `parts`. A part is a series of
    consecutive samples, with whole sequences. If the model keeps state and the set has no sequences, one part takes the whole set. Raises
    InvalidSamples for a set without samples, and if a sample makes an activation NaN or infinite.
    """
    options, samples = request.options, request.inputs["samples"]
    runtime = importlib.import_module(f"toolkit.execution.runtimes.{options['runtime']}")
    if read_index(samples)["count"] == 0:
        raise InvalidSamples("calibration: no sample, so no activation has a range")

    try:
        engine, seen = _gather(request, runtime, values=options["histograms"])
    except _UnsaidError:  # begin again with the first sample, because a model may keep state
        engine, seen = _gather(request, runtime, values=True)
    seen.write_beside_rows(request.out / "statistics")
    return {"engine": engine, "samples": seen.count, "tensors": len(seen.names), "unread": list(seen.unread)}


def merge(request: Request) -> StatisticsResult:
    """Write out/statistics: the merged statistics of all inputs."""
    merged = Statistics.merge([Statistics.read(folder) for folder in request.inputs.values()])
    merged.write(request.out / "statistics")
    return {"samples": merged.count, "tensors": len(merged.names), "unread": list(merged.unread)}


def estimate(request: Request) -> RangesResult:
    """Write out/ranges.json: {"tensors": {name: [low, high]}} by options["estimator"] with options["parameters"], from inputs["statistics"].

    The ranges are those of the estimator and may leave out 0; every quantizer widens them to include it.
    """
    name = request.options["estimator"]
    estimator = importlib.import_module(f"toolkit.conversion.estimators.{name}")
    statistics = Statistics.read(request.inputs["statistics"])
    if estimator.NEEDS == "histogram" and statistics.counts is None:
        raise WorkerRefused(f"estimator {name}: needs histograms, and these statistics have none")
    ranges = estimator.estimate(statistics, estimator.Parameters(**request.options["parameters"]))
    missing = sorted(set(statistics.names) ^ set(ranges))
    wrong = [tensor for tensor, (low, high) in ranges.items() if not -math.inf < low <= high < math.inf]
    if missing or wrong:
        raise WorkerRefused(f"estimator {name}: gave no range for {', '.join([*missing, *wrong][:5])}")
    held = {tensor: [float(low), float(high)] for tensor, (low, high) in ranges.items()}
    (request.out / "ranges.json").write_text(json.dumps({"tensors": held}))
    return {"tensors": len(held)}


class _UnsaidError(Exception):
    """The engine did not give the extremes of a tensor, and its values were not read."""


def _gather(request: Request, runtime: ModuleType, *, values: bool) -> tuple[str, Statistics]:
    """Return the engine and the statistics, with their rows written; raises _UnsaidError if it needs values and has none."""
    samples, path = request.inputs["samples"], request.inputs["model"]
    options = cast(GatherOptions, request.options)
    length = sequence_length(samples)
    first = _opened(runtime, path, values=values)
    numbers = _share(samples, options, length, keeps_state=any(spec["operator"] == _STATE for spec in first.tensors))
    observer = _Observer(first.tensors, histograms=options["histograms"])
    folder = request.out / "statistics"
    with RowFile(folder, (len(numbers), *observer.shape)) as file:

        def see(model: Extremes, number: int, sample: dict[str, np.ndarray]) -> None:
            file.add(observer.see(number, *model.call(sample)))

        over_samples(request, numbers, first, lambda: _opened(runtime, path, values=values), see)
    unread = tuple(runtime.unread(path)) if hasattr(runtime, "unread") else ()
    rows = np.load(folder / "rows.npy", mmap_mode="r")
    seen = Statistics(observer.names, np.array(numbers, np.int64), rows, *observer.histograms(), unread)
    return first.engine, seen


def over_samples(
    request: Request,
    numbers: range,
    first: _Opened,
    opened: Callable[[], _Opened],
    see: Callable[[_Opened, int, dict[str, np.ndarray]], None],
) -> None:
    """Call `see(model, number, sample)` for each of these samples of inputs["samples"]. `first` is the model; each later sequence opens it again.

    An interpreter needs back the arrays of one call before the next one begins, so `see` must keep none of them.
    """
    samples = request.inputs["samples"]
    length, model = sequence_length(samples), first
    for number, sample in zip(numbers, read_samples(samples, numbers.start, numbers.stop), strict=True):
        if length and number % length == 0 and number != numbers.start:
            model = opened()
        with table_index.naming(samples, number, "calibration"):
            see(model, number, sample)
        if number % 16 == 0:
            request.progress(number - numbers.start, len(numbers))


def _opened(runtime: ModuleType, path: Path, *, values: bool) -> Extremes:
    """Return the opened model with its extremes, or with all values if the runtime gives no extremes."""
    options = {"threads": 1, "kernels": "default", "signature": None}
    if hasattr(runtime, "extremes"):
        opened: Extremes = runtime.extremes(path, options, values=values)
        return opened
    tapped = runtime.tap(path, options)
    unsaid = np.full((sum(spec["dtype"] == "float32" for spec in tapped.tensors), COLUMNS), math.nan)
    return Extremes(tapped.tensors, lambda sample: (tapped.call(sample), unsaid), tapped.engine)


def _share(samples: Path, options: GatherOptions, length: int | None, *, keeps_state: bool) -> range:
    """Return the numbers of the samples of a part."""
    total = read_index(samples)["count"]
    unit = length or (total if keeps_state else 1)
    units = -(-total // unit)
    start, stop = (units * (options["part"] + more) // options["parts"] * unit for more in (0, 1))
    return range(min(start, total), min(stop, total))


class _Observer:
    """Observes one sample at a time; its memory does not grow with the number of samples."""

    def __init__(self, tensors: tuple[TappedTensor, ...], *, histograms: bool) -> None:
        self._places = [place for place, spec in enumerate(tensors) if spec["dtype"] == "float32"]
        self.names = tuple(tensors[place]["name"] for place in self._places)
        self.shape = (len(self._places), COLUMNS + 2 if histograms else COLUMNS)
        self._histograms = Histograms(len(self._places)) if histograms else None
        self._largest = np.zeros(len(self._places))
        # One block for the whole run: allocations of such sizes leave holes in the heap, which would grow with the number of samples.
        self._kept = np.empty((_COUNTED_AT_ONCE, len(self._places) * VALUES + 1), np.float32)
        self._starts: list[list[int]] = []  # the start of each tensor's values, by kept sample

    def see(self, number: int, arrays: Sequence[np.ndarray | None], said: np.ndarray | float = math.nan) -> np.ndarray:
        """Return the row of the sample with this number in the set, (tensors, columns).

        `said`: minimum, maximum and number of values of each tensor. Where they are NaN, the values give them; _UnsaidError without values.
        """
        row = np.zeros(self.shape)
        row[:, :COLUMNS] = said
        held = [arrays[place] for place in self._places]
        flat: list[Any] = [None if array is None else array.reshape(-1) for array in held]
        with np.errstate(invalid="ignore"):  # NaN is refused below
            for tensor in np.flatnonzero(np.isnan(row[:, 0])):
                values = flat[tensor]
                if values is None:
                    raise _UnsaidError
                row[tensor, :COLUMNS] = *_extremes(values), values.size
        row[:, :2] += 0.0  # no -0: kernels differ on whether it is less than 0
        self._refuse_not_finite(row[:, :2], number)
        if self._histograms is not None:
            row[:, COLUMNS:] = self._keep(number, flat)
            np.maximum(self._largest, np.abs(row[:, :2]).max(axis=1), out=self._largest)
            if len(self._starts) == _COUNTED_AT_ONCE:
                self._count(self._histograms)
        return row

    def histograms(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return the exponents of the bins' widths and the counts; None and None if no histograms were requested."""
        if self._histograms is None:
            return None, None
        self._count(self._histograms)
        return self._histograms.exponents, self._histograms.counts

    def _keep(self, number: int, flat: list[np.ndarray]) -> np.ndarray:
        """Keep a systematic sample of the values; it starts at another place for each sample of the set, so that all places are covered.

        Returns the sum and the sum of squares of each tensor's kept values, (tensors, 2).
        """
        some = [values[number % stride :: stride] for values, stride in ((each, _stride(each.size)) for each in flat)]
        starts = list(itertools.accumulate((each.size for each in some), initial=0))
        kept = self._kept[len(self._starts), : starts[-1] + 1]
        np.concatenate([*some, _END], out=kept)
        self._starts.append(starts)
        exact = kept.astype(np.float64)
        sums = np.empty((len(some), 2))
        np.add.reduceat(exact, starts[:-1], out=sums[:, 0])
        np.add.reduceat(np.multiply(exact, exact, out=exact), starts[:-1], out=sums[:, 1])
        sums[np.diff(starts) == 0] = 0
        return sums

    def _count(self, histograms: Histograms) -> None:
        histograms.grow(self._largest)
        for tensor in range(len(self.names) if self._starts else 0):
            runs = [slice(*starts[tensor : tensor + 2]) for starts in self._starts]
            histograms.add(tensor, np.concatenate([kept[run] for kept, run in zip(self._kept, runs, strict=False)]))
        self._starts.clear()

    def _refuse_not_finite(self, extremes: np.ndarray, number: int) -> None:
        finite = np.isfinite(extremes).all(axis=1)
        if not finite.all():
            wrong = self.names[int(np.flatnonzero(~finite)[0])]
            raise InvalidSamples(
                f"calibration: sample {number} makes the activation {wrong!r} NaN or infinite in the float model",
                "check that sample and the model: no range can be taken from it",
            )


@functools.lru_cache(maxsize=1024)
def _stride(size: int) -> int:
    """Return the distance between counted values: at most VALUES are counted, and all channels are covered (no common divisor with the size)."""
    stride = max(1, -(-size // VALUES))
    while math.gcd(stride, size) > 1:
        stride += 1
    return stride


def _extremes(values: np.ndarray) -> tuple[float, float]:
    """Return minimum and maximum of float32 (n,): NaN if there is a NaN, 0 if the array is empty."""
    if values.size <= _BLOCK:
        return (np.minimum.reduce(values), np.maximum.reduce(values)) if values.size else (0.0, 0.0)
    blocks = (values[start : start + _BLOCK] for start in range(0, values.size, _BLOCK))
    ends = np.array([(np.minimum.reduce(block), np.maximum.reduce(block)) for block in blocks])
    return ends[:, 0].min(), ends[:, 1].max()
