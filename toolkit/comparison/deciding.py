"""Which of several bounds decides: first one that names the output, then one of the nearer file, then one that names kinds, then schemes.

A nearer file of the `extends` chain goes first: a user's bound decides over every inherited one of the same stage, output and metric, whatever
schemes or unit the inherited one names. A bound against what is achievable and a bound against a fixed limit are two questions. Neither hides the
other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from toolkit.comparison.bounds import ACHIEVABLE, Bound

ALL = "*"


class Contradiction(NamedTuple):
    """Two bounds of one file on the same thing: their places in the file, and what is wrong."""

    first: int
    second: int
    what: str


class Hidden(NamedTuple):
    """Where another bound decides instead: for which schemes (empty: all schemes of the bound), output ("*": all) and kind ("": all)."""

    by: Bound
    schemes: tuple[str, ...]
    output: str = ALL
    kind: str = ""


class Standing(NamedTuple):
    """Whether a bound decides anywhere, and where it is hidden."""

    decides: bool
    hidden: tuple[Hidden, ...]


def deciding(bounds: Sequence[Bound], output: str, kind: str = "") -> list[Bound]:
    """Return the bounds that decide for an output of a kind. `bounds` are those of one stage and scheme. A bound that is `off` judges nothing."""
    matching = [bound for bound in bounds if bound.output in (ALL, output) and (not bound.kinds or kind in bound.kinds)]
    best: dict[tuple[str, bool], tuple[int, ...]] = {}
    for bound in matching:
        for question in _questions(bound):
            best[question] = max(best.get(question, ()), _rank(bound))
    return [bound for bound in matching if best[_questions(bound)[0]] == _rank(bound)]


def for_scheme(bounds: Iterable[Bound], stage: str, scheme: str | None) -> list[Bound]:
    """Return the bounds of a stage for a scheme."""
    return [bound for bound in bounds if bound.stage == stage and (not bound.schemes or scheme in bound.schemes)]


def switched_off(bounds: Iterable[Bound], scheme: str | None, outputs: Mapping[str, str]) -> list[Bound]:
    """Return the bounds that are `off` and decide for a task metric or for any of `outputs`, {output: its kind or ""}."""
    held, names = tuple(bounds), {ALL: "", **outputs}
    stages = dict.fromkeys(bound.stage for bound in held if bound.off)
    found = [
        bound
        for stage in stages
        for output, kind in names.items()
        for bound in deciding(for_scheme(held, stage, scheme), output, kind)
        if bound.off
    ]
    return [bound for place, bound in enumerate(found) if not any(bound is other for other in found[:place])]


def standing(bound: Bound, bounds: Sequence[Bound], schemes: Collection[str]) -> Standing:
    """Return where a bound of a profile decides and where it is hidden; `schemes` are all schemes."""
    mine = bound.schemes or tuple(schemes)
    decides = False
    of_kinds: dict[tuple[int, tuple[str, ...]], list[str]] = {}
    for kind in bound.kinds or ("",):
        by = _hiders(bound, bounds, mine, bound.output, kind)
        decides = decides or sum(map(len, by.values())) < len(mine)
        for place, of in by.items():
            of_kinds.setdefault((place, _unless_all(of, mine)), []).append(kind)
    found = [
        Hidden(bounds[place], of, kind=kind)
        for (place, of), kinds in of_kinds.items()
        for kind in (kinds if len(kinds) < len(bound.kinds) else [""])
    ]
    if not decides:
        return Standing(False, tuple(found))
    others = [other for other in bounds if other.stage == bound.stage]
    for output in dict.fromkeys(other.output for other in others if other.output != bound.output == ALL):
        by = _hiders(bound, bounds, mine, output, (*bound.kinds, "")[0])
        found += [
            Hidden(bounds[place], _unless_all(of, mine), output)
            for place, of in by.items()
            if bounds[place].output == output
        ]
    for kind in dict.fromkeys(kind for other in others if not bound.kinds for kind in other.kinds):
        by = _hiders(bound, bounds, mine, bound.output, kind)
        found += [
            Hidden(bounds[place], _unless_all(of, mine), kind=kind) for place, of in by.items() if bounds[place].kinds
        ]
    return Standing(True, tuple(found))


def _unless_all(some: Sequence[str], schemes: Collection[str]) -> tuple[str, ...]:
    return () if len(some) == len(schemes) else tuple(some)


def _hiders(
    bound: Bound, bounds: Sequence[Bound], schemes: Iterable[str], output: str, kind: str
) -> dict[int, list[str]]:
    """Return the places of the bounds that decide for an output instead of `bound`, each with its schemes."""
    found: dict[int, list[str]] = {}
    for scheme in schemes:
        others = for_scheme(bounds, bound.stage, scheme)
        decide = deciding([other for other in others if set(_questions(other)) & set(_questions(bound))], output, kind)
        if not any(other is bound for other in decide):
            place = next(place for place, other in enumerate(bounds) if other is decide[0])
            found.setdefault(place, []).append(scheme)
    return found


def contradictions(bounds: Sequence[tuple[int, Bound]]) -> list[Contradiction]:
    """Return each pair of one file's bounds on the same thing: neither may win in silence. `bounds` come with their places in the file."""
    found = []
    for after, (second, bound) in enumerate(bounds):
        for first, other in bounds[:after]:
            schemes, kinds = _common(bound.schemes, other.schemes), _common(bound.kinds, other.kinds)
            if schemes is None or kinds is None or not _is_of_the_same(bound, other):
                continue
            both = ", ".join((*kinds, *schemes))
            what = f"{bound.stage} {bound.output} {bound.metric}" + (f" of {both}" if both else "")
            says = "the same as" if bound.terms == other.terms else f"{bound.terms!r} where {other.terms!r} is said by"
            sentence = f"{what} has two bounds: {says} bounds[{first}]; expected one for each stage, output, metric, kind and scheme"
            found.append(Contradiction(first, second, sentence))
    return found


def _is_of_the_same(one: Bound, other: Bound) -> bool:
    same = (one.stage, one.output) == (other.stage, other.output)
    return same and bool(set(_questions(one)) & set(_questions(other)))


def _common(one: Collection[str], other: Collection[str]) -> tuple[str, ...] | None:
    """Return the common names, () where neither side holds any, None where one bound may go before the other."""
    if not one and not other:
        return ()
    return tuple(sorted(set(one) & set(other))) or None


def _questions(bound: Bound) -> list[tuple[str, bool]]:
    """Return what a bound answers: its metric, and whether against what is achievable; both for a bound that is off without a unit."""
    if bound.off and not bound.unit:
        return [(bound.metric, False), (bound.metric, True)]
    return [(bound.metric, bound.unit == ACHIEVABLE)]


def _rank(bound: Bound) -> tuple[int, ...]:
    return int(bound.output != ALL), bound.layer, int(bool(bound.kinds)), int(bool(bound.schemes))
