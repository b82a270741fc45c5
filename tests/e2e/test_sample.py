"""The embedded sample, from SavedModel to bundle, on every target that comes with the package."""

from __future__ import annotations

import json

import numpy as np
import pytest

import toolkit
from tests.e2e.conftest import finished, sha256, stage
from toolkit import Original, Samples
from toolkit.files import manifest

ALWAYS = ("manifest.json", "report.json", "report.md", "runs")
EMULATED = {
    "raspberry-pi-3": ("cortex-a53", "tflite-runtime 2.14.0"),
    "raspberry-pi-4": ("cortex-a72", "tflite-runtime 2.14.0"),
    "raspberry-pi-5": ("cortex-a76", "tflite-runtime 2.14.0"),
    "android-arm64": ("cortex-a76", "ai-edge-litert 2.3.0"),
}
TARGETS = ("host", "linux-x86_64-tflite-runtime", *EMULATED)
UNREACHABLE = """
[[bounds]]
stage   = "total"
output  = "*"
metric  = "sqnr_db"
limit   = 200
because = "no int8 model comes near it"
schemes = ["static_wi8_ai8"]
"""
FEW = """
[reader]
kind   = "arrays"
path   = "{data}"
inputs = {{ image = "images" }}
labels = "labels"
[preprocess]
dtype  = "float32"
{more}
[sampling]
calibration  = {calibration}
verification = {verification}
"""


# What a build that has nothing to compute does without.
NOT_NEEDED = (
    "packaging",
    "rich",
    "toolkit.comparison.common_mistakes",
    "toolkit.conversion.onnx",
    "toolkit.conversion.tflite",
    "toolkit.diagnosis.find_operator",
    "toolkit.engines.onnx",
    "toolkit.engines.tflite.interpreter",
    "toolkit.engines.tflite.operators",
    "toolkit.engines.tflite.taps",
    "toolkit.jobs.job_folder",
    "toolkit.jobs.job_response",
    "toolkit.jobs.worker_process",
    "toolkit.launchers.emulation.processors",
    "toolkit.report.documents",
    "toolkit.samples.preparations",
    "toolkit.source.loading.builder",
    "toolkit.source.loading.functions",
    "toolkit.source.loading.graphs.endings",
    "toolkit.source.loading.keras_models.vetting",
    "toolkit.source.loading.variables.object_graph",
    "toolkit.verdict.attribution",
)


@pytest.fixture(scope="module")
def build(edge, sample, digits, tmp_path_factory):
    """Return a function that builds the sample, and the folder that it writes to."""
    out = tmp_path_factory.mktemp("dist")

    def run(*arguments, out=out, calibration=digits, command=edge, **where):
        return command("build", sample, "--calibration", calibration, "--out", out, *arguments, **where)

    return run, out


@pytest.fixture(scope="module")
def built(build, edge):
    """Return what one command for all targets left, which is a process as users start it, and its folder."""
    run, out = build
    targets = [argument for name in TARGETS for argument in ("--target", name)]
    return run(*targets, "--json", command=edge.process), out


@pytest.fixture
def few(recipe, digits):
    """Return a function that writes a recipe for some of the sample's images."""

    def write(name, calibration=100, verification=200, more=""):
        data = digits.parent / "digits.npz"
        return recipe(name, FEW.format(data=data, calibration=calibration, verification=verification, more=more))

    return write


def report_of(out, target):
    return json.loads((out / target / "report.json").read_text())


def test_every_target_passes(built):
    """One command, six targets: exit status 0, and each says passed."""
    ended, _ = built

    assert ended.status == 0, ended.err
    assert {name: report["verdict"] for name, report in ended.document["targets"].items()} == dict.fromkeys(
        TARGETS, "passed"
    )


def test_json_is_one_document_and_nothing_else_on_stdout(built):
    """What a script reads is stdout; what a person watches goes to stderr, and the engines' chatter nowhere."""
    ended, out = built

    assert ended.document["exit_status"] == 0
    assert "finished after" in ended.err
    assert "oneDNN" not in ended.err
    for name in TARGETS:
        assert ended.document["targets"][name] == report_of(out, name)


@pytest.mark.parametrize("target", TARGETS)
def test_a_bundle_holds_artifact_manifest_and_reports(built, target):
    """Nothing else, and nothing half-written beside it."""
    _, out = built

    assert {path.name for path in (out / target).iterdir()} == {
        "model.tflite",
        "manifest.json",
        "report.json",
        "report.md",
        "runs",
    }
    assert {path.name for path in out.iterdir()} == set(TARGETS)
    assert (out / target / "model.tflite").read_bytes()[4:8] == b"TFL3"


@pytest.mark.parametrize("target", TARGETS)
def test_a_manifest_tells_the_truth(built, target):
    """Every hash and size is that of the file; no file is left out but the manifest itself."""
    _, out = built
    folder = out / target
    manifest = json.loads((folder / "manifest.json").read_text())

    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(manifest["files"]) == files - {"manifest.json"}
    for name, said in manifest["files"].items():
        assert said == {"sha256": sha256(folder / name), "size_bytes": (folder / name).stat().st_size}
    assert manifest["artifact"] == "model.tflite"
    assert manifest["signature"]["inputs"][0]["name"] == "image"


@pytest.mark.parametrize("target", TARGETS)
def test_a_report_says_what_was_done_and_found(built, target):
    """The fields that others may rely on, with values that fit each other."""
    _, out = built
    report = report_of(out, target)

    assert report["schema"] == 1
    assert (report["target"], report["verdict"], report["guilty_stage"]) == (target, "passed", None)
    assert report["source"]["kind"] == "saved_model"
    assert len(report["source"]["sha256"]) == 64
    artifact = out / target / report["artifact"]["path"]
    assert report["artifact"]["sha256"] == sha256(artifact)
    assert report["artifact"]["size_bytes"] == artifact.stat().st_size
    assert report["artifact"]["scheme"] == "static_wi8_ai8"
    assert report["samples"] == {"calibration": 200, "verification": 500}
    assert report["tools"]["tensorflow"] == report["runs"]["original"]["engine"].split()[-1]
    assert report["seconds"]["total"] > 0
    assert report["budget"] == {}
    assert isinstance(report["findings"], list)


@pytest.mark.parametrize("target", TARGETS)
def test_every_comparison_shows_value_limit_and_reason(built, target):
    """A verdict can be checked by hand from its report."""
    _, out = built
    report = report_of(out, target)
    stages = ["source", "conversion", "quantization", "kernels", *(["device"] if target in EMULATED else []), "total"]

    assert list(dict.fromkeys(one["stage"] for one in report["comparisons"])) == stages
    for one in report["comparisons"]:
        assert one["passed"] is True
        assert one["because"]
        assert one["output"] == ("*" if one["unit"] == "drop" else "probabilities")
        assert one["samples"] == 500 or (
            one["stage"] == "source" and one["samples"] >= 64
        )  # each is the same operation there
        best = int(one["undecided"] == "passed")  # which fails only what is certain
        decides = one["value"] if one["interval"] is None else one["interval"][best]
        within = float(decides) <= one["limit"] if one["better"] == "lower" else float(decides) >= one["limit"]
        assert within


@pytest.mark.parametrize("target", TARGETS)
def test_each_stage_recognizes_the_digits(built, target):
    """The labels are an evidence of their own: whatever agrees with what, the digits are what they are."""
    _, out = built
    accuracy = report_of(out, target)["tasks"][0]["scores"]

    assert {"original", "quantization"} <= set(accuracy)
    assert all(value >= 0.98 for value in accuracy.values()), accuracy


@pytest.mark.parametrize("target", EMULATED)
def test_an_emulated_device_is_named(built, target):
    """Who reads the report knows that no board was there, and which processor was in its place."""
    _, out = built
    report = report_of(out, target)
    device = report["runs"]["device"]
    cpu, engine = EMULATED[target]

    assert device["machine"] == "aarch64"
    assert device["launcher"] == "qemu"
    assert device["emulator"].startswith("qemu ")
    assert (device["cpu"], device["engine"]) == (cpu, engine)
    assert device["samples"] == 500
    assert "qemu" in (out / target / "report.md").read_text()
    assert any("QEMU" in finding["message"] for finding in report["findings"])


def test_the_report_for_android_says_that_android_is_not_emulated(built):
    """Only the kernels were executed; a phone's drivers and its system were not."""
    _, out = built
    said = [finding["message"] for finding in report_of(out, "android-arm64")["findings"]]

    assert any("Android itself is not emulated" in message for message in said), said
    assert "Android itself is not emulated" in (out / "android-arm64" / "report.md").read_text()


def test_calibration_and_verification_share_no_sample(built, home):
    """By the hash of their content, in the folders that the converter and the runtimes read."""
    drawn = [folder / "out" for folder, _ in finished(home) if (folder / "out" / "verification").is_dir()]
    assert drawn

    for folder in drawn:
        sides = [
            set(json.loads((folder / side / "hashes.json").read_text()))
            for side in ("calibration", "verification")
            if (folder / side).is_dir()
        ]
        assert not set.intersection(*sides) or len(sides) == 1


def test_an_unchanged_build_runs_no_job_and_gives_the_same(built, build):
    """The artifact bit for bit, and the same numbers; only the seconds differ."""
    first, _ = built
    run, out = build
    before = sha256(out / "host" / "model.tflite")

    again = run("--target", "host", "--json")

    assert again.status == 0
    assert again.err == ""
    assert sha256(out / "host" / "model.tflite") == before
    ours, theirs = again.document["targets"]["host"], dict(first.document["targets"]["host"])
    assert ours.pop("seconds") != theirs.pop("seconds")
    assert ours == theirs


def test_an_unchanged_build_imports_only_what_it_needs(built, build):
    """Imports are most of its time: nothing of workers, of loading, of conversion, of failed verdicts."""
    run, _ = build

    again = run("--target", "host", variables={"PYTHONPROFILEIMPORTTIME": "1"})

    imported = {line.rpartition("|")[2].strip() for line in again.err.splitlines() if line.startswith("import time:")}
    assert "toolkit.verbs.build" in imported
    assert [name for name in NOT_NEEDED if any(one == name or one.startswith(f"{name}.") for one in imported)] == []
    assert [name for name in imported if name.startswith("toolkit.source.kinds._")] == []


def test_a_shipped_artifact_runs_by_itself(built, edge, digits, tmp_path):
    """`run` on the bundle's file gives scores by name, one row for each sample in the set's own order: they name the right digits."""
    _, out = built
    with np.load(digits.parent / "digits.npz") as data:
        images, labels = data["images"], data["labels"]
    np.savez(tmp_path / "images.npz", image=images.astype(np.float32), labels=labels)

    ended = edge(
        "run", out / "host" / "model.tflite", "--target", "linux-x86_64-tflite-runtime",
        "--samples", tmp_path / "images.npz", "--out", tmp_path / "scores.npz", "--json",
    )  # fmt: skip

    assert ended.status == 0, ended.err
    assert ended.document["engine"] == "tflite-runtime 2.14.0"
    with np.load(tmp_path / "scores.npz") as outputs:
        assert outputs.files == ["probabilities"]
        scores = outputs["probabilities"]
    assert scores.shape == (len(labels), 1, 10)
    assert np.mean(scores[:, 0].argmax(axis=1) == labels) > 0.97


def test_a_shipped_artifact_verifies_again(built, edge, sample, digits):
    """`verify` needs the artifact, its original and samples; the answer is that of the build."""
    _, out = built

    ended = edge(
        "verify", out / "host" / "model.tflite", "--source", sample, "--target", "host", "--eval", digits, "--json"
    )

    assert ended.status == 0, ended.err
    report = ended.document["targets"]["host"]
    assert report["verdict"] == "passed"
    assert report["artifact"]["scheme"] == "static_wi8_ai8"
    assert "calibration" not in report["samples"]


def test_calibrating_on_another_scale_stops_before_anything_is_converted(build, few, digits, tmp_path):
    """Images that were divided by 256 once too often are found by themselves, with what to write."""
    run, _ = build
    wrong = few("wrong", more="scale = 0.00390625")

    ended = run("--target", "host", "--eval", digits, out=tmp_path / "dist", calibration=wrong)

    assert ended.status == 2
    assert "[wrong-scale]" in ended.err or "[double-normalization]" in ended.err
    assert not (tmp_path / "dist" / "host").exists()


def test_calibrating_on_another_scale_that_is_accepted_is_the_quantizations_fault(build, few, digits, tmp_path):
    """The float model is right, the int8 one is not, and it is not shipped: the linter is no part of the verdict."""
    run, _ = build
    wrong = few("wrong", more="scale = 0.00390625")
    (tmp_path / "limits.toml").write_text(
        "".join(
            f'[[accepted]]\ncode = "{code}"\nbecause = "of a test"\n'
            for code in ("wrong-scale", "double-normalization")
        )
    )

    ended = run(
        "--target", "host", "--scheme", "static_wi8_ai8", "--eval", digits, "--limits", tmp_path / "limits.toml",
        out=tmp_path / "dist", calibration=wrong,
    )  # fmt: skip

    assert ended.status == 1
    assert "NOT PASSED" in ended.out
    assert "<- guilty" in next(line for line in ended.out.splitlines() if line.strip().startswith("quantization"))
    folder = tmp_path / "dist" / "host"
    assert {path.name for path in folder.iterdir()} == {*ALWAYS, "rejected", "attribution"}
    assert "quantization: ai-edge-litert" in ended.out
    assert [path.name for path in (folder / "rejected").iterdir()] == ["model.tflite"]
    report = report_of(tmp_path / "dist", "host")
    assert (report["verdict"], report["guilty_stage"]) == ("failed", "quantization")
    assert stage(report, "conversion", "max_abs")["passed"]
    assert report["artifact"]["path"] == "rejected/model.tflite"
    assert sha256(folder / "rejected" / "model.tflite") == report["artifact"]["sha256"]


def hashes(folder):
    """Return the hash of every file under a folder."""
    return {path.relative_to(folder): sha256(path) for path in folder.rglob("*") if path.is_file()}


def test_a_failed_build_keeps_the_bundle_that_passed_before(build, profile, tmp_path):
    """It moves to previous/, also over a second failure; who ships from the folder finds no artifact that was not passed."""
    run, _ = build
    board, out = tmp_path / "board.toml", tmp_path / "dist"
    profile("board", "")
    assert run("--target", board, "--scheme", "static_wi8_ai8", out=out).status == 0
    passed = hashes(out / "board")
    profile("board", UNREACHABLE)

    for _ in range(2):
        ended = run("--target", board, "--scheme", "static_wi8_ai8", out=out)

        assert ended.status == 1
        assert {path.name for path in (out / "board").iterdir()} == {
            *ALWAYS,
            "rejected",
            "previous",
            "attribution",
        }
        assert hashes(out / "board" / "previous") == passed

    profile("board", "")
    assert run("--target", board, "--scheme", "static_wi8_ai8", out=out).status == 0
    assert "previous" not in {path.name for path in (out / "board").iterdir()}


def test_a_bound_that_cannot_be_met_names_value_limit_and_stage(build, profile, tmp_path):
    """Five lines of a user's own are enough for a profile, and its bound is what decides."""
    run, _ = build

    ended = run(
        "--target", profile("board", UNREACHABLE), "--scheme", "static_wi8_ai8", "--json", out=tmp_path / "dist"
    )

    assert ended.status == 1
    report = ended.document["targets"]["board"]
    assert (report["verdict"], report["guilty_stage"]) == ("failed", "kernels")
    failed = [one for one in report["comparisons"] if not one["passed"]]
    assert [(one["stage"], one["limit"], one["because"]) for one in failed] == [
        ("total", 200, "no int8 model comes near it")
    ]


def test_too_few_samples_are_inconclusive_and_say_how_many_would_do(build, few, sample, executor, tmp_path):
    """All of 20 agree, and that is still no proof of nine in ten; with as many as the report asks for, it is settled."""
    run, _ = build

    ended = run(
        "--target", "host", "--scheme", "static_wi8_ai8", out=tmp_path / "dist", calibration=few("few", 100, 20)
    )

    assert ended.status == 1
    assert "INCONCLUSIVE" in ended.out
    assert "would settle it" in ended.out
    report = report_of(tmp_path / "dist", "host")
    assert report["verdict"] == "inconclusive"
    rate = stage(report, "total", "top1_agreement")
    assert rate["status"] == "inconclusive"
    assert rate["samples_needed"] > 20
    assert not (tmp_path / "dist" / "host" / "model.tflite").exists()
    enough = Samples(str(few("enough", 100, rate["samples_needed"])))
    settled = toolkit.build(
        Original(sample), ["host"], enough, tmp_path / "more", scheme="static_wi8_ai8", executor=executor
    )
    assert settled["host"].passed


def test_one_target_that_fails_does_not_hold_back_the_other(build, profile, tmp_path):
    """Each has its own verdict and bundle; the status is that of the worst."""
    run, _ = build

    ended = run(
        "--target", "host", "--target", profile("board", UNREACHABLE), "--scheme", "static_wi8_ai8", out=tmp_path
    )

    assert ended.status == 1
    assert manifest.verified(tmp_path / "host").passed
    assert not manifest.verified(tmp_path / "board").passed


def test_the_first_scheme_that_passes_is_shipped(sample, digits, executor, profile, tmp_path):
    """The profile's order decides, and the report says what was tried before."""
    board = profile("board", 'schemes = ["static_wi8_ai8", "float16", "float32"]\n' + UNREACHABLE)

    outcome = toolkit.build(Original(sample), [str(board)], Samples(str(digits)), tmp_path, executor=executor)["board"]

    assert outcome.passed
    report = report_of(tmp_path, "board")
    assert report["artifact"]["scheme"] == "float16"
    assert [(one["scheme"], one["verdict"]) for one in report["tried"]] == [("static_wi8_ai8", "failed")]
    assert (report["wanted"]["scheme"], report["wanted"]["shipped"]) == ("static_wi8_ai8", "float16")
    assert report["wanted"]["deciding"]["limit"] == 200
    assert [(one["scheme"], one["outcome"]) for one in report["attempts"]] == [
        ("static_wi8_ai8", "failed"),
        ("float16", "passed"),
    ]
    rejected = tmp_path / "board" / "rejected" / "static_wi8_ai8" / "model.tflite"
    assert f"edge-toolkit debug {rejected} --source {sample} --target {board} " in report["next"]["command"]
    assert rejected.is_file()
    assert (
        (tmp_path / "board" / "report.md").read_text().splitlines()[2].startswith("wanted static_wi8_ai8: not passed (")
    )


def test_a_file_over_its_budget_does_not_pass(build, profile, tmp_path):
    """It does not fit the device: this is seen from its bytes, and it is not run there."""
    run, _ = build
    board = profile("board", "[budget]\nfile_bytes = 20_000")

    ended = run("--target", board, "--scheme", "static_wi8_ai8", "--json", out=tmp_path)

    assert ended.status == 1
    error = ended.document["targets"]["board"]["error"]
    (found,) = error["findings"]
    assert error["kind"] == "DoesNotFit"
    assert (found["code"], found["limit"]) == ("file-over-budget", 20_000)
    assert 20_000 < found["spent"] < 30_000
    assert not (tmp_path / "board").exists()


def test_the_command_works_from_any_folder(edge, sample, digits, tmp_path):
    """Profiles come with the package; `--out` and the set are relative to where the user is."""
    ended = edge(
        "build", sample, "--target", "host", "--calibration", digits, "--scheme", "static_wi8_ai8", folder=tmp_path
    )

    assert ended.status == 0, ended.err
    assert (tmp_path / "dist" / "host" / "model.tflite").is_file()
