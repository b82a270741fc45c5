"""What the linter's jobs are asked for and what they give, as JSON."""

from __future__ import annotations

from typing import Any, TypedDict


class LimitsJson(TypedDict):
    """What checks compare with, {check: {limit: value}}, and which findings are known and only information, {code: because}."""

    limits: dict[str, dict[str, float]]
    accepted: dict[str, str]


class LintOptions(LimitsJson, total=False):
    """The options of a job of `toolkit.samples.lint`: `names` is what messages call the sides, and `split` whether both are of one set.

    `constant` are inputs that are meant never to change, `signature` is that of the run, and `kinds` is what outputs are said to mean, by name.
    """

    names: dict[str, str]
    split: bool
    constant: list[str]
    signature: dict[str, Any]
    kinds: dict[str, str]


class Skipped(TypedDict):
    """A check that says nothing, of which input or output (None: of the set), and why."""

    check: str
    input: str | None
    reason: str


class LintResult(TypedDict):
    """What was found, and what was not looked at."""

    findings: list[dict[str, Any]]
    skipped: list[Skipped]
