"""Collect the problems of a set, of its samples and its recipe, so that all are reported at once."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from toolkit import printable
from toolkit.errors import EdgeToolkitError, InvalidSamples, prefixed

_KINDS = 20  # kinds of problems in one message; more would not be read
_NAMED = 3  # samples of a kind, beside the first, that a message names
_NUMBERS = re.compile(r"\d+")


@dataclass(slots=True)
class _Kind:
    """Problems that differ only in their numbers: the first one, the number of others, and the names of the first few."""

    first: InvalidSamples
    others: int = 0
    named: list[str] = field(default_factory=list)


class Misfits:
    """The problems of a set, each kind once, in the order in which they were found; `samples` is the number of samples with a problem."""

    def __init__(self) -> None:
        self.samples = 0
        self._kinds: dict[str, _Kind] = {}

    def __len__(self) -> int:
        """Return the number of problems."""
        return sum(1 + kind.others for kind in self._kinds.values())

    def add(self, error: InvalidSamples) -> None:
        """Add a problem; the text before its first colon names the sample that has it."""
        place, _, rest = error.problem.partition(": ")
        kind = self._kinds.setdefault(_NUMBERS.sub("#", f"{rest or place}\n{error.hint}"), _Kind(error))
        if kind.first is not error:
            kind.others += 1
            kind.named += [place] if len(kind.named) < _NAMED else []

    @contextlib.contextmanager
    def gathering(self) -> Iterator[None]:
        """Add an InvalidSamples that is raised inside, and continue after the block."""
        try:
            yield
        except InvalidSamples as error:
            self.add(error)

    def errors(self, name: str, looked_at: int, held: int | None) -> list[EdgeToolkitError]:
        """Return an error for each kind of problem of the set `name`; the last one says how many of `held` samples were read (None: unknown)."""
        kinds = list(self._kinds.values())
        found = [prefixed(f"{name}: ", _told(kind)) for kind in kinds[:_KINDS]]
        if len(kinds) > _KINDS:
            found.append(InvalidSamples(f"{name}: {len(kinds) - _KINDS} more kinds of problems"))
        if self.samples:
            said = f"{name}: {_looked_at(self.samples, looked_at, held)}"
            found[-1] = InvalidSamples(printable.lines([found[-1].problem, said]), found[-1].hint)
        return found


def _told(kind: _Kind) -> InvalidSamples:
    if not kind.others:
        return kind.first
    more = ", ..." if kind.others > len(kind.named) else ""
    others = f" ({kind.others} more like it: {', '.join(kind.named)}{more})"
    return InvalidSamples(printable.together(kind.first.problem, others), kind.first.hint)


def _looked_at(misfits: int, looked_at: int, held: int | None) -> str:
    problem = f"{misfits} of the {looked_at} samples looked at {'does' if misfits == 1 else 'do'} not fit"
    if held is None:
        return f"{problem}; those that come after were not looked at"
    return f"{problem}; {held - looked_at} others were not looked at" if held > looked_at else problem
