"""A plugin that does its work in an engine is one file: added to a copy of the package, it runs, its answer ships, and its content is in its key.

What needs no engine is in tests/unit/test_added_plugins.py.
"""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

BUILD = "build toolkit/sample/digits --calibration calibration/digits.toml --report markdown=report.md"
BOARD = """
name    = "board"
about   = "A board"
extends = "host"
schemes = ["float32"]
"""
RUN = "run {model} -t ./board.toml --samples calibration/digits.toml --out {out}.npz"


def board(program, text: str = "") -> None:
    (program.folder / "board.toml").write_text(BOARD + text)


def built(program, options: str = "", target: str = "./board.toml") -> tuple[dict, str]:
    """Return report.json of a build that passes, and its report for people; the bundle is in `dist/board`."""
    (ended,) = program.run(f"{BUILD} -t {target} {options}")
    assert ended.status == 0, ended.said
    (bundle,) = (program.folder / "dist").iterdir()
    return json.loads((bundle / "report.json").read_text()), (program.folder / "report.md").read_text()


RUNTIME = '''"""LiteRT on one core, whatever is asked for."""

from toolkit.engines.tflite import interpreter as tflite

FORMATS = ("tflite",)
ENVIRONMENT = "single_core"
TIMES = 1


def load(model, options):
    from dataclasses import replace

    from ai_edge_litert import interpreter

    loaded = tflite.load(interpreter, "single-core 2.3.0", model, {**options, "threads": 1})
    return replace(loaded, call=lambda sample: {name: TIMES * array for name, array in loaded.call(sample).items()})
'''


def test_a_runtime_with_an_environment_of_its_own(program):
    """A target names it; it runs the model in its environment, and what it gives is in the bundle. Another content of its file runs again."""
    program.add("execution/runtimes/single_core.py", RUNTIME)
    for suffix in ("in", "txt"):
        text = (program.folder / f"toolkit/environments/litert.{suffix}").read_text()
        program.add(f"environments/single_core.{suffix}", text)
    board(program, '[runtime]\nname = "single_core"\nversion = "2.3.0"\n')
    python = next((program.home / "environments").glob("litert-[0-9a-f]*/bin/python"))
    named = f"--python single_core={python}"

    report, text = built(program, named)
    place = program.folder / "toolkit/execution/runtimes/single_core.py"
    ended = []
    for out in ("once", "twice"):
        ended += program.run(f"{RUN.format(model='dist/board/model.tflite', out=out)} {named}")
        place.write_text(RUNTIME.replace("TIMES = 1", "TIMES = 2"))

    assert "single-core 2.3.0" in json.dumps(report)
    assert "single-core" in text
    assert [each.status for each in ended] == [0, 0], ended
    once, twice = (np.load(program.folder / f"{out}.npz")["probabilities"] for out in ("once", "twice"))
    np.testing.assert_array_equal(twice, 2 * once)


LAUNCHER = '''"""This machine, nicely: option `niceness`."""

from dataclasses import replace

from toolkit.environments.status import Status
from toolkit.launchers import local

HOST = False
EMULATED = False
TIMED = True
SETUP = ()


def prepare(environment, options, settings):
    here = local.prepare(environment, {}, settings)
    command = ("nice", "-n", str(options["niceness"]), *here.command)
    cpu = f"nice {options['niceness']}"
    return replace(
        here, command=command, identity=f"{here.identity} {cpu}", about={**here.about, "launcher": "nearby", "cpu": cpu}
    )


def ready(environment, options, settings):
    return local.ready(environment, {}, settings)


def means(options):
    return "on this machine, nicely"


def features(options):
    return local.features({})


def status(settings):
    return Status("launcher", "nearby", True, "right here")
'''


def test_a_launcher(program):
    """What it starts is a stage of its own, the device, with the options of the profile."""
    program.add("launchers/nearby.py", LAUNCHER)
    board(program, '[runtime]\nlauncher = "nearby"\noptions = { niceness = 3 }\n')

    report, text = built(program)

    assert report["runs"]["device"]["launcher"] == "nearby"
    assert report["runs"]["device"]["cpu"] == "nice 3"
    assert (program.folder / "dist/board/runs/device.safetensors").is_file()
    assert "device" in text


SCHEME = '''"""Weights int8 with one scale for each tensor, as TensorFlow's converter makes them, activations float32."""

WEIGHTS = "int8"
ACTIVATIONS = "float32"
CALIBRATED = False
INPUT_DTYPES = ("float32",)
QUANTIZERS = {"converter": {}}
'''


def test_a_scheme(program):
    """A quantizer makes it, its file is smaller, and report and manifest have its name."""
    program.add("conversion/schemes/small_wi8.py", SCHEME)
    board(program)

    report, text = built(program, "--scheme small_wi8")

    assert report["artifact"]["scheme"] == "small_wi8"
    assert "small_wi8" in text
    assert "small_wi8" in (program.folder / "dist/board/manifest.json").read_text()
    assert (program.folder / "dist/board/model.tflite").stat().st_size < 30_000


QUANTIZER = '''"""TensorFlow's converter, called otherwise."""

from toolkit.conversion.quantizers import converter

FORMAT = "tflite"
ENGINE = "tensorflow"
TAKES = "saved_model"
CALIBRATES = False
FALLBACK = False


def quantize(request):
    return converter.quantize(request)
'''


@pytest.mark.slow
def test_a_quantizer(program):
    """It makes what a scheme asks it for."""
    program.add("conversion/quantizers/other.py", QUANTIZER)
    program.add("conversion/schemes/small_wi8.py", SCHEME.replace('"converter"', '"other"'))
    convert = "convert toolkit/sample/digits --scheme small_wi8 --quantizer {} --out {}"

    made, same, misspelt = program.run(
        convert.format("other", "one.tflite"),
        "convert toolkit/sample/digits --scheme dynamic_wi8_afp32 --quantizer converter --out two.tflite",
        convert.format("othe", "one.tflite"),
    )

    assert (made.status, same.status, misspelt.status) == (0, 0, 2), made.said
    one, two = ((program.folder / f"{name}.tflite").read_bytes() for name in ("one", "two"))
    assert one == two
    assert "did you mean 'other'?" in misspelt.said


CONVERTER = '''"""TFLite files in a box of four letters."""

import hashlib

from toolkit.conversion.converters import tflite
from toolkit.wire.request import Request

SUFFIX = ".boxed"
ENGINE = "tensorflow"
HOST_RUNTIME = "boxed"


def is_one(head):
    return head.startswith(b"BOX1")


def convert(request):
    found = tflite.convert(request)
    inside = request.out / found["file"]
    path = request.out / f"model{SUFFIX}"
    path.write_bytes(b"BOX1" + inside.read_bytes())
    inside.unlink()
    content = path.read_bytes()
    about = {"file": path.name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return {**found, **about, "multiply_accumulates": None, "endings": {}}


def inspect(request):
    inside = request.out / "model.tflite"
    inside.write_bytes(request.inputs["model"].read_bytes()[4:])
    return tflite.inspect(Request(request.options, {"model": inside}, request.out))
'''
BOXED = '''"""LiteRT, for files in a box."""

import tempfile
from pathlib import Path

from toolkit.engines.tflite import interpreter as tflite

FORMATS = ("boxed",)
ENVIRONMENT = "litert"


def load(model, options):
    from ai_edge_litert import interpreter

    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder, "model.tflite")
        inside.write_bytes(model.read_bytes()[4:])
        return tflite.load(interpreter, "ai-edge-litert 2.3.0", inside, options)
'''


@pytest.mark.slow
def test_a_converter(program):
    """A format that nothing else knows: it is converted to, shipped under its suffix, looked into, and run by the runtime that has it."""
    program.add("conversion/converters/boxed.py", CONVERTER)
    program.add("execution/runtimes/boxed.py", BOXED)
    board(program, 'format = "boxed"\n[runtime]\nname = "boxed"\nversion = "2.3.0"\n')

    report, _ = built(program)
    model = "dist/board/model.boxed"
    looked, ran, converted = program.run(
        f"inspect {model} --json",
        RUN.format(model=model, out="outputs"),
        "convert toolkit/sample/digits --out other.boxed",
    )

    assert report["artifact"]["path"] == "model.boxed"
    assert json.loads(looked.printed)["kind"] == "boxed"
    assert (looked.status, ran.status, converted.status) == (0, 0, 0)
    assert (program.folder / "other.boxed").read_bytes() == (program.folder / model).read_bytes()


KIND = '''"""A SavedModel in a zip archive."""

import zipfile
from pathlib import Path

from toolkit.source.kinds import saved_model
from toolkit.wire.request import Request

TAKES = frozenset()


def recognize(path):
    return path.suffix == ".zipped" and path.is_file()


def locate(path, step):
    return {"archive": Path(path).absolute()}


def inspect(request):
    return {**saved_model.inspect(_unpacked(request)), "kind": "zipped_model"}


def load(request):
    return saved_model.load(_unpacked(request))


def _unpacked(request):
    folder = request.out / "unpacked"
    with zipfile.ZipFile(request.inputs["archive"]) as archive:
        archive.extractall(folder)
    return Request(request.options, {"source": folder}, request.out)
'''


@pytest.mark.slow
def test_a_source_kind(program):
    """It is recognized by what it says of names, looked into, loaded, and built."""
    program.add("source/kinds/zipped_model.py", KIND)
    shutil.make_archive(str(program.folder / "digits"), "zip", program.folder / "toolkit/sample/digits")
    (program.folder / "digits.zip").rename(program.folder / "digits.zipped")
    (program.folder / "digits.unknown").touch()

    looked, unknown, ended = program.run(
        "inspect digits.zipped --json",
        "inspect digits.unknown",
        "build digits.zipped -t host --scheme float32 --calibration calibration/digits.toml",
    )

    assert json.loads(looked.printed)["kind"] == "zipped_model"
    assert unknown.status == 2
    assert "zipped_model" in unknown.said
    assert ended.status == 0, ended.said
    assert json.loads((program.folder / "dist/host/report.json").read_text())["source"]["kind"] == "zipped_model"


READER = '''"""Images and labels in one text file, a sample a line."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.samples.readers import Indexed, Reading, Sample

CACHED = True
ENVIRONMENT = "dataset"


@dataclass(frozen=True)
class Options:
    path: str

    __pydantic_config__ = {"extra": "forbid"}


def recognize(data):
    path = Path(data)
    return (path.parent, Options(path.name)) if path.suffix == ".lines" else None


def files(options):
    return {"path": options.path}


def read(options, files, asked):
    lines = files["path"].read_text().splitlines()
    (name,) = asked.names

    def at(index):
        label, *values = lines[index].split()
        return Sample({name: np.float32(values).reshape(8, 8, 1)}, int(label), f"line {index + 1}")

    return Reading(Indexed(len(lines), at))
'''
TASK_METRIC = '''"""The share of samples whose largest number is at the label's place, with a bonus."""

import numpy as np

BETTER = "higher"
RANGE = (0.0, 2.0)
PARAMETERS = {"bonus": 1.0}


def refuse(parameters):
    return None


def applies(outputs, labels, parameters=PARAMETERS):
    return None


def evidence(outputs, labels, parameters=PARAMETERS):
    (values,) = outputs.values()
    return (values.reshape(len(values), -1).argmax(axis=1) == np.asarray(labels)).astype(int).tolist()


def score(rows, parameters=PARAMETERS):
    return parameters["bonus"] * sum(rows) / len(rows)
'''
METRIC = '''"""The sign of the largest number, which is seldom another one."""

import numpy as np

from toolkit.comparison.metrics import rows

BETTER = "higher"
ALWAYS = True
OVER = "rate"
UNITS = ("share",)
RANGE = (0.0, 1.0)
CENTRED = False
WHOLE_NUMBERS = True


def applies(shape):
    return None


def measure(reference, candidate):
    a, b = rows(reference).max(axis=1), rows(candidate).max(axis=1)
    return np.where(np.isnan(a) | np.isnan(b), np.nan, np.sign(a) == np.sign(b))
'''
KIND_OF_OUTPUT = """
about = "digits by their shares"
shape = "(..., 10)"

[fits]
numbers = ["real"]
last    = [10, 10]

[[bounds]]
stage   = "total"
output  = "*"
metric  = "max_abs"
limit   = 0.125
unit    = "real"
because = "a test"
"""
FORMAT = '''"""One line of words."""

from toolkit.report.formats._documents import subjects

SUFFIX = ".txt"


def is_one(head):
    return head.startswith(b"one line: ")


def render(document):
    return "one line: " + ", ".join(f"{one.name} {one.outcome}" for one in subjects(document)) + "\\n"
'''
LINT = '''"""A set with an even number of samples."""

from dataclasses import dataclass

from toolkit.findings import Finding

LOOKS_AT = "set"
CODES = ("even-number",)


@dataclass(frozen=True)
class Limits:
    """`most`: of samples that are looked at."""

    most: float = 1000.0


def judge(calibration, verification, limits):
    if calibration.count % 2 or calibration.count > limits.most:
        return []
    return [Finding("even-number", "warning", f"{calibration.count} samples: even", "give one more")]
'''


def test_what_reads_judges_and_reports(program):
    """A reader, a task metric, a metric, a kind of output, a check of samples and a report format: each has its part in one verdict."""
    for path, text in (
        ("samples/readers/lines.py", READER),
        ("samples/lints/even.py", LINT),
        ("comparison/task_metrics/bonus.py", TASK_METRIC),
        ("comparison/metrics/same_sign.py", METRIC),
        ("comparison/output_kinds/digits.toml", KIND_OF_OUTPUT),
        ("report/formats/words.py", FORMAT),
    ):
        program.add(path, text)
    held = np.load(program.folder / "calibration/digits.npz")
    images, labels = held["images"].reshape(len(held["images"]), -1), held["labels"]
    lines = (" ".join(map(str, (label, *image))) for label, image in zip(labels, images, strict=True))
    (program.folder / "digits.lines").write_text("\n".join(lines))

    (ended,) = program.run(
        "build toolkit/sample/digits -t host --scheme float32 --calibration digits.lines --task-metric bonus:bonus=2 "
        "--output-kind probabilities=digits --report words=words.txt"
    )
    assert ended.status == 0, ended.said
    report = json.loads((program.folder / "dist/host/report.json").read_text())

    assert [task["metric"] for task in report["tasks"]] == ["bonus:bonus=2"]
    assert report["tasks"][0]["scores"]["original"] > 1.9
    assert "same_sign" in json.dumps(report)
    assert any(each["limit"] == 0.125 for each in report["comparisons"])
    assert "even-number" in {finding["code"] for finding in report["findings"]}
    assert re.match("one line: host passed", (program.folder / "words.txt").read_text())


ESTIMATOR = '''"""The extremes, made wider."""

from dataclasses import dataclass

from toolkit.conversion.estimators import min_max

NEEDS = "extremes"


@dataclass(frozen=True)
class Parameters:
    times: float = 1.5


def estimate(statistics, parameters):
    ranges = min_max.estimate(statistics, min_max.Parameters())
    return {name: (low * parameters.times, high * parameters.times) for name, (low, high) in ranges.items()}
'''


@pytest.mark.slow
def test_an_estimator(program):
    """Its ranges make the artifact, and another content of its file makes another one."""
    program.add("conversion/estimators/wider.py", ESTIMATOR)
    place = program.folder / "toolkit/conversion/estimators/wider.py"
    made = "convert toolkit/sample/digits --scheme static_wi8_ai8 --calibration calibration/digits.toml --estimator {} --out {}"

    one, two = program.run(made.format("wider", "one.tflite"), made.format("wider:times=2", "two.tflite"))
    place.write_text(ESTIMATOR.replace("1.5", "2.0"))
    (three,) = program.run(made.format("wider", "three.tflite"))

    assert (one.status, two.status, three.status) == (0, 0, 0), one.said
    first, second, third = ((program.folder / f"{name}.tflite").read_bytes() for name in ("one", "two", "three"))
    assert first != second
    assert second == third
