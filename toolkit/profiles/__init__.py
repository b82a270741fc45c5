"""Hardware profiles, `targets/NAME.toml`: what a device runs, what may be converted for it, and what its verdict must show.

A profile is found by its path, or by its name in `./targets/` and then in the package's targets. It may extend one other profile:
tables are merged key by key, and bounds are added. Of several bounds on one metric, that of the nearer file decides (`toolkit.comparison.deciding`).
The bounds of kinds of outputs (`toolkit.comparison.output_kinds`) are the lowest layer. An abstract profile can only be extended.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from toolkit import config, environments, registry
from toolkit.comparison import output_kinds
from toolkit.comparison.bounds import ACHIEVABLE, Bound, BoundOrigin, BoundsFile
from toolkit.comparison.deciding import contradictions, deciding, for_scheme
from toolkit.config import Location, Problem, dotted
from toolkit.errors import InvalidConfig, RequestError, UnknownName, suggestion
from toolkit.profiles.budget import Budget
from toolkit.profiles.layers import Merged, ProfileLayer, layers, merge
from toolkit.profiles.profile import Conversion, Runtime, Target

__all__ = [
    "Budget",
    "Conversion",
    "Runtime",
    "Target",
    "Value",
    "base_of",
    "check",
    "find",
    "locate",
    "names",
    "provenance",
    "read_bounds",
    "runnable",
    "schema",
]

_PACKAGE = Path(__file__).resolve().parent.parent
_SUFFIX = ".toml"


class Value(NamedTuple):
    """One value of a profile: its key, as `runtime.cpu`, and the file that sets it (None: the default)."""

    key: str
    value: object
    path: Path | None


def names() -> tuple[str, ...]:
    """Return the names of all targets that can be found by name, sorted, without abstract profiles."""
    paths = [path for folder in _folders() for path in folder.glob(f"*{_SUFFIX}")]
    return tuple(sorted({path.stem for path in paths if not _is_abstract(path)}))


def find(name_or_path: str | Path) -> Target:
    """Return the target of a profile.

    UnknownName with the closest name; InvalidConfig with all mistakes of the file; RequestError for an abstract one.
    """
    return _found(name_or_path, runs=False)


def runnable(name_or_path: str | Path) -> Target:
    """Return the target of a profile that must be able to run: as `find`, and InvalidConfig where its runtime's version is no version."""
    return _found(name_or_path, runs=True)


def _found(name_or_path: str | Path, *, runs: bool) -> Target:
    target = _resolve(locate(name_or_path), runs=runs)[0]
    if target is None or target.abstract:
        known = ", ".join(names())
        raise RequestError(f"target {str(name_or_path)!r}: is abstract, a profile to extend; known: {known}")
    return target


def read_bounds(path: Path) -> tuple[Bound, ...]:
    """Return the bounds of a file: a profile with what it extends, or a file of [[bounds]] alone. InvalidConfig with all of its mistakes."""
    content = config.read(path)
    if content.keys() <= {"bounds"}:
        bounds = config.load(path, BoundsFile).bounds
        if problems := _contradictions([*enumerate(bounds)]):
            raise InvalidConfig(path, map(str, problems))
        return tuple(bound.read_from(BoundOrigin(path, index, 0)) for index, bound in enumerate(bounds))
    return find(path).bounds


def check(name_or_path: str | Path) -> None:
    """Check that a profile has no mistake and could run, else raise InvalidConfig with all mistakes; an abstract one may be incomplete."""
    _resolve(locate(name_or_path), runs=True)


def provenance(name_or_path: str | Path) -> tuple[Value, ...]:
    """Return every value of a profile after extending, in the order of the model, each with the file that sets it."""
    target, merged = _resolve(locate(name_or_path))
    content = merged.content if target is None else target.model_dump()
    values = []
    for location, value in _flat(content):
        path = merged.file_of(location)
        if path is not None or value is not None:
            values.append(Value(dotted(location), value, path))
    return tuple(values)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a profile file, for editors; a file that extends another may leave out whatever that one sets."""
    described = Target.model_json_schema()
    required = described.pop("required")
    for table in ("Runtime", "Conversion", "Budget"):
        described["$defs"][table].pop("required", None)
    partial = [{"required": ["extends"]}, {"required": ["abstract"]}]
    return described | {"required": ["name", "about"], "anyOf": [{"required": required}, *partial]}


def _folders() -> list[Path]:
    packed = _PACKAGE / "targets"  # in a wheel; in a checkout the folder lies beside the package
    return [Path("targets"), packed if packed.is_dir() else _PACKAGE.parent / "targets"]


def _is_abstract(path: Path) -> bool:
    try:
        return config.read(path).get("abstract") is True
    except InvalidConfig:  # a search for this name reports what is wrong
        return False


def _is_path(name: str | Path) -> bool:
    return isinstance(name, Path) or name.endswith(_SUFFIX) or "/" in name or os.sep in name


def locate(name_or_path: str | Path) -> Path:
    """Return the file of a profile, by its path or by its name; UnknownName with the closest name."""
    if _is_path(name_or_path):
        return Path(name_or_path)
    for folder in _folders():
        if os.path.isfile(folder / f"{name_or_path}{_SUFFIX}"):
            return folder / f"{name_or_path}{_SUFFIX}"
    raise UnknownName("target", str(name_or_path), names())


def base_of(extending: Path, name: str) -> Path:
    """Return the file that `extends` means: a path from the extending file's folder, else a name there, in ./targets or in the package."""
    if _is_path(name):
        return extending.parent / name
    files = [folder / f"{name}{_SUFFIX}" for folder in (extending.parent, *_folders())]
    for file in files:
        # A profile may extend one with its own name: a user's board that replaces the package's.
        if os.path.isfile(file) and os.path.realpath(file) != os.path.realpath(extending):
            return file
    known = {file.stem for folder in {file.parent for file in files} for file in folder.glob(f"*{_SUFFIX}")}
    raise InvalidConfig(extending, [f"extends: {name!r}; {suggestion(name, known - {extending.stem})}"])


def _resolve(path: Path, *, runs: bool = False) -> tuple[Target | None, Merged]:
    """Return the target of a file and its merged tables; None for an incomplete abstract profile. InvalidConfig for mistakes.

    With `runs`, a version of the runtime that is no version is a mistake.
    """
    own = layers(path, base_of)
    chain = [*own, *_of_kinds()]
    merged = merge(chain)
    target, problems = config.check(merged.content, Target)
    if merged.content.get("abstract") is True:
        problems = [problem for problem in problems if not problem.missing or _is_in_a_bound(problem.location)]
    runtime = merged.content.get("runtime")
    if runs and not any(problem.location[0] == "runtime" for problem in problems) and (other := _no_version(runtime)):
        problems.append(Problem(("runtime", "version"), other))
    found = _by_file(problems, own, merged, target)
    for layer in reversed(chain):  # a mistake in a base is one in all that extend it
        if layer.path in found:
            raise InvalidConfig(layer.path, map(str, found[layer.path]))
    if target is None:
        return None, merged
    target = target.model_copy(update={"bounds": _placed(target.bounds, own, merged)})
    if lost := [scheme for scheme in target.schemes if not _judges_the_total(target.bounds, scheme)]:
        what = f"none for stage 'total' with scheme {', '.join(lost)} is left; without one nothing can pass"
        raise InvalidConfig(path, [str(Problem(("bounds",), what))])
    return target, merged


def _of_kinds() -> list[ProfileLayer]:
    """Return the bounds of kinds of outputs, a layer each; they are further than all layers of a profile."""
    return [
        ProfileLayer(output_kinds.path_of(name), {"bounds": output_kinds.bounds_of(name)})
        for name in output_kinds.names()
    ]


def _no_version(runtime: object) -> str | None:
    """Return what is wrong with the version in the table `runtime`; None for the pinned version, and for one that may be another release."""
    if not isinstance(runtime, Mapping):
        return None
    name, asked = runtime.get("name"), runtime.get("version")
    if not isinstance(asked, str) or name not in registry.names("execution/runtimes"):
        return None
    launcher = runtime.get("launcher")
    if launcher in registry.names("launchers") and hasattr(
        found := registry.load("launchers", str(launcher)), "version"
    ):
        only = found.version(registry.load("execution/runtimes", str(name)).ENVIRONMENT)
        return (
            None if asked == only else f"{asked!r}; expected {only!r}, the one version that the launcher {launcher} has"
        )
    has = environments.version(getattr(registry.load("execution/runtimes", name), "KERNELS", str(name)))
    if has is None or asked == has or environments.is_version(asked):
        return None
    return f"{asked!r} is not a version; expected {has!r}, which is pinned here, or that of another release"


def _judges_the_total(bounds: Iterable[Bound], scheme: str) -> bool:
    """Return whether any bound on the total is left, for some output of some kind, after the metrics that are off."""
    held = for_scheme(bounds, "total", scheme)
    outputs = {bound.output for bound in held}
    kinds = {"", *(kind for bound in held for kind in bound.kinds)}
    decide = (bound for output in outputs for kind in kinds for bound in deciding(held, output, kind))
    return any(not (bound.off or bound.is_silent or bound.unit == ACHIEVABLE) for bound in decide)


def _by_file(
    problems: Iterable[Problem], chain: list[ProfileLayer], merged: Merged, target: Target | None
) -> dict[Path, list[Problem]]:
    """Return the problems by their files, with their places there, and the problems of each file alone; `target` is None where it is not valid."""
    found: dict[Path, list[Problem]] = {}
    for problem in problems:
        file, location = merged.origin(problem.location) or (chain[0].path, problem.location)
        found.setdefault(file, []).append(problem._replace(location=location))
    for layer in chain:
        bounds = _read_bounds(layer) if target is None else _bounds_of(layer, target, merged)
        if twice := _contradictions(bounds):
            found.setdefault(layer.path, []).extend(twice)
        name = layer.content.get("name")
        if isinstance(name, str) and name != layer.path.stem:
            said = Problem(("name",), f"{name!r}; expected {layer.path.stem!r}, the file's name")
            found.setdefault(layer.path, []).append(said)
    return found


def _contradictions(bounds: Sequence[tuple[int, Bound]]) -> list[Problem]:
    """Return a problem for each bound of a file that is on the same thing as an earlier one."""
    return [Problem(("bounds", second), what) for _, second, what in contradictions(bounds)]


def _bounds_of(layer: ProfileLayer, target: Target, merged: Merged) -> list[tuple[int, Bound]]:
    """Return the bounds of a file, with their places in it."""
    origins = ((merged.origins["bounds", index], bound) for index, bound in enumerate(target.bounds))
    return [(int(place), bound) for (path, (_, place, *_)), bound in origins if path == layer.path]


def _read_bounds(layer: ProfileLayer) -> list[tuple[int, Bound]]:
    """Return the bounds of a file that are valid alone, with their places in it."""
    said = layer.content.get("bounds")
    read = [(place, config.check(one, Bound)[0]) for place, one in enumerate(said if isinstance(said, list) else ())]
    return [(place, bound) for place, bound in read if bound is not None]


def _placed(bounds: Iterable[Bound], chain: list[ProfileLayer], merged: Merged) -> tuple[Bound, ...]:
    """Return the bounds, each with its file and how near that is."""
    nearness = {layer.path: place for place, layer in enumerate(reversed(chain))}
    below = -1  # bounds of kinds
    placed = []
    for index, bound in enumerate(bounds):
        path, (_, own, *_) = merged.origins["bounds", index]
        placed.append(bound.read_from(BoundOrigin(path, int(own), nearness.get(path, below))))
    return tuple(placed)


def _is_in_a_bound(location: Location) -> bool:
    return location[0] == "bounds" and len(location) > 1


def _flat(content: Mapping[str, Any], above: Location = ()) -> Iterator[tuple[Location, object]]:
    for key, value in content.items():
        location = (*above, key)
        if isinstance(value, Mapping):
            yield from _flat(value, location)
        elif key == "bounds":
            for index, bound in enumerate(value):
                yield from _flat(bound, (*location, index))
        else:
            yield location, value
