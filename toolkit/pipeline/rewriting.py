"""The rewrite of a finished artifact that a target's runtime needs: which one, the job that does it, and the artifact that ships in its place.

A runtime says which dtypes its inputs and outputs have (EDGES), a profile that sizes are fixed (`runtime.static_shapes`). The stages `rewrite` and
`edges` show that nothing else changed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit import findings, registry
from toolkit.conversion.artifacts import Artifact
from toolkit.errors import RequestError
from toolkit.execution.run import AtEdges, Execution, on_this_machine
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Job
from toolkit.tensors.signature import FileSignature

if TYPE_CHECKING:
    from toolkit.pipeline.model import Model
    from toolkit.profiles import Target

STAGES = ("rewrite", "edges")


def is_possible(target: Target) -> bool:
    """Return whether artifacts of the target's format can be rewritten."""
    return hasattr(registry.load("conversion/converters", target.format), "rewrite")


def rewritten(artifact: Artifact, model: Model, target: Target, made: Job | None, executor: Executor) -> Artifact:
    """Return the artifact as the target's runtime takes it: itself if that takes it as it is, or if its format cannot be rewritten.

    `made` is the job that made it, None for an existing file. Raise Unconvertible, with the reasons, if it cannot be rewritten, RequestError if the
    profile has no bound on the stage `rewrite`: nothing would show then that the file is the same.
    """
    if not (is_possible(target) and _is_needed(artifact, target)):
        return artifact
    if not any(bound.stage == "rewrite" for bound in target.bounds):
        raise RequestError(
            f"{target.name}: {target.runtime.name} needs a rewritten file, and the profile has no bound on the stage 'rewrite'",
            'add one: stage = "rewrite", metric = "max_abs", limit = 0',
        )
    (entry,) = executor.run(_job(artifact, model, target, made))
    held = entry.result
    names = {"inputs": dict(model.held.inputs), "outputs": dict(model.held.outputs)} if made is None else {}
    signature = FileSignature.from_json(held["signature"])
    return replace(
        artifact,
        path=entry.out / held["file"],
        size_bytes=held["size_bytes"],
        sha256=held["sha256"],
        signature=signature.called(names) if names else signature,
        operators=tuple(held["operators"]),
        findings=(*artifact.findings, *findings.read(held["findings"])),
        uses=tuple(held["uses"]),
        arena_bytes=held["arena_bytes"],
        before=artifact,
        rewritten=tuple(held["done"]),
    )


def before(artifact: Artifact, execution: Execution) -> Execution:
    """Return how the file runs that an artifact was rewritten from, so that both give real numbers; the execution itself without a rewrite."""
    return replace(execution, edges=AtEdges(gives_real=_gives_real(artifact))) if artifact.before else execution


def steps(artifact: Artifact, execution: Execution) -> dict[str, Execution]:
    """Return the stages that show that a rewritten artifact is the same as before, and how each runs; {} without a rewrite.

    Both files see the same integers in the stage `rewrite`: an application rounds its samples to them, and a QUANTIZE rounds halfway cases otherwise.
    So where inputs were replaced, the stage `edges` shows what these halfway cases do.
    """
    if artifact.before is None:
        return {}
    moved = tuple(
        each for each in artifact.before.signature.inputs if each.dtype != artifact.signature.input(each.name).dtype
    )
    proof = replace(execution, edges=AtEdges(moved, _gives_real(artifact)))
    return {"rewrite": proof, "edges": execution} if moved else {"rewrite": proof}


def _gives_real(artifact: Artifact) -> bool:
    """Return whether outputs were replaced by real numbers."""
    ends = () if artifact.before is None else artifact.before.signature.outputs
    return any(each.dtype != artifact.signature.output(each.name).dtype for each in ends)


def _is_needed(artifact: Artifact, target: Target) -> bool:
    takes = getattr(registry.load("execution/runtimes", target.runtime.name), "EDGES", None)
    ends = (*artifact.signature.inputs, *artifact.signature.outputs)
    is_open = target.runtime.static_shapes and any(None in (each.shape or ()) for each in ends)
    return is_open or (takes is not None and any(each.dtype not in takes for each in ends))


def _job(artifact: Artifact, model: Model, target: Target, made: Job | None) -> Job:
    """Return the job that rewrites an artifact. Sizes are those of one call of the original, by the names in the file."""
    own = {} if made is not None else {theirs: own for own, theirs in model.held.inputs.items()}
    sizes = {own.get(name, name): (shape or [1])[0] for name, shape in model.source.shapes.items()}
    return Job(
        f"rewriting {artifact.path.name} for {target.runtime.name}",
        f"conversion.converters.{target.format}",
        "rewrite",
        on_this_machine(target.format).engine,
        options={
            "name": artifact.path.name,
            "sizes": sizes if target.runtime.static_shapes else {},
            "takes": getattr(registry.load("execution/runtimes", target.runtime.name), "EDGES", None),
        },
        inputs={"model": artifact.path if made is None else model.conversions.file(made, target.format)},
    )
