"""Hardware profiles: those that ship are sound, a user's own is five lines, and what makes no sense is refused when it is read."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from toolkit import config, environments, profiles, registry, report, schemas
from toolkit.comparison import metrics, output_kinds
from toolkit.comparison.bounds import Bound
from toolkit.comparison.deciding import deciding, for_scheme, standing, switched_off
from toolkit.errors import InvalidConfig, RequestError, UnknownName, WorkerLied
from toolkit.execution.run import Run
from toolkit.launchers import chromium, local
from toolkit.launchers.emulation import own_processor, x86
from toolkit.launchers.emulation.processors import PROCESSORS
from toolkit.pipeline import rewriting
from toolkit.pipeline.stages import engine_of, execution_of, kernels_of, require_version
from toolkit.settings import Settings
from toolkit.tensors.signature import Signature
from toolkit.verbs.doctor import doctor

SHIPPED = Path(__file__).resolve().parents[3] / "targets"
NAMES = (
    "android-arm64",
    "android-arm64-old",
    "android-gpu",
    "arduino-nano-33-ble",
    "cortex-m55",
    "esp32-s3",
    "host",
    "ios-coreml",
    "jetson-orin-nano-cpu",
    "linux-x86_64-tflite-runtime",
    "onnxruntime-host",
    "onnxruntime-linux-aarch64",
    "onnxruntime-mobile",
    "onnxruntime-x86_64",
    "phone-browser",
    "qnn-htp",
    "raspberry-pi-2",
    "raspberry-pi-3",
    "raspberry-pi-4",
    "raspberry-pi-5",
    "raspberry-pi-zero-2w",
    "rp2040",
    "rp2350",
    "stm32f746-disco",
    "stm32h743",
    "web-onnx",
    "web-wasm",
    "web-webgpu",
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
        profiles.check(path)
    return caught.value.problem.splitlines()


def mistakes_of_bounds(path):
    with pytest.raises(InvalidConfig) as caught:
        profiles.read_bounds(path)
    return caught.value.problem.splitlines()


# ---- the profiles that ship


def test_these_targets_ship():
    """Bases are none."""
    assert profiles.names() == NAMES


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_profile_that_ships_is_sound(path):
    """Bases too."""
    profiles.check(path)


@pytest.mark.parametrize("name", NAMES)
def test_every_stage_of_every_scheme_has_a_bound(name):
    """Else a failure could not name its stage."""
    found = profiles.find(name)

    assert found.name == name
    for scheme in found.schemes:
        stages = {bound.stage for bound in found.bounds if not bound.schemes or scheme in bound.schemes}
        steps = getattr(registry.load("execution/runtimes", found.runtime.name), "STEPS", {})
        rewritten = rewriting.STAGES if rewriting.is_possible(found) else ()
        assert stages == {"source", "conversion", "quantization", "kernels", *rewritten, "device", *steps, "total"}


@pytest.mark.parametrize("name", [name for name in NAMES if "gpu" not in name and name != "ios-coreml"])
def test_int8_comes_first(name):
    """It is what devices are for; a GPU computes in float."""
    assert profiles.find(name).schemes[0] == "static_wi8_ai8"


@pytest.mark.parametrize("name", NAMES)
def test_decisions_and_single_samples_are_bounded_whatever_the_scheme(name):
    """A pooled metric sees neither one broken sample nor a decision that flips."""
    total = [bound for bound in profiles.find(name).bounds if bound.stage == "total" and not bound.schemes]
    of_kinds = [bound for bound in total if "class_scores" in bound.kinds]

    assert "rate" in {metrics.load(bound.metric).OVER for bound in of_kinds}
    assert "whole" in {metrics.load(bound.metric).OVER for bound in total if not (bound.is_of_task or bound.kinds)}


@pytest.mark.parametrize("name", NAMES)
def test_every_reason_is_a_reason(name):
    """A limit that nobody can explain is a guess."""
    for bound in profiles.find(name).bounds:
        assert len(bound.because) > 40, bound


EMULATED = [name for name in NAMES if profiles.find(name).runtime.launcher == "qemu"]


def test_boards_and_phones_are_emulated():
    """What else would run their builds here."""
    boards = {name for name in NAMES if {"raspberry", "android", "jetson", "aarch64"} & set(name.split("-"))}

    assert boards - {"android-gpu"} <= set(EMULATED)


@pytest.mark.parametrize("name", EMULATED)
def test_emulated_targets_say_so(name):
    """Nobody shall take an emulated processor for a device, or Linux for Android."""
    found = profiles.find(name)

    assert found.runtime.cpu in {*PROCESSORS, *x86.PROCESSORS}
    assert "emulated" in found.about
    assert "nothing is said about speed" in found.notes.lower()


def test_a_gpu_that_is_none_says_so():
    """Nobody shall take a driver in software for a phone's GPU."""
    found = profiles.find("android-gpu")

    assert (found.runtime.name, found.runtime.launcher) == ("litert_gpu", "lavapipe")
    assert "no phone's GPU" in found.about
    assert "nothing is said about a phone's driver, its opencl back end, or speed" in found.notes.lower()


def test_android_is_not_claimed_to_be_emulated():
    """Its kernels are, on a Linux."""
    found = profiles.find("android-arm64")

    assert "Android itself is not emulated" in found.notes
    assert (found.runtime.name, found.runtime.version) == ("litert", "2.3.0")


@pytest.mark.parametrize("name", [name for name in NAMES if profiles.find(name).runtime.name == "tflite_runtime"])
def test_the_old_runtime_is_offered_nothing_that_it_cannot_load(name):
    """tflite-runtime 2.14 has no kernel for what the converter writes for dynamic range."""
    found = profiles.find(name)

    assert (found.runtime.name, found.runtime.version) == ("tflite_runtime", "2.14.0")
    assert "dynamic_wi8_afp32" not in found.schemes


def test_a_profile_of_ones_own_bounds_decides_over_the_base():
    """XNNPACK on 64-bit ARM, or in a page, is held to more than the base asks."""

    def limits(name):
        bounds = for_scheme(profiles.find(name).bounds, "device", "static_wi8_ai8")
        return tuple(bound.limit for bound in deciding(bounds, "y") if bound.metric == "sqnr_db")

    found = {name: limits(name) for name in NAMES}

    assert {
        found.pop(name) for name in ("android-arm64", "jetson-orin-nano-cpu", "phone-browser", "web-onnx", "web-wasm")
    } == {(30,)}
    assert found.pop("qnn-htp") == (24,)  # which has no stage of kernels
    assert set(found.values()) == {(15,)}


@pytest.mark.parametrize("name", NAMES)
def test_no_bound_that_ships_is_hidden_everywhere(name):
    """It would be there for nobody; but by one that a nearer file of the package says on purpose."""
    found = profiles.find(name)
    standings = [(bound, standing(bound, found.bounds, registry.names("conversion/schemes"))) for bound in found.bounds]

    hidden = {(bound.where, one.by.where) for bound, stands in standings if not stands.decides for one in stands.hidden}

    ours = {
        "base-litert-arm64.toml bounds[0]",
        "web-onnx.toml bounds[0]",
        "web-wasm.toml bounds[0]",
        "base-gpu.toml bounds[2]",
        "qnn-htp.toml bounds[0]",
    }
    assert {by for _, by in hidden} <= ours


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

    assert profiles.find("mine.toml").about == profiles.find(Path("mine.toml")).about == "my board"
    assert profiles.find("host").about == "my board"
    assert profiles.find("raspberry-pi-5").runtime.cpu == "cortex-a76"
    assert profiles.names() == tuple(sorted({*NAMES, "other"}))


def test_the_installed_package_finds_its_own_folder(tmp_path, monkeypatch):
    """In a wheel the profiles lie inside the package."""
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "mine.toml").write_text(WHOLE)
    monkeypatch.setattr(profiles, "_PACKAGE", tmp_path)
    monkeypatch.chdir(tmp_path.parent)

    assert profiles.names() == ("mine",)
    assert profiles.find("mine").runtime.launcher == "local"


def test_an_unknown_target_is_answered_with_the_closest(write):
    """And with all of them."""
    with pytest.raises(
        UnknownName, match=r"target 'raspbery-pi-4': unknown; did you mean 'raspberry-pi-4'\? known: android"
    ):
        profiles.find("raspbery-pi-4")


def test_a_missing_file_is_answered_with_the_closest(write):
    """A path is a path, and never a name."""
    write(MINE)

    with pytest.raises(InvalidConfig, match=r"mina.toml: no such file; did you mean 'mine.toml'"):
        profiles.find("mina.toml")
    with pytest.raises(InvalidConfig, match=r"host\.toml: no such file"):
        profiles.find("./host.toml")


def test_a_base_is_no_target(write):
    """It is there to be extended, and leaves open what runs."""
    with pytest.raises(
        RequestError, match="target 'base-tflite': is abstract, a profile to extend; known: android-arm64"
    ):
        profiles.find("base-tflite")
    write(WHOLE + "", "whole.toml")
    write(WHOLE.replace('name = "mine"', 'name = "mine"\nabstract = true'))
    with pytest.raises(RequestError, match="is abstract"):
        profiles.find("mine.toml")


def test_a_broken_profile_in_the_folder_does_not_hide_the_others(write):
    """Listing must not fail because of one; asking for it does."""
    write("name = ", "targets/broken.toml")

    assert set(profiles.names()) == {*NAMES, "broken"}
    with pytest.raises(InvalidConfig, match="not TOML"):
        profiles.find("broken")


# ---- extending


def test_ones_own_board_is_five_lines(write):
    """Everything else is inherited, tables key by key."""
    path = write(MINE + '[runtime]\ncpu = "cortex-a53"\n')

    mine, base = profiles.find(path), profiles.find("raspberry-pi-4")

    assert mine.runtime == base.runtime.model_copy(update={"cpu": "cortex-a53"})
    assert (mine.bounds, mine.schemes, mine.notes) == (base.bounds, base.schemes, base.notes)


ON_BOARD = '[runtime]\nlauncher = "ssh"\noptions = {{ {} }}\n'


def test_a_board_of_ones_own_is_not_told_to_be_emulated(write):
    """What the base's notes say is of how another launcher runs it; the processor is the board's all the same."""
    mine = profiles.find(write(MINE + ON_BOARD.format('host = "pi@board.local"')))

    assert (mine.runtime.launcher, mine.runtime.cpu, mine.notes) == ("ssh", "cortex-a72", "")
    assert "QEMU" in profiles.find("raspberry-pi-4").notes


def test_mistakes_in_a_launchers_options_are_the_profiles(write):
    """All of them, before anything is reached; a profile that is only extended may leave the host to another."""
    path = write(MINE + ON_BOARD.format("port = 0, hots = 1"))

    with pytest.raises(
        InvalidConfig, match=r"runtime: launcher ssh: option 'hots': unknown.*'port': 0.*'host': missing"
    ):
        profiles.check(path)

    write(MINE + "abstract = true\n" + ON_BOARD.format("port = 2222"))
    profiles.check(path)


OWN = '[[bounds]]\nstage = "total"\noutput = "*"\nmetric = "sqnr_db"\nlimit = 90\nbecause = "mine"\n'


def decided(found, scheme, output="y", stage="total"):
    """Return what decides for an output, as `sqnr_db >= 90 db`."""
    bounds = [one for one in for_scheme(found.bounds, stage, scheme) if not one.is_silent and one.unit != "achievable"]
    return [f"{bound.metric} {bound.terms}" for bound in deciding(bounds, output)]


@pytest.mark.parametrize("scheme", ["static_wi8_ai8", "float32", "weight_only_wi8"])
def test_a_bound_of_ones_own_decides_over_an_inherited_one_that_names_schemes(write, scheme):
    """The base's are for a scheme each; one's own is for all of them, and it is one's own."""
    mine = profiles.find(write(MINE + OWN))

    assert [terms for terms in decided(mine, scheme) if terms.startswith("sqnr_db")] == ["sqnr_db >= 90 db"]
    assert "max_abs <= 0.75 range" in decided(mine, scheme, stage="device") or scheme != "static_wi8_ai8"


def test_a_bound_of_ones_own_for_one_scheme_leaves_the_others_to_the_base(write):
    """It says nothing of them."""
    mine = profiles.find(write(MINE + OWN + 'schemes = ["float32"]\n'))

    assert "sqnr_db >= 90 db" in decided(mine, "float32")
    assert "sqnr_db >= 12 db" in decided(mine, "static_wi8_ai8")


def test_the_nearest_of_three_files_decides(write):
    """Whatever the schemes that each names, and in whatever unit."""
    write(MINE.replace('"mine"', '"team"') + OWN.replace("90", "50") + 'schemes = ["float32"]\n', "team.toml")
    relaxed = OWN.replace("sqnr_db", "max_abs").replace("limit = 90", 'limit = 3\nunit = "lsb"')
    mine = profiles.find(write(MINE.replace("raspberry-pi-4", "team") + OWN.replace("90", "30") + relaxed))

    assert decided(mine, "float32")[-2:] == ["sqnr_db >= 30 db", "max_abs <= 3 lsb"]
    assert decided(profiles.find("team.toml"), "float32")[-1:] == ["sqnr_db >= 50 db"]


def test_a_bound_on_one_output_goes_before_those_on_all(write):
    """Also before a nearer one on all: whoever named the output knew it."""
    write(MINE.replace('"mine"', '"team"') + OWN.replace('"*"', '"scores"'), "team.toml")
    mine = profiles.find(write(MINE.replace("raspberry-pi-4", "team") + OWN.replace("90", "30")))

    assert "sqnr_db >= 90 db" in decided(mine, "float32", "scores")
    assert "sqnr_db >= 30 db" in decided(mine, "float32", "boxes")


def test_within_one_file_a_bound_with_schemes_goes_before_one_without(write):
    """The one without is for the rest."""
    mine = profiles.find(write(MINE + OWN + OWN.replace("90", "30") + 'schemes = ["float32"]\n'))

    assert "sqnr_db >= 30 db" in decided(mine, "float32")
    assert "sqnr_db >= 90 db" in decided(mine, "float16")


def test_each_bound_knows_its_file(write):
    """A path and its place there, for messages."""
    mine = profiles.find(write(MINE + OWN))

    assert (mine.bounds[-1].where, mine.bounds[0].where) == ("mine.toml bounds[0]", "yes_no.toml bounds[0]")
    assert mine.bounds[-1].layer > 0 > mine.bounds[0].layer
    assert profiles.read_bounds(write(OWN, "b.toml"))[0].where == "b.toml bounds[0]"


def test_a_list_of_schemes_is_replaced_as_a_whole(write):
    """Preference is one decision."""
    assert profiles.find(write(MINE + 'schemes = ["float32"]\n')).schemes == ("float32",)


def test_what_a_profile_says_of_itself_is_not_inherited(write):
    """A base that is abstract has heirs that are not, and no board is described by another's words."""
    path = write(
        'name = "mine"\nextends = "base-raspberry-pi"\nhardware = "h"\n[runtime]\noptions = { cpu = "cortex-a72" }\n'
    )

    assert mistakes(path) == ["mine.toml: about: missing"]


def test_another_engine_does_not_inherit_the_version(write):
    """2.14.0 is tflite-runtime's; LiteRT never had one."""
    assert mistakes(write(MINE + '[runtime]\nname = "litert"\n')) == ["mine.toml: runtime.version: missing"]
    assert profiles.find(write(MINE + '[runtime]\nname = "litert"\nversion = "2.3.0"\n')).runtime.launcher == "qemu"
    assert profiles.find(write(MINE + '[runtime]\nname = "tflite_runtime"\n')).runtime.version == "2.14.0"


@pytest.mark.parametrize("base", ["base", "base.toml", "./base.toml", "../boards/base.toml"])
def test_a_base_is_found_beside_the_profile(write, base):
    """By name or by path from it, not from where the command runs."""
    write(WHOLE.replace("mine", "base"), "boards/base.toml")
    path = write(f'name = "mine"\nabout = "a"\nextends = "{base}"\n', "boards/mine.toml")

    assert profiles.find(path).hardware == "a board"


def test_a_profile_may_have_the_name_of_the_one_it_extends(write):
    """A Raspberry Pi 4 of one's own, by the same name."""
    write(
        MINE.replace('"mine"', '"raspberry-pi-4"') + "[budget]\nfile_bytes = 4_000_000\n", "targets/raspberry-pi-4.toml"
    )

    mine = profiles.find("raspberry-pi-4")

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
        "format: 'tflit'; did you mean 'tflite'? known: onnx, ort, tflite",
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
            "runtime.launcher: 'qmu'; did you mean 'qemu'? known: adb, chromium, lavapipe, ",
        ),
        ("version =", "version = 2.14", "runtime.version: 2.14 is float, expected str"),
        (
            "version =",
            'version = "2.3.0"\nlauncher = "qemu"\ncpu = "cortex-a7"',
            "runtime: launcher qemu: environment for cortex-a7 (armv7l) 'litert': unknown; did you mean 'tflite_runtime'",
        ),
        (
            "version =",
            'version = "2.3.0"\nkernels = "referenc"',
            "runtime.kernels: 'referenc'; did you mean 'reference'? known: builtin, ",
        ),
        (
            "version =",
            'version = "2.3.0"\nkernels = "float32"',
            "runtime: litert has no kernels 'float32'; known: default, builtin, reference",
        ),
        ('name = "litert"', 'name = "litert_gpu"', "delegate: missing; litert_gpu has a delegate: expected the least"),
        (
            "[runtime]",
            '[delegate]\nleast = 0.9\nbecause = "it is fast"\n[runtime]',
            "delegate: litert has no delegate",
        ),
        (
            "[runtime]",
            '[delegate]\nleast = 90\nbecause = "it is fast"\n[runtime]',
            "delegate.least: 90",
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
            "conversion: outputs 'uint8' is not available with float32; known: float32",
        ),
        ("[runtime]", "[budget]\nfile_bytes = 0\n[runtime]", "budget.file_bytes: 0; expected above 0"),
        ("stage =", 'stage = "totl"', "bounds[0].stage: 'totl'; did you mean 'total'? known: conversion, delegate, "),
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
        ("top1_agreement", 0, "0 is always met"),
        ("top1_agreement", -0.5, "-0.5 is always met"),
        ("top1_agreement", 1, "1 cannot be shown by any number of samples"),
        ("cosine", 1.5, "1.5 can never be met"),
        ("cosine", -1, "-1 is always met"),
        ("decision_flips:threshold=0.5", 0, "0 cannot be shown by any number of samples"),
        ("top_k_accuracy", 1, "1 is always met"),
        ("top_k_accuracy", -0.01, "-0.01 can never be met"),
        ("mine.py:score", -1, "-1 can never be met"),
        ("topk_agreement:k=0", 0.9, "k 0; expected a whole number"),
        ("decision_flips", 0.9, "threshold is missing; give it"),
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
        ({"stage": "kernels"}, "is a drop against the original; expected stage = 'total'"),
        ({"output": "logits"}, "is of all outputs; expected output = '\\*'"),
        ({"unit": "real"}, "unknown name"),
    ],
)
def test_a_drop_is_of_the_total_and_of_all_outputs(where, says):
    """Labels are of what the application sees in the end."""
    with pytest.raises(ValidationError, match=says):
        Bound(**({"stage": "total", "output": "*", "metric": "top_k_accuracy", "limit": 0.01, "because": "b"} | where))


SOME = 'schemes = ["float32", "float16"]\n'


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (OWN, OWN, "total * sqnr_db has two bounds: the same as bounds[0]; expected one"),
        (OWN, OWN.replace("90", "30"), "has two bounds: '>= 30 db' where '>= 90 db' is said by bounds[0]"),
        (
            OWN + SOME,
            OWN + 'schemes = ["float16"]\n',
            "total * sqnr_db of float16 has two bounds: the same as bounds[0]",
        ),
        (OWN, OWN.replace("limit = 90", "off = true"), "'off' where '>= 90 db' is said by bounds[0]"),
        (
            OWN.replace("sqnr_db", "max_abs").replace("90", '1\nunit = "lsb"'),
            OWN.replace("sqnr_db", "max_abs").replace("90", '1\nunit = "range"'),
            "'<= 1 range' where '<= 1 lsb' is said by bounds[0]",
        ),
    ],
    ids=["twice", "limits", "schemes", "off", "units"],
)
def test_two_bounds_of_one_file_on_one_thing_are_refused(write, first, second, says):
    """Neither may win in silence; both are named, in a profile as in a file of bounds, and beside other mistakes."""
    (line,) = mistakes(write(MINE + first + second))
    (alone,) = mistakes_of_bounds(write(first + second, "bounds.toml"))
    both = mistakes(write(MINE + "thread = 4\n" + first + second))

    assert line.startswith("mine.toml: bounds[1]: total * ")
    assert says in line
    assert alone == line.replace("mine.toml", "bounds.toml")
    assert [each.split(": ")[1] for each in both] == ["thread", "bounds[1]"]


def test_bounds_of_kinds_that_overlap_contradict_each_other(write):
    """And those of others do not."""
    (line,) = mistakes(
        write(MINE + OWN + 'kinds = ["image", "class_map"]\n' + OWN.replace("90", "30") + 'kinds = ["class_map"]\n')
    )

    assert "total * sqnr_db of class_map has two bounds" in line
    profiles.check(write(MINE + OWN + 'kinds = ["image"]\n' + OWN.replace("90", "30") + 'kinds = ["class_map"]\n'))


def test_a_bound_of_a_kind_goes_before_one_of_all_of_the_same_file_alone(write):
    """A nearer one is for all kinds that it does not exclude."""
    write(MINE.replace('"mine"', '"team"') + OWN.replace("90", "50") + OWN + 'kinds = ["class_map"]\n', "team.toml")
    team = profiles.find("team.toml")
    mine = profiles.find(write(MINE.replace("raspberry-pi-4", "team") + OWN.replace("90", "30")))

    def limit(found, kind):
        bounds = deciding(for_scheme(found.bounds, "total", "float32"), "y", kind)
        return [bound.limit for bound in bounds if bound.metric == "sqnr_db" and bound.unit == "db"]

    assert (limit(team, "class_map"), limit(team, "image")) == ([90], [50])
    assert (limit(mine, "class_map"), limit(mine, "image")) == ([30], [30])
    stands = standing(team.bounds[-2], team.bounds, ["float32"])
    assert [(one.kind, one.by.limit) for one in stands.hidden] == [("class_map", 90)]
    assert not standing(mine.bounds[-2], mine.bounds, ["float32"]).decides


@pytest.mark.parametrize(
    "other",
    [
        OWN + SOME,
        OWN.replace('"*"', '"scores"'),
        OWN.replace("total", "kernels"),
        OWN.replace("sqnr_db", "snr_db"),
    ],
)
def test_bounds_of_which_it_is_clear_which_decides_are_no_contradiction(write, other):
    """One for some schemes, one for an output, another stage, another metric."""
    profiles.check(write(MINE + OWN + other))


def test_a_contradiction_in_the_base_is_said_of_the_base(write):
    """And an abstract one is looked at too."""
    write('name = "base"\nabout = "b"\nabstract = true\n' + OWN + OWN, "base.toml")
    path = write(MINE.replace("raspberry-pi-4", "base"))

    assert mistakes(path)[0].startswith("base.toml: bounds[1]: total * sqnr_db has two bounds")


OFF = OWN.replace("sqnr_db", "top1_agreement").replace("limit = 90", "off = true")


def test_a_metric_is_switched_off_by_name(write):
    """It decides that nothing of the kind is judged, for the schemes and outputs that it names."""
    mine = profiles.find(write(MINE + OFF))

    assert "top1_agreement off" in decided(mine, "float32")
    assert not any(terms.startswith("top1_agreement >=") for terms in decided(mine, "float32"))
    (bound,) = switched_off(mine.bounds, "float32", {"y": ""})
    assert bound.where == "mine.toml bounds[0]"
    assert math.isnan(bound.limit)
    assert not switched_off(profiles.find("host").bounds, "float32", {"y": ""})


def test_what_is_switched_off_is_listed_once_and_only_where_it_decides(write):
    """However many outputs it is of; for one output, one kind or one scheme it is of that alone."""
    kinds = {"y": "image", "z": "embedding"}
    mine = profiles.find(write(MINE + OFF))
    narrow = [("schemes", '["float16"]'), ("kinds", '["image"]')]
    of_one = {
        key: profiles.find(write(MINE.replace("mine", key) + OFF + f"{key} = {value}\n", f"{key}.toml"))
        for key, value in narrow
    }
    of_output = profiles.find(write(MINE.replace('"mine"', '"o"') + OFF.replace('"*"', '"y"'), "o.toml"))

    def off(found, scheme="float32", outputs=kinds):
        return [bound.metric for bound in switched_off(found.bounds, scheme, outputs)]

    assert off(mine) == ["top1_agreement"]
    assert (off(of_one["schemes"]), off(of_one["schemes"], "float16")) == ([], ["top1_agreement"])
    assert (off(of_one["kinds"]), off(of_one["kinds"], outputs={"z": "embedding"})) == (["top1_agreement"], [])
    assert (off(of_output), off(of_output, outputs={"z": ""})) == (["top1_agreement"], [])


def test_off_without_a_unit_is_off_also_for_what_is_achievable(write):
    """With one it leaves the other question."""
    bounds = OWN + OWN.replace("90", '10\nunit = "achievable"')
    write(MINE.replace('"mine"', '"team"') + bounds, "team.toml")
    off = OWN.replace("limit = 90", "off = true")

    def asked(name, text):
        found = profiles.find(
            write(MINE.replace("raspberry-pi-4", "team").replace("mine", name) + text, f"{name}.toml")
        )
        bounds = deciding(for_scheme(found.bounds, "total", "float32"), "y")
        return [bound.terms for bound in bounds if bound.metric == "sqnr_db"]

    assert asked("none", "") == [">= 90 db", "within 10 of achievable"]
    assert asked("both", off) == ["off"]
    assert asked("one", off + 'unit = "db"\n') == ["within 10 of achievable", "off"]
    assert asked("other", off + 'unit = "achievable"\n') == [">= 90 db", "off"]


def test_what_is_switched_off_may_be_switched_on_again(write):
    """By a nearer file, or for an output by name."""
    write(MINE.replace('"mine"', '"team"') + OFF, "team.toml")
    again = OFF.replace("off = true", "limit = 0.5")
    mine = profiles.find(write(MINE.replace("raspberry-pi-4", "team") + again))

    assert "top1_agreement >= 0.5 fraction" in decided(mine, "float32")
    assert not switched_off(mine.bounds, "float32", {"y": ""})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (OFF + "limit = 0.9\n", "bounds[0].limit: 0.9 beside off = true; expected one or the other"),
        (OFF.replace('because = "mine"\n', ""), "bounds[0].because: missing"),
        (OFF + 'unit = "db"\n', "bounds[0].unit: 'db'; known: "),
        (OFF.replace("off = true", "off = false"), "bounds[0].limit: missing"),
        (OFF.replace("off = true", 'off = "yes"'), "bounds[0].off: 'yes' is str, expected bool"),
    ],
)
def test_a_metric_is_switched_off_with_a_reason_and_without_a_limit(write, text, says):
    """What is not judged has no limit, and somebody has to answer for it."""
    lines = mistakes(write(MINE + text))

    assert any(line.startswith(f"mine.toml: {says}") for line in lines)


def test_switching_off_every_bound_on_the_total_is_refused(write):
    """Without one nothing can pass; those of kinds are bounds, too."""
    total = [
        bound for bound in profiles.find("raspberry-pi-4").bounds if bound.stage == "total" and not bound.is_of_task
    ]
    text = "".join(OFF.replace("top1_agreement", name) for name in {bound.metric for bound in total})

    lines = mistakes(write(MINE + text))

    assert lines == [
        "mine.toml: bounds: none for stage 'total' with scheme static_wi8_ai8, float16, float32 is left; without one nothing can pass"
    ]


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
    profiles.check(write('name = "mine"\nabout = "a"\nabstract = true\n[runtime]\nthreads = 1\n'))


def test_a_bound_of_a_kind_is_enough_of_the_total(write):
    """Whether an output is of that kind is known where there is an output."""
    names = ("top1_agreement", "max_abs", "sqnr_db")
    text = "".join(OFF.replace("top1_agreement", name) for name in names)

    profiles.check(write(MINE + text + OWN.replace("sqnr_db", "snr_db") + 'kinds = ["image"]\n'))


# ---- the version that runs


@pytest.mark.parametrize("version", ["newest", "v2.14.0", "2.*", "==2.14.0", "2.14.0 "])
def test_a_version_that_is_none_is_refused_where_it_is_to_run(write, version):
    """It could be no engine's; the pinned one is named, in the user's own file."""
    path, says = (
        write(MINE + f'[runtime]\nversion = "{version}"\n'),
        f"{version!r} is not a version; expected '2.14.0', which",
    )

    (line,) = mistakes(path)
    with pytest.raises(InvalidConfig, match=re.escape(says)) as caught:
        profiles.runnable(path)

    assert line.startswith(f"mine.toml: runtime.version: {says}")
    assert caught.value.exit_status == 2
    assert profiles.find(path).runtime.version == version, "it can be looked at, and its bounds can be read"


@pytest.mark.parametrize(
    ("version", "environment"),
    [("2.14.0", "tflite_runtime"), ("2.13.0", "tflite_runtime==2.13.0"), ("9.9.9", "tflite_runtime==9.9.9")],
)
def test_another_release_runs_in_an_environment_of_its_own(write, version, environment):
    """On the device and on this machine, whose kernels are those of the same release; whether there is such a one, only the package index knows."""
    found = profiles.runnable(write(MINE + f'[runtime]\nversion = "{version}"\n'))

    assert engine_of(found).environment == environment
    assert kernels_of(found).engine.environment == environment
    assert (execution_of(found).runtime, engine_of(found).launcher) == ("tflite_runtime", "qemu")


@pytest.mark.parametrize("name", NAMES)
def test_what_ships_asks_for_the_versions_that_are_there(name):
    """Locks and profiles are renewed together."""
    found = profiles.runnable(name)

    if found.runtime.launcher in ("chromium", "phone"):  # whose packages are those of pages
        assert chromium.version(engine_of(found).environment) == found.runtime.version
    else:
        assert environments.version(kernels_of(found).engine.environment) == found.runtime.version


def test_doctor_names_a_profile_that_cannot_run_and_shows_the_others(write):
    """One's own, in ./targets: one with a mistake, and one whose release is not set up."""
    write(MINE + '[runtime]\nversion = "newest"\n', "targets/mine.toml")
    write(MINE.replace('"mine"', '"older"') + '[runtime]\nversion = "2.13.0"\n', "targets/older.toml")

    rows = {row.name: row for row in doctor(Settings(Path("home"), offline=True)) if row.kind == "target"}

    assert not rows["mine"].ready
    assert "'newest' is not a version; expected '2.14.0'" in str(rows["mine"].problem)
    assert rows["mine"].fix == "mend targets/mine.toml"
    assert "tflite_runtime==2.13.0" in str(rows["older"].problem)
    assert rows["older"].fix == "edge-toolkit setup tflite_runtime==2.13.0 qemu"
    assert set(rows) == {*NAMES, "mine", "older"}


def test_an_engine_that_says_another_version_than_the_profile_is_not_believed():
    """Whatever its interpreter promised."""
    host = profiles.find("host")
    run = Run(Path("outputs"), Signature("", (), ()), "ai-edge-litert 2.2.0", {}, 1, "key")

    with pytest.raises(WorkerLied, match=r"host: ai-edge-litert 2\.2\.0 ran; its profile asks for litert 2\.3\.0"):
        require_version(run, host)
    require_version(dataclasses.replace(run, engine="ai-edge-litert 2.3.0"), host)


# ---- showing


def test_where_each_value_comes_from(write):
    """The profile itself, what it extends, or nobody."""
    path = write(MINE + '[runtime]\ncpu = "cortex-a53"\n')

    origins = {value.key: (value.value, value.path and value.path.name) for value in profiles.provenance(path)}

    assert origins["about"] == ("my board", "mine.toml")
    assert origins["runtime.cpu"] == ("cortex-a53", "mine.toml")
    assert origins["runtime.version"] == ("2.14.0", "base-tflite-runtime.toml")
    assert origins["runtime.kernels"] == ("default", None)
    assert origins["hardware"][1] == "raspberry-pi-4.toml"
    assert origins["format"] == ("tflite", "base-tflite.toml")
    first = sum(len(output_kinds.bounds_of(name)) for name in output_kinds.names())
    assert origins["bounds[0].stage"] == ("total", "yes_no.toml")
    assert origins[f"bounds[{first}].stage"] == ("source", "base.toml")
    assert origins[f"bounds[{first}].confidence"] == (0.95, None)
    assert "db" in {value for key, (value, path) in origins.items() if key.endswith(".unit") and path is None}
    assert "budget.file_bytes" not in origins


def test_where_a_replaced_bound_comes_from():
    """From the profile that replaced it, though it keeps its place."""
    values = profiles.provenance("android-arm64")
    (limit,) = [value for value in values if value.key.endswith(".limit") and value.path.stem == "base-litert-arm64"]

    assert limit.value == 30


def test_a_base_can_be_shown_too():
    """What it leaves open is not there."""
    keys = {value.key.split("[")[0] for value in profiles.provenance("base-tflite")}

    assert keys == {"name", "about", "abstract", "extends", "format", "bounds"}


def test_what_is_hidden_alike_for_all_of_its_kinds_is_said_once(write):
    """And by kind where it is not."""
    of_two = OWN + 'kinds = ["image", "embedding"]\n'
    of_one = OWN.replace("90", "50") + 'kinds = ["image"]\n' + SOME
    write(MINE.replace('"mine"', '"team"') + of_two, "team.toml")
    mine = profiles.find(write(MINE.replace("raspberry-pi-4", "team") + OWN.replace("90", "30") + SOME))
    other = profiles.find(
        write(MINE.replace("raspberry-pi-4", "team").replace('"mine"', '"other"') + of_one, "other.toml")
    )

    def hidden(found):
        place = next(place for place, bound in enumerate(found.bounds) if bound.where == "team.toml bounds[0]")
        stands = standing(found.bounds[place], found.bounds, ["float32", "float16", "static_wi8_ai8"])
        return [(one.kind, one.schemes, one.by.limit) for one in stands.hidden]

    assert hidden(mine) == [("", ("float32", "float16"), 30)]
    assert hidden(other) == [("image", ("float32", "float16"), 50)]


def test_the_bounds_are_shown_with_which_decides_and_which_is_hidden(write):
    """For people by stage, hidden ones last; as JSON by bound."""
    path = write(MINE + OWN + OWN.replace("total", "kernels").replace('"*"', '"scores"') + OFF)
    mine = profiles.find(path)

    text = report.profile_text(mine, profiles.provenance(path)).splitlines()
    shown = {bound["place"]: bound for bound in report.profile_json(mine)["bounds"]}

    total = text[text.index("total") :]
    own = next(line for line in total if "sqnr_db >= 90 db" in line)
    base = next(line for line in total if "sqnr_db >= 12 db" in line)
    assert own.split() == ["*", "sqnr_db", ">=", "90", "db", "all", "mine.toml", "bounds[0]"]
    assert total[total.index(own) + 1].strip() == "mine"
    assert total.index(base) > total.index(own)
    assert total[total.index(base) + 1].strip() == "hidden by mine.toml bounds[0]"
    kernels = text[text.index("kernels") : text.index("device")]
    assert "hidden for output 'scores' by mine.toml bounds[1]" in [line.strip() for line in kernels]
    hidden = next(bound for bound in shown.values() if (bound["stage"], bound["limit"]) == ("total", 12))
    assert (hidden["decides"], hidden["hidden"][0]["by"]) == (False, "mine.toml bounds[0]")
    assert (shown["mine.toml bounds[2]"]["off"], shown["mine.toml bounds[2]"]["limit"]) == (True, None)
    assert (shown["mine.toml bounds[0]"]["decides"], shown["mine.toml bounds[0]"]["file"]) == (True, "mine.toml")
    json.dumps(list(shown.values()), allow_nan=False)


ACHIEVABLE = (
    '[[bounds]]\nstage = "total"\noutput = "*"\nmetric = "sqnr_db"\nlimit = 10\nunit = "achievable"\nunless = 20\n'
    'least_samples = 100\nundecided = "passed"\nkinds = ["image"]\nbecause = "six were seen"\n'
)


def test_a_bound_on_what_is_achievable_stands_beside_that_on_the_value(write):
    """Both are of one metric; neither takes the place of the other."""
    mine, base = profiles.find(write(MINE + ACHIEVABLE)), profiles.find("raspberry-pi-4")

    assert len(mine.bounds) == len(base.bounds) + 1
    assert (mine.bounds[-1].unless, mine.bounds[-1].unless_unit, mine.bounds[-1].kinds) == (20, "db", ("image",))


def test_a_value_that_keeps_a_bound_is_of_the_unit_achievable_alone(write):
    """Of a plain limit it would be another limit."""
    with pytest.raises(InvalidConfig, match="is of the units 'achievable' and 'noise' alone; this bound is in 'db'"):
        profiles.find(write(MINE + ACHIEVABLE.replace('unit = "achievable"\n', "")))


def test_a_value_that_keeps_a_bound_is_in_a_unit_of_the_metric(write):
    """Own has no dB of a range."""
    with pytest.raises(InvalidConfig, match=r"unless_unit: 'range'; .*known: db"):
        profiles.find(write(MINE + ACHIEVABLE.replace("unless = 20\n", 'unless = 20\nunless_unit = "range"\n')))


@pytest.mark.parametrize(
    ("flags", "cuts"),
    [("sse4_1 avx avx2", True), ("sse4_1 avx avx2 avx512bw avx512_vnni", False), ("avx2 avx_vnni", False), ("", False)],
)
def test_a_target_that_is_this_machine_has_its_processor(monkeypatch, tmp_path, flags, cuts):
    """By what Linux says of it; where nothing is said, nothing is concluded."""
    (tmp_path / "cpuinfo").write_text(f"model name\t: Some CPU\nflags\t\t: {flags}\n")
    monkeypatch.setattr(own_processor, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(local.os, "uname", lambda: SimpleNamespace(machine="x86_64"))

    assert profiles.find("onnxruntime-host").cuts_sums_off is cuts
    assert profiles.find("onnxruntime-host").recipe("static_wi8_ai8").within_16_bits is cuts
    assert profiles.find("onnxruntime-x86_64").recipe("static_wi8_ai8").within_16_bits
    assert not profiles.find("raspberry-pi-4").recipe("static_wi8_ai8").within_16_bits
