"""Files that others may have written: opened only where they are plain, and believed only where they fit."""

from __future__ import annotations

import json
import os
import socket
import threading
import time

import pytest

from tests.attacks.edits import PATIENCE_S, within
from toolkit.errors import DamagedFile
from toolkit.files.foreign import (
    JSON_DEPTH,
    check,
    open_plain,
    parse_json,
    read_bytes,
    read_json,
    read_text,
    require_plain_tree,
)
from toolkit.files.shapes import COUNT, INSIDE, SHA256, Each, Either, Where, fits


@pytest.fixture
def special(tmp_path):
    """Make what is no file, by its kind."""

    def make(kind):
        place = tmp_path / kind
        if kind == "pipe":
            os.mkfifo(place)
        elif kind == "socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(str(place))
        elif kind == "folder":
            place.mkdir()
        elif kind == "device":
            place.symlink_to("/dev/zero")
        elif kind == "terminal":
            place.symlink_to("/dev/tty")
        elif kind == "ring":
            place.symlink_to(place)
        return place

    return make


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("pipe", "named pipe"),
        ("socket", "socket"),
        ("folder", "a folder"),
        ("device", "a device"),
        ("terminal", "a device"),
        ("ring", "cannot be read"),
    ],
)
def test_only_a_plain_file_is_opened_and_nothing_is_waited_for(special, kind, says):
    """A pipe without a writer would keep whoever opens it waiting for ever."""
    with within(PATIENCE_S), pytest.raises(DamagedFile, match=says) as caught:
        open_plain(special(kind))

    assert kind in caught.value.problem


def test_a_pipe_with_a_writer_is_not_touched(special):
    """What is written to it is for somebody else."""
    place = special("pipe")
    writer = threading.Thread(target=place.write_text, args=("for somebody else",), daemon=True)
    writer.start()
    time.sleep(0.1)

    with pytest.raises(DamagedFile, match="named pipe"):
        read_bytes(place)

    assert writer.is_alive()
    assert place.read_text() == "for somebody else"


def test_a_link_to_a_file_is_read_and_nothing_is_not_there(tmp_path):
    """What is not there is another matter than what is damaged: who asked knows what to say."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "hanging").symlink_to(tmp_path / "nothing")

    assert read_text(tmp_path / "link") == "text"
    for missing in ("nothing", "hanging"):
        with pytest.raises(FileNotFoundError):
            read_text(tmp_path / missing)


@pytest.mark.parametrize("name", ["with\0nul", "\ud800", "x" * 300])
def test_a_name_that_no_file_can_have_is_said_to_be_none(tmp_path, name):
    """Names come from files too."""
    with pytest.raises(DamagedFile, match="cannot be read"):
        read_bytes(tmp_path / name)


def test_no_more_is_read_than_was_said(tmp_path):
    """A file may say that it has no size and still never end, as those of /proc do."""
    (tmp_path / "large").write_bytes(bytes(101))

    with pytest.raises(DamagedFile, match="larger than 100 bytes"):
        read_bytes(tmp_path / "large", 100)
    with pytest.raises(DamagedFile, match="larger than 10 bytes"):
        read_bytes("/proc/self/maps", 10)
    assert len(read_bytes(tmp_path / "large", 101)) == 101


def test_a_tree_with_a_pipe_in_it_is_refused(tmp_path):
    """A library that reads a folder by its name would wait for it; links that hang, and links to folders, are the library's business."""
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "deep" / "file").write_text("")
    (tmp_path / "deep" / "hanging").symlink_to("nowhere")
    (tmp_path / "deep" / "up").symlink_to(tmp_path)
    require_plain_tree(tmp_path)

    os.mkfifo(tmp_path / "deep" / "deeper" / "variables.index")

    with pytest.raises(DamagedFile, match=r"deep/deeper/variables.index: is a named pipe"):
        require_plain_tree(tmp_path)


@pytest.mark.parametrize("link", ["pipe", "device"])
def test_a_tree_with_a_link_to_a_pipe_or_a_device_is_refused(tmp_path, special, link):
    """As above."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").symlink_to(special(link))

    with pytest.raises(DamagedFile, match=r"tree/a: is a"):
        require_plain_tree(tmp_path / "tree")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not whole JSON"),
        ('{"a": 1', "not whole JSON"),
        ('{"a": 1} x', "not whole JSON"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[Infinity]", "Infinity is not JSON"),
        ("[-Infinity]", "Infinity is not JSON"),
        ("1e999", "too large"),
        ("-1E+400", "too large"),
        ("1" + "0" * 400 + ".0", "too large"),
        ("9" * 21, "integer of 21 digits"),
        ("9" * 5000, "integer of 5000 digits"),
        ("-" + "9" * 1_000_000, "digits"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' twice"),
        ("[" * 100_000, "nested|no whole"),
        ("[" * 100_000 + "]" * 100_000, "nested more than 64 deep"),
        ('{"a":' * 500 + "1" + "}" * 500, "nested more than 64 deep"),
        ("[" * (JSON_DEPTH + 1) + "]" * (JSON_DEPTH + 1), "nested more than 64 deep"),
        ('["\\ud800"]', "half a character"),
        ('{"\\uDFFF": 1}', "half a character"),
        ('{"a": {"b": ["\\ud83d"]}}', "half a character"),
        ("\0", "not whole JSON"),
        ('"\n"', "not whole JSON"),
    ],
)
def test_what_is_no_sound_json_is_damaged(tmp_path, text, says):
    """Python's own reader takes most of these."""
    (tmp_path / "it.json").write_text(text)
    began = time.process_time()

    with pytest.raises(DamagedFile, match=says) as caught:
        read_json(tmp_path / "it.json")

    assert caught.value.problem.startswith(f"{tmp_path / 'it.json'}: ")
    assert len(caught.value.problem) < 300
    assert time.process_time() - began < 1


def test_a_million_keys_of_which_the_last_is_there_twice_are_refused_at_once():
    """Looking for each of them in all would take an hour."""
    text = "{" + ",".join(f'"{number}":0' for number in range(300_000)) + ',"299999":0}'
    began = time.process_time()

    with pytest.raises(DamagedFile, match="'299999' twice"):
        parse_json(text, "it")

    assert time.process_time() - began < 10


def test_text_that_is_no_utf8_is_refused_and_a_byte_order_mark_is_not(tmp_path):
    """Editors on Windows write the mark; UTF-16 is another matter."""
    (tmp_path / "bom").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    (tmp_path / "utf16").write_bytes('{"a": 1}'.encode("utf-16"))

    assert read_json(tmp_path / "bom") == {"a": 1}
    with pytest.raises(DamagedFile, match="byte 0 is not UTF-8"):
        read_json(tmp_path / "utf16")


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, -2.5, 1e308, 2**64 - 1, None, True, "text", "\U0001f600", "\udcff"], "b": {}},
        [[[]]],
        "a" * 64 + "1" * 64,
        1e-320,
        "[" * 1000,
    ],
)
def test_what_this_program_writes_is_read_back(value):
    """Sound values come back as they are; so does the name of a file that is no UTF-8, as Python writes it."""
    assert parse_json(json.dumps(value), "it") == value


def test_infinite_numbers_pass_where_they_are_asked_for():
    """What a worker measured may be infinite."""
    assert parse_json("[Infinity, -Infinity]", "it", finite=False) == [float("inf"), -float("inf")]


@pytest.mark.parametrize(
    ("shape", "fitting", "others"),
    [
        (str, ["", "x"], [None, 1, True, [], {}]),
        (int, [0, -1], [None, 1.0, True, "1"]),
        (float, [0, 1.5], [None, True, "1.5"]),
        (bool, [True], [1, 0, None]),
        (None, [None], [0, False, ""]),
        ("a", ["a"], ["b", None]),
        (1, [1], [True, 1.0, 2]),
        (object, [None, 1, [{}]], []),
        ([int], [[], [1, 2]], [None, {}, "ab", [1, "2"], [None]]),
        ((int, str), [[1, "a"]], [[1], [1, "a", 2], ["a", 1], {}]),
        ({"a": int, "b?": str}, [{"a": 1}, {"a": 1, "b": "", "c": 0}], [{}, {"b": ""}, {"a": 1, "b": None}, [], None]),
        (Each([int]), [{}, {"x": [1]}, {"x?": [1]}], [{"x": 1}, [], {"x?": 1}]),
        (Either(int, None, {"a": int}), [1, None, {"a": 1}], ["x", {"a": None}, True]),
        (Where(int, lambda value: value % 2 == 0, "even"), [2], [1, "2", None]),
        (COUNT, [0, 5], [-1, 1.0, True]),
        (SHA256, ["a" * 64], ["A" * 64, "a" * 63, None]),
        (INSIDE, ["a", "a/b.c", "out/é"], ["", "/a", "../a", "a/../b", "a//b", "./a", "a/", "a\0", 1]),
    ],
)
def test_a_shape_takes_what_fits_and_nothing_else(shape, fitting, others):
    """One line for each word of the language."""
    assert [value for value in fitting if not fits(value, shape)] == []
    assert [value for value in others if fits(value, shape)] == []


def test_a_message_says_where_what_was_found_and_what_was_expected():
    """All mistakes at once."""
    shape = {"findings": [{"severity": Either("error", "note"), "n": int}], "by": Each(str), "tools": dict, "at": COUNT}
    value = {"findings": [{"severity": "bad\x1b[2J", "n": "1"}, None], "by": {"a\nb": 1}, "at": -1}

    with pytest.raises(DamagedFile) as caught:
        check(value, shape, "it.json")

    assert caught.value.problem.splitlines() == [
        "it.json: findings[0].severity: 'bad\\x1b[2J', expected 'error' or 'note'",
        "it.json: findings[0].n: '1' is str, expected int",
        "it.json: findings[1]: null, expected table",
        "it.json: by['a\\nb']: 1 is int, expected str",
        "it.json: tools: missing, expected table",
        "it.json: at: -1, expected an int of at least 0",
    ]


def test_no_more_mistakes_are_told_than_a_person_reads():
    """A file with a hundred thousand of them is another file."""
    with pytest.raises(DamagedFile) as caught:
        check(["x"] * 100_000, [int], "it.json")

    assert len(caught.value.problem.splitlines()) == 11
