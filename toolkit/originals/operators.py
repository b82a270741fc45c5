"""What a graph's operators give away: that they reach for files, Python or the network, draw random numbers, or have no kernel here.

The list of what reaches out is of the operators registered by TensorFlow 2.21 (tensorflow/core/ops/*.cc). No such list is complete, and nobody
should build a model that he would not run; what it spares is the surprise.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from toolkit.errors import InvalidSource
from toolkit.originals.messages import tensorflow_folders

# Saving and restoring (SaveV2, RestoreV2, MergeV2Checkpoints, ShardedFilename) is in every SavedModel, and tables read their vocabulary as an
# asset: neither is here.
_REACHING = {
    "reads files": """
        ReadFile MatchingFiles WholeFileReader WholeFileReaderV2 TextLineReader TextLineReaderV2 TFRecordReader TFRecordReaderV2
        FixedLengthRecordReader FixedLengthRecordReaderV2 LMDBReader TextLineDataset TFRecordDataset TFRecordDatasetV2
        FixedLengthRecordDataset FixedLengthRecordDatasetV2 ExperimentalLMDBDataset LMDBDataset ExperimentalCSVDataset CSVDataset
        CSVDatasetV2 SqlDataset ExperimentalSqlDataset MatchingFilesDataset ExperimentalMatchingFilesDataset LoadDataset LoadDatasetV2
        ListDataset
    """,
    "writes files": """
        WriteFile CreateSummaryFileWriter CreateSummaryDbWriter WriteSummary WriteScalarSummary WriteHistogramSummary WriteImageSummary
        WriteAudioSummary WriteGraphSummary WriteRawProtoSummary ImportEvent SaveDataset SaveDatasetV2 SnapshotDataset SnapshotDatasetV2
        ExperimentalDatasetToTFRecord DatasetToTFRecord DebugIdentity DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary
        DebugNumericSummaryV2
    """,
    "runs Python": "PyFunc PyFuncStateless EagerPyFunc",
    "uses the network": """
        DataServiceDataset DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4 RegisterDataset RegisterDatasetV2 RpcCall RpcClient
        RpcServer RpcServerRegister RpcServerStart RemoteCall
    """,
}
_WHAT = {name: what for what, names in _REACHING.items() for name in names.split()}
_RANDOM = re.compile(
    r"Random(Uniform|StandardNormal|Gamma|Poisson|Shuffle|Crop|Index)\w*|TruncatedNormal|ParameterizedTruncatedNormal|Multinomial"
    r"|Stateless(Random|Truncated|Parameterized|Multinomial|Sample|Shuffle)\w*|Stateful(Uniform|StandardNormal|Truncated|Random)\w*"
    r"|RngReadAndSkip|RngSkip|SampleDistortedBoundingBox\w*|(Fixed|Learned|Log|Uniform|All|ThreadUnsafe)\w*CandidateSampler"
)
_CHANGING = re.compile(
    r"Assign(Add|Sub)?(VariableOp|Ref)?|(Resource)?(Sparse)?(Scatter|Strided)\w*(Assign|Add|Sub|Mul|Div|Min|Max|Update)|RngReadAndSkip|RngSkip"
)
_WRAPPED = re.compile(rb'_apply_op_helper\(\s*"(\w+)"|execute\(b"(\w+)"')
# What graphs hold and Python has no function for.
_BUILT_IN = {"_Arg", "_Retval", "Placeholder", "Const", "RefEnter", "RefExit", "RefMerge", "RefNextIteration", "RefSwitch"}  # fmt: skip


def reaching(operators: Iterable[str]) -> list[str]:
    """Return `WriteFile (writes files)` for each operator that reaches out of the model, sorted."""
    return [f"{name} ({_WHAT[name]})" for name in sorted(set(operators) & set(_WHAT))]


def random_operators(operators: Iterable[str]) -> list[str]:
    """Return the operators that draw random numbers, sorted."""
    return sorted(name for name in set(operators) if _RANDOM.fullmatch(name))


def is_stateful(operators: Iterable[str]) -> bool:
    """Return whether a call changes variables, so that the next one begins from others."""
    return any(_CHANGING.fullmatch(name) for name in operators)


def refuse_reaching(path: object, operators: Iterable[str], trust: bool) -> None:  # noqa: FBT001 (as it was asked for)
    """Raise InvalidSource where operators reach out of the model and the user does not `trust` it."""
    found = reaching(operators)
    if found and not trust:
        raise InvalidSource(
            f"{path}: holds {', '.join(found)}: to run it is to let it do that",
            "export it without them; or, if you trust whoever made it, --trust",
        )


def findings(operators: Iterable[str]) -> list[dict[str, Any]]:
    """Return what is to be said about a graph's operators, without TensorFlow."""
    operators = set(operators)
    found = []
    if reached := reaching(operators):
        found.append(
            _finding(
                "reaches-outside", "error", f"holds {', '.join(reached)}; a build refuses it without --trust", reached
            )
        )
    if unknown := unregistered(operators):
        found.append(
            _finding("unknown-operators", "error", f"this TensorFlow has no operator {', '.join(unknown)}", unknown)
        )
    if drawn := random_operators(operators):
        found.append(_finding("random-operators", "info", f"draws random numbers somewhere: {', '.join(drawn)}", drawn))
    return found


def unregistered(operators: Iterable[str]) -> list[str]:
    """Return the operators that the installed TensorFlow has no Python function for, sorted; nothing is imported for it."""
    return sorted(name for name in set(operators) - _registered() if not name.startswith("_"))


@functools.cache
def _registered() -> frozenset[str]:
    """Return the operators that TensorFlow has Python functions for, read from the files in which it has generated these."""
    known = set(_BUILT_IN)
    for folder in tensorflow_folders():
        for file in Path(folder, "python").rglob("gen_*.py"):
            known.update((one or other).decode() for one, other in _WRAPPED.findall(file.read_bytes()))
    return frozenset(known)


def refuse_without_kernel(path: object, held: Iterable[str], run: Iterable[str] | None = None) -> None:
    """Raise InvalidSource for operators that TensorFlow does not know, of those `held`, or has no kernel for on a CPU, of those `run`."""
    from tensorflow.python.framework import kernels, op_def_registry

    names = sorted(set(held))
    unknown = [name for name in names if op_def_registry.get(name) is None]
    idle = [
        name
        for name in sorted(set(names if run is None else run))
        if name not in unknown
        and name not in _BUILT_IN
        and not any(
            kernel.device_type in ("CPU", "DEFAULT") for kernel in kernels.get_registered_kernels_for_op(name).kernel
        )
    ]
    if unknown or idle:
        import tensorflow as tf

        said = [f"has no operator {', '.join(unknown)}"] * bool(unknown) + [
            f"has no kernel for {', '.join(idle)} on a CPU"
        ] * bool(idle)
        raise InvalidSource(
            f"{path}: TensorFlow {tf.__version__} {' and '.join(said)}",
            "name the interpreter that it was made with: --python source=/path/to/python; an operator of a library of its own cannot run on a device",
        )


def _finding(code: str, severity: str, message: str, names: list[str]) -> dict[str, Any]:
    return {"code": code, "severity": severity, "message": message, "names": names}
