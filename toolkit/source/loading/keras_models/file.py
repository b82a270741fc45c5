"""A file of Keras with a whole model, as read without Keras: which version wrote it, its configuration, what that names."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import InvalidSource
from toolkit.source.loading.keras_models import store, stored_arrays
from toolkit.source.loading.keras_models.config import custom_parts, lambdas
from toolkit.source.loading.keras_models.vetting import require_few_parts

BUILDER = "--builder file.py:function, a function that returns"


@dataclass(frozen=True, slots=True)
class KerasFile:
    """A file of Keras: what the user called it, where it lies, and what it says of itself."""

    path: str
    file: Path
    kind: str
    version: str
    config: dict[str, Any]
    code: tuple[str, ...]
    """Names of the parts that hold Python code."""
    custom: tuple[str, ...]
    """Names of classes and functions that Keras has not."""

    @property
    def major(self) -> int:
        """Whose generation it is: 1, 2 or 3."""
        return int(self.version.partition(".")[0]) if self.version[:1].isdigit() else 1  # before it said so


def read(path: str, file: Path) -> KerasFile:
    """Return what a file says of itself; InvalidSource where it is damaged, none of Keras, or without a model. `path` is what messages call it."""
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


def _described(path: str, file: Path, kind: str, version: str, config: dict[str, Any]) -> KerasFile:
    """Return the file with what its configuration names, each walked once; ValueError where it describes no model, or more than any has."""
    if "class_name" not in config:
        raise ValueError("it describes no model")
    require_few_parts(config)
    return KerasFile(
        path, file, kind, version, config, tuple(lambdas(config)), tuple(custom_parts(config, _known_layers()))
    )


def _known_layers() -> frozenset[str]:
    """Return the names of the layers of Keras 2, as the list of its package has them, without importing it."""
    for package in ("tf_keras", "keras"):
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            listed = Path(folder) / "layers" / "__init__.py"
            if listed.is_file():
                return frozenset(re.findall(r"import (\w+)", listed.read_text())) | _OPERATORS
    return frozenset()


_OPERATORS = {"TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty", "Lambda"}
