"""Inspects and loads models of the kind `keras_weights`, in a worker.

The builder's model reads the file with its own `load_weights`; `keras_models.weights` proves that it read all of it.
"""

from __future__ import annotations

from toolkit.errors import InvalidSource
from toolkit.source.loading import Inspected, LoadedOriginal
from toolkit.source.loading.builder import build
from toolkit.source.loading.keras_models import store, stored_arrays
from toolkit.source.loading.keras_models.config import written_by
from toolkit.source.loading.keras_models.weights import weights_original
from toolkit.wire.request import Request

_NEED = "--builder file.py:function, a function that returns the model, built"


def inspect(request: Request) -> Inspected:
    """As `toolkit.source.kinds.keras_weights.inspect`."""
    path = request.options["path"]
    with store.variables_file(path, request.inputs["file"]) as opened:
        arrays = stored_arrays.stored(opened)
        variables, others = stored_arrays.variables(arrays), stored_arrays.others(arrays)
        version = stored_arrays.text(stored_arrays.weights_of(opened).attrs.get("keras_version"))
        old = stored_arrays.is_old_layout(opened)
    writer = written_by(version) if version or old else "keras or tf-keras, of unknown version"
    return {
        "kind": "keras_weights",
        "writer": writer,
        "loader": "the builder's model",
        "signatures": [],
        "settled": False,
        "operators": [],
        "variables": variables,
        "needs": [] if request.options["builder"] is not None else [_NEED],
        "findings": [each.to_json() for each in others],
    }


def load(request: Request) -> LoadedOriginal:
    """As `toolkit.source.kinds.keras_weights.load`."""
    path = request.options["path"]
    store.require_whole(path, request.inputs["file"])
    if request.options["builder"] is None:
        raise InvalidSource(f"{path}: holds weights and no model", _NEED)
    return weights_original(request, build(request), request.inputs["file"])
