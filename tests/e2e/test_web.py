"""Targets in a browser: built, executed in a page, and each reason why a page cannot run a file said in words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import processes_of, sha256, stage
from toolkit.environments import resolve
from toolkit.errors import WorkerTimeout
from toolkit.execution.run import Execution, run_job
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.launchers import chromium
from toolkit.settings import Limits, Settings
from toolkit.wire.shards import ShardWriter


@pytest.fixture(scope="module", autouse=True)
def _browser():
    """Skip loudly where a browser, or what runs in its page, is not here."""
    state = chromium.status(Settings())
    if not state.ready:
        pytest.skip(f"NOT TESTED: web targets; {state.problem}")


TARGETS = {
    "web-wasm": ("LiteRT.js", "wasm"),
    "web-webgpu": ("LiteRT.js", "webgpu in software (swiftshader)"),
    "web-onnx": ("onnxruntime-web", "wasm"),
}


@pytest.fixture(scope="module")
def built(edge, sample, few, tmp_path_factory):
    """Return what one build of the sample for all pages left, and its folder."""
    out = tmp_path_factory.mktemp("dist")
    targets = [argument for name in TARGETS for argument in ("--target", name)]
    return edge("build", sample, "--calibration", few, *targets, "--out", out, "--json"), out


@pytest.mark.parametrize("target", TARGETS)
def test_the_sample_runs_in_a_page(built, target):
    """What ran is what the profile says, in a confined browser, and nothing is called emulated."""
    ended, out = built
    report = json.loads((out / target / "report.json").read_text())

    assert report["verdict"] == "passed", ended.err
    engine, accelerator = TARGETS[target]
    ran = report["runs"]["device"]
    assert ran["engine"] == f"{engine} {report['tools'][engine]}"
    assert (ran["launcher"], ran["accelerator"]) == ("chromium", accelerator)
    assert ran["browser"].startswith("Chromium ")
    assert "emulator" not in ran
    assert not ran["confined"].startswith("not confined")


def test_integers_are_those_of_native_kernels(built):
    """Wasm has the same XNNPACK."""
    report = json.loads((built[1] / "web-wasm" / "report.json").read_text())

    assert report["artifact"]["scheme"] == "static_wi8_ai8"
    assert stage(report, "device", "max_abs")["value"] == 0


def test_a_page_that_does_not_answer_in_time_ends_with_its_browser(built, fresh_home, tmp_path):
    """A limit ends all processes of the job, and nothing of the run is kept as a result."""
    with ShardWriter(tmp_path / "samples") as writer:
        writer.add({"image": np.zeros((1, 8, 8, 1), np.float32)})
    page = Execution(Engine("litert", "chromium", {"accelerator": "wasm"}), "litert_web")
    asked = run_job(built[1] / "web-wasm" / "model.tflite", tmp_path / "samples", page)

    with LocalExecutor(Settings(fresh_home)) as executor, pytest.raises(WorkerTimeout, match=r"no answer in 0\.3 s"):
        executor.run(replace(asked, limits=Limits(timeout_s=0.3)))

    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [each for each in commands if str(fresh_home).encode() in each and b"--headless" in each]


@pytest.fixture(scope="module")
def rewritten(edge, sample, few, tmp_path_factory):
    """Return what a build left that asked for int8, and its folder: in a page that means a rewritten file."""
    out = tmp_path_factory.mktemp("rewritten")
    asked = ("--scheme", "static_wi8_ai8", "--inputs-dtype", "int8", "--outputs-dtype", "int8")
    targets = ("--target", "web-wasm", "--target", "host")
    return edge("build", sample, "--calibration", few, *targets, *asked, "--out", out, "--json"), out


def test_int8_at_the_ends_is_rewritten_and_that_file_ships(rewritten):
    """It was shown that nothing changed, before the page ran it; report and manifest say so, and this machine's file stays as it was."""
    ended, out = rewritten
    page, host = (json.loads((out / name / "report.json").read_text()) for name in ("web-wasm", "host"))

    assert page["verdict"] == "passed", ended.err
    assert list(page["runs"])[-4:] == ["kernels", "rewrite", "edges", "device"]
    assert (stage(page, "rewrite", "max_abs")["value"], stage(page, "rewrite", "max_abs")["limit"]) == (0, 0)
    shipped = page["artifact"]
    assert [spec["dtype"] for side in ("inputs", "outputs") for spec in shipped["signature"][side]] == ["float32"] * 2
    assert sha256(out / "web-wasm" / "model.tflite") == shipped["sha256"]
    assert shipped["rewritten"]["from_sha256"] == host["artifact"]["sha256"] == sha256(out / "host" / "model.tflite")
    assert shipped["rewritten"]["changes"] == [
        f"{end} is float32 in place of int8" for end in ("input image", "output probabilities")
    ]
    assert json.loads((out / "web-wasm" / "manifest.json").read_text())["rewritten"] == shipped["rewritten"]
    assert host["artifact"]["rewritten"] is None
    lines = (out / "web-wasm" / "report.md").read_text().splitlines()
    assert lines[2].startswith(
        "the file that was made was rewritten for litert_web 2.5.3, and that file ships: input image is"
    )


@pytest.mark.parametrize("asked", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_program_that_is_interrupted_leaves_no_browser_behind(edge, digits, built, fresh_home, tmp_path, asked):
    """In the middle of a page's run: its browser works with the job's folder, and so it would still be seen."""
    images = np.load(digits.with_suffix(".npz"))["images"].astype(np.float32)
    np.savez(tmp_path / "many.npz", image=np.tile(images.reshape(-1, 8, 8, 1), (40, 1, 1, 1)))
    command = (
        "run",
        built[1] / "web-wasm" / "model.tflite",
        "--target",
        "web-wasm",
        "--samples",
        tmp_path / "many.npz",
    )
    process = edge.start(*command, "--out", tmp_path / "given.npz", home=fresh_home)
    try:
        until = time.monotonic() + 120
        while not _browsers(fresh_home) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert _browsers(fresh_home), process.communicate()
        process.send_signal(asked)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()

    assert process.returncode not in (0, None), err
    assert "Traceback" not in err
    assert processes_of(fresh_home) == []
    assert not (tmp_path / "given.npz").exists()


def _browsers(home: Path) -> list[str]:
    """Return the processes that render pages for jobs of a cache folder."""
    return [each for each in processes_of(home, 0.0) if "--type=renderer" in each]


OPEN = """
import sys
import numpy as np
import flatbuffers
from ai_edge_litert import schema_py_generated as schema

made, opened = sys.argv[1:]
with open(made, "rb") as file:
    model = schema.ModelT.InitFromPackedBuf(file.read(), 0)
graph = model.subgraphs[0]
for number in (*graph.inputs, *graph.outputs):
    tensor = graph.tensors[number]
    tensor.shapeSignature = np.array([-1, *tensor.shape[1:]], np.int32)
builder = flatbuffers.Builder(1 << 16)
builder.Finish(model.Pack(builder), b"TFL3")
with open(opened, "wb") as file:
    file.write(bytes(builder.Output()))
"""


@pytest.fixture(scope="module")
def opened(rewritten, tmp_path_factory):
    """Return a file with int8 at its ends and an open batch, as somebody else's converter writes one."""
    place, engine = tmp_path_factory.mktemp("opened") / "open.tflite", resolve("litert", Settings())
    command = [str(engine.python), "-c", OPEN, str(rewritten[1] / "host" / "model.tflite"), str(place)]
    subprocess.run(command, env={**os.environ, **engine.variables}, check=True)
    return place


def test_a_file_of_others_is_rewritten_for_a_page_and_judged_as_it_is_here(edge, sample, few, opened, tmp_path):
    """LiteRT.js takes no size that a file leaves open, as Keras' own export leaves its batch, and no int8."""
    targets = ("--target", "web-wasm", "--target", "host")
    ended = edge("verify", opened, "--source", sample, "--calibration", few, *targets, "--out", tmp_path, "--json")

    assert ended.status == 0, ended.err
    found = ended.document["targets"]
    assert [found[name]["verdict"] for name in ("web-wasm", "host")] == ["passed", "passed"]
    report = json.loads((tmp_path / "web-wasm" / "report.json").read_text())
    assert stage(report, "rewrite", "max_abs")["value"] == 0
    assert report["artifact"]["rewritten"]["changes"][:2] == [
        "input image takes 1 in place of an open batch",
        "output probabilities is 1x10 in place of open sizes",
    ]
    assert report["artifact"]["rewritten"]["from_sha256"] == sha256(opened)
    assert sha256(tmp_path / "web-wasm" / report["artifact"]["path"]) == report["artifact"]["sha256"]
    assert found["host"]["artifact"]["sha256"] == sha256(opened)


def test_where_there_is_no_browser_other_targets_still_finish(edge, sample, few, tmp_path):
    """The one target is unavailable, with how to get one; exit status 3."""
    targets = ("--target", "web-wasm", "--target", "host")
    asked = ("build", sample, "--calibration", few, *targets, "--out", tmp_path, "--json")

    ended = edge(*asked, variables={"EDGE_TOOLKIT_CHROMIUM": "/no/such/browser"})

    assert ended.status == 3
    found = ended.document["targets"]
    assert found["host"]["verdict"] == "passed"
    assert "no such program" in json.dumps(found["web-wasm"])
    assert (tmp_path / "host" / "model.tflite").is_file()
    assert not (tmp_path / "web-wasm").exists()
