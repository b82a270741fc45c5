"""A file of Keras with a whole model, read without Keras: the version that wrote it, its configuration, and the names in it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from toolkit.errors import InvalidSource
from toolkit.source.loading.keras_models import store, stored_arrays
from toolkit.source.loading.keras_models.config import custom_parts, lambdas
from toolkit.source.loading.keras_models.config_table import ConfigTable
from toolkit.source.loading.keras_models.vetting import require_few_parts

BUILDER = "--builder file.py:function, a function that returns"


@dataclass(frozen=True, slots=True)
class KerasFile:
    """A file of Keras: the path as the user gave it, the file itself, and what it declares."""

    path: str
    file: Path
    kind: str
    version: str
    config: ConfigTable
    code: tuple[str, ...]
    """Names of the parts that hold Python code."""
    custom: tuple[str, ...]
    """Names of classes and functions that Keras lacks."""

    @property
    def major(self) -> int:
        """The generation of Keras that wrote it: 1, 2 or 3."""
        return (
            int(self.version.partition(".")[0]) if self.version[:1].isdigit() else 1
        )  # Keras 1 wrote no version at first


def read(path: str, file: Path) -> KerasFile:
    """Return what a file declares; InvalidSource where it is damaged, not of Keras, or without a model. `path` is its name in messages."""
    kind = store.container(file)
    if kind is None:
        raise store.not_keras(path, file)
    if kind == "zip":
        with store.archive(path, file) as opened:
            parsed, metadata = store.part(path, opened, "config.json"), store.part(path, opened, "metadata.json")
        try:
            return _described(path, file, kind, str(metadata["keras_version"]), parsed)
        except (ValueError, KeyError, TypeError) as error:
            raise store.damaged(path, error, "config.json or metadata.json in it") from error
    with store.variables_file(path, file) as opened:
        described, version = (stored_arrays.text(opened.attrs.get(name)) for name in ("model_config", "keras_version"))
    if described is None:
        raise InvalidSource(f"{path}: holds weights and no model", f"{BUILDER} the model")
    config = store.configuration(path, described, "model_config in it")
    try:
        return _described(path, file, kind, version or "1", config)
    except ValueError as error:
        raise store.damaged(path, error, "model_config in it") from error


def _described(path: str, file: Path, kind: str, version: str, parsed: dict[str, Any]) -> KerasFile:
    """Return the file with the names in its configuration; ValueError where it describes no model, or more parts than any model has."""
    if "class_name" not in parsed:
        raise ValueError("it describes no model")
    require_few_parts(parsed)
    config = cast("ConfigTable", parsed)
    return KerasFile(
        path, file, kind, version, config, tuple(lambdas(config)), tuple(custom_parts(config, _known_layers()))
    )


def _known_layers() -> frozenset[str]:
    """Return the names of Keras 2's layers, read from its package without an import."""
    for package in ("tf_keras", "keras"):
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            listed = Path(folder) / "layers" / "__init__.py"
            if listed.is_file():
                return frozenset(re.findall(r"import (\w+)", listed.read_text())) | _OPERATORS
    return frozenset()


_OPERATORS = {"TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty", "Lambda"}
