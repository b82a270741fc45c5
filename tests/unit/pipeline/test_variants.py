"""Which variant ships: the one that drifts least from the float artifact, of those that keep the scheme, on the fake runtime."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.unit.pipeline.fake_chains import SIGNATURE, Bench, Watched
from toolkit.conversion.artifacts import artifact_of
from toolkit.conversion.made_file import NOT_SMALLER
from toolkit.errors import InvalidSamples, Unconvertible, WorkerRefused, WorkerTimeout
from toolkit.execution.run import on_this_machine
from toolkit.findings import Finding
from toolkit.pipeline.variants import (
    WITHOUT_SET,
    Candidate,
    by_quantizer,
    choose,
    preferred,
    untried,
    untried_row,
    without_spoiled,
)
from toolkit.profiles.recipe import Recipe

VARIANTS = Recipe("static_wi8_ai8").variants("tflite")
FIRST = next(variant for variant in VARIANTS if not variant.fallback)
FALLBACK = next(variant for variant in VARIANTS if variant.fallback)
KEPT = "static_wi8_ai8"
USUAL, SCALED = Recipe("dynamic_wi8_afp32", quantizer="litert_quantizer").variants("tflite")


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
def candidate(bench):
    """Return a maker of candidates whose file errs by `error`, keeps a scheme, or could not be made."""

    def make(name, error=0.0, keeps=KEPT, variant=FIRST, fails=None, findings=(), **told):
        floats = bench.model.run_floats("fake")
        if fails is not None:
            made = bench.failed(f"make {name}", fails)
        else:
            made = bench.converted(
                bench.file(name, error=error, **told), keeps, findings=[each.to_json() for each in findings]
            )
        run = bench.model.run(bench.model.conversions.file(made, "fake"), on_this_machine("fake"))
        return Candidate(variant, made, run, floats)

    return make


def test_the_variant_with_the_least_noise_is_taken_and_all_are_told(bench, candidate):
    """In the order in which they were tried, with the noise and the size of each."""
    among = [candidate("far", 0.5), candidate("near", 0.01), candidate("middle", 0.1)]

    chosen = choose(among, bench.executor)

    assert chosen.candidate is among[1]
    assert chosen.artifact.path.read_bytes() == (bench.folder / "near.fake").read_bytes()
    assert [row["chosen"] for row in chosen.candidates] == [False, True, False]
    far, near, middle = (row["sqnr_db"] for row in chosen.candidates)
    assert far < middle < near
    assert middle - far == pytest.approx(20 * math.log10(5), abs=0.5)  # a fifth of the error


def test_of_equals_the_first_is_taken(bench, candidate):
    among = [candidate("one", 0.1), candidate("two", 0.1)]

    assert choose(among, bench.executor).candidate is among[0]


def test_one_that_came_out_as_another_scheme_is_taken_only_where_all_did(bench, candidate):
    """It has less noise for not being quantized."""
    another, quantized = candidate("another", 0.0, keeps="float32"), candidate("quantized", 0.1)

    assert choose([another, quantized], bench.executor).candidate is quantized
    assert choose([another], bench.executor).candidate is another


def test_one_that_is_no_smaller_than_the_float_artifact_is_taken_only_where_none_is(bench, candidate):
    """It drifts less, and ships what nobody asked to quantize for."""
    large = candidate(
        "large", 0.01, findings=[Finding(NOT_SMALLER, "warning", "the file has 9 bytes, the float artifact 8")]
    )
    small = candidate("small", 0.1)

    assert choose([large, small], bench.executor).candidate is small
    assert choose([large], bench.executor).candidate is large


def test_what_gives_nan_is_never_nearer_than_what_gives_numbers(bench, candidate):
    """NaN is the most noise there is."""
    broken, far = candidate("broken", do="nan"), candidate("far", 3.0)

    chosen = choose([broken, far], bench.executor)

    assert chosen.candidate is far
    assert chosen.candidates[0]["sqnr_db"] == -math.inf


def test_outputs_that_do_not_match_are_the_most_noise(bench, candidate):
    """A file whose signature names other outputs."""
    other = {**SIGNATURE, "outputs": [{"name": "z", "dtype": "float32", "shape": [1, 4]}]}
    odd, far = candidate("odd", signature=other), candidate("far", 3.0)

    assert choose([odd, far], bench.executor).candidate is far


def test_one_that_cannot_be_made_or_run_is_told_and_leaves_the_others(bench, candidate):
    """Its problem stands beside the numbers of the rest."""
    among = [
        candidate("unmade", fails=Unconvertible("no kernel")),
        candidate("unrun", do="raise"),
        candidate("sound", 0.1),
    ]

    chosen = choose(among, bench.executor)

    assert chosen.candidate is among[2]
    problems = [row["problem"] for row in chosen.candidates]
    assert problems[0] == "no kernel"
    assert "op FOO is not supported" in problems[1]
    assert problems[2] is None


def test_a_fallback_is_tried_where_none_of_the_others_can(bench, candidate):
    """And not before: it takes longest."""
    fallback = candidate("fallback", 0.2, variant=FALLBACK)

    assert preferred([fallback, candidate("sound", 0.3)])[0].variant is FIRST
    assert choose([fallback, candidate("sound", 0.3)], bench.executor).candidate.variant is FIRST
    assert choose([fallback, candidate("broken", do="raise")], bench.executor).candidate is fallback


def test_where_none_can_be_made_the_first_error_is_raised(bench, candidate):
    among = [candidate("one", fails=Unconvertible("first")), candidate("two", fails=Unconvertible("second"))]

    with pytest.raises(Unconvertible, match="first"):
        choose(among, bench.executor)


def test_a_limit_comes_before_all_other_errors(bench, candidate):
    """With more time the scheme might have passed."""
    among = [candidate("one", fails=WorkerRefused("first")), candidate("two", fails=WorkerTimeout("no answer in 1 s"))]

    with pytest.raises(WorkerTimeout):
        choose(among, bench.executor)


def test_candidates_of_one_quantizer_are_one_goal(candidate):
    """What one of them reaches a limit at, with other ranges, the others would as well."""
    among = [candidate("one"), candidate("two"), candidate("three", variant=FALLBACK)]

    groups = by_quantizer(among)

    assert [len(goal.within_limits) for goal in groups] == [4, 2]
    assert list(groups[0].jobs) == [one.run for one in among[:2]]
    assert list(groups[1].within_limits) == [among[2].made, among[2].run]


def test_one_that_needs_something_else_of_the_calibration_set_is_a_goal_of_its_own(candidate):
    """If it takes too long to measure moments, the variant that needs none is not lost."""
    among = [candidate("usual", variant=USUAL), candidate("scaled", variant=SCALED)]

    assert [list(goal.jobs) for goal in by_quantizer(among)] == [[one.run] for one in among]


def test_without_a_calibration_set_what_needs_moments_is_not_tried(bench):
    """And it is told; where it alone is asked for, nothing is left out."""
    recipe = Recipe("dynamic_wi8_afp32")

    assert bench.model.conversions.calibration is None
    assert untried(bench.model, recipe, "tflite") == [replace(SCALED, recipe=recipe)]
    assert untried(bench.model, replace(recipe, quantizer="litert_quantizer:oscar"), "tflite") == []
    row = untried_row(SCALED, WITHOUT_SET)
    assert (row["quantizer"], row["telling"], row["chosen"]) == ("litert_quantizer", "oscar", False)
    assert "calibration set" in str(row["problem"])


def linted(bench, severity):
    """Return the finished job that found something about the calibration set."""
    found = Finding("wrong-scale", severity, "the samples are 255 times too large", fix="divide them")
    return [bench.finished("lint", {"findings": [found.to_json()]})]


def test_a_calibration_set_with_errors_scales_no_weights(bench, candidate):
    """The usual variant remains, and the other is told with the reason."""
    usual, scaled = candidate("usual", variant=USUAL), candidate("scaled", variant=SCALED)

    left, rows = without_spoiled([usual, scaled], linted(bench, "error"), bench.executor)

    assert left == [usual]
    assert [row["telling"] for row in rows] == ["oscar"]
    assert "255 times too large" in str(rows[0]["problem"])
    assert without_spoiled([usual, scaled], linted(bench, "warning"), bench.executor) == ([usual, scaled], [])


def test_where_only_scaled_weights_are_asked_for_errors_of_the_set_are_raised(bench, candidate):
    with pytest.raises(InvalidSamples, match="255 times too large"):
        without_spoiled([candidate("scaled", variant=SCALED)], linted(bench, "error"), bench.executor)


def test_a_candidate_that_the_target_cannot_run_is_made_and_not_run(bench, candidate):
    """Another one ships, and the row of this one says why; where none is left, its refusal is the error."""
    among = [candidate("lacking", 0.001), candidate("able", 0.1)]
    sizes = {artifact_of(bench.entry(one.made), KEPT).size_bytes: one for one in among}

    def refuse(artifact):
        return Unconvertible("no such operator") if sizes[artifact.size_bytes] is among[0] else None

    chosen = choose(among, bench.executor, refuse)

    assert chosen.candidate is among[1]
    assert [row["problem"] for row in chosen.candidates] == ["no such operator", None]
    assert among[0].run not in bench.executor._graph.known
    with pytest.raises(Unconvertible, match="no such operator"):
        choose(among[:1], bench.executor, refuse)
