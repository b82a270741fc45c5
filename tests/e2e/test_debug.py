"""A network that plain int8 breaks, and what keeping layers in float does for it."""

from __future__ import annotations

import shlex
from dataclasses import replace

import numpy as np
import pytest

from toolkit import profiles
from toolkit.conversion.artifacts import Conversions
from toolkit.diagnosis.keep_float import Trying, suggest
from toolkit.diagnosis.layer_drift import drift_of, layers_job
from toolkit.execution.run import Execution, run_job, run_of
from toolkit.jobs.job import Engine
from toolkit.profiles.recipe import Estimator
from toolkit.samples import dataset
from toolkit.source import source
from toolkit.source.original import Original
from toolkit.wire.shards import read_all

HOST = Execution(Engine("litert"), "litert")


@pytest.fixture(scope="module")
def heavy_tails(made, executor):
    """Return the folder, the drift of the network's int8 artifact, and what is tried on it."""
    folder = made("make_heavy_tails.py")
    opened = source.open_source(Original(folder / "heavy_tails"), executor)
    drawn = dataset.samples_job(str(folder / "heavy_tails.npz"), None, opened.signature, must_calibrate=True)
    samples = drawn.output("verification")
    canonical = source.canonical_job(opened, samples).output("saved_model")
    conversions = Conversions(canonical, drawn.output("calibration"))
    profile = profiles.find("host")
    recipe = replace(profile.recipe("static_wi8_ai8"), estimators=(Estimator("min_max"),))
    artifact = conversions.file(conversions.artifact(recipe.variants("tflite")[0], "tflite"), "tflite")
    (entry,) = executor.run(layers_job(conversions.file(conversions.floats("tflite"), "tflite"), artifact, samples))
    return folder, drift_of(entry), Trying(conversions, recipe, samples, profile, HOST)


@pytest.fixture(scope="module")
def suggestion(heavy_tails, executor):
    _, drift, trying = heavy_tails
    return suggest(drift, trying, executor)


def test_the_network_is_right_in_float_and_wrong_in_int8(heavy_tails, suggestion, executor):
    """Or there would be nothing to recover."""
    _, _, trying = heavy_tails
    floats = trying.conversions.file(trying.conversions.floats("tflite"), "tflite")
    (entry,) = executor.run(run_job(floats, trying.samples, HOST))
    answers = read_all(run_of(entry).outputs, "probabilities").argmax(axis=-1)

    plain = suggestion.steps[0]

    assert len(answers) == 200
    assert set(np.unique(answers)) == set(range(8))
    assert plain.kept == ()
    assert plain.met is False
    assert plain.sqnr_db < 5
    assert plain.agreement < 0.5


def test_the_layers_that_break_it_are_named_before_all_others(heavy_tails):
    """Those of the first normalization: where levels still differ from token to token."""
    _, drift, _ = heavy_tails

    first = drift.ranking()[:8]
    places = [drift.layers.index(layer) for layer in first]

    assert max(places) < 10
    assert drift.ranking()[0].cost_db < 5


def test_few_layers_kept_in_float_recover_it(heavy_tails, suggestion):
    _, drift, _ = heavy_tails

    best = suggestion.best

    assert best.met is True
    assert best.sqnr_db > 15
    assert best.agreement > 0.97
    assert 0 < len(best.kept) <= 10
    assert len(best.kept) < len(drift.layers) / 3


def test_no_kept_layer_is_idle(suggestion):
    """With the bounds met, what is not needed for them is given back to int8."""
    enough = next(step for step in suggestion.steps if step.met)
    later = suggestion.steps[suggestion.steps.index(enough) + 1 :]

    assert all(step.met for step in later)
    assert all(set(step.kept) < set(enough.kept) for step in later)


def test_the_lines_that_it_prints_are_those_of_the_best_step(suggestion):
    text = suggestion.text()

    assert "[quantization.keep_float]" in text
    assert all(f"--keep-float {shlex.quote(pattern)}" in text for pattern in suggestion.to_json()["patterns"])


def test_other_schemes_are_rows_and_one_that_cannot_be_made_says_why(suggestion):
    rows = {step.scheme: step for step in suggestion.others}

    assert set(rows) == {"static_wi8_ai16", "dynamic_wi8_afp32", "float16"}
    assert rows["float16"].sqnr_db > 40
    for row in rows.values():
        assert (row.problem is None) == (row.sqnr_db is not None)


def test_a_step_that_fails_is_a_row(heavy_tails, executor):
    """Without a calibration set nothing static can be made."""
    _, drift, trying = heavy_tails
    uncalibrated = replace(trying, conversions=replace(trying.conversions, calibration=None), _runs={})

    found = suggest(drift, uncalibrated, executor)

    assert all("needs a calibration set" in step.problem for step in found.steps)
    assert found.best is None
