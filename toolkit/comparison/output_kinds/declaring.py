"""Kinds that the user declares: on the command line, in a set's recipe, in a profile; with all mistakes in them, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from toolkit import printable
from toolkit.comparison.output_kinds import load, names
from toolkit.comparison.output_kinds.file import numbers_of
from toolkit.comparison.output_kinds.inferring import By, OutputKind
from toolkit.errors import RequestError, suggestion

FLAG = "--output-kind"
_SAID_BY: Mapping[By, str] = {"command line": FLAG, "recipe": "[output_kinds] of the set", "profile": "[output_kinds]"}


@dataclass(frozen=True, slots=True)
class Declared:
    """The declared kinds by output: on the command line, then in the recipe of the set that judges, then in the profile.

    `of_several` means that they cover several signatures at once, and each signature has only some of the outputs.
    """

    line: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, str] = field(default_factory=dict)
    profile: Mapping[str, str] = field(default_factory=dict)
    profile_name: str = ""
    of_several: bool = False

    def of_profile(self, name: str, said: Mapping[str, str]) -> Declared:
        """Return the same, with the kinds that a profile declares."""
        return replace(self, profile=said, profile_name=name)

    def by_output(self) -> dict[str, tuple[str, By]]:
        """Return the declared kind of each output, and who declares it; the command line goes first, then the recipe, then the profile."""
        layers: tuple[tuple[By, Mapping[str, str]], ...] = (
            ("profile", self.profile),
            ("recipe", self.recipe),
            ("command line", self.line),
        )
        return {output: (kind, by) for by, said in layers for output, kind in said.items()}

    def problems(self, outputs: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return a sentence for each kind of an unknown output, and for each kind that does not fit its output; `outputs` are JSON of specs."""
        specs = {str(spec["name"]): spec for spec in outputs}
        problems = []
        for output, (name, by) in self.by_output().items():
            who = f"{_SAID_BY[by]}{f' of {self.profile_name}' if by == 'profile' else ''} {output}={name}"
            if name not in names():
                problems.append(f"{who}: no kind of output is called {name!r}; {suggestion(name, names())}")
            if output not in specs and not self.of_several:
                problems.append(f"{who}: no output is called {output!r}; {suggestion(output, specs)}")
            if name in names() and output in specs:
                kind, spec = load(name), specs[output]
                wrong = kind.misfit(numbers_of(spec), spec["shape"])
                if wrong is not None:
                    problems.append(f"{who}: {wrong}; {name} is {kind.shape}{_fitting(spec)}")
        return problems

    def applied(self, inferred: Mapping[str, OutputKind]) -> dict[str, OutputKind]:
        """Return the kinds of all outputs: the declared ones, and the inferred ones of the others."""
        said = self.by_output()
        return {
            output: OutputKind(said[output][0], f"said by {self._who(said[output][1])}", said[output][1], kind.parts)
            if output in said
            else kind
            for output, kind in inferred.items()
        }

    def _who(self, by: By) -> str:
        return {
            "command line": FLAG,
            "recipe": "the recipe of the set",
            "profile": f"the profile {self.profile_name}".rstrip(),
        }[by]


def require_fitting(said: Iterable[Declared], outputs: Sequence[Mapping[str, Any]]) -> None:
    """Raise RequestError, with all mistakes, where a kind is declared for an unknown output, or does not fit its output."""
    problems = list(dict.fromkeys(problem for one in said for problem in one.problems(outputs)))
    if problems:
        raise RequestError(
            printable.lines(problems), "edge-toolkit inspect MODEL shows outputs and what they are taken for"
        )


def read(texts: Sequence[str]) -> dict[str, str]:
    """Return the kinds, by output, of texts such as "logits=class_scores"; RequestError, with all mistakes, for other texts."""
    said: dict[str, str] = {}
    problems = []
    for text in texts:
        output, sign, kind = text.rpartition("=")
        if not (output and sign and kind):
            problems.append(f"{FLAG} {text!r}: expected NAME=KIND, as in {FLAG} logits=class_scores")
        elif output in said:
            problems.append(f"{FLAG} {text}: the second for {output!r}; give one for each output")
        elif kind not in names():
            problems.append(f"{FLAG} {text}: no kind of output is called {kind!r}; {suggestion(kind, names())}")
        else:
            said[output] = kind
    if problems:
        raise RequestError(printable.lines(problems))
    return said


def _fitting(spec: Mapping[str, Any]) -> str:
    """Return the kinds that would fit an output, for a message."""
    fitting = [name for name in names() if load(name).misfit(numbers_of(spec), spec["shape"]) is None]
    return f"; {', '.join(fitting)} would fit" if fitting else ""
