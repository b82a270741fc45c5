"""A flat graph as an original: a training graph with restored variables, a frozen graph, or a signature that is cut at inner tensors.

Comparisons use the graph as it was saved, run in a session with its placeholders fed. The canonical form is the part that the outputs need, with
constants for variables and bound placeholders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from toolkit.engines.tensorflow.graph import Graph, Session
from toolkit.engines.tensorflow.graph_def import GraphDef, NodeDef
from toolkit.engines.tensorflow.messages import sizes
from toolkit.engines.tflite.device_operators import BUILT_IN
from toolkit.errors import InvalidSource, UnknownName
from toolkit.findings import Finding
from toolkit.source.loading import DEFAULT_KEY, Arrays, LoadedOriginal
from toolkit.source.loading.graphs import device
from toolkit.source.loading.graphs.calls import refuse_endless
from toolkit.source.loading.graphs.cut import (
    needed,
    node_of,
    nodes_of,
    operators_in,
    operators_needed,
    prune_library,
    spelled,
)
from toolkit.source.loading.graphs.described import refuse_reach
from toolkit.source.loading.graphs.options import GraphOptions
from toolkit.source.loading.graphs.part import Part, blamed, tensor_of
from toolkit.source.loading.graphs.proposals import Ends, choose
from toolkit.source.loading.graphs.values import bound_value
from toolkit.source.loading.operators import abilities, random_operators, refuse_reaching, refuse_without_kernel


class GraphOriginal(LoadedOriginal):
    """A graph in a session, fed and fetched at named tensors.

    `session` holds the graph as it was saved, with its variables restored; `graph` is its GraphDef, with the shapes that its author knew; `ends` are
    where it is fed and fetched, by signature. Before anything runs: InvalidSource for operators that cannot run or that reach outside, UnknownName
    for tensors that are not there.
    """

    def __init__(
        self,
        loader: str,
        session: Session,
        graph: GraphDef,
        ends: Mapping[str, Ends],
        options: GraphOptions,
        findings: Sequence[Finding] = (),
    ) -> None:
        import tensorflow as tf

        self.engine, self.loader = f"tensorflow {tf.__version__}", loader
        self.findings = list(findings)
        self.signatures, self.operators = [], set()
        self._path, self._session = options.path, session
        self._parts: dict[str, Part] = {}
        self._bound = {
            spelled(name): _bound(self._path, session.graph, name, text) for name, text in options.bind.items()
        }
        for key, end in sorted(ends.items()):
            self._parts[key] = part = Part(self._path, session, graph, end, self._bound)
            used = operators_in(part.graph)
            refuse_without_kernel(self._path, used)
            run = operators_needed(graph, end.outputs.values(), [*end.inputs.values(), *self._bound])
            refuse_reaching(self._path, abilities(used | run), options.trust)
            self.operators |= used
            inputs, outputs, batch = part.declared()
            self.signatures.append({"key": key, "inputs": inputs, "outputs": outputs})
            self.findings += [finding for finding in (batch, _drawn(used)) if finding]

    def call(self, key: str, sample: Arrays) -> Arrays:
        """Return the outputs of one call by name, from the graph as it was saved; repeats of the last row fill a batch of fixed size."""
        part = self._part(key)
        if part.batch is None:
            return self._run(part, sample)
        count = len(next(iter(sample.values())))
        results = []
        for start in range(0, count, part.batch):
            rows = np.minimum(np.arange(start, start + part.batch), count - 1)
            results.append(self._run(part, {name: array[rows] for name, array in sample.items()}))
        return {name: np.concatenate([result[name] for result in results])[:count] for name in part.ends.outputs}

    def save(self, key: str, shapes: dict[str, list[int]], folder: Path) -> None:
        """Write the part that the outputs need as a SavedModel, with placeholders of these shapes and with variables as constants."""
        import tensorflow as tf

        part = self._part(key)
        with (
            tf.compat.v1.Session(graph=tf.Graph()) as session,
            blamed(self._path, f"cannot be cut with shapes {shapes}"),
        ):
            inputs, outputs = part.placed(part.frozen(), {name: [*shapes[name]] for name in part.ends.inputs})
            tf.compat.v1.saved_model.simple_save(session, str(folder), inputs, outputs)

    def _part(self, key: str) -> Part:
        if key not in self._parts:
            raise UnknownName(f"{self._path}: signature", key, self._parts)
        return self._parts[key]

    def _run(self, part: Part, sample: Arrays) -> Arrays:
        feed = {**self._bound, **{tensor: sample[name] for name, tensor in part.ends.inputs.items()}}
        with blamed(self._path, "the original does not run"):
            results = self._session.run(dict(part.ends.outputs), feed)
        return {name: np.asarray(result) for name, result in results.items()}


def frozen_original(
    loader: str, graph: GraphDef, ends: Mapping[str, Ends], options: GraphOptions, findings: Sequence[Finding] = ()
) -> GraphOriginal:
    """Return the original of a GraphDef whose variables are constants already."""
    refuse_endless(options.path, graph)
    taken = refuse_reach(options.path, graph, ends, options)
    imported = import_graph(options.path, taken, ends, options.bind)
    return GraphOriginal(loader, session_of(imported), graph, ends, options, findings)


def cut_original(loader: str, graph: GraphDef, options: GraphOptions) -> GraphOriginal:
    """Return the original of a frozen GraphDef, fed and fetched where the options say, or where the graph leaves one choice."""
    nodes_of(options.path, graph)
    ends, findings = choose(options.path, graph, options)
    return frozen_original(loader, graph, {DEFAULT_KEY: ends}, options, findings)


def session_of(graph: Graph) -> Session:
    """Return a session that runs a graph on the devices of this machine, wherever its author placed it."""
    import tensorflow as tf

    return tf.compat.v1.Session(graph=graph, config=tf.compat.v1.ConfigProto(allow_soft_placement=True))


def import_graph(
    path: str, graph: GraphDef, ends: Mapping[str, Ends], bind: Iterable[str], also: Sequence[str] = ()
) -> Graph:
    """Return a tf.Graph of a GraphDef; InvalidSource where an output, or a tensor of `also`, needs an operator that this TensorFlow lacks."""
    import tensorflow as tf
    from tensorflow.python.framework import op_def_registry

    if any(op_def_registry.get(name) is None for name in operators_in(graph)):
        outputs = [*also, *(tensor for end in ends.values() for tensor in end.outputs.values())]
        stops = [tensor for end in ends.values() for tensor in end.inputs.values()] + [
            spelled(tensor) for tensor in bind
        ]
        graph = _without_unneeded(nodes_of(path, graph), graph, outputs, stops)
        _refuse_device_only(path, graph)
        refuse_without_kernel(path, operators_in(graph))
    made = tf.Graph()
    with made.as_default(), blamed(path, "TensorFlow cannot take the graph"):
        bare = type(graph)()
        bare.CopyFrom(graph)
        for node in bare.node:
            node.device = ""
        tf.graph_util.import_graph_def(bare, name="")
    return made


def _refuse_device_only(path: str, graph: GraphDef) -> None:
    """Raise InvalidSource for operators that only a device's runtime has; the hint says where to cut the graph."""
    if operators_in(graph) & BUILT_IN:
        what, _, proposal = device.findings(graph)[0].message.partition("; ")
        raise InvalidSource(f"{path}: {what}", proposal)


def _without_unneeded(
    nodes: Mapping[str, NodeDef], graph: GraphDef, outputs: Sequence[str], stops: Sequence[str]
) -> GraphDef:
    """Return a graph of the part that runs; fed nodes stay, as placeholders."""
    names, _ = needed(nodes, outputs, stops)
    made = type(graph)()
    made.versions.CopyFrom(graph.versions)
    made.library.CopyFrom(graph.library)
    made.node.extend(node for name, node in nodes.items() if name in names)
    rim = {node_of(edge) for node in made.node for edge in node.input} - names
    made.node.extend(
        nodes[name] for name in sorted(rim | {node_of(tensor) for tensor in stops} - names) if not nodes[name].input
    )
    prune_library(made)
    return made


def _bound(path: str, graph: Graph, name: str, text: str) -> np.ndarray:
    tensor = tensor_of(path, graph, spelled(name))
    return bound_value(path, name, text, tensor.dtype.base_dtype, sizes(tensor.shape.as_proto()))


def _drawn(operators: set[str]) -> Finding | None:
    drawn = random_operators(operators)
    if not drawn:
        return None
    message = f"the outputs depend on random numbers ({', '.join(drawn)}): a dropout that is on, or noise; placeholders are fixed with --bind"
    return Finding("random-operators", "warning", message, names=tuple(drawn))
