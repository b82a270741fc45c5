"""A configuration of Keras, read whole before anything loads it: what it names, and what naming that would do.

To load a model is to look up classes and functions by the names that its file gives, and to call them with what the file gives: layers, but also
`tf.io.gfile.rmtree` as a node of a functional model, marshalled Python code, any module that can be imported, a path as a vocabulary. Keras's own
`safe_mode` looks at lambdas alone. So every name is looked up here first, in a list (`known_names`) or among what the user's builder gave; whatever
is in neither is refused by name. Wherever an object can hide, in arguments of calls, initializers or policies, it has the same form, so all of the
JSON is walked, whatever the place is called.

What the file says of its training at the top (`compile_config`, `training_config`) is left out: nothing loads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from toolkit.source.loading.keras_models.known_names import (
    FUNCTIONS,
    IDENTIFIERS,
    LAYERS,
    MODELS,
    OPERATIONS,
    PARTS,
    SYMBOLS,
)
from toolkit.source.loading.operators import NOT_KNOWN, ON_CONDITION, ability

MOST_PARTS = 200_000
"""Tables and lists of one configuration. A layer has some twenty, Keras's largest models 30,000; looking at 200,000 takes a second."""

_ONLY = "that are known to compute and do nothing else"
CODE = "holds Python code, which runs where it is loaded"
_KERAS = re.compile(r"(tf_)?keras(\.\w+)*|builtins|tensorflow\.(python\.)?keras(\.\w+)*")
# Where functions are taken from. Other modules have functions of the same names that do something else: `copy` of files, `stack` of calls.
_FUNCTION_MODULES = re.compile(
    r"builtins|(tf_|tensorflow\.(python\.)?)?keras(\.src)?(\.(activations|backend|losses|metrics|nn|ops)(\.\w+)*)?"
    r"|tensorflow\.python\.ops\.((gen_)?(array|bitwise|image|linalg|manip|math|nn|sort|special_math|spectral)_(ops|impl)(_impl)?"
    r"|array_ops_stack|clip_ops|(linalg|numpy_ops|ragged|signal|structured)\.\w+)"
)
_CLASSES = LAYERS | MODELS | PARTS | OPERATIONS
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
# What a string alone stands for: it is looked up in Keras's own tables.
_IDENTIFIER = re.compile(r"(\w+_)?(activation|initializer|regularizer|constraint)|init")
_CAN: tuple[tuple[str, str], ...] = (  # the first that fits tells, for people; nothing is decided by it
    (r"io\.gfile\.(rmtree|remove)|gfile\.(DeleteRecursively|Remove)", "deletes files"),
    (r"io\.gfile\.|gfile\.", "reads, writes and deletes files"),
    (
        r"(io\.)?(write_file|write_graph|save)|.*(SaveV2|WriteFile).*|summary\..*|.*save_(model|weights|img)",
        "writes files",
    ),
    (
        r"(io\.)?(read_file|matching_files|match_filenames_once)|data\..*|.*(ReadFile|MatchingFiles|Restore).*",
        "reads files",
    ),
    (r"(compat\.v1\.)?(py_func|py_function|numpy_function)|.*PyFunc.*|autograph\..*", "runs Python"),
    (
        r"(compat\.v1\.)?load_(op_)?library|load_file_system_library|experimental\.register_filesystem_plugin",
        "loads machine code",
    ),
    (
        r"saved_model\..*|.*load_(model|weights)|train\..*|.*TFSMLayer|.*model_from_\w+",
        "loads or writes models and files",
    ),
    (r".*(get_file|load_data|hf_hub|applications\.).*", "downloads files"),
    (r".*(dataset_from_directory|load_img|FeatureSpace)", "reads files"),
    (r"rpc_\w+|distribute\..*|data\.experimental\.service.*|config\.experimental_connect\w+", "uses the network"),
    (r"print|compat\.v1\.Print|.*PrintV2", "prints, into a file too"),
    (
        r".*(TorchModuleWrapper|JaxLayer|FlaxLayer|unsafe_deserialization|deserialize|Wrapper)",
        "makes objects of code in the file",
    ),
    (
        r"map_fn|while_loop|cond|scan|foldl|foldr|vectorized_map|.*custom_gradient|function",
        "runs functions that it is given",
    ),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a configuration names that no model needs: in which layer, what it would call, what that can do.

    `trusted` is whether it runs where the user trusts the file: functions of TensorFlow or Keras that are not in the list. Python code, and
    what would be imported from elsewhere, is a builder's to give.
    """

    where: str
    what: str
    can: str
    trusted: bool
    missing: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f", which {self.can}" if self.can else "")


def require_few_parts(config: Any) -> None:
    """Raise ValueError for a configuration of more tables and lists than any model has, before anything else walks it."""
    waiting, seen = [config], 0
    while waiting:
        value = waiting.pop()
        inside = [each for each in (value.values() if type(value) is dict else value) if type(each) in (dict, list)]
        waiting += inside
        seen += len(inside)
        if seen > MOST_PARTS:
            raise ValueError(f"it is made of more than {MOST_PARTS:,} tables and lists; no model is")


def refusals(config: Any, custom: Collection[str] = ()) -> list[Refusal]:
    """Return what a model's configuration may not name, each once, in the order of the file; `custom` are names that the user's builder gave."""
    if isinstance(config, dict):
        config = {key: value for key, value in config.items() if key != "compile_config"}
    known = frozenset(custom)
    found = {str(refusal): refusal for where, table in _tables(config) for refusal in _judged(where, table, known)}
    return list(found.values())


def _tables(config: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (layer, table) for every table, in the order of the file; the layer is the nearest one around it that has a name."""
    waiting: list[tuple[str, Any]] = [("the model", config)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, dict):
            where = _named(value) or where
            yield where, value
            held = list(value.values())
        else:
            held = value if isinstance(value, list) else []
        inside = [one for one in held if type(one) is dict or type(one) is list]
        waiting += [(where, one) for one in reversed(inside)]


def _named(part: dict[str, Any]) -> str | None:
    """Return what messages call a layer, from the table that names its class."""
    held = part.get("config")
    name = part.get("name") or (held.get("name") if isinstance(held, dict) else None)
    return (
        f"layer {name!r} ({part['class_name']})"
        if isinstance(name, str) and isinstance(part.get("class_name"), str)
        else None
    )


def _judged(where: str, table: dict[str, Any], custom: frozenset[str]) -> Iterator[Refusal]:
    yield from _vocabulary(where, table)
    if ".." in str(table.get("name")).split("/"):
        yield Refusal(where, f"{table['name']!r} is not a name: it leads to another folder", "", trusted=False)
    if "class_name" not in table:
        return
    name = table["class_name"]
    if not isinstance(name, str):
        yield Refusal(where, f"its class_name is {name!r}; expected a model", "", trusted=False)
    elif name in _FORMS:
        yield from _FORMS[name](where, table, custom)
        yield from _plain(where, table, name)
    elif name == "function":
        yield from _function(where, table, custom)
    elif name.startswith("__"):
        yield Refusal(where, f"{name} stands for a value that is not known", "", trusted=False)
    else:
        yield from _class(where, table, name, custom)


def _vocabulary(where: str, table: dict[str, Any]) -> Iterator[Refusal]:
    given = table.get("vocabulary")
    if isinstance(given, str):
        yield Refusal(where, f"its vocabulary is the file {given!r}", "is read where it is loaded", trusted=True)
    elif not (given is None or isinstance(given, list) or _is_array(given)):
        yield Refusal(where, "its vocabulary is not a list of words", "", trusted=False)


def _plain(where: str, part: dict[str, Any], name: str) -> Iterator[Refusal]:
    """Yield what is wrong with a form that is known by its name alone, where a loader that knows it not would look elsewhere."""
    module, registered = part.get("module"), part.get("registered_name")
    if name != "__typespec__" and not ((module is None or _is_keras(module)) and registered in (None, name)):
        yield Refusal(
            where, f"{name} is said to be {module}.{registered}; expected what Keras calls so", "", trusted=False
        )


def _class(where: str, part: dict[str, Any], name: str, custom: frozenset[str]) -> Iterator[Refusal]:
    """Yield what is wrong with an object: neither Keras nor the builder has its class, or it would be taken from elsewhere."""
    module, registered = part.get("module"), part.get("registered_name")
    if part.get("registered_name", name) in custom:  # which is how both Keras look it up
        return
    own = registered in (None, name)
    if name in _CLASSES and own and (module is None or _is_keras(module)):
        yield from _identifiers(where, _config(part), custom)
        return
    full = ".".join(str(one) for one in (module, name) if one)
    if _is_keras(module) and module != "builtins" and own:
        yield Refusal(where, f"names {full}", _can(full) or f"is not among the classes {_ONLY}", trusted=True)
        return
    told = full if own else f"{full}, registered as {registered}"
    yield Refusal(where, f"is made of {told}, which Keras has not", "", trusted=False, missing=True)


def _identifiers(where: str, config: dict[str, Any], custom: frozenset[str]) -> Iterator[Refusal]:
    """Yield the texts in a layer's configuration that stand for a function or class, and for none that is known."""
    for key, value in config.items():
        if isinstance(value, str) and _IDENTIFIER.fullmatch(key) and value not in IDENTIFIERS and value not in custom:
            yield Refusal(
                where, f"{key} {value!r} is not a function or class of Keras", "", trusted=False, missing=True
            )


def _is_keras(module: Any) -> bool:
    return isinstance(module, str) and _KERAS.fullmatch(module) is not None


def _function(where: str, part: dict[str, Any], custom: frozenset[str]) -> Iterator[Refusal]:
    """Yield what is wrong with a function that is named as an object (Keras 3): `relu` of `builtins`, say."""
    name, module, registered = part.get("config"), part.get("module"), part.get("registered_name")
    if not isinstance(name, str):
        yield Refusal(where, "names a function without a name", "", trusted=False)
        return
    if name in custom or (registered in custom and str(registered).rpartition(">")[2] == name):
        return  # which is how both Keras look it up: by its name, as it is or behind that of a package
    own = registered in (None, name)
    if name in FUNCTIONS and own and (module is None or _FUNCTION_MODULES.fullmatch(str(module))):
        return
    full = f"{module}.{name}" if module and module != "builtins" else name
    if _is_keras(module) and module != "builtins" and own:
        yield Refusal(where, f"calls {full}", _can(full) or f"is not among the functions {_ONLY}", trusted=True)
    else:
        yield Refusal(where, f"calls the function {full}, which Keras has not", "", trusted=False, missing=True)


def _symbol(where: str, part: dict[str, Any], _: frozenset[str]) -> Iterator[Refusal]:
    """Yield what is wrong with a function of TensorFlow as a layer (TFOpLambda, SlicingOpLambda)."""
    symbol = _config(part).get("function")
    if not isinstance(symbol, str):
        yield Refusal(where, "calls a function without a name", "", trusted=False)
    elif symbol not in SYMBOLS:
        plain = symbol.removeprefix("compat.v1.")
        if plain.startswith("raw_ops."):
            yield from _operator(where, plain.removeprefix("raw_ops."), f"calls tf.{symbol}")
            return
        can = _can(plain) or f"is not among the functions {_ONLY}"
        yield Refusal(where, f"calls tf.{symbol}", can, trusted=True)


def _operator(where: str, name: str, told: str) -> Iterator[Refusal]:
    can = ability(name)
    if can is not None:
        unnamed = can in (NOT_KNOWN, ON_CONDITION)
        yield Refusal(where, told, f"is not among the operators {_ONLY}" if unnamed else can, trusted=True)


def _node(where: str, part: dict[str, Any], _: frozenset[str]) -> Iterator[Refusal]:
    """Yield what is wrong with an operator of a graph as a layer (TensorFlowOpLayer, which TensorFlow 2.0 to 2.3 wrote)."""
    node = _config(part).get("node_def")
    name = node.get("op") if isinstance(node, dict) else _op_of(node) if isinstance(node, str) else None
    if not isinstance(name, str):
        yield Refusal(where, "holds an operator that cannot be read", "", trusted=False)
    else:
        yield from _operator(where, name, f"runs the operator {name}")


def _op_of(serialized: str) -> str | None:
    """Return the operator of a serialized NodeDef (tensorflow/core/framework/node_def.proto: op = 2); None where it has not one."""
    from toolkit.engines.tensorflow.sstable import fields

    try:
        given = fields(serialized.encode()).get(2, [])
        return given[0].decode() if len(given) == 1 and isinstance(given[0], bytes) else None
    except (ValueError, IndexError):
        return None


def _method(where: str, part: dict[str, Any], _: frozenset[str]) -> Iterator[Refusal]:
    """Yield what is wrong with a class's method, or an object's attribute, as a layer."""
    held = _config(part)
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
        can = _can(told.removeprefix("tf.")) or "is not among those of ragged and sparse tensors"
        yield Refusal(where, f"calls {told}", can, trusted=part["class_name"] == "ClassMethod")


def _lambda(where: str, part: dict[str, Any], custom: frozenset[str]) -> Iterator[Refusal]:
    """Yield what is wrong with a Lambda layer: each function that it has must be one that is known by name, or the builder's."""
    held = _config(part)
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


def _python_code(where: str, _: dict[str, Any], __: frozenset[str]) -> Iterator[Refusal]:
    yield Refusal(where, CODE, "", trusted=False)


def _array(where: str, part: dict[str, Any], _: frozenset[str]) -> Iterator[Refusal]:
    if not _is_array(part):
        yield Refusal(
            where, f"{part['class_name']} is no array of numbers or words of a known dtype", "", trusted=False
        )


def _is_array(part: Any) -> bool:
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


def _spec(where: str, part: dict[str, Any], _: frozenset[str]) -> Iterator[Refusal]:
    """Yield what is wrong with the description of a tensor: by its class's name and module (Keras 3), or by a registered name (Keras 2)."""
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
    """Yield nothing: what is inside of it is judged by itself."""
    yield from ()


def _config(part: dict[str, Any]) -> dict[str, Any]:
    held = part.get("config")
    return held if isinstance(held, dict) else {}


def _can(name: str) -> str | None:
    """Return what people know a function for, by its name."""
    return next(
        (
            said
            for pattern, said in _CAN
            if re.fullmatch(pattern if pattern.endswith(("*", "+")) else f"{pattern}.*", name)
        ),
        None,
    )


_FORMS: dict[str, Callable[[str, dict[str, Any], frozenset[str]], Iterator[Refusal]]] = {
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
