"""Names that want to be more than names: in a terminal, in a CI's log, in reports, in tables, in commands to paste, in names of folders.

Each is put wherever a document has a text that a model, a profile or an engine may have worded, and none gets out.
"""

from __future__ import annotations

import csv
import dataclasses
import glob
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from toolkit import findings, printable, registry, report
from toolkit.cli.common import Common, say
from toolkit.comparison.comparison import Comparison
from toolkit.config import tomllib
from toolkit.diagnosis.suggestion import Step, Suggestion
from toolkit.environments import resolve
from toolkit.errors import EdgeToolkitError, InvalidConfig, RequestError, Unconvertible, revive
from toolkit.experiments import table
from toolkit.experiments.sweep_rows import SweepRow
from toolkit.findings import Finding
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.launchers import Verification
from toolkit.pipeline import signatures
from toolkit.pipeline.prepare import Samples
from toolkit.pipeline.unsupported_dtypes import refuse_ends
from toolkit.report import formats
from toolkit.report.screen import PAGE, Screen
from toolkit.samples.input_ranges import InputRange
from toolkit.settings import Settings
from toolkit.source.original import Original
from toolkit.tensors.signature import Signature, TensorSpec
from toolkit.verbs.inspect import inspect
from toolkit.verbs.next_steps import VerbRequest
from toolkit.verdict.arena import Arena

HERE = Path(__file__).resolve().parent
NAMES = {
    "clears the screen": "\x1b[2J\x1b[H",
    "a colour": "\x1b[32mPASSED\x1b[0m",
    "a title of the terminal": "\x1b]0;PASSED\x07",
    "a link of the terminal": "\x1b]8;;file:///etc/passwd\x1b\\y\x1b]8;;\x1b\\",
    "a clipboard of the terminal": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "an answer of the terminal": "\x1b[6n\x05",
    "8-bit controls": "\x9b2J\x9d0;x\x9c\x85\x90",
    "another line": "y\nhost   model   float32                    PASSED",
    "the line again": "y\rhost   model   float32                    PASSED",
    "backspaces": "NOT PASSED" + "\x08" * 10 + "PASSED    ",
    "columns of a table": "y   float32" + " " * 70 + "PASSED",
    "an error of a workflow": "\n::error::broken",
    "an output of a workflow": "\n::set-output name=verdict::passed",
    "a stop of commands": "y\r\n::stop-commands::x",
    "an older command": "##[error]broken",
    "a task of a pipeline": "##vso[task.complete result=Succeeded;]done",
    "a section of a log": "section_end:1:x\r\x1b[0K",
    "a script": "<script>alert(1)</script>",
    "an image": "<img src=x onerror=alert(1)>",
    "a comment's end": "--> </details></summary>",
    "cells": "a | b | ✅ passed |",
    "code": "`` ` ``` \n```",
    "a link": "[passed](http://example.org)",
    "a picture": "![x](http://example.org/beacon.png)",
    "a heading": "# PASSED",
    "somebody": "@everyone #1",
    "right to left": "\u202edessap\u202c",
    "an isolate": "\u2066\u2067x\u2069",
    "nothing to be seen": "\u200b\ufeff\u00ad\u3164\u2060",
    "tags": "y\U000e0050\U000e0041",
    "line separators": "y\u2028PASSED\u2029PASSED\x0bPASSED\x0cPASSED\x1c",
    "half a character": "y\ud800z\udc41",
    "bytes": "caf\udce9",
    "the end of a text": "y\x00z",
    "a million": "\x1b[31m" + "y" * 1_000_000,
    "a formula": "=cmd|' /C calc'!A0",
    "a shell": "$(touch owned)`touch owned`; touch owned; '\"",
    "markup of rich": "[red]x[/red][link=http://e]y",
    "an entity of XML": "&xxe;]]><failure/>",
    "percent": "%0A::error::x%1b",
}
hostile = pytest.mark.parametrize("name", [pytest.param(text, id=what) for what, text in NAMES.items()])
_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")


def is_safe(text):
    """Say what a terminal or a log would take for more than text; nothing of it is there."""
    assert not _UNSAFE.search(text)
    assert not re.search(r"(?m)^[ \t]*::|##\w*\[", text)
    assert len(text) < 2_000_000


def forges_nothing(text):
    """No line looks like the first of a report."""
    is_safe(text)
    assert not re.search(r"(?m)^.*\S {3,}PASSED *$|^host", text)


@hostile
def test_an_error_is_safe_and_one_line_each(name, capsys):
    """However it was made, and wherever its texts came from: a worker's answer too, which may not be honest."""
    several = printable.lines([f"{name}: one", f"{name}: two"])
    errors = [
        EdgeToolkitError(f"{name}: cannot be read", f"--signature {name}"),
        RequestError(several, several),
        InvalidConfig(name, [f"{name}: missing", several]),
        revive("convert", "WorkerRefused", f"{name}\n{name}", f"{name}\n{name}"),
        revive("convert", name, name, name),
    ]

    for error, most in zip(errors, (2, 4, 3, 120, 120), strict=True):
        say(error.text)
        said = capsys.readouterr().err
        is_safe(said)
        assert not re.search(r"(?m)^host", said)
        assert error is errors[1] or not re.search(r"(?m)\S {3,}PASSED *$", said)
        assert len(said.splitlines()) <= most
        assert all(line.startswith(" ") for line in str(error).splitlines()[1:] if error in errors[3:])
        json.dumps(report.error_json(error)).encode()


def comparison(name):
    return {
        "stage": "total", "output": name, "metric": "max_abs", "value": 0.9, "limit": 0.75, "unit": "range", "better": "lower",
        "because": name, "samples": 5, "worst_sample": 1, "worst_sample_name": name, "interval": None, "samples_needed": None, "detail": name,
        "status": "failed", "passed": False,
    }  # fmt: skip


def documents(name):
    """Return a document of each kind in which every text is a name."""
    build = {
        "schema": 1, "target": name, "verdict": "failed", "source": {"path": name},
        "artifact": {"path": name, "sha256": name, "size_bytes": 1, "scheme": name},
        "samples": {"calibration": 1, "verification": 1}, "comparisons": [comparison(name)], "guilty_stage": name,
        "budget": {name: {"spent": 2, "limit": 1, "passed": False}}, "tools": {name: name}, "seconds": {"total": 1.0},
        "findings": [{"code": name, "severity": each, "message": name} for each in ("error", "warning", "info")],
        "wanted": {"scheme": name, "text": name}, "next": {"why": name, "command": name},
    }  # fmt: skip
    row = {
        "what": name,
        "before": name,
        "now": name,
        "limit": name,
        "status": "failed",
        "because": name,
        "better": None,
        "detail": name,
    }
    yield build
    yield {
        "targets": {
            name: build,
            "other": {"target": name, "error": {"kind": name, "problem": name, "hint": name, "exit_status": 2}},
        }
    }
    yield {
        "target": name,
        "outcome": "failed",
        "baseline": name,
        "bundle": name,
        "rows": [row, {**row, "status": "noticed"}],
    }
    yield {
        "reference": name, "candidate": name, "samples": 1, "passed": False, "mismatches": {name: name}, "measurements": [],
        "findings": [name], "comparisons": [comparison(name)],
    }  # fmt: skip


@hostile
@pytest.mark.parametrize("form", registry.names("report/formats"))
def test_no_report_in_another_form_lets_a_name_out(name, form):
    """Not in JUnit, Markdown, SARIF, or a workflow's commands."""
    for document in documents(name):
        text = formats.render(form, document)
        text.encode()
        lines = text.split("\n")
        if form == "github":
            assert all(re.match("::(error|warning|notice) [^:]*title=", line) for line in lines if line)
            is_safe(text.replace("::", ""))
            continue
        if form == "junit":
            root = ET.fromstring(text)  # noqa: S314 - of our own
            assert {case.tag for case in root.iter()} <= {
                "testsuites", "testsuite", "testcase", "properties", "property", "failure", "error", "system-out", "system-err",
            }  # fmt: skip
            for part in (
                *(each.text or "" for each in root.iter()),
                *(value for each in root.iter() for value in each.attrib.values()),
            ):
                assert not _UNSAFE.search(part)
                assert not re.search(r"(?m)^\s*::|##\w*\[", part)
            continue
        if form == "sarif":
            for run in json.loads(text)["runs"]:
                for result in run["results"]:
                    assert not _UNSAFE.search(result["message"]["text"])
                    assert not re.search(r"(?<!\\)\]\(", result["message"]["text"])
            continue
        is_safe(text)
        text = re.sub("<summary>.*</summary>", "", text)  # is HTML, of which the next line sees to
        assert not re.search(r"<(script|img)|@everyone|(?<!\\)\]\((?!#)", text.lower())
        assert text.count("<details>") == text.count("</details>")
        assert not re.search(r"(?m)^\s*#+ (?!.*edge-toolkit)", text)


@hostile
def test_standard_output_as_json_holds_the_exact_name_and_no_command(name, capsys):
    """Whoever reads it as JSON has the name; a log has nothing."""
    Common(True, False, None, 1.0, 1.0).show({name[:5000]: [name[:5000]]}, lambda: printable.line(""))

    out = capsys.readouterr().out
    assert json.loads(out) == {name[:5000]: [name[:5000]]}
    is_safe(out)
    assert out.isascii()


@hostile
def test_what_is_said_of_a_model_is_safe(name, capsys):
    """`inspect`, whatever every name of a file says; and `convert`, `run`, `targets`, `calibration`, `doctor`."""
    spec = {"name": name, "dtype": name, "shape": [None, 2]}
    held = {
        "kind": name, "writer": name, "loader": name, "signatures": [{"key": name, "inputs": [spec], "outputs": [spec]}],
        "operators": [name, {"name": name, "version": 1, "count": 2}], "variables": [{"name": name, "dtype": name, "shape": [1], "size_bytes": 4}],
        "coverage": {"restored": [name], "unrestored": [name], "allowed": [name], "unused": [{"what": name, "name": name}]},
        "needs": [name, f"{name}\n{name}"], "findings": [{"severity": "warning", "message": name, "code": name, "fix": name}],
        "output_kinds": {name: {name: {"kind": name, "reason": name}}}, "weights_bytes": {name: 4},
    }  # fmt: skip
    rows = [SimpleNamespace(kind=name, name=name, ready=False, about=name, problem=name, fix=name)]
    texts = [
        report.inspected_text(Path(name.replace("\0", "")), held),
        report.findings_text(name, findings.read(held["findings"])),
        report.nested_text({name: {name: name}, "list": [name]}),
        report.targets_text([SimpleNamespace(name=name, about=name, verification=name)]),
        report.status_text(rows),
    ]

    for text in texts:
        Common(False, False, None, 1.0, 1.0).show({}, lambda text=text: text)
        out = capsys.readouterr().out
        is_safe(out)
        assert not re.search(r"(?m)^host", out)


def verdict_of(name):
    """Return what reports show of a verdict in which every name that a file, a model or a set gives is this one."""
    failed = Comparison(**{key: value for key, value in comparison(name).items() if key not in ("status", "passed")})
    kind = SimpleNamespace(name="labels", reason=name)
    run = SimpleNamespace(
        about={"machine": name, "confined": name}, engine=name, order={}, fed={name: name}, count=1, kernels=name
    )
    measured = SimpleNamespace(outputs=(name,), measurements=())
    shown = Verification(name, host=False, emulated=False, timed=False, stands_in=True, static=True)
    return SimpleNamespace(
        target=SimpleNamespace(name=name, runtime=SimpleNamespace(name="tflm", version="1"), verification=shown),
        outcome="failed", passed=False, given=True, arena=Arena(1, 2, 1.0, name, 1, 1, 2, 3), latency=None,
        samples={"verification": 5, "calibration": 5},
        source=SimpleNamespace(path=Path(name.replace("\0", "")), kind=name, key=name, sha256="0" * 64, coverage=None),
        artifact=SimpleNamespace(scheme="float32", size_bytes=1, sha256="0" * 64, before=name, rewritten=(name,)), comparisons=(failed,),
        guilty_stage="total", at_fault=None, attribution=None, stages=(SimpleNamespace(stage="total", measured=measured),),
        cumulative={"total": measured}, runs={"original": run, "total": run},
        tasks=(SimpleNamespace(metric=name, better="higher", scores={name: 1.0}),),
        float_bytes=None,
        account=None, inputs={name: InputRange("float32", (0.0, 1.0), (0.0, 1.0))}, kinds={name: kind}, candidates=(), budget=(), noise={},
        attempts=(), findings=(Finding(name, "warning", name),), next_step=None, wanted=None,
    )  # fmt: skip


@hostile
def test_a_verdict_is_safe_in_the_terminal_and_in_its_report(name):
    """Its outputs, its inputs, and what its set calls the worst sample: a file in a folder, which may be called anything."""
    verdict = verdict_of(name)

    for screen in (PAGE, Screen(80, whole=False), Screen(40)):
        forges_nothing(report.verdict_text(verdict, screen, "mine").split("\n", 1)[1])
    text = report.markdown(verdict, name)
    is_safe(text)
    assert not re.search(
        r"<(script|img)|@everyone|(?<!\\)\]\((?!#)", re.sub("(`+)(?!`).*?(?<!`)\\1(?!`)", "", text).lower()
    )
    assert not re.search(r"(?m)^ {0,3}#+ (?!.*NOT PASSED|Bounds|Stages|Inputs|Outputs|Findings|Against)", text)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == len(re.findall(r"(?<!\\)\|", text.split("| stage |")[1].split("\n")[0])) + 2
        for line in text.split("## Bounds")[1].split("##")[0].split("\n") if line.startswith("| total"))  # fmt: skip


@hostile
def test_a_sweep_is_safe_in_its_table_and_in_its_csv(name):
    """A spreadsheet takes no name for a formula."""
    row = SweepRow("host", "float32", name, name, 5, verdict=None, problem=name)
    row = dataclasses.replace(row, task=name, guilty_stage=name)

    forges_nothing(table.text([row]).split("\n", 1)[1])
    cells = [cell for line in csv.reader(io.StringIO(table.as_csv([row]))) for cell in line]
    assert all(not _UNSAFE.search(cell) and cell[:1] not in tuple("=+@\t") for cell in cells)
    plotted = dataclasses.replace(row, size_bytes=1, total_db=1.0, verdict="passed")
    assert not _UNSAFE.search(table.plot_job([plotted], name).options["title"])


def pasted(line, folder):
    """Return the words that bash reads, and look that it did nothing else."""
    ended = subprocess.run(
        ["bash", "-c", f"say() {{ printf '%s\\0' \"$@\"; }}; say {line}"], capture_output=True, check=True, cwd=folder
    )
    assert list(folder.iterdir()) == []
    return ended.stdout.split(b"\0")[:-1]


@hostile
def test_a_command_to_paste_does_nothing_else(name, tmp_path):
    """The next command of a report has the very names."""
    said = name.replace("\0", "")[:500]
    request = VerbRequest(Original(Path(said), said), Samples(said), said)
    command = request._build(said)

    assert command.isprintable()
    assert printable.lines([f"next: {command}"]) == f"next: {command}"
    if "\ud800" not in said:  # no command line has half a character
        words = pasted(command, tmp_path)
        assert words.count(said.encode("utf-8", "surrogateescape")) >= 4


@hostile
def test_what_to_keep_in_float_can_be_pasted(name, tmp_path):
    """A layer has a name of its model's; TOML and the shell read the pattern that stands for it alone."""
    name = name.replace("\0", "")[:2000]
    steps = (Step("static_wi8_ai8", (), 1.0), Step("static_wi8_ai8", (name,), 30.0, met=True))
    text = Suggestion(steps, (), "host").text()
    *_, in_toml, _, in_shell = text.splitlines()

    is_safe(text)
    if printable.is_utf8(name):
        assert pasted(in_shell, tmp_path) == [b"--keep-float", glob.escape(name).encode()]
        assert tomllib.loads(in_toml) == {"tensors": [glob.escape(name)]}


@hostile
def test_what_is_to_be_pasted_into_python_is_one_string(name):
    """A model that takes real numbers of another dtype is told how to save it; its names may close no quote."""
    ends = (TensorSpec("x", "float64", (1,)),), (TensorSpec(name[:500], "float32", (1,)),)
    signature = Signature(name[:500], *ends)
    opened = SimpleNamespace(kind="saved_model", path=Path("m"), key=name[:500], signature=signature)

    with pytest.raises(Unconvertible) as caught:
        refuse_ends(opened)

    is_safe(caught.value.hint)
    lines = caught.value.hint.splitlines()[1:]
    assert lines[0] == "import tensorflow as tf"
    compile("\n".join(lines), "pasted", "exec")
    assert f"signatures[{printable.literal(name[:500])}]" in lines[3]


@hostile
def test_a_folder_of_a_signature_lies_below_its_own(name, tmp_path):
    """And is one that can be made, with room for what is written beside it."""
    folder = tmp_path / signatures.folder_of(name)

    folder.mkdir()
    (tmp_path / f".{folder.name}.{2**22}.partial.old").mkdir()
    assert folder.resolve().parent == tmp_path.resolve()
    assert folder.name.isascii()


PATHS = [
    "a b.npz",
    "-rf.npz",
    "a\nb.npz",
    "a\x1b[2J.npz",
    "größe ✅.npz",
    "::error::x.npz",
    "é" * 125 + ".npz",
    "$(touch owned).npz",
    "--help.npz",
]


@pytest.mark.parametrize("name", PATHS)
def test_a_file_may_be_called_anything(name, tmp_path):
    """A path works, with a dash after `./` or `--`; what is printed of it is safe."""
    np.savez(tmp_path / "ours.npz", y=np.zeros((4, 2), np.float32))
    (tmp_path / "ours.npz").rename(tmp_path / name)
    line = f"$0 -m toolkit compare -- {shlex.quote(name)} {shlex.quote(name)}"

    ended = subprocess.run(["bash", "-c", line, sys.executable], capture_output=True, cwd=tmp_path, check=False)

    assert ended.returncode == 0
    is_safe(ended.stdout.decode())
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "verb", ["inspect", "targets check", "compare other.npz", "check --baseline x", "verify --source x --target host"]
)
def test_a_path_that_is_no_utf8_is_refused_before_the_work(verb, tmp_path):
    """Engines' own code could not open it, and reports not name it; all of them at once."""
    name = b"caf\xe9"
    words = [word.encode() for word in verb.split()]

    ended = subprocess.run(
        [sys.executable.encode(), b"-m", b"toolkit", *words, name], capture_output=True, cwd=tmp_path, check=False
    )

    assert ended.returncode == 2
    assert b"caf\\xe9: is not UTF-8" in ended.stderr


@pytest.mark.engines
def test_a_file_of_each_kind_is_inspected_safely(home, tmp_path, monkeypatch, capsys):
    """With a name of ours in each place where it has one: what its format or TensorFlow refuses is refused in words."""
    names = ["\x1b[2Jy\n::error::z ##[error]a\rhost   b          PASSED", "\u202e<script>`|\x07"]
    settings = Settings(home=home)
    command = [
        resolve("tensorflow", settings=settings).python,
        HERE / "make_hostile_names.py",
        tmp_path,
        json.dumps(names),
    ]
    variables = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    made = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=900, check=False)
    assert made.returncode == 0, made.stderr[-4000:]
    paths = json.loads((tmp_path / "index.json").read_text())
    shown = 0

    with LocalExecutor(settings) as executor:
        for path in paths:
            try:
                held = inspect(Original(Path(path)), executor=executor)
            except EdgeToolkitError as error:
                say(error.text)
            else:
                shown += 1
                Common(False, False, None, 1.0, 1.0).show(
                    {}, lambda path=path, held=held: report.inspected_text(Path(path), held)
                )
            ended = capsys.readouterr()
            is_safe(ended.out + ended.err)
            assert not re.search(r"(?m)^host", ended.out + ended.err)
            assert "internal error" not in ended.err

    assert len(paths) == 10
    assert shown >= 6
