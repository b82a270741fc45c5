"""Loops of a graph that cannot end: no turn changes what their condition depends on, so the condition never changes.

Nothing is run. Two things are read from the graph: the operators between a loop's variables and its condition, and which variables a turn hands on
unchanged. There is no finding about a loop with other operators than those below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from toolkit.engines.tensorflow.graph_def import FunctionDef, GraphDef, NodeDef
from toolkit.findings import Finding

CODE = "endless-loop"
_LOOPS = ("While", "StatelessWhile")
# Operators of conditions whose result depends on their inputs alone (tensorflow/core/ops: neither stateful nor random).
_PURE = frozenset(
    """
    Const Identity Less LessEqual Greater GreaterEqual Equal NotEqual LogicalAnd LogicalOr LogicalNot All Any Min Max Sum Prod Cast Add AddV2 Sub Mul
    Maximum Minimum Neg Abs Square Squeeze ExpandDims Reshape StridedSlice Slice GatherV2 Pack Shape Size Rank Bitcast LoopCond Switch Merge Enter
    """.split()
)
_NODES = 10_000  # a condition of more nodes is not examined


def findings(graph: GraphDef) -> list[Finding]:
    """Return a warning for each loop of a GraphDef, and of its functions, that no turn can end."""
    functions = {function.signature.name: function for function in graph.library.function}
    found = [*_of_functions(graph.node, functions), *_of_frames(graph.node)]
    for function in functions.values():
        found += _of_functions(function.node_def, functions)
    return [Finding(CODE, "warning", f"loop {name!r} {told}", names=(name,)) for name, told in dict(found).items()]


def _told(result: str, nodes: Mapping[str, NodeDef]) -> str | None:
    """Return the text about a loop whose condition no turn changes; None for a constant false condition, with which the loop makes no turn."""
    node = nodes.get(_behind_identities(result, nodes))
    if node is None or node.op != "Const" or not node.attr["value"].tensor.bool_val:
        return "has a condition that no turn changes: it ends before its first turn, or never"
    return "never ends: its condition is always true" if node.attr["value"].tensor.bool_val[0] else None


def _of_functions(nodes: Iterable[NodeDef], functions: Mapping[str, FunctionDef]) -> list[tuple[str, str]]:
    """Return (name, text) for loops of TensorFlow 2, whose condition and body are functions."""
    found = []
    for node in nodes:
        if node.op not in _LOOPS:
            continue
        condition, body = (functions.get(node.attr[name].func.name) for name in ("cond", "body"))
        if condition is not None and body is not None:
            told = _of_function(condition, body)
            if told is not None:
                found.append((node.name, told))
    return found


def _of_function(condition: FunctionDef, body: FunctionDef) -> str | None:
    nodes = {node.name: node for node in condition.node_def}
    arguments = [argument.name for argument in condition.signature.input_arg]
    result = condition.ret[condition.signature.output_arg[0].name]
    used = _used(result, nodes, lambda name: name in arguments)
    if used is None:
        return None
    kept = _handed_on(body)
    if any(place >= len(kept) or not kept[place] for place, name in enumerate(arguments) if name in used):
        return None
    return _told(result, nodes)


def _handed_on(body: FunctionDef) -> list[bool]:
    """Return whether a turn hands a variable on unchanged, for each variable of a loop."""
    nodes = {node.name: node for node in body.node_def}
    ends = [_behind_identities(body.ret[output.name], nodes) for output in body.signature.output_arg]
    return [end == argument.name for end, argument in zip(ends, body.signature.input_arg, strict=False)]


def _of_frames(nodes: Iterable[NodeDef]) -> list[tuple[str, str]]:
    """Return (name, text) for loops of TensorFlow 1: a Merge takes a variable from before the loop or, through NextIteration, from the last turn."""
    named = {node.name: node for node in nodes}
    found = []
    for node in named.values():
        if node.op != "LoopCond":
            continue
        used = _used(node.input[0], named, lambda name: name in named and named[name].op == "Merge")
        if used is not None and all(_is_handed_on(named[name], named) for name in used):
            told = _told(node.input[0], named)
            if told is not None:
                found.append((node.name, told))
    return found


def _is_handed_on(merge: NodeDef, nodes: Mapping[str, NodeDef]) -> bool:
    """Return whether a turn gives the Merge its own value back, through Switch and identities."""
    for text in merge.input:
        turned = nodes.get(_name(text))
        if turned is None or turned.op not in ("NextIteration", "Enter"):
            return False
        if turned.op == "NextIteration":
            switch = nodes.get(_behind_identities(turned.input[0], nodes))
            if switch is None or switch.op != "Switch" or _name(switch.input[0]) != merge.name:
                return False
    return True


def _used(result: str, nodes: Mapping[str, NodeDef], is_variable: Callable[[str], bool]) -> set[str] | None:
    """Return the variables that a tensor depends on; None where it depends on an operator that is not listed above."""
    used, seen, left = set(), set(), [_name(result)]
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        if is_variable(name):
            used.add(name)
            continue
        node = nodes.get(name)
        if node is None or node.op not in _PURE or len(seen) > _NODES:
            return None
        left += [_name(text) for text in node.input if not text.startswith("^")]
    return used


def _behind_identities(text: str, nodes: Mapping[str, NodeDef]) -> str:
    """Return the name of the node or argument behind the identities that a tensor passes."""
    name = _name(text)
    for _ in range(_NODES):
        node = nodes.get(name)
        if node is None or node.op != "Identity" or not node.input:
            break
        name = _name(node.input[0])
    return name


def _name(text: str) -> str:
    return text.lstrip("^").partition(":")[0]
