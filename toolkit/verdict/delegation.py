"""Findings about what the delegate of a target's runtime took of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.engines.loaded import Delegated
from toolkit.execution.run import delegated_of
from toolkit.findings import Finding
from toolkit.jobs.store import Entry
from toolkit.verdict.chain import ON_DEVICE
from toolkit.verdict.stage_run import StageRun

if TYPE_CHECKING:
    from toolkit.profiles import Target
    from toolkit.profiles.profile import Delegate

STAGE = "delegate"
_SHOWN = 5
_FIX = "replace these operators in the model by ones that the delegate takes, or choose a target that runs on the CPU"


def of_runs(target: Target, steps: Sequence[StageRun]) -> list[Finding]:
    """Return the finding on what the delegate took in a chain's runs; nothing for a chain without a delegate.

    It is an error if the delegate took less than the profile asks for, of the operators or of the multiply-accumulates. A run on the device that
    does not tell what it took leaves the verdict open.
    """
    runs = [(step.stage, step.run.delegated) for step in steps if step.stage in ON_DEVICE]
    if not runs or target.delegate is None:
        return []
    silent = tuple(stage for stage, took in runs if took is None)
    if silent:
        message = (
            f"what the delegate took is not told by {', '.join(silent)}; at least {target.delegate.least:.0%} is asked for: "
            f"{target.delegate.because}"
        )
        return [Finding("delegation-not-told", "inconclusive", message, names=silent)]
    told = [took for _, took in runs if took is not None]
    least = min(told, key=lambda each: _share(each["operators"]))
    return [_finding(least, target.delegate)]


def of_estimate(target: Target, entry: Entry) -> list[Finding]:
    """Return the finding on what a delegate that nothing executes would take, by its published rules."""
    if target.delegate is None:
        return []
    found = _finding(delegated_of(entry.result, entry), target.delegate, "")
    return [replace(found, message=f"estimated, not executed: {found.message}", stage=None)]


def _finding(
    took: Delegated, asked: Delegate, alone: str = ". An app that names the GPU alone gets an error from this file"
) -> Finding:
    operators, operations = took["operators"], took["multiply_accumulates"]
    if not took["left"] and operators[0] == operators[1]:
        return Finding("delegated", "info", f"the delegate takes all {operators[1]} operators")
    left = "; ".join(took["left"][:_SHOWN]) + ("; …" if len(took["left"]) > _SHOWN else "")
    message = f"the delegate takes {', '.join(_parts(took))}; the rest runs on the CPU: {left}"
    names = tuple(dict.fromkeys(line.partition(":")[0] for line in took["left"]))
    if any(_share(share) < asked.least for share in (operators, operations) if share is not None):
        message = f"{message}. At least {asked.least:.0%} is asked for: {asked.because}"
        return Finding("not-delegated", "error", message, fix=_FIX, names=names, stage=STAGE)
    if operations is None:
        message = f"{message}. Which operators it takes is not told, so whether they have {asked.least:.0%} of the multiply-accumulates is open"
        return Finding("partly-delegated", "inconclusive", message, fix=_FIX, names=names)
    message = f"{message}{alone}"
    return Finding("partly-delegated", "warning", message, fix=_FIX, names=names)


def _parts(took: Delegated) -> Iterator[str]:
    done, of = took["operators"]
    yield f"{done} of {of} operators"
    if took["multiply_accumulates"] is not None:
        yield f"{_share(took['multiply_accumulates']):.1%} of the multiply-accumulates"


def _share(of: Sequence[int]) -> float:
    done, total = of
    return done / total if total else 1.0
