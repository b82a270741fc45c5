"""Latency of real artifacts on real engines: asked for on the command line, and judged by a profile."""

from __future__ import annotations

import json

import pytest

import toolkit
from toolkit import LatencyRequest, Original, Samples
from toolkit.execution import latency_rule
from toolkit.experiments.sweep import Asking, sweep
from toolkit.findings import Finding


@pytest.fixture
def quick(monkeypatch):
    """Let each process measure for a moment; all else stays as it is."""
    rule = latency_rule.rule_of()
    shorter = rule.model_copy(
        update={
            "warm_up": rule.warm_up.model_copy(update={"window_s": 0.01, "most_s": 0.1}),
            "timed": rule.timed.model_copy(update={"seconds": 0.02}),
        }
    )
    monkeypatch.setattr(latency_rule, "rule_of", lambda: shorter)


def budget(**limits):
    return "[budget]\n" + "".join(f"{name} = {limit}\n" for name, limit in limits.items())


@pytest.mark.parametrize(
    ("limits", "verdict", "codes"),
    [
        ({"latency_ms": 60_000.0, "peak_memory_bytes": 8_000_000_000}, "passed", set()),
        ({"peak_memory_bytes": 1_000_000}, "failed", set()),
        ({"latency_ms": 1e-9}, None, set()),
    ],
)
def test_budgets_of_a_profile_are_judged_without_being_asked(
    quick, models, vectors, profile, executor, tmp_path, limits, verdict, codes
):
    """By the engine's own calls: no call takes a minute or a picosecond, and no process has a megabyte."""
    board = profile("board", budget(**limits))
    samples = Samples(str(vectors))

    (found,) = toolkit.build(
        Original(models / "dense"), [str(board)], samples, tmp_path / "d", scheme="float32", executor=executor
    ).values()

    said = json.loads((tmp_path / "d" / "board" / "report.json").read_text())
    assert said["verdict"] == found.outcome
    assert found.outcome == verdict or (verdict is None and found.outcome in ("failed", "inconclusive"))
    assert (tmp_path / "d" / "board" / "model.tflite").is_file() == found.passed
    assert set(said["budget"]) == set(limits)
    latency = said["latency"]
    low, high = latency["interval_ms"]
    assert 0 < latency["min_ms"] <= low <= latency["median_ms"] <= high
    assert (len(latency["process_ms"]), latency["timed"], latency["threads"]) == (6, "invoke", 1)
    assert latency["engine"] == said["runs"]["kernels" if "kernels" in said["runs"] else "conversion"]["engine"]
    memory = latency["memory"]
    assert 0 < memory["before_bytes"] <= memory["loaded_bytes"] <= memory["peak_bytes"]
    assert codes <= {one["code"] for one in said["findings"]}


def test_what_cannot_be_measured_leaves_a_verdict_open(
    quick, models, vectors, profile, executor, tmp_path, monkeypatch
):
    """A budget that nobody judged is not kept; where nobody has a budget, it is a warning."""
    monkeypatch.setattr(
        "toolkit.execution.timing_jobs.times_of", lambda entry: (_ for _ in ()).throw(toolkit.OutsideError("gone"))
    )
    board = profile("board", budget(latency_ms=60_000.0))
    asked = {"scheme": "float32", "executor": executor, "timing": LatencyRequest(asked=True)}

    found = toolkit.build(
        Original(models / "dense"), [str(board), "host"], Samples(str(vectors)), tmp_path / "d", **asked
    )

    assert (found["board"].outcome, found["host"].outcome) == ("inconclusive", "passed")
    for outcome, severity in ((found["board"], "inconclusive"), (found["host"], "warning")):
        (finding,) = [each for each in outcome.findings if each.code == "latency-not-measured"]
        assert isinstance(finding, Finding)
        assert (finding.severity, "gone" in finding.message) == (severity, True)


@pytest.mark.slow
def test_run_measures_an_artifact_on_the_command_line(edge, models, vectors, executor, tmp_path):
    """With both engines' kinds of calls, and a sustained run; an emulated target is refused before anything runs."""
    made = {}
    for name in ("model.tflite", "model.onnx"):
        made[name] = tmp_path / name
        target = "host" if name.endswith("tflite") else "onnxruntime-host"
        toolkit.build(
            Original(models / "dense"),
            [target],
            Samples(str(vectors)),
            tmp_path / "d",
            scheme="float32",
            executor=executor,
        )
        made[name].write_bytes((tmp_path / "d" / target / name).read_bytes())
        ended = edge(
            "run",
            made[name],
            "-t",
            target,
            "--samples",
            vectors,
            "--out",
            tmp_path / "o.npz",
            "--sustained",
            "1",
            "--json",
        )
        assert ended.status == 0, ended.err
        latency = ended.document["latency"]
        assert latency["timed"] == ("invoke" if name.endswith("tflite") else "call")
        assert len(latency["sustained"]["parts_ms"]) == 10
        assert latency["sustained"]["seconds"] >= 1

    refused = edge(
        "run",
        made["model.tflite"],
        "-t",
        "raspberry-pi-4",
        "--samples",
        vectors,
        "--out",
        tmp_path / "p.npz",
        "--latency",
    )

    assert refused.status == 2
    assert "none of the targets is the device itself: raspberry-pi-4 is emulated" in refused.err
    assert not (tmp_path / "p.npz").exists()


def test_a_sweep_passes_nothing_whose_measured_budget_is_not_kept(quick, models, vectors, profile, executor):
    """No call takes a picosecond; a row without the measurement would be passed."""
    tight = profile("tight", budget(latency_ms=1e-9))
    asking = Asking(("float32",))

    (row,) = sweep(Original(models / "dense"), [str(tight)], Samples(str(vectors)), asking, executor=executor)

    assert row.verdict in ("failed", "inconclusive")
    assert row.latency_ms > 0
