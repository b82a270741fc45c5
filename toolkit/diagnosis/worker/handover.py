"""A quantized .tflite that hands over to its float one after each operator in turn, and the noise at the outputs each time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from toolkit.diagnosis.worker.layer_drift import Call, NoiseTally, share_of
from toolkit.diagnosis.worker.observed import ObservedRuns, Values
from toolkit.diagnosis.worker.results import HandoverResult, HandoverStep, Number, json_number
from toolkit.engines.tflite import split
from toolkit.engines.tflite.subgraphs import runner
from toolkit.wire.request import Request


def hand_over(request: Request) -> dict[str, int]:
    """Write out/curve.json: for each operator of the quantized inputs["model"], in the order of execution, the noise at each output.

    The outputs are those of inputs["floats"]. All operators up to this one are the quantized file's, and all others the float file's. The noise is a
    share of the signal's power. "begin" is the noise that quantized inputs alone make. Null means that the rest of the float file cannot run by
    itself.
    Inputs: those of `toolkit.diagnosis.worker.divergence.weigh`.
    """
    seen = ObservedRuns(request.inputs)
    nodes = split.working(seen.model)
    done = {seen.found[index]: index for index in seen.model.inputs if index in seen.found}
    rest = _Rest(seen, split.output_names(request.inputs["floats"]))
    begin = rest.noise(done)
    curve: list[HandoverStep] = []
    for number, node in enumerate(nodes):
        done.update({seen.found[index]: index for index in split.shown(seen.model, node) if index in seen.found})
        curve.append({"place": node.place, "shares": rest.noise(done)})
        request.progress(number + 1, len(nodes))
    found: HandoverResult = {"begin": begin, "curve": curve}
    (request.out / "curve.json").write_text(json.dumps(found))
    return {"operators": len(curve)}


@dataclass(frozen=True)
class _Loaded:
    """The part of the float file that was loaded last: the operators at `places`, with the tensors that it gives and takes."""

    places: list[int]
    gives: list[int]
    call: Call
    takes: Sequence[int]


class _Rest:
    """The rest of the float file after a handover from the quantized one."""

    def __init__(self, seen: ObservedRuns, outputs: Mapping[str, int]) -> None:
        self._seen, self._floats, self._outputs = seen, seen.other, outputs
        self._references, self._candidates = list(seen.reference()), list(seen.candidate())
        self._givers = {index: node for node in self._floats.nodes for index in node.gives}
        self._loaded: _Loaded | None = None

    def noise(self, done: Mapping[int, int]) -> dict[str, Number] | None:
        """Return the noise at each output, or None if the rest cannot run. `done` maps the reference's computed tensors to the candidate's."""
        places = self._left(done)
        if any(self._floats.nodes[place].uncut is not None for place in places):
            return None
        gives = [index for index in self._outputs.values() if index not in done]
        rest = self._load(places, gives) if gives else None
        tallies = {index: NoiseTally() for index in self._outputs.values()}
        for values, given in zip(self._references, self._candidates, strict=True):
            later: dict[int, np.ndarray] = {}
            if rest is not None:
                taken = [self._taken(index, done, values, given) for index in rest.takes]
                later = dict(zip(gives, rest.call(taken), strict=True))
            for index, tally in tallies.items():
                after = later[index] if index in later else self._taken(index, done, values, given)
                tally.add(np.asarray(values[index], np.float64), np.asarray(after, np.float64))
        powers = {name: (tallies[index].signal, tallies[index].noise) for name, index in self._outputs.items()}
        return {name: json_number(share_of(*each)) for name, each in powers.items()}

    def _load(self, places: list[int], gives: list[int]) -> _Loaded:
        """Return a part of the float file. It stays loaded while consecutive steps need the same part."""
        if self._loaded is None or (self._loaded.places, self._loaded.gives) != (places, gives):
            content, takes = self._floats.cut(places, gives)
            self._loaded = _Loaded(places, gives, runner(content, {"kernels": "default"}), takes)
        return self._loaded

    def _left(self, done: Mapping[int, int]) -> list[int]:
        """Return the places of the float file's operators that still have to run."""
        asked, places = [index for index in self._outputs.values() if index not in done], set()
        while asked:
            giver = self._givers.get(asked.pop())
            if giver is not None and giver.place not in places:
                places.add(giver.place)
                asked += [index for index in giver.reads if index not in done]
        return sorted(places)

    def _taken(self, index: int, done: Mapping[int, int], values: Values, given: Values) -> np.ndarray:
        if index not in done:  # an input without a counterpart in the candidate
            return values[index]
        model = self._seen.model.tensors[done[index]]
        return model.dequantize(given[done[index]]).astype(self._floats.tensors[index].dtype)
