"""What a model's files tell, and what loading tells where the files do not tell all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit import findings, printable, registry
from toolkit.errors import InvalidSource, RequestError
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Engine, path_digest
from toolkit.source.loading.operators import ADVICE, REACHES_OUTSIDE, UNKNOWN_OPERATORS
from toolkit.source.loading_job import engine_of, loading_job, options_of
from toolkit.source.location import locate
from toolkit.source.original import Original
from toolkit.tensors.signature import Signature, TensorSpec

# An inspection parses files: it does not wait for TensorFlow to be imported.
_READER = Engine("tensorflow", preload=False)
_NOT_NUMBERS = ("string", "resource", "variant")
_TIMES_READ = 8  # a builder's code that changed each time changes while it runs


def look(original: Original, executor: Executor) -> tuple[str, dict[str, Path], Mapping[str, Any], Mapping[str, Any]]:
    """Return kind and files of a model, what its files tell, and what loading tells where that is needed; InvalidSource where it reaches outside."""
    executor.prepare(engine_of(executor))  # reports a wrong interpreter of the user at once
    executor.expect(engine_of(executor))
    kind, files = locate(original)
    inspected = inspect(original, kind, files, executor)
    _refuse_reaching(original, inspected)
    opened = inspected if inspected["settled"] else load(original, kind, files, executor)
    return kind, files, inspected, opened


def _refuse_reaching(original: Original, inspected: Mapping[str, Any]) -> None:
    """Raise InvalidSource where a model reaches outside and is not trusted; the message also names operators that TensorFlow lacks."""
    said = {finding.code: finding.message for finding in findings.read(inspected["findings"])}
    if REACHES_OUTSIDE not in said or original.trust:
        return
    lines = [f"{original.path}: {said[REACHES_OUTSIDE].rpartition('; ')[0]}: running it lets it do that"]
    lines += [f"{original.path}: {message}" for code, message in said.items() if code == UNKNOWN_OPERATORS]
    needed = [need for need in inspected["needs"] if need.startswith("--python source=")]
    raise InvalidSource(printable.lines(lines), "; ".join((ADVICE, *needed)))


def inspect(original: Original, kind: str, files: Mapping[str, Path], executor: Executor) -> dict[str, Any]:
    """Return what `inspect` of the kind tells (see `toolkit.source.kinds`): what the files alone tell, without TensorFlow."""
    options = options_of(original, kind, executor)
    job = loading_job(f"inspecting {original.path.name}", "inspect", original.path, options, files, _READER)
    (entry,) = executor.run(job)
    return dict(entry.result)


def load(original: Original, kind: str, files: Mapping[str, Path], executor: Executor) -> dict[str, Any]:
    """Return what loading the model tells; RequestError where the files of a builder change all the time.

    Only a run of the builder tells which files it consists of. So each answer names them, and the next job is keyed by what they hold now; an answer
    counts only where they still hold what they held then.
    """
    options = options_of(original, kind, executor)
    code: dict[str, str] = {}
    title = f"loading {original.path.name}"
    for _ in range(_TIMES_READ):
        job = loading_job(title, "open_", original.path, options | {"code": code}, files, engine_of(executor))
        (entry,) = executor.run(job)
        said: dict[str, str] = entry.result["code"]
        now = {path: path_digest(Path(path)) if Path(path).is_file() else "" for path in said}
        if now == said:
            return dict(entry.result)
        code = now
    raise RequestError(f"builder {original.builder}: the files that it reads change while it is run")


def refuse_strings(
    original: Original, kind: str, files: Mapping[str, Path], chosen: Signature, executor: Executor
) -> None:
    """Raise InvalidSource for a signature that takes or gives what is no number; the hint says where its graph can be cut."""
    wrong = of_strings(chosen)
    if not wrong:
        return
    hint = "export a signature that starts after the part that reads strings"
    if not original.loads and hasattr(registry.load("source/kinds", kind), "propose"):
        hint = cut_behind_strings(original, kind, files, str(chosen.key), executor) or hint
    spec = wrong[0]
    raise InvalidSource(
        f"{original.path}: {spec.name!r} of signature {chosen.key!r} is of dtype {spec.dtype}, which no device's runtime takes as input",
        hint,
    )


def of_strings(signature: Signature) -> list[TensorSpec]:
    """Return the inputs and outputs of a signature that are no numbers."""
    return [spec for spec in (*signature.inputs, *signature.outputs) if spec.dtype in _NOT_NUMBERS]


def cut_behind_strings(
    original: Original, kind: str, files: Mapping[str, Path], key: str, executor: Executor
) -> str | None:
    """Return a hint with the flags that cut a signature behind the part that reads strings; None where no such place is known."""
    options = options_of(original, kind, executor) | {"signature": key}
    job = loading_job(
        f"looking where to cut {original.path.name}", "propose", original.path, options, files, engine_of(executor)
    )
    (entry,) = executor.run(job)
    if not entry.result["inputs"]:
        return None
    return "cut its graph behind the part that reads strings: " + _flags(entry.result)


def _flags(cut: Mapping[str, Mapping[str, str]]) -> str:
    """Return the cut as flags of the command line."""
    return " ".join(
        f"--{side} {','.join(f'{name}={tensor}' for name, tensor in cut[side].items())}"
        for side in ("inputs", "outputs")
    )
