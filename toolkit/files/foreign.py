"""Files that another program may have written or changed: opened only if they are plain files, and read only up to a limit.

A file that is not what it should be is a `DamagedFile`, whose message says which file, where in it, what was found and what was expected.
The store makes such a file again; all others refuse it (exit status 2). FileNotFoundError is passed on: the caller knows what to say.

Nothing here blocks: a pipe without a writer, a terminal and a device that is not ready are refused before they are opened.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from toolkit.errors import DamagedFile
from toolkit.files.shapes import misfits, shown

JSON_BYTES = 64 << 20
"""The most bytes of a JSON document. The largest that this program writes hold a row for each sample and box: a few MB. Python needs twenty times
the size of the file, a gigabyte here."""

JSON_DEPTH = 64
"""The most tables and lists inside each other. This program writes fewer than 20; Python's own functions give up at about 300."""

_INT_DIGITS = 20  # of the largest 64-bit integer; Python takes minutes to convert a million digits
_BLOCK_BYTES = 1 << 20
_MOST_TOLD = 10  # mistakes of one file; with more it is the wrong file
# May be a number of many digits, or with an exponent of three. It may also be part of a text, which only reading it shows.
_LONG_NUMBER = re.compile(rf"(?:^|[\s:,\[])-?(?:[0-9]{{{_INT_DIGITS + 1}}}|[0-9.]+[eE]\+?[0-9]{{3}})")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

__all__ = [
    "JSON_BYTES",
    "JSON_DEPTH",
    "check",
    "looking_through",
    "open_plain",
    "parse_json",
    "read_bytes",
    "read_json",
    "read_text",
    "require_plain",
    "require_plain_tree",
    "require_reachable",
]


def require_plain(path: Path | str) -> os.stat_result:
    """Return the system's status of a plain file, links followed; DamagedFile for anything else, FileNotFoundError where nothing is.

    For a file that a library opens by name. Somebody who may write to its folder can still exchange it in between.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        _refuse(path, error)
    _require_regular(path, found.st_mode)
    return found


def require_reachable(path: Path | str) -> None:
    """Raise DamagedFile where the system does not say what lies at a path: the name is too long, links form a ring, or the folder is closed.

    `Path.exists` and `Path.is_file` raise OSError for some of these, in each release of Python for others.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        _refuse(path, error)


@contextlib.contextmanager
def looking_through(folder: Path | str) -> Iterator[None]:
    """Raise DamagedFile for folders nested too deep: a thousand are too many for Python, and more for the system."""
    try:
        yield
    except RecursionError:
        raise DamagedFile(folder, ["holds folders in each other, too deep to be looked through"]) from None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise DamagedFile(folder, ["holds folders in each other, deeper than a path can say"]) from None


def require_plain_tree(folder: Path | str) -> None:
    """Raise DamagedFile where a folder, or a folder in it, holds anything but plain files, folders, and links to either.

    Links to folders are not followed. For a folder that a library reads by name.
    """
    waiting = [os.fspath(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except FileNotFoundError:
            raise
        except (OSError, ValueError) as error:
            _refuse(folder, error)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif not entry.is_file() and os.path.exists(entry.path) and not entry.is_dir():
                _require_regular(entry.path, os.stat(entry.path).st_mode)


def open_plain(path: Path | str) -> BinaryIO:
    """Return a plain file, opened for reading; DamagedFile for anything else, FileNotFoundError where nothing is. It does not block."""
    require_plain(path)  # opening alone has effects: a tape winds back, a pipe's writer goes on
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        raise
    except OSError as error:
        _refuse(path, error)
    try:
        _require_regular(path, os.fstat(descriptor).st_mode)
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_bytes(path: Path | str, most_bytes: int = JSON_BYTES) -> bytes:
    """Return the content of a plain file of at most so many bytes; DamagedFile as `open_plain`, and for a larger one."""
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size <= most_bytes:
            try:
                content = file.read(size + 1)
                while (
                    size < len(content) <= most_bytes
                ):  # it grew, or lies in /proc, where files say that they are empty
                    size = len(content)
                    content += file.read(_BLOCK_BYTES)
            except OSError as error:
                _refuse(path, error)
            size = len(content)
        if size > most_bytes:
            raise DamagedFile(
                path, [f"is larger than {most_bytes} bytes, which is the most that is read of such a file"]
            )
    return content


def read_text(path: Path | str, most_bytes: int = JSON_BYTES) -> str:
    """Return the text of a plain file, UTF-8, without the byte order mark that editors on Windows put first; DamagedFile as `read_bytes`."""
    return _decoded(read_bytes(path, most_bytes), path)


def read_json(path: Path | str, shape: object = object, *, most_bytes: int = JSON_BYTES, finite: bool = True) -> Any:
    """Return what a JSON file holds; DamagedFile where it is not whole, or has another shape (`toolkit.files.shapes`).

    Refused as well: a key twice in one table, nesting beyond `JSON_DEPTH`, integers of more than 20 digits, numbers too large for a float, text that
    is no Unicode and, unless `finite` is False, NaN and Infinity.
    """
    return parse_json(read_bytes(path, most_bytes), path, shape, finite=finite)


def parse_json(content: bytes | str, name: Path | str, shape: object = object, *, finite: bool = True) -> Any:
    """Return what JSON text holds, as `read_json` does of a file; `name` is what messages call it."""
    text = content if isinstance(content, str) else _decoded(content, name)
    hooks: dict[str, Any] = {} if finite else {"parse_constant": float}
    if _LONG_NUMBER.search(text):
        hooks |= {"parse_int": _short_int, "parse_float": _finite_float}
    try:
        found = json.loads(text, object_pairs_hook=_table, **{"parse_constant": _no_number, **hooks})
        _require_shallow(found)
        if _SURROGATE.search(text):
            _require_unicode(found)
    except RecursionError:
        raise DamagedFile(name, [f"is nested more than {JSON_DEPTH} deep"]) from None
    except ValueError as error:
        raise DamagedFile(name, [f"is not whole JSON: {error}"]) from None
    check(found, shape, name)
    return found


def check(value: object, shape: object, name: Path | str) -> None:
    """Raise DamagedFile, with a line for each mistake, where a value does not have the shape; `name` is the file's."""
    found: list[str] = []
    for misfit in misfits(value, shape):
        if len(found) == _MOST_TOLD:
            found.append("... and more")
            break
        found.append(str(misfit))
    if found:
        raise DamagedFile(name, found)


def _refuse(path: Path | str, error: Exception) -> NoReturn:
    why = (
        error.strerror if isinstance(error, OSError) else error
    )  # ValueError: a NUL byte, or no bytes for such characters
    raise DamagedFile(path, [f"cannot be read ({why}); expected a file"]) from error


def _require_regular(path: Path | str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((said for test, said in _KINDS if test(mode)), "something else")
        raise DamagedFile(path, [f"is {kind}; expected a file"])


def _decoded(content: bytes, name: Path | str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedFile(name, [f"byte {error.start} is not UTF-8; expected UTF-8 text"]) from None


def _table(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = sorted(name for name, _ in pairs)
        twice = next(name for name, later in itertools.pairwise(names) if name == later)
        raise ValueError(f"it has the key {shown(twice)} twice in one table")
    return table


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON; expected finite numbers")


def _short_int(text: str) -> int:
    if len(text.removeprefix("-")) > _INT_DIGITS:
        raise ValueError(f"an integer of {len(text)} digits; expected at most {_INT_DIGITS}")
    return int(text)


def _finite_float(text: str) -> float:
    number = float(text)
    if number in {float("inf"), -float("inf")}:
        raise ValueError(f"{shown(text)} is too large for a number of 64 bits")
    return number


def _nested(values: list[Any]) -> Iterator[Any]:
    """Yield the values in tables and lists."""
    for value in values:
        yield from value.values() if type(value) is dict else value


def _require_shallow(found: object) -> None:
    level = [found] if isinstance(found, dict | list) else []
    for _ in range(JSON_DEPTH):
        if not level:
            return
        level = [value for value in _nested(level) if type(value) is dict or type(value) is list]
    if level:
        raise ValueError(f"it is nested more than {JSON_DEPTH} deep")


def _require_unicode(found: object) -> None:
    """Refuse half characters, except those by which Python writes a file name that is not UTF-8 (PEP 383)."""
    level = [found]
    while level:
        for value in level:
            for text in value if type(value) is dict else [value]:
                if type(text) is str and re.search("[\ud800-\udc7f\udd00-\udfff]", text):
                    raise ValueError("a text in it holds half a character")
        level = list(_nested([value for value in level if type(value) in {dict, list}]))
