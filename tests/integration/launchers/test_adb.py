"""The launcher `adb`: the real client, a server that speaks adb's protocol, and programs in the place of benchmark_model. No hardware is here."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.integration.launchers.phone import LineBroken, Phone, serving
from toolkit import launchers, profiles
from toolkit.comparison.compare import compare
from toolkit.environments import resolve
from toolkit.errors import EnvironmentUnavailable, TargetUnavailable, Unconvertible, WorkerLied, WorkerRefused
from toolkit.execution.android.batch import Asked, Installed, install, run
from toolkit.execution.run import Execution, run_job, run_of
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.launchers.android.client import find_client
from toolkit.launchers.emulation import debian
from toolkit.settings import Settings
from toolkit.verdict.stage_run import StageRun
from toolkit.wire.android import adb as adb_module
from toolkit.wire.android.adb import Adb
from toolkit.wire.android.adb import Phone as Reached
from toolkit.wire.request import sha256
from toolkit.wire.shards import ShardWriter, read_all

ROOT = Path(__file__).resolve().parents[3]
TIMES = "INFO: Inference timings in us: Init: 9, First inference: 8, Warmup (avg): 7, Inference (avg): 1500"
# A program in the place of benchmark_model whose model gives what it is fed; FAULT is a line of a test's own.
PROGRAM = f"""\
#!/bin/sh
for word in "$@"; do case $word in
    --output_filepath=*) out=${{word#*=}} ;;
    --input_layer_value_files=*) file=${{word#*:}} ;;
esac; done
FAULT
cat "$file" >"$out"
echo '{TIMES}'
"""


@pytest.fixture(scope="module")
def settings():
    """The shared home, with the client; skipped, loudly, only where it cannot be had at all."""
    settings = Settings()
    try:
        launchers.setup(["adb"], settings)
    except EnvironmentUnavailable as error:
        if debian.missing_programs() or "network" in error.problem or "no Debian archive" in error.problem:
            pytest.skip(f"NOT TESTED, Android's adb is not available here: {error}")
        raise
    return settings


@pytest.fixture
def phone(monkeypatch):
    """Return a phone that is connected: the client asks its server."""
    phone = Phone()
    with serving(phone) as server:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        yield phone


@pytest.fixture
def reached(phone, settings):
    return Reached(Adb(str(find_client(settings))), phone.serial)


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def installed(reached, tmp_path):
    """Return a function that installs a program with a fault on the phone."""
    (tmp_path / "phone").mkdir()

    def make(fault: str = "") -> Installed:
        here = program(tmp_path / "benchmark_model", PROGRAM.replace("FAULT", fault))
        return install(reached, str(tmp_path / "phone"), here, sha256(here))

    return make


@pytest.fixture
def asked(tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"a model")
    return Asked(tmp_path / "model.tflite", 1, (), 16, keeps=False)


def samples(count: int) -> list[list[np.ndarray]]:
    return [[np.full((1, 4), number, np.float32)] for number in range(count)]


def left(tmp_path: Path) -> list[str]:
    """Return what batches left on the phone."""
    return [path.name for path in (tmp_path / "phone" / "edge-toolkit").glob("run-*")]


def test_samples_go_to_the_phone_in_one_push_and_nothing_of_them_stays(installed, asked, phone, tmp_path):
    """What comes back is what each sample gave, in order, with the program's own time; the program itself stays, and is not pushed again."""
    ready = installed()
    phone.asked.clear()

    answers = run(ready, asked, samples(5), tmp_path)

    assert [np.frombuffer(answer.outputs, np.float32)[0] for answer in answers] == [0, 1, 2, 3, 4]
    assert [answer.ms for answer in answers] == [1.5] * 5
    assert len([service for service in phone.asked if service == "sync:"]) == 2
    assert left(tmp_path) == []
    phone.asked.clear()
    installed()
    assert "sync:" not in phone.asked


@pytest.mark.parametrize("where", ["sync:", "raw:cd", "after cd"])
def test_a_phone_that_is_lost_once_gets_the_batch_again(installed, asked, phone, tmp_path, where):
    """Before files, before the script, or after it; in a new folder, so that no half of an answer is taken."""
    ready, lost = installed(), []

    def before(service: str) -> None:
        if not lost and where in service:
            lost.append(service)
            raise LineBroken

    phone.before = before

    answers = run(ready, asked, samples(2), tmp_path)

    assert lost
    assert [np.frombuffer(answer.outputs, np.float32)[0] for answer in answers] == [0, 1]


def test_a_phone_that_is_lost_each_time_is_given_up(installed, asked, phone, tmp_path):
    """After three attempts."""
    ready, tries = installed(), []

    def before(service: str) -> None:
        if service == "sync:":
            tries.append(service)
            raise LineBroken

    phone.before = before

    with pytest.raises(TargetUnavailable, match=rf"the phone {phone.serial}: .*\(3 attempts\)"):
        run(ready, asked, samples(1), tmp_path)
    assert len(tries) == 3


def test_a_phone_that_does_not_come_back_is_said_to_be_gone(installed, asked, phone, tmp_path, monkeypatch):
    monkeypatch.setattr(adb_module, "_RETURN_S", 0.2)
    ready = installed()

    def before(service: str) -> None:
        phone.state = ""
        raise LineBroken

    phone.before = before

    with pytest.raises(TargetUnavailable, match="it did not come back"):
        run(ready, asked, samples(1), tmp_path)


def test_a_full_phone_is_named_at_once(installed, asked, phone, tmp_path):
    """Another attempt would meet the same."""
    ready = installed()
    phone.full = True
    phone.asked.clear()

    with pytest.raises(TargetUnavailable, match="No space left on device") as caught:
        run(ready, asked, samples(1), tmp_path)

    assert "free space on the phone" in caught.value.hint
    assert phone.asked.count("sync:") == 1


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ("exit 1", WorkerRefused, "sample 1 of 2: benchmark_model: exit status 1"),
        ("echo 'ERROR: Unknown op'; exit 1", WorkerRefused, "exit status 1: ERROR: Unknown op"),
        ("kill -ABRT $$", WorkerRefused, "exit status 134"),
        ("exec no-such-linker", WorkerRefused, "exit status 127: .*not found"),
        (f"echo '{TIMES}'; exit", WorkerRefused, "wrote no outputs"),
        (
            f"echo '{TIMES}'; test -e ../ran || cat $file >$out; touch ../ran; exit",
            WorkerRefused,
            "sample 2 of 2: .*wrote no outputs",
        ),
        ("cat $file >$out; echo done; exit", WorkerRefused, "does not say that the model ran"),
        (
            "cat $file >$out; echo 'Inference timings in us: Inference (avg): nan'; exit",
            WorkerRefused,
            "does not say that",
        ),
        (
            "echo 'WARN: Unconsumed cmdline flags: --output_filepath=x'",
            WorkerRefused,
            "does not know --output_filepath=x",
        ),
        ("head -c 99 /dev/zero >$out; echo '" + TIMES + "'; exit", WorkerLied, "more than the 16 bytes"),
    ],
)
def test_a_program_that_did_not_answer_is_named_with_what_it_printed(installed, asked, tmp_path, fault, error, says):
    """Each sample must have its own evidence."""
    ready = installed(fault)

    with pytest.raises(error, match=says):
        run(ready, asked, samples(2), tmp_path)
    assert left(tmp_path) == []


def test_a_graph_that_keeps_numbers_answers_before_it_is_timed(installed, asked, tmp_path):
    """The run that gives outputs is the first of its process; the time is that of another process, after a run that does not count."""
    ready = installed(f'echo "$@" >>{tmp_path}/said; test -n "$out" || out=/dev/null')

    run(ready, replace(asked, keeps=True), samples(1), tmp_path)

    first, second = (tmp_path / "said").read_text().splitlines()
    assert "--warmup_runs=0" in first
    assert "--output_filepath" in first
    assert "--warmup_runs=1" in second
    assert "--output_filepath" not in second


# the whole way: jobs, in confined workers, with a program that runs models by LiteRT


@pytest.fixture(scope="module")
def models(settings, tmp_path_factory):
    """Return the folder that make_models.py writes."""
    folder = tmp_path_factory.mktemp("models")
    command = [resolve("litert", settings=settings).python, Path(__file__).parent / "make_models.py", folder]
    ended = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=600, check=False
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return folder


@pytest.fixture
def on_phone(phone, settings, tmp_path):
    """Return a function that runs a model on the phone, and on this machine."""
    (tmp_path / "phone").mkdir()
    text = (Path(__file__).parent / "benchmark_model.py").read_text()
    here = program(tmp_path / "benchmark_model", f"#!{resolve('litert', settings=settings).python}\n{text}")
    options = {"binary": str(here), "folder": str(tmp_path / "phone")}

    def both(model: Path, *, kernels: str = "default", runtime: str = "litert_binary", **arrays: np.ndarray):
        with ShardWriter(tmp_path / "samples") as writer:
            for row in range(len(next(iter(arrays.values())))):
                writer.add({name: array[row] for name, array in arrays.items()})
        there, here = Engine("litert", "adb", options), Engine("litert")
        asked = Execution(there, runtime, kernels), Execution(here, "litert", "default")
        jobs = [run_job(model, tmp_path / "samples", each) for each in asked]
        with LocalExecutor(settings) as executor:
            return [outcome.error or run_of(outcome.entry) for outcome in executor.outcomes(jobs)]

    return both


def arrays(count: int, **shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    return {name: random.normal(size=(count, *shape)).astype(np.float32) for name, shape in shapes.items()}


def require_equal(there, here) -> None:
    assert [spec.name for spec in there.signature.outputs] == [spec.name for spec in here.signature.outputs]
    for spec in here.signature.outputs:
        np.testing.assert_array_equal(read_all(there.outputs, spec.name), read_all(here.outputs, spec.name))


def test_inputs_and_outputs_are_bound_by_the_graphs_order(on_phone, models):
    """Two of one shape that change places go unnoticed by position. The run says where it was, and that no hardware was tested."""
    there, here = on_phone(models / "crossed.tflite", **arrays(3, a=(1, 4), b=(1, 4)))

    require_equal(there, here)
    assert there.count == 3
    assert there.engine.startswith("benchmark_model ")
    assert there.engine.endswith(" 2.3.0")
    assert there.about["launcher"] == "adb"
    assert there.about["cpu"] == "Google Pixel 8, Android 15, Tensor G3, 31270DLJH000AB"
    assert "never tested on hardware" in there.about["processor"]
    assert "emulat" not in str(there.about)


def test_open_sizes_follow_from_the_samples(on_phone, models):
    there, here = on_phone(models / "open.tflite", **arrays(2, a=(3, 4), b=(3, 4)))

    require_equal(there, here)


def test_a_fused_lstm_begins_each_sample_anew(on_phone, models):
    there, here = on_phone(models / "recurrent.tflite", **arrays(2, x=(1, 1, 4)))

    require_equal(there, here)


def test_nan_comes_back_as_nan(on_phone, models):
    """It is for the verdict to refuse it, and it does with any engine."""
    there, _ = on_phone(models / "crossed.tflite", a=np.full((1, 1, 4), np.nan, np.float32), **arrays(1, b=(1, 4)))

    assert np.isnan(read_all(there.outputs, "y")).all()


def test_a_state_that_lasts_over_samples_is_refused(on_phone, models):
    """Each sample is a process of its own there."""
    refused, _ = on_phone(models / "counter.tflite", **arrays(2, x=(1, 4)))

    assert isinstance(refused, Unconvertible)
    assert "keeps numbers from one sample to the next" in refused.problem


@pytest.fixture
def on_gpu(on_phone, models, tmp_path):
    """Return a function that runs a model on the phone's GPU: its run, and a function for its statuses at a stage, against this machine's CPU."""
    (tmp_path / "gpu.toml").write_text(
        'name = "gpu"\nabout = "a phone"\nextends = "base-android-adb-gpu"\n[runtime]\noptions = { binary = "benchmark_model" }\n'
    )
    bounds = profiles.find(tmp_path / "gpu.toml").bounds

    def run(kernels: str):
        given = arrays(4, a=(1, 4), b=(1, 4))
        found = on_phone(models / "crossed.tflite", kernels=kernels, runtime="litert_binary_gpu", **given)

        def statuses(stage: str) -> set[str]:
            there, here = (StageRun(stage, each, each.signature).read() for each in found)
            return {each.status for each in compare(here, there, bounds, stage=stage, scheme="float32").comparisons}

        return found[0], statuses

    return run


def test_a_gpu_in_float32_is_held_to_the_bound_of_the_delegate(on_gpu):
    """And says what took the model, and what ran it."""
    run, statuses = on_gpu("float32")

    assert statuses("delegate") == {"passed"}
    assert run.engine.startswith("GPU delegate of benchmark_model ")
    assert run.engine.endswith(", said to be 2.3.0")
    assert run.delegated["operators"] == [2, 2]
    assert "never tested on hardware" in run.about["processor"]


def test_a_gpu_in_float16_is_held_to_the_bounds_of_its_precision(on_gpu):
    """That of the delegate would refuse it: this is why the program is told to compute in float32 first."""
    _, statuses = on_gpu("default")

    assert "failed" not in statuses("precision")
    assert "passed" in statuses("precision")
    assert "failed" in statuses("delegate")


def test_a_run_that_the_cpu_did_is_none_of_the_gpus(installed, asked, tmp_path):
    """A program without the delegate exits with 0; each run has to say that the GPU ran all of the model."""
    whole = "Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate."
    for fault in (
        "",
        f"echo '{whole.replace('completely', 'partially')}'",
        f"test -e ../ran || echo '{whole}'; touch ../ran",
    ):
        with pytest.raises(WorkerRefused, match=r"sample [12] of 2: .*does not say that the GPU ran the whole model"):
            run(installed(fault), replace(asked, on_gpu=True), samples(2), tmp_path)

    assert len(run(installed(f"echo '{whole}'"), replace(asked, on_gpu=True), samples(2), tmp_path)) == 2


def test_kernels_that_the_program_has_not_are_refused(on_phone, models):
    refused, _ = on_phone(models / "crossed.tflite", kernels="reference", **arrays(1, a=(1, 4), b=(1, 4)))

    assert "benchmark_model has no reference kernels" in refused.problem


def test_no_job_of_a_phone_reads_more_than_it_names(phone, settings, tmp_path):
    """Its worker may start programs and reach adb's server, and is confined all the same."""
    there = program(tmp_path / "benchmark_model", PROGRAM)

    launch = launchers.prepare("adb", "litert", {"binary": str(there)}, settings)

    assert launch.reaches is not None
    assert str(Path.home()) not in launch.reaches
    assert sys.prefix not in launch.reaches
