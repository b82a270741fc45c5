"""A corpus of small networks of many kinds: no breakage of them that does harm passes, and nothing healthy is refused.

Nothing is set but where the samples are, and these have no labels: what a network means, and what may be asked of it, must be found without.
Whether a breakage does harm is measured here, by what is true of the samples (`corpus/harm.py`), and not by anything that a verdict measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import toolkit
from tests.e2e.corpus.harm import LIMITS, TASKS, losses
from tests.e2e.corpus.table import BREAKAGES, NETWORKS, NOT_INT8
from toolkit import Original, Samples

pytestmark = pytest.mark.slow  # 25 networks and nearly two hundred files, each judged whole

DIGITS = Path(__file__).resolve().parents[2] / "calibration" / "digits.npz"


@pytest.fixture(scope="module")
def corpus(made):
    """Return the folder of all networks, with their healthy and their broken files, and what each answers."""
    return made("make_corpus.py")


@cache
def answers(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Return a network's answers by file and output, and what is true of them."""
    held: dict[str, dict[str, np.ndarray]] = {}
    with np.load(folder / "answers.npz") as file:
        for name in file.files:
            key, output = name.split("/", 1)
            held.setdefault(key, {})[output] = file[name]
    return held


def harm(folder: Path, network: str, key: str) -> dict[str, float]:
    """Return by how much of its limit each measure of harm fell: more than 1 is harm."""
    held, gallery = answers(folder), None
    if TASKS[network] == "search":
        with np.load(DIGITS) as digits:
            gallery = next(iter(held["gallery"].values())), digits["labels"][:100].astype(int)
    return losses(TASKS[network], held["original"], held[key], held["truth"], gallery)


def judged(folder: Path, name: str, executor: toolkit.Executor):
    """Return the verdict on a file of a network, by the bounds that everybody has."""
    samples = Samples(str(folder / "calibration.npz"), str(folder / "evaluation.npz"))
    outcome = toolkit.verify(folder / name, Original(folder / "model"), ["host"], samples, None, executor=executor)[
        "host"
    ]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def said(verdict) -> str:
    """Return what decided: what was missed at the guilty stage (or in total), or wherever it was, and findings that fail."""
    missed = [each for each in verdict.comparisons if each.status != "passed"]
    first = next((each for each in missed if each.stage == verdict.guilty_stage), None) or next(iter(missed), None)
    told = (
        []
        if first is None
        else [f"{first.stage}: `{first.output}` {first.metric} {first.value:.3g} {first.unit} {first.detail}"]
    )
    codes = [f"`{each.code}`" for each in verdict.findings if each.severity in ("error", "inconclusive")]
    looks = [
        f"it looks like `{each.code}`"
        for each in verdict.findings
        if (each.severity, each.message[:7]) == ("warning", "output ")
    ]
    return "; ".join(dict.fromkeys([*(each.strip() for each in told), *codes, *looks]))


def worst(lost: Mapping[str, float]) -> str:
    """Return what was lost, of the measure that lost most of its limit; "none" for no harm."""
    name = max(lost, key=lambda one: lost[one])
    return f"{name} {lost[name] * LIMITS[name]:.3g} less" if lost[name] > 1 else "none"


@pytest.mark.parametrize("network", NETWORKS)
def test_a_faithful_conversion_by_the_converter_itself_passes(corpus, executor, network, record_property):
    """What TensorFlow's own converter makes of it, given to `verify`."""
    lost = harm(corpus / network, network, "control")

    verdict = judged(corpus / network, "control.tflite", executor)

    record_property("said", said(verdict))
    assert max(lost.values()) <= 1, lost
    assert verdict.passed, said(verdict)


@pytest.mark.parametrize("name", BREAKAGES)
def test_what_is_broken_does_not_pass(corpus, executor, name, record_property):
    """As harmful as the table says, and judged as it says."""
    breakage = BREAKAGES[name]
    lost = harm(corpus / breakage.network, breakage.network, name)

    verdict = judged(corpus / breakage.network, f"{name}.tflite", executor)

    record_property("harm", worst(lost))
    record_property("said", f"{verdict.outcome}: {said(verdict)}")
    assert (max(lost.values()) > 1) == breakage.harmful, lost
    assert verdict.outcome in breakage.verdict, {each.metric: each.value for each in verdict.total.comparisons}
    assert breakage.looks is None or breakage.looks in {each.code for each in verdict.findings}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_healthy_network_ships(corpus, executor, network, tmp_path, record_property):
    """In int8, the first that the target wants, wherever int8 is to be had."""
    folder = corpus / network
    samples = Samples(str(folder / "calibration.npz"), str(folder / "evaluation.npz"))

    outcome = toolkit.build(Original(folder / "model"), ["host"], samples, tmp_path, executor=executor)["host"]

    if isinstance(outcome, Exception):
        raise outcome
    record_property("scheme", outcome.artifact.scheme)
    assert outcome.passed, said(outcome)
    assert (outcome.artifact.scheme == "static_wi8_ai8") == (network not in NOT_INT8)
