"""Profiles, recipes and other TOML that somebody made: each is refused with all its mistakes in words, at once, or does what it says."""

from __future__ import annotations

import os
import random
import time
import tracemalloc

import pytest

from tests.attacks.edits import PATIENCE_S, SPECIAL, put, run_verb, within
from toolkit import config, profiles
from toolkit.errors import DamagedFile, InvalidConfig
from toolkit.jobs.job import path_digest
from toolkit.samples.dataset_recipe import DatasetRecipe

PROFILE = """name = "mine"
about = "a board"
format = "tflite"
schemes = ["static_wi8_ai8"]
[runtime]
name = "litert"
[[bounds]]
stage = "total"
output = "*"
metric = "sqnr_db"
limit = 12.0
because = "half of the bits"
"""
RECIPE = """data = "images.npz"
[calibration]
count = 10
seed = 1
[preprocess]
scale = 0.5
"""
TEXTS = {"profile": PROFILE, "recipe": RECIPE}
VALUES = (
    "9" * 5000,
    "-" + "9" * 4000,
    "0x" + "f" * 20_000,
    "1e999",
    "nan",
    "-inf",
    "1979-05-27T07:32:00Z",
    "07:32:00",
    "[" * 2000 + "]" * 2000,
    "{a = " * 40 + "1" + "}" * 40,
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    '"\\u001b[2J\\n::error::"',
    '"\\ud800"',
    "[]",
    "{}",
    "true",
    "-1",
    '""',
    "18446744073709551616",
)
FRAMES = (
    ("bom", lambda text: b"\xef\xbb\xbf" + text),
    ("utf-16", lambda text: text.decode().encode("utf-16")),
    ("latin-1", lambda text: text + "\n# é".encode("latin-1")),
    ("nul", lambda text: text + b"\0"),
    ("nul in text", lambda text: text.replace(b'"a ', b'"a\0') + b'\nx = "\0"'),
    ("escape", lambda text: text + b'\nx = "\x1b[2J"'),
    ("cut", lambda text: text[:40]),
    ("table 2,000 deep", lambda text: text + b"\n[" + b".".join([b"a"] * 2000) + b"]\nb = 1"),
    ("key 2,000 deep", lambda text: b".".join([b"a"] * 2000) + b" = 1\n" + text),
    ("100,000 brackets", lambda text: b"x = " + b"[" * 100_000 + b"\n" + text),
    ("100,000 unknown keys", lambda text: b"".join(b"k%d=1\n" % n for n in range(60_000)) + text),
    ("twice", lambda text: text + text),
    ("empty", lambda text: b""),
)


def problem_of(read):
    """Return what is wrong with a file, None for nothing."""
    try:
        read()
    except InvalidConfig as error:
        return error.problem
    return None


def lines(text):
    """Return the places of the `key = value` lines of a text."""
    return [number for number, line in enumerate(text.splitlines()) if " = " in line]


def hostile(kind):
    """Yield (what was done, the content) of every hostile file of a kind."""
    text = TEXTS[kind]
    for number in lines(text):
        for value in VALUES:
            rows = text.splitlines()
            rows[number] = f"{rows[number].partition(' = ')[0]} = {value}"
            yield f"{rows[number][:40]}", "\n".join(rows).encode()
    yield from ((said, frame(text.encode())) for said, frame in FRAMES)


@pytest.mark.parametrize("kind", ["profile", "recipe"])
def test_a_file_with_anything_wrong_is_refused_in_words(tmp_path, kind):
    """Numbers of 5,000 digits, tables 2,000 deep, dates, NaN, control characters; of nearly a hundred of each."""
    path = tmp_path / "mine.toml"
    read = {"profile": lambda: profiles.find(str(path)), "recipe": lambda: config.load(path, DatasetRecipe)}[kind]
    refused = taken = 0

    for said, content in hostile(kind):
        path.write_bytes(content)
        began = time.process_time()
        with within(PATIENCE_S):
            problem = problem_of(read)
        assert problem is None or (str(path) in problem and len(problem) < 40_000), said
        refused, taken = refused + (problem is not None), taken + (problem is None)
        assert time.process_time() - began < 10, said

    assert refused > 80
    assert taken < refused / 2


@pytest.mark.parametrize("bytes_", [random.Random(seed).randbytes(200) for seed in range(30)])  # noqa: S311 (the same each time)
def test_noise_is_no_toml(tmp_path, bytes_):
    (tmp_path / "mine.toml").write_bytes(bytes_)

    with pytest.raises(InvalidConfig):
        config.read(tmp_path / "mine.toml")


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    """Editors on Windows write it."""
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbfa = 1")

    assert config.read(tmp_path / "mine.toml") == {"a": 1}


def test_a_file_of_100_mb_is_not_read(tmp_path):
    with open(tmp_path / "mine.toml", "wb") as file:
        file.truncate(100_000_000)
    tracemalloc.start()

    with pytest.raises(InvalidConfig, match="larger than"):
        config.read(tmp_path / "mine.toml")

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10_000_000


def test_all_numbers_and_dates_that_nothing_takes_are_told_at_once(tmp_path):
    (tmp_path / "mine.toml").write_text("a = 0x" + "f" * 5000 + "\n[[b]]\nc = 2020-01-01\n")

    with pytest.raises(InvalidConfig) as caught:
        config.read(tmp_path / "mine.toml")

    assert [line.partition(": ")[2] for line in caught.value.problem.splitlines()] == [
        "a: a number of 20000 bits; expected at most 63",
        "b[0].c: 2020-01-01 is a date or a time; expected text in quotes",
    ]


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize(
    "flag", ["--target", "--calibration", "--eval", "--limits", "extends", "model", "data", "labels", "--bounds"]
)
def test_what_is_no_file_is_refused_in_a_second_wherever_a_file_is_meant(tmp_path, sample, kind, flag):
    """A pipe without a writer would hang, and a device never ends."""
    place = tmp_path / "it.toml"
    put(kind, place)
    if flag == "extends":
        (tmp_path / "mine.toml").write_text(f'name = "mine"\nextends = "{place}"\n')
        asked = ["build", sample, "--target", tmp_path / "mine.toml"]
    elif flag == "model":
        asked = ["build", place, "--target", "host"]
    elif flag in {"data", "labels"}:
        (tmp_path / "set.toml").write_text(
            f'data = "{place}"\n[reader]\nname = "arrays"\n'
            if flag == "data"
            else f'data = "x.npy"\nlabels = "{place}"\n'
        )
        asked = ["calibration", "lint", tmp_path / "set.toml", "--source", sample]
    elif flag == "--bounds":
        asked = ["compare", tmp_path / "a.npz", tmp_path / "b.npz", "--bounds", place]
    else:
        asked = ["build", sample, "--target", "host"] if flag != "--target" else ["build", sample]
        asked += [flag, place]
    began = time.process_time()

    with within(PATIENCE_S):
        status, printed = run_verb(*asked)

    assert status in {2, 3}, printed
    assert "internal error" not in printed
    assert time.process_time() - began < 5


@pytest.mark.parametrize("kind", ["pipe", "socket", "endless device"])
def test_what_is_no_file_inside_a_model_or_a_set_reaches_no_worker(tmp_path, kind):
    """The hash of all that is given to a job is taken first."""
    (tmp_path / "model" / "variables").mkdir(parents=True)
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"x")
    place = tmp_path / "model" / "variables" / "variables.index"
    put(kind, place)

    with within(5), pytest.raises(DamagedFile, match=r"variables\.index: is a"):
        path_digest(tmp_path / "model")
    with within(5), pytest.raises(DamagedFile, match=r"variables\.index: is a"):
        path_digest(place)


@pytest.mark.parametrize("length", [1, 2, 40])
def test_profiles_that_extend_each_other_without_end_are_refused(tmp_path, length):
    for number in range(length):
        text = f'name = "p{number}"\nextends = "./p{(number + 1) % length}.toml"\n'
        (tmp_path / f"p{number}.toml").write_text(text)

    with within(5), pytest.raises(InvalidConfig):
        profiles.find(str(tmp_path / "p0.toml"))


def test_a_chain_of_a_thousand_profiles_is_refused_or_followed(tmp_path):
    """It ends in one that is not there."""
    for number in range(1000):
        (tmp_path / f"p{number}.toml").write_text(f'name = "p{number}"\nextends = "./p{number + 1}.toml"\n')

    with within(20), pytest.raises(InvalidConfig):
        profiles.find(str(tmp_path / "p0.toml"))


def test_a_folder_of_profiles_with_a_pipe_in_it_keeps_nobody_waiting(tmp_path, monkeypatch):
    """`targets list` reads them all."""
    (tmp_path / "targets").mkdir()
    os.mkfifo(tmp_path / "targets" / "pipe.toml")
    monkeypatch.chdir(tmp_path)

    status, printed = run_verb("targets", "list")

    assert status in {0, 2}, printed
