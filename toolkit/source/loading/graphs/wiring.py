"""Which tensors of a graph depend on which, and so what they probably are: inputs, switches of training, answers, losses.

A training graph holds dozens of tensors that nothing consumes, and does not say which one is the model's answer. An answer
needs inputs and variables; a loss needs an answer and labels.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from toolkit.engines.tensorflow.graph_def import GraphDef, NodeDef, TensorShapeProto
from toolkit.errors import UnknownName
from toolkit.source.loading.graphs.cut import SOURCES, VARIABLES, attribute, dtype_of, needed, node_of, spelled

_TRAINING = frozenset(
    "gradients gradient grads save saver init init_all_tables init_all_vars optimizer optimize summaries summary adam adamw adagrad "
    "adadelta adamax nadam rmsprop momentum ftrl gradientdescent sgd lamb train_op metrics report_uninitialized_variables "
    "exponentialmovingaverage is_initialized isvariableinitialized checkpoint_initializer".split()
)
_NO_RESULT = re.compile(
    r"NoOp|Assert|Print\w*|Assign\w*|\w*Summary\w*|Save\w*|Restore\w*|\w*Apply\w*|\w*Scatter\w*|Shape|ShapeN|Size|Rank|Const"
    r"|Placeholder\w*|Variable\w*|VarHandleOp|VarIsInitializedOp|IsVariableInitialized|\w*Iterator\w*|\w*Dataset\w*|\w*Queue\w*"
    r"|\w*Enqueue\w*|\w*Grad|\w*Backprop\w*|BroadcastGradientArgs|TensorArrayClose\w*|TensorArrayV3|Switch|RefSwitch|Enter"
    r"|NextIteration|LoopCond|Stack\w*|\w*Barrier\w*|InTopK\w*|All|Any|Equal|NotEqual|Unstage|Stage"
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
_MOST_OUTPUTS = 32  # of one operator; more are not examined


class Wiring:
    """Which tensors of a graph depend on which.

    `sources` are where a graph is fed: placeholders, iterators, queues. `outputs` come in the order of likelihood: first tensors that only training
    consumes, then tensors that a loss is made of. A measure (a loss, an accuracy) and the second copy of an imported graph count only where there is
    nothing else.
    """

    def __init__(self, path: object, graph: GraphDef) -> None:
        self._path = path
        self._nodes = {node.name: node for node in graph.node}
        self._consumers: dict[str, list[NodeDef]] = {}
        for node in graph.node:
            for edge in node.input:
                if not edge.startswith("^"):
                    self._consumers.setdefault(spelled(edge), []).append(node)

    def checked(self, kind: str, text: str) -> str:
        """Return the tensor's name with its position; UnknownName with the closest where there is none."""
        if node_of(text) in self._nodes and not text.startswith("^"):
            return spelled(text)
        likely = self.outputs([], every=True) if kind == "output" else self._rim()
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
        """Return the sources that outputs need and nothing feeds, in the graph's order; a placeholder with a default is none."""
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
        """Return tensors by the last part of their names, or by the whole name where that part is not unique."""
        found: dict[str, str] = {}
        for tensor in tensors:
            name, _, position = tensor.rpartition(":")
            short = name.rpartition("/")[2] + (f"_{position}" if position != "0" else "")
            whole = name + (f"_{position}" if position != "0" else "")
            found[whole if short in found else short] = tensor
        return found

    def value(self, tensor: str) -> str | None:
        """Return the value to bind a placeholder to for inference; None for one that looks like an input."""
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
        """Return which share of a dropout a number is, "kept" or "dropped"; None where it is neither."""
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
        """Return whether a tensor is RandomUniform, scaled or not."""
        node, depth = self._nodes[node_of(tensor)], 0
        while node.op in ("Add", "AddV2", "Mul", "Identity") and depth < 4:
            node, depth = self._nodes[node_of(node.input[0])], depth + 1
        return bool(node.op == "RandomUniform")

    def behind_strings(self, outputs: Iterable[str], strings: Sequence[str]) -> list[str]:
        """Return the first tensors of numbers behind `strings` that an output needs: decoded or parsed ones."""
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

    def outputs(self, fed: Sequence[str], *, every: bool = False) -> list[str]:
        """Return plausible outputs, the likeliest first; with `every`, measures and copies too."""
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
        # A class that goes into an accuracy is no output of its own where the scores are one.
        made_of = [name for name in made_of if not answers or self._nodes[name].op not in _CHOICES]
        copies = [name for name in [*answers, *made_of] if _is_copy(name, self._nodes)]
        firm = [name for name in [*answers, *made_of] if name not in copies]
        plausible = firm or copies or measures
        ordered = (
            [*plausible, *[name for name in [*copies, *measures] if name not in plausible]] if every else plausible
        )
        return [f"{name}:0" for name in ordered]

    def _rim(self) -> list[str]:
        """Return the tensors of sources that something consumes, without the ones to be bound."""
        found = []
        for name, node in self._nodes.items():
            if node.op in SOURCES:
                tensors = [f"{name}:{position}" for position in range(_MOST_OUTPUTS)]
                found += [tensor for tensor in tensors if tensor in self._consumers and self.value(tensor) is None]
        return found

    def _reach(self, fed: Sequence[str]) -> dict[str, frozenset[str]]:
        """Return the sources that a node's numbers (not only its shape) depend on, for each node."""
        found: dict[str, frozenset[str]] = dict.fromkeys(self._nodes, frozenset())
        for tensor in dict.fromkeys(fed):
            waiting, seen = [tensor], set()
            while waiting:
                for node in self._consumers.get(waiting.pop(), ()):
                    if node.name not in seen and node.op not in _SHAPES and f"{node.name}:0" not in fed:
                        seen.add(node.name)
                        waiting += [
                            made
                            for position in range(_MOST_OUTPUTS)
                            if (made := f"{node.name}:{position}") in self._consumers
                        ]
            for name in seen:
                found[name] |= {tensor}
        return found

    def _peeled(self, forward: set[str]) -> list[str]:
        """Remove from `forward` the last nodes that give no result, again and again; return the nodes that nothing left in it consumes."""
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
        return [tensor for position in range(_MOST_OUTPUTS) if (tensor := f"{name}:{position}") in self._consumers]

    def _is_measure(self, name: str, reach: Mapping[str, frozenset[str]]) -> bool:
        """Return whether a node measures an answer: by its name, or because it is one number from two or more sources."""
        if _MEASURE.search(name.lower()):
            return True
        known = attribute(self._nodes[name], "_output_shapes")
        shapes: list[TensorShapeProto] = [] if known is None else list(known.list.shape)
        return bool(shapes) and not shapes[0].unknown_rank and not shapes[0].dim and len(reach[name]) > 1

    def _parts(self, measures: Sequence[str], forward: set[str], reach: Mapping[str, frozenset[str]]) -> list[str]:
        """Return inputs of the measures that depend on variables, and on fewer sources than the measure."""
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
        """Return the nodes that depend on variables; all nodes where the graph has no variables."""
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


def _is_copy(name: str, nodes: Mapping[str, NodeDef]) -> bool:
    """Return whether a node is the copy of another one, from a second import of the same graph."""
    plain = name
    while (shorter := re.sub(r"_\d+$", "", plain)) != plain:
        plain = shorter
        if plain in nodes and nodes[plain].op == nodes[name].op and len(nodes[plain].input) == len(nodes[name].input):
            return True
    return False
