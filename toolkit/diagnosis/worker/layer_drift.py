"""How far each layer of a quantized .tflite is from its float one: alone, and with all errors before it.

cumulative   both files get the model's input, and each tensor of one is compared with its counterpart in the other
isolated     each operator of the quantized file runs alone on the float file's values, which shows its own error: from the rounding of
             its inputs, its weights and its output
cost         the float file continues from the isolated result: the noise at the model's output, as a share of the signal's power, if
             only this layer has an error

Integers are always converted to real numbers first, with their own tensor's scale. A tensor without a counterpart, or an operator that cannot run
alone, is listed with the reason.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.diagnosis.worker.results import DriftResult, LayerRow, NoiseRow, Unmatched, json_number
from toolkit.engines.tflite.counterparts import computed, counterparts, without_counterpart
from toolkit.engines.tflite.file import describe
from toolkit.engines.tflite.subgraphs import GraphTensor, Node, Parts, runner
from toolkit.errors import InvalidSamples, RequestError
from toolkit.execution.edges import quantize
from toolkit.wire.request import Request
from toolkit.wire.shards import read_index, read_samples, sequence_length

_COSTED_SAMPLES = 32  # a power over this many samples ranks layers like one over all samples
_COSTED_BYTES = 1 << 28  # of float activations that are kept meanwhile
Values = dict[int, np.ndarray]
Call = Callable[[Sequence[np.ndarray]], list[np.ndarray]]  # runs a part of a file, with arrays in its order


def layers(request: Request) -> dict[str, int]:
    """Write out/layers.json: a row for each tensor that an operator of inputs["model"] gives, in the order of execution, against inputs["floats"].

    Options: `runtime`, which runs the files with all tensors readable, and `kernels`. Raise RequestError if the two files have no layer in common.
    """
    floats, model = Parts(request.inputs["floats"]), Parts(request.inputs["model"])
    found = counterparts(model, floats)
    rows = [
        _Layer(
            node, index, model.tensors[index], found[index][0], floats.tensors[found[index][0]].name, found[index][1]
        )
        for node in model.nodes
        if not node.moves
        for index in node.gives
        if index in found
    ]
    if not rows:
        raise RequestError(
            f"{request.inputs['model'].name}: no layer has a counterpart in the float file",
            "it may be of another model: both must come from one source",
        )
    for row in rows:
        row.prepare(model, found, request.options)
    kept = _measure(request, floats, model, rows)
    for done, row in enumerate(rows):
        row.count_cost(floats, kept, request.options)
        request.progress(done + 1, len(rows))
    unmatched: Unmatched = {
        "model": without_counterpart(model, set(found)),
        "floats": without_counterpart(floats, {index for index, _ in found.values()}),
    }
    held: DriftResult = {
        "samples": rows[0].cumulative.samples,
        "layers": [row.to_json() for row in rows],
        "unmatched": unmatched,
    }
    (request.out / "layers.json").write_text(json.dumps(held))
    return {"layers": len(rows), "samples": held["samples"], "costed_samples": len(kept)}


@dataclass
class NoiseTally:
    """Noise of one tensor against its right values over the samples so far, in real units. `worst` is (share of the signal, sample)."""

    samples: int = 0
    signal: float = 0.0
    noise: float = 0.0
    count: int = 0
    max_abs: float = 0.0
    worst: tuple[float, int] = (-1.0, 0)

    def add(self, reference: np.ndarray, candidate: np.ndarray) -> None:
        """Add one sample, float64."""
        error = candidate - reference
        with np.errstate(invalid="ignore", over="ignore"):
            signal, noise = float(np.sum(reference * reference)), float(np.sum(error * error))
        if math.isnan(noise):  # NaN on either side counts as the worst
            noise = math.inf
        share = share_of(signal, noise)
        if share > self.worst[0]:
            self.worst = (share, self.samples)
        self.samples += 1
        self.signal, self.noise, self.count = self.signal + signal, self.noise + noise, self.count + error.size
        self.max_abs = max(self.max_abs, math.inf if noise == math.inf else float(np.abs(error).max(initial=0.0)))

    def to_json(self, scale: float | None) -> NoiseRow:
        """Return the noise as a row. `scale` is the step of a quantized tensor."""
        rmse = math.sqrt(self.noise / self.count) if self.count else math.nan
        return {
            "sqnr_db": json_number(decibels(self.signal, self.noise)),
            "rmse": json_number(rmse),
            # As in TensorFlow's quantization debugger (lite/tools/optimize/debugging): rounding alone gives 1 / sqrt(12) = 0.289.
            "rmse_per_scale": None if scale is None else json_number(rmse / scale),
            "max_abs": json_number(self.max_abs),
            "worst_sample": self.worst[1],
            "worst_sample_sqnr_db": json_number(decibels(1.0, self.worst[0])),
        }


@dataclass
class _Layer:
    """One tensor that an operator gives, and its results."""

    node: Node
    index: int
    tensor: GraphTensor
    other: int
    counterpart: str
    matched: str
    why: str | None = None
    cumulative: NoiseTally = field(default_factory=NoiseTally)
    isolated: NoiseTally = field(default_factory=NoiseTally)
    alone: list[np.ndarray] = field(default_factory=list)
    cost: float | None = None
    beyond: int = 0
    low: float = math.inf
    high: float = -math.inf
    _fed: tuple[tuple[int, GraphTensor], ...] = ()
    _call: Call | None = None

    def prepare(self, model: Parts, found: Mapping[int, tuple[int, str]], options: Mapping[str, Any]) -> None:
        """Cut the operator out of its file. If it cannot run alone, `why` says why."""
        self.why = self.node.uncut
        if self.why is not None:
            return
        content, takes = model.cut(model.alone(self.node), [self.index])
        missing = [model.tensors[index].name for index in takes if index not in found]
        if missing:
            self.why = f"its input {missing[0]} has no counterpart in the float file"
            return
        try:
            self._call = runner(content, options)
        except (RuntimeError, ValueError) as error:
            self.why = f"no interpreter starts it alone: {' '.join(str(error).split())}"
        self._fed = tuple((found[index][0], model.tensors[index]) for index in takes)

    def add(self, values: Values, candidate: np.ndarray, *, keep: bool) -> None:
        """Add one sample: all float values, and the quantized file's value of this tensor."""
        reference = np.asarray(values[self.other], np.float64)
        self.low, self.high = min(self.low, float(reference.min())), max(self.high, float(reference.max()))
        if self.tensor.ends is not None and self.tensor.scale is not None:
            low, high = self.tensor.ends
            half = self.tensor.scale / 2  # a value this far beyond an end still rounds to it
            self.beyond += int(np.count_nonzero((reference < low - half) | (reference > high + half)))
        self.cumulative.add(reference, self.tensor.dequantize(candidate))
        if self._call is None:
            return
        try:
            (own,) = self._call([tensor.quantize(np.asarray(values[other])) for other, tensor in self._fed])
        except (RuntimeError, ValueError) as error:
            self.why, self._call = f"does not run alone: {' '.join(str(error).split())}", None
            return
        real = self.tensor.dequantize(own)
        self.isolated.add(reference, real)
        if keep:
            self.alone.append(real.astype(np.float32))

    def count_cost(self, floats: Parts, kept: Sequence[Values], options: Mapping[str, Any]) -> None:
        """Let the float file continue from the layer's isolated result, and set the cost: the noise at the output that it moves most."""
        self._call = None
        after = floats.downstream(self.other)
        if not self.alone or any(floats.nodes[place].uncut is not None for place in after):
            return
        changed = {index for place in after for index in floats.nodes[place].gives} | {self.other}
        outputs = [index for index in floats.outputs if index in changed]
        tallies = {index: NoiseTally() for index in outputs}
        later = [index for index in outputs if index != self.other]
        places = sorted({each for place in after for each in floats.alone(floats.nodes[place])})
        content, takes = floats.cut(places, later) if later else (b"", ())
        call = runner(content, options) if later else None
        for values, own in zip(kept, self.alone, strict=False):
            given = {self.other: own, **dict(zip(later, _go_on(call, values, takes, self.other, own), strict=True))}
            for index, tally in tallies.items():
                tally.add(values[index].astype(np.float64), given[index].astype(np.float64))
        self.alone.clear()
        self.cost = max((share_of(tally.signal, tally.noise) for tally in tallies.values()), default=0.0)

    def to_json(self) -> LayerRow:
        count = self.cumulative.count
        return {
            "operator": self.node.operator,
            "tensor": self.tensor.name,
            "float_tensor": self.counterpart,
            "matched": self.matched,
            "dtype": self.tensor.dtype,
            "scale": self.tensor.scale,
            "range": [self.low, self.high],
            "saturated": self.beyond / count if count else 0.0,
            "cumulative": self.cumulative.to_json(self.tensor.scale),
            "isolated": self.isolated.to_json(self.tensor.scale) if self.isolated.samples else None,
            "cost": None if self.cost is None else json_number(self.cost),
            "not_isolated": self.why,
        }


def _go_on(call: Call | None, values: Values, takes: Sequence[int], other: int, own: np.ndarray) -> list[np.ndarray]:
    if call is None:
        return []
    return call([own.astype(values[other].dtype) if index == other else values[index] for index in takes])


def _measure(request: Request, floats: Parts, model: Parts, rows: Sequence[_Layer]) -> list[Values]:
    """Feed all samples to both files. Return the float values of the first ones."""
    samples = request.inputs["samples"]
    total = read_index(samples)["count"]
    if not total:
        raise InvalidSamples(f"{request.inputs['model'].name}: no samples to look at its layers with")
    length = sequence_length(samples) or total
    kept: list[Values] = []
    for done, sample in enumerate(read_samples(samples)):
        if done % length == 0:
            reference = _Tap(request, "floats", floats)
            candidate = _Tap(request, "model", model)
        values, given = reference.values(sample), candidate.values(sample)
        keep = len(kept) < _COSTED_SAMPLES and (len(kept) + 1) * sum(a.nbytes for a in values.values()) <= _COSTED_BYTES
        for row in rows:
            row.add(values, given[row.index], keep=keep or not kept)
        if keep or not kept:
            kept.append(values)
        request.progress(done + 1, total + len(rows))
    return kept


class _Tap:
    """A file with all of its tensors readable, by their places in its main graph."""

    def __init__(self, request: Request, name: str, parts: Parts) -> None:
        runtime = importlib.import_module(f"toolkit.execution.runtimes.{request.options['runtime']}")
        path: Path = request.inputs[name]
        self._tapped = runtime.tap(path, {**request.options, "threads": 1})
        (signature, *_) = describe(path)["signatures"]
        self._specs = {spec["name"]: spec for spec in signature["inputs"]}
        named = {spec["name"]: place for place, spec in enumerate(self._tapped.tensors)}
        places = {index: self._place(named, parts.tensors[index].name, index) for index in computed(parts)}
        self._places = {index: place for index, place in places.items() if place is not None}

    @staticmethod
    def _place(named: Mapping[str, int], name: str, index: int) -> int | None:
        """Return the place of a tensor in a tap. If two tensors have the same name, the index in the tap's name distinguishes them."""
        return named.get(name, named.get(f"{name}#{index}"))

    def values(self, sample: Mapping[str, np.ndarray]) -> Values:
        """Return copies of the values of all tensors for a sample."""
        fed = {name: quantize(array, self._specs[name]) for name, array in sample.items()}
        given = self._tapped.call(fed)
        return {index: np.array(given[place]) for index, place in self._places.items()}


def share_of(signal: float, noise: float) -> float:
    """Return noise / signal, of powers: 0 without noise, infinity for noise without signal."""
    if signal > 0:
        return noise / signal
    return 0.0 if noise == 0 else math.inf


def decibels(signal: float, noise: float) -> float:
    """Return 10 log10(signal / noise): inf without noise, -inf for noise without signal."""
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 and noise < math.inf else -math.inf
