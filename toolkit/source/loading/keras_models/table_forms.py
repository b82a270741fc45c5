"""The tables of a Keras configuration that have a form of their own, and what each form may not hold.

A form is a function of TensorFlow as a layer, an operator, a method, a lambda, an array, a description of a tensor, or a plain value. All other
tables are objects of a class: `vetting` judges these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from toolkit.source.loading.keras_models.config_table import ConfigTable
from toolkit.source.loading.keras_models.known_symbols import SYMBOLS
from toolkit.source.loading.keras_models.refusal import CODE, Refusal, known_for
from toolkit.source.loading.operators import NOT_KNOWN, ON_CONDITION, ability

ONLY = "that are known to compute and do nothing else"

_DTYPES = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 bfloat16 float32 float64 complex64 complex128 string str object".split()
)

_SPECS = frozenset(("TensorSpec", "RaggedTensorSpec", "SparseTensorSpec"))

_SPEC_MODULE = re.compile(
    r"tensorflow\.python\.(framework\.(tensor|tensor_spec|sparse_tensor)|ops\.ragged\.ragged_tensor)"
)

# keras/src/layers/core/tf_op_layer.py of tf-keras: the methods and properties of ragged and sparse tensors that become layers.
_ATTRIBUTES = frozenset(
    """
    values flat_values row_splits nested_row_splits indices dense_shape value_rowids nested_value_rowids nrows row_starts row_limits row_lengths
    nested_row_lengths bounding_shape with_values with_flat_values with_row_splits_dtype merge_dims to_tensor to_sparse
    """.split()
)

_CONSTRUCTORS = frozenset(
    """
    from_value_rowids from_row_splits from_row_lengths from_row_starts from_row_limits from_uniform_row_length from_nested_value_rowids
    from_nested_row_splits from_nested_row_lengths from_tensor from_sparse
    """.split()
)


def _symbol(where: str, part: ConfigTable, _: frozenset[str]) -> Iterator[Refusal]:
    """Yield what is wrong with a layer that is a function of TensorFlow (TFOpLambda, SlicingOpLambda)."""
    symbol = config_of(part).get("function")
    if not isinstance(symbol, str):
        yield Refusal(where, "calls a function without a name", "", trusted=False)
    elif symbol not in SYMBOLS:
        plain = symbol.removeprefix("compat.v1.")
        if plain.startswith("raw_ops."):
            yield from _operator(where, plain.removeprefix("raw_ops."), f"calls tf.{symbol}")
            return
        can = known_for(plain) or f"is not among the functions {ONLY}"
        yield Refusal(where, f"calls tf.{symbol}", can, trusted=True)


def _operator(where: str, name: str, told: str) -> Iterator[Refusal]:
    can = ability(name)
    if can is not None:
        unnamed = can in (NOT_KNOWN, ON_CONDITION)
        yield Refusal(where, told, f"is not among the operators {ONLY}" if unnamed else can, trusted=True)


def _node(where: str, part: ConfigTable, _: frozenset[str]) -> Iterator[Refusal]:
    """Yield what is wrong with a layer that is an operator of a graph (TensorFlowOpLayer, of TensorFlow 2.0 to 2.3)."""
    node = config_of(part).get("node_def")
    name = node.get("op") if isinstance(node, dict) else _op_of(node) if isinstance(node, str) else None
    if not isinstance(name, str):
        yield Refusal(where, "holds an operator that cannot be read", "", trusted=False)
    else:
        yield from _operator(where, name, f"runs the operator {name}")


def _op_of(serialized: str) -> str | None:
    """Return the operator of a serialized NodeDef (tensorflow/core/framework/node_def.proto: op = 2); None where it does not have exactly one."""
    from toolkit.engines.tensorflow.sstable import fields

    try:
        given = fields(serialized.encode()).get(2, [])
        return given[0].decode() if len(given) == 1 and isinstance(given[0], bytes) else None
    except (ValueError, IndexError):
        return None


def _method(where: str, part: ConfigTable, _: frozenset[str]) -> Iterator[Refusal]:
    """Yield what is wrong with a layer that is a class's method or an object's attribute."""
    held = config_of(part)
    if part["class_name"] == "ClassMethod":
        named, known = (
            (held.get("cls_symbol"), held.get("method_name")),
            {("RaggedTensor", one) for one in _CONSTRUCTORS},
        )
        told = f"tf.{named[0]}.{named[1]}"
        fits = named in known
    else:
        told, fits = f"the attribute {held.get('attr_name')}", held.get("attr_name") in _ATTRIBUTES
    if not fits:
        can = known_for(told.removeprefix("tf.")) or "is not among those of ragged and sparse tensors"
        yield Refusal(where, f"calls {told}", can, trusted=part["class_name"] == "ClassMethod")


def _lambda(where: str, part: ConfigTable, custom: frozenset[str]) -> Iterator[Refusal]:
    """Yield what is wrong with a Lambda layer: each of its functions must be known by name, or be the builder's."""
    held = config_of(part)
    for key in ("function", "output_shape", "mask"):
        given, kind = held.get(key), held.get(f"{key}_type")
        judged_itself = isinstance(given, dict) and isinstance(given.get("class_name"), str) and kind != "lambda"
        no_function = given is None or (key == "output_shape" and kind in (None, "raw") and _is_shape(given))
        if judged_itself or no_function:
            continue
        if kind in (None, "function") and isinstance(given, str):
            if given not in custom:
                yield Refusal(
                    where, f"calls the function {given}, which Keras has not", "", trusted=False, missing=True
                )
        else:
            yield Refusal(where, f"{key} {CODE}", "", trusted=False)


def _is_shape(given: Any) -> bool:
    if isinstance(given, dict):
        return given.get("class_name") in ("__tuple__", "TensorShape") and _is_shape(given.get("items"))
    return isinstance(given, list) and all(each is None or type(each) is int or _is_shape(each) for each in given)


def _python_code(where: str, _: ConfigTable, __: frozenset[str]) -> Iterator[Refusal]:
    yield Refusal(where, CODE, "", trusted=False)


def _array(where: str, part: ConfigTable, _: frozenset[str]) -> Iterator[Refusal]:
    if not is_array(part):
        yield Refusal(
            where, f"{part['class_name']} is no array of numbers or words of a known dtype", "", trusted=False
        )


def is_array(part: Any) -> bool:
    """Return whether a table is an array (of Keras 3) of numbers or words, of a known dtype, with its values in it."""
    held = part.get("config") if isinstance(part, dict) else None
    return (
        isinstance(held, dict)
        and part.get("class_name") in ("__tensor__", "__numpy__")
        and held.get("dtype") in _DTYPES
        and _all_plain(held.get("value"))
    )


def _all_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_all_plain(each) for each in value)
    return isinstance(value, (int, float, str))


def _spec(where: str, part: ConfigTable, _: frozenset[str]) -> Iterator[Refusal]:
    """Yield what is wrong with the description of a tensor, by its class's name and module (Keras 3) or by a registered name (Keras 2)."""
    if part["class_name"] == "TypeSpec":
        name = str(part.get("type_spec")).removeprefix("tf.")
        fits = name in _SPECS
    else:
        name = f"{part.get('module')}.{part.get('spec_name')}"
        fits = part.get("spec_name") in _SPECS and _SPEC_MODULE.fullmatch(str(part.get("module"))) is not None
        fits = fits and part.get("registered_name") in (None, part.get("spec_name"), f"tf.{part.get('spec_name')}")
    if not fits:
        yield Refusal(where, f"is described by {name}; known are {', '.join(sorted(_SPECS))}", "", trusted=False)


def _value(*_: Any) -> Iterator[Refusal]:
    """Yield nothing: its content is judged by itself."""
    yield from ()


def config_of(part: ConfigTable) -> dict[str, Any]:
    """Return what a table holds under `config`, empty where that is no table."""
    held = part.get("config")
    return held if isinstance(held, dict) else {}


FORMS: dict[str, Callable[[str, ConfigTable, frozenset[str]], Iterator[Refusal]]] = {
    "TFOpLambda": _symbol,
    "SlicingOpLambda": _symbol,
    "TensorFlowOpLayer": _node,
    "ClassMethod": _method,
    "InstanceMethod": _method,
    "InstanceProperty": _method,
    "Lambda": _lambda,
    "__lambda__": _python_code,
    "__tensor__": _array,
    "__numpy__": _array,
    "__typespec__": _spec,
    "TypeSpec": _spec,
    "CompositeTensor": _value,
    "TensorShape": _value,
    "__bytes__": _value,
    "__ellipsis__": _value,
    "__keras_tensor__": _value,
    "__slice__": _value,
    "__tuple__": _value,
}
