"""Kinds of saved models, one file each: how to find its files, to look into them, and to load the model as its own framework does.

A source kind is a module with

    TAKES                               frozenset of what a user may say of it beside its path, by the names of `toolkit.source.Original`: "builder", "step", "inputs", ...
    recognize(path) -> bool             whether a path is of this kind (on the host: standard library only, a look at names and first bytes)
    locate(path, step) -> dict          the files that make it up, by role, absolute; InvalidSource where one is missing (on the host too)
    inspect(request) -> dict            what the files alone tell, without TensorFlow and without running any of it: see below
    load(request) -> Original           the model in its framework, its variables restored

`request.inputs` has the files of `locate` under the same names, and "map" where one was given. `request.options`, all of them JSON:

    path                text             what the user called it, for messages
    builder             null, or {"function": "package.module:function", "file": path or null, "folder": path, "arguments": {name: text}}
    inputs, outputs     {name: tensor}   where the user wants the graph cut; empty: as the model says
    bind                {tensor: text}   values of placeholders
    allow_unrestored    [pattern]        variables that need no partner (fnmatch)
    trust               bool             whether operators that reach for files or for Python may run

`inspect` returns

    kind, writer, loader    who wrote it, and what will load it, as people call these: "keras 2.4.0", "tf-keras"
    signatures              as the files tell them; a size or a shape that they do not tell is null
    settled                 whether that is all; if not, `load` says what the signatures are
    operators               names of all graph operators; [] where the files hold no graph
    variables               [{"name", "dtype", "shape", "size_bytes"}]
    needs                   [text], one for each thing that a build needs and that is not here: a builder, inputs and outputs, ...
    findings                [{"code", "severity", "message", ...}]

Signatures are JSON as in `toolkit.signature`; an unknown size is null, an unknown rank is a shape of null. Modules with a leading underscore are what kinds have
in common.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

Spec = dict[str, Any]
Arrays = dict[str, np.ndarray]

DEFAULT_KEY = "serving_default"


class Original(ABC):
    """A model as its framework runs it.

    `engine` is what runs it, by name and version; `loader` what read the files. `signatures` are as the model declares them (a first size left open means a
    batch of any size). `operators` are those of the graphs that a call runs. `coverage` tells which variables were restored (see `_coverage`), None where the
    files hold the whole model; `findings` what was noticed.
    """

    engine: str
    loader: str
    signatures: list[Spec]
    operators: set[str]
    findings: list[Spec]
    coverage: Spec | None = None

    @abstractmethod
    def call(self, key: str, sample: Arrays) -> Arrays:
        """Return the outputs of one call by name."""

    @abstractmethod
    def save(self, key: str, shapes: dict[str, list[int]], folder: Path) -> None:
        """Write a SavedModel of one signature, `serving_default`, with these static shapes of inputs and the same names."""
