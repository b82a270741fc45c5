"""Models in the framework that made them: what all kinds of sources come to when they are loaded.

builder, functions      what the user's code gives; TensorFlow functions
messages, operators     protocol buffers without TensorFlow; what a graph's operators give away
variables/              files of variables, and the proof that they were restored
graphs/                 flat graphs of TensorFlow 1: cut, bound, frozen
keras_models/           models of Keras 3, of tf-keras, and of the Keras in an old TensorFlow
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.findings import Finding

if TYPE_CHECKING:
    from toolkit.source.loading.coverage import Coverage


Spec = dict[str, Any]
Arrays = dict[str, np.ndarray]

DEFAULT_KEY = "serving_default"


class LoadedOriginal(ABC):
    """A model as its framework runs it.

    `engine` is what runs it, by name and version; `loader` what read the files. `signatures` are as the model declares them (a first size left
    open means a
    batch of any size). `operators` are those of the graphs that a call runs. `coverage` tells which variables were restored (see `coverage`), None
    where the
    files hold the whole model; `findings` what was noticed.
    """

    engine: str
    loader: str
    signatures: list[Spec]
    operators: set[str]
    findings: list[Finding]
    coverage: Coverage | None = None

    @abstractmethod
    def call(self, key: str, sample: Arrays) -> Arrays:
        """Return the outputs of one call by name."""

    @abstractmethod
    def save(self, key: str, shapes: dict[str, list[int]], folder: Path) -> None:
        """Write a SavedModel of one signature, `serving_default`, with these static shapes of inputs and the same names."""
