"""Drift by layer on the real runtime, held against arithmetic done here and against runs of the whole files; plots by the real library."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from toolkit import launchers
from toolkit.conversion.artifacts import Conversions
from toolkit.diagnosis.layer_drift import Drift, Layer, drift_of, layers_job, plot_job, write
from toolkit.errors import RequestError
from toolkit.execution.run import Execution, run_job, run_of
from toolkit.jobs.job import Engine, Job, Output
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.profiles.recipe import KeepFloat, Recipe
from toolkit.samples import dataset
from toolkit.source import source
from toolkit.source.original import Original
from toolkit.wire.shards import read_all

HOST = Execution(Engine("litert"), "litert")
KNOWN_ANSWER = Path(launchers.__file__).parent / "emulation" / "known_answer" / "model.tflite"


@dataclass
class Bench:
    """The sample's network, as float and as int8 .tflite, and the samples that judge."""

    executor: LocalExecutor
    conversions: Conversions
    samples: Output

    @property
    def floats(self) -> Output:
        """The float artifact."""
        return self.conversions.file(self.conversions.floats("tflite"), "tflite")

    def quantized(self, *kept: str) -> Output:
        """Return the int8 artifact with some tensors kept in float."""
        recipe = replace(Recipe("static_wi8_ai8", quantizer="mlir"), keep_float=KeepFloat(kept))
        return self.conversions.file(self.conversions.artifact(recipe.variants("tflite")[0], "tflite"), "tflite")

    def drift(self, artifact: Path | Output) -> Drift:
        """Return an artifact's drift from the float one."""
        (entry,) = self.executor.run(layers_job(self.floats, artifact, self.samples))
        return drift_of(entry)

    def path(self, file: Output) -> Path:
        """Return where a job's file lies."""
        (entry,) = self.executor.run(file.job)
        return entry.out / file.name


@pytest.fixture(scope="module")
def bench(executor, sample, digits):
    opened = source.open_source(Original(sample), executor)
    drawn = dataset.samples_job(str(digits), None, opened.signature, must_calibrate=True)
    canonical = source.canonical_job(opened, drawn.output("verification"))
    conversions = Conversions(canonical.output("saved_model"), drawn.output("calibration"))
    return Bench(executor, conversions, drawn.output("verification"))


@pytest.fixture(scope="module")
def plain(bench):
    """Return the drift of the network with all of its layers int8."""
    return bench.drift(bench.quantized())


def of(drift: Drift, operator: str) -> Layer:
    return next(layer for layer in drift.layers if layer.operator == operator)


def test_every_layer_is_matched_and_measured(plain):
    assert plain.unmatched == {"model": [], "floats": []}
    assert all(layer.not_isolated is None and layer.cost is not None for layer in plain.layers)
    assert {layer.dtype for layer in plain.layers} == {"int8"}


def test_what_is_cumulative_at_the_last_layer_is_the_drift_of_the_whole_file(bench, plain):
    runs = bench.executor.run(*(run_job(file, bench.samples, HOST) for file in (bench.floats, bench.quantized())))
    (name,) = (spec.name for spec in run_of(runs[0]).signature.outputs)
    ours, theirs = (read_all(run_of(run).outputs, name).astype(np.float64) for run in runs)

    whole = 10 * np.log10(np.sum(ours**2) / np.sum((theirs - ours) ** 2))

    assert plain.layers[-1].cumulative.sqnr_db == pytest.approx(whole, abs=0.05)
    error = np.sum((theirs - ours) ** 2, axis=-1) / np.sum(ours**2, axis=-1)
    assert plain.layers[-1].cumulative.worst_sample == np.argmax(error.ravel())


def test_the_last_layer_costs_at_the_output_what_it_errs(plain):
    """Over the first samples only, so it is not the same number."""
    last = plain.layers[-1]

    assert last.cost_db == pytest.approx(last.isolated.sqnr_db, abs=1.5)


def test_errors_of_all_layers_add_up_to_the_whole(plain):
    """Each layer's noise at the output, independent of the others', adds up as powers; rounding of shared inputs counts twice, so roughly."""
    together = -10 * np.log10(sum(layer.cost for layer in plain.layers))

    assert together == pytest.approx(plain.layers[-1].cumulative.sqnr_db, abs=6)


def test_a_layer_alone_errs_by_rounding_only(plain):
    """An ADD reads two rounded tensors and rounds their sum: between one and three roundings' worth of error, whatever came before it."""
    add = of(plain, "ADD")

    assert 0.28 < add.isolated.rmse_per_scale < 0.6
    assert all(layer.isolated.sqnr_db >= layer.cumulative.sqnr_db - 0.5 for layer in plain.layers)


def test_a_layer_that_was_kept_in_float_has_no_error_of_its_own_and_the_others_keep_theirs(bench, plain):
    name = of(plain, "MEAN").float_tensor

    kept = bench.drift(bench.quantized(name))

    found = next(layer for layer in kept.layers if layer.float_tensor == name)
    assert found.dtype == "float32"
    assert found.isolated.sqnr_db > 100  # float kernels alone and in the whole may sum in another order
    assert kept.unmatched == {"model": [], "floats": []}
    assert name not in [layer.float_tensor for layer in kept.ranking()[:5]]
    first, same = plain.layers[0], kept.layers[0]
    assert same.isolated == first.isolated


def test_layers_whose_names_were_lost_are_matched_by_their_order(bench, plain, tmp_path):
    """As after a tool that renames tensors; the names in the file are replaced by others of the same length."""
    content = bench.path(bench.quantized()).read_bytes()
    lost = tmp_path / "renamed.tflite"
    lost.write_bytes(content.replace(b"digits_1/", b"renamed__"))

    renamed = bench.drift(lost)

    assert {layer.matched for layer in renamed.layers} == {"name", "order"}
    assert [layer.cumulative for layer in renamed.layers] == [layer.cumulative for layer in plain.layers]
    assert [layer.float_tensor for layer in renamed.layers] == [layer.float_tensor for layer in plain.layers]


def test_an_artifact_of_another_model_is_refused(bench):
    with pytest.raises(RequestError, match="no layer has a counterpart"):
        bench.drift(KNOWN_ANSWER)


def test_everything_is_written_for_people_and_programs(bench, plain, tmp_path):
    write(plain, tmp_path / "out", "digits", bench.executor)

    files = {path.name for path in (tmp_path / "out").iterdir()}
    wanted = {
        "layers.json",
        "layers.png",
        "layers.svg",
        "model_explorer_isolated.json",
        "model_explorer_cumulative.json",
    }
    assert files == wanted
    held = json.loads((tmp_path / "out" / "layers.json").read_text())
    assert held["ranking"] == [layer.tensor for layer in plain.ranking()]
    data = json.loads((tmp_path / "out" / "model_explorer_isolated.json").read_text())
    names = bench.path(bench.quantized()).read_bytes()
    assert all(name.encode() in names for name in data["results"])
    assert len(data["results"]) == len(plain.layers)


def test_a_plot_is_the_same_bytes_each_time_and_says_what_its_axes_are(bench, plain):
    job = plot_job(plain, "digits")
    again = replace(
        job, options={**job.options, "again": True}
    )  # the same drawing, and not the same job: it is drawn twice
    first, second = bench.executor.run(job, again)

    for suffix in ("png", "svg"):
        assert (first.out / f"plot.{suffix}").read_bytes() == (second.out / f"plot.{suffix}").read_bytes()
    assert (first.out / "plot.png").read_bytes().startswith(b"\x89PNG")
    said = text_of(first.out / "plot.svg")
    assert "SQNR against float (dB), higher is better" in said
    assert "digits" in said


def test_sizes_and_drifts_are_drawn_with_the_front_named(bench):
    points = [
        {"label": f"variant {i}", "group": "host", "x": 1000 * i, "y": 10.0 * i, "pareto": i < 3, "passed": i != 2}
        for i in range(1, 5)
    ]
    options = {"title": "sweep", "x": "size (bytes)", "y": "SQNR (dB)", "points": points}

    (drawn,) = bench.executor.run(Job("plot", "diagnosis.worker.plots", "scatter", Engine("plots"), options=options))

    said = text_of(drawn.out / "plot.svg")
    assert "variant 1" in said
    assert "variant 2" in said
    assert "variant 4" not in said
    assert "host, not passed" in said


def text_of(svg: Path) -> str:
    """Return what a plot says: matplotlib writes text as text, marked up by nothing else."""
    return html.unescape(" ".join(re.findall(r">([^<>]+)</text>", svg.read_text())))
