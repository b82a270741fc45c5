"""A flat graph as an original: a training graph with its variables restored, a frozen graph, a signature that is cut at tensors inside.

What is compared with is the graph as it was saved, run in a session with its placeholders fed. What is saved is the part of it that the outputs need, with
constants for variables and bound placeholders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.errors import InvalidSource, UnknownName, causes
from toolkit.sources import DEFAULT_KEY, Arrays, Original, Spec
from toolkit.sources._cut import (
    SOURCES,
    TABLES,
    VARIABLES,
    cut,
    needed,
    node_of,
    nodes_of,
    operators_in,
    prune_library,
    spelled,
)
from toolkit.sources._dropout import simplified
from toolkit.sources._messages import dtype_name, sizes
from toolkit.sources._proposals import Ends, choose
from toolkit.sources._scan import random_operators, refuse_reaching, refuse_without_kernel
from toolkit.sources._values import bound_value

Shape = list[int | None] | None


class GraphOriginal(Original):
    """A graph in a session, fed and fetched at named tensors.

    `session` holds the graph as it was saved, its variables restored; `graph` is its GraphDef, with the shapes that its author knew; `ends` say by signature where it
    is fed and fetched; `options` are those of the request ("path", "bind", "trust"). InvalidSource for operators that cannot run or that reach outside, UnknownName
    for tensors that are not there: all before anything is run.
    """

    def __init__(
        self,
        loader: str,
        session: Any,
        graph: Any,
        ends: Mapping[str, Ends],
        options: Mapping[str, Any],
        findings: Sequence[Spec] = (),
        coverage: Spec | None = None,
    ) -> None:
        import tensorflow as tf

        self.engine, self.loader = f"tensorflow {tf.__version__}", loader
        self.findings, self.coverage = list(findings), coverage
        self.signatures, self.operators = [], set()
        self._path, self._session = options["path"], session
        self._parts: dict[str, _Part] = {}
        self._bound = {
            spelled(name): _bound(self._path, session.graph, name, text) for name, text in options["bind"].items()
        }
        for key, end in sorted(ends.items()):
            self._parts[key] = part = _Part(self._path, session, graph, end, self._bound)
            used = operators_in(part.graph)
            refuse_without_kernel(self._path, used)
            refuse_reaching(self._path, used, options["trust"])
            self.operators |= used
            inputs, outputs, batch = part.declared()
            self.signatures.append({"key": key, "inputs": inputs, "outputs": outputs})
            self.findings += [finding for finding in (batch, _drawn(used)) if finding]

    def call(self, key: str, sample: Arrays) -> Arrays:
        """Return the outputs of one call by name, of the graph as it was saved; a batch that is baked into it is filled up with repeats."""
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
        """Write the part that the outputs need as a SavedModel, with placeholders of these shapes and variables as constants."""
        import tensorflow as tf

        part = self._part(key)
        with (
            tf.compat.v1.Session(graph=tf.Graph()) as session,
            _blamed(self._path, f"cannot be cut with shapes {shapes}"),
        ):
            inputs, outputs = part.placed(part.frozen(), {name: shapes.get(name) for name in part.ends.inputs})
            tf.compat.v1.saved_model.simple_save(session, str(folder), inputs, outputs)

    def _part(self, key: str) -> _Part:
        if key not in self._parts:
            raise UnknownName(f"{self._path}: signature", key, self._parts)
        return self._parts[key]

    def _run(self, part: _Part, sample: Arrays) -> Arrays:
        feed = {**self._bound, **{tensor: sample[name] for name, tensor in part.ends.inputs.items()}}
        with _blamed(self._path, "the original does not run"):
            results = self._session.run(dict(part.ends.outputs), feed)
        return {name: np.asarray(result) for name, result in results.items()}


class _Part:
    """What the outputs of one signature need of a graph."""

    def __init__(self, path: str, session: Any, graph: Any, ends: Ends, bound: Arrays) -> None:
        self.ends, self.batch = ends, None
        self._path, self._session, self._frozen = path, session, None
        nodes = nodes_of(path, graph)
        for tensor in [*ends.inputs.values(), *ends.outputs.values()]:
            _tensor(path, session.graph, tensor)
        self._refuse_unfed(nodes, bound)
        self._stand_ins = {tensor: f"edge_input_{position}" for position, tensor in enumerate(ends.inputs.values())}
        stand_ins = {tensor: self._placeholder(name, tensor) for tensor, name in self._stand_ins.items()}
        for position, (tensor, value) in enumerate(sorted(bound.items())):
            stand_ins[tensor] = _constant(f"edge_bound_{position}", value)
        part, fetched = cut(graph, ends.outputs.values(), stand_ins), []
        for tensor in ends.outputs.values():
            fetched.append(f"{stand_ins[tensor].name}:0" if tensor in stand_ins else tensor)
        self.graph, self._fetched = simplified(part, fetched)
        self._known = {name: self._shape(nodes, tensor) for name, tensor in ends.inputs.items()}

    def _refuse_unfed(self, nodes: Mapping[str, Any], bound: Iterable[str]) -> None:
        names, _ = needed(nodes, self.ends.outputs.values(), [*self.ends.inputs.values(), *bound])
        unfed = sorted(
            name for name in names if nodes[name].op in SOURCES and nodes[name].op != "PlaceholderWithDefault"
        )
        if unfed:
            raise InvalidSource(
                f"{self._path}: the outputs need {', '.join(unfed)}, which are neither inputs nor bound",
                "feed them with --inputs NAME=TENSOR, or fix their values with --bind NAME=VALUE",
            )
        tables = sorted(name for name in names if nodes[name].op in TABLES)
        if tables:
            raise InvalidSource(
                f"{self._path}: the outputs need the lookup tables {', '.join(tables)}, whose content is not in the graph",
                "cut the graph behind them: --inputs NAME=TENSOR",
            )

    def _placeholder(self, name: str, tensor: str) -> Any:
        import tensorflow as tf

        node = tf.compat.v1.NodeDef(name=name, op="Placeholder")
        node.attr["dtype"].type = _tensor(self._path, self._session.graph, tensor).dtype.base_dtype.as_datatype_enum
        node.attr["shape"].shape.unknown_rank = True
        return node

    def _shape(self, nodes: Mapping[str, Any], tensor: str) -> Shape:
        """Return a tensor's shape as the graph's author knew it: what was told with set_shape is in the file, and is not inferred again."""
        import tensorflow as tf

        inferred, node = _tensor(self._path, self._session.graph, tensor).shape, nodes[node_of(tensor)]
        if "_output_shapes" in node.attr:
            told = tf.TensorShape(node.attr["_output_shapes"].list.shape[int(tensor.rpartition(":")[2])])
            inferred = inferred.merge_with(told) if inferred.is_compatible_with(told) else inferred
        return sizes(inferred.as_proto())

    def declared(self) -> tuple[list[Spec], list[Spec], Spec | None]:
        """Return the specs of inputs and outputs, and what is to be said about their batch."""
        inputs, outputs = self._specs(self._known)
        leading = {shape[0] if shape else None for shape in (spec["shape"] for spec in [*inputs, *outputs])}
        size = next(iter(leading)) if len(leading) == 1 else None
        if size is None or size < 2:
            return inputs, outputs, None
        opened = {name: [None, *(shape or [])[1:]] for name, shape in self._known.items()}
        try:
            open_inputs, open_outputs = self._specs(opened)
            why = self._why_not(opened, size, open_outputs)
        except (InvalidSource, ValueError) as error:
            why = causes(error)
        if why:
            message = f"takes {size} at a time, and the graph cannot be made to take another number: {why}"
            return inputs, outputs, {"code": "batch-baked-in", "severity": "warning", "message": message, "size": size}
        self.batch = size
        message = f"was saved to take {size} at a time; made again to take any number"
        return open_inputs, open_outputs, {"code": "batch-remade", "severity": "info", "message": message, "size": size}

    def _why_not(self, opened: Mapping[str, Shape], size: int, outputs: Sequence[Spec]) -> str | None:
        """Return why a first size is no batch: it is written inside of the graph, or what comes of one row depends on the others."""
        fixed = [
            f"{spec['name']} has the shape {spec['shape']}"
            for spec in outputs
            if not spec["shape"] or spec["shape"][0] is not None
        ]
        if fixed:
            return f"{', '.join(fixed)} whatever comes in"
        import tensorflow as tf

        rows, others = self._made_up(size, 0), self._made_up(size, 1)
        for name, array in others.items():
            array[0] = rows[name][0]
        with tf.compat.v1.Session(graph=tf.Graph()) as session:
            inputs, results = self.placed(self.frozen(), opened)
            runs = [
                session.run(results, {inputs[name]: array for name, array in fed.items()})
                for fed in (rows, others, {name: array[:1] for name, array in rows.items()})
            ]
        for name in results:
            if len(runs[2][name]) != 1:
                return f"{name} has {len(runs[2][name])} rows for one"
            if not np.array_equal(runs[0][name][0], runs[1][name][0], equal_nan=True):
                return f"a row of {name} depends on the other rows"
        return None

    def _made_up(self, size: int, seed: int) -> Arrays:
        """Return rows that differ from each other; sizes that are not known are taken as 1."""
        generator = np.random.default_rng(seed)
        made = {}
        for name, tensor in self.ends.inputs.items():
            shape = [size, *(one or 1 for one in (self._known[name] or [])[1:])]
            dtype = _tensor(self._path, self._session.graph, tensor).dtype.base_dtype.as_numpy_dtype
            drawn = (
                generator.normal(size=shape) if np.issubdtype(dtype, np.floating) else generator.integers(0, 2, shape)
            )
            made[name] = drawn.astype(dtype)
        return made

    def _specs(self, shapes: Mapping[str, Shape]) -> tuple[list[Spec], list[Spec]]:
        import tensorflow as tf

        with tf.Graph().as_default(), _blamed(self._path, "the part that the outputs need is no graph"):
            inputs, outputs = self.placed(self.graph, shapes)
        return _described(inputs), _described(outputs)

    def placed(self, graph: Any, shapes: Mapping[str, Shape]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Import a graph into the one at hand, behind placeholders of these shapes; return inputs and outputs by name."""
        import tensorflow as tf

        dtypes = {node.name: node.attr["dtype"].type for node in graph.node if node.op == "Placeholder"}
        inputs, mapping = {}, {}
        for name, tensor in sorted(self.ends.inputs.items()):
            stand_in = self._stand_ins[tensor]
            place = f"input_{len(inputs)}"
            inputs[name] = tf.compat.v1.placeholder(
                tf.dtypes.as_dtype(dtypes.get(stand_in, 1)), shapes[name], name=place
            )
            mapping[f"{stand_in}:0"] = inputs[name]
        fetched = [tensor for tensor in self._fetched if tensor not in mapping]
        results = dict(zip(fetched, tf.graph_util.import_graph_def(graph, mapping, fetched, name="model"), strict=True))
        outputs = {}
        for name, tensor in zip(self.ends.outputs, self._fetched, strict=True):
            outputs[name] = tf.identity(mapping[tensor]) if tensor in mapping else results[tensor]
        return inputs, outputs

    def frozen(self) -> Any:
        """Return the part with constants for variables."""
        import tensorflow as tf

        if self._frozen is None:
            variables = [node for node in self.graph.node if node.op in VARIABLES]
            with self._session.graph.as_default():
                for node in variables:
                    _readable(self._session.graph, node)
            nodes = sorted({node_of(tensor) for tensor in self._fetched} | set(self._stand_ins.values()))
            with _blamed(self._path, "its variables cannot be made constants"):
                freeze = tf.compat.v1.graph_util.convert_variables_to_constants
                self._frozen = freeze(self._session, self.graph, nodes) if variables else self.graph
        return self._frozen


def frozen_original(
    loader: str, graph: Any, ends: Mapping[str, Ends], options: Mapping[str, Any], findings: Sequence[Spec] = ()
) -> GraphOriginal:
    """Return the original of a GraphDef whose variables are constants already."""
    imported = import_graph(options["path"], graph, ends, options["bind"])
    return GraphOriginal(loader, session_of(imported), graph, ends, options, findings)


def cut_original(loader: str, graph: Any, options: Mapping[str, Any]) -> GraphOriginal:
    """Return the original of a frozen GraphDef, fed and fetched where the request says or where the graph leaves one choice."""
    nodes_of(options["path"], graph)
    ends, findings = choose(options["path"], graph, options)
    return frozen_original(loader, graph, {DEFAULT_KEY: ends}, options, findings)


def session_of(graph: Any) -> Any:
    """Return a session that runs a graph on what there is, wherever it was placed when it was made."""
    import tensorflow as tf

    return tf.compat.v1.Session(graph=graph, config=tf.compat.v1.ConfigProto(allow_soft_placement=True))


def import_graph(path: str, graph: Any, ends: Mapping[str, Ends], bind: Iterable[str], also: Sequence[str] = ()) -> Any:
    """Return a tf.Graph of a GraphDef; operators that this TensorFlow has not are an obstacle only where an output, or what is wanted `also`, needs them."""
    import tensorflow as tf
    from tensorflow.python.framework import op_def_registry

    if any(op_def_registry.get(name) is None for name in operators_in(graph)):
        outputs = [*also, *(tensor for end in ends.values() for tensor in end.outputs.values())]
        stops = [tensor for end in ends.values() for tensor in end.inputs.values()] + [
            spelled(tensor) for tensor in bind
        ]
        graph = _without_unneeded(nodes_of(path, graph), graph, outputs, stops)
        refuse_without_kernel(path, operators_in(graph))
    made = tf.Graph()
    with made.as_default(), _blamed(path, "TensorFlow cannot take the graph"):
        bare = type(graph)()
        bare.CopyFrom(graph)
        for node in bare.node:
            node.device = ""
        tf.graph_util.import_graph_def(bare, name="")
    return made


def _without_unneeded(nodes: Mapping[str, Any], graph: Any, outputs: Sequence[str], stops: Sequence[str]) -> Any:
    """Return a graph without what lies beside or above the part that runs; what is fed stays, as placeholders."""
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


def _tensor(path: str, graph: Any, tensor: str) -> Any:
    try:
        return graph.get_tensor_by_name(tensor)
    except (KeyError, ValueError) as error:
        name = node_of(tensor)
        known = (
            [output.name for output in graph.get_operation_by_name(name).outputs]
            if name in graph._nodes_by_name
            else []
        )
        raise UnknownName(f"{path}: tensor", tensor, known) from error


def _bound(path: str, graph: Any, name: str, text: str) -> np.ndarray:
    tensor = _tensor(path, graph, spelled(name))
    return bound_value(path, name, text, tensor.dtype.base_dtype, sizes(tensor.shape.as_proto()))


def _constant(name: str, value: np.ndarray) -> Any:
    import tensorflow as tf

    proto = tf.make_tensor_proto(value)
    node = tf.compat.v1.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = proto.dtype
    node.attr["value"].tensor.CopyFrom(proto)
    return node


def _readable(graph: Any, node: Any) -> None:
    """Give a resource variable the operator by which TensorFlow reads it when it freezes a session's graph."""
    import tensorflow as tf

    name = f"{node.name}/Read/ReadVariableOp"
    if node.op == "VarHandleOp" and name not in {operation.name for operation in graph.get_operations()}:
        with tf.name_scope(None), tf.control_dependencies(None):
            handle = graph.get_tensor_by_name(f"{node.name}:0")
            tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.dtypes.as_dtype(node.attr["dtype"].type), name=name)


def _described(tensors: Mapping[str, Any]) -> list[Spec]:
    return [
        {
            "name": name,
            "dtype": dtype_name(tensor.dtype.base_dtype.as_datatype_enum),
            "shape": sizes(tensor.shape.as_proto()),
        }
        for name, tensor in sorted(tensors.items())
    ]


def _drawn(operators: set[str]) -> Spec | None:
    drawn = random_operators(operators)
    if not drawn:
        return None
    message = f"the outputs depend on random numbers ({', '.join(drawn)}): a dropout that is on, or noise; placeholders are fixed with --bind"
    return {"code": "random-operators", "severity": "warning", "message": message, "names": drawn}


class _blamed:
    """Turn what TensorFlow raises into InvalidSource, which says of which file."""

    def __init__(self, path: str, what: str) -> None:
        self._path, self._what = path, what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        import tensorflow as tf

        if isinstance(error, (ValueError, TypeError, KeyError, RuntimeError, tf.errors.OpError)):
            raise InvalidSource(f"{self._path}: {self._what}: {causes(error)}") from error
