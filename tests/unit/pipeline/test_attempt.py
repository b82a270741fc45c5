"""What is tried for a target and what comes of it, on the fake runtime: a choice among variants, a chain, and a verdict or an error."""

from __future__ import annotations

import time

import pytest

from tests.unit.pipeline.fake_chains import SCHEME, Bench, Watched, bounds
from toolkit.errors import EdgeToolkitError, Unconvertible, WorkerRefused, WorkerTimeout
from toolkit.pipeline.attempt import Trial, attempts_of
from toolkit.pipeline.stages import kernels_of
from toolkit.pipeline.variants import Candidate
from toolkit.profiles.recipe import Recipe
from toolkit.verdict.verdict import Verdict

(VARIANT, *_) = Recipe(SCHEME).variants("tflite")


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Return the executor of all tests here: its worker starts once."""
    made = Watched(tmp_path_factory.mktemp("home"))
    with made.executor:
        yield made


@pytest.fixture
def bench(tmp_path, monkeypatch, watched):
    """Return a model with 40 samples."""
    return Bench(tmp_path, monkeypatch, watched)


@pytest.fixture
def trial(bench):
    """Return a maker of trials among candidates with these errors; an exception is one that could not be made."""

    def make(*errors, limit=20.0, **told):
        on, candidates = bench.target(*bounds(limit)), []
        for place, error in enumerate(errors):
            if isinstance(error, EdgeToolkitError):
                made = bench.failed(f"make {place}", error)
            else:
                made = bench.converted(bench.file(f"{place}", error=error, **told))
            run = bench.model.run(bench.model.conversions.file(made, "fake"), kernels_of(on))
            candidates.append(Candidate(VARIANT, made, run, bench.model.run_floats("fake")))
        return Trial(bench.model, on, None, tuple(candidates))

    return make


def attempted(bench, *trials):
    return attempts_of(bench.model, trials, bench.executor, time.monotonic())


def test_the_best_candidate_is_judged_and_the_verdict_tells_of_all(bench, trial):
    (verdict,) = attempted(bench, trial(0.5, 0.01))

    assert isinstance(verdict, Verdict)
    assert verdict.outcome == "passed"
    assert [row["chosen"] for row in verdict.candidates] == [False, True]
    assert not verdict.given
    assert verdict.seconds >= 0.0


def test_each_trial_has_its_attempt_in_order(bench, trial):
    """One that could not be made keeps nobody else from a verdict."""
    unmade, broken, sound = trial(Unconvertible("no kernel")), trial(3.0), trial(0.01)

    first, second, third = attempted(bench, unmade, broken, sound)

    assert isinstance(first, Unconvertible)
    assert (second.outcome, second.guilty_stage) == ("failed", "quantization")
    assert third.outcome == "passed"


def test_an_artifact_that_was_there_is_judged_as_somebodys(bench):
    """It was not chosen, and nobody here made it."""
    artifact = bench.artifact(bench.converted(bench.file("theirs", error=0.01)))

    (verdict,) = attempted(bench, Trial(bench.model, bench.target(*bounds()), artifact, no_own="nobody asked"))

    assert verdict.outcome == "passed"
    assert verdict.given
    assert verdict.candidates == ()
    assert [each.message for each in verdict.findings if each.code == "own-not-made"] == [
        "what is achievable is not known, because the toolkit's own artifact of this scheme was not made: nobody asked"
    ]


def test_without_the_original_there_is_no_verdict(bench, trial):
    """Whatever the artifact gives."""
    bench.model.reference = bench.failed("the original", WorkerRefused("the original: no"))

    (attempt,) = attempted(bench, trial(0.01))

    assert isinstance(attempt, WorkerRefused)


def test_a_limit_says_at_which_stage_it_was_reached(bench, trial):
    """It is the model's, and the next scheme would reach it too."""
    bench.model.reference = bench.failed("the original", WorkerTimeout("the original: no answer in 900 s"))

    (attempt,) = attempted(bench, trial(0.01))

    assert isinstance(attempt, WorkerTimeout)
    assert "original" in attempt.problem


def test_an_operator_that_the_runtime_does_not_have_is_named(bench, trial):
    """By the runtime and the scheme, in place of a message of the engine's."""
    said = "Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'"

    (attempt,) = attempted(bench, trial(WorkerRefused(f"litert on model: {said}")))

    assert isinstance(attempt, Unconvertible)
    assert (
        attempt.problem == f"fake: fake 1 has no operator FULLY_CONNECTED version 12; {SCHEME} of this model needs it"
    )


def test_what_runs_before_a_choice_is_what_no_scheme_changes(bench, trial):
    """Of no use without a verdict, and the first to be done."""
    tried = trial(0.01)

    assert tried.scheme == SCHEME
    assert bench.model.reference in tried.jobs
    assert set(tried.goal.vital) >= {bench.model.samples, bench.model.canonical, bench.model.reference}
    assert [list(goal.jobs) for goal in tried.goals] == [tried.goal.jobs, [tried.candidates[0].run]]
