"""The model that everything is compared with: how it is loaded, its chosen signature, and the shapes of one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolkit import findings, printable
from toolkit.errors import EdgeToolkitError, InvalidSource, LimitReached, WorkerTimeout
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Engine, Job, Output
from toolkit.source.chosen_signature import choose, declared_sizes, one_call, shapes_of
from toolkit.source.inspection import cut_behind_strings, inspect, load, look, of_strings, refuse_strings
from toolkit.source.loading.graphs.loops import CODE as ENDLESS_LOOP
from toolkit.source.loading_job import Files, engine_of, loading_job, options_of
from toolkit.source.location import digest_of, locate
from toolkit.source.original import Device, Original
from toolkit.tensors import shapes
from toolkit.tensors.shapes import Shape
from toolkit.tensors.signature import Signature, TensorSpec

_LISTED = 8


@dataclass(frozen=True, slots=True)
class Source:
    """A model as it was handed in, with one signature chosen.

    `signature` has names, dtypes, and shapes as the model declares them, the batch (a first size left open) set to 1; sizes that are
    still null are taken from the samples. Where several sizes were declared they are those of one of them, `size` is what messages call it, and
    `canonical` are the shapes of the canonical form, open in what differs from size to size. `files` and `options` are what each job that loads it is
    asked; `coverage` tells which variables were restored; `lacking` are the findings that TFLite has not the arithmetic of this signature.
    """

    path: Path
    kind: str
    sha256: str
    writer: str
    loader: str
    key: str
    signature: Signature
    files: Mapping[str, Path]
    options: Mapping[str, Any]
    engine: Engine
    device: Device
    coverage: Mapping[str, Any] | None
    findings: tuple[Finding, ...]
    canonical: Mapping[str, Shape] | None = None
    size: str = ""
    lacking: tuple[Finding, ...] = ()

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of one call by input."""
        return shapes_of(self.signature.inputs)

    @property
    def growth(self) -> int:
        """How much larger one call is than a call with 1 for each size that the canonical form leaves open."""
        return 1 if self.canonical is None else shapes.growth(self.canonical, self.shapes)

    @property
    def open_shapes(self) -> bool:
        """Whether some size of an input is known from the samples only."""
        return any(spec.shape is None or None in spec.shape for spec in self.signature.inputs)


def inspect_source(original: Original, executor: Executor) -> dict[str, Any]:
    """Return what a model's files tell, without running any of it; with a builder, or tensors to cut at, also what loading tells."""
    if original.loads:
        executor.expect(engine_of(executor))
    kind, files = locate(original)
    inspected = inspect(original, kind, files, executor)
    if original.loads:
        opened = load(original, kind, files, executor)
        inspected = {**inspected, **_without_code(opened), "settled": True, "needs": []}
        inspected["findings"] = [*inspected["findings"], *opened["findings"]]
    elif inspected.get("flat"):
        keys = [str(one.key) for one in map(Signature.from_json, inspected["signatures"]) if of_strings(one)]
        # It reads the graph and does not run it.
        cut = cut_behind_strings(original, kind, files, keys[0], executor) if keys else None
        inspected["needs"] = [*inspected["needs"], *([cut] if cut else [])]
    return {**{name: said for name, said in inspected.items() if name != "flat"}, "sha256": digest_of(files)}


def open_source(original: Original, executor: Executor) -> Source:
    """Return the source with its signature chosen and its batch fixed.

    InvalidSource where the choice is not clear or the model reaches outside, UnknownName for a wrong name, RequestError for shapes that do not fit.
    """
    kind, files, inspected, opened = look(original, executor)
    signatures = [Signature.from_json(one) for one in opened["signatures"]]
    chosen = choose(original.path, signatures, None if original.cut else original.signature)
    refuse_strings(original, kind, files, chosen, executor)
    inputs = one_call(chosen.inputs, original.shapes or {}, original.path)
    declared = declared_sizes(original, chosen.inputs)
    return Source(
        path=original.path,
        kind=kind,
        sha256=digest_of(files),
        writer=inspected["writer"],
        loader=opened["loader"],
        key=str(chosen.key),
        signature=replace(chosen, inputs=inputs),
        files=files,
        options=options_of(original, kind, executor) | {"code": opened.get("code", {})},
        engine=engine_of(executor),
        device=original.device,
        coverage=opened.get("coverage"),
        findings=(
            *_about_others(original, signatures, chosen),
            *_found_by_loading(inspected, opened),
            *_about_loops(inspected),
        ),
        canonical=shapes.left_open(declared) if declared else None,
        size=shapes.label(shapes_of(chosen.inputs), declared, shapes_of(inputs)) if declared else "",
        lacking=tuple(_lacking(inspected, str(chosen.key))) if not original.cut else (),
    )


def signatures_of(original: Original, executor: Executor) -> list[str]:
    """Return the keys of all signatures that the model has, in their order."""
    *_, opened = look(original, executor)
    return [signature["key"] for signature in opened["signatures"]]


def outputs_of(original: Original, executor: Executor) -> list[TensorSpec]:
    """Return the outputs of all signatures of the model, one for each name."""
    *_, opened = look(original, executor)
    signatures = map(Signature.from_json, opened["signatures"])
    return list({spec.name: spec for signature in signatures for spec in signature.outputs}.values())


def said_of_limit(error: EdgeToolkitError, source: Source, what: str) -> EdgeToolkitError:
    """Return the error; where a limit was reached, with the model's name and `what` was made or run (a stage, a scheme, a verb).

    After a timeout, the hint begins with the loop that cannot end, if the model's files show one.
    """
    if not isinstance(error, LimitReached):
        return error
    name = source.path.name
    problem = (
        error.problem if f" {name}:" in error.problem else printable.together(f"{what} of {name}: ", error.problem)
    )
    loops = [finding.message for finding in source.findings if finding.code == ENDLESS_LOOP]
    hints = [*(loops if isinstance(error, WorkerTimeout) else []), error.hint]
    return type(error)(problem, printable.lines(filter(None, hints), between="\n        ") or None)


def canonical_job(source: Source, samples: Output | None) -> Job:
    """Return the job that writes the canonical SavedModel, as `saved_model` in its output; the samples give the sizes left open.

    InvalidSource where sizes are left open and there are no samples.
    """
    inputs: Files = dict(source.files)
    if source.open_shapes:
        if samples is None:
            names = ", ".join(spec.name for spec in source.signature.inputs if spec.shape is None or None in spec.shape)
            raise InvalidSource(
                f"{source.path}: leaves sizes of {names} open", "give them with --shape NAME=1,8,8, or give samples"
            )
        inputs["samples"] = samples
    options = {**source.options, "signature": source.key, "shapes": dict(source.canonical or source.shapes)}
    return loading_job(
        f"preparing {source.path.name} for conversion", "canonicalize", source.path, options, inputs, source.engine
    )


def reference_job(source: Source, samples: Output, *, device: Device, first: int | None = None) -> Job:
    """Return the job that runs the original over the samples (all, or only the `first` ones) and measures how repeatable it is."""
    options = {**source.options, "signature": source.key, "device": device, "first": first}
    title = f"running the original {source.path.name}" + (" on a GPU" if device == "gpu" else "")
    return loading_job(title, "run", source.path, options, {**source.files, "samples": samples}, source.engine)


def changed_job(
    source: Source, samples: Output, changes: Sequence[Mapping[str, Any]], *, name: str, axis: int, first: int
) -> Job:
    """Return the job that runs the original model over the `first` samples, with the input of that name changed in several ways.

    See `toolkit.source.reference.run_changed`; the outputs of one change lie behind those of the one before.
    """
    fed = {"input": name, "axis": axis, "changes": [*changes], "first": first}
    options = {**source.options, "signature": source.key, "device": "cpu", **fed}
    title = f"running the original {source.path.name} over samples that are prepared otherwise"
    return loading_job(title, "run_changed", source.path, options, {**source.files, "samples": samples}, source.engine)


def _lacking(inspected: Mapping[str, Any], key: str) -> list[Finding]:
    found = findings.read(inspected["findings"])
    return [one for one in found if one.code == "no-arithmetic" and key in one.facts["signatures"]]


def _found_by_loading(inspected: Mapping[str, Any], opened: Mapping[str, Any]) -> list[Finding]:
    return [] if inspected["settled"] else [*findings.read(opened["findings"]), *_about_coverage(opened["coverage"])]


def _about_loops(inspected: Mapping[str, Any]) -> list[Finding]:
    """Return the findings about endless loops, which come from the files also where the model is loaded."""
    return [finding for finding in findings.read(inspected["findings"]) if finding.code == ENDLESS_LOOP]


def _about_others(original: Original, signatures: Sequence[Signature], chosen: Signature) -> list[Finding]:
    """Return the finding about signatures that were not requested; none about a second name of the same one, which Keras writes."""
    own = (chosen.inputs, chosen.outputs)
    others = [str(one.key) for one in signatures if (one.inputs, one.outputs) != own]
    if not others or original.signature is not None:
        return []
    message = (
        f"this is about signature {chosen.key}; the model also has {', '.join(others)}: --signature all takes each"
    )
    return [Finding("other-signatures", "info", message, names=tuple(others))]


def _about_coverage(coverage: Mapping[str, Any] | None) -> list[Finding]:
    if coverage is None or not coverage["unrestored"]:
        return []
    names = coverage["unrestored"]
    some = ", ".join(names[:_LISTED])
    message = (
        f"{len(names)} variables have no value in the file and keep what the builder gave them, as allowed: {some}"
    )
    return [Finding("unrestored-variables", "warning", message, names=tuple(names))]


def _without_code(opened: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in opened.items() if name not in ("code", "findings", "operators")}
