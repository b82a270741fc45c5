"""What an engine needs: its `.in` file, read and compared with what an interpreter has."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent

_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<range>[<>=!~][^#]*?)?\s*(#(?P<others>(\s*or\s+\S+)+)\s*)?(#.*)?"
)
_EXACT = re.compile(r"==([^*,]+)")
_LOCKED = re.compile(r"^([a-z0-9][\w.-]*)==(\S+)", re.MULTILINE)
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)*")  # a final release: nothing of pre-, post-, development or local releases
_PLAIN_CLAUSE = re.compile(rf"\s*(<=|>=|==|!=|<|>)\s*({_PLAIN.pattern})\s*")
_COMPARED: Mapping[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One distribution in a range of versions, under any of its `names` (normalized).

    An `optional` one is part of an environment that is made, and may be missing from another: a job that needs it says so.
    """

    names: tuple[str, ...]
    range: str
    optional: bool = False

    @property
    def text(self) -> str:
        """Return the requirement as an installer reads it."""
        return self.names[0] + self.range

    def lacking(self, holds: Mapping[str, str]) -> str | None:
        """Return None if `holds` serves, else what is missing: `numpy<2 (has 2.2.6)`."""
        version = next((holds[name] for name in self.names if name in holds), None)
        if version is None:
            return self.text
        return None if _within(version, self.range) else f"{self.text} (has {version})"

    def version_in(self, lock: str) -> str | None:
        """Return its version in a lock's text; None where it is not there."""
        held = dict(_LOCKED.findall(lock))
        return next((held[name] for name in self.names if name in held), None)

    def found_in(self, holds: Mapping[str, str]) -> str:
        """Return name and version of the distribution that serves: `tensorflow 2.21.0`."""
        return next(f"{name} {holds[name]}" for name in self.names if name in holds)


@dataclass(frozen=True, slots=True)
class Requirements:
    """All that one environment needs: `packages` (the engine first), the range of Pythons, and the lock.

    `preload` names the modules that a worker imports before it takes jobs, and `machines` those that an emulator may run it on, by Python's
    names (`platform.machine`). An environment without a lock is never made, for the reason `yours`, unless it is of a
    `release` other than the pinned one: then its lock is made first (`toolkit.environments.releases`).
    """

    name: str
    python: str
    preload: tuple[str, ...]
    packages: tuple[Requirement, ...]
    lock: Path
    release: str | None = None
    machines: tuple[str, ...] = ()
    yours: str = ""

    @property
    def base(self) -> str:
        """Return the name of the environment of the pinned release."""
        return split_name(self.name)[0]

    @property
    def engine(self) -> Requirement:
        """Return the requirement of the engine itself."""
        return self.packages[0]

    @property
    def can_be_made(self) -> bool:
        """Return whether there is a lock, or one can be made; if not, the environment exists only where the user names an interpreter."""
        return self.lock.is_file() or self.release is not None

    @property
    def version(self) -> str | None:
        """Return the one version of the engine that serves, else the one that the lock has; None where there is neither."""
        exact = _EXACT.fullmatch(self.engine.range)
        if exact is not None:
            return exact[1]
        return self.engine.version_in(self.lock.read_text()) if self.can_be_made else None

    @property
    def accepted(self) -> set[str]:
        """Return every name under which a requirement may be met."""
        return {name for package in self.packages for name in package.names}

    @property
    def locked(self) -> set[str]:
        """Return the names of all distributions in the lock."""
        return {name for name, _ in _LOCKED.findall(self.lock.read_text())}

    def accepts_python(self, version: str) -> bool:
        """Return whether a Python of this version serves."""
        return _within(version, self.python)

    def serves(self, python: str, holds: Mapping[str, str]) -> bool:
        """Return whether an interpreter lacks nothing. Without the engine no version is compared: the library for it takes 20 ms to import."""
        return any(name in holds for name in self.engine.names) and not self.lacking(python, holds)

    def lacking(self, python: str, holds: Mapping[str, str]) -> list[str]:
        """Return what an interpreter lacks, one entry each; empty if it serves."""
        lacks = [] if self.accepts_python(python) else [f"Python {self.python} (is {python})"]
        return lacks + [text for text in (each.lacking(holds) for each in self.packages if not each.optional) if text]


def split_name(name: str) -> tuple[str, str | None]:
    """Return the environment and the release that `litert==2.1.0` names; None where it names none."""
    base, sign, release = name.partition("==")
    return base, release if sign else None


def read_requirements(name: str) -> Requirements:
    """Return what `<name>.in` says; of another release than the pinned one, `litert==2.1.0`, the same for that, without a lock."""
    base, release = split_name(name)
    found = _read(base)
    if release in (None, found.version):
        return found
    engine = replace(found.engine, range=f"=={release}")
    lock = HERE / f"{name}.txt"  # which is not there
    return replace(found, name=name, packages=(engine, *found.packages[1:]), lock=lock, release=release)


def is_version(text: str) -> bool:
    """Return whether a text is a version as installers write it: `2.14.0`, and neither `v2.14` nor `2.*`."""
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(text)) == text
    except InvalidVersion:
        return False


def _read(name: str) -> Requirements:
    python = ""
    preload: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    packages, yours = [], ""
    for line in (HERE / f"{name}.in").read_text().splitlines():
        if line.startswith("# python:"):
            python = line.partition(":")[2].strip()
        elif line.startswith("# preload:"):
            preload = tuple(line.partition(":")[2].split())
        elif line.startswith("# machines:"):
            machines = tuple(line.partition(":")[2].split())
        elif line.startswith("# yours:"):
            yours = line.partition(":")[2].strip()
        elif line.strip() and not line.startswith("#"):
            packages.append(_read_line(line))
    return Requirements(name, python, preload, tuple(packages), HERE / f"{name}.txt", machines=machines, yours=yours)


def normalize(name: str) -> str:
    """Return a distribution's name as indexes compare it: `Tensorflow_CPU` is `tensorflow-cpu`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _read_line(line: str) -> Requirement:
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise ValueError(f"not a requirement: {line!r}")
    others = (match["others"] or "").split()[1::2]
    names = tuple(map(normalize, (match["name"], *others)))
    return Requirement(names, (match["range"] or "").replace(" ", ""), line.rstrip().endswith("# optional"))


def _within(version: str, wanted: str) -> bool:
    """Return whether a version lies in a range of PEP 440. Plain ones are compared here: the library for all others takes 20 ms to import."""
    clauses = [_PLAIN_CLAUSE.fullmatch(clause) for clause in wanted.split(",")]
    if _PLAIN.fullmatch(version) and all(clauses):
        own = _release(version)
        return all(_COMPARED[clause[1]](own, _release(clause[2])) for clause in clauses if clause)
    if not wanted:
        return True
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(wanted).contains(version, prereleases=True)
    except InvalidVersion:  # a distribution of before the standard, or of someone's own making
        return False


def _release(version: str) -> tuple[int, ...]:
    """Return the numbers of a plain version without zeros at the end: 2.1.0 is 2.1."""
    numbers = list(map(int, version.split(".")))
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
