"""The linter of calibration sets on the host: its limits, its jobs, and the findings that stop a build.

limits = read_limits()                        calibration/lint.toml; read_limits(Path("mine.toml")) overrides some
(entry,) = executor.run(lint_job(samples, limits))
refuse_severe(findings.read(entry.result["findings"]))
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, FiniteFloat, model_validator

from toolkit import config, printable, registry
from toolkit.errors import InvalidConfig, InvalidSamples, suggestion
from toolkit.findings import Finding
from toolkit.jobs.job import Engine, Job, Output
from toolkit.samples.lint_request import LimitsJson
from toolkit.tensors.signature import Signature

_PACKAGE = Path(__file__).resolve().parents[1]
_WORKS_IN = Engine("dataset")


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; expected a reason")
    return text


def _reason_code(code: str) -> str:
    if code not in codes():
        raise config.unknown(codes())
    return code


Reason = Annotated[str, AfterValidator(_said)]


class Limit(config.ConfigModel):
    """A limit of a check, and the reason for its value."""

    check: Annotated[str, config.plugin("samples/lints")]
    limit: str
    value: FiniteFloat
    because: Reason

    @model_validator(mode="after")
    def _is_one_of_the_check(self) -> Limit:
        known = _names(self.check)
        if self.limit not in known:
            raise ValueError(
                f"limit {self.limit!r} is none of the check {self.check!r}; {suggestion(self.limit, known)}"
            )
        return self


class Acceptance(config.ConfigModel):
    """A finding that is known and accepted: it becomes an information."""

    code: Annotated[str, AfterValidator(_reason_code)]
    because: Reason


class LimitsFile(config.ConfigModel):
    """A file of limits: `calibration/lint.toml` has all of them, a user's file those that differ."""

    about: str = ""
    limits: tuple[Limit, ...] = ()
    accepted: tuple[Acceptance, ...] = ()

    @model_validator(mode="after")
    def _says_each_once(self) -> LimitsFile:
        said = [f"{one.check}.{one.limit}" for one in self.limits] + [one.code for one in self.accepted]
        twice = sorted({name for name in said if said.count(name) > 1})
        if twice:
            raise ValueError(f"said more than once: {', '.join(twice)}")
        return self


@dataclass(frozen=True, slots=True)
class LintLimits:
    """The limits of all checks, {check: {limit: value}}, and the accepted findings, {code: because}."""

    values: Mapping[str, Mapping[str, float]]
    accepted: Mapping[str, str]

    def options(self) -> LimitsJson:
        """Return them as a job's options."""
        return {
            "limits": {check: dict(values) for check, values in self.values.items()},
            "accepted": dict(self.accepted),
        }


def codes() -> tuple[str, ...]:
    """Return the reason codes of all checks, sorted."""
    return registry.union("samples/lints", "CODES")


def read_limits(own: Path | None = None) -> LintLimits:
    """Return the package's limits, overridden by those of the user's file; InvalidConfig with all mistakes of a file."""
    packed = _PACKAGE / "calibration" / "lint.toml"  # in a wheel; in a checkout the folder is beside the package
    given = packed if packed.is_file() else _PACKAGE.parent / "calibration" / "lint.toml"
    files = [config.load(path, LimitsFile) for path in (given, own) if path is not None]
    values = {name: _defaults(name) for name in registry.names("samples/lints")}
    for one in (one for file in files for one in file.limits):
        values[one.check][one.limit] = float(one.value)
    missing = [f"{check}.{name}" for check, held in values.items() for name in _names(check) if name not in held]
    if missing:
        raise InvalidConfig(given, [f"limits: {name} is missing" for name in missing])
    return LintLimits(values, {one.code: one.because for file in files for one in file.accepted})


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a file of limits, for editors."""
    return LimitsFile.model_json_schema()


def lint_job(samples: Job, limits: LintLimits) -> Job:
    """Return the job that checks drawn samples before any conversion; its result is a `toolkit.samples.lint_request.LintResult`.

    `samples` is a `toolkit.samples.dataset.samples_job` with a calibration set; InvalidSamples for one without.
    """
    drawn_from = {role: samples.options[role] for role in ("calibration", "evaluation")}
    if drawn_from["calibration"] is None:
        raise InvalidSamples("no calibration set to check; give one with --calibration")
    split = drawn_from["evaluation"] is None
    giver = drawn_from["calibration"] if split else drawn_from["evaluation"]
    return Job(
        f"checking the samples of {drawn_from['calibration']['name']}",
        "samples.lint",
        "samples",
        _WORKS_IN,
        options={
            **limits.options(),
            "names": {"calibration": drawn_from["calibration"]["name"], "verification": giver["name"]},
            "split": split,
            "constant": sorted({*drawn_from["calibration"]["constant"], *giver["constant"]}),
        },
        inputs={"samples": samples},
        plugins=_plugins(),
    )


def lint_ranges_job(statistics: Output, samples: Job, limits: LintLimits) -> Job:
    """Return the job that checks the statistics of activations over the calibration set of `samples`; the result is like that of `lint_job`."""
    name = samples.options["calibration"]["name"]
    return Job(
        f"checking the ranges of {name}",
        "samples.lint",
        "ranges",
        _WORKS_IN,
        options={**limits.options(), "names": {"calibration": name}},
        inputs={"statistics": statistics},
        plugins=_plugins(),
    )


def answers_job(
    outputs: Output,
    signature: Signature,
    samples: Job,
    limits: LintLimits,
    kinds: Mapping[str, str] | None = None,
) -> Job:
    """Return the job that checks the judging samples and the original's answers: whether agreement with the original shows anything.

    `outputs` and `signature` are of the original's run, `samples` a `toolkit.samples.dataset.samples_job`; `kinds` the declared meaning
    of outputs, by name. The result is like that of `lint_job`.
    """
    giver = samples.options["evaluation"] or samples.options["calibration"]
    return Job(
        f"checking what the original answers for {giver['name']}",
        "samples.lint",
        "answers",
        _WORKS_IN,
        options={
            **limits.options(),
            "names": {"verification": giver["name"]},
            "constant": sorted(giver["constant"]),
            "signature": signature.to_json(),
            "kinds": dict(kinds or {}),
        },
        inputs={"outputs": outputs, "samples": samples.output("verification")},
        plugins=_plugins(),
    )


def refuse_severe(found: Iterable[Finding]) -> None:
    """Raise InvalidSamples with all findings that are errors, each with its reason code and its fix; return if there is none."""
    severe = [finding for finding in found if finding.is_error]
    if severe:
        raise InvalidSamples(
            printable.lines(
                line for finding in severe for line in (f"{finding.message} [{finding.code}]", f"    {finding.fix}")
            ),
            "to accept a finding with its reason, use --limits FILE; see docs/calibration.md",
        )


def _defaults(check: str) -> dict[str, float]:
    """Return the default limits of a check; a check of the package has none, because its limits and their reasons are in the package's file."""
    fields = dataclasses.fields(registry.load("samples/lints", check).Limits)
    return {limit.name: float(limit.default) for limit in fields if limit.default is not dataclasses.MISSING}


def _names(check: str) -> list[str]:
    return [limit.name for limit in dataclasses.fields(registry.load("samples/lints", check).Limits)]


def _plugins() -> tuple[str, ...]:
    return tuple(f"samples.lints.{name}" for name in registry.names("samples/lints"))
