"""The kinds of outputs of a judged model: as the user declares them, else as the float artifact's graph and the original's run show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from toolkit.comparison.output_kinds.declaring import Declared, require_fitting
from toolkit.comparison.output_kinds.inferring import OriginalOutputs, OutputKind, infer
from toolkit.tensors.endings import Ending
from toolkit.tensors.signature import Signature
from toolkit.wire import labels


class OriginalRun(Protocol):
    """The original's run."""

    @property
    def signature(self) -> Signature:
        """The signature that its numbers are read by."""

    def read(self) -> Any:
        """Return the run for comparing."""


def kinds_of(original: OriginalRun, endings: Mapping[str, Any], drawn: Path, said: Declared) -> dict[str, OutputKind]:
    """Return the kind of each output of a model, by name.

    `endings` (JSON, by output) are the last operators before the float artifact's outputs. `drawn` is the folder of the verification samples. Raise
    RequestError if a declared kind does not fit the actual shape of an output.
    """
    specs = {spec.name: spec for spec in original.signature.outputs}

    def real() -> Iterator[dict[str, np.ndarray]]:
        for block in original.read().blocks:
            yield {name: specs[name].dequantize(array) for name, array in block.items()}

    seen = OriginalOutputs.of(real(), labels.read(drawn))
    outputs = [spec.to_json() | {"shape": seen.shape(name)} for name, spec in specs.items()]
    require_fitting([said], outputs)
    return said.applied(infer(outputs, {name: Ending.from_json(one) for name, one in endings.items()}, seen))


def with_kinds(inspected: Mapping[str, Any], said: Mapping[str, str]) -> dict[str, Any]:
    """Return the description of a model's file (JSON) with `output_kinds` in place of `endings`.

    `output_kinds` is by signature ("" for one without a key) and output. Raise RequestError if a declared kind fits no output of any signature.
    """
    found = dict(inspected)
    endings: Mapping[str, Any] = found.pop("endings", {})
    several = len(found["signatures"]) > 1
    if several:
        outputs = {spec["name"]: spec for signature in found["signatures"] for spec in signature["outputs"]}
        require_fitting(
            [Declared({name: kind for name, kind in said.items() if name not in outputs})], [*outputs.values()]
        )
    kinds = {}
    for signature in found["signatures"]:
        key, declared = signature["key"] or "", Declared(said, of_several=several)
        require_fitting([declared], signature["outputs"])
        ends = {name: Ending.from_json(one) for name, one in endings.get(key, {}).items()}
        kinds[key] = {
            name: kind.to_json() for name, kind in declared.applied(infer(signature["outputs"], ends)).items()
        }
    return found | {"output_kinds": kinds}
