"""The check of a Keras configuration before anything loads it: every name in it must be known.

A load looks up classes and functions by the names in the file, and calls them with values from the file. These can be layers, but also
`tf.io.gfile.rmtree` as a node of a functional model, marshalled Python code, any module that can be imported, or a path as a vocabulary. Keras's own
`safe_mode` checks lambdas alone. So this module first looks up every name in a list (`known_names`) or among the names of the user's builder, and
refuses all others. Objects can hide in arguments of calls, initializers or policies, but have the same form everywhere; so the whole JSON is walked.

Settings of the training at the top (`compile_config`, `training_config`) are left out: nothing loads them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, cast

from toolkit.source.loading.keras_models.config_table import ConfigTable
from toolkit.source.loading.keras_models.known_names import (
    FUNCTIONS,
    IDENTIFIERS,
    LAYERS,
    MODELS,
    OPERATIONS,
    PARTS,
)
from toolkit.source.loading.keras_models.refusal import Refusal, known_for
from toolkit.source.loading.keras_models.table_forms import FORMS, ONLY, config_of, is_array

MOST_PARTS = 200_000
"""Tables and lists of one configuration. A layer has some twenty, Keras's largest models 30,000; a check of 200,000 takes a second."""

_KERAS = re.compile(r"(tf_)?keras(\.\w+)*|builtins|tensorflow\.(python\.)?keras(\.\w+)*")
# Modules of harmless functions. Other modules have functions of the same names that do something else: `copy` of files, `stack` of calls.
_FUNCTION_MODULES = re.compile(
    r"builtins|(tf_|tensorflow\.(python\.)?)?keras(\.src)?(\.(activations|backend|losses|metrics|nn|ops)(\.\w+)*)?"
    r"|tensorflow\.python\.ops\.((gen_)?(array|bitwise|image|linalg|manip|math|nn|sort|special_math|spectral)_(ops|impl)(_impl)?"
    r"|array_ops_stack|clip_ops|(linalg|numpy_ops|ragged|signal|structured)\.\w+)"
)
_CLASSES = LAYERS | MODELS | PARTS | OPERATIONS
# Keys whose value may be a plain string, which Keras looks up in its own tables.
_IDENTIFIER = re.compile(r"(\w+_)?(activation|initializer|regularizer|constraint)|init")


def require_few_parts(config: Any) -> None:
    """Raise ValueError for a configuration with more tables and lists than any model has; call it before any other walk."""
    waiting, seen = [config], 0
    while waiting:
        value = waiting.pop()
        inside = [each for each in (value.values() if type(value) is dict else value) if type(each) in (dict, list)]
        waiting += inside
        seen += len(inside)
        if seen > MOST_PARTS:
            raise ValueError(f"it is made of more than {MOST_PARTS:,} tables and lists; no model is")


def refusals(config: Any, custom: Collection[str] = ()) -> list[Refusal]:
    """Return the refused names of a model's configuration, each once, in the order of the file; `custom` are the names of the user's builder."""
    if isinstance(config, dict):
        config = {key: value for key, value in config.items() if key != "compile_config"}
    known = frozenset(custom)
    found = {str(refusal): refusal for where, table in _tables(config) for refusal in _judged(where, table, known)}
    return list(found.values())


def _tables(config: Any) -> Iterator[tuple[str, ConfigTable]]:
    """Yield (layer, table) for every table, in the order of the file; the layer is the nearest named one around it."""
    waiting: list[tuple[str, Any]] = [("the model", config)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, dict):
            table = cast("ConfigTable", value)
            where = _named(table) or where
            yield where, table
            held = list(value.values())
        else:
            held = value if isinstance(value, list) else []
        inside = [one for one in held if type(one) is dict or type(one) is list]
        waiting += [(where, one) for one in reversed(inside)]


def _named(part: ConfigTable) -> str | None:
    """Return the name of a layer for messages, from the table with its class; None where the table is no named layer."""
    held = part.get("config")
    name = part.get("name") or (held.get("name") if isinstance(held, dict) else None)
    return (
        f"layer {name!r} ({part['class_name']})"
        if isinstance(name, str) and isinstance(part.get("class_name"), str)
        else None
    )


def _judged(where: str, table: ConfigTable, custom: frozenset[str]) -> Iterator[Refusal]:
    yield from _vocabulary(where, table)
    if ".." in str(table.get("name")).split("/"):
        yield Refusal(where, f"{table['name']!r} is not a name: it leads to another folder", "", trusted=False)
    if "class_name" not in table:
        return
    name = table["class_name"]
    if not isinstance(name, str):
        yield Refusal(where, f"its class_name is {name!r}; expected a model", "", trusted=False)
    elif name in FORMS:
        yield from FORMS[name](where, table, custom)
        yield from _plain(where, table, name)
    elif name == "function":
        yield from _function(where, table, custom)
    elif name.startswith("__"):
        yield Refusal(where, f"{name} stands for a value that is not known", "", trusted=False)
    else:
        yield from _class(where, table, name, custom)


def _vocabulary(where: str, table: ConfigTable) -> Iterator[Refusal]:
    given = table.get("vocabulary")
    if isinstance(given, str):
        yield Refusal(where, f"its vocabulary is the file {given!r}", "is read where it is loaded", trusted=True)
    elif not (given is None or isinstance(given, list) or is_array(given)):
        yield Refusal(where, "its vocabulary is not a list of words", "", trusted=False)


def _plain(where: str, part: ConfigTable, name: str) -> Iterator[Refusal]:
    """Yield what is wrong with a special form: its module and registered name must be Keras's own, or a loader would look elsewhere."""
    module, registered = part.get("module"), part.get("registered_name")
    if name != "__typespec__" and not ((module is None or _is_keras(module)) and registered in (None, name)):
        yield Refusal(
            where, f"{name} is said to be {module}.{registered}; expected what Keras calls so", "", trusted=False
        )


def _class(where: str, part: ConfigTable, name: str, custom: frozenset[str]) -> Iterator[Refusal]:
    """Yield what is wrong with an object: neither Keras nor the builder has its class, or its class comes from elsewhere."""
    module, registered = part.get("module"), part.get("registered_name")
    if part.get("registered_name", name) in custom:  # both Keras look it up so
        return
    own = registered in (None, name)
    if name in _CLASSES and own and (module is None or _is_keras(module)):
        yield from _identifiers(where, config_of(part), custom)
        return
    full = ".".join(str(one) for one in (module, name) if one)
    if _is_keras(module) and module != "builtins" and own:
        yield Refusal(where, f"names {full}", known_for(full) or f"is not among the classes {ONLY}", trusted=True)
        return
    told = full if own else f"{full}, registered as {registered}"
    yield Refusal(where, f"is made of {told}, which Keras has not", "", trusted=False, missing=True)


def _identifiers(where: str, config: dict[str, Any], custom: frozenset[str]) -> Iterator[Refusal]:
    """Yield the strings in a layer's configuration that stand for an unknown function or class."""
    for key, value in config.items():
        if isinstance(value, str) and _IDENTIFIER.fullmatch(key) and value not in IDENTIFIERS and value not in custom:
            yield Refusal(
                where, f"{key} {value!r} is not a function or class of Keras", "", trusted=False, missing=True
            )


def _is_keras(module: Any) -> bool:
    return isinstance(module, str) and _KERAS.fullmatch(module) is not None


def _function(where: str, part: ConfigTable, custom: frozenset[str]) -> Iterator[Refusal]:
    """Yield what is wrong with a function that is an object (Keras 3), such as `relu` of `builtins`."""
    name, module, registered = part.get("config"), part.get("module"), part.get("registered_name")
    if not isinstance(name, str):
        yield Refusal(where, "names a function without a name", "", trusted=False)
        return
    if name in custom or (registered in custom and str(registered).rpartition(">")[2] == name):
        return  # both Keras look it up by its name, with or without that of a package
    own = registered in (None, name)
    if name in FUNCTIONS and own and (module is None or _FUNCTION_MODULES.fullmatch(str(module))):
        return
    full = f"{module}.{name}" if module and module != "builtins" else name
    if _is_keras(module) and module != "builtins" and own:
        yield Refusal(where, f"calls {full}", known_for(full) or f"is not among the functions {ONLY}", trusted=True)
    else:
        yield Refusal(where, f"calls the function {full}, which Keras has not", "", trusted=False, missing=True)
