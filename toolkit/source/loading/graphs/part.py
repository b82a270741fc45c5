"""The part of a graph that one signature needs: cut out, simplified, with an open batch and constants for variables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from toolkit.engines.tensorflow.graph import Graph, Session, Tensor
from toolkit.engines.tensorflow.graph_def import GraphDef, NodeDef
from toolkit.engines.tensorflow.messages import dtype_name, sizes
from toolkit.errors import InvalidSource, UnknownName, causes
from toolkit.findings import Finding
from toolkit.source.loading import Arrays
from toolkit.source.loading.graphs.cut import SOURCES, TABLES, VARIABLES, cut, needed, node_of, nodes_of
from toolkit.source.loading.graphs.dropout import simplified
from toolkit.source.loading.graphs.proposals import Ends
from toolkit.tensors.signature import TensorJson

Shape = list[int | None] | None


class Part:
    """The part of a graph that the outputs of one signature need."""

    def __init__(self, path: str, session: Session, graph: GraphDef, ends: Ends, bound: Arrays) -> None:
        self.ends = ends
        self.batch: int | None = None
        self._path, self._session = path, session
        self._frozen: GraphDef | None = None
        nodes = nodes_of(path, graph)
        for tensor in [*ends.inputs.values(), *ends.outputs.values()]:
            tensor_of(path, session.graph, tensor)
        self._refuse_unfed(nodes, bound)
        self._stand_ins = {tensor: f"edge_input_{position}" for position, tensor in enumerate(ends.inputs.values())}
        stand_ins = {tensor: self._placeholder(name, tensor) for tensor, name in self._stand_ins.items()}
        for position, (tensor, value) in enumerate(sorted(bound.items())):
            stand_ins[tensor] = _constant(f"edge_bound_{position}", value)
        part = cut(graph, ends.outputs.values(), stand_ins)
        fetched = [f"{stand_ins[tensor].name}:0" if tensor in stand_ins else tensor for tensor in ends.outputs.values()]
        self.graph, self._fetched = simplified(part, fetched)
        self._known = {name: self._shape(nodes, tensor) for name, tensor in ends.inputs.items()}

    def _refuse_unfed(self, nodes: Mapping[str, NodeDef], bound: Iterable[str]) -> None:
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

    def _placeholder(self, name: str, tensor: str) -> NodeDef:
        import tensorflow as tf

        node = tf.compat.v1.NodeDef(name=name, op="Placeholder")
        node.attr["dtype"].type = tensor_of(self._path, self._session.graph, tensor).dtype.base_dtype.as_datatype_enum
        node.attr["shape"].shape.unknown_rank = True
        return node

    def _shape(self, nodes: Mapping[str, NodeDef], tensor: str) -> Shape:
        """Return a tensor's shape as the graph's author knew it: shapes of set_shape are in the file, and inference does not find them again."""
        import tensorflow as tf

        inferred, node = tensor_of(self._path, self._session.graph, tensor).shape, nodes[node_of(tensor)]
        if "_output_shapes" in node.attr:
            told = tf.TensorShape(node.attr["_output_shapes"].list.shape[int(tensor.rpartition(":")[2])])
            inferred = inferred.merge_with(told) if inferred.is_compatible_with(told) else inferred
        return sizes(inferred.as_proto())

    def declared(self) -> tuple[list[TensorJson], list[TensorJson], Finding | None]:
        """Return the specs of inputs and outputs, and the finding about their batch, None where there is nothing to say."""
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
            return inputs, outputs, Finding("batch-baked-in", "warning", message, facts={"size": size})
        self.batch = size
        message = f"was saved to take {size} at a time; made again to take any number"
        return open_inputs, open_outputs, Finding("batch-remade", "info", message, facts={"size": size})

    def _why_not(self, opened: Mapping[str, Shape], size: int, outputs: Sequence[TensorJson]) -> str | None:
        """Return why a first size is no batch: it is fixed inside the graph, or the result of a row depends on other rows. None where it is one."""
        fixed = [
            f"{spec['name']} has the shape {spec['shape']}"
            for spec in outputs
            if not spec["shape"] or spec["shape"][0] is not None
        ]
        if fixed:
            return f"{', '.join(fixed)} for any input"
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
        """Return random rows; unknown sizes count as 1."""
        generator = np.random.default_rng(seed)
        made = {}
        for name, tensor in self.ends.inputs.items():
            shape = [size, *(one or 1 for one in (self._known[name] or [])[1:])]
            dtype = tensor_of(self._path, self._session.graph, tensor).dtype.base_dtype.as_numpy_dtype
            drawn = (
                generator.normal(size=shape) if np.issubdtype(dtype, np.floating) else generator.integers(0, 2, shape)
            )
            made[name] = drawn.astype(dtype)
        return made

    def _specs(self, shapes: Mapping[str, Shape]) -> tuple[list[TensorJson], list[TensorJson]]:
        import tensorflow as tf

        with tf.Graph().as_default(), blamed(self._path, "the part that the outputs need is not a graph"):
            inputs, outputs = self.placed(self.graph, shapes)
        return _described(inputs), _described(outputs)

    def placed(self, graph: GraphDef, shapes: Mapping[str, Shape]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Import a graph into the current one, behind placeholders of these shapes; return inputs and outputs by name."""
        import tensorflow as tf

        dtypes = {node.name: node.attr["dtype"].type for node in graph.node if node.op == "Placeholder"}
        inputs: dict[str, Tensor] = {}
        mapping: dict[str, Tensor] = {}
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

    def frozen(self) -> GraphDef:
        """Return the part with constants for variables."""
        import tensorflow as tf

        if self._frozen is None:
            variables = [node for node in self.graph.node if node.op in VARIABLES]
            with self._session.graph.as_default():
                for node in variables:
                    _readable(self._session.graph, node)
            nodes = sorted({node_of(tensor) for tensor in self._fetched} | set(self._stand_ins.values()))
            with blamed(self._path, "its variables cannot be made constants"):
                freeze = tf.compat.v1.graph_util.convert_variables_to_constants
                self._frozen = freeze(self._session, self.graph, nodes) if variables else self.graph
        return self._frozen


def tensor_of(path: str, graph: Graph, tensor: str) -> Tensor:
    """Return a tensor of a graph; UnknownName, with the outputs of its operator, where it is not there."""
    try:
        return graph.get_tensor_by_name(tensor)
    except (KeyError, ValueError) as error:
        operators = {operation.name: operation for operation in graph.get_operations()}
        made = operators[node_of(tensor)].outputs if node_of(tensor) in operators else []
        known = [output.name for output in made]
        raise UnknownName(f"{path}: tensor", tensor, known) from error


def _constant(name: str, value: np.ndarray) -> NodeDef:
    import tensorflow as tf

    proto = tf.make_tensor_proto(value)
    node = tf.compat.v1.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = proto.dtype
    node.attr["value"].tensor.CopyFrom(proto)
    return node


def _readable(graph: Graph, node: NodeDef) -> None:
    """Add the operator by which TensorFlow reads a resource variable when it freezes a session's graph."""
    import tensorflow as tf

    name = f"{node.name}/Read/ReadVariableOp"
    if node.op == "VarHandleOp" and name not in {operation.name for operation in graph.get_operations()}:
        with tf.name_scope(None), tf.control_dependencies(None):
            handle = graph.get_tensor_by_name(f"{node.name}:0")
            tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.dtypes.as_dtype(node.attr["dtype"].type), name=name)


def _described(tensors: Mapping[str, Tensor]) -> list[TensorJson]:
    return [
        {
            "name": name,
            "dtype": dtype_name(tensor.dtype.base_dtype.as_datatype_enum),
            "shape": sizes(tensor.shape.as_proto()),
        }
        for name, tensor in sorted(tensors.items())
    ]


@contextlib.contextmanager
def blamed(path: str, what: str) -> Iterator[None]:
    """Turn what TensorFlow raises into InvalidSource with the file's name."""
    import tensorflow as tf

    try:
        yield
    except (ValueError, TypeError, KeyError, RuntimeError, tf.errors.OpError) as error:
        raise InvalidSource(f"{path}: {what}: {causes(error)}") from error
