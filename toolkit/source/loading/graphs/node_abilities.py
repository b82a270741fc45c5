"""What a node of a graph can do to the world outside, by its operator, its attributes, and where its inputs come from.

An operator that `operators.txt` lists as harmless passes. Some are harmless on a condition: a table is filled from an asset of the model or from any
file; a saver restores from the path that its loader gives it, or from one that stands in the graph.
"""

from __future__ import annotations

from collections.abc import Callable

from toolkit.engines.tensorflow.graph_def import NodeDef
from toolkit.engines.tflite.device_operators import BUILT_IN
from toolkit.source.loading.graphs.calls import Calls, ExecutedNodes
from toolkit.source.loading.graphs.cut import attribute, text_attribute
from toolkit.source.loading.graphs.tensor_origins import TensorOrigin, TensorOrigins
from toolkit.source.loading.operators import ON_CONDITION, SAVER, ability, kinds

_READS, _WRITES, _NATIVE = "reads files", "writes files", "runs native code by its name"
_RESTORES = ("RestoreV2", "Restore", "RestoreSlice")


class NodeAbilities:
    """What each node of a graph can do.

    `run` is all that runs, `served` the part that runs without a loader's feeds; `origins` tells where the value of an input comes from.
    """

    def __init__(self, calls: Calls, run: ExecutedNodes, served: ExecutedNodes, origins: TensorOrigins) -> None:
        self._calls, self._run, self._served, self._origins = calls, run, served, origins
        self._conditions: dict[str, Callable[[str, NodeDef], str | None]] = {
            "PrintV2": _prints,
            "DecodeProtoV2": _describes,
            "EncodeProto": _describes,
            "FixedUnigramCandidateSampler": _counts,
            "XlaCallModule": _native,
            "InitializeTableFromTextFile": self._fills,
            "InitializeTableFromTextFileV2": self._fills,
        }

    def of(self, scope: str, node: NodeDef) -> str | None:
        """Return what a node can do, as text; None for a harmless one."""
        if node.op in BUILT_IN:  # TensorFlow cannot run it
            return None
        if node.op in self._calls.functions and node.op not in kinds():
            return None
        if kinds().get(node.op) == SAVER:
            return self._saves(scope, node) if self._run.holds(scope, node.name) else None
        found = ability(node.op)
        return self._conditions[node.op](scope, node) if found == ON_CONDITION else found

    def _saves(self, scope: str, node: NodeDef) -> str | None:
        if node.op not in _RESTORES:
            return "deletes and writes files" if node.op == "MergeV2Checkpoints" else _WRITES
        fed = not self._served.holds(scope, node.name)
        return _from([origin for origin in self._origins.of(scope, node) if origin.kind != "saver" or not fed])

    def _fills(self, scope: str, node: NodeDef) -> str | None:
        origins = self._origins.of(scope, node, 1)
        strange = [origin for origin in origins if origin.kind not in ("asset", "capture")]
        if not strange and any(origin.kind == "asset" for origin in origins) and self._served.holds(scope, node.name):
            return f"{_READS}: where it stands no loader gives it an asset of the model"
        return _from(strange)


def _from(strange: list[TensorOrigin]) -> str | None:
    """Return that a file is read, with its path if the graph has it; None where all paths are the model's own."""
    if not strange:
        return None
    texts = sorted(origin.text for origin in strange if origin.kind == "constant")
    return f"{_READS}: {', '.join(map(repr, texts[:3]))}" if texts else f"{_READS} of a name that is made in the graph"


def _prints(scope: str, node: NodeDef) -> str | None:
    """PrintV2 writes to a file unless its stream is a log of the process (core/kernels/logging_ops.cc)."""
    stream = text_attribute(node, "output_stream", "stderr")
    if stream in ("stdout", "stderr", "log(info)", "log(warning)", "log(error)"):
        return None
    return f"{_WRITES}: {stream}" if stream else _WRITES


def _describes(scope: str, node: NodeDef) -> str | None:
    """Descriptors of messages are linked in, in the attribute, or in a file that the attribute names (core/util/proto/descriptors.cc)."""
    source = text_attribute(node, "descriptor_source", "local://")
    inside = source is not None and (not source or source.startswith(("local://", "bytes://")))
    return None if inside else _named(source)


def _counts(scope: str, node: NodeDef) -> str | None:
    source = text_attribute(node, "vocab_file", "")
    return None if source == "" else _named(source)


def _native(scope: str, node: NodeDef) -> str | None:
    """A module of StableHLO can call any linked function by its name; an attribute can switch off checks of such custom calls."""
    module, disabled = attribute(node, "module"), attribute(node, "disabled_checks")
    plain = module is not None and not module.placeholder and b"custom_call" not in module.s
    return None if plain and not (disabled is not None and (disabled.list.s or disabled.placeholder)) else _NATIVE


def _named(source: str | None) -> str:
    return f"{_READS}: {source!r}" if source else _READS
