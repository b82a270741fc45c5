"""What was noticed of a model, its samples, an artifact or a run: a code, how grave it is, and a message.

A worker makes findings too and hands them over as JSON (`Finding.to_json`); where a job's result comes in, the host makes findings of it again.
Standard library only: each worker imports this, in whatever interpreter it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["info", "warning", "inconclusive", "error"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "inconclusive", "error")
"""All severities, the gravest last. An error fails a verdict, and "inconclusive" keeps it open; the others decide nothing."""

OVERFLOWS_WITHOUT_VNNI = "overflows-without-vnni"
"""The code of a finding that holds on some processors only: where it is made, and where it is read, lie far apart."""

_ALWAYS = ("code", "severity", "message")
_OPTIONAL = ("fix", "names", "stage", "of_samples")


@dataclass(frozen=True)
class Finding:
    """Something that was noticed.

    `code` is one word for the reason, the same from release to release, and `message` a sentence for people. `fix` is what to do about it. `names`
    are the operators, tensors, variables or signatures that it is about; None where it is about nothing that has a name. `stage` is the stage that
    it makes guilty. `of_samples` is whether it is of the samples that judge, and holds whatever the artifact is. `facts` are numbers and names that
    only some codes have, as plain JSON.
    """

    code: str
    severity: Severity
    message: str
    fix: str | None = None
    names: tuple[str, ...] | None = None
    stage: str | None = None
    of_samples: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    # Keys in the order of the JSON that it was read from: a report repeats it as it came.
    _keys: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def is_error(self) -> bool:
        """Whether a verdict fails by it."""
        return self.severity == "error"

    @property
    def is_grave(self) -> bool:
        """Whether a verdict does not pass with it: an error, or what leaves the verdict open."""
        return self.severity in ("error", "inconclusive")

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Finding:
        """Return the finding that `to_json` wrote; KeyError where code, severity or message is missing."""
        return cls(
            code=content["code"],
            severity=content["severity"],
            message=content["message"],
            fix=content.get("fix"),
            names=tuple(content["names"]) if "names" in content else None,
            stage=content.get("stage"),
            of_samples=content.get("of_samples", False),
            facts={key: value for key, value in content.items() if key not in (*_ALWAYS, *_OPTIONAL)},
            _keys=tuple(content),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON: code, severity, message, what else there is, and the facts beside them."""
        content: dict[str, Any] = {"code": self.code, "severity": self.severity, "message": self.message}
        content |= {key: said for key in _OPTIONAL if (said := getattr(self, key)) not in (None, False)}
        if self.names is not None:
            content["names"] = list(self.names)
        content |= self.facts
        return {**{key: content[key] for key in self._keys if key in content}, **content}


@dataclass(frozen=True)
class CodeCount:
    """How often a code was found, and the gravest severity that it had."""

    severity: Severity
    count: int

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CodeCount:
        """Return what `to_json` wrote."""
        return cls(content["severity"], content["count"])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"severity": self.severity, "count": self.count}


def read(content: Iterable[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Return the findings of a job's result, or of a report; KeyError where one has no code, severity or message."""
    return tuple(map(Finding.from_json, content))


def counted(found: Iterable[Finding]) -> dict[str, CodeCount]:
    """Return how often each code was found, sorted by code."""
    codes: dict[str, list[Severity]] = {}
    for finding in found:
        codes.setdefault(finding.code, []).append(finding.severity)
    return {code: CodeCount(max(said, key=SEVERITIES.index), len(said)) for code, said in sorted(codes.items())}
