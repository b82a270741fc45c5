"""A profile file and the profiles it extends, as one set of tables: each value with the file that sets it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit import config
from toolkit.config import Location
from toolkit.errors import InvalidConfig

OWN = ("name", "about", "abstract", "extends")  # each profile sets these for itself; they are never inherited


@dataclass(frozen=True, slots=True)
class ProfileLayer:
    """One file of a profile, unmerged."""

    path: Path
    content: Mapping[str, Any]


_LONGEST_CHAIN = 16  # files in a chain of profiles; the longest shipped chain has 3


@dataclass(slots=True)
class Merged:
    """Merged tables, and for each location in them its file and the location in that file."""

    content: dict[str, Any] = field(default_factory=dict)
    origins: dict[Location, tuple[Path, Location]] = field(default_factory=dict)

    def origin(self, location: Location) -> tuple[Path, Location] | None:
        """Return the file of a value, or of the closest table around it, and the location in that file; None where no file sets it."""
        for length in range(len(location), 0, -1):
            if location[:length] in self.origins:
                path, own = self.origins[location[:length]]
                return path, own + location[length:]
        return None

    def file_of(self, location: Location) -> Path | None:
        """Return the file that sets a value; None for a default. A table within a table comes from one file as a whole."""
        table = self.content.get(str(location[0]))
        inner = table.get(location[1]) if isinstance(table, dict) and len(location) > 2 else None
        said = location[:2] if isinstance(inner, dict) and location[2] in inner else location
        return self.origins[said][0] if said in self.origins else None


def layers(path: Path, find: Callable[[Path, str], Path]) -> list[ProfileLayer]:
    """Return the profile and everything that it extends, itself first; `find` returns the file of a name in another file's `extends`."""
    found: list[ProfileLayer] = []
    seen: set[str] = set()
    after: Path | None = path
    while after is not None:
        way = " -> ".join(layer.path.stem for layer in found)
        if os.path.realpath(after) in seen:
            raise InvalidConfig(path, [f"extends: goes in a circle: {way} -> {after.stem}"])
        if len(found) == _LONGEST_CHAIN:
            problem = f"extends: a chain of more than {_LONGEST_CHAIN} profiles, which is too long: {way}"
            raise InvalidConfig(path, [problem])
        seen.add(os.path.realpath(after))
        layer = ProfileLayer(after, config.read(after))
        found.append(layer)
        base = layer.content.get("extends")
        after = find(layer.path, base) if isinstance(base, str) else None
    return found


def merge(chain: list[ProfileLayer]) -> Merged:
    """Return the merged tables of a chain of profiles; the first profile overrides the others."""
    merged = Merged()
    for layer in reversed(chain):
        for key in OWN:
            merged.content.pop(key, None)
            merged.origins.pop((key,), None)
        for key, value in layer.content.items():
            _put(merged, key, value, layer.path)
    return merged


def _put(merged: Merged, key: str, value: Any, path: Path) -> None:
    if isinstance(value, dict):
        _put_table(merged, key, value, path)
    elif key == "bounds" and isinstance(value, list):
        _put_bounds(merged, value, path)
    else:
        _forget(merged, key)
        merged.content[key] = list(value) if isinstance(value, list) else value
        merged.origins[key,] = (path, (key,))


def _put_table(merged: Merged, key: str, value: dict[str, Any], path: Path) -> None:
    held = merged.content.get(key)
    if not isinstance(held, dict):
        _forget(merged, key)
        held = merged.content[key] = {}
    if key == "runtime" and value.get("name", held.get("name")) != held.get("name"):
        held.pop("version", None)  # it was another engine's
        merged.origins.pop((key, "version"), None)
    if key == "runtime" and value.get("launcher", held.get("launcher")) != held.get("launcher"):
        held.pop("options", None)  # they were another launcher's
        merged.origins.pop((key, "options"), None)
        if "launcher" in held and merged.origins.get(("notes",), (path,))[0] != path:  # of how that one runs it
            merged.content.pop("notes", None)
            merged.origins.pop(("notes",), None)
    for name, item in value.items():
        held[name] = item
        merged.origins[key, name] = (path, (key, name))


def _put_bounds(merged: Merged, value: list[Any], path: Path) -> None:
    held = merged.content.get("bounds")
    if not isinstance(held, list):
        _forget(merged, "bounds")
        held = merged.content["bounds"] = []
    # No bound replaces another one: only an output shows which one decides, and hidden bounds can be shown.
    for own, bound in enumerate(value):
        place = len(held)
        held.append(bound)
        merged.origins["bounds", place] = (path, ("bounds", own))
        for key in bound if isinstance(bound, dict) else ():
            merged.origins["bounds", place, key] = (path, ("bounds", own, key))


def _forget(merged: Merged, key: str) -> None:
    merged.origins.pop((key,), None)
    if isinstance(
        merged.content.get(key), dict | list
    ):  # only tables have entries, and a file may have thousands of keys
        for inside in [inside for inside in merged.origins if inside[0] == key]:
            del merged.origins[inside]
