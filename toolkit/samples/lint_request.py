"""The options and the results of the linter's jobs, as JSON."""

from __future__ import annotations

from typing import Any, TypedDict


class LimitsJson(TypedDict):
    """The limits of checks, {check: {limit: value}}, and the accepted findings, which are information only, {code: because}."""

    limits: dict[str, dict[str, float]]
    accepted: dict[str, str]


class LintOptions(LimitsJson, total=False):
    """The options of a job of `toolkit.samples.lint`: `names` are the names of the sides in messages, `split` is whether both come from one set.

    `constant` are inputs that are meant never to change, `signature` is that of the run, and `kinds` is the declared meaning of outputs, by name.
    """

    names: dict[str, str]
    split: bool
    constant: list[str]
    signature: dict[str, Any]
    kinds: dict[str, str]


class Skipped(TypedDict):
    """A check that could not judge, its input or output (None: the set), and the reason."""

    check: str
    input: str | None
    reason: str


class LintResult(TypedDict):
    """The findings, and the skipped checks."""

    findings: list[dict[str, Any]]
    skipped: list[Skipped]
