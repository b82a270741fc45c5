"""What is printed fits the screen, and is in colour where there is any; nothing that a file brings becomes a line of ours by that."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from toolkit import printable, report
from toolkit.report.screen import Screen

HELD = {
    "kind": "tflite",
    "size_bytes": 1000,
    "weights_bytes": {"int8": 600, "int32": 100},
    "signatures": [],
    "operators": [],
}
SOURCE = {
    "kind": "saved_model",
    "writer": "tensorflow 2",
    "loader": "tensorflow",
    "size_bytes": 1000,
    "variables": [{"name": f"dense_{n}", "dtype": "float32", "shape": [5], "size_bytes": 20} for n in range(10)],
    "signatures": [],
    "operators": [],
    "needs": [],
}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        """Return that it is one."""
        return True


@pytest.mark.parametrize(
    ("said", "width"),
    [({}, 80), ({"COLUMNS": "132"}, 132), ({"COLUMNS": "3"}, 40), ({"COLUMNS": "wide"}, 80), ({"COLUMNS": "-7"}, 80)],
)
def test_what_is_no_terminal_has_80_columns_or_those_that_are_asked_for(said, width):
    """And no colour, whatever the environment says."""
    assert Screen.of(io.StringIO(), environ=said) == Screen(width, colour=False, whole=False)


@pytest.mark.parametrize(
    ("said", "colour"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_shows_colours_if_nobody_minds(said, colour):
    """As no-color.org has it: NO_COLOR that is there and not empty."""
    assert Screen.of(Terminal(), environ=said).colour is colour


def test_a_line_that_is_too_long_goes_on_below_its_column():
    """Words stay whole, in their order; what has no column goes on four characters to the right."""
    row = "  size          " + " ".join(["word"] * 40)
    text = Screen(60).fitted(printable.lines([row, "  " + "plain " * 20, "short"]))
    lines = text.split("\n")

    assert max(map(len, lines)) <= 60
    assert " ".join(text.split()) == " ".join(f"{row} {'plain ' * 20} short".split())
    assert lines[1].startswith(" " * 16 + "word")
    assert lines[-2].startswith(" " * 6 + "plain")
    assert lines[-1] == "short"


def test_a_text_that_fits_is_left_as_it_is():
    """Also where a word is longer than the screen: a report that is fitted again keeps its columns."""
    text = Screen(40).fitted(printable.lines(["                some words and " + "x" * 36 + " more"]))

    assert text.split("\n") == ["                some words and", " " * 20 + "x" * 36, " " * 20 + "more"]
    assert Screen(40).fitted(text) == text


def test_what_is_to_be_pasted_stays_on_one_line():
    """A command, and a path: half of it is another one."""
    command = "  next: edge-toolkit verify " + " ".join(["--option x"] * 20)
    path = "/" + "folder/" * 30

    assert Screen(60).fitted(printable.line(command)) == command
    assert path in Screen(60).fitted(printable.line(f"  written to {path}")).split()


def test_what_begins_a_line_by_being_broken_is_no_command_of_a_log():
    """GitHub reads `::error` at the beginning of a line, also behind spaces."""
    text = Screen(40).fitted(printable.line("  " + "x" * 30 + " ::error::all is well"))

    assert len(text.split("\n")) == 2
    assert not any(line.lstrip().startswith("::") for line in text.split("\n"))


def test_a_title_has_its_outcome_at_the_end_or_below():
    """A long name pushes it out of nobody's sight."""
    screen = Screen(60, colour=True)

    assert screen.title("host", "NO VERDICT").endswith("\x1b[1;33mNO VERDICT\x1b[0m")
    long = screen.fitted(screen.title("name " * 20, "PASSED"))
    assert long.split("\n")[-1] == "  \x1b[1;32mPASSED\x1b[0m"
    assert screen.title("PASSED \x1b[1;32m", "INCONCLUSIVE").count("\x1b") == 2


def test_inspect_says_why_a_file_is_as_large_as_it_is():
    """Numbers by dtype, largest first, and the rest; where they take more than the file, no rest is made up."""
    lines = report.inspected_text(Path("m.tflite"), HELD).split("\n")

    assert lines[-3:] == [
        "  size          1 kB",
        "    weights and constants  700 B (70%): int8 600 B, int32 100 B",
        "    graph and all else  300 B (30%)",
    ]
    packed = report.inspected_text(Path("m.onnx"), HELD | {"size_bytes": 500})
    assert "graph" not in packed
    assert "700 B: int8 600 B" in packed


def test_inspect_lists_variables_if_asked():
    """How many there are, and how large they are, is always said."""
    whole = report.inspected_text(Path("model"), SOURCE)
    short = report.inspected_text(Path("model"), SOURCE, Screen(80, whole=False))

    assert "dense_7" in whole
    assert "dense_7" not in short
    assert "  variables     10, 200 B; -v lists them" in short.split("\n")
    assert "    variables  200 B (20%): float32 200 B" in short.split("\n")
