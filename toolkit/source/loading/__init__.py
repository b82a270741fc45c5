"""Models in the framework that made them: what loading gives, whatever the kind of source.

builder, functions      what the user's code gives; TensorFlow functions
operators, reach        what a graph's operators can do to the world outside
coverage, variables/    files of variables, and the proof that they were restored
graphs/                 flat graphs of TensorFlow 1: cut, bound, frozen
keras_models/           models of Keras 3, of tf-keras, and of the Keras in an old TensorFlow
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from toolkit.findings import Finding

if TYPE_CHECKING:
    from toolkit.source.loading.coverage import Coverage
    from toolkit.tensors.signature import SignatureJson


Arrays = dict[str, np.ndarray]

DEFAULT_KEY = "serving_default"


class VariableRow(TypedDict):
    """A variable in a file; None for a size of its shape that the file does not tell."""

    name: str
    dtype: str
    shape: list[int] | list[int | None] | None
    size_bytes: int


class _Inspected(TypedDict):
    kind: str
    writer: str
    loader: str
    signatures: Sequence[Mapping[str, Any]]
    settled: bool
    operators: list[str]
    variables: Sequence[VariableRow]
    needs: Sequence[str]
    findings: list[dict[str, Any]]


class Inspected(_Inspected, total=False):
    """What `inspect` of a kind returns, as `toolkit.source.kinds` describes it; some keys only some kinds have."""

    endings: Mapping[str, Any]
    flat: bool
    layers: int
    tags: list[str]


class LoadedOriginal(ABC):
    """A model as its framework runs it.

    engine        name and version of what runs it
    loader        what read the files
    signatures    as the model declares them; a first size left open is a batch of any size
    operators     names of the operators that a call runs
    coverage      which variables were restored; None where the files hold the whole model
    findings      what was noticed
    """

    engine: str
    loader: str
    signatures: list[SignatureJson]
    operators: set[str]
    findings: list[Finding]
    coverage: Coverage | None = None

    @abstractmethod
    def call(self, key: str, sample: Arrays) -> Arrays:
        """Return the outputs of one call by name."""

    @abstractmethod
    def save(self, key: str, shapes: dict[str, list[int]], folder: Path) -> None:
        """Write a SavedModel of one signature, `serving_default`, with these static shapes of inputs and the same names."""
