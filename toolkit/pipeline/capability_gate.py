"""What a target cannot run or hold, seen from an artifact's bytes before anything runs it.

Each use of an operator is looked up in the table of the target's runtime (`toolkit.profiles.capabilities`), sizes in its budget, and shapes in its
limits. What a table does not know is refused by none: the run decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from toolkit import launchers, printable, registry
from toolkit.conversion.artifacts import Artifact
from toolkit.engines.description import OperatorUse
from toolkit.errors import EdgeToolkitError
from toolkit.findings import Finding
from toolkit.pipeline import rewriting
from toolkit.verdict.refusals import DoesNotFit, Unsupported

if TYPE_CHECKING:
    from toolkit.profiles import Target
    from toolkit.profiles.capabilities import Answer, Capabilities

_SHOWN = 5
_CUSTOM = "CUSTOM "
_NEWER = "a newer runtime on the device (another `runtime.version` in its profile)"


def refusal(artifact: Artifact, target: Target) -> EdgeToolkitError | None:
    """Return why a target cannot run an artifact (Unsupported), or cannot hold it (DoesNotFit); None where nothing is known against it."""
    found = [each for each in findings(artifact.uses, artifact.scheme, target) if each.is_error]
    found += [*open_sizes(artifact, target), *floats(artifact, target), *aborts(artifact, target)]
    if found:
        return Unsupported(*_told(target, found), found)
    spent = over_budget(artifact, target)
    return does_not_fit(target, spent) if spent else None


def does_not_fit(target: Target, spent: Sequence[Finding]) -> DoesNotFit:
    """Return the error of budgets that are exceeded, by their findings."""
    return DoesNotFit(*_told(target, spent), spent)


def refusal_of_floats(uses: Sequence[OperatorUse], target: Target) -> EdgeToolkitError | None:
    """Return why a target cannot run any artifact of a model, whatever the scheme: an operator of its float artifact that the runtime lacks."""
    found = [each for each in findings(uses, "every scheme", target) if each.is_error and each.code != "operator-dtype"]
    missing = [each for each in found if each.code != "operator-version"]
    return Unsupported(*_told(target, missing), missing) if missing else None


def findings(uses: Iterable[OperatorUse], scheme: str, target: Target) -> list[Finding]:
    """Return an error for each use of an operator that the target's runtime lacks, and an information about what its table does not know."""
    table = _table(target)
    if table is None:
        return [_not_probed(target)]
    answers = [(use, table.answer(use)) for use in uses]
    lacking = [_lacking(use, answer, table, scheme, target) for use, answer in answers if answer.is_lacking]
    return [*lacking, *_unknown([use for use, answer in answers if answer.status == "unknown"], table)]


def not_known(artifact: Artifact, target: Target) -> list[Finding]:
    """Return the finding that the target's runtime was not probed, or that its table lacks operators of an artifact; only the run decides then."""
    table, budget = _table(target), budget_not_known(artifact, target)
    if table is None:
        return [_not_probed(target), *budget]
    return [*_unknown([use for use in artifact.uses if not table.knows(use["name"])], table), *budget]


def _table(target: Target) -> Capabilities | None:
    from toolkit.profiles import capabilities

    if not target.runtime.has_tables:
        return None
    return capabilities.find(target.runtime.probed, target.runtime.version)


def _not_probed(target: Target) -> Finding:
    runtime = f"{target.runtime.name} {target.runtime.version}"
    message = f"which operators {runtime} has was not probed; the run decides"
    if not target.runtime.has_tables:
        return Finding("capabilities-not-known", "info", message)
    asked = runtime.replace(" ", "==") if launchers.is_host(target.runtime.launcher) else target.name
    fix = f"edge-toolkit targets probe {asked}"
    return Finding("capabilities-not-known", "info", message, fix=fix)


def open_sizes(artifact: Artifact, target: Target) -> list[Finding]:
    """Return the finding about inputs whose sizes an artifact leaves open, for a runtime that takes fixed sizes only.

    A batch that a rewrite fixes is none of them.
    """
    fixed = 1 if rewriting.is_possible(target) else 0
    shapes = {spec.name: (None,) * 2 if spec.shape is None else spec.shape for spec in artifact.signature.inputs}
    names = tuple(name for name, shape in shapes.items() if None in shape[fixed:])
    if not target.runtime.static_shapes or not names:
        return []
    message = f"{target.runtime.name} takes no open sizes, which {', '.join(names)} of {artifact.scheme} has"
    fix = f"give the size that the device feeds: --shape {names[0]}=SIZES (as 1,224,224,3)"
    return [Finding("dynamic-shape", "error", message, fix=fix, names=names)]


def floats(artifact: Artifact, target: Target) -> list[Finding]:
    """Return the finding about operators that take or give floats, for a target that computes in integers only."""
    found = (use for use in artifact.uses if any(each.startswith(("float", "bfloat")) for each in _dtypes(use)))
    names = tuple(dict.fromkeys(use["name"] for use in found)) if target.conversion.integers_only else ()
    if not names:
        return []
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    message = f"computes in integers only; {artifact.scheme} has floats in {shown}"
    fix = f"build it with --scheme {target.schemes[0]} and a calibration set, with integer inputs and outputs"
    return [Finding("not-integer", "error", message, fix=fix, names=names)]


def aborts(artifact: Artifact, target: Target) -> list[Finding]:
    """Return the findings about what ends a runtime's process, or what none of its tensors may be."""
    runtime = registry.load("execution/runtimes", target.runtime.name)
    least, step = getattr(runtime, "LEAST_SOFTMAX_STEP", None), artifact.softmax_step
    found = []
    if least is not None and step is not None and not step > least:
        message = f"{target.runtime.name} aborts on a SOFTMAX of integers whose beta times scale is {step:.3g}; expected more than {least:.3g}"
        fix = "the calibration set gives that softmax no range to speak of: check the samples and the layer before it"
        found.append(Finding("softmax-scale", "error", message, fix=fix, names=("SOFTMAX",)))
    lacks = set(getattr(runtime, "LACKS_DTYPES", ()))
    ends = {spec.dtype for side in (artifact.signature.inputs, artifact.signature.outputs) for spec in side}
    has = sorted(lacks & {*ends, *(each for use in artifact.uses for each in _dtypes(use))})
    if has:
        message = (
            f"{target.runtime.name} has no tensors of {', '.join(has)}; {artifact.scheme} of this model needs them"
        )
        fix = "leave that part to the application, and cut the model behind it (--inputs)"
        found.append(Finding("dtype-missing", "error", message, fix=fix, names=tuple(has)))
    return found


def _dtypes(use: OperatorUse) -> list[str]:
    return [*use["takes"], *use["gives"]]


def over_budget(artifact: Artifact, target: Target) -> list[Finding]:
    """Return the findings about budgets of the target that an artifact's bytes exceed."""
    budget = target.budget
    spent = (
        ("file", "file_bytes", "the file has", artifact.size_bytes, budget.file_bytes),
        ("flash", "flash_bytes", "the file has", artifact.size_bytes, budget.flash_bytes),
        ("memory", "arena_bytes", "tensors take at least (estimated)", artifact.arena_bytes, budget.arena_bytes),
    )
    return [
        Finding(
            f"{what}-over-budget",
            "error",
            f"{artifact.scheme}: {said} {size} bytes, the budget is {limit}",
            fix=f"take another scheme or a smaller model, or raise budget.{name} in the profile",
            facts={"spent": size, "limit": limit},
        )
        for what, name, said, size, limit in spent
        if size is not None and limit is not None and size > limit
    ]


def budget_not_known(artifact: Artifact, target: Target) -> list[Finding]:
    """Return the finding that a budget of memory is not checked, as nothing estimates what an artifact's tensors take."""
    if target.budget.arena_bytes is None or artifact.arena_bytes is not None:
        return []
    message = f"budget.arena_bytes is not checked: nothing estimates the memory of {artifact.path.suffix} files"
    return [Finding("memory-not-known", "inconclusive", message)]


def _lacking(use: OperatorUse, answer: Answer, table: Capabilities, scheme: str, target: Target) -> Finding:
    """Return the finding about one use of an operator that the runtime lacks."""
    name = use["name"].removeprefix(_CUSTOM)
    code, what = _reason(use, answer, f"{table.runtime} {table.version}")
    place = f"operator {use['index']}" + (f" of graph {use['graph']}" if use["graph"] else "")
    more = f", and {use['count'] - 1} more" if use["count"] > 1 else ""
    message = f"{what} ({place}{more}); {scheme} of this model needs it"
    facts = {key: use[key] for key in ("version", "takes", "gives", "graph", "index", "count")}
    return Finding(code, "error", message, fix=_remedy(code, target, scheme), names=(name,), facts=facts)


def _reason(use: OperatorUse, answer: Answer, runtime: str) -> tuple[str, str]:
    """Return the reason code, and the reason in words."""
    name = use["name"].removeprefix(_CUSTOM)
    if name.startswith("Flex"):
        return "flex-operator", f"{runtime} has no TensorFlow kernels (Flex) for {name.removeprefix('Flex')}"
    if use["name"].startswith(_CUSTOM):
        return "custom-operator", f"{runtime} has no custom operator {name}"
    if answer.status == "missing":
        return "operator-missing", f"{runtime} has no operator {name}"
    if answer.status == "version":
        return (
            "operator-version",
            f"{runtime} has no operator {name} version {use['version']}; it has {answer.detail}",
        )
    taken, given = ", ".join(use["takes"]), ", ".join(use["gives"])
    if use["takes"][0].startswith("float") and any(each.startswith(("int8", "int4")) for each in use["takes"][1:2]):
        what = f"{runtime} has no hybrid kernel of {name}, which takes floats and {use['takes'][1]} weights ({taken} -> {given})"
        return "hybrid-operator", f"{what}: {answer.detail}"
    return "operator-dtype", f"{runtime} has no kernel of {name} for {taken} -> {given}: {answer.detail}"


def _remedy(code: str, target: Target, scheme: str) -> str:
    """Return what can be done about a finding with this code."""
    if code in ("flex-operator", "custom-operator"):
        return "replace that part of the model by builtin operators, or cut it off (--outputs) and compute it in the application"
    if code == "hybrid-operator":
        return f"--scheme {target.schemes[0]} with a calibration set quantizes activations too"
    others = [name for name in target.schemes if name != scheme]
    instead = f"another --scheme ({', '.join(others)})" if others else "another --scheme"
    if code == "operator-missing":
        return f"replace that operator in the model, or {_NEWER}"
    return f"choose {instead}, or {_NEWER}"


def _unknown(uses: Sequence[OperatorUse], table: Capabilities) -> list[Finding]:
    """Return the finding that names operators that the table does not know, or not with these dtypes."""
    names = tuple(dict.fromkeys(use["name"] for use in uses))
    if not names:
        return []
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    message = f"the table of {table.runtime} {table.version} does not know {shown} as used here; the run decides"
    return [Finding("operators-not-known", "info", message, names=names)]


def _told(target: Target, found: Sequence[Finding]) -> tuple[str, str | None]:
    """Return the problem, one line for each finding, and the remedies, each once."""
    lines = [f"{target.name}: {each.message} [{each.code}]" for each in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"{target.name}: and {len(found) - _SHOWN} more uses of operators that it lacks")
    remedies = list(dict.fromkeys(each.fix for each in found if each.fix))
    return printable.lines(lines), printable.lines(remedies) if remedies else None
