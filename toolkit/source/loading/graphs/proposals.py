"""Where a graph is fed and fetched: as the user says, else the only choice that the graph leaves, else an error with a proposal to paste.

`wiring` finds likely inputs and outputs by what depends on what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from toolkit import printable
from toolkit.engines.tensorflow.graph_def import GraphDef
from toolkit.errors import InvalidSource, RequestError
from toolkit.findings import Finding
from toolkit.source.loading.graphs.options import GraphOptions
from toolkit.source.loading.graphs.wiring import Wiring

_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a graph is fed and fetched: {name: tensor}."""

    inputs: dict[str, str]
    outputs: dict[str, str]


def choose(path: object, graph: GraphDef, options: GraphOptions) -> tuple[Ends, list[Finding]]:
    """Return where the graph is fed and fetched, and a finding if the graph decided it and not the user.

    InvalidSource, with flags to paste, where several choices are plausible or a placeholder has no value; UnknownName for tensors that are not there.
    """
    wiring = Wiring(path, graph)
    inputs = {name: wiring.checked("input", tensor) for name, tensor in options.inputs.items()}
    outputs = {name: wiring.checked("output", tensor) for name, tensor in options.outputs.items()}
    bound = [wiring.checked("bind", tensor) for tensor in options.bind]
    _refuse_twice(path, inputs, bound)
    fed = [*inputs.values(), *bound]
    asked = Ends(inputs, outputs)
    if not outputs:
        plausible = wiring.outputs(fed)
        if len(plausible) != 1:
            raise _unclear(path, wiring, asked, bound, plausible)
        outputs = wiring.named(plausible)
    missing = wiring.sources(outputs.values(), fed)
    unbound = [tensor for tensor in missing if inputs or wiring.value(tensor) is not None or wiring.is_string(tensor)]
    if unbound:
        raise _unfed(path, wiring, Ends(inputs, outputs), bound, unbound)
    chosen = Ends(inputs or wiring.named(missing), outputs)
    if not chosen.inputs:
        raise InvalidSource(
            f"{path}: the outputs {', '.join(outputs.values())} do not depend on any input: they are always the same",
            "name the tensors to feed and to fetch: --inputs NAME=TENSOR --outputs NAME=TENSOR",
        )
    if asked == chosen:
        return chosen, []
    said = fragment(chosen, {tensor: options.bind[name] for tensor, name in zip(bound, options.bind, strict=True)})
    message = f"the graph leaves one choice: {said}"
    facts = {"inputs": chosen.inputs, "outputs": chosen.outputs}
    return chosen, [Finding("chosen-tensors", "info", message, facts=facts)]


def fragment(ends: Ends, bind: Mapping[str, str]) -> str:
    """Return `--inputs image=IteratorGetNext:0 --outputs y=NCHW_output:0 --bind keep_prob=1.0`."""
    words = [("--inputs", f"{name}={tensor}") for name, tensor in ends.inputs.items()]
    words += [("--outputs", f"{name}={tensor}") for name, tensor in ends.outputs.items()]
    words += [("--bind", f"{tensor.removesuffix(':0')}={text}") for tensor, text in bind.items()]
    return printable.command(word for pair in words for word in pair)


def _refuse_twice(path: object, inputs: Mapping[str, str], bound: Sequence[str]) -> None:
    tensors = [*inputs.values(), *bound]
    for tensor in tensors:
        if tensors.count(tensor) > 1:
            names = [repr(name) for name, other in inputs.items() if other == tensor] + ["--bind"] * (tensor in bound)
            raise RequestError(f"{path}: {tensor!r} is fed twice, as {' and as '.join(names)}; feed it once")


def _unclear(
    path: object, wiring: Wiring, asked: Ends, bound: Sequence[str], plausible: Sequence[str]
) -> InvalidSource:
    likely = list(plausible) or wiring.outputs([*asked.inputs.values(), *bound], every=True)
    if not likely:
        return InvalidSource(
            f"{path}: no output can be told from this graph",
            "name the tensors: --inputs NAME=TENSOR --outputs NAME=TENSOR",
        )
    shown = ", ".join(likely[:_SHOWN]) + (f" and {len(likely) - _SHOWN} more" if len(likely) > _SHOWN else "")
    return InvalidSource(
        f"{path}: which tensors are the outputs is not clear from the graph; likely are {shown}",
        "name them, for instance: " + _proposed(wiring, Ends(asked.inputs, wiring.named(likely[:1])), bound),
    )


def _unfed(path: object, wiring: Wiring, ends: Ends, bound: Sequence[str], unbound: Sequence[str]) -> InvalidSource:
    names = ", ".join(f"{tensor.removesuffix(':0')} ({wiring.op(tensor)})" for tensor in unbound)
    needs = "need" if len(ends.outputs) > 1 else "needs"
    what = "are neither inputs nor bound" if len(unbound) > 1 else "is neither an input nor bound"
    if all(wiring.is_string(tensor) for tensor in unbound):
        what = "takes strings, which no device's runtime takes"
    return InvalidSource(
        f"{path}: {', '.join(ends.outputs.values())} {needs} {names}, which {what}",
        "for instance: " + _proposed(wiring, ends, bound),
    )


def _proposed(wiring: Wiring, ends: Ends, bound: Sequence[str]) -> str:
    """Return the flags that feed all that the outputs need."""
    missing = wiring.sources(ends.outputs.values(), [*ends.inputs.values(), *bound])
    strings = [
        tensor
        for tensor in {**dict.fromkeys(missing), **dict.fromkeys(ends.inputs.values())}
        if wiring.is_string(tensor)
    ]
    numbers = wiring.behind_strings(ends.outputs.values(), strings) if strings else []
    bind = {tensor: text for tensor in missing if (text := wiring.value(tensor)) is not None}
    given = [tensor for tensor in ends.inputs.values() if tensor not in strings and tensor not in bind]
    fed = [tensor for tensor in [*given, *missing, *numbers] if tensor not in strings and tensor not in bind]
    kept = {tensor: name for name, tensor in ends.inputs.items()}
    inputs = {kept.get(tensor, name): tensor for name, tensor in wiring.named(list(dict.fromkeys(fed))).items()}
    return fragment(Ends(inputs, ends.outputs), bind)
