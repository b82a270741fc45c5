"""Calibration and verification samples: read, prepared, checked against the model, and drawn so that no sample is in both.

Samples are bound to the model's inputs by name. A sample that does not fit is refused, with its index and the expected form. It is never changed to
fit; a few conversions lose only digits, and a finding reports them. Two samples are equal if they are equal bit by bit after preparation (SHA-256).

For a model that keeps state between calls, a set may declare `sequence`: that many consecutive samples are drawn together and keep their order, and
the state begins anew with each sequence.
"""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypedDict

import numpy as np

from toolkit.errors import EdgeToolkitError, InvalidSamples, all_at_once
from toolkit.findings import Finding
from toolkit.samples.fitting import Drawn
from toolkit.samples.input_ranges import InputRangeJson
from toolkit.samples.requested_set import SamplingJson, SetJson
from toolkit.samples.sample_set import MOST_REPEATED, SampleSet, Unit
from toolkit.wire import labels
from toolkit.wire.request import Request
from toolkit.wire.shards import ShardWriter

DEFAULT_COUNTS = {"calibration": 200, "verification": 500}
MOST_SAMPLES = 10_000_000
"""The most samples of a set that is taken as a whole. With one number each, they take minutes, and a gigabyte for their names."""

_SideName = Literal["calibration", "verification"]


class DrawnSide(TypedDict, total=False):
    """The number of samples drawn for a side; `labels`: whether they have labels, only for the side that judges."""

    count: int
    labels: bool


class DrawResult(TypedDict):
    """The result of a draw, besides the samples; `inputs` has the dtype and the ranges of each input of the model."""

    calibration: DrawnSide | None
    verification: DrawnSide | None
    inputs: dict[str, InputRangeJson]
    findings: list[dict[str, Any]]


_REPETITIONS = 10  # the draw gives a stream up after this multiple of the samples needed, if too few of them differ


def draw(request: Request) -> DrawResult:
    """Write out/calibration and out/verification, and return the number of samples in each, `inputs` with their ranges, and findings.

    Each is a folder of shards with hashes.json (the SHA-256 of each sample) and origins.json (its name in reports); with labels, also what
    `toolkit.wire.labels` writes; with sequences, also sequences.json ({"length": samples in each}).
    Options: `calibration` and `evaluation`, each a `toolkit.samples.requested_set.SetJson` or null. Inputs: `signature` (JSON; may be an option
    instead), and the recipes' files as `calibration.KEY` and `evaluation.KEY`. A calibration recipe alone is split, unless the option `judges` is
    false; then there is no verification. An evaluation recipe alone gives no calibration samples. Raise InvalidSamples with all problems of both
    recipes and of the samples that were read; no more samples are read than the draw takes.
    """
    recipes: dict[str, SetJson] = {
        role: request.options[role] for role in ("calibration", "evaluation") if request.options[role] is not None
    }
    givers: dict[_SideName, str] = {"calibration": "calibration"}
    if request.options.get("judges", True):
        givers["verification"] = "evaluation" if "evaluation" in recipes else "calibration"
    samplings = {side: recipes[role]["sampling"] for side, role in givers.items() if role in recipes}
    findings: list[Finding] = []
    problems: list[EdgeToolkitError] = []
    with contextlib.ExitStack() as stack:
        sides = {name: stack.enter_context(_Side(name, request.out / name, said)) for name, said in samplings.items()}
        for role in recipes:
            with tempfile.TemporaryDirectory() as scratch:
                source = SampleSet(role, request, Path(scratch))
                _fill(source, [sides[side] for side in sides if givers[side] == role], sides, request)
                findings += source.findings()
                problems += source.problems()
        if problems:
            raise all_at_once(problems)
    calibration, verification = sides.get("calibration"), sides.get("verification")
    return {
        "calibration": None if calibration is None else {"count": len(calibration)},
        "verification": None
        if verification is None
        else {"count": len(verification), "labels": verification.labels != []},
        "inputs": _inputs(sides),
        "findings": [each.to_json() for each in findings],
    }


def everything(request: Request) -> DrawResult:
    """Write out/verification with all samples of the set `evaluation`, in its own order; equal samples stay too.

    A stream may be endless: if the recipe declares a count for verification, no more samples are taken.
    """
    recipe: SetJson = request.options["evaluation"]
    with contextlib.ExitStack() as stack:
        side = stack.enter_context(_Side("verification", request.out / "verification", recipe["sampling"]))
        source = SampleSet("evaluation", request, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        _refuse_too_many(source, recipe["name"])
        for unit in source.in_order():
            _deal(source, unit, side)
            if source.is_stream and side.declared and len(side) + source.misfits.samples >= side.wanted:
                break
        if not len(side) and not source.misfits:
            source.misfits.add(InvalidSamples("holds no sample"))
        if source.misfits:
            raise all_at_once(source.problems())
    return {
        "calibration": None,
        "verification": {"count": len(side), "labels": side.labels != []},
        "inputs": _inputs({"verification": side}),
        "findings": [],
    }


def _refuse_too_many(source: SampleSet, name: str) -> None:
    """Raise InvalidSamples for a whole set of more than MOST_SAMPLES."""
    if source.count is not None and source.count > MOST_SAMPLES:
        raise InvalidSamples(
            f"{name}: holds {source.count:,} samples, all of which are asked for; expected at most {MOST_SAMPLES:,}",
            "name a file, or a split, that holds fewer",
        )


def _inputs(sides: Mapping[_SideName, _Side]) -> dict[str, InputRangeJson]:
    """Return the dtype of each input, and its (lowest, highest) number in each set that has numbers."""
    dtypes = {name: dtype for side in sides.values() for name, dtype in side.dtypes.items()}
    found: dict[str, InputRangeJson] = {name: {"dtype": dtype} for name, dtype in dtypes.items()}
    for side in sides.values():
        for name, ends in side.ranges.items():
            found[name][side.name] = list(ends)
    return found


class _Side:
    """One of the two sets to write, with the number of samples that its recipe's [sampling] declares, or up to the default."""

    def __init__(self, name: _SideName, folder: Path, sampling: SamplingJson) -> None:
        self.name = name
        declared = sampling[name]
        self.declared = declared is not None
        self.length = sampling["sequence"] or 1
        by_default = max(DEFAULT_COUNTS[name] // self.length, 1) * self.length
        self.wanted = by_default if declared is None else declared
        self.digests: list[str] = []
        self.labels: list[labels.Label] = []
        self.ranges: dict[str, tuple[float, float]] = {}
        self.dtypes: dict[str, str] = {}
        self._origins: list[str] = []
        self._folder = folder
        self._shards = ShardWriter(folder)

    def __len__(self) -> int:
        return len(self.digests)

    def __enter__(self) -> _Side:
        self._shards.__enter__()
        return self

    def add(self, unit: Unit) -> None:
        for drawn in unit:
            self._add(drawn)

    def _add(self, drawn: Drawn) -> None:
        if self.digests and (drawn.label is None) != (not self.labels):
            raise InvalidSamples(f"{drawn.origin}: some samples have labels and some have none; expected all or none")
        if drawn.label is not None:
            problem = labels.mismatch(self.labels[0], drawn.label) if self.labels else None
            if problem is not None:
                raise InvalidSamples(f"{drawn.origin}: {problem}")
            self.labels.append(drawn.label)
        self._shards.add(drawn.arrays)
        self.digests.append(drawn.digest)
        self._origins.append(drawn.name)
        for name, array in drawn.arrays.items():
            self._widen(name, array)

    def _widen(self, name: str, array: np.ndarray) -> None:
        """Extend the range of one input to a sample's numbers; an empty array changes nothing."""
        self.dtypes[name] = array.dtype.name
        if array.size:
            low, high = self.ranges.get(name, (math.inf, -math.inf))
            self.ranges[name] = (
                min(low, +array.min().item()),
                max(high, +array.max().item()),
            )  # + turns a truth value into a number

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shards.__exit__(kind, error, trace)
        if kind is None:
            (self._folder / "hashes.json").write_text(json.dumps(self.digests))
            (self._folder / "origins.json").write_text(json.dumps(self._origins))
            if self.labels:
                labels.write(self._folder, self.labels)
            if self.length > 1:
                (self._folder / "sequences.json").write_text(json.dumps({"length": self.length}))


def _next_side(sides: list[_Side]) -> _Side | None:
    """Return the side that gets the next sample, None when all are full: the sides take turns in proportion to the declared counts.

    A count that is not declared weighs as 1, so a declared count beside it is met early. Without declared counts each side gets half, until the
    calibration set is full. The number of samples in the set may be unknown: a stream is split too.
    """
    hungry = [side for side in sides if len(side) < side.wanted]
    served = {side: len(side) / (side.wanted if side.declared else 1) for side in reversed(hungry)}
    return min(served, key=lambda side: served[side], default=None)  # if equal, the last: verification


def _deal(source: SampleSet, unit: Unit, side: _Side) -> None:
    """Add a unit to a side; if its labels do not fit the side's, add a problem to the set."""
    before = len(source.misfits)
    with source.misfits.gathering():
        side.add(unit)
    source.misfits.samples += len(source.misfits) > before


def _fill(source: SampleSet, own: list[_Side], sides: Mapping[_SideName, _Side], request: Request) -> None:
    """Give the samples of one recipe to the sides that take from it, without samples that the other side has.

    A sample that does not fit counts too, so a set with misfits is not read further than a good one.
    """
    taken = {digest for side in sides.values() if side not in own for digest in side.digests}
    total, room = sum(side.wanted for side in sides.values()), sum(side.wanted for side in own)
    units = source.different(taken, at_most=_REPETITIONS * sum(side.wanted // side.length for side in own))
    while sum(map(len, own)) + source.misfits.samples < room and (side := _next_side(own)) is not None:
        if (unit := next(units, None)) is None:
            break
        _deal(source, unit, side)
        request.progress(sum(map(len, sides.values())), total)
    if source.misfits:
        return
    source.look_for_constants()
    if any(not len(side) or (side.declared and len(side) < side.wanted) for side in own) and not source.misfits:
        wanted = " and ".join(
            f"{side.wanted // side.length if side.declared else 'at least 1'} for {side.name}" for side in own
        )
        shared = f", {source.shared} of them in the calibration set" if source.shared else ""
        problem = f"too few {source.what}: {wanted}, but there are {len(source.seen)} different ones among {source.read}{shared}"
        if source.is_given_up:
            problem += f"; the last {MOST_REPEATED:,} that were read held no new one"
        hint = "give more, declare smaller counts under [sampling]"
        source.misfits.add(
            InvalidSamples(problem, hint + (", or pass a set of its own with --eval" if len(own) > 1 else ""))
        )
