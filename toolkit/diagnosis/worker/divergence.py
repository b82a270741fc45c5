"""Compares two runs of a .tflite, or of a float and a quantized one, operator by operator: in the whole model and alone.

pick    the samples to examine
tap     the file with all results of its operators as outputs, for any runtime
feed    a file with the operators side by side, and the inputs for them: the results of the reference's operators
weigh   the reference's values against the candidate's, in the whole model (cumulative) and of each operator alone (isolated)

Numbers are compared in real units and bit by bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from toolkit.diagnosis.worker.layer_drift import NoiseTally, share_of
from toolkit.diagnosis.worker.naming import misnamed
from toolkit.diagnosis.worker.observed import ObservedRuns, Values
from toolkit.diagnosis.worker.results import DivergenceResult, NoiseShareRow, TensorRow, json_number
from toolkit.engines.tflite import split
from toolkit.engines.tflite.counterparts import without_counterpart
from toolkit.engines.tflite.subgraphs import GraphTensor, Node, Parts
from toolkit.errors import InvalidSource, RequestError
from toolkit.wire.request import Request
from toolkit.wire.shards import ShardWriter, read_index, read_samples, sequence_length


def pick(request: Request) -> dict[str, list[int]]:
    """Write out/samples: the samples of inputs["samples"] that options["samples"] names, in that order; whole sequences if the set has sequences."""
    folder, wanted = request.inputs["samples"], request.options["samples"]
    length = sequence_length(folder)
    if length is not None:
        begins = dict.fromkeys(number - number % length for number in wanted)
        wanted = [number for begin in begins for number in range(begin, begin + length)]
    with ShardWriter(request.out / "samples") as writer:
        for number in wanted:
            for sample in read_samples(folder, number, number + 1):
                writer.add(sample)
    if length is not None:
        (request.out / "samples" / "sequences.json").write_text(json.dumps({"length": length}))
    return {"samples": list(wanted)}


def tap(request: Request) -> dict[str, int]:
    """Write out/tapped.tflite from inputs["model"] (see `toolkit.engines.tflite.split`). Return how many bytes it gives for a sample.

    Raise InvalidSource if no tensor can be read, or if options["signature"], a key or null, does not belong to the main graph.
    """
    path, key = request.inputs["model"], request.options["signature"]
    if key is not None:
        split.require_main(path, key)
    (request.out / "tapped.tflite").write_bytes(split.tapped(path))
    parts = Parts(path)
    given = {index for node in split.working(parts) for index in split.shown(parts, node)}
    if not given:
        raise InvalidSource(f"{path.name}: its operators compute nothing that can be read")
    sizes = [parts.tensors[index] for index in given]
    return {"bytes": sum(int(np.prod(each.shape)) * np.dtype(each.dtype).itemsize for each in sizes)}


def feed(request: Request) -> dict[str, list[int]]:
    """Write out/apart.tflite from inputs["model"], and out/samples as its inputs: the reference's results, inputs["taps"].

    The reference is inputs["floats"], else the same file. Return the places of the operators that can be fed.
    """
    seen = ObservedRuns(request.inputs)
    content, takes, places = split.apart(request.inputs["model"], seen.found)
    if not takes:
        raise RequestError(f"{request.inputs['model'].name}: no operator can be fed with what the reference gives")
    (request.out / "apart.tflite").write_bytes(content)
    with ShardWriter(request.out / "samples") as writer:
        for values in seen.reference():
            writer.add({str(index): seen.as_fed(index, values) for index in takes})
    return {"places": places}


def weigh(request: Request) -> dict[str, int]:
    """Write out/rows.json: a row for each tensor that an operator gives, in the order of execution.

    Inputs: model; floats (if the reference is another file); samples; taps (values of the reference); given (values of the candidate); alone (values
    of its operators by themselves); before and after (outputs of the unchanged files; their samples are options["samples"]). `same` says whether the
    files gave the same outputs with all tensors readable. Unless options["one_file"], tensors are matched by name, which is no proof: see `naming`.
    """
    seen = ObservedRuns(request.inputs)
    rows = [
        _Row(node, index, seen.model.tensors[index], seen.found.get(index), seen.why_not_alone(node))
        for node in split.working(seen.model)
        for index in split.shown(seen.model, node)
    ]
    alone = read_samples(request.inputs["alone"])
    for values, given, own in zip(seen.reference(), seen.candidate(), alone, strict=True):
        for row in rows:
            row.add(seen, values, given, own)
    not_same = [] if request.options["one_file"] else _without_misnamed(request.inputs["model"], seen, rows)
    same = {
        side: _same(request.inputs[path], request.inputs[taps], request.inputs[run], request.options["samples"])
        for side, run, path, taps in (
            ("before", "before", "floats" if "floats" in request.inputs else "model", "taps"),
            ("after", "after", "model", "given"),
        )
        if run in request.inputs
    }
    differing = {row.index for row in rows if not row.equal}
    held: DivergenceResult = {
        "rows": [row.to_json(seen.model, differing) for row in rows],
        "unmatched": without_counterpart(seen.model, set(seen.found)),
        "misnamed": not_same,
        "same": same,
    }
    (request.out / "rows.json").write_text(json.dumps(held))
    return {"rows": len(rows)}


def _without_misnamed(model: Path, seen: ObservedRuns, rows: Sequence[_Row]) -> list[str]:
    """Remove tensors whose namesakes are something else, and the isolated results of operators that read them. Return the tensors' names."""
    found = misnamed(seen.model, rows, list(split.output_names(model).values()))
    for row in rows:
        if row.index in found:
            row.take_away("the reference uses this name for something else")
        elif row.why is None and (fed := found.intersection(split.fed(seen.model, row.node))):
            row.isolated = NoiseTally()
            row.why = f"the reference uses the name {seen.model.tensors[min(fed)].name} for something else"
    return [f"{row.node.operator} {row.tensor.name}" for row in rows if row.index in found]


@dataclass
class _Row:
    """One tensor that an operator of the candidate gives, and its results."""

    node: Node
    index: int
    tensor: GraphTensor
    other: int | None
    why: str | None
    equal: bool = True  # until shown otherwise
    alone_equal: bool = True
    cumulative: NoiseTally = field(default_factory=NoiseTally)
    isolated: NoiseTally = field(default_factory=NoiseTally)

    def add(self, seen: ObservedRuns, values: Values, given: Values, own: Mapping[str, np.ndarray]) -> None:
        """Add one sample: the reference's values, the candidate's values in the whole model, and those of its operators alone."""
        if self.other is None:
            self.equal = self.alone_equal = False
            return
        right, reference = values[self.other], seen.real(self.index, values)
        self.cumulative.add(reference, self.tensor.dequantize(given[self.index]))
        self.equal = self.equal and _identical(right, given[self.index])
        if self.why is None:
            self.isolated.add(reference, self.tensor.dequantize(own[str(self.index)]))
            self.alone_equal = self.alone_equal and _identical(right, own[str(self.index)])

    def take_away(self, why: str) -> None:
        """Remove all results of this tensor, and keep only the reason."""
        self.other, self.why, self.equal, self.alone_equal = None, why, False, False
        self.cumulative, self.isolated = NoiseTally(), NoiseTally()

    def to_json(self, model: Parts, differing: set[int]) -> TensorRow:
        fed = split.fed(model, self.node)
        return {
            "place": self.node.place,
            "operator": self.node.operator,
            "tensor": self.tensor.name,
            "inputs": [model.tensors[index].name for index in fed],
            "fed_equal": differing.isdisjoint(fed),
            "dtype": self.tensor.dtype,
            "scale": self.tensor.scale,
            "equal": self.equal,
            "alone_equal": self.alone_equal,
            "cumulative": _noise(self.cumulative, self.tensor) if self.other is not None else None,
            "isolated": _noise(self.isolated, self.tensor) if self.isolated.samples else None,
            "not_isolated": self.why,
        }


def _noise(tally: NoiseTally, tensor: GraphTensor) -> NoiseShareRow:
    return {**tally.to_json(tensor.scale), "share": json_number(share_of(tally.signal, tally.noise))}


def _identical(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


def _same(path: Path, taps: Path, run: Path, samples: Sequence[int]) -> bool:
    """Return whether a file with all tensors as outputs gave the outputs of its run, bit by bit, over the samples that the run has."""
    names = {name: str(index) for name, index in split.output_names(path).items()}
    shown, ran = read_index(taps)["tensors"], read_index(run)["count"]
    for given, number in zip(read_samples(taps), samples, strict=True):
        for outputs in read_samples(run, number, min(number + 1, ran)):
            if not all(_identical(outputs[name], given[index]) for name, index in names.items() if index in shown):
                return False
    return True
