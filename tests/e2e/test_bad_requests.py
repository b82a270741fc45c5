"""Names, files and flags that are wrong: status 2 and all mistakes at once; what is missing on this machine: status 3 and the way to get it."""

from __future__ import annotations

import json
import re

import pytest

from tests.e2e.conftest import apart

PROFILE = """
name = "bord"
about = "five mistakes and two more"
extends = "host"
schems = ["float32"]
format = "tflit"
[runtime]
threads = 0
[budget]
file_bytes = "4 MB"
[[bounds]]
stage = "totl"
output = "*"
metric = "sqnr_db"
because = "of a reason"
"""
PROFILE_SAYS = (
    "board.toml: name: 'bord'; expected 'board', the file's name",
    "board.toml: schems: unknown key; did you mean 'schemes'?",
    "board.toml: format: 'tflit'; did you mean 'tflite'?",
    "board.toml: runtime.threads: 0; expected at least 1",
    "board.toml: budget.file_bytes: '4 MB' is str, expected int",
    "board.toml: bounds[0].stage: 'totl'; did you mean 'total'?",
    "board.toml: bounds[0].limit: missing",
)
RECIPE = """
abut = "five mistakes and one more"
[reader]
kind = "array"
path = "digits.npz"
[preprocess]
dtype = "float23"
scal = 2
[sampling]
calibration = 0
seed = "a"
"""
RECIPE_SAYS = (
    "mine.toml: abut: unknown key; did you mean 'about'?",
    "mine.toml: reader.kind: 'array'; did you mean 'arrays'?",
    "mine.toml: preprocess.dtype: 'float23'; did you mean 'float32'?",
    "mine.toml: preprocess.scal: unknown key; did you mean 'scale'?",
    "mine.toml: sampling.calibration: 0; expected at least 1",
    "mine.toml: sampling.seed: 'a' is str, expected int",
)


@pytest.fixture
def build(edge, sample, digits):
    """Return a function that asks for a build of the embedded sample, with something wrong."""

    def run(*arguments, target="host", calibration=digits, **where):
        return edge("build", sample, "--target", target, "--calibration", calibration, *arguments, **where)

    return run


def test_an_unknown_target_is_refused_with_the_closest_name(build):
    """And with all that are known."""
    ended = build(target="raspbery-pi-4")

    assert ended.status == 2
    assert "target 'raspbery-pi-4': unknown; did you mean 'raspberry-pi-4'? known: android-arm64, " in ended.err


def test_an_abstract_profile_is_no_target(build):
    """It is there to be extended."""
    ended = build(target="base-tflite")

    assert ended.status == 2
    assert "is abstract" in ended.err


@pytest.mark.parametrize("verb", ["build", "targets check"])
def test_all_mistakes_of_a_profile_are_told_at_once(build, edge, recipe, verb):
    """Seven, each with its key, and with the closest name where there is one."""
    path = recipe("board", PROFILE)

    ended = build(target=path) if verb == "build" else edge("targets", "check", path)

    assert ended.status == 2
    for line in PROFILE_SAYS:
        assert line in ended.err
    assert len(ended.err.strip().splitlines()) == len(PROFILE_SAYS)


TWICE = """
name = "board"
about = "a version that is none, and two bounds on one thing"
extends = "host"
[runtime]
version = "newest"
""" + "".join(
    f'[[bounds]]\nstage = "total"\noutput = "*"\nmetric = "sqnr_db"\nlimit = {limit}\nbecause = "b"\n'
    for limit in (20, 30)
)


@pytest.mark.parametrize("verb", ["build", "verify", "run", "targets check"])
def test_a_version_that_is_none_and_bounds_that_contradict_are_refused(edge, recipe, sample, digits, verb):
    """Before anything runs: nobody knows which release is meant, and one of the bounds would win in silence."""
    path, artifact = recipe("board", TWICE), sample / "saved_model.pb"
    words = {
        "build": ("build", sample, "--target", path, "--calibration", digits),
        "verify": ("verify", artifact, "--source", sample, "--target", path, "--calibration", digits),
        "run": ("run", artifact, "--target", path, "--samples", digits),
        "targets check": ("targets", "check", path),
    }

    ended = edge(*words[verb])

    assert ended.status == 2
    assert "runtime.version: 'newest' is not a version; expected '2.3.0'" in ended.err
    assert "bounds[1]: total * sqnr_db has two bounds: '>= 30 db' where '>= 20 db' is said by bounds[0]" in ended.err


def test_all_mistakes_of_a_recipe_are_told_at_once(build, recipe):
    """Six; nothing of it is read or guessed."""
    ended = build(calibration=recipe("mine", RECIPE))

    assert ended.status == 2
    for line in RECIPE_SAYS:
        assert line in ended.err
    assert sum("mine.toml: " in line for line in ended.err.splitlines()) == len(RECIPE_SAYS)


def test_with_json_a_refusal_is_one_document_too(build, recipe):
    """On stdout, with the same status; stderr stays empty."""
    ended = build("--json", target=recipe("board", PROFILE))

    assert ended.status == 2
    assert ended.err == ""
    error = ended.document["error"]
    assert (error["kind"], error["exit_status"]) == ("InvalidConfig", 2)
    assert all(line in error["problem"] for line in PROFILE_SAYS)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--scheme", "static_wi8"), "scheme 'static_wi8': unknown; did you mean 'static_wi8_ai8'?"),
        (("--signature", "serving_defalt"), "signature 'serving_defalt': unknown; did you mean 'serving_default'?"),
        (("--shape", "imag=1,8,8,1"), "input 'imag': unknown; did you mean 'image'?"),
        (
            ("--shape", "image=1,9,8,1"),
            "input 'image' is declared as [None, 8, 8, 1], which the shape [1, 9, 8, 1] does not fit",
        ),
        (("--shape", "image"), "--shape 'image': expected NAME=SIZES"),
        (("--timeout", "0"), "--timeout 0 and --memory 8: both must be above 0"),
        (("--memory", "nan"), "both must be above 0"),
        (("--python", "tensorflow"), "--python 'tensorflow': expected NAME=VALUE"),
        (("--python", "tensorflw=/usr/bin/python3"), "environment 'tensorflw': unknown; did you mean 'tensorflow'?"),
        (
            ("--python", "tensorflow=/nowhere/python"),
            "--python tensorflow='/nowhere/python': No such file or directory",
        ),
    ],
    ids="scheme signature input shape sizes timeout memory python environment interpreter".split(),
)
def test_a_flag_that_makes_no_sense_is_refused(build, arguments, says):
    """With what is expected, before any engine has done anything."""
    ended = build(*arguments)

    assert ended.status == 2
    assert says in ended.err


def test_a_build_without_samples_is_refused(edge, sample):
    """How to give them is said, as a recipe to copy."""
    ended = edge("build", sample, "--target", "host")

    assert ended.status == 2
    assert "no samples" in ended.err
    assert 'kind = "arrays"' in ended.err


def test_samples_for_judging_alone_do_not_calibrate(edge, sample, digits):
    """A static scheme needs both; the flag that is missing is named."""
    ended = edge("build", sample, "--target", "host", "--eval", digits)

    assert ended.status == 2
    assert "no calibration set" in ended.err
    assert "--calibration" in ended.err


@pytest.mark.parametrize(
    ("out", "next_step"),
    [("/proc/edge-toolkit", "choose a folder that you may write to"), ("a-file", "--out"), ("a-file/dist", "--out")],
)
def test_an_output_folder_that_cannot_be_is_refused_before_anything_is_done(build, tmp_path, out, next_step):
    """A file in its place, or a place where nobody can write."""
    (tmp_path / "a-file").write_text("content")
    place = tmp_path / out

    ended = build("--out", place)

    assert ended.status == 2
    assert re.search(rf"{place}(/host)?: (nothing can be|cannot be) written", ended.err)
    assert next_step in ended.err.partition("written")[2]
    assert (tmp_path / "a-file").read_text() == "content"


def test_a_read_only_output_folder_is_refused_before_anything_is_done(build, tmp_path):
    """Read-only as a mounted image is: not even root may write."""
    out = tmp_path / "dist"
    out.mkdir()

    ended = build("--out", out, prefix=apart(f"mount --bind {out} {out} && mount -o remount,ro,bind {out}", "--mount"))

    assert ended.status == 2
    assert f"{out}: nothing can be written there (Read-only file system)" in ended.err


@pytest.mark.parametrize("verb", ["convert", "run"])
def test_a_folder_in_the_place_of_an_output_file_is_refused(edge, sample, shared_models, arrays, tmp_path, verb):
    """Before the work is done, not after it."""
    arguments = {
        "convert": ("convert", sample),
        "run": (
            "run",
            shared_models / "hello_world" / "hello_world_float.tflite",
            "--target",
            "host",
            "--samples",
            arrays(x=[[0.0], [1.0]]),
        ),
    }

    ended = edge(*arguments[verb], "--out", tmp_path)

    assert ended.status == 2
    assert "is a folder" in ended.err
    assert "finished after" not in ended.err


@pytest.mark.parametrize("verb", ["build", "inspect", "setup"])
def test_offline_says_what_is_missing_and_how_to_get_it(edge, sample, digits, tmp_path, verb):
    """An empty cache folder, and the network may not be used: nothing is tried, nothing half-made is left."""
    arguments = {
        "build": ("build", sample, "--target", "host", "--calibration", digits, "--out", tmp_path / "dist"),
        "inspect": ("inspect", sample),
        "setup": ("setup", "tensorflow"),
    }

    ended = edge(*arguments[verb], "--offline", home=tmp_path / "home")

    assert ended.status == 3
    assert "environment tensorflow: not installed yet, and the network is off (offline)" in ended.err
    assert "edge-toolkit setup tensorflow" in ended.err
    assert not list((tmp_path / "home").glob("environments/*"))


def test_without_network_the_missing_environment_is_named(build, tmp_path):
    """The cable is out: an error within seconds, with what the installer said, and nothing half-made."""
    prefix = apart("true", "--net")

    ended = build(home=tmp_path / "home", prefix=prefix, variables={"UV_CACHE_DIR": str(tmp_path / "uv")})

    assert ended.status == 3
    assert "environment tensorflow: uv could not reach the network" in ended.err
    assert not list((tmp_path / "home").glob("environments/*"))


def test_doctor_names_the_fix_for_all_that_is_missing(edge, tmp_path):
    """On a bare machine: nothing is ready that is not, and each line says the command that makes it."""
    ended = edge("doctor", "--json", home=tmp_path / "home")

    assert ended.status == 0
    rows = {(row["kind"], row["name"]): row for row in json.loads(ended.out)}
    assert rows["target", "host"]["ready"] is False
    assert rows["target", "host"]["fix"] == "edge-toolkit setup litert"
    assert "qemu" in rows["target", "raspberry-pi-4"]["fix"]


def test_a_job_over_its_time_limit_is_a_clear_error(build, home, fresh_home, tmp_path):
    """`--timeout` holds for each job; what was running is ended."""
    ended = build("--timeout", "0.2", "--out", tmp_path, home=fresh_home)

    assert ended.status == 3
    assert "no answer in 0.2 s" in ended.out + ended.err


def test_a_job_over_its_memory_limit_is_a_clear_error(build, fresh_home, tmp_path):
    """TensorFlow alone takes more than 150 MB."""
    ended = build("--memory", "0.15", "--scheme", "float32", "--out", tmp_path, home=fresh_home)

    assert ended.status == 3
    assert "more than its limit of 150 MB" in ended.out + ended.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--inputs", "a=x:0,a=y:0"), "--inputs a: given twice"),
        (("--outputs", "a=x:0", "--outputs", "a=y:0"), "--outputs a: given twice"),
        (("--inputs", "a="), "--inputs 'a=': expected NAME=TENSOR, as in --inputs image=IteratorGetNext:0"),
        (("--bind", "keep_prob"), "--bind 'keep_prob': expected NAME=VALUE, as in --bind keep_prob=1.0"),
        (("--builder-arg", "layers=3"), "--builder-arg: without --builder nothing takes it"),
        (
            ("--builder", "net.py:make"),
            "is a saved_model, which does not take it; it takes --bind, --inputs, --outputs",
        ),
        (("--map", "missing.toml"), "--map: "),
        (("--step", "3"), "--step: "),
        (("--reference-device", "tpu"), "--reference-device 'tpu': unknown; did you mean 'gpu'? known: cpu, gpu"),
        (("--python", "source=/nowhere/python"), "/nowhere/python"),
    ],
)
def test_what_is_said_of_a_model_is_read_before_anything_is_started(build, arguments, says):
    """A flag that makes no sense costs no import of TensorFlow."""
    ended = build(*arguments)

    assert ended.status in (2, 3)
    assert says in ended.err
    assert "finished after" not in ended.err
