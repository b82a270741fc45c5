"""Describe a model or an artifact by its files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from toolkit import registry
from toolkit.errors import RequestError
from toolkit.execution.run import on_this_machine
from toolkit.files.foreign import open_plain, require_reachable
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Job, path_digest
from toolkit.pipeline.meaning import with_kinds
from toolkit.pipeline.prepare import executing
from toolkit.source import source
from toolkit.source.original import Original
from toolkit.verbs.arguments import Place, original_of


def inspect(
    model: Original | Place, *, kinds: Mapping[str, str] = MappingProxyType({}), executor: Executor | None = None
) -> dict[str, Any]:
    """Return a source or an artifact as JSON: kind, signatures, operators, findings; for a source also writer, loader, variables, needs.

    `size_bytes` is the size of the file, or of all files of the folder.

    The files of a source are only read; nothing in them runs. A source with a builder, or with tensors to cut at, is loaded too, and `coverage` says
    which variables were restored. An artifact also has sizes and dtypes. `output_kinds` has the assumed kinds of outputs for each signature's key (""
    for none); `kinds` are the declared ones. RequestError if these do not fit.
    """
    original = original_of(model)
    with executing(executor, original if original.loads else None) as running:
        found = (
            inspect_artifact(original.path, running)
            if _format_of(original.path) is not None
            else {**source.inspect_source(original, running), **_size_of(original.path)}
        )
    return with_kinds(found, kinds)


def _size_of(path: Path) -> dict[str, int]:
    """Return `size_bytes` of a file, or of all files below a folder without following links; {} for a prefix, which is no path of its own."""
    if path.is_dir():
        files = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
        return {"size_bytes": sum(file.lstat().st_size for file in files)}
    return {"size_bytes": path.stat().st_size} if path.is_file() else {}


def _format_of(path: Path) -> str | None:
    """Return the format of an artifact, by its suffix or its identifier (tflite/schema/schema.fbs: file_identifier "TFL3"); None for other files."""
    require_reachable(path)
    if not path.is_file():
        return None
    for name in registry.names("conversion/converters"):
        if path.suffix == registry.load("conversion/converters", name).SUFFIX:
            return name
    try:
        with open_plain(path) as file:
            return "tflite" if file.read(8)[4:] == b"TFL3" else None
    except OSError as error:
        raise RequestError(f"{path}: cannot be read ({error.strerror}); expected a source or an artifact") from error


def inspect_artifact(path: Path, executor: Executor) -> dict[str, Any]:
    """Return the description of an artifact as JSON: signatures, operators, size in bytes and SHA-256; an unknown suffix is read as .tflite."""
    kind = _format_of(path) or "tflite"
    engine = replace(on_this_machine(kind).engine, preload=False)
    job = Job(f"inspecting {path.name}", f"conversion.converters.{kind}", "inspect", engine, inputs={"model": path})
    (entry,) = executor.run(job)
    return {"kind": kind, "size_bytes": path.stat().st_size, "sha256": path_digest(path), **entry.result}
