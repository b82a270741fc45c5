"""What is printed of a text that came from a file."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit import printable

CLEAR = "\x1b[2J\x1b[H\x1b[32mPASSED\x1b[0m"
TITLE = "\x1b]0;owned\x07"
LINK = "\x1b]8;;https://example.org\x1b\\click\x1b]8;;\x1b\\"
ANYTHING = st.text(st.characters(codec=None), max_size=40)  # lone surrogates too


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain (x) [0] ünïcode 寿司 ✅", "plain (x) [0] ünïcode 寿司 ✅"),
        (CLEAR, r"\x1b[2J\x1b[H\x1b[32mPASSED\x1b[0m"),
        (TITLE, r"\x1b]0;owned\x07"),
        (LINK, "\\x1b]8;;https://example.org\\x1b\\click\\x1b]8;;\\x1b\\"),
        ("a\nb\rc\td\x00e\x7f", r"a\nb\rc\td\x00e\x7f"),
        ("\x85\x9b2J", r"\u00852J".replace("2J", "") + r"\u009b2J"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\u202egnp.\u2066\u200b\ufeff\u00ad", r"\u202egnp.\u2066\u200b\ufeff\u00ad"),
        ("\u3164\u115f\u034f\U000e0041", r"\u3164\u115f\u034f\U000e0041"),
        ("caf\udce9 \ud800", r"caf\xe9 \ud800"),
        ("::error::broken", r"\x3a:error::broken"),
        ("  ::set-output name=x::y", r"  \x3a:set-output name=x::y"),
        ("a::b", "a::b"),
        ("see ##[error]x and ##vso[task.complete result=Succeeded;]", None),
        ("## heading, #[x]", "## heading, #[x]"),
    ],
)
def test_a_line_shows_what_it_holds(text, shown):
    """And nothing of it moves a cursor, turns the writing round, begins a line, or is a command of a CI's log."""
    said = printable.line(text)

    assert said.isprintable()
    assert shown is None or said == shown
    assert not re.search(r"##\w*\[|^ *::", said)


@given(ANYTHING)
def test_a_line_is_one_safe_line_and_stays_as_it_is(text):
    """Whatever comes; made safe once more it is the same, so that nobody need know whether it was."""
    said = printable.line(text)

    assert said.isprintable()
    assert not re.match(r"\s*::", said)
    assert printable.line(str(said)) == said


def test_lines_are_ours_alone():
    """A line break inside of a part is not one; a text that was laid out before keeps its own."""
    inner = printable.lines(["a", "b\nPASSED"])

    said = printable.lines(["first", inner, "::last"], indent="  ")

    assert said == "  first\n  a\n  b\\nPASSED\n  \\x3a:last"
    assert printable.lines([said]) == said
    assert printable.lines([inner, "c"], between="\n\n") == "a\nb\\nPASSED\n\nc"


def test_what_is_joined_by_hand_loses_its_lines():
    """So that whoever forgets it sees it, and does not print what came from a file."""
    by_hand = "\n".join([printable.line("a"), "b\x1b"])

    assert printable.lines([by_hand]) == r"a\nb\x1b"


def test_a_long_name_is_cut_in_its_middle():
    """With its length; its end tells it from others."""
    said = printable.name("a" * 1_000_000 + "/end")

    assert len(said) == printable.LONGEST_NAME
    assert said.startswith("aaa")
    assert said.endswith("/end")
    assert "(1000004 characters)" in said
    assert len(printable.line("\x1b" * 1_000_000)) <= 4 * printable.LONGEST_LINE


WORDS = [
    "plain",
    "",
    "a b",
    "it's",
    "a; rm -rf ~",
    "$(touch x)`touch x`",
    "a\nb\\n'\x1b[2J",
    "\x1b1f",
    "\u202egnp.sh",
    "caf\udce9",
    "##[error]x",
    "!!",
    "寿司",
]


@pytest.mark.parametrize("word", WORDS)
def test_a_command_can_be_pasted(word, tmp_path):
    """A shell reads the very word, and nothing in it is seen otherwise than it is."""
    said = printable.command(["printf", "%s", word])

    assert said.isprintable()
    assert printable.line(str(said)) == said
    ran = subprocess.run(["bash", "-c", said], capture_output=True, check=True, cwd=tmp_path)
    assert ran.stdout == os.fsencode(word)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name",
    [
        "`",
        "``x`",
        "a|b",
        "<script>alert(1)</script>",
        "[x](http://e)",
        "@all #12",
        "a\n# PASSED",
        "# PASSED",
        "- PASSED",
        "12. x",
        "&lt;b&gt; &",
        " ",
        "",
    ],
)
def test_a_name_in_markdown_is_itself(name):
    """As text, and as a code span in a table."""
    text, span = printable.markdown(name), printable.code(name, in_table=True)

    assert "\n" not in text + span
    assert not re.search(r"(?<!\\)[|`]|<|(?<!\\)\](?=\()|^[#\[]", text.replace("<!-- -->", ""))
    assert not re.search(r"(?<!\\)\|", span)
    fence = re.match("`+", span)[0]
    assert span.endswith(fence)
    assert fence not in span[len(fence) : -len(fence)]


def test_names_inside_of_words_need_no_backslash():
    """GitHub takes no underscore inside of a word for emphasis."""
    assert printable.markdown("static_wi8_ai8 _x_ __init__") == r"static_wi8_ai8 \_x\_ \_\_init\_\_"


def test_a_document_holds_the_exact_names():
    """And no command for a runner's log."""
    content = {"##[error]\x1b": ["\udce9", "\n::error::", "\u2028"]}

    said = printable.document(content)

    assert json.loads(said) == content
    assert said.isascii()
    assert "##" not in said


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+2", "-2+3", "@SUM(1)", "\t=1", "\r=1"])
def test_a_text_is_no_formula(text):
    """For the spreadsheet that opens a table; numbers stay numbers."""
    out = io.StringIO()
    csv.writer(out).writerow([printable.cell(text), printable.cell(-1.5), printable.cell(None)])

    (row,) = csv.reader(io.StringIO(out.getvalue()))
    assert row[0].startswith("'")
    assert row[1:] == ["-1.5", ""]


HOSTILE_FILES = ["..", ".", "", "...", "/", "../../x", "/etc/passwd", "a\0b", "a\nb", "-rf", ".hidden", " x", "x" * 5000,
                 "\x1b", "caf\udce9", "é" * 100, "%2E", "%", "a%~b", "x" * 200, "x" * 199 + "/"]  # fmt: skip


def test_each_name_has_a_file_of_its_own(tmp_path):
    """Below the folder that was meant."""
    names = {printable.file_name(each) for each in HOSTILE_FILES}

    assert len(names) == len(HOSTILE_FILES)
    for each in names:
        assert (tmp_path / each).parent == tmp_path
        assert re.fullmatch(r"[ -.0-~]+", each)
        (tmp_path / f".{each}.{os.getpid()}.partial").write_text("")
        (tmp_path / each).mkdir()
    assert not [each for each in names if each[:1] in (".", "-", " ")]


@given(ANYTHING)
def test_a_files_name_is_one(text):
    """Of any text."""
    said = printable.file_name(text)

    assert said not in ("", ".", "..")
    assert re.fullmatch(r"[\w ()\[\],;=+@%.~-]+", said, re.ASCII)
    assert len(said) <= 200
