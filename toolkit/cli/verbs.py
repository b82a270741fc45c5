"""Turn a function into a verb of the command line: its groups of options, its errors in words, its exit status."""

from __future__ import annotations

import copy
import errno
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

import typer

from toolkit import printable
from toolkit.cli.common import say
from toolkit.cli.completion import Root
from toolkit.cli.help import HELP, Command, Group
from toolkit.cli.process import guard
from toolkit.cli.reported import Reported
from toolkit.errors import EdgeToolkitError, RequestError

_OF_A_PATH = (
    errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL,
)  # fmt: skip
INTERRUPTED = 130  # 128 + SIGINT, as in a shell

app = typer.Typer(
    name="edge-toolkit",
    cls=Root,
    epilog="Exit status: 0 passed, 1 a verdict or a budget not passed, 2 the request is wrong, 3 something outside failed.",
    context_settings=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
targets = typer.Typer(help="Hardware profiles.", cls=Group, no_args_is_help=True, rich_markup_mode=None)
cache = typer.Typer(help="The store of finished jobs.", cls=Group, no_args_is_help=True, rich_markup_mode=None)
calibrations = typer.Typer(help="Calibration sets.", cls=Group, no_args_is_help=True, rich_markup_mode=None)
app.add_typer(targets, name="targets")
app.add_typer(calibrations, name="calibration")
app.add_typer(cache, name="cache")


def verb(group: typer.Typer, name: str, *examples: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Turn a function that returns the exit status into a verb; it prints errors of the toolkit, and writes them to the requested reports too.

    A parameter whose class has OPTIONS is a group of options; the function gets an object of that class. The first parameter of all verbs is
    `common`. Each of the `examples` is a command line for the help, without the program's name.
    """

    def wrap(function: Callable[..., int]) -> Callable[..., int]:
        own = inspect.signature(function, eval_str=True).parameters
        groups = {key: each.annotation for key, each in own.items() if hasattr(each.annotation, "OPTIONS")}

        @functools.wraps(function)
        def call(**arguments: Any) -> None:
            guard()
            said = {key: {name: arguments.pop(name) for name in kind.OPTIONS} for key, kind in groups.items()}
            as_json = said["common"]["as_json"]
            texts = list(_texts([arguments, *said.values()]))
            reported: Reported | None = None
            try:
                _require_utf8(texts)
                if "reported" in said:
                    reported = Reported(**said.pop("reported"), as_json=as_json)
                    arguments["reported"] = reported
                read = {key: groups[key](**values) for key, values in said.items()}
                status = function(**read, **arguments)
            except EdgeToolkitError as error:
                status = _tell(error, as_json=as_json)
                _report_error(reported, error)
            except OSError as error:
                refused = _refused(error, texts)
                if refused is None:
                    raise
                status = _tell(refused, as_json=as_json)
                _report_error(reported, refused)
            except KeyboardInterrupt:
                say("interrupted: finished jobs are kept; the same command resumes from there")
                status = INTERRUPTED
            raise typer.Exit(status)

        shared = [option for key, kind in groups.items() if key != "common" for option in kind.OPTIONS.items()]
        parameters = [parameter for key, parameter in own.items() if key not in groups] + [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for key, (annotation, default) in [*shared, *groups["common"].OPTIONS.items()]
        ]
        kept = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
        call.__signature__ = inspect.Signature(kept)  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in kept}
        del call.__wrapped__
        shown = "\n".join(f"edge-toolkit {example}" for example in examples)
        group.command(name, cls=Command, epilog=shown)(call)
        return function

    return wrap


def program(words: Sequence[str]) -> typer.Typer:
    """Return the program with the one verb that a command line begins with, or with all verbs if it begins with none.

    This saves time: typer builds a parser for each option of all verbs that it knows.
    """
    first = words[0] if words else ""
    verbs = [each for each in app.registered_commands if each.name == first]
    groups = [each for each in app.registered_groups if each.name == first]
    if not verbs and not groups:
        return app
    narrowed = copy.copy(app)
    narrowed.registered_commands, narrowed.registered_groups = verbs, groups
    return narrowed


@app.callback()
def about(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda asked: _show_version() if asked else None,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """Trained TensorFlow models, packaged for phones, boards and PCs, and verified on the runtime that the device runs."""


def _show_version() -> None:
    from toolkit import __version__

    print(f"edge-toolkit {__version__}")
    raise typer.Exit(0)


def _texts(groups: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """Yield all texts and paths from the command line."""
    for value in (value for group in groups for value in group.values()):
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, str | Path):
                yield str(each)


def _refused(error: OSError, texts: Iterable[str]) -> RequestError | None:
    """Return the error if the system refuses a given path, or a path in it, above it, or beginning with it; None for any other error."""
    if error.errno not in _OF_A_PATH or not isinstance(error.filename, str):
        return None
    place = Path(os.path.abspath(error.filename))
    named = [part for text in texts for part in (text, text.partition("=")[2], text.rpartition(":")[0]) if part]
    for given in map(os.path.abspath, named):
        if str(place).startswith(given) or Path(given).is_relative_to(place):
            return RequestError(f"{error.filename}: {error.strerror}; choose another path")
    return None


def _require_utf8(texts: Iterable[str]) -> None:
    """Raise RequestError for a text that is not UTF-8: engines, reports and jobs could not hold such a path, and the work would fail."""
    wrong = [f"{text}: is not UTF-8" for text in texts if not printable.is_utf8(text)]
    if wrong:
        hint = "rename it, or make a link to it whose name is UTF-8"
        if sys.getfilesystemencoding() != "utf-8":
            hint = f"this shell's encoding is {sys.getfilesystemencoding()}: LC_ALL=C.UTF-8, or leave out PYTHONUTF8=0"
        raise RequestError(printable.lines(wrong), hint)


def _tell(error: EdgeToolkitError, *, as_json: bool) -> int:
    if as_json:
        print(printable.document(_error(error)))
    else:
        say(error.text)
    return error.exit_status


class ErrorRow(TypedDict):
    """An error as JSON: its class, its problem and its hint."""

    kind: str
    problem: str
    hint: str | None
    exit_status: int


class ErrorDocument(TypedDict):
    """The document in place of a result."""

    error: ErrorRow


def _error(error: EdgeToolkitError) -> ErrorDocument:
    row: ErrorRow = {
        "kind": type(error).__name__,
        "problem": error.problem,
        "hint": error.hint,
        "exit_status": error.exit_status,
    }
    return {"error": row}


def _report_error(reported: Reported | None, error: EdgeToolkitError) -> None:
    """Write the error to the requested documents; if this fails too (for example, the disk is full), a message says so and nothing else changes."""
    try:
        if reported is not None:
            reported(_error(error))
    except EdgeToolkitError as another:
        say(another.text)
