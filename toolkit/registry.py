"""The plugin folders: what is in one, and one plugin out of it.

The folder is the registry: a plugin is a module in it, its file name is its name, and a leading underscore means that it is none.
Names come from the files alone, so listing them imports nothing; what a plugin must define says the docstring of its folder.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from toolkit.errors import UnknownName

_PACKAGE = Path(__file__).resolve().parent


def names(folder: str) -> tuple[str, ...]:
    """Return the names of all plugins in `toolkit/<folder>/`, sorted; nothing is imported."""
    stems = (path.stem for path in (_PACKAGE / folder).glob("*.py"))
    return tuple(sorted(stem for stem in stems if stem.isidentifier() and not stem.startswith("_")))


def load(folder: str, name: str) -> ModuleType:
    """Return the plugin's module; UnknownName with the closest known name where the folder has no such file."""
    full = f"toolkit.{folder}.{name}"
    if full in sys.modules and name.isidentifier() and not name.startswith("_"):
        return sys.modules[full]  # a build asks hundreds of times
    known = names(folder)
    if name not in known:  # before the import, so that a name from a user's file can reach nothing but a plugin
        raise UnknownName(folder.removesuffix("s"), name, known)
    return importlib.import_module(full)
