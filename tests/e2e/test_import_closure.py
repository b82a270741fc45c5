"""What workers really ran, held against what their jobs' keys are made of: in the engines' own interpreters, job by job."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

import toolkit
from toolkit import Original, Samples, launchers
from toolkit.jobs.import_closure import PACKAGE, import_closure
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.settings import Settings

# The worker's own script, but that each job imports for itself, and that it prints which modules and files of the package it had.
RECORDING = """
import json, pathlib, re, sys
main = pathlib.Path({main!r})
ours, opened = str(main.parents[1]), set()
sys.argv[0] = __file__ = str(main)
text = main.read_text().rpartition("if __name__ ==")[0]
exec(compile(text, str(main), "exec"))
from toolkit.jobs import worker_child

def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(ours):
        opened.add(arguments[0][len(ours) + 1:])

def _import_ahead(modules):
    pass

def run_job(folder, run=worker_child.run_job):
    from toolkit.confinement import known_code
    known_code.hold_to = lambda modules: None  # what it would refuse is to be seen here
    opened.clear()
    run(folder)
    modules = [name for name in sys.modules if name.partition(".")[0] == "toolkit"]
    code = re.compile(r"(.*/)?(__pycache__/.*|[^/]*\\.py)")
    files = [name for name in opened if not code.fullmatch(name) and not name.startswith("sample/")]  # an input
    print("RECORDED " + json.dumps({{"modules": modules, "files": files}}))

worker_child.run_job = run_job
sys.addaudithook(hook)
main()
"""
RECORDED = re.compile(r"^RECORDED (.*)$", re.MULTILINE)


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Return workers that record, and a function that gives for each job that they finished its module, plugins, and what was recorded."""
    script = tmp_path / "recording.py"
    script.write_text(RECORDING.format(main=str(PACKAGE / "jobs" / "worker_main.py")))
    prepare = launchers.prepare
    monkeypatch.setattr(launchers, "prepare", lambda *asked: replace(prepare(*asked), script=str(script)))
    jobs = {}

    def watch(job, what, progress):
        jobs[job] = what

    def found(executor):
        for job, what in jobs.items():
            assert what in ("finished", "reused"), job.title  # by another job of the same key
            log = (executor.store.place(executor._keys.of(job)) / "log").read_text(errors="replace")
            yield job, json.loads(RECORDED.findall(log)[-1])

    home = tmp_path / "home"
    home.mkdir()
    for entry in Settings().home.iterdir():
        if entry.name != "store":
            (home / entry.name).symlink_to(entry.resolve())
    with LocalExecutor(Settings(home=home), watch) as executor:
        yield executor, found


def overlooked(executor, found):
    """Return what ran or was read and is in no key, by job; and the modules of the jobs."""
    missing, ran = {}, set()
    for job, said in found(executor):
        closure = import_closure((job.module, *job.plugins))
        ran |= {job.module, *job.plugins}
        assert job.module in {name.removeprefix("toolkit.") for name in said["modules"]}
        left = (set(said["modules"]) - set(closure.modules)) | (set(said["files"]) - set(closure.files))
        if left:
            missing[job.title] = sorted(left)
    return missing, ran


@pytest.mark.slow
def test_all_that_a_build_ran_is_in_its_keys(recorded, sample, digits, tmp_path):
    """Two formats, on the engines of both: samples, original, conversion, calibration, quantizers, lints, runs."""
    executor, found = recorded

    toolkit.build(
        Original(sample), ["host", "onnxruntime-host"], Samples(str(digits)), tmp_path / "dist", executor=executor
    )

    missing, ran = overlooked(executor, found)
    assert missing == {}
    assert {
        "samples.draw",
        "source.reference",
        "source.kinds.saved_model",
        "samples.lint",
        "conversion.calibrate",
    } <= ran
    assert {
        "conversion.converters.tflite",
        "conversion.converters.onnx",
        "conversion.quantizers.onnxruntime",
        "execution.runtimes.litert",
        "execution.runtimes.onnxruntime",
    } <= ran
