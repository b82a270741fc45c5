"""Which tensor of an artifact corresponds to which tensor of its original, if a foreign conversion renamed them.

Tensors are bound by name, never by position. A tensor with another name is bound in two cases. It is the only input or the only output, with the same
shape and kind of numbers (a finding reports this). Or the user passes `--rename THEIRS=OURS`. Otherwise the error proposes the option to pass.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolkit import printable
from toolkit.conversion.artifacts import Artifact
from toolkit.errors import RequestError, suggestion
from toolkit.execution.run import Called
from toolkit.findings import Finding
from toolkit.source.source import Source

SIDES = ("inputs", "outputs")
Names = dict[str, dict[str, str]]
Specs = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Renamed:
    """An artifact whose inputs or outputs have other names than its original's, and the pairs of names, as texts "THEIRS=OURS"."""

    path: Path
    renames: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))


def bound(artifact: Artifact, original: Source, renames: Sequence[str] = ()) -> tuple[Artifact, Called]:
    """Return the artifact with the original's names of inputs and outputs, and the `Called` that tells a run about it.

    `renames` are texts "THEIRS=OURS". Raise RequestError with all errors in them. If names still differ, raise RequestError with a proposal.
    """
    theirs, ours = (
        {side: _specs(signature, side) for side in SIDES}
        for signature in (artifact.signature.to_json(), original.signature.to_json())
    )
    names = _said(artifact.path, renames, theirs, ours)
    findings = []
    for side in SIDES:
        for own, name in _without_doubt(theirs[side], ours[side], names[side]):
            names[side][own] = name
            message = f"the only {side[:-1]} is called {own!r}, and {name!r} in the original: it is the only one that fits, so it is bound to it"
            findings.append(Finding("bound-without-name", "warning", message))
    _require_same(artifact.path, original.path, theirs, ours, names)
    names = {side: {own: name for own, name in each.items() if own != name} for side, each in names.items()}
    if not any(names.values()):
        return artifact, Called(artifact.key)
    renamed = replace(artifact, signature=artifact.signature.called(names), findings=(*artifact.findings, *findings))
    return renamed, Called(artifact.key, names["inputs"], names["outputs"])


def _specs(signature: Mapping[str, Any], side: str) -> dict[str, Mapping[str, Any]]:
    return {spec["name"]: spec for spec in signature[side]}


def _said(path: Path, renames: Sequence[str], theirs: Mapping[str, Specs], ours: Mapping[str, Specs]) -> Names:
    """Return the names that the user passed, {side: {theirs: ours}}. Raise RequestError with all errors in them."""
    names: Names = {side: {} for side in SIDES}
    problems = []
    for text in renames:
        own, sign, name = text.partition("=")
        sides = [side for side in SIDES if own in theirs[side] and name in ours[side]]
        if not sign or not own or not name:
            problems.append(f"--rename {text!r}: expected --rename THEIRS=OURS")
        elif not sides:
            problems += _unknown(path, text, theirs, ours)
        for side in sides:
            if own in names[side]:
                problems.append(f"--rename {text!r}: {own!r} is {names[side][own]!r} already; give each once")
            elif name in names[side].values():
                problems.append(f"--rename {text!r}: {name!r} is given for another one already; give each once")
            names[side][own] = name
    if problems:
        raise RequestError(printable.lines(problems))
    return names


def _unknown(path: Path, text: str, theirs: Mapping[str, Specs], ours: Mapping[str, Specs]) -> list[str]:
    """Return the errors of a text whose two names are not both inputs or both outputs."""
    own, _, name = text.partition("=")
    places = [side for side in SIDES if own in theirs[side]] or list(SIDES)
    found = []
    if not any(own in theirs[side] for side in SIDES):
        known = [each for side in SIDES for each in theirs[side]]
        found.append(f"--rename {text!r}: {path} has no input or output {own!r}; {suggestion(own, known)}")
    if not any(name in ours[side] for side in places):
        known = [each for side in places for each in ours[side]]
        kind = f"{places[0][:-1]} " if len(places) == 1 else "input or output "
        found.append(f"--rename {text!r}: the original has no {kind}{name!r}; {suggestion(name, known)}")
    return found


def _without_doubt(theirs: Specs, ours: Specs, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if len(theirs) == len(ours) == 1 and not names:
        (own,), (name,) = theirs, ours
        if own != name and _fits(theirs[own], ours[name]):
            yield own, name


def _fits(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two tensors have the same shape (an open size matches any) and the same kind of numbers."""
    shapes = one["shape"], other["shape"]
    if None not in shapes:
        if len(shapes[0]) != len(shapes[1]):
            return False
        if any(None not in pair and pair[0] != pair[1] for pair in zip(*shapes, strict=True)):
            return False
    return _family(one) == _family(other)


def _family(spec: Mapping[str, Any]) -> str:
    """Return the kind of a tensor's numbers: "real" (quantized or not), "whole", "bool", or else its dtype."""
    dtype = str(spec["dtype"])
    if dtype.startswith(("float", "bfloat")) or spec.get("scale"):
        return "real"
    return "bool" if dtype == "bool" else "whole" if dtype.startswith(("int", "uint")) else dtype


def _require_same(
    path: Path,
    source: Path,
    theirs: Mapping[str, Specs],
    ours: Mapping[str, Specs],
    names: Mapping[str, Mapping[str, str]],
) -> None:
    """Raise RequestError if names differ, because the pairs would be a guess. The hint proposes --rename options."""
    problems, proposed = [], []
    for side in SIDES:
        left = {names[side].get(name, name): name for name in theirs[side]}
        if len(left) < len(theirs[side]):
            twice = sorted(new for own, new in names[side].items() if new in theirs[side] and new not in names[side])
            problems.append(
                f"{path}: {side}: {', '.join(map(repr, twice))} would be there twice; give --rename for that one, too"
            )
        elif set(left) != set(ours[side]):
            problems.append(
                f"{path}: {side} are called {list(theirs[side])}; in {source} they are called {list(ours[side])}"
            )
            others = {name: theirs[side][own] for name, own in left.items() if name not in ours[side]}
            proposed += _proposed(others, {name: spec for name, spec in ours[side].items() if name not in left})
    if problems:
        hint = "convert it with the signature of its original, so that both have the same names"
        if proposed:
            said = printable.command(word for own, name in proposed for word in ("--rename", f"{own}={name}"))
            hint = f"if these are the same, give {said}; else {hint}"
        raise RequestError(printable.lines(problems), hint)


def _proposed(theirs: Specs, ours: Specs) -> list[tuple[str, str]]:
    """Return a pair for each tensor that fits one of the others. The closest name wins, then the first."""
    left, found = dict(ours), []
    for own, spec in theirs.items():
        fitting = [name for name, other in left.items() if _fits(spec, other)]
        if fitting:
            near = difflib.get_close_matches(own, fitting, n=1, cutoff=0.0)
            found.append((own, near[0]))
            del left[near[0]]
    return found
