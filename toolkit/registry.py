"""The plugin folders: list the plugins of a folder, and load one.

The folder is the registry: a plugin is a module in it, with its file name as its name. A module with a leading underscore is no plugin. Names come
from the files only, so listing them imports nothing. The docstring of a folder says what its plugins must define.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from toolkit.errors import RequestError, UnknownName

Parameters = Mapping[str, float | str]

_PACKAGE = Path(__file__).resolve().parent


def names(folder: str) -> tuple[str, ...]:
    """Return the names of all plugins in `toolkit/<folder>/`, sorted; nothing is imported."""
    place = _PACKAGE / folder
    return _names(place, place.stat().st_mtime_ns) if place.is_dir() else ()


@functools.lru_cache(maxsize=64)  # a profile asks for hundreds of names, and a folder rarely changes
def _names(folder: Path, _changed: int) -> tuple[str, ...]:
    stems = (path.stem for path in folder.glob("*.py"))
    return tuple(sorted(stem for stem in stems if stem.isidentifier() and not stem.startswith("_")))


def load(folder: str, name: str) -> ModuleType:
    """Return the plugin's module; UnknownName with the closest known name if the folder has no such file."""
    full = f"toolkit.{folder.replace('/', '.')}.{name}"
    if full in sys.modules and name.isidentifier() and not name.startswith("_"):
        return sys.modules[full]  # a build asks hundreds of times
    known = names(folder)
    if name not in known:  # before the import, so that a name from a user's file can only import a plugin
        raise UnknownName(_kind(folder), name, known)
    return importlib.import_module(full)


def union(folder: str, attribute: str) -> tuple[str, ...]:
    """Return the sorted union of the plugins' lists `attribute`; each plugin of the folder is imported."""
    return tuple(sorted({each for name in names(folder) for each in getattr(load(folder, name), attribute)}))


def load_with_parameters(folder: str, text: str) -> tuple[str, ModuleType, Parameters]:
    """Return the name, the plugin and all parameters of a text such as "topk_agreement:k=5".

    The plugin has PARAMETERS, {name: default}, and `refuse(parameters)`, which returns None or the problem with them. A parameter with the default
    None must be given. UnknownName or RequestError for an unknown or impossible text.
    """
    name, _, given = text.partition(":")
    module = load(folder, name)
    what = _kind(folder)
    parameters = dict(module.PARAMETERS)
    for part in filter(None, given.split(",")):
        key, _, value = part.partition("=")
        if key not in parameters:
            raise UnknownName(f"parameter of the {what} {name}", key, parameters)
        is_text = isinstance(module.PARAMETERS[key], str)
        parameters[key] = value if is_text else _number(value, f"{what} {text!r}: {key}")
    lacking = [key for key, value in parameters.items() if value is None]
    if lacking:
        raise RequestError(f"{what} {text!r}: {lacking[0]} is missing; give it, as in {name}:{lacking[0]}=0.5")
    reason = module.refuse(parameters)
    if reason is not None:
        raise RequestError(f"{what} {text!r}: {reason}")
    return name, module, parameters


def text_of(name: str, module: ModuleType, parameters: Parameters) -> str:
    """Return the text that names a plugin with these parameters; it has the parameters that differ from their defaults, in the plugin's order."""
    shown = [
        f"{key}={str(parameters[key]).removesuffix('.0')}"
        for key, usual in module.PARAMETERS.items()
        if parameters[key] != usual
    ]
    return f"{name}:{','.join(shown)}" if shown else name


def _kind(folder: str) -> str:
    above, _, own = folder.rpartition("/")
    named = f"{above} {own}" if own in ("kinds", "formats") else own  # these words are unclear alone
    return named.removesuffix("s").replace("_", " ")


def _number(value: str, what: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise RequestError(f"{what} is {value!r}; expected a number") from None
