"""A quantized .tflite that hands over to its float one after each operator in turn: the noise at the end for each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from toolkit.diagnosis.worker.layer_drift import NoiseTally, plain, share_of
from toolkit.diagnosis.worker.observed import ObservedRuns, Values
from toolkit.engines.tflite import split
from toolkit.engines.tflite.subgraphs import runner
from toolkit.wire.request import Request


def hand_over(request: Request) -> dict[str, Any]:
    """Write out/curve.json: for each operator of the quantized inputs["model"], in the order of execution, the noise at each output.

    It is that of the outputs of inputs["floats"] if all operators up to this one are the quantized file's, and all others the float file's, as a
    share of the signal's power. "begin" is what quantized inputs alone make; null where the rest of the float file cannot run by itself.
    Inputs: those of `toolkit.diagnosis.worker.divergence.weigh`.
    """
    seen = ObservedRuns(request.inputs)
    nodes = split.working(seen.model)
    done = {seen.found[index]: index for index in seen.model.inputs if index in seen.found}
    rest = _Rest(seen, split.output_names(request.inputs["floats"]))
    begin, curve = rest.noise(done), []
    for number, node in enumerate(nodes):
        done.update({seen.found[index]: index for index in split.shown(seen.model, node) if index in seen.found})
        curve.append({"place": node.place, "shares": rest.noise(done)})
        request.progress(number + 1, len(nodes))
    (request.out / "curve.json").write_text(json.dumps({"begin": begin, "curve": curve}))
    return {"operators": len(curve)}


class _Rest:
    """The float file from wherever the quantized one hands over to it."""

    def __init__(self, seen: ObservedRuns, outputs: Mapping[str, int]) -> None:
        self._seen, self._floats, self._outputs = seen, seen.other, outputs
        self._references, self._candidates = list(seen.reference()), list(seen.candidate())
        self._givers = {index: node for node in self._floats.nodes for index in node.gives}
        self._loaded: tuple[Any, Any, tuple[int, ...]] = (None, None, ())

    def noise(self, done: Mapping[int, int]) -> dict[str, Any] | None:
        """Return the noise at each output, where `done` has the candidate's tensor for each of the reference's that it has computed."""
        places = self._left(done)
        if any(self._floats.nodes[place].uncut is not None for place in places):
            return None
        gives = [index for index in self._outputs.values() if index not in done]
        key = (tuple(places), tuple(gives))
        if gives and key != self._loaded[0]:
            content, takes = self._floats.cut(places, gives)
            self._loaded = (key, runner(content, {"kernels": "default"}), takes)
        _, call, takes = self._loaded
        tallies = {index: NoiseTally() for index in self._outputs.values()}
        for values, given in zip(self._references, self._candidates, strict=True):
            taken = {index: self._taken(index, done, values, given) for index in takes} if gives else {}
            later = dict(zip(gives, call([taken[index] for index in takes]), strict=True)) if gives else {}
            for index, tally in tallies.items():
                after = later[index] if index in later else self._taken(index, done, values, given)
                tally.add(np.asarray(values[index], np.float64), np.asarray(after, np.float64))
        powers = {name: (tallies[index].signal, tallies[index].noise) for name, index in self._outputs.items()}
        return plain({name: share_of(*each) for name, each in powers.items()})

    def _left(self, done: Mapping[int, int]) -> list[int]:
        """Return the places of the float file's operators that are still to be run."""
        asked, places = [index for index in self._outputs.values() if index not in done], set()
        while asked:
            giver = self._givers.get(asked.pop())
            if giver is not None and giver.place not in places:
                places.add(giver.place)
                asked += [index for index in giver.reads if index not in done]
        return sorted(places)

    def _taken(self, index: int, done: Mapping[int, int], values: Values, given: Values) -> np.ndarray:
        if index not in done:  # an input that the candidate has no counterpart of
            return values[index]
        model = self._seen.model.tensors[done[index]]
        return model.dequantize(given[done[index]]).astype(self._floats.tensors[index].dtype)
