"""The errors of an artifact that was refused before it ran, with the findings that refuse it."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.errors import EdgeToolkitError, Unconvertible
from toolkit.findings import Finding


class Unsupported(Unconvertible):
    """An artifact with operators that the target's runtime lacks: exit status 2. `findings` has one for each."""

    findings: tuple[Finding, ...] = ()

    def __init__(self, problem: str, hint: str | None, findings: Sequence[Finding]) -> None:
        super().__init__(problem, hint)
        self.findings = tuple(findings)


class DoesNotFit(EdgeToolkitError):
    """An artifact that exceeds a budget of the target: exit status 1, as for a verdict that is not passed. `findings` has one for each budget."""

    exit_status = 1
    findings: tuple[Finding, ...] = ()

    def __init__(self, problem: str, hint: str | None, findings: Sequence[Finding]) -> None:
        super().__init__(problem, hint)
        self.findings = tuple(findings)


Refused = Unsupported | DoesNotFit


def findings_of(error: EdgeToolkitError) -> tuple[Finding, ...]:
    """Return the findings that an error carries; empty for one that was met while something ran."""
    return error.findings if isinstance(error, Unsupported | DoesNotFit) else ()
