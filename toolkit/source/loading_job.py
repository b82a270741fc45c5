"""The jobs that load or inspect an original: where they run, and their options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import RequestError
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Engine, Job, Output
from toolkit.source.original import Original
from toolkit.wire.user_function import EXPECTED, SPELLING

TENSORFLOW = Engine("tensorflow")
SOURCE = "source"
"""The environment of a training project, if the user names one: its model is loaded, run and exported there."""
_OF_ALL_KINDS = ("open_", "canonicalize", "run", "run_changed")
Files = dict[str, Path | Job | Output]


def options_of(original: Original, kind: str, executor: Executor) -> dict[str, Any]:
    """Return the options (JSON) of every job that loads the model, as `toolkit.source.kinds` describes them; RequestError where they do not fit."""
    may = original.builder or original.trust
    allowed = executor.settings.permissions.of_user_code() if may else {}
    return {
        **allowed,
        "kind": kind,
        "builder": _builder(original),
        "inputs": dict(original.inputs),
        "outputs": dict(original.outputs),
        "bind": dict(original.bind),
        "cut_signature": _key_to_cut(original) if original.cut else None,
        "allow_unrestored": list(original.allow_unrestored),
        "trust": original.trust,
    }


def _key_to_cut(original: Original) -> str | None:
    if isinstance(original.signature, tuple):
        raise RequestError(
            "--signature: several at once, and --inputs and --outputs, which cut one; give one of the two"
        )
    return original.signature


def _builder(original: Original) -> dict[str, Any] | None:
    if original.builder is None:
        if original.builder_args:
            raise RequestError("--builder-arg: without --builder nothing takes it")
        return None
    if SPELLING.fullmatch(original.builder) is None:
        raise RequestError(f"--builder {original.builder!r}: {EXPECTED}")
    place = original.builder.rpartition(":")[0]
    file = Path(os.path.abspath(place)) if place.endswith(".py") else None
    if file is not None and not file.is_file():
        raise RequestError(f"--builder {original.builder}: no such file {place}")
    return {
        "function": original.builder,
        "file": str(file) if file else None,
        "folder": str(file.parent if file else Path.cwd()),
        "arguments": dict(original.builder_args),
    }


def loading_job(
    title: str,
    call: str,
    path: Path,
    options: Mapping[str, Any],
    inputs: Mapping[str, Any],
    engine: Engine,
) -> Job:
    """Return the job that makes `call` (a function of `source.reference`, or of the model's kind) with the model; `path` is what messages call it."""
    kind = options["kind"]
    plugins = (f"source.kinds.{kind}",)
    module = "source.reference" if call in _OF_ALL_KINDS else f"source.kinds.{kind}"
    user_code = options["builder"] is not None and call != "inspect"
    notes = {"path": str(path)}
    return Job(title, module, call, engine, options, dict(inputs), plugins, notes=notes, user_code=user_code)


def engine_of(executor: Executor) -> Engine:
    """Return where a model is loaded: the training environment that the user named, else the toolkit's TensorFlow."""
    return Engine(SOURCE) if SOURCE in executor.settings.pythons else TENSORFLOW
