"""Hardware profiles: those that ship are sound, a user's own is five lines, and what makes no sense is refused when it is read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from toolkit import config, metrics, schemas, target
from toolkit.errors import InvalidConfig, RequestError, UnknownName
from toolkit.target import Bound

SHIPPED = Path(__file__).resolve().parents[2] / "targets"
NAMES = (
    "android-arm64",
    "host",
    "linux-x86_64-tflite-runtime",
    "onnxruntime-host",
    "raspberry-pi-3",
    "raspberry-pi-4",
    "raspberry-pi-5",
)
MINE = 'name = "mine"\nabout = "my board"\nextends = "raspberry-pi-4"\n'
WHOLE = """
name = "mine"
about = "my board"
hardware = "a board"
format = "tflite"
schemes = ["static_wi8_ai8", "float32"]
[runtime]
name = "litert"
version = "2.3.0"
[[bounds]]
stage = "total"
output = "*"
metric = "max_abs"
limit = 0.1
unit = "range"
because = "a reason"
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a writer of profiles into an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="mine.toml"):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def mistakes(path):
    with pytest.raises(InvalidConfig) as caught:
        target.check(path)
    return caught.value.problem.splitlines()


# ---- the profiles that ship


def test_these_targets_ship():
    """Bases are none."""
    assert target.names() == NAMES


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_profile_that_ships_is_sound(path):
    """Bases too."""
    target.check(path)


@pytest.mark.parametrize("name", NAMES)
def test_every_stage_of_every_scheme_has_a_bound(name):
    """Else a failure could not name its stage."""
    found = target.find(name)

    assert found.name == name
    for scheme in found.schemes:
        stages = {bound.stage for bound in found.bounds if not bound.schemes or scheme in bound.schemes}
        assert stages == {"source", "conversion", "quantization", "kernels", "device", "total"}


@pytest.mark.parametrize("name", NAMES)
def test_int8_comes_first(name):
    """It is what devices are for."""
    assert target.find(name).schemes[0] == "static_wi8_ai8"


@pytest.mark.parametrize("name", NAMES)
def test_decisions_and_single_samples_are_bounded_whatever_the_scheme(name):
    """A pooled metric sees neither one broken sample nor a decision that flips."""
    total = [bound for bound in target.find(name).bounds if bound.stage == "total" and not bound.schemes]

    assert {metrics.load(bound.metric).OVER for bound in total} == {"rate", "sample"}


@pytest.mark.parametrize("name", NAMES)
def test_every_reason_is_a_reason(name):
    """A limit that nobody can explain is a guess."""
    for bound in target.find(name).bounds:
        assert len(bound.because) > 40, bound


@pytest.mark.parametrize("name", [name for name in NAMES if "pi" in name or "android" in name])
def test_emulated_targets_say_so(name):
    """Nobody shall take an emulated processor for a device, or Linux for Android."""
    found = target.find(name)

    assert found.runtime.launcher == "qemu"
    assert found.runtime.cpu in {"cortex-a53", "cortex-a72", "cortex-a76"}
    assert "emulated" in found.about
    assert "nothing is said about speed" in found.notes.lower()


def test_android_is_not_claimed_to_be_emulated():
    """Its kernels are, on a Linux."""
    found = target.find("android-arm64")

    assert "Android itself is not emulated" in found.notes
    assert (found.runtime.name, found.runtime.version) == ("litert", "2.3.0")


@pytest.mark.parametrize("name", [name for name in NAMES if "pi" in name or "tflite-runtime" in name])
def test_the_old_runtime_is_offered_nothing_that_it_cannot_load(name):
    """tflite-runtime 2.14 has no kernel for what the converter writes for dynamic range."""
    found = target.find(name)

    assert (found.runtime.name, found.runtime.version) == ("tflite_runtime", "2.14.0")
    assert "dynamic_wi8_afp32" not in found.schemes


def test_a_profile_of_ones_own_bounds_replaces_the_base():
    """Android's XNNPACK is held to more than the base asks."""
    identity = ("device", "*", "sqnr_db", False, (), ("static_wi8_ai8",))

    limits = {name: [b.limit for b in target.find(name).bounds if b.identity == identity] for name in NAMES}

    assert limits.pop("android-arm64") == [30]
    assert set(map(tuple, limits.values())) == {(15,)}


def test_the_schemas_are_the_latest():
    """Editors complete what they say; `python -m toolkit.schemas` writes them anew."""
    folder = Path(schemas.__file__).parent

    written = {path.name: plainly(json.loads(path.read_text())) for path in folder.glob("*.json")}

    assert written == {name: plainly(json.loads(text)) for name, text in schemas.texts().items()}


def plainly(schema):
    """Return the schema without the wrapping that only some versions of pydantic write around a reference."""
    if isinstance(schema, list):
        return [plainly(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    wrapped = schema.get("allOf", [])
    bare = {**schema, **wrapped[0]} if len(wrapped) == 1 else schema
    return {key: plainly(value) for key, value in bare.items() if bare is schema or key != "allOf"}


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_profiles_point_to_their_schema_and_keep_to_it(path):
    """Required keys and known names, as an editor would check them (of the schema no more than that)."""
    lines = path.read_text().splitlines()
    schema = json.loads((path.parent / lines[0].removeprefix("#:schema ")).read_text())
    content = config.read(path)

    assert set(schema["required"]) <= set(content) <= set(schema["properties"])
    assert any(set(choice["required"]) <= set(content) for choice in schema["anyOf"])
    assert "required" not in schema["$defs"]["Runtime"]
    assert schema["additionalProperties"] is False


# ---- finding


def test_a_target_is_found_by_path_in_the_folder_and_in_the_package(write):
    """In this order, so that a board of one's own can take the place of one that ships."""
    write(MINE)
    write(MINE.replace("mine", "host"), "targets/host.toml")
    write(MINE.replace("mine", "other"), "targets/other.toml")

    assert target.find("mine.toml").about == target.find(Path("mine.toml")).about == "my board"
    assert target.find("host").about == "my board"
    assert target.find("raspberry-pi-5").runtime.cpu == "cortex-a76"
    assert target.names() == tuple(sorted({*NAMES, "other"}))


def test_the_installed_package_finds_its_own_folder(tmp_path, monkeypatch):
    """In a wheel the profiles lie inside the package."""
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "mine.toml").write_text(WHOLE)
    monkeypatch.setattr(target, "_PACKAGE", tmp_path)
    monkeypatch.chdir(tmp_path.parent)

    assert target.names() == ("mine",)
    assert target.find("mine").runtime.launcher == "local"


def test_an_unknown_target_is_answered_with_the_closest(write):
    """And with all of them."""
    with pytest.raises(
        UnknownName, match=r"target 'raspbery-pi-4': unknown; did you mean 'raspberry-pi-4'\? known: android"
    ):
        target.find("raspbery-pi-4")


def test_a_missing_file_is_answered_with_the_closest(write):
    """A path is a path, and never a name."""
    write(MINE)

    with pytest.raises(InvalidConfig, match=r"mina.toml: no such file; did you mean 'mine.toml'"):
        target.find("mina.toml")
    with pytest.raises(InvalidConfig, match=r"host\.toml: no such file"):
        target.find("./host.toml")


def test_a_base_is_no_target(write):
    """It is there to be extended, and leaves open what runs."""
    with pytest.raises(
        RequestError, match="target 'base-tflite': is abstract, a profile to extend; known: android-arm64"
    ):
        target.find("base-tflite")
    write(WHOLE + "", "whole.toml")
    write(WHOLE.replace('name = "mine"', 'name = "mine"\nabstract = true'))
    with pytest.raises(RequestError, match="is abstract"):
        target.find("mine.toml")


def test_a_broken_profile_in_the_folder_does_not_hide_the_others(write):
    """Listing must not fail because of one; asking for it does."""
    write("name = ", "targets/broken.toml")

    assert set(target.names()) == {*NAMES, "broken"}
    with pytest.raises(InvalidConfig, match="not TOML"):
        target.find("broken")


# ---- extending


def test_ones_own_board_is_five_lines(write):
    """Everything else is inherited, tables key by key."""
    path = write(MINE + '[runtime]\ncpu = "cortex-a53"\n')

    mine, base = target.find(path), target.find("raspberry-pi-4")

    assert mine.runtime == base.runtime.model_copy(update={"cpu": "cortex-a53"})
    assert (mine.bounds, mine.schemes, mine.notes) == (base.bounds, base.schemes, base.notes)


def test_a_bound_takes_the_place_of_the_inherited_one(write):
    """The one with the same stage, output, metric and schemes (in any order); another is added."""
    path = write(
        MINE
        + '[[bounds]]\nstage = "total"\noutput = "*"\nmetric = "top1_agreement"\nlimit = 0.98\nbecause = "mine"\n'
        + '[[bounds]]\nstage = "kernels"\noutput = "*"\nmetric = "max_abs"\nlimit = 1e-5\nunit = "range"\n'
        + 'schemes = ["float32", "float16"]\nbecause = "mine"\n'
        + '[[bounds]]\nstage = "total"\noutput = "scores"\nmetric = "rmse"\nlimit = 1\nunit = "lsb"\nbecause = "mine"\n'
    )

    mine, base = target.find(path), target.find("raspberry-pi-4")

    assert len(mine.bounds) == len(base.bounds) + 1
    assert [bound.identity for bound in mine.bounds[:-1]] == [
        (*bound.identity[:-1], tuple(sorted(bound.schemes))) for bound in base.bounds
    ]
    assert [bound.limit for bound in mine.bounds if bound.because == "mine"] == [1e-5, 0.98, 1]


def test_a_list_of_schemes_is_replaced_as_a_whole(write):
    """Preference is one decision."""
    assert target.find(write(MINE + 'schemes = ["float32"]\n')).schemes == ("float32",)


def test_what_a_profile_says_of_itself_is_not_inherited(write):
    """A base that is abstract has heirs that are not, and no board is described by another's words."""
    path = write('name = "mine"\nextends = "base-raspberry-pi"\nhardware = "h"\n')

    assert mistakes(path) == ["mine.toml: about: missing"]


def test_another_engine_does_not_inherit_the_version(write):
    """2.14.0 is tflite-runtime's; LiteRT never had one."""
    assert mistakes(write(MINE + '[runtime]\nname = "litert"\n')) == ["mine.toml: runtime.version: missing"]
    assert target.find(write(MINE + '[runtime]\nname = "litert"\nversion = "2.3.0"\n')).runtime.launcher == "qemu"
    assert target.find(write(MINE + '[runtime]\nname = "tflite_runtime"\n')).runtime.version == "2.14.0"


@pytest.mark.parametrize("base", ["base", "base.toml", "./base.toml", "../boards/base.toml"])
def test_a_base_is_found_beside_the_profile(write, base):
    """By name or by path from it, not from where the command runs."""
    write(WHOLE.replace("mine", "base"), "boards/base.toml")
    path = write(f'name = "mine"\nabout = "a"\nextends = "{base}"\n', "boards/mine.toml")

    assert target.find(path).hardware == "a board"


def test_a_profile_may_have_the_name_of_the_one_it_extends(write):
    """A Raspberry Pi 4 of one's own, by the same name."""
    write(
        MINE.replace('"mine"', '"raspberry-pi-4"') + "[budget]\nfile_bytes = 4_000_000\n", "targets/raspberry-pi-4.toml"
    )

    mine = target.find("raspberry-pi-4")

    assert (mine.about, mine.runtime.cpu, mine.budget.file_bytes) == ("my board", "cortex-a72", 4_000_000)


def test_a_circle_is_an_error(write):
    """And says how it goes."""
    write('extends = "b"\n', "a.toml")
    write('extends = "c"\n', "b.toml")
    path = write('extends = "a"\n', "c.toml")

    assert mistakes(path) == ["c.toml: extends: goes in a circle: c -> a -> b -> c"]


def test_an_unknown_base_is_answered_with_the_closest(write):
    """As every name is."""
    (line,) = mistakes(write(MINE.replace("raspberry-pi-4", "raspberry-pi-44")))

    assert line.startswith("mine.toml: extends: 'raspberry-pi-44'; did you mean 'raspberry-pi-4'? known: ")


def test_a_missing_base_file_is_named(write):
    """By the path that it was looked for."""
    assert mistakes(write(MINE.replace("raspberry-pi-4", "no/base.toml")))[0].startswith("no/base.toml: no such file")


# ---- mistakes


def test_all_mistakes_are_reported_at_once(write):
    """With the places in the user's own file, not in the merged whole."""
    path = write(
        MINE.replace('"mine"', '"yours"')
        + 'thread = 4\nformat = "tflit"\n[budget]\nfile_bytes = "64 MB"\n[runtime]\nthreads = 0\n'
        + '[[bounds]]\nstage = "total"\noutput = "*"\nmetric = "max_abs"\nunit = "range"\nbecause = "b"\n'
    )

    lines = [line.removeprefix("mine.toml: ") for line in mistakes(path)]

    assert lines[:4] == [
        "format: 'tflit'; did you mean 'tflite'? known: onnx, tflite",
        "runtime.threads: 0; expected at least 1",
        "budget.file_bytes: '64 MB' is str, expected int",
        "bounds[0].limit: missing",
    ]
    assert lines[4].startswith("thread: unknown key; known: about, ")
    assert lines[5:] == ["name: 'yours'; expected 'mine', the file's name"]


def test_a_mistake_in_the_base_is_reported_there(write):
    """With the base's own path and place."""
    write(WHOLE.replace("mine", "base").replace("limit = 0.1", ""), "base.toml")
    path = write('name = "mine"\nabout = "a"\nextends = "base"\nthread = 4\n')

    assert mistakes(path) == ["base.toml: bounds[0].limit: missing"]


@pytest.mark.parametrize(
    ("line", "wrong", "says"),
    [
        ("schemes =", "schemes = []", "schemes: is empty; expected the schemes to try"),
        ("schemes =", 'schemes = ["float32", "float32"]', "schemes: float32 comes twice"),
        (
            "schemes =",
            'schemes = ["static_wi8"]',
            "schemes[0]: 'static_wi8'; did you mean 'static_wi8_ai8'? known: dynamic",
        ),
        ('name = "litert"', 'name = "lite"', "runtime.name: 'lite'; did you mean 'litert'? known: fake, litert, "),
        ('name = "litert"', 'name = "tensorflow"', "runtime: tensorflow does not run tflite; it runs saved_model"),
        (
            "version =",
            'version = "2.3.0"\nlauncher = "qmu"',
            "runtime.launcher: 'qmu'; did you mean 'qemu'? known: local, ",
        ),
        ("version =", "version = 2.14", "runtime.version: 2.14 is float, expected str"),
        (
            "version =",
            'version = "2"\nkernels = "referenc"',
            "runtime.kernels: 'referenc'; did you mean 'reference'? known: builtin, ",
        ),
        ("about =", 'about = " "', "about: is empty"),
        (
            "[runtime]",
            '[conversion]\ninputs = "int4"\n[runtime]',
            "conversion.inputs: 'int4'; did you mean 'int8'? known: float32",
        ),
        (
            "[runtime]",
            '[conversion]\noutputs = "uint8"\n[runtime]',
            "conversion: outputs 'uint8' cannot be had with float32; it knows float32",
        ),
        ("[runtime]", "[budget]\nfile_bytes = 0\n[runtime]", "budget.file_bytes: 0; expected above 0"),
        ("stage =", 'stage = "totl"', "bounds[0].stage: 'totl'; did you mean 'total'? known: conversion, device, "),
        ("stage =", 'stage = "device"', "bounds: none for stage 'total' with scheme static_wi8_ai8; without one"),
        (
            "stage =",
            'stage = "total"\nschemes = ["float32"]',
            "bounds: none for stage 'total' with scheme static_wi8_ai8",
        ),
        (
            "metric =",
            'metric = "max_ab"',
            "bounds[0].metric: 'max_ab'; did you mean 'max_abs'? known: agreement, auc, ",
        ),
        ("limit =", "limit = nan", "bounds[0].limit: nan; expected a finite number"),
        ("limit =", "limit = inf", "bounds[0].limit: inf; expected a finite number"),
        ("limit =", "limit = -1", "bounds[0].limit: -1 can never be met: max_abs goes from 0 to inf, lower is better"),
        ("unit =", "", "bounds[0].unit: missing; max_abs is measured in real, range, lsb, noise"),
        (
            "unit =",
            'unit = "lsbs"',
            "bounds[0].unit: 'lsbs'; did you mean 'lsb'? known: achievable, lsb, noise, range, real",
        ),
        ("because =", "", "bounds[0].because: missing"),
        ("because =", 'because = ""', "bounds[0].because: is empty"),
        ("because =", 'because = "b"\nconfidence = 1', "bounds[0].confidence: 1; expected below 1"),
        ("because =", 'because = "b"\nconfidence = 0', "bounds[0].confidence: 0; expected above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(write, line, wrong, says):
    """When it is read, not when a build has run for a minute."""
    text = re.sub(rf"^{re.escape(line)}.*$", lambda _: wrong, WHOLE, count=1, flags=re.MULTILINE)

    (only,) = mistakes(write(text))

    assert only.startswith(f"mine.toml: {says}")


@pytest.mark.parametrize(
    ("metric", "limit", "says"),
    [
        ("top1_agreement", 98, "98 can never be met: top1_agreement goes from 0 to 1, higher is better"),
        ("top1_agreement", 0, "0 is met by everything"),
        ("top1_agreement", -0.5, "-0.5 is met by everything"),
        ("top1_agreement", 1, "1 can be shown by no number of samples"),
        ("cosine", 1.5, "1.5 can never be met"),
        ("cosine", -1, "-1 is met by everything"),
        ("decision_flips:threshold=0.5", 0, "0 can be shown by no number of samples"),
        ("top_k_accuracy", 1, "1 is met by everything"),
        ("top_k_accuracy", -0.01, "-0.01 can never be met"),
        ("mine.py:score", -1, "-1 can never be met"),
        ("topk_agreement:k=0", 0.9, "k 0; a whole number"),
        ("decision_flips", 0.9, "threshold must be said"),
        ("top_k_accuracy:n=0", 0.9, "unknown"),
    ],
)
def test_a_limit_that_nothing_or_everything_meets_is_refused(metric, limit, says):
    """A percentage for a fraction, say; a bound that cannot fail is none, and one that cannot pass is a slip."""
    with pytest.raises(ValidationError, match=says):
        Bound(stage="total", output="*", metric=metric, limit=limit, because="b")


@pytest.mark.parametrize(
    ("metric", "limit"), [("cosine", 1), ("max_abs", 0), ("top1_agreement", 0.999), ("sqnr_db", -3)]
)
def test_a_strict_limit_is_a_limit(metric, limit):
    """Equality is a fair thing to ask for."""
    unit = "lsb" if metric == "max_abs" else ""

    assert Bound(stage="total", output="*", metric=metric, limit=limit, unit=unit, because="b").limit == limit


@pytest.mark.parametrize(
    ("metric", "canonical"),
    [
        ("top_k_accuracy:k=5.0", "top_k_accuracy:k=5"),
        ("mine.py:score", "mine.py:score"),
        ("package.scores:mine", "package.scores:mine"),
    ],
)
def test_a_task_metric_is_bounded_in_its_drop(metric, canonical):
    """Ours with parameters in one spelling, and a function of the user's."""
    bound = Bound(stage="total", output="*", metric=metric, limit=0.01, because="b")

    assert (bound.metric, bound.unit, bound.is_of_task) == (canonical, "drop", True)


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"stage": "kernels"}, "is a drop against the original; stage = 'total' would be right"),
        ({"output": "logits"}, "is of all outputs; output = '\\*' would be right"),
        ({"unit": "real"}, "unknown name"),
    ],
)
def test_a_drop_is_of_the_total_and_of_all_outputs(where, says):
    """Labels are of what the application sees in the end."""
    with pytest.raises(ValidationError, match=says):
        Bound(**({"stage": "total", "output": "*", "metric": "top_k_accuracy", "limit": 0.01, "because": "b"} | where))


def test_two_bounds_on_one_thing_are_refused(write):
    """Neither may win in silence."""
    bound = WHOLE[WHOLE.index("[[bounds]]") :]

    (line,) = mistakes(write(WHOLE + bound))

    assert line.startswith("mine.toml: bounds: total * max_abs is bounded twice")


def test_a_table_where_a_list_should_be_is_refused(write):
    """One bound in single brackets is the likely slip."""
    (line,) = mistakes(write(MINE + '[bounds]\nstage = "total"\n'))

    assert line.endswith("is table, expected list")
    assert line.startswith("mine.toml: bounds: ")


@pytest.mark.parametrize(
    "wrong", ["runtime = 3", "bounds = 3", "bounds = [3]", "extends = 3", "budget = []", "schemes = 3"]
)
def test_no_shape_of_file_breaks_the_merging(write, wrong):
    """Whatever stands where, the answer is a message."""
    text = MINE.replace('extends = "raspberry-pi-4"\n', "") if wrong.startswith("extends") else MINE

    lines = mistakes(write(text + wrong + "\n"))

    key = wrong.split(" ")[0]
    assert any(line.startswith(f"mine.toml: {key}") and "expected" in line for line in lines)


def test_an_abstract_profile_may_leave_things_open_but_not_wrong(write):
    """It is checked for what it says; a bound in it must be whole."""
    path = write('name = "mine"\nabout = "a"\nabstract = true\n[runtime]\nthreads = 1\n[[bounds]]\nstage = "totl"\n')

    assert [line.split(": ")[1] for line in mistakes(path)] == [
        "bounds[0].stage",
        "bounds[0].output",
        "bounds[0].metric",
        "bounds[0].limit",
        "bounds[0].because",
    ]
    target.check(write('name = "mine"\nabout = "a"\nabstract = true\n[runtime]\nthreads = 1\n'))


# ---- showing


def test_where_each_value_comes_from(write):
    """The profile itself, what it extends, or nobody."""
    path = write(MINE + '[runtime]\ncpu = "cortex-a53"\n')

    origins = {value.key: (value.value, value.path and value.path.name) for value in target.provenance(path)}

    assert origins["about"] == ("my board", "mine.toml")
    assert origins["runtime.cpu"] == ("cortex-a53", "mine.toml")
    assert origins["runtime.version"] == ("2.14.0", "base-raspberry-pi.toml")
    assert origins["runtime.kernels"] == ("default", None)
    assert origins["hardware"][1] == "raspberry-pi-4.toml"
    assert origins["format"] == ("tflite", "base-tflite.toml")
    assert origins["bounds[0].stage"] == ("source", "base-tflite.toml")
    assert origins["bounds[0].confidence"] == (0.95, None)
    assert origins["bounds[2].unit"] == ("db", None)
    assert "budget.file_bytes" not in origins


def test_where_a_replaced_bound_comes_from():
    """From the profile that replaced it, though it keeps its place."""
    values = target.provenance("android-arm64")
    (limit,) = [value for value in values if value.key.endswith(".limit") and value.path.stem == "android-arm64"]

    assert limit.value == 30


def test_a_base_can_be_shown_too():
    """What it leaves open is not there."""
    keys = {value.key.split("[")[0] for value in target.provenance("base-tflite")}

    assert keys == {"name", "about", "abstract", "format", "bounds"}


ACHIEVABLE = (
    '[[bounds]]\nstage = "total"\noutput = "*"\nmetric = "sqnr_db"\nlimit = 10\nunit = "achievable"\nunless = 20\n'
    'least_samples = 100\nundecided = "passed"\nkinds = ["image"]\nbecause = "six were seen"\n'
)


def test_a_bound_on_what_is_achievable_stands_beside_that_on_the_value(write):
    """Both are of one metric; neither takes the place of the other."""
    mine, base = target.find(write(MINE + ACHIEVABLE)), target.find("raspberry-pi-4")

    assert len(mine.bounds) == len(base.bounds) + 1
    assert (mine.bounds[-1].unless, mine.bounds[-1].unless_unit, mine.bounds[-1].kinds) == (20, "db", ("image",))


def test_a_value_that_keeps_a_bound_is_of_the_unit_achievable_alone(write):
    """Of a plain limit it would be another limit."""
    with pytest.raises(InvalidConfig, match="is of the unit 'achievable' alone; this bound is in 'db'"):
        target.find(write(MINE + ACHIEVABLE.replace('unit = "achievable"\n', "")))


def test_a_value_that_keeps_a_bound_is_in_a_unit_of_the_metric(write):
    """Own has no dB of a range."""
    with pytest.raises(InvalidConfig, match="unless_unit: 'range'; .*known: db"):
        target.find(write(MINE + ACHIEVABLE.replace("unless = 20\n", 'unless = 20\nunless_unit = "range"\n')))
