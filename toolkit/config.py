"""Read TOML files into frozen pydantic models, or report all their mistakes at once.

No value is coerced (a "4" is no 4) and no key is ignored (an unknown key is a mistake): a declaration without effect would be noticed too late.
Import this module only where a file is read: pydantic costs more time than the rest of the command line together.
"""

from __future__ import annotations

import datetime as dt
import functools
import sys
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from toolkit import registry
from toolkit.errors import DamagedFile, InvalidConfig, suggestion
from toolkit.files.foreign import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Location = tuple[str | int, ...]

TOML_BYTES = 1 << 20
"""The most bytes of a TOML file. Profiles and recipes have a few thousand; the names of ten thousand classes are two hundred thousand."""

TOML_DEPTH = 32
"""The most levels of nested tables and lists. The deepest file of the toolkit has 6."""

_INT_BITS = 63
_MOST_TOLD = 50  # mistakes in one file

_EXPECTED = {
    "string_type": "str",
    "int_type": "int",
    "float_type": "float",
    "bool_type": "bool",
    "tuple_type": "list",
    "list_type": "list",
    "dict_type": "table",
    "model_type": "table",
}
_TOML_NAMES = {"tuple": "list", "dict": "table"}
_COMPARED = {
    "greater_than": "above",
    "greater_than_equal": "at least",
    "less_than": "below",
    "less_than_equal": "at most",
}
_SHOWN_CHARACTERS = 60


class ConfigModel(BaseModel):
    """Base of everything that is read from a file: unknown keys and other types are mistakes, and nothing changes afterwards."""

    # Built when the first file of the kind is read: many are only a part of another.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Problem(NamedTuple):
    """One mistake: its place in the file, the text, and whether a key is missing."""

    location: Location
    what: str
    missing: bool = False

    def __str__(self) -> str:
        return f"{dotted(self.location)}: {self.what}" if self.location else self.what


ModelT = TypeVar("ModelT", bound=ConfigModel)


def load(path: Path | str, model: type[ModelT]) -> ModelT:
    """Return the content of the TOML file as a model; InvalidConfig with one line for each mistake in it.

    A verb asks several times for the same file: the same text is parsed once. The file is read each time, because its status does not tell that it
    changed: whoever writes it may keep size and time, as `rsync --times` does.
    """
    return _remembered(path, model, _text(path))


@functools.lru_cache(maxsize=256)
def _remembered(path: Path | str, model: type[ModelT], text: str) -> ModelT:
    return parsed(path, _tables(path, text), model)


def parsed(path: Path | str, content: Mapping[str, Any], model: type[ModelT]) -> ModelT:
    """Return tables that were read from a file as a model; InvalidConfig with one line for each mistake in them."""
    found, problems = check(content, model)
    if found is None:
        raise InvalidConfig(path, map(str, problems))
    return found


def read(path: Path | str) -> dict[str, Any]:
    """Return the tables of a TOML file unchanged; InvalidConfig if the file is missing or is no TOML (then with the line)."""
    return _tables(path, _text(path))


def _text(path: Path | str) -> str:
    file = Path(path)
    try:
        return read_text(file, TOML_BYTES)
    except FileNotFoundError:
        siblings = [sibling.name for sibling in file.parent.glob(f"*{file.suffix}")]
        raise InvalidConfig(path, [f"no such file; {suggestion(file.name, siblings)}"]) from None
    except DamagedFile as error:
        raise InvalidConfig(path, [error.problem.removeprefix(f"{path}: ")]) from error
    except ValueError as error:  # a path that the system does not take
        raise InvalidConfig(path, [str(error)]) from error


def _tables(path: Path | str, text: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise InvalidConfig(path, ["not TOML: nested too deeply"]) from None
    except ValueError as error:  # from tomllib, and from Python for a number of thousands of digits
        raise InvalidConfig(path, [f"not TOML: {error}"]) from error
    problems = [str(problem) for problem in _unusable(content)]
    if problems:
        raise InvalidConfig(path, problems)
    return content


def check(content: Mapping[str, Any], model: type[ModelT]) -> tuple[ModelT | None, list[Problem]]:
    """Return the model of the TOML tables and [], or None and their problems."""
    try:
        return model.model_validate(_frozen(content)), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        more = [Problem((), f"and {len(details) - _MOST_TOLD} more mistakes")] if len(details) > _MOST_TOLD else []
        return None, [*(_problem(detail, model) for detail in details[:_MOST_TOLD]), *more]


def _unusable(content: dict[str, Any]) -> Iterator[Problem]:
    """Yield the content that TOML allows but the toolkit refuses: too deep tables, numbers of more than 64 bits, dates, text that is no Unicode."""
    level: list[tuple[Location, Any]] = [((), content)]
    for _ in range(TOML_DEPTH):
        below: list[tuple[Location, Any]] = []
        for location, value in level:
            if isinstance(value, dict | list):
                items = value.items() if isinstance(value, dict) else enumerate(value)
                below += [((*location, key), item) for key, item in items]
            elif isinstance(value, int) and value.bit_length() > _INT_BITS:
                yield Problem(location, f"a number of {value.bit_length()} bits; expected at most {_INT_BITS}")
            elif isinstance(value, dt.date | dt.time):
                yield Problem(location, f"{value} is a date or a time; expected text in quotes")
        level = below
    if level:
        yield Problem(level[0][0][:2], f"tables and lists nested more than {TOML_DEPTH} deep")


def dotted(location: Location) -> str:
    """Return a location in the form of messages: bounds[0].limit."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def unknown(known: Iterable[str]) -> PydanticCustomError:
    """Return the error that a validator raises for an unknown name; it is reported with the closest known name."""
    return PydanticCustomError("unknown_name", "unknown name", {"known": sorted(known)})


def plugin(folder: str) -> AfterValidator:
    """Return the validator of a field that names a plugin of `toolkit/<folder>/`."""

    def of_folder(name: str) -> str:
        if name not in registry.names(folder):
            raise unknown(registry.names(folder))
        return name

    return AfterValidator(of_folder)


def _frozen(value: Any) -> Any:
    """Return the value with all lists as tuples, at every depth: a strict model takes no list for a tuple."""
    if isinstance(value, Mapping):
        return {key: _frozen(item) for key, item in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _problem(detail: ErrorDetails, model: type[ConfigModel]) -> Problem:
    kind, location, value, context = detail["type"], detail["loc"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return Problem(location, "missing", missing=True)
    if kind == "extra_forbidden":
        holders = [holder for holder in _types_at(model, location[:-1]) if _is_model(holder)]
        known = [name for holder in holders for name in holder.model_fields]
        return Problem(location, f"unknown key; {suggestion(str(location[-1]), known)}")
    if kind == "unknown_name":
        return Problem(location, f"{_shown(value)}; {suggestion(value, context['known'])}")
    if kind == "literal_error":
        literals = [choice for choice in _types_at(model, location) if typing.get_origin(choice) is Literal]
        names = [str(name) for literal in literals for name in typing.get_args(literal)]
        return Problem(location, f"{_shown(value)}; {suggestion(str(value), names)}")
    if kind in _EXPECTED:
        given = type(value).__name__
        return Problem(location, f"{_shown(value)} is {_TOML_NAMES.get(given, given)}, expected {_EXPECTED[kind]}")
    if kind in _COMPARED:
        return Problem(location, f"{_shown(value)}; expected {_COMPARED[kind]} {next(iter(context.values()))}")
    if kind == "value_error":  # from a validator of the toolkit, which writes its own sentence
        return Problem(location, str(context["error"]))
    message = detail["msg"].removeprefix("Input should be ")
    return Problem(location, f"{_shown(value)}; expected {message}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _types_at(model: type[BaseModel], location: Location) -> list[Any]:
    """Return the types that the model declares at a location, without parts that hold nothing more (such as None of an optional field)."""
    kinds: list[Any] = [model]
    for part in location:
        kinds = [choice for kind in kinds for held in _held(kind, part) for choice in _choices(held)]
    return kinds


def _held(kind: Any, part: str | int) -> list[Any]:
    if isinstance(part, int):
        return [item for item in typing.get_args(kind) if item is not Ellipsis]
    if _is_model(kind):
        return [kind.model_fields[part].annotation] if part in kind.model_fields else []
    return [typing.get_args(kind)[-1]] if typing.get_origin(kind) is dict else []


def _choices(kind: Any) -> list[Any]:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [choice for member in typing.get_args(kind) for choice in _choices(member)]
    if typing.get_origin(kind) is typing.Annotated:
        return _choices(typing.get_args(kind)[0])
    return [kind]
