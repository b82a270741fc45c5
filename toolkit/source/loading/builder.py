"""A builder: the user's function that makes the model whose variables a checkpoint or a file of weights holds.

It is called once, with `--builder-arg` as keyword arguments (text), and returns one of

    a Keras model (Keras 3 or tf-keras), built              its inputs and outputs are the signature
    a tf.Module, with tf.functions of a fixed signature      each function with an input_signature is a signature
    (model, inputs)                                          inputs: {name: tf.TensorSpec}, where the model does not tell its inputs
    a mapping of these parts, by name                        model, inputs, checkpoint, custom_objects; or, in TensorFlow 1, inputs and outputs:
                                                             {name: tensor}

`checkpoint` is the tf.train.Checkpoint that the training code saved; without it, the model is searched in the file. The project's own folder is on
the path, and none of ours: the builder may import a package named `toolkit` of its own. What it prints goes to the job's log.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import InvalidSource
from toolkit.wire.request import Request, sha256
from toolkit.wire.user_function import blame, import_function

_PARTS = ("model", "inputs", "outputs", "checkpoint", "custom_objects")
_SEED = 0  # random values that are never restored are the same each time


@dataclass(slots=True)
class Built:
    """What a builder returned, by part; None for a missing part."""

    model: Any = None
    inputs: Mapping[str, Any] | None = None
    outputs: Mapping[str, Any] | None = None
    checkpoint: Any = None
    custom_objects: Mapping[str, Any] = field(default_factory=dict)


def build(request: Request) -> Built:
    """Return what the builder of `request.options` returns; InvalidSource where it raises, ends the process, or returns something else."""
    import tensorflow as tf

    asked = request.options["builder"]
    name = asked["function"]
    file = Path(asked["file"]) if asked["file"] else None
    random.seed(_SEED)
    np.random.seed(_SEED)  # noqa: NPY002 (the user's code may draw from it)
    tf.random.set_seed(_SEED)
    with _alone(), _files_read():
        with blame(f"builder {name}", "cannot be imported", InvalidSource, "source"):
            function = import_function(name, file, [Path(asked["folder"])], InvalidSource)
        with blame(f"builder {name}", "failed", InvalidSource, "source"):
            given = function(**asked["arguments"])
    return _built(name, given)


def _built(name: str, given: Any) -> Built:
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - set(_PARTS))
        if given and all(isinstance(value, type) or callable(value) for value in given.values()) and unknown:
            return Built(custom_objects=dict(given))
        if unknown or not given:
            raise InvalidSource(
                f"builder {name}: gave a mapping with {', '.join(map(repr, unknown)) or 'nothing'} in it; "
                f"known parts: {', '.join(_PARTS)}"
            )
        return Built(**given)
    if isinstance(given, tuple):
        if len(given) != 2 or not isinstance(given[1], Mapping):
            raise InvalidSource(f"builder {name}: gave a tuple of {len(given)}; expected (model, inputs by name)")
        return Built(model=given[0], inputs=given[1])
    if not hasattr(type(given), "variables"):
        raise InvalidSource(
            f"builder {name}: gave {type(given).__name__}; expected a Keras model, a tf.Module, or (model, inputs by name)"
        )
    return Built(model=given)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hide our own package while the user's code is imported."""
    ours = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "toolkit"}
    for name in ours:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "toolkit"]:  # the user's own
            del sys.modules[name]
        sys.modules.update(ours)


_read: set[str] = set()


def code_read() -> dict[str, str]:
    """Return the SHA-256, by absolute path, of the files of the builder's code and of those that Python read while it ran."""
    loaded = {str(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())} if _read else set()
    return {path: sha256(Path(path)) for path in _users(_read | loaded) if Path(path).is_file()}


@contextlib.contextmanager
def _files_read() -> Iterator[None]:
    """Note the files that Python opens for reading while the builder runs: its result depends on them."""
    active = True

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if active and event == "open" and isinstance(arguments[0], str):
            writes = isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
            if not writes:
                _read.add(os.path.abspath(arguments[0]))

    sys.addaudithook(note)
    try:
        yield
    finally:
        active = False


def _users(paths: set[str]) -> list[str]:
    """Return the user's own paths, sorted: none of installed packages, Python, the system, or this job (autograph writes code there).

    There are thousands of modules, so the paths are compared as texts.
    """
    library = Path(os.__file__).resolve().parent
    ours, scratch = Path(__file__).resolve().parents[2], Path(tempfile.gettempdir()).parent
    worker = f"{scratch.parent}/host-"  # what Keras downloaded there is gone with the worker
    not_theirs = (*(f"{folder}/" for folder in (library, ours, scratch)), worker, "/proc/", "/sys/", "/dev/", "/etc/")
    installed = ("/site-packages/", "/dist-packages/", "/__pycache__/")
    return sorted(
        path
        for path in paths
        if path.startswith("/") and not path.startswith(not_theirs) and not any(one in path for one in installed)
    )
