"""The model that everything is compared with: what kind it is, which signature is meant, and the shapes of one call."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit import registry
from toolkit.errors import InvalidSource, RequestError, UnknownName
from toolkit.executor import Executor
from toolkit.jobs import Engine, Job, Output, path_digest

DEFAULT_KEY = "serving_default"
TENSORFLOW = Engine("tensorflow")
# Looking into a model parses a file: it does not wait for TensorFlow to be imported.
_READER = Engine("tensorflow", preload=False)

Shape = list[int | None] | None


@dataclass(frozen=True, slots=True)
class Source:
    """A model as it was handed in, with one signature chosen.

    `signature` is JSON: names, dtypes, and shapes as the model declares them, the batch (a first size left open) set to 1; sizes that are
    still null are taken from the samples.
    """

    path: Path
    kind: str
    sha256: str
    writer: str
    tags: tuple[str, ...]
    key: str
    signature: Mapping[str, Any]

    @property
    def open_shapes(self) -> bool:
        """Whether some size of an input is known from the samples only."""
        return any(spec["shape"] is None or None in spec["shape"] for spec in self.signature["inputs"])


def inspect_source(path: Path, executor: Executor) -> dict[str, Any]:
    """Return what a model's files say of it, without running any of it: kind, writer, signatures, operators."""
    kind = _kind(path)
    job = Job(
        f"inspect {path.name}",
        f"sources.{kind}",
        "inspect",
        _READER,
        inputs={"source": path},
    )
    (entry,) = executor.run(job)
    return {**entry.result, "sha256": path_digest(path)}


def open_source(path: Path, signature: str | None, shapes: Mapping[str, Sequence[int]], executor: Executor) -> Source:
    """Return the source with its signature chosen and its batch fixed; raise where the choice is not clear or a name is wrong."""
    inspected = inspect_source(path, executor)
    chosen = _choose(path, inspected["signatures"], signature)
    names = [spec["name"] for spec in chosen["inputs"]]
    for name in shapes:
        if name not in names:
            raise UnknownName(f"{path}: input", name, names)
    for spec in (*chosen["inputs"], *chosen["outputs"]):
        if spec["dtype"] in ("string", "resource", "variant"):
            raise InvalidSource(
                f"{path}: {spec['name']!r} of signature {chosen['key']!r} is of dtype {spec['dtype']}, which TFLite runtimes do not take as a sample",
                "export a signature that starts after the part that reads strings",
            )
    inputs = [{**spec, "shape": _one_call(spec, shapes.get(spec["name"]), path)} for spec in chosen["inputs"]]
    return Source(
        path=path,
        kind=inspected["kind"],
        sha256=inspected["sha256"],
        writer=inspected["writer"],
        tags=tuple(inspected["tags"]),
        key=chosen["key"],
        signature={**chosen, "inputs": inputs},
    )


def canonical_job(source: Source, samples: Output | None) -> Job:
    """Return the job that writes the canonical SavedModel, `saved_model` under its output; sizes left open are those of the samples."""
    inputs: dict[str, Path | Job | Output] = {"source": source.path}
    if source.open_shapes:
        if samples is None:
            names = ", ".join(
                spec["name"] for spec in source.signature["inputs"] if spec["shape"] is None or None in spec["shape"]
            )
            raise InvalidSource(
                f"{source.path}: leaves sizes of {names} open", "give them with --shape NAME=1,8,8, or give samples"
            )
        inputs["samples"] = samples
    return Job(
        f"{source.kind} {source.path.name}",
        f"sources.{source.kind}",
        "canonicalize",
        TENSORFLOW,
        options={
            "signature": source.key,
            "shapes": {spec["name"]: spec["shape"] for spec in source.signature["inputs"]},
        },
        inputs=inputs,
    )


def reference_job(source: Source, samples: Output) -> Job:
    """Return the job that runs the original model over the samples, and measures its own noise."""
    return Job(
        f"tensorflow on {source.path.name}",
        "worker.reference",
        "run",
        TENSORFLOW,
        options={"signature": source.key, "tags": list(source.tags)},
        inputs={"model": source.path, "samples": samples},
        plugins=("runtimes.tensorflow",),
    )


def _kind(path: Path) -> str:
    if not path.exists():
        near = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, near, n=1)
        raise RequestError(
            f"{path}: no such file or folder" + (f"; did you mean {str(path.parent / close[0])!r}?" if close else "")
        )
    kinds = [name for name in registry.names("sources") if registry.load("sources", name).recognize(path)]
    if not kinds:
        known = ", ".join(registry.names("sources"))
        raise InvalidSource(
            f"{path}: not a saved model of a known kind; known: {known}",
            "a SavedModel is a folder with saved_model.pb in it",
        )
    return kinds[0]


def _choose(path: Path, signatures: list[dict[str, Any]], wanted: str | None) -> dict[str, Any]:
    by_key = {signature["key"]: signature for signature in signatures}
    if not by_key:
        raise InvalidSource(
            f"{path}: has no signature",
            "save it with tf.saved_model.save(model, path, signatures=...), or with model.export(path)",
        )
    if wanted is not None and wanted not in by_key:
        raise UnknownName(f"{path}: signature", wanted, by_key)
    if wanted is None and DEFAULT_KEY not in by_key and len(by_key) > 1:
        raise InvalidSource(
            f"{path}: has the signatures {', '.join(by_key)}, and none is called {DEFAULT_KEY}",
            "choose one with --signature",
        )
    chosen = by_key[wanted or (DEFAULT_KEY if DEFAULT_KEY in by_key else next(iter(by_key)))]
    if not chosen["outputs"]:
        raise InvalidSource(f"{path}: signature {chosen['key']!r} has no outputs")
    return chosen


def _one_call(spec: Mapping[str, Any], given: Sequence[int] | None, path: Path) -> Shape:
    declared: Shape = spec["shape"]
    if given is not None:
        fits = declared is None or (
            len(declared) == len(given)
            and all(size in (None, asked) for size, asked in zip(declared, given, strict=True))
        )
        if not fits:
            raise RequestError(
                f"{path}: input {spec['name']!r} is declared as {declared}, which the shape {list(given)} does not fit"
            )
        return list(given)
    if declared and declared[0] is None:
        return [1, *declared[1:]]
    return declared
