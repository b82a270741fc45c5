"""Where a graph is to be fed and fetched: what the user says, else what the graph alone allows, else a proposal to paste.

A training graph holds dozens of tensors that nothing consumes, and says nowhere which one is the model's answer. What is likely is told by what it depends on: an
answer needs inputs and variables, a loss needs an answer and labels too.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.errors import InvalidSource, RequestError, UnknownName
from toolkit.sources._cut import SOURCES, VARIABLES, attribute, dtype_of, needed, node_of, spelled

_TRAINING = frozenset(
    ("gradients", "gradient", "grads", "save", "saver", "init", "init_all_tables", "init_all_vars", "optimizer", "optimize", "summaries", "summary")
    + ("adam", "adamw", "adagrad", "adadelta", "adamax", "nadam", "rmsprop", "momentum", "ftrl", "gradientdescent", "sgd", "lamb", "train_op", "metrics")
    + ("report_uninitialized_variables", "exponentialmovingaverage", "is_initialized", "isvariableinitialized", "checkpoint_initializer")
)  # fmt: skip
_NO_RESULT = re.compile(
    r"NoOp|Assert|Print\w*|Assign\w*|\w*Summary\w*|Save\w*|Restore\w*|\w*Apply\w*|\w*Scatter\w*|Shape|ShapeN|Size|Rank|Const|Placeholder\w*|Variable\w*|VarHandleOp"
    r"|VarIsInitializedOp|IsVariableInitialized|\w*Iterator\w*|\w*Dataset\w*|\w*Queue\w*|\w*Enqueue\w*|\w*Grad|\w*Backprop\w*|BroadcastGradientArgs|Merge\w*Summary"
    r"|TensorArrayClose\w*|TensorArrayV3|Switch|RefSwitch|Enter|NextIteration|LoopCond|Stack\w*|\w*Barrier\w*|InTopK\w*|All|Any|Equal|NotEqual|Unstage|Stage"
)
_SHAPES = ("Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike", "BroadcastGradientArgs")
_CHOICES = ("ArgMax", "ArgMin", "TopK", "TopKV2", "Round", "Greater", "GreaterEqual", "Less", "LessEqual", "Cast")
_MEASURE = re.compile(
    r"loss|cost|accuracy|(^|[/_])acc($|[/_])|error|psnr|ssim|metric|mse|rmse|precision|recall|entropy|correct|perplexity|xent|l2_"
)
_PASSING = (
    "Identity",
    "StopGradient",
    "Cast",
    "Reshape",
    "Squeeze",
    "ExpandDims",
    "Enter",
    "Switch",
    "RefSwitch",
    "Merge",
)
_STRING, _BOOL = 7, 10  # of DataType
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a graph is fed and fetched: {name: tensor}."""

    inputs: dict[str, str]
    outputs: dict[str, str]


def named_tensors(flag: str, texts: Iterable[str]) -> dict[str, str]:
    """Return {name: tensor} of `image=IteratorGetNext:0`, or of `pred`, whose name is the operator's; RequestError for a name or an input given twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, tensor = text.partition("=")
        name, tensor = (name, tensor) if equals else (node_of(text), text)
        if not name or not tensor:
            raise RequestError(f"{flag} {text!r}: expected NAME=TENSOR, as in {flag} image=IteratorGetNext:0")
        if name in found:
            raise RequestError(
                f"{flag} {text!r}: {name!r} is {found[name]!r} already",
                f"give each a name of its own: {flag} NAME={tensor}",
            )
        found[name] = tensor
    return found


def choose(path: object, graph: Any, options: Mapping[str, Any]) -> tuple[Ends, list[dict[str, Any]]]:
    """Return where the graph is fed and fetched, and a finding if that was not said but seen; see `Wiring` for what is proposed.

    InvalidSource, with what can be pasted into the command line, where several things are plausible or a placeholder stays without value; UnknownName for tensors
    that are not there.
    """
    wiring = Wiring(path, graph)
    inputs = {name: wiring.checked("input", tensor) for name, tensor in options["inputs"].items()}
    outputs = {name: wiring.checked("output", tensor) for name, tensor in options["outputs"].items()}
    bound = [wiring.checked("bind", tensor) for tensor in options["bind"]]
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
            f"{path}: the outputs {', '.join(outputs.values())} depend on no input: they are the same whatever comes in",
            "name the tensors to feed and to fetch: --inputs NAME=TENSOR --outputs NAME=TENSOR",
        )
    if asked == chosen:
        return chosen, []
    said = fragment(
        chosen, {tensor: options["bind"][name] for tensor, name in zip(bound, options["bind"], strict=True)}
    )
    message = f"the graph leaves one choice: {said}"
    return chosen, [
        {
            "code": "chosen-tensors",
            "severity": "info",
            "message": message,
            "inputs": chosen.inputs,
            "outputs": chosen.outputs,
        }
    ]


def fragment(ends: Ends, bind: Mapping[str, str]) -> str:
    """Return `--inputs image=IteratorGetNext:0 --outputs y=NCHW_output:0 --bind keep_prob=1.0`."""
    parts = [f"--inputs {name}={tensor}" for name, tensor in ends.inputs.items()]
    parts += [f"--outputs {name}={tensor}" for name, tensor in ends.outputs.items()]
    return " ".join(parts + [f"--bind {tensor.removesuffix(':0')}={text}" for tensor, text in bind.items()])


def _refuse_twice(path: object, inputs: Mapping[str, str], bound: Sequence[str]) -> None:
    tensors = [*inputs.values(), *bound]
    for tensor in tensors:
        if tensors.count(tensor) > 1:
            names = [repr(name) for name, other in inputs.items() if other == tensor] + ["--bind"] * (tensor in bound)
            raise RequestError(f"{path}: {tensor!r} is fed twice, as {' and as '.join(names)}; once would be right")


def _unclear(
    path: object, wiring: Wiring, asked: Ends, bound: Sequence[str], plausible: Sequence[str]
) -> InvalidSource:
    likely = list(plausible) or wiring.outputs([*asked.inputs.values(), *bound], all_=True)
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
        what = "takes strings, which no device is fed with"
    return InvalidSource(
        f"{path}: {', '.join(ends.outputs.values())} {needs} {names}, which {what}",
        "for instance: " + _proposed(wiring, ends, bound),
    )


def _proposed(wiring: Wiring, ends: Ends, bound: Sequence[str]) -> str:
    """Return the command line that feeds all that outputs need."""
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


class Wiring:
    """Which tensors of a graph depend on which.

    `sources` is what a graph is fed with at its rim: placeholders, iterators, queues. `outputs` are in the order of likelihood: what nothing but training consumes,
    then what a loss is made of; a measure (a loss, an accuracy) is none as long as there is another, and neither is the second copy of an imported graph.
    """

    def __init__(self, path: object, graph: Any) -> None:
        self._path = path
        self._nodes = {node.name: node for node in graph.node}
        self._consumers: dict[str, list[Any]] = {}
        for node in graph.node:
            for edge in node.input:
                if not edge.startswith("^"):
                    self._consumers.setdefault(spelled(edge), []).append(node)

    def checked(self, kind: str, text: str) -> str:
        """Return the tensor's name with its position; UnknownName with the closest where there is none."""
        if node_of(text) in self._nodes and not text.startswith("^"):
            return spelled(text)
        likely = self.outputs([], all_=True) if kind == "output" else self._rim()
        close = difflib.get_close_matches(node_of(text), self._nodes, n=3, cutoff=0.5)
        lower = [name for name in self._nodes if name.lower() == node_of(text).lower()]
        ends = [name for name in self._nodes if name.rpartition("/")[2] == node_of(text).rpartition("/")[2]][:3]
        known = dict.fromkeys([*lower, *ends, *close, *[node_of(tensor) for tensor in likely[:_SHOWN]]])
        raise UnknownName(
            f"{self._path}: {kind}", text, known, "names are those of the graph's operators, scopes included"
        )

    def op(self, tensor: str) -> str:
        """Return the operator that makes a tensor."""
        return str(self._nodes[node_of(tensor)].op)

    def is_string(self, tensor: str) -> bool:
        """Return whether a placeholder takes strings."""
        return dtype_of(self._nodes[node_of(tensor)], int(tensor.rpartition(":")[2])) == _STRING

    def sources(self, outputs: Iterable[str], fed: Iterable[str]) -> list[str]:
        """Return the tensors at the rim that outputs need and nothing feeds, in the graph's order; defaults stay what they are."""
        nodes, edges = needed(self._nodes, outputs, fed)
        rim = {
            name
            for name in nodes
            if self._nodes[name].op in SOURCES and self._nodes[name].op != "PlaceholderWithDefault"
        }
        tensors = {tensor for tensor in edges if node_of(tensor) in rim}
        order = {name: position for position, name in enumerate(self._nodes)}
        return sorted(tensors, key=lambda tensor: (order[node_of(tensor)], tensor))

    def named(self, tensors: Sequence[str]) -> dict[str, str]:
        """Return tensors under the last part of their names, or all of it where that is not one of a kind."""
        found: dict[str, str] = {}
        for tensor in tensors:
            name, _, position = tensor.rpartition(":")
            short = name.rpartition("/")[2] + (f"_{position}" if position != "0" else "")
            whole = name + (f"_{position}" if position != "0" else "")
            found[whole if short in found else short] = tensor
        return found

    def value(self, tensor: str) -> str | None:
        """Return what a placeholder is to be bound to for inference; None for one that looks like an input."""
        node = self._nodes[node_of(tensor)]
        if not node.op.startswith("Placeholder"):
            return None
        if dtype_of(node) == _BOOL:
            return "false"
        shape = attribute(node, "shape")
        if shape is not None and shape.shape.dim:
            return None
        name = node.name.rpartition("/")[2].lower()
        if role := self._in_dropout(spelled(tensor)):
            return "1.0" if role == "kept" else "0.0"
        if "keep" in name:
            return "1.0"
        if re.search(r"drop", name):
            return "0.0"
        return "0" if re.search(r"is_?train|training|phase", name) else None

    def _in_dropout(self, tensor: str) -> str | None:
        """Return whether a number is the part of dropout that is "kept", or "dropped", None where it is neither."""
        waiting, seen = [(tensor, False)], set()
        while waiting:
            here, flipped = waiting.pop()
            for node in self._consumers.get(here, ()):
                others = [spelled(edge) for edge in node.input if not edge.startswith("^") and spelled(edge) != here]
                if node.op in ("Add", "AddV2") and any(self._is_drawn(other) for other in others):
                    return "dropped" if flipped else "kept"
                if node.op in ("GreaterEqual", "Less") and any(self._is_drawn(other) for other in others):
                    return "kept" if flipped or node.op == "Less" else "dropped"
                if node.name not in seen and node.op in (*_PASSING, "Sub"):
                    seen.add(node.name)
                    turned = node.op == "Sub" and spelled(node.input[1]) == here
                    waiting += [(f"{node.name}:{position}", flipped != turned) for position in (0, 1)]
        return None

    def _is_drawn(self, tensor: str) -> bool:
        """Return whether a tensor is RandomUniform, scaled at most."""
        node, depth = self._nodes[node_of(tensor)], 0
        while node.op in ("Add", "AddV2", "Mul", "Identity") and depth < 4:
            node, depth = self._nodes[node_of(node.input[0])], depth + 1
        return bool(node.op == "RandomUniform")

    def behind_strings(self, outputs: Iterable[str], strings: Sequence[str]) -> list[str]:
        """Return the first tensors behind those that take strings, as far as an output needs them: what is decoded or parsed."""
        inside, edges = needed(self._nodes, outputs, ())
        found: dict[str, None] = {}
        waiting = list(strings)
        seen: set[str] = set()
        while waiting:
            for node in self._consumers.get(waiting.pop(), ()):
                if node.name in seen or node.name not in inside:
                    continue
                seen.add(node.name)
                made = sorted(tensor for tensor in edges if node_of(tensor) == node.name)
                if node.op in _PASSING or node.op.startswith("String") or dtype_of(node) == _STRING:
                    waiting += made
                else:
                    found.update(dict.fromkeys(made))
        return list(found)

    def outputs(self, fed: Sequence[str], all_: bool = False) -> list[str]:
        """Return what is plausible as output, the likeliest first; `all_` of it, measures and copies too."""
        reach = self._reach([*fed, *self._rim()])
        forward = {name for name, sources in reach.items() if sources and not _of_training(name)}
        sinks = self._peeled(forward)
        if fed:
            wanted = {tensor for tensor in fed if self.value(tensor) is None}
            sinks = [name for name in sinks if wanted & reach[name]] or sinks
        weighed = self._weighed()
        sinks = [name for name in sinks if name in weighed] or sinks
        measures = [name for name in sinks if self._is_measure(name, reach)]
        answers = [name for name in sinks if name not in measures]
        made_of = [name for name in self._parts(measures, forward, reach) if not self._feeds(name, answers)]
        # The class of which an accuracy is made is no answer of its own where the scores are one.
        made_of = [name for name in made_of if not answers or self._nodes[name].op not in _CHOICES]
        copies = [name for name in [*answers, *made_of] if _is_copy(name, self._nodes)]
        firm = [name for name in [*answers, *made_of] if name not in copies]
        plausible = firm or copies or measures
        ordered = [*plausible, *[name for name in [*copies, *measures] if name not in plausible]] if all_ else plausible
        return [f"{name}:0" for name in ordered]

    def _rim(self) -> list[str]:
        """Return the tensors of placeholders, iterators and queues that something consumes, without the ones to be bound."""
        found = []
        for name, node in self._nodes.items():
            if node.op in SOURCES:
                tensors = [f"{name}:{position}" for position in range(32)]
                found += [tensor for tensor in tensors if tensor in self._consumers and self.value(tensor) is None]
        return found

    def _reach(self, fed: Sequence[str]) -> dict[str, frozenset[str]]:
        """Return for each node the tensors at the rim that its numbers, not just its shape, depend on."""
        found: dict[str, frozenset[str]] = dict.fromkeys(self._nodes, frozenset())
        for tensor in dict.fromkeys(fed):
            waiting, seen = [tensor], set()
            while waiting:
                for node in self._consumers.get(waiting.pop(), ()):
                    if node.name not in seen and node.op not in _SHAPES and f"{node.name}:0" not in fed:
                        seen.add(node.name)
                        waiting += [
                            made for position in range(8) if (made := f"{node.name}:{position}") in self._consumers
                        ]
            for name in seen:
                found[name] |= {tensor}
        return found

    def _peeled(self, forward: set[str]) -> list[str]:
        """Return the nodes that nothing in `forward` consumes, after those are gone that give no result; `forward` keeps the rest."""
        consumers = {
            name: {node.name for tensor in self._made(name) for node in self._consumers[tensor]} for name in forward
        }
        waiting = list(forward)
        while waiting:
            name = waiting.pop()
            if name in forward and not consumers[name] & forward and _NO_RESULT.fullmatch(self._nodes[name].op):
                forward.discard(name)
                waiting += [node_of(edge) for edge in self._nodes[name].input if node_of(edge) in forward]
        return [name for name in self._nodes if name in forward and not consumers[name] & forward]

    def _made(self, name: str) -> list[str]:
        return [tensor for position in range(32) if (tensor := f"{name}:{position}") in self._consumers]

    def _is_measure(self, name: str, reach: Mapping[str, frozenset[str]]) -> bool:
        """Return whether a node tells how good an answer is: by its name, or as one number of two or more sources."""
        if _MEASURE.search(name.lower()):
            return True
        known = attribute(self._nodes[name], "_output_shapes")
        shapes = known.list.shape if known is not None else ()
        return bool(shapes) and not shapes[0].unknown_rank and not shapes[0].dim and len(reach[name]) > 1

    def _parts(self, measures: Sequence[str], forward: set[str], reach: Mapping[str, frozenset[str]]) -> list[str]:
        """Return what depends on variables and on fewer sources than the measure that is made of it."""
        weighed = self._weighed()
        above, _ = needed(self._nodes, [f"{name}:0" for name in measures], ())
        found: dict[str, None] = {}
        for name in sorted(above & forward):
            for edge in self._nodes[name].input:
                part = node_of(edge)
                if not edge.startswith("^") and part in forward & weighed and reach[part] < reach[name]:
                    found[part] = None
        return [name for name in self._nodes if name in found]

    def _weighed(self) -> set[str]:
        """Return the nodes that depend on variables; on anything at all where the graph has none any more."""
        waiting = [tensor for name, node in self._nodes.items() if node.op in VARIABLES for tensor in self._made(name)]
        if not waiting:
            return set(self._nodes)
        seen: set[str] = set()
        while waiting:
            for node in self._consumers.get(waiting.pop(), ()):
                if node.name not in seen:
                    seen.add(node.name)
                    waiting += self._made(node.name)
        return seen

    def _feeds(self, name: str, answers: Sequence[str]) -> bool:
        above, _ = needed(self._nodes, [f"{answer}:0" for answer in answers], ())
        return name in above


def _of_training(name: str) -> bool:
    parts = [re.sub(r"(_\d+)+$", "", part) for part in name.lower().split("/")]
    return any(part in _TRAINING or part.startswith("assert") for part in parts)


def _is_copy(name: str, nodes: Mapping[str, Any]) -> bool:
    """Return whether a node is what a second import of the same graph made of another one."""
    plain = name
    while (shorter := re.sub(r"_\d+$", "", plain)) != plain:
        plain = shorter
        if plain in nodes and nodes[plain].op == nodes[name].op and len(nodes[plain].input) == len(nodes[name].input):
            return True
    return False
