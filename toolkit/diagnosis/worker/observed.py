"""The results of two runs with all tensors read: of one .tflite, or of a float and a quantized one.

Tensors have their numbers in the main graph of the candidate, the later of the two. A reference that is another file has its own numbers;
`counterparts` finds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.engines.tflite import split
from toolkit.engines.tflite.counterparts import counterparts
from toolkit.engines.tflite.subgraphs import GraphTensor, Node, Parts
from toolkit.execution.edges import quantize
from toolkit.wire.shards import read_index, read_samples

Values = dict[int, np.ndarray]


class ObservedRuns:
    """The observations of two runs: their files, the candidate's tensors with their counterparts (`found`), and the values of each sample."""

    def __init__(self, inputs: Mapping[str, Path]) -> None:
        self._inputs = inputs
        self.model = Parts(inputs["model"])
        self.floats = Parts(inputs["floats"]) if "floats" in inputs else None
        self._path = inputs["floats" if self.floats is not None else "model"]
        taps = {int(name) for name in read_index(inputs["taps"])["tensors"]}
        known = taps | set(split.input_names(self._path).values())
        if self.floats is None:
            self.found = {index: index for index in known}
        else:
            pairs = counterparts(self.model, self.floats).items()
            self.found = {index: other for index, (other, _) in pairs if other in known}

    @property
    def other(self) -> Parts:
        """The reference's file."""
        return self.model if self.floats is None else self.floats

    def reference(self) -> Iterator[Values]:
        """Yield for each sample the results of the reference's operators, and its inputs."""
        return _values(self._path, self.other, self._inputs["samples"], self._inputs["taps"])

    def candidate(self) -> Iterator[Values]:
        """Yield for each sample the results of the candidate's operators, and its inputs."""
        return _values(self._inputs["model"], self.model, self._inputs["samples"], self._inputs["given"])

    def real(self, index: int, values: Values) -> np.ndarray:
        """Return the reference's value for a tensor of the candidate, in real units."""
        other = self.found[index]
        return self.other.tensors[other].dequantize(values[other])

    def as_fed(self, index: int, values: Values) -> np.ndarray:
        """Return the reference's value for a tensor of the candidate, in the form that the candidate's operators take."""
        return values[index] if self.floats is None else self.model.tensors[index].quantize(self.real(index, values))

    def why_not_alone(self, node: Node) -> str | None:
        """Return why an operator cannot run by itself; None if it can."""
        missing = [self.model.tensors[index].name for index in split.fed(self.model, node) if index not in self.found]
        why = f"the reference has nothing that corresponds to its input {missing[0]}" if missing else None
        return node.uncut or why


def _values(path: Path, parts: Parts, samples: Path, taps: Path) -> Iterator[Values]:
    """Yield for each sample the inputs of a file and the results of its operators, by tensor."""
    names = split.input_names(path)
    for sample, given in zip(read_samples(samples), read_samples(taps), strict=True):
        fed = {index: quantize(sample[name], _spec(parts.tensors[index])) for name, index in names.items()}
        yield {**fed, **{int(name): array for name, array in given.items()}}


def _spec(tensor: GraphTensor) -> dict[str, Any]:
    quantized = {} if tensor.scale is None else {"scale": [tensor.scale], "zero_point": [tensor.zero_point]}
    return {"dtype": tensor.dtype, **quantized}
