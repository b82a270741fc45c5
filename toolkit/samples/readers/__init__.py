"""Readers of samples, one file each. A reader changes no value: [preprocess] does, in `toolkit.samples.draw`.

A reader is a module that imports only the standard library and numpy at its top, as the host imports it too. It has

    CACHED                                whether the same files always give the same samples
    ENVIRONMENT                           the environment that holds its packages: "dataset", or one that holds
                                          all of that and more
    Options                               a frozen dataclass: what a recipe's [reader] may say besides `kind`. A
                                          ValueError of its __post_init__ reaches the user; __pydantic_config__ =
                                          {"extra": "forbid"} makes a misspelt key a mistake
    recognize(data) -> (folder, Options)  for data that the command line names without a recipe, by names only;
                                          None if it is for another reader
    files(options) -> {key: path}         files and folders that the options name, relative to the recipe: the inputs of
                                          the job, hashed by the host; with a `*` behind its key the last part of a
                                          path may be a pattern, and `named` returns the files that match it
    read(options, files, asked)           -> Reading; `files` by the same keys; raises InvalidSamples without naming the
                                          set, which the caller does

Samples have no batch axis; they are dicts by the name of the model's input. If any sample can be read without those before it, `Reading.samples` is
an `Indexed`, so a draw of 100 from a million reads 100. Else it is an iterator, and the draw takes no more from it than it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from toolkit.findings import Finding


class Sample(NamedTuple):
    """One sample: arrays by input name, its label or None, and its name in messages about its set (`sample 17`, `cats/3.png`)."""

    inputs: dict[str, np.ndarray]
    label: Any
    origin: str


@dataclass(frozen=True)
class ReadRequest:
    """The model's input names, an empty folder to work in, and the recipe's own folder if the reader is not CACHED."""

    names: tuple[str, ...]
    scratch: Path
    folder: Path | None = None


@dataclass(frozen=True)
class Indexed:
    """`count` samples; `at(index)` reads any of them."""

    count: int
    at: Callable[[int], Sample]


@dataclass(frozen=True)
class Reading:
    """The samples, and findings about data that the reader left out and choices that it made by convention.

    `place` stands before a sample's name where nothing else says which set it is from: `photos/`, `digits.npz: `.
    """

    samples: Indexed | Iterator[Sample]
    findings: list[Finding] = field(default_factory=list)
    place: str = ""


def inside(path: str) -> str:
    """Return a folder as the prefix of the files in it, "" for the current one."""
    folder = PurePosixPath(path).as_posix()
    return "" if folder == "." else f"{folder.rstrip('/')}/"


def named(files: Mapping[str, Path], key: str) -> list[Path]:
    """Return the paths of one of the reader's keys: one path, or all matches of its pattern, sorted."""
    return (
        [files[key]] if key in files else [path for name, path in sorted(files.items()) if name.startswith(f"{key}.")]
    )
