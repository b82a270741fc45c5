"""A function of the user's, named `package.module:function` or `path/to/file.py:function`: imports it, and names it in errors that it raises."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from toolkit.confinement import denied
from toolkit.errors import EdgeToolkitError, RequestError, causes, suggestion

SPELLING = re.compile(r"(?P<place>.+\.py|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<function>[A-Za-z_]\w*)")
EXPECTED = "expected 'package.module:function' or 'path/to/file.py:function'"

_PACKAGE = Path(__file__).resolve().parents[1]


def import_function(
    spelling: str, file: Path | None, folders: Sequence[Path], error: type[RequestError]
) -> Callable[..., Any]:
    """Return the function, from a `file`, or from a module searched in `folders`, which stay on the path; raise `error` where it is missing."""
    place, _, name = spelling.rpartition(":")
    if file is None:
        sys.path[:0] = [str(folder) for folder in folders]
        module = importlib.import_module(place)
    else:
        sys.path[:0] = [str(file.parent), *(str(folder) for folder in folders)]
        name_there = file.stem if file.stem not in sys.modules else f"edge_toolkit_{file.stem}"
        spec = importlib.util.spec_from_file_location(name_there, file)
        if spec is None or spec.loader is None:
            raise error(f"{spelling}: {file} is not a Python file")
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    found = getattr(module, name, None)
    if not callable(found):
        functions = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise error(f"{place}: has no function {name!r}; {suggestion(name, functions)}")
    return found


@contextlib.contextmanager
def blame(spelling: str, what: str, error: type[RequestError], environment: str) -> Iterator[None]:
    """Raise what the user's code raises as an `error` that names its function and line; the log has the traceback."""
    try:
        yield
    except EdgeToolkitError:
        raise
    except (Exception, SystemExit) as raised:
        traceback.print_exc()
        raise error(f"{spelling}: {what}: {causes(raised)}", _advice(spelling, raised, environment)) from raised


def _advice(spelling: str, error: BaseException, environment: str) -> str | None:
    """Return what was refused to the job or not found, and where in the user's code."""
    refused, place = denied.advice(error), _place(error)
    if refused is not None:
        return refused if place is None else f"{place}: {refused}"
    if isinstance(error, ModuleNotFoundError):
        if spelling.startswith((f"{error.name}:", f"{error.name}.")):
            return f"looked in {sys.path[0]} and {sys.path[1]}"
        return f"an interpreter that has {error.name!r} can be named: --python {environment}=/path/to/python"
    return place


def _place(error: BaseException) -> str | None:
    """Return the line of the user's code that raised the error, or nothing."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if _PACKAGE not in Path(frame.filename).parents
    ]
    others = ("site-packages", "dist-packages", os.path.dirname(os.__file__))
    own = [
        frame
        for frame in frames
        if not frame.filename.startswith("<") and not any(each in frame.filename for each in others)
    ]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else None
