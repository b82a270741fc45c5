"""All of our code that a worker runs for a job: the import closure of the job's modules, read from their source.

The closure holds the modules, all that they import (inside functions too), the packages around them, and the data files that they declare; and the
same of each imported module. Nothing is imported or parsed: finding the imports in a module's text takes 0.05 ms, a parser takes 3 ms, and every
build looks at a hundred modules. `tests/unit/jobs/test_import_closure.py` compares the result with Python's own parser, for each module.

The closure does not see an import by a computed name (`importlib.import_module(f"toolkit.samples.readers.{kind}")`). A job names such modules as its
`plugins`, and a worker refuses modules outside of the closure (`toolkit.confinement.known_code`): a forgotten plugin is an error, not a stale answer.

A module declares the files that it reads beside itself:

    DATA_FILES = ("operators.txt",)
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

PACKAGE = Path(__file__).resolve().parents[1]
WORKER = ("jobs.worker_main", "confinement.enclosed")
"""What runs for every job: the worker with the code that confines a job, and the program that confines an emulated one."""

NAME = PACKAGE.name
_CHECKING = "if TYPE_CHECKING:\n"
_FOR_TYPE_CHECKERS = re.compile(rf"^{_CHECKING}(?:[ \t]+[^\n]*\n|\n)+", re.MULTILINE)
_FROM = f"from {NAME}"
_MODULE = re.compile(rf"\b{NAME}(?:\.\w+)*")
_WORD = re.compile(r"\w+")
_DATA_FILES = "\nDATA_FILES = ("


@dataclass(frozen=True, slots=True)
class ImportClosure:
    """`modules` by their full names, sorted, and the SHA-256 of every file, by its path in the package."""

    modules: tuple[str, ...]
    files: Mapping[str, str]

    @property
    def digest(self) -> str:
        """A hash that changes with each of the files: 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps(dict(self.files), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """One module: the SHA-256 of its file and of its data files, by path in the package, and what it imports, with the packages around."""

    files: Mapping[str, str]
    imports: frozenset[str]


def import_closure(modules: Iterable[str], package: Path = PACKAGE) -> ImportClosure:
    """Return the closure of the worker's own code and of `modules`, which are named without the package, as in a `Job`.

    A process reads each file once. ModuleNotFoundError for a module that is not there, FileNotFoundError for a data file.
    """
    return _closure(tuple(sorted({*modules, *WORKER})), package)


@functools.cache
def _closure(modules: tuple[str, ...], package: Path) -> ImportClosure:
    left = [f"{NAME}.{module}" for module in modules]
    found: dict[str, ModuleSource] = {}
    while left:
        name = left.pop()
        if name not in found:
            found[name] = source(name, package)
            left += found[name].imports
    files = {path: digest for read in found.values() for path, digest in read.files.items()}
    return ImportClosure(tuple(sorted(found)), MappingProxyType(files))


@functools.cache
def source(name: str, package: Path = PACKAGE) -> ModuleSource:
    """Return the source of a module, by its full name."""
    known = _modules(package)
    if name not in known:
        raise ModuleNotFoundError(f"no module {name}", name=name)
    path = known[name]
    content = _read(package, path)
    text = content.decode()
    beside = [f"{os.path.dirname(path)}/{each}".lstrip("/") for each in _data_files(text)]
    files = {path: content, **{each: _read(package, each) for each in beside}}
    imported = {each for found in (name, *_imports(text, known)) if found in known for each in _with_packages(found)}
    return ModuleSource({path: hashlib.sha256(each).hexdigest() for path, each in files.items()}, frozenset(imported))


def _read(package: Path, path: str) -> bytes:
    with open(os.path.join(package, path), "rb") as file:
        return file.read()


@functools.cache
def _modules(package: Path) -> Mapping[str, str]:
    """Return the file of each module, by its full name."""
    found = {}
    for folder, _, names in os.walk(package):
        inside = folder[len(str(package)) + 1 :]
        for name in names:
            if name.endswith(".py"):
                path = f"{inside}/{name}".lstrip("/")
                found[f"{NAME}/{path[:-3]}".removesuffix("/__init__").replace("/", ".")] = path
    return found


def _imports(text: str, known: Mapping[str, str]) -> Iterator[str]:
    """Yield the full names of what a source imports from the package; some of them may be functions or classes."""
    if _CHECKING in text:
        text = _FOR_TYPE_CHECKERS.sub("", text)
    before, *pieces = text.split("import ")  # faster than a pattern, which looks at every line
    for piece in pieces:
        line = before[before.rfind("\n") + 1 :].lstrip()
        before = piece
        if not line:
            yield from _MODULE.findall(piece.partition("\n")[0])
        elif line.startswith(_FROM):
            whole = line.split()[1]
            yield whole
            if known.get(whole, "").endswith("__init__.py"):  # of any other module functions and classes are imported
                names = piece.partition(")" if piece.startswith("(") else "\n")[0]
                yield from (f"{whole}.{name}" for name in _WORD.findall(names))


def _data_files(text: str) -> list[str]:
    """Return the names of the files that a source declares."""
    return re.findall(r'"([^"]+)"', text.partition(_DATA_FILES)[2].partition(")")[0])


@functools.cache
def _with_packages(name: str) -> tuple[str, ...]:
    """Return a module's name and those of the packages around it, which are imported before it."""
    around = name.rpartition(".")[0]
    return (name, *_with_packages(around)) if around else (name,)
