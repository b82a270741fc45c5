"""What ran once is judged again: two saved runs, and the runs of a bundle, against bounds of any kind."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from tests.unit.regression.bundles_by_hand import change_report, measured, seal
from toolkit.comparison import saved_runs
from toolkit.comparison.bounds import Bound
from toolkit.comparison.compare import Context
from toolkit.comparison.scored_task import Task, own_json
from toolkit.errors import RequestError, UnjudgeableRun
from toolkit.regression.rejudge import rejudge
from toolkit.regression.run_comparison import compare_runs
from toolkit.report.screen import Screen
from toolkit.wire import labels
from toolkit.wire.shards import ShardWriter

COUNT = 20
SCORES = np.random.default_rng(0).normal(size=(COUNT, 1, 4)).astype(np.float32)
SIGNATURE = {"key": "", "inputs": [], "outputs": [{"name": "scores", "dtype": "float32", "shape": [1, 4]}]}
REPORT = {
    "schema": 1,
    "target": "board",
    "verdict": "failed",
    "source": {"sha256": "a" * 64},
    "artifact": {
        "path": "model.tflite",
        "sha256": "b" * 64,
        "size_bytes": 8,
        "scheme": "dynamic_wi8_afp32",
        "signature": SIGNATURE,
    },
    "samples": {"verification": COUNT},
    "comparisons": [],
    "tasks": [],
    "tools": {},
    "findings": [{"severity": "warning", "code": "outputs", "message": "a warning"}],
    "budget": {"file_bytes": {"spent": 8, "limit": 8, "passed": True}},
    "noise": {"repeat": {"scores": 0.02}, "batch": {"scores": 0.04}},
    "runs": {"original": {"samples": COUNT}, "conversion": {"samples": COUNT}, "device": {"samples": COUNT}},
    "stopped_early": False,
}


def bound(metric="max_abs", limit=0.1, stage="total", unit="real", **more):
    return Bound(stage=stage, output="*", metric=metric, limit=limit, unit=unit, because="b", **more)


def save(path, scores, stage="device", first=0):
    """Write a run of the samples from `first` on."""
    folder = path.with_suffix(".shards")
    with ShardWriter(folder) as writer:
        for row in scores:
            writer.add({"scores": row})
    hashes = [f"{number:064x}"[::-1] for number in range(first, first + len(scores))]
    saved_runs.write(path, folder, {"stage": stage, "signature": SIGNATURE}, hashes)
    return path


@pytest.fixture
def pair(tmp_path):
    """Return two runs that are 0.25 apart."""
    candidate = save(tmp_path / "candidate.safetensors", SCORES + np.float32(0.25))
    return save(tmp_path / "reference.safetensors", SCORES, "original"), candidate


def test_two_runs_are_measured_and_told(pair):
    """In JSON and for a terminal, in which each metric is a line; without bounds nothing is judged."""
    compared = compare_runs(*pair, also=["topk_agreement:k=2"])

    told, document = compared.text().splitlines(), compared.to_json()
    of_range = f"{0.25 / (float(SCORES.max()) - float(SCORES.min())):.4g}"
    assert told[0] == f"{pair[0]} against {pair[1]}, 20 samples"
    assert next(line for line in told if "max_abs" in line).split()[:4] == ["scores", "max_abs", "0.25,", of_range]
    assert "  worst sample " in next(line for line in told if "max_abs" in line)
    assert " dB " in next(line for line in told if "sqnr_db" in line)
    assert next(line for line in told if "topk_agreement:k=2" in line).endswith(" 1")
    assert document["comparisons"] is None
    assert (document["reference"], document["candidate"]) == (str(pair[0]), str(pair[1]))
    assert (document["samples"], document["passed"], document["mismatches"], document["findings"]) == (20, None, {}, [])
    assert {each["metric"] for each in document["measurements"]} >= {"max_abs", "topk_agreement:k=2"}
    json.dumps(document, allow_nan=False)


def test_a_run_that_lacks_an_output_does_not_pass_and_says_so(pair, tmp_path):
    """Neither without bounds nor with them, which the other output keeps."""
    np.savez(tmp_path / "two.npz", scores=SCORES, more=SCORES)

    for bounds in ((), (bound(),)):
        compared = compare_runs(tmp_path / "two.npz", pair[0], bounds)

        assert not compared.passed
        assert compared.to_json()["mismatches"] == {
            "more": f"missing in the original ({pair[0]}) run, which has ['scores']"
        }
        assert any("'more': missing" in line for line in compared.text().splitlines())


@pytest.mark.parametrize(("limit", "passed"), [(0.3, True), (0.2, False)])
def test_bounds_of_a_stage_and_a_scheme_are_held(pair, limit, passed):
    """Those of other stages and schemes say nothing, and the last line is the comparison."""
    bounds = (
        bound(limit=limit),
        bound(limit=1e-6, stage="device"),
        bound(limit=1e-6, schemes=("float32",)),
        bound("topk_agreement:k=2", 0.1, unit="fraction"),
    )

    compared = compare_runs(*pair, bounds, context=Context("dynamic_wi8_afp32"))

    assert compared.passed == compared.to_json()["passed"] == passed
    assert [(each["metric"], each["passed"]) for each in compared.to_json()["comparisons"]] == [
        ("max_abs", passed),
        ("topk_agreement:k=2", True),
    ]
    assert ("FAIL" in compared.text().splitlines()[-2]) is not passed
    assert not compare_runs(*pair, bounds, stage="device").passed


def test_the_bounds_of_a_scheme_go_before_those_of_all(pair):
    bounds = [bound(limit=1), bound(limit=0.2, schemes=("dynamic_wi8_afp32",))]

    assert not compare_runs(*pair, bounds, context=Context("dynamic_wi8_afp32")).passed
    assert compare_runs(*pair, bounds, context=Context("float32")).passed


def test_bounds_that_say_nothing_of_a_stage_are_no_pass(pair):
    """There is no evidence that anything was kept."""
    assert not compare_runs(*pair, [bound()], stage="kernels").passed


@pytest.mark.parametrize(
    ("more", "context", "says"),
    [
        (
            {"schemes": ("dynamic_wi8_afp32", "float16")},
            Context(),
            r"for schemes \(dynamic_wi8_afp32, float16\): give the artifact's with --scheme",
        ),
        (
            {"kinds": ("class_scores",)},
            Context("float16"),
            r"give this one's with --output-kind scores=KIND \(class_scores\)",
        ),
    ],
)
def test_bounds_that_may_be_for_these_runs_are_not_left_out_in_silence(pair, more, context, says):
    """What is left would look like a verdict by all of them."""
    bounds = [bound(limit=1), bound("sqnr_db", 90, unit="db", **more)]

    with pytest.raises(RequestError, match=says):
        compare_runs(*pair, bounds, context=context)

    told = Context("float16", kinds={"scores": "class_scores"})
    assert compare_runs(*pair, bounds, context=told).passed is False
    assert compare_runs(*pair, bounds[:1], context=context).passed is True


def test_a_candidate_that_ended_early_does_not_pass(pair, tmp_path):
    """A runtime that died leaves the first samples, and these may be right; a stage that is spared samples is another matter."""
    fewer, bounds = save(tmp_path / "fewer.safetensors", SCORES[:6]), [bound(), bound(stage="quantization")]

    total, part = (compare_runs(pair[0], fewer, bounds, stage=stage) for stage in ("total", "quantization"))

    assert (total.passed, total.to_json()["lacking"], part.passed, part.lacking) == (False, 14, True, 0)
    assert total.text().splitlines()[-1].startswith("  NOT PASSED: 14 of the reference's samples are missing")
    assert compare_runs(fewer, pair[0], bounds).passed is True


def test_a_reference_of_fewer_samples_decides_how_many_are_compared(pair, tmp_path):
    fewer = save(tmp_path / "fewer.safetensors", SCORES[:6])

    assert compare_runs(fewer, pair[1]).measured.samples == compare_runs(pair[1], fewer).measured.samples == 6


@pytest.fixture
def bundled(tmp_path):
    """Return a maker of bundles: each stage 0.05 from the one before, what is given replaces the report's or the runs'."""

    def make(truth=None, own=None, runs=None, **said):
        bundle = tmp_path / "bundle"
        (bundle / "runs").mkdir(parents=True)
        stages = {stage: SCORES + np.float32(0.05 * number) for number, stage in enumerate(REPORT["runs"])}
        for stage, scores in (stages | (runs or {})).items():
            save(bundle / "runs" / f"{stage}.safetensors", scores, stage)
        if truth is not None:
            (bundle / "runs" / "labels.safetensors").write_bytes(labels.packed({labels.UNNAMED: truth}))
        if own is not None:
            (bundle / "runs" / "tasks.json").write_text(json.dumps(own_json([own])))
        report = (
            REPORT
            | {"runs": {name: {"samples": len(scores)} for name, scores in (stages | (runs or {})).items()}}
            | said
        )
        report["findings"] = [{"code": "c", **finding} for finding in report["findings"]]
        report = {"stages": measured(bundle, report["runs"])} | report
        (bundle / "report.json").write_text(json.dumps(report), "utf-8")
        return seal(bundle)

    return make


@pytest.fixture
def bounds(tmp_path):
    """Return a maker of files of bounds, from (stage, metric, limit, what else)."""

    def make(*each):
        path = tmp_path / "bounds.toml"
        path.write_text(
            "\n".join(
                f'[[bounds]]\nstage = "{stage}"\noutput = "*"\nmetric = "{metric}"\nlimit = {limit}\nbecause = "b"\n{more}'
                for stage, metric, limit, more in each
            )
        )
        return path

    return make


REAL = 'unit = "real"\n'


def test_a_bundle_that_keeps_other_bounds_passes(bundled, bounds):
    """Whatever it was judged by when it was built; JSON and text say both."""
    bundle, file = bundled(target="bord-é"), bounds(("total", "max_abs", 0.11, REAL), ("device", "max_abs", 0.06, REAL))

    found = rejudge(bundle, file)

    document, told = found.to_json(), found.text().splitlines()
    assert {key: document[key] for key in document if key != "comparisons"} == {
        "bundle": str(bundle),
        "bounds": str(file),
        "target": "bord-é",
        "verdict": "passed",
        "was": "failed",
        "guilty_stage": None,
        "switched_off": [],
        "of_the_report": ["findings", "noise", "output_kinds"],
    }
    assert [(each["stage"], round(each["value"], 4)) for each in document["comparisons"]] == [
        ("device", 0.05),
        ("total", 0.1),
    ]
    assert told[0] == f"{f'bord-é   {bundle}   by {file}':<96}PASSED"
    why = "measured again and judged by these bounds; findings and repeatability are from its report"
    assert told[1] == f"  the build said NOT PASSED; {why}"
    assert [line.split()[0] for line in told[2:]] == ["device", "total"]
    assert found.text(Screen(80)).splitlines()[1] == "  PASSED"
    near = dataclasses.replace(found, bundle=Path("a"), bounds=Path("b"))
    assert near.text().splitlines()[0].index("PASSED") == 96


def test_bounds_of_kinds_need_a_bundle_that_says_what_its_outputs_are(bundled, bounds):
    """Bundles of older releases do not: what is for kinds would be left out, and the rest look like a verdict by all."""
    file = bounds(("total", "max_abs", 0.11, REAL), ("total", "sqnr_db", 90, 'kinds = ["class_scores"]\n'))

    with pytest.raises(
        RequestError, match=r"does not say what its outputs are \(scores\), and .* has bounds for kinds of outputs"
    ):
        rejudge(bundled(), file)


@pytest.mark.parametrize(("limit", "outcome"), [(200, "failed"), (-40, "passed")])
def test_a_profiles_own_bound_decides_over_what_it_extends(bundled, tmp_path, limit, outcome):
    """As in a build: the base names the bundle's scheme, and one's own bound names none."""
    profile = tmp_path / "mine.toml"
    loose = "".join(
        f'[[bounds]]\nstage = "{stage}"\noutput = "*"\nmetric = "{metric}"\noff = true\nbecause = "b"\n'
        for stage in ("conversion", "quantization", "kernels", "device", "total")
        for metric in ("max_abs", "sqnr_db", "top1_agreement")
        if (stage, metric) != ("total", "sqnr_db")
    )
    own = f'[[bounds]]\nstage = "total"\noutput = "*"\nmetric = "sqnr_db"\nlimit = {limit}\nbecause = "mine"\n'
    profile.write_text('name = "mine"\nabout = "m"\nextends = "host"\n' + loose + own)

    kinds = {"scores": {"kind": "real_values", "reason": "r", "by": "graph", "parts": []}}
    found = rejudge(bundled(output_kinds=kinds), profile)

    assert [(each.metric, each.limit) for each in found.judged.total.comparisons if each.metric == "sqnr_db"] == [
        ("sqnr_db", limit)
    ]
    assert found.judged.outcome == outcome


def test_what_bounds_switch_off_is_said(bundled, bounds):
    """Whoever reads that it passed sees what was not asked."""
    bundle, file = bundled(), bounds(("total", "max_abs", 9, REAL))
    file.write_text(
        file.read_text()
        + '[[bounds]]\nstage = "total"\noutput = "*"\nmetric = "rmse"\noff = true\nbecause = "why not"\n'
    )

    found = rejudge(bundle, file)

    said = "not judged: total * rmse is switched off by bounds.toml bounds[1]: why not"
    assert found.to_json()["switched_off"] == [said]
    assert f"  {said}" in found.text().splitlines()


def test_the_stage_that_broke_its_bound_is_named(bundled, bounds):
    found = rejudge(bundled(), bounds(("conversion", "max_abs", 0.04, REAL), ("total", "max_abs", 0.2, REAL)))

    assert (found.outcome, found.to_json()["guilty_stage"]) == ("failed", "conversion")
    assert found.text().splitlines()[0].endswith("NOT PASSED")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"findings": [{"severity": "error", "message": "scales are NaN"}]}, "  error: scales are NaN"),
        ({"budget": {"file_bytes": {"spent": 8, "limit": 7, "passed": False}}}, "  file_bytes 8 <= 7  FAIL"),
    ],
)
def test_what_the_build_found_else_goes_on_counting(bundled, bounds, said, line):
    """Bounds that are kept mend no file that is too large."""
    found = rejudge(bundled(**said), bounds(("total", "max_abs", 0.2, REAL)))

    assert found.outcome == "failed"
    assert found.text().splitlines()[-1] == line
    assert len(found.text().splitlines()) == 4


@pytest.mark.parametrize(("limit", "outcome"), [(0.2, "inconclusive"), (1e-6, "failed")])
def test_samples_that_showed_nothing_show_nothing_to_other_bounds(bundled, bounds, limit, outcome):
    said = {"findings": [{"severity": "inconclusive", "message": "all samples are of class 3"}]}

    found = rejudge(bundled(**said), bounds(("total", "max_abs", limit, REAL)))

    assert found.outcome == outcome
    assert "  inconclusive: all samples are of class 3" in found.text().splitlines()


@pytest.mark.parametrize(
    ("truth", "score", "said"),
    [
        (SCORES[:, 0].argmax(axis=1), 1.0, None),
        (None, 1.0, "has scores by top_k_accuracy, but the bundle has nothing to score by"),
        (SCORES[:, 0].argmax(axis=1), 0.9, "top_k_accuracy of original is 0.9 there, and 1 of its runs"),
    ],
)
def test_what_the_build_scored_is_held_to_bounds_that_ask_for_nothing(bundled, bounds, truth, score, said):
    """By the labels of the build: where these are gone, or are others, it is no bundle of one build."""
    silent = ("total", "top_k_accuracy", 0.02, 'undecided = "passed"\n')
    task = {"metric": "top_k_accuracy", "better": "higher", "scores": {"original": score}}
    bundle, file = bundled(truth=truth, tasks=[task]), bounds(("total", "max_abs", 0.2, REAL), silent)

    if said is None:
        assert [each.metric for each in rejudge(bundle, file).judged.drops] == ["top_k_accuracy"]
    else:
        with pytest.raises(RequestError, match=said):
            rejudge(bundle, file)


@pytest.mark.parametrize(("limit", "outcome"), [(2.6, "passed"), (2.4, "failed")])
def test_a_limit_in_noise_is_of_the_most_that_the_build_measured(bundled, bounds, limit, outcome):
    """0.1 is 2.5 times 0.04."""
    assert rejudge(bundled(), bounds(("total", "max_abs", limit, 'unit = "noise"\n'))).outcome == outcome


def test_bounds_of_the_bundles_scheme_alone_are_held(bundled, bounds):
    for_others = ("total", "max_abs", 1e-6, REAL + 'schemes = ["float32"]\n')

    for_it = 'schemes = ["dynamic_wi8_afp32"]\n'
    bundle = bundled(truth=SCORES[:, 0].argmax(axis=1))

    assert rejudge(bundle, bounds(("total", "max_abs", 0.2, REAL), for_others)).outcome == "passed"
    assert rejudge(bundle, bounds(("total", "max_abs", 0.01, REAL + for_it))).outcome == "failed"
    drops = rejudge(
        bundle, bounds(("total", "max_abs", 1, REAL), ("total", "top_k_accuracy", 0.3, for_it))
    ).judged.drops
    assert [each.metric for each in drops] == ["top_k_accuracy"]


def test_a_device_that_stopped_early_is_judged_by_intervals_that_hold_at_any_time(bundled, bounds):
    """It may then hold the first samples only, which otherwise is an error."""
    runs = {"device": SCORES[:12] + np.float32(0.1)}
    file = bounds(("total", "top1_agreement", 0.5, ""))
    bundle = bundled(runs=runs, stopped_early=True)

    (rate,) = rejudge(bundle, file).judged.comparisons
    change_report(bundle, lambda report: report.update(stopped_early=False))

    assert (rate.samples, rate.value, rate.status) == (12, 1.0, "passed")
    # Where the mixture, 1/13, is twenty times as likely.
    assert rate.interval[0] == pytest.approx((0.05 / 13) ** (1 / 12))
    with pytest.raises(UnjudgeableRun, match=r"20 samples in conversion .* 12 in device"):
        rejudge(bundle, file)


def test_drops_are_scored_again_by_the_labels_of_the_build(bundled, bounds):
    """A task metric against its labels, and what a function of the user's said, which is not called again."""
    wrong = SCORES.copy()
    wrong[:15] = -wrong[:15]
    rows = {"original": (1.0,) * COUNT, "conversion": (1.0,) * COUNT, "device": (0.0,) * COUNT}
    scores = {stage: each[0] for stage, each in rows.items()}
    drops = [("total", "top_k_accuracy", 0.3, ""), ("total", "mine:score", 0.3, "")]
    bundle = bundled(
        truth=SCORES[:, 0].argmax(axis=1), own=Task("mine:score", "higher", scores, rows), runs={"device": wrong}
    )

    found = rejudge(bundle, bounds(("total", "max_abs", 100, REAL), *drops))

    assert found.outcome == "failed"
    assert [(each.metric, each.value, each.stage) for each in found.judged.drops] == [
        ("top_k_accuracy", 0.75, "total"),
        ("mine:score", 1.0, "total"),
    ]


def test_drops_without_labels_and_labels_that_are_none_are_refused(bundled, bounds):
    bundle, file = bundled(), bounds(("total", "max_abs", 100, REAL), ("total", "top_k_accuracy", 0.3, ""))

    with pytest.raises(UnjudgeableRun, match="no labels"):
        rejudge(bundle, file)
    (bundle / "runs" / "labels.safetensors").write_bytes(b"no labels")
    seal(bundle)
    with pytest.raises(
        RequestError, match=r"labels\.safetensors: cannot be read .*; expected labels that a build wrote"
    ):
        rejudge(bundle, file)


def test_a_run_under_another_stages_name_is_refused(bundled, bounds):
    bundle = bundled()
    save(bundle / "runs" / "device.safetensors", SCORES, "kernels")
    seal(bundle)

    with pytest.raises(
        RequestError, match=r"device\.safetensors: is a run of the stage kernels; expected one of device"
    ):
        rejudge(bundle, bounds(("total", "max_abs", 1, REAL)))


@pytest.mark.parametrize("stage", ["original", "conversion", "device"])
def test_a_run_of_other_samples_is_refused(bundled, bounds, stage):
    bundle = bundled()
    save(bundle / "runs" / f"{stage}.safetensors", SCORES, stage, first=1)
    seal(bundle)

    with pytest.raises(RequestError, match="different samples"):
        rejudge(bundle, bounds(("total", "max_abs", 1, REAL)))


def test_a_report_of_two_runs_is_judged_and_one_of_one_is_refused(bundled, bounds):
    """There is nothing to hold the original against; every key that lacks is named."""
    bundle, file = bundled(runs={"device": SCORES}), bounds(("total", "max_abs", 1, REAL))
    two = {name: {"samples": COUNT} for name in ("original", "conversion")}

    change_report(bundle, lambda report: report.update(runs=two, stages=report["stages"][:1]))
    assert rejudge(bundle, file).outcome == "passed"

    change_report(bundle, lambda report: report.update(runs={"original": two["original"]}))
    with pytest.raises(RequestError, match=r"report\.json: runs: .* expected at least two runs"):
        rejudge(bundle, file)
    change_report(bundle, lambda report: [report.pop(key) for key in ("noise", "budget")])
    with pytest.raises(RequestError, match=r"noise: missing(.|\n)*budget: missing"):
        rejudge(bundle, file)


@pytest.mark.parametrize("stage", ["conversion", "device"])
def test_runs_that_were_replaced_by_the_originals_are_not_what_the_report_is_on(bundled, bounds, stage):
    """Also where the bundle's list was written anew: what is measured of them is not what the build measured."""
    bundle, file = bundled(), bounds(("total", "max_abs", 1, REAL))
    save(bundle / "runs" / f"{stage}.safetensors", SCORES, stage)

    with pytest.raises(RequestError, match=r"is not the file that the build wrote"):
        rejudge(bundle, file)
    seal(bundle)
    with pytest.raises(RequestError, match=r"the report is not about the runs beside it"):
        rejudge(bundle, file)


@pytest.mark.parametrize("others", [{}, {"y": np.zeros((0, 3))}, {"y": np.zeros((4, 3))}])
def test_a_number_by_itself_is_no_output(tmp_path, others):
    """An array without an axis for the samples."""
    np.savez(tmp_path / "run.npz", a=3.0, **others)

    with pytest.raises(RequestError, match=r"run\.npz"):
        compare_runs(tmp_path / "run.npz", tmp_path / "run.npz")
