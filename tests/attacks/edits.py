"""Edits of files of ours, as an attacker, a bad disk or a merge by hand would make them; and what is no file, in a file's place.

Everything is chosen by a seed, so that a failure can be seen again.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import random
import shutil
import signal
import socket

PATIENCE_S = 120  # for what would wait for ever, on a machine that does other things
DELETED = object()
NESTED = json.loads("[" * 200 + "]" * 200)
VALUES = (
    None,
    True,
    -1,
    0,
    2.5,
    1 << 63,
    1e308,
    "",
    "text",
    "../../x",
    "\x1b[2J\n::error::",
    [],
    {},
    [None],
    {"a": None},
    NESTED,
)
RAW = ("NaN", "-Infinity", "1e999", "9" * 5000, '"\\ud800"', '{"a": 1, "a": 2}', "[" * 100_000)


def places(document, where=()):
    """Yield the way to every value in a document, itself left out."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield (*where, key)
        yield from places(value, (*where, key))


def value_at(document, where):
    """Return the value at a place."""
    for key in where:
        document = document[key]
    return document


def edited(document, where, value):
    """Return a copy of a document with another value, or none, at a place."""
    made = copy.deepcopy(document)
    held = made
    for key in where[:-1]:
        held = held[key]
    if value is DELETED:
        del held[where[-1]]
    else:
        held[where[-1]] = value
    return made


def edits(document, count, seed=0):
    """Yield (what was done, the document), so many of all that replace one value by another, or take it away.

    The first ones replace each key of the top by nothing and by null; the others are chosen by chance.
    """
    every = [
        (where, value)
        for where in places(document)
        for value in (DELETED, *VALUES)
        if value is DELETED or value != value_at(document, where)
    ]
    first = [(where, value) for where, value in every if len(where) == 1 and (value is DELETED or value is None)]
    random.Random(seed).shuffle(every)  # noqa: S311 (the same each time)
    for where, value in [*first, *every][:count]:
        said = "deleted" if value is DELETED else "nested" if value is NESTED else repr(value)
        yield f"{list(where)}: {said}", edited(document, where, value)


def raw_edits(document, count, seed=0):
    """Yield (what was done, the text), so many that put in one place what no writer of JSON would write."""
    every = [(where, raw) for where in places(document) for raw in RAW]
    random.Random(seed).shuffle(every)  # noqa: S311 (the same each time)
    for where, raw in every[:count]:
        text = json.dumps(edited(document, where, "@raw@")).replace('"@raw@"', raw)
        yield f"{list(where)}: {raw[:20]}", text


def byte_edits(content, count, seed=0):
    """Yield (what was done, the bytes), so many that are cut, overwritten, doubled or filled up somewhere."""
    chance = random.Random(seed)  # noqa: S311 (the same each time)
    for number in range(count):
        at, length = chance.randrange(len(content)), chance.randrange(1, 64)
        kind = ("cut", "flipped", "noise", "doubled", "zeros", "bom")[number % 6]
        noise = chance.randbytes(length)
        made = {
            "cut": content[:at],
            "flipped": content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :],
            "noise": content[:at] + noise + content[at + length :],
            "doubled": content[:at] + content[max(0, at - length) : at] + content[at:],
            "zeros": content[:at] + bytes(len(content) - at),
            "bom": b"\xef\xbb\xbf" + content,
        }[kind]
        yield f"{kind} at {at}", made


SPECIAL = ("pipe", "socket", "folder", "endless device", "empty device", "hanging link", "ring", "no permission")


def put(kind, place):
    """Put what is no file into a file's place."""
    if place.is_symlink() or not place.is_dir():
        place.unlink(missing_ok=True)
    else:
        shutil.rmtree(place)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(place.parent)  # an address holds 108 bytes
        try:
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(place.name)
        finally:
            os.chdir(here)
    elif kind == "folder":
        place.mkdir()
        (place / "in it").write_text("")
    elif kind == "no permission":  # root reads it all the same: then it is an empty file
        place.touch(mode=0o000)
    else:
        to = {"endless device": "/dev/zero", "empty device": "/dev/null", "hanging link": "nowhere", "ring": place.name}
        place.symlink_to(to[kind])


class Hangs(BaseException):
    """What is raised where something takes too long; no one is to catch it by the way."""


@contextlib.contextmanager
def within(seconds):
    """Raise Hangs where what is inside takes longer, also where it waits in the system; again and again, until it is let out."""

    def late(*_):
        raise Hangs(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_verb(*arguments):
    """Return (exit status, what was printed) of a verb, run in this process; whatever it raises beside errors of ours is raised."""
    from toolkit.cli.verbs import app

    printed = io.StringIO()
    with within(PATIENCE_S), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = app([str(argument) for argument in arguments], standalone_mode=False)
    return status, printed.getvalue()
