"""One operator that diverges, with the inputs that show it, as a folder for anyone who has the runtime.

operator.tflite   the operator by itself, with its weights
inputs.npz        its inputs: input_0, ...
expected.npz      the right outputs: output_0, ...
got.npz           its actual outputs
README.md         ten lines of Python that show the difference, and their output
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np

from toolkit import printable
from toolkit.diagnosis.worker.observed import ObservedRuns
from toolkit.diagnosis.worker.results import CutOperator, PackedOperator
from toolkit.engines.tflite import split
from toolkit.wire.request import Request
from toolkit.wire.shards import ShardWriter, read_samples

_RESOLVERS = {"default": "AUTO", "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "reference": "BUILTIN_REF"}

_SCRIPT = """\
import numpy as np
from {module} import Interpreter, OpResolverType

grids = {grids!r}  # (scale, zero point) of each output
kernels = OpResolverType.{resolver}
operator = Interpreter("operator.tflite", num_threads={threads}, experimental_op_resolver_type=kernels)
given, expected = operator.get_signature_runner()(**np.load("inputs.npz")), np.load("expected.npz")
for name, (scale, zero_point) in grids.items():
    error = (given[name].astype(np.float64) - zero_point) * scale - expected[name]
    print(f"{{name}}: {{np.count_nonzero(error)}} of {{error.size}} values differ, by up to {{np.abs(error).max(initial=0):.6g}}")
"""


def cut(request: Request) -> CutOperator:
    """Write out/operator.tflite, the operator of inputs["model"] at options["place"]. Return the names of its tensors.

    Also write, for options["sample"] among the examined samples: out/samples, its inputs, and out/right, the reference's results, in real units.
    Inputs: those of `toolkit.diagnosis.worker.divergence.weigh`, and fed, the inputs of the operators that ran alone.
    """
    seen, number = ObservedRuns(request.inputs), request.options["sample"]
    content, takes, gives = split.single(seen.model, request.options["place"])
    (request.out / "operator.tflite").write_bytes(content)
    fed = next(read_samples(request.inputs["fed"], number, number + 1))
    values = next(islice(seen.reference(), number, None))
    gives = [index for index in gives if index in seen.found]
    with ShardWriter(request.out / "samples") as writer:
        writer.add({f"input_{place}": fed[str(index)] for place, index in enumerate(takes)})
    with ShardWriter(request.out / "right") as writer:
        writer.add({f"output_{place}": seen.real(index, values) for place, index in enumerate(gives)})
    tensors = [seen.model.tensors[index] for index in gives]
    return {
        "inputs": [seen.model.tensors[index].name for index in takes],
        "outputs": [each.name for each in tensors],
        "grids": [(1.0 if each.scale is None else each.scale, each.zero_point or 0) for each in tensors],
    }


def pack(request: Request) -> PackedOperator:
    """Write out/reproduction. Return the output of its script (`says`), and whether the operator differs (`differs`).

    Inputs: operator, the folder that `cut` wrote; got and expected, outputs of runs of the operator, or its `right`. Options: `about` (sentences for
    people, by subject), `module` (of the interpreter), `kernels` and `threads` of the script, and `grids` by output.
    """
    place = request.out / "reproduction"
    place.mkdir()
    operator: Path = request.inputs["operator"]
    (place / "operator.tflite").write_bytes((operator / "operator.tflite").read_bytes())
    arrays = {
        "inputs": _one(operator / "samples"),
        "expected": _one(request.inputs["expected"]),
        "got": _one(request.inputs["got"]),
    }
    for name, held in arrays.items():
        np.savez(place / f"{name}.npz", **held)  # type: ignore[arg-type]  # no array of ours is called `file`
    options = request.options
    grids = {name: (float(scale), int(point)) for name, (scale, point) in options["grids"].items()}
    errors = {
        name: (arrays["got"][name].astype(np.float64) - point) * scale - arrays["expected"][name]
        for name, (scale, point) in grids.items()
    }
    says = [
        f"{name}: {np.count_nonzero(error)} of {error.size} values differ, by up to {np.abs(error).max(initial=0):.6g}"
        for name, error in errors.items()
    ]
    script = _SCRIPT.format(
        module=options["module"],
        resolver=_RESOLVERS[options["kernels"]],
        threads=options["threads"],
        grids=grids,
    )
    (place / "README.md").write_text(_readme(options["about"], script, says), encoding="utf-8")
    return {"says": says, "differs": any(np.count_nonzero(error) for error in errors.values())}


def _one(folder: Path) -> dict[str, np.ndarray]:
    return next(read_samples(folder))


def _readme(about: Mapping[str, str], script: str, says: list[str]) -> str:
    parts = [
        f"# {printable.markdown(about['title'])}",
        about["what"],
        f"`expected.npz` is {printable.markdown(about['expected'])}\n`got.npz` is {printable.markdown(about['got'])}",
        f"In this folder, {printable.markdown(about['where'])}:",
        f"```python\n{script}```",
        "This was printed when it was written:",
        "```text\n" + "\n".join(says) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"
