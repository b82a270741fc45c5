"""The kernels that ONNX Runtime registers: for each operator the versions, and the dtypes of its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Protocol, TypedDict

from toolkit.engines.onnx.graph import STANDARD_DOMAINS
from toolkit.engines.onnx.session import CPU

_LAST = 2**31 - 1  # of a kernel without an end: onnxruntime/core/framework/kernel_registry.cc, INT_MAX
_DTYPES = {"float": "float32", "double": "float64"}
_CONSTANT = (
    "Constant"  # becomes an initializer where a model is loaded, and needs no kernel: onnxruntime/core/graph/graph.cc
)
_NONE_SUCH = "Could not find an implementation"


class KernelRow(TypedDict):
    """A kernel: the operator's versions that it is for (the last is null for all later ones), and the dtypes of each input, [] for any."""

    versions: tuple[int, int | None]
    takes: list[list[str]]


class Listed(TypedDict):
    """The kernels by operator, those operators of ONNX that a session refuses because they have none, and the engine."""

    engine: str
    kernels: dict[str, list[KernelRow]]
    missing: list[str]


class _Formal(Protocol):
    """An input of an operator's schema: its name, and its type, or the name of the constraint that says which types it may have."""

    name: str
    typeStr: str  # noqa: N815 (onnxruntime's name)


def listed() -> Listed:
    """Return the kernels of the CPU provider, as the runtime lists them itself.

    A float16 input is taken wherever a float32 one is: for an operator without such a kernel ONNX Runtime inserts casts (InsertCastTransformer). An
    operator that ONNX defines by others takes any dtype: where no kernel takes it, those others compute it.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as native

    inputs = {
        (each.domain, each.name, each.since_version): list(each.inputs) for each in native.get_all_operator_schema()
    }
    by_others = _defined_by_others()
    found: dict[str, list[KernelRow]] = {_CONSTANT: [{"versions": (1, None), "takes": []}]}
    for kernel in native.get_all_opkernel_def():
        if kernel.provider == CPU:
            row = _row(kernel, inputs)
            if (kernel.domain, kernel.op_name) in by_others:
                row["takes"] = []
            rows = found.setdefault(_name(kernel.domain, kernel.op_name), [])
            if row not in rows:
                rows.append(row)
    for rows in found.values():
        rows.sort(key=lambda row: (row["versions"][0], row["takes"]))
    return {"engine": f"onnxruntime {version('onnxruntime')}", "kernels": found, "missing": sorted(_missing(found))}


def _defined_by_others() -> set[tuple[str, str]]:
    import onnx

    schemas = onnx.defs.get_all_schemas_with_history()
    return {(each.domain, each.name) for each in schemas if each.has_function or each.has_context_dependent_function}


def _row(kernel: Any, inputs: Mapping[tuple[str, str, int], Sequence[_Formal]]) -> KernelRow:
    first, last = kernel.version_range
    formal = inputs.get((kernel.domain, kernel.op_name, first), ())
    allowed = {name: _dtypes(types) for name, types in kernel.type_constraints.items()}
    takes = [allowed.get(each.typeStr, allowed.get(each.name, [])) for each in formal]
    return {"versions": (first, None if last == _LAST else last), "takes": takes if any(takes) else []}


def _dtypes(types: Sequence[str]) -> list[str]:
    """Return dtypes of tensors as `graph.dtype_name` has them; [] where a type is no tensor: such a one is not looked up."""
    if not all(each.startswith("tensor(") for each in types):
        return []
    names = {_DTYPES.get(name, name) for name in (each.removeprefix("tensor(").removesuffix(")") for each in types)}
    return sorted(names | ({"float16"} if "float32" in names else set()))


def _name(domain: str, name: str) -> str:
    return name if domain in STANDARD_DOMAINS else f"{domain}.{name}"


def _missing(kernels: Mapping[str, object]) -> Iterator[str]:
    """Yield the operators of ONNX that have no kernel, and that a session refuses for it: others are made of other operators, or vanish."""
    import onnx

    for schema in onnx.defs.get_all_schemas():
        if (
            schema.domain in STANDARD_DOMAINS
            and schema.name not in kernels
            and not schema.deprecated
            and _is_refused(schema)
        ):
            yield schema.name


def _is_refused(schema: Any) -> bool:
    """Return whether a session has no implementation of an operator, in a model of that operator alone."""
    import onnx
    import onnxruntime

    names = [f"x{place}" for place in range(schema.min_input)]
    taken = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1, 4, 4]) for name in names]
    given = [onnx.helper.make_empty_tensor_value_info("y")]
    node = onnx.helper.make_node(schema.name, names, ["y"])
    opset = onnx.helper.make_opsetid("", schema.since_version)
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", taken, given), opset_imports=[opset], ir_version=8
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[CPU])
    except Exception as error:  # noqa: BLE001 (a model that is wrong for another reason says nothing)
        return _NONE_SUCH in str(error)
    return False
