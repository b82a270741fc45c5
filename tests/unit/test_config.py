"""TOML files: every mistake is found, all of them at once, each with where it is and what is expected."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated, Literal

import pytest
from pydantic import Field, FiniteFloat, ValidationError, field_validator

from toolkit import config
from toolkit.errors import InvalidConfig


class Part(config.ConfigModel):
    """A table."""

    threads: int = Field(default=1, ge=1)
    share: float = Field(default=0.5, gt=0, lt=1)
    quick: bool = False


class Item(config.ConfigModel):
    """One of a list of tables."""

    limit: FiniteFloat
    names: tuple[str, ...] = ()

    @field_validator("names")
    @classmethod
    def _not_too_many(cls, names):
        if len(names) > 2:
            raise ValueError("three are too many")
        return names


class Whole(config.ConfigModel):
    """A file."""

    name: str
    format: Literal["tflite", "onnx"] = "tflite"
    metric: Annotated[str, config.plugin("comparison/metrics")] = "max_abs"
    part: Part = Part()
    spare: Part | None = None
    parts: dict[str, Part] = {}
    items: tuple[Item, ...] = ()


@pytest.fixture
def mistakes(tmp_path):
    """Return a function from TOML text to the lines of the message about it, without the file's name."""

    def of(text):
        path = tmp_path / "file.toml"
        path.write_text(text)
        with pytest.raises(InvalidConfig) as caught:
            config.load(path, Whole)
        lines = caught.value.problem.splitlines()
        assert all(line.startswith(f"{path}: ") for line in lines)
        return [line.removeprefix(f"{path}: ") for line in lines]

    return of


def test_a_file_becomes_a_model(tmp_path):
    """Tables, lists of tables, numbers with separators: what TOML has."""
    path = tmp_path / "file.toml"
    path.write_text('name = "n"\n[part]\nthreads = 1_000\n[[items]]\nlimit = 1\nnames = ["a", "b"]\n')

    whole = config.load(path, Whole)

    assert whole.part.threads == 1000
    assert whole.items == (Item(limit=1.0, names=("a", "b")),)
    with pytest.raises(ValidationError, match="frozen"):
        whole.name = "other"


def test_a_file_that_stays_the_same_is_parsed_once_and_a_changed_one_again(tmp_path, monkeypatch):
    """One verb asks for a recipe five times. A change that keeps size and time is seen too: an editor in one step of the clock, rsync."""
    path, parsed = tmp_path / "file.toml", []
    real = config.parsed
    monkeypatch.setattr(config, "parsed", lambda *asked: parsed.append(asked) or real(*asked))

    def found(name: str) -> list[str]:
        path.write_text(f'name = "{name}"\n')
        os.utime(path, ns=(1, 1))
        return [config.load(path, Whole).name for _ in range(3)]

    assert (found("a"), len(parsed)) == (["a"] * 3, 1)
    assert (found("b"), len(parsed)) == (["b"] * 3, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nam = 3", "nam: unknown key; did you mean 'name'? known: format, items, metric, name, part, parts, spare"),
        ("[part]\nthread = 4", "part.thread: unknown key; did you mean 'threads'? known: quick, share, threads"),
        ("[spare]\nthread = 4", "spare.thread: unknown key; did you mean 'threads'? known: quick, share, threads"),
        ("[parts.a]\nthread = 4", "parts.a.thread: unknown key; did you mean 'threads'? known: quick, share, threads"),
        ("[[items]]\nlimit = 1\nlimits = 1", "items[0].limits: unknown key; did you mean 'limit'? known: limit, names"),
        ('format = "tflit"', "format: 'tflit'; did you mean 'tflite'? known: onnx, tflite"),
        ('metric = "rms"', "metric: 'rms'; did you mean 'rmse'? known: "),
        ("metric = 3", "metric: 3 is int, expected str"),
        ('[part]\nthreads = "64 MB"', "part.threads: '64 MB' is str, expected int"),
        ("[part]\nthreads = 4.0", "part.threads: 4.0 is float, expected int"),
        ("[part]\nthreads = true", "part.threads: True is bool, expected int"),
        ("[part]\nquick = 1", "part.quick: 1 is int, expected bool"),
        ("[part]\nshare = true", "part.share: True is bool, expected float"),
        ("[part]\nthreads = 0", "part.threads: 0; expected at least 1"),
        ("[part]\nshare = 1", "part.share: 1; expected below 1"),
        ("[part]\nshare = 0", "part.share: 0; expected above 0"),
        ("part = 3", "part: 3 is int, expected table"),
        ("items = 3", "items: 3 is int, expected list"),
        ("items = [3]", "items[0]: 3 is int, expected table"),
        ("[items]\nlimit = 1", "items: {'limit': 1} is table, expected list"),
        ("[[items]]\nlimit = nan", "items[0].limit: nan; expected a finite number"),
        ("[[items]]\nlimit = 1\n[[items]]", "items[1].limit: missing"),
        ('[[items]]\nlimit = 1\nnames = ["a", 2]', "items[0].names[1]: 2 is int, expected str"),
        ('[[items]]\nlimit = 1\nnames = ["a", "b", "c"]', "items[0].names: three are too many"),
    ],
)
def test_each_mistake_says_where_what_and_what_would_be_right(mistakes, text, says):
    """Whoever wrote the file should not have to look anything up."""
    (line,) = [line for line in mistakes(text) if line != "name: missing"]

    assert line.startswith(says)


def test_a_missing_key_is_named(mistakes):
    """There are no defaults for what only the user knows."""
    assert mistakes("") == ["name: missing"]


def test_all_mistakes_are_reported_at_once(mistakes):
    """Five mistakes cost one run, not five."""
    text = 'nam = 1\nformat = "x"\n[part]\nthreads = "4"\nshare = 3\n[[items]]\n'

    assert [line.split(":")[0] for line in mistakes(text)] == [
        "name",
        "format",
        "part.threads",
        "part.share",
        "items[0].limit",
        "nam",
    ]


def test_a_long_value_is_cut(mistakes):
    """A message is for reading; a file in it is not."""
    (line,) = mistakes(f'name = "n"\n[part]\nthreads = "{"x" * 1000}"')

    assert len(line) < 120
    assert "… is str, expected int" in line


def test_broken_toml_is_reported_with_its_line(mistakes):
    """The parser knows where it stopped."""
    (line,) = mistakes("name = 'n'\npart = \n")

    assert line.startswith("not TOML: ")
    assert "line 2" in line


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"name = '\xff'", "byte 8 is not UTF-8"),
        (b"name = " + b"[" * 100_000, "not TOML"),
        (b"name = \x00", "not TOML"),
    ],
)
def test_what_is_no_text_is_a_mistake_too(tmp_path, content, says):
    """A binary file, or one made to break the parser, is a request that is wrong, not a traceback."""
    path = tmp_path / "file.toml"
    path.write_bytes(content)

    with pytest.raises(InvalidConfig, match=says):
        config.load(path, Whole)


def test_a_missing_file_is_answered_with_the_closest(tmp_path):
    """A slip in the name is the most likely reason."""
    (tmp_path / "digits.toml").touch()
    (tmp_path / "digit.npz").touch()

    with pytest.raises(
        InvalidConfig, match=r"digit.toml: no such file; did you mean 'digits.toml'\? known: digits.toml"
    ):
        config.load(tmp_path / "digit.toml", Whole)


def test_a_folder_is_no_file(tmp_path):
    """It is there, and still cannot be read."""
    with pytest.raises(InvalidConfig, match="is a folder; expected a file"):
        config.load(tmp_path, Whole)


def test_the_command_line_starts_without_pydantic():
    """It costs more than all else that `--help` needs."""
    code = "import sys, toolkit, toolkit.registry, toolkit.tensors.signature, toolkit.comparison.compare; print(*sys.modules)"

    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert "toolkit.comparison.compare" in modules
    assert "pydantic" not in modules
