"""What a graph's operators give away: that they reach for files, Python or the network, draw random numbers, or have no kernel here.

What each operator can do is listed in `operators.txt`. What is listed as harmless passes; what is not, and what is in no list, needs the user's
`--trust`. Where an operator stands, and what it is given, decides for some: see `reach`.
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
"""What is said of an operator that is in no list, or that nobody has looked at."""
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
_OF_GRAPHS = {"_Arg", "_Retval", "Placeholder", "Const", "RefEnter", "RefExit", "RefMerge", "RefNextIteration", "RefSwitch"}  # fmt: skip


@functools.cache
def kinds() -> dict[str, str]:
    """Return what `operators.txt` says of each operator: one of the four kinds above, or what it can do ("reads files")."""
    found: dict[str, str] = {}
    kind = ""
    for line in _LISTS.read_text().splitlines():
        if line.startswith("["):
            kind = line[1 : line.index("]")]
        elif not line.startswith("#"):
            found.update(dict.fromkeys(line.split(), kind))
    return found


def abilities(operators: Iterable[str]) -> list[str]:
    """Return `WriteFile (writes files)` for each operator that can do harm or is not known not to, sorted; told by names alone.

    What is harmless on a condition is passed over here: `reach` looks at it where the graph is at hand. Operators that only a device's runtime
    has are none of TensorFlow's, which cannot run them.
    """
    said = {name: ability(name) for name in set(operators) - BUILT_IN}
    return [f"{name} ({said[name]})" for name in sorted(said) if said[name] not in (None, ON_CONDITION)]


def ability(name: str) -> str | None:
    """Return what an operator can do, told by its name alone; None for a harmless one, ON_CONDITION for one whose attributes or inputs tell."""
    kind = kinds().get(name, UNKNOWN)
    return {HARMLESS: None, UNKNOWN: NOT_KNOWN, SAVER: "reads and writes files"}.get(kind, kind)


def random_operators(operators: Iterable[str]) -> list[str]:
    """Return the operators that draw random numbers, sorted."""
    return sorted(name for name in set(operators) if _RANDOM.fullmatch(name))


def is_stateful(operators: Iterable[str]) -> bool:
    """Return whether a call changes variables, so that the next one begins from others."""
    return any(_CHANGING.fullmatch(name) for name in operators)


def refuse_reaching(path: object, reached: Iterable[str], trust: bool) -> None:  # noqa: FBT001 (as it was requested)
    """Raise InvalidSource for what reaches out of a model, or is not known to be harmless, where the user does not `trust` it."""
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
    """Return what is to be said about a graph's operators, without TensorFlow; `reached` is what `reach` found of them."""
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
    """Return the operators that the installed TensorFlow has no Python function for, sorted; nothing is imported for it."""
    return sorted(name for name in set(operators) - _registered() if not name.startswith("_"))


@functools.cache
def _registered() -> frozenset[str]:
    """Return the operators that TensorFlow has Python functions for, read from the files in which it has generated these."""
    known = set(_OF_GRAPHS)
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
