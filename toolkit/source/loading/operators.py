"""What a graph's operators can do: reach for files, Python or the network, draw random numbers; and which have no kernel here.

`operators.txt` lists what each operator can do. Operators that are listed as harmless pass; all others, listed or not, need the user's `--trust`.
For some it depends on their inputs and on where they stand: see `reach`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from toolkit.engines.tensorflow.messages import tensorflow_folders
from toolkit.engines.tflite.device_operators import BUILT_IN
from toolkit.errors import InvalidSource
from toolkit.findings import Finding

DATA_FILES = ("operators.txt",)  # part of every key of a job that reads them (`toolkit.jobs.import_closure`)
_LISTS = Path(__file__).with_name(DATA_FILES[0])
HARMLESS, ON_CONDITION, SAVER, UNKNOWN = "harmless", "on condition", "saver", "unknown"
REACHES_OUTSIDE, UNKNOWN_OPERATORS = "reaches-outside", "unknown-operators"  # codes of findings
NOT_KNOWN = "not known to be harmless"
"""The text for an operator that is in no list, or that nobody has examined."""
_RANDOM = re.compile(
    r"Random(Uniform|StandardNormal|Gamma|Poisson|Shuffle|Crop|Index)\w*|TruncatedNormal|ParameterizedTruncatedNormal|Multinomial"
    r"|Stateless(Random|Truncated|Parameterized|Multinomial|Sample|Shuffle)\w*|Stateful(Uniform|StandardNormal|Truncated|Random)\w*"
    r"|RngReadAndSkip|RngSkip|SampleDistortedBoundingBox\w*|(Fixed|Learned|Log|Uniform|All|ThreadUnsafe)\w*CandidateSampler"
)
_CHANGING = re.compile(
    r"Assign(Add|Sub)?(VariableOp|Ref)?|(Resource)?(Sparse)?(Scatter|Strided)\w*(Assign|Add|Sub|Mul|Div|Min|Max|Update)|RngReadAndSkip|RngSkip"
)
_WRAPPED = re.compile(rb'_apply_op_helper\(\s*"(\w+)"|execute\(b"(\w+)"')
# Operators of graphs without a Python function.
_OF_GRAPHS = {"_Arg", "_Retval", "Placeholder", "Const", "RefEnter", "RefExit", "RefMerge", "RefNextIteration", "RefSwitch"}  # fmt: skip


@functools.cache
def kinds() -> dict[str, str]:
    """Return the entry of each operator in `operators.txt`: one of the four kinds above, or what it can do ("reads files")."""
    found: dict[str, str] = {}
    kind = ""
    for line in _LISTS.read_text().splitlines():
        if line.startswith("["):
            kind = line[1 : line.index("]")]
        elif not line.startswith("#"):
            found.update(dict.fromkeys(line.split(), kind))
    return found


def abilities(operators: Iterable[str]) -> list[str]:
    """Return `WriteFile (writes files)` for each operator that can do harm or is not known to be harmless, sorted; by names alone.

    Operators that are harmless on a condition are left out: `reach` judges them, with the graph. Operators that only a device's runtime has are left
    out too: TensorFlow cannot run them.
    """
    said = {name: ability(name) for name in set(operators) - BUILT_IN}
    return [f"{name} ({said[name]})" for name in sorted(said) if said[name] not in (None, ON_CONDITION)]


def ability(name: str) -> str | None:
    """Return what an operator can do, by its name alone; None for a harmless one, ON_CONDITION where its attributes or inputs decide."""
    kind = kinds().get(name, UNKNOWN)
    return {HARMLESS: None, UNKNOWN: NOT_KNOWN, SAVER: "reads and writes files"}.get(kind, kind)


def random_operators(operators: Iterable[str]) -> list[str]:
    """Return the operators that draw random numbers, sorted."""
    return sorted(name for name in set(operators) if _RANDOM.fullmatch(name))


def is_stateful(operators: Iterable[str]) -> bool:
    """Return whether a call changes variables, so that the next call starts with other values."""
    return any(_CHANGING.fullmatch(name) for name in operators)


def refuse_reaching(path: object, reached: Iterable[str], trust: bool) -> None:  # noqa: FBT001 (as it was requested)
    """Raise InvalidSource for what reaches outside, or is not known to be harmless, unless the user trusts the model."""
    found = list(reached)
    if found and not trust:
        raise InvalidSource(f"{path}: {held(found)}: running it lets it do that", ADVICE)


ADVICE = "export it without them; or, if you trust its author, give --trust"
_SHOWN = 8


def held(reached: Sequence[str]) -> str:
    """Return `holds A, B and 3 more`."""
    more = f" and {len(reached) - _SHOWN} more" if len(reached) > _SHOWN else ""
    return f"holds {', '.join(reached[:_SHOWN])}{more}"


def findings(operators: Iterable[str], reached: Sequence[str]) -> list[Finding]:
    """Return findings about a graph's operators, without TensorFlow; `reached` are the operators that `reach` found."""
    operators = set(operators)
    found = []
    if reached:
        message = f"{held(reached)}; a build refuses it without --trust"
        found.append(Finding(REACHES_OUTSIDE, "error", message, names=tuple(reached)))
    if unknown := unregistered(operators):
        message = f"this TensorFlow has no operator {', '.join(unknown)}"
        found.append(Finding(UNKNOWN_OPERATORS, "error", message, names=tuple(unknown)))
    if drawn := random_operators(operators):
        message = f"draws random numbers somewhere: {', '.join(drawn)}"
        found.append(Finding("random-operators", "info", message, names=tuple(drawn)))
    return found


def unregistered(operators: Iterable[str]) -> list[str]:
    """Return the operators without a Python function in the installed TensorFlow, sorted; nothing is imported."""
    return sorted(name for name in set(operators) - _registered() if not name.startswith("_"))


@functools.cache
def _registered() -> frozenset[str]:
    """Return the operators with a Python function in TensorFlow, read from the files of its generated functions."""
    known = set(_OF_GRAPHS)
    for folder in tensorflow_folders():
        for file in Path(folder, "python").rglob("gen_*.py"):
            known.update((one or other).decode() for one, other in _WRAPPED.findall(file.read_bytes()))
    return frozenset(known)


def refuse_without_kernel(path: object, held: Iterable[str], run: Iterable[str] | None = None) -> None:
    """Raise InvalidSource for operators of `held` that TensorFlow does not know, and for those of `run` (all, if None) without a CPU kernel."""
    from tensorflow.python.framework import kernels, op_def_registry

    names = sorted(set(held))
    unknown = [name for name in names if op_def_registry.get(name) is None]
    idle = [
        name
        for name in sorted(set(names if run is None else run))
        if name not in unknown
        and name not in _OF_GRAPHS
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
            "name the interpreter with which it was made: --python source=/path/to/python; an operator of another library cannot run on a device",
        )
