"""A plugin of any kind is one file: added to a copy of the package, it is there for the command line, with nothing else edited.

What needs an engine is in tests/integration/test_added_plugins.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
BOUNDS = """
[[bounds]]
stage   = "total"
output  = "*"
metric  = "{metric}"
limit   = {limit}
unit    = "{unit}"
because = "a test"
"""
BOARD = """
name    = "{name}"
about   = "A board"
extends = "host"
"""


COMPARE = "compare a.npz b.npz"


def bounds(program, metric: str, limit: float, unit: str = "real") -> None:
    """Write two runs, the second of which is 0.25 off, and a file with one bound on them."""
    reference = np.linspace(0.0, 1.0, 40, dtype=np.float32).reshape(10, 4)
    for name, values in (("a", reference), ("b", reference + np.float32(0.25))):
        np.savez(program.folder / f"{name}.npz", y=values)
    (program.folder / "bounds.toml").write_text(BOUNDS.format(metric=metric, limit=limit, unit=unit))


def profiles(program, **more: str) -> str:
    """Write profiles that extend the one of this machine, each by its name, and return the word that checks one."""
    for name, text in more.items():
        (program.folder / f"{name}.toml").write_text(BOARD.format(name=name) + text)
    return "targets check {}.toml"


def test_the_page_has_a_line_for_every_kind():
    """Each folder that the code looks plugins up in, and a test that is there."""
    page = (ROOT / "docs/plugins.md").read_text()
    code = "".join(path.read_text() for path in (ROOT / "toolkit").rglob("*.py"))
    folders = set(re.findall(r'registry\.\w+\(\s*"([a-z_]+(?:/[a-z_]+)?)"', code)) | {"comparison/output_kinds"}
    tests = {
        file: (ROOT / file).read_text()
        for file in ("tests/unit/test_added_plugins.py", "tests/integration/test_added_plugins.py")
    }

    rows = dict(
        re.findall(
            r"^\|[^|]+\| `([a-z_/]+)/NAME\.\w+` \|[^|]+\| `test_added_plugins\.py::(\w+)` \|$", page, re.MULTILINE
        )
    )

    assert rows.keys() == folders
    assert {name for name in rows.values() if not any(f"def {name}(" in text for text in tests.values())} == set()


METRIC = '''"""The largest difference of a sample, and twice that."""

import numpy as np

from toolkit.comparison.metrics import rows

BETTER = "lower"
ALWAYS = False
OVER = "sample"
UNITS = ("real",)
RANGE = (0.0, np.inf)
CENTRED = False
WHOLE_NUMBERS = True


def applies(shape):
    return None


def measure(reference, candidate):
    return 2 * np.abs(rows(candidate) - rows(reference)).max(axis=1)
'''


def test_a_metric(program):
    """It is measured where it is asked for, judged where a bound names it, and offered where its name is misspelt."""
    program.add("comparison/metrics/twice_off.py", METRIC)
    bounds(program, "twice_off", 0.4)

    measured, judged, misspelt = program.run(
        f"{COMPARE} --metric twice_off", f"{COMPARE} --bounds bounds.toml", f"{COMPARE} --metric twice_of"
    )

    assert measured.status == 0
    assert re.search(r"twice_off +0\.5", measured.said)
    assert judged.status == 1
    assert re.search(r"twice_off +0\.5 .*<= 0\.4.*FAIL", judged.said)
    assert misspelt.status == 2
    assert "did you mean 'twice_off'?" in misspelt.said
    assert program.completes("compare a b --metric tw") == {"twice_off"}


PACKAGER = '''"""The size of the model, as a text."""


def write(verdict, folder):
    (folder / "size.txt").write_text(f"{verdict.artifact.size_bytes}\\n")
'''


def test_a_packager(program):
    """A profile may name it, and is told of it where its name is misspelt."""
    program.add("bundle/packagers/size_text.py", PACKAGER)
    check = profiles(program, right='packagers = ["size_text"]\n', misspelt='packagers = ["size_tex"]\n')

    right, misspelt = program.run(check.format("right"), check.format("misspelt"))

    assert right.status == 0, right.said
    assert misspelt.status == 2
    assert "did you mean 'size_text'?" in misspelt.said


TASK_METRIC = '''"""The share of samples that are far off."""

BETTER = "lower"
RANGE = (0.0, 1.0)
PARAMETERS = {"far": 0.5}


def refuse(parameters):
    return None if parameters["far"] > 0 else f"far={parameters['far']:g}; expected a number above 0"


def applies(outputs, labels, parameters=PARAMETERS):
    return None


def evidence(outputs, labels, parameters=PARAMETERS):
    (values,) = outputs.values()
    return [int(abs(float(one.ravel()[0])) > parameters["far"]) for one in values]


def score(rows, parameters=PARAMETERS):
    return sum(rows) / len(rows) if rows else float("nan")
'''


def test_a_task_metric(program):
    """A bound may name it, with its parameters, and nothing else."""
    program.add("comparison/task_metrics/far_off.py", TASK_METRIC)
    named = {"right": "far_off:far=2", "refused": "far_off:far=-1", "misspelt": "far_of"}
    check = profiles(
        program, **{name: BOUNDS.format(metric=text, limit=0.1, unit="drop") for name, text in named.items()}
    )

    right, shown, refused, misspelt = program.run(
        check.format("right"), "targets show right.toml", check.format("refused"), check.format("misspelt")
    )

    assert (right.status, shown.status, refused.status, misspelt.status) == (0, 0, 2, 2)
    assert "far_off:far=2" in shown.said
    assert "expected a number above 0" in refused.said
    assert "did you mean 'far_off'?" in misspelt.said


OUTPUT_KIND = """
about = "an angle in radians"
shape = "(..., 4)"

[fits]
numbers = ["real"]
last    = [4, 4]

[[bounds]]
stage   = "total"
output  = "*"
metric  = "max_abs"
limit   = 0.123
unit    = "real"
because = "a test"
"""


def test_an_output_kind(program):
    """An output that is said to be of it has its bounds, which every profile has too."""
    program.add("comparison/output_kinds/angle.toml", OUTPUT_KIND)
    bounds(program, "rmse", 1)
    profiles(program, board="")
    judge = f"{COMPARE} --bounds board.toml --scheme float32"

    plain, judged, shown, misspelt = program.run(
        judge, f"{judge} --output-kind y=angle", "targets show host", f"{judge} --output-kind y=angel"
    )

    assert "<= 0.123" not in plain.said
    assert judged.status == 1
    assert re.search(r"max_abs +0\.25.*<= 0\.123.*FAIL", judged.said)
    assert "angle.toml" in shown.said
    assert misspelt.status == 2
    assert "did you mean 'angle'?" in misspelt.said
    assert program.completes("build m --output-kind y=ang") == {"y=angle"}


FORMAT = '''"""One line of words."""

from toolkit.report.formats._documents import subjects

SUFFIX = ".txt"


def is_one(head):
    return head.startswith(b"one line: ")


def render(document):
    return "one line: " + ", ".join(f"{one.name} {one.outcome}" for one in subjects(document)) + "\\n"
'''


def test_a_report_format(program):
    """It is in the help, writes its file, and is offered where its name is misspelt."""
    program.add("report/formats/words.py", FORMAT)
    bounds(program, "max_abs", 0.1)
    judge = f"{COMPARE} --bounds bounds.toml --report"

    judged, misspelt, helped = program.run(f"{judge} words=words.txt", f"{judge} word=words.txt", "compare --help")

    assert judged.status == 1
    assert re.match("one line: .*failed", (program.folder / "words.txt").read_text())
    assert misspelt.status == 2
    assert "did you mean 'words'?" in misspelt.said
    assert re.search(r"sarif or\s+words;", helped.said)
    assert program.completes("compare a b --report wor") == {"words="}


LAUNCHER = '''"""This machine, called otherwise; the option `niceness` changes nothing that a test sees."""

from dataclasses import replace

from toolkit.environments.status import Status
from toolkit.errors import RequestError
from toolkit.launchers import local

HOST = False
EMULATED = False
TIMED = False
SETUP = ()


def prepare(environment, options, settings):
    if options.keys() - {"niceness"}:
        raise RequestError(f"launcher nearby: unknown option {sorted(options)}")
    here = local.prepare(environment, {}, settings)
    command = ("nice", "-n", str(options.get("niceness", 1)), *here.command)
    return replace(here, command=command, about={**here.about, "launcher": "nearby"})


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
    """`doctor` shows it, a profile may name it with options of its own, and a wrong name gets the closest."""
    program.add("launchers/nearby.py", LAUNCHER)
    named = '[runtime]\nlauncher = "{}"\noptions = {{ niceness = 5 }}\n'
    check = profiles(program, right=named.format("nearby"), misspelt=named.format("nearly"), here=named.format("local"))

    child = profiles(program, child='runtime.launcher = "local"').format("child")
    path = program.folder / "child.toml"
    path.write_text(path.read_text().replace('"host"', '"./right.toml"'))

    right, here, shown, misspelt, doctor, changed, inherited = program.run(
        check.format("right"),
        check.format("here"),
        "targets show right.toml",
        check.format("misspelt"),
        "doctor",
        child,
        "targets show ./child.toml",
    )

    assert (right.status, misspelt.status) == (0, 2)
    assert re.search(r"runtime\.launcher +\"nearby\" +right.toml", shown.said)
    assert re.search(r"runtime\.options\.niceness +5 +right.toml", shown.said)
    assert "did you mean 'nearby'?" in misspelt.said
    assert here.status == 2
    assert "the launcher local has no options; got niceness" in here.said
    assert "verified: executed on this machine, nicely; not timed" in shown.said
    assert (changed.status, inherited.status) == (0, 0)
    assert "niceness" not in inherited.said
    assert "right here" in doctor.said


RUNTIME = '''"""A file of a few numbers, by which inputs are multiplied."""

import json

from toolkit.engines.loaded import Loaded

FORMATS = ("numbers",)
ENVIRONMENT = "multiplier"


def load(model, options):
    told = json.loads(model.read_text())
    (output,) = told["signature"]["outputs"]

    def call(sample):
        (values,) = sample.values()
        return {output["name"]: values * told["times"]}

    return Loaded(call, "numpy 1", told["signature"])
'''


def test_a_runtime_and_its_environment(program):
    """The environment is two files of its own, which `doctor`, `setup` and the closest name know."""
    program.add("execution/runtimes/multiplier.py", RUNTIME)
    program.add("environments/multiplier.in", "# python: >=3.10\nnumpy\n")
    program.add("environments/multiplier.txt", "numpy==2.2.6\n")
    named = '[runtime]\nname = "{}"\nversion = "1"\n'
    check = profiles(program, right=named.format("multiplier"), misspelt=named.format("multiplie"))

    right, misspelt, doctor, setup = program.run(
        check.format("right"), check.format("misspelt"), "doctor", "setup multiplie"
    )

    assert (right.status, misspelt.status, setup.status) == (2, 2, 2)
    assert "multiplier does not run tflite; it runs numbers" in right.said
    assert "did you mean 'multiplier'?" in misspelt.said
    assert re.search(r"environment +multiplier", doctor.said)
    assert "did you mean 'multiplier'?" in setup.said
    assert program.completes("setup mul") == {"multiplier"}


CONVERTER = '''"""Files of a few numbers."""

SUFFIX = ".numbers"
ENGINE = "tensorflow"
HOST_RUNTIME = "multiplier"


def is_one(head):
    return head.startswith(b"{")


def convert(request):
    raise NotImplementedError


inspect = convert
'''


def test_a_converter(program):
    """A profile may have its format, and `convert` knows its suffix."""
    program.add("conversion/converters/numbers.py", CONVERTER)
    program.add("execution/runtimes/multiplier.py", RUNTIME.replace('"multiplier"', '"dataset"'))
    named = 'format = "{}"\nschemes = ["{}"]\n[runtime]\nname = "multiplier"\nversion = "1"\n'
    given = {"right": ("numbers", "float32"), "quantized": ("numbers", "float16"), "misspelt": ("number", "float32")}
    check = profiles(program, **{name: named.format(*of) for name, of in given.items()})

    right, quantized, misspelt, suffix = program.run(
        *map(check.format, given), "convert toolkit/sample/digits --out model.tflit"
    )

    assert (right.status, quantized.status, misspelt.status, suffix.status) == (0, 2, 2, 2)
    assert "no quantizer makes it for the format numbers" in quantized.said
    assert "did you mean 'numbers'?" in misspelt.said
    assert "expected .numbers or .onnx or .ort or .tflite" in suffix.said


SCHEME = '''"""Weights in bfloat16."""

WEIGHTS = "bfloat16"
ACTIVATIONS = "float32"
CALIBRATED = False
INPUT_DTYPES = ("float32", "bfloat16")
QUANTIZERS = {"litert_quantizer": {}}
'''


def test_a_scheme(program):
    """A profile may have it, with the dtypes that it alone has, a command may ask for it, and a wrong name gets the closest."""
    program.add("conversion/schemes/bfloat16.py", SCHEME)
    named = 'schemes = ["{}"]\n[conversion]\ninputs = "{}"\n'
    given = {
        "right": ("bfloat16", "bfloat16"), "dtype": ("bfloat16", "bfloat61"), "misspelt": ("bfloat61", "float32")
    }  # fmt: skip
    check = profiles(program, **{name: named.format(*of) for name, of in given.items()})

    right, dtype, misspelt, helped = program.run(*map(check.format, given), "build --help")

    assert (right.status, dtype.status, misspelt.status) == (0, 2, 2)
    assert "inputs: 'bfloat61'; did you mean 'bfloat16'?" in dtype.said
    assert "schemes[0]: 'bfloat61'; did you mean 'bfloat16'?" in misspelt.said
    assert "bfloat16, float32" in helped.said
    assert program.completes("build m --scheme bf") == {"bfloat16"}
    assert program.completes("build m --inputs-dtype bf") == {"bfloat16"}


def test_a_scheme_with_weights_in_float16(program):
    """A constant output may be rounded as float16 is, by what the scheme says of its weights and not by its name."""
    program.add("conversion/schemes/halves.py", SCHEME.replace("bfloat16", "float16"))
    bounds(program, "max_abs", 1)
    for name, constant in (("a", 1000.3), ("b", np.float16(1000.3))):
        held = dict(np.load(program.folder / f"{name}.npz"))
        np.savez(program.folder / f"{name}.npz", **held, constant=np.full((10, 4), constant, np.float32))

    halves, floats = program.run(*(f"{COMPARE} --bounds bounds.toml --scheme {name}" for name in ("halves", "float32")))

    assert (halves.status, floats.status) == (0, 1)


ESTIMATOR = '''"""The extremes, made wider."""

from dataclasses import dataclass

NEEDS = "extremes"


@dataclass(frozen=True)
class Parameters:
    times: float = 2.0

    def __post_init__(self):
        if self.times < 1:
            raise ValueError(f"times is {self.times:g}; expected 1 or more")


def estimate(statistics, parameters):
    return {name: (0.0, 1.0) for name in statistics.tensors}
'''


def test_an_estimator(program):
    """A profile may name it with its parameters, and so may a command."""
    program.add("conversion/estimators/wider.py", ESTIMATOR)
    named = '[quantization]\nestimators = ["wider:times={}"]\n'
    check = profiles(program, right=named.format(3), refused=named.format(0))

    right, refused, misspelt = program.run(
        check.format("right"), check.format("refused"), "build m -t host --estimator widen"
    )

    assert (right.status, refused.status, misspelt.status) == (0, 2, 2)
    assert "expected 1 or more" in refused.said
    assert "did you mean 'wider'?" in misspelt.said
    assert program.completes("build m --estimator wid") == {"wider"}


READER = '''"""Numbers in a text file, one sample a line."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolkit.samples.readers import Indexed, Reading, Sample

CACHED = True
ENVIRONMENT = "dataset"


@dataclass(frozen=True)
class Options:
    path: str
    times: float = 1.0

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
        return Sample({name: np.float32(lines[index].split()) * np.float32(options.times)}, None, f"line {index + 1}")

    return Reading(Indexed(len(lines), at))
'''


def test_a_reader(program):
    """A file that it recognizes is a set, a recipe may name it, and its mistakes get the closest name."""
    program.add("samples/readers/lines.py", READER)
    (program.folder / "set.lines").write_text("1 2\n3 4\n")
    recipe = '[reader]\nkind = "{kind}"\npath = "set.lines"\n{option} = 2\n'
    for name, kind, option in (("right", "lines", "times"), ("kind", "line", "times"), ("option", "lines", "time")):
        (program.folder / f"{name}.toml").write_text(recipe.format(kind=kind, option=option))

    shown, right, kind, option = program.run(
        *(f"calibration show {name}" for name in ("set.lines", "right.toml", "kind.toml", "option.toml"))
    )

    assert (shown.status, right.status, kind.status, option.status) == (0, 0, 2, 2)
    assert "lines" in shown.said
    assert "times" in right.said
    assert "did you mean 'lines'?" in kind.said
    assert "did you mean 'times'?" in option.said
