"""A map of names: a TOML file of lines `"model's variable" = "checkpoint's variable"`."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from toolkit.errors import InvalidSource

_LINE = re.compile(r'\s*("(?P<quoted>[^"\\]*)"|(?P<bare>[\w\-]+))\s*=\s*"(?P<value>[^"\\]*)"\s*(#.*)?')


def read_map(path: Path) -> dict[str, str]:
    """Return {model's name: file's name}; InvalidSource for any other line, and where two names of the model have the same one of the file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSource(f"{path}: cannot be read: {error}") from error
    found = _parsed(path, text)
    for name, value in found.items():
        if not isinstance(value, str):
            raise InvalidSource(
                f'{path}: {name!r} is {type(value).__name__}; expected "model\'s variable" = "checkpoint\'s variable"'
            )
    values = list(found.values())
    for name, value in found.items():
        if values.count(value) > 1:
            raise InvalidSource(
                f"{path}: {name!r} is one of {values.count(value)} that are mapped to {value!r}; expected one"
            )
    return {name: str(value) for name, value in found.items()}


def _parsed(path: Path, text: str) -> dict[str, object]:
    for library in (
        "tomllib",
        "tomli",
    ):  # the first is of Python 3.11; the interpreter may be the user's and have neither
        try:
            toml = importlib.import_module(library)
        except ImportError:
            continue
        try:
            return dict(toml.loads(text))
        except toml.TOMLDecodeError as error:
            raise InvalidSource(f"{path}: is not TOML: {error}") from error
    found: dict[str, object] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise InvalidSource(
                f'{path}: line {number}: {line!r}; expected "model\'s variable" = "checkpoint\'s variable"'
            )
        found[parts["quoted"] if parts["bare"] is None else parts["bare"]] = parts["value"]
    return found
