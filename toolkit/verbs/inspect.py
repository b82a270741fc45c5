"""Describe a model or an artifact by its files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from toolkit import findings, registry
from toolkit.conversion.artifacts import Artifact
from toolkit.engines.kept_scheme import scheme_of
from toolkit.errors import EdgeToolkitError, InvalidSource, RequestError
from toolkit.execution.run import on_this_machine
from toolkit.files.foreign import open_plain, require_reachable
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Job, path_digest
from toolkit.pipeline import arena, capability_gate
from toolkit.pipeline.meaning import with_kinds
from toolkit.pipeline.prepare import executing, profiles_of
from toolkit.source import location, source
from toolkit.source.original import Original
from toolkit.tensors.signature import FileSignature
from toolkit.verbs.arguments import Place, Targets, original_of, targets_of
from toolkit.verdict.arena import Arena

if TYPE_CHECKING:
    from toolkit.profiles import Target

_IDENTIFIED = {b"TFL3": "tflite", b"ORTM": "ort"}  # tflite/schema/schema.fbs and onnxruntime's ort.fbs: file_identifier


def inspect(
    model: Original | Place,
    *,
    kinds: Mapping[str, str] = MappingProxyType({}),
    targets: Targets = (),
    executor: Executor | None = None,
) -> dict[str, Any]:
    """Return a source or an artifact as JSON: kind, signatures, operators, findings; for a source also writer, loader, variables, needs.

    `size_bytes` is the size of the file, or of all files of the folder.

    The files of a source are only read; nothing in them runs. A source with a builder, or with tensors to cut at, is loaded too, and `coverage` says
    which variables were restored. An artifact also has sizes and dtypes. `output_kinds` has the assumed kinds of outputs for each signature's key (""
    for none); `kinds` are the declared ones. RequestError if these do not fit.

    `targets` has, for an artifact and each of the named targets, what is known against it before it runs: the error, or None, and findings. For a
    target whose runtime has arenas the artifact is run, to measure its arena.
    """
    original = original_of(model)
    profiles = [] if not targets else profiles_of(targets_of(targets))
    if profiles and _format_of(original.path) is None:
        if not original.path.exists():
            location.locate(original)  # says so, with the closest name
        raise RequestError(
            f"{original.path}: is no artifact, which --target asks for", "edge-toolkit convert makes one"
        )
    runs = original.loads or any(arena.step_of(profile) is not None for profile in profiles)
    with executing(executor, original if runs else None) as running:
        found = (
            inspect_artifact(original.path, running)
            if _format_of(original.path) is not None
            else {**source.inspect_source(original, running), **_size_of(original.path)}
        )
        if profiles:
            if not found["signatures"]:
                raise InvalidSource(f"{original.path}: has no signature, and no graph; expected an artifact with one")
            found["targets"] = {one.name: _looked_up(original.path, found, one, running) for one in profiles}
    return with_kinds(found, kinds)


def _looked_up(path: Path, held: Mapping[str, Any], target: Target, executor: Executor) -> dict[str, Any]:
    """Return what is known against a described artifact on a target: the error as JSON, None where it may run, and findings.

    On a runtime with arenas also the arena that it needs, which is measured.
    """
    from toolkit.report import error_json

    if held["kind"] != target.format:
        wrong = RequestError(f"{target.name}: runs {target.format}; {path} is {held['kind']}")
        return {"error": error_json(wrong), "findings": []}
    artifact, *_ = artifacts_of(path, held)
    refused = capability_gate.refusal(artifact, target)
    said = [each for each in capability_gate.findings(artifact.uses, artifact.scheme, target) if not each.is_error]
    looked: dict[str, Any] = {"error": None if refused is None else error_json(refused)}
    if refused is None and arena.step_of(target) is not None:
        memory, open_ = _arena(artifact, target, executor)
        looked["arena"] = None if memory is None else memory.to_json()
        spent = () if memory is None else arena.over_budget(memory, target)
        if spent:
            looked["error"] = error_json(capability_gate.does_not_fit(target, spent))
        said += open_
    return {**looked, "findings": [each.to_json() for each in said]}


def _arena(artifact: Artifact, target: Target, executor: Executor) -> tuple[Arena | None, list[Finding]]:
    """Return the arena that an artifact needs on a target, or the finding that it was not measured."""
    try:
        return arena.measured(artifact.path, artifact.key, target, executor), []
    except EdgeToolkitError as error:
        return None, [arena.not_measured(error, target)]


def _size_of(path: Path) -> dict[str, int]:
    """Return `size_bytes` of a file, or of all files below a folder without following links; {} for a prefix, which is no path of its own."""
    if path.is_dir():
        files = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
        return {"size_bytes": sum(file.lstat().st_size for file in files)}
    return {"size_bytes": path.stat().st_size} if path.is_file() else {}


def _format_of(path: Path) -> str | None:
    """Return the format of an artifact, by its suffix or the identifier of a flatbuffer in its bytes 4 to 8; None for other files."""
    require_reachable(path)
    if not path.is_file():
        return None
    for name in registry.names("conversion/converters"):
        if path.suffix == registry.load("conversion/converters", name).SUFFIX:
            return name
    try:
        with open_plain(path) as file:
            return _IDENTIFIED.get(file.read(8)[4:])
    except OSError as error:
        raise RequestError(f"{path}: cannot be read ({error.strerror}); expected a source or an artifact") from error


def inspect_artifact(path: Path, executor: Executor) -> dict[str, Any]:
    """Return the description of an artifact as JSON: signatures, operators, size in bytes and SHA-256.

    RequestError if neither its suffix nor its content is that of a format.
    """
    kind = _format_of(path)
    if kind is None:
        suffixes = (
            registry.load("conversion/converters", name).SUFFIX for name in registry.names("conversion/converters")
        )
        raise RequestError(f"{path}: no artifact of a known format; known: {', '.join(sorted(suffixes))}")
    engine = replace(on_this_machine(kind).engine, preload=False)
    job = Job(f"inspecting {path.name}", f"conversion.converters.{kind}", "inspect", engine, inputs={"model": path})
    (entry,) = executor.run(job)
    return {"kind": kind, "size_bytes": path.stat().st_size, "sha256": path_digest(path), **entry.result}


def artifacts_of(path: Path, held: Mapping[str, Any]) -> tuple[Artifact, ...]:
    """Return a described file (`inspect_artifact`) as one artifact for each signature."""
    several = len(held["signatures"]) > 1
    operators = [each["name"] for each in held["operators"]]
    scheme = held.get("scheme") or scheme_of(held["weights_bytes"], held["activations"], operators)
    return tuple(
        Artifact(
            path=path,
            scheme=scheme,
            size_bytes=held["size_bytes"],
            sha256=held["sha256"],
            signature=FileSignature.from_json(signature),
            operators=tuple(held["operators"]),
            findings=findings.read(held["findings"]),
            key=signature["key"] if several else None,
            uses=tuple(held["uses"]),
            arena_bytes=held.get("arena_bytes"),
            softmax_step=held.get("softmax_step"),
        )
        for signature in held["signatures"]
    )
