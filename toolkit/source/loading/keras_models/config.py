"""What the configuration of a Keras model tells without running it, and a model made again in float32.

A configuration is nested JSON in two dialects. Keras 1 and 2 write `{"class_name": ..., "config": ...}`; Keras 3, and tf-keras in `.keras` files, add
"module" and "registered_name".
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any, cast

from toolkit.errors import InvalidSource, causes
from toolkit.source.loading.keras_models.config_table import ConfigTable
from toolkit.tensors.endings import Ending, canonical

_PACKAGES = ("keras", "tf_keras")
_BRIEF = 600
_NO_CONFIG: dict[str, Any] = {}
_OWN = (*_PACKAGES, "builtins")
NOT_SINGLE = ("float16", "bfloat16", "float64")  # devices' kernels do not compute in these
_LAYERS = {"UnitNormalization": "l2normalization", "Concatenate": "concat"}


def is_keras(model: Any) -> bool:
    """Return whether it is a model or layer of any Keras."""
    return _package(type(model)) is not None


def keras_of(model: Any) -> Any:
    """Return the package of a Keras model: `keras` (3, or 2 beside an older TensorFlow) or `tf_keras`."""
    return importlib.import_module(str(_package(type(model))))


def _package(cls: type) -> str | None:
    layers = [base.__module__.partition(".")[0] for base in cls.__mro__ if base.__name__ == "Layer"]
    return next((package for package in layers if package in _PACKAGES), None)


def other_policy(model: Any) -> str | None:
    """Return the policy of a model that computes in half or double precision, such as "mixed_float16"; None where no layer does."""
    for layer in model._flatten_layers():  # noqa: SLF001 (named alike in every Keras; `layers` leaves out those inside of wrappers)
        if getattr(layer, "compute_dtype", None) in NOT_SINGLE:
            return str(getattr(layer.dtype_policy, "name", layer.compute_dtype))
    return None


def in_float32(model: Any) -> Any:
    """Return a copy of a model, with its variables, that computes in float32; InvalidSource where its configuration does not allow a copy."""
    keras = keras_of(model)
    policies = getattr(keras, "config", None) or keras.mixed_precision
    name = "set_dtype_policy" if hasattr(policies, "set_dtype_policy") else "set_global_policy"
    getattr(policies, name)("float32")
    classes = {type(layer).__name__: type(layer) for layer in model._flatten_layers()}  # noqa: SLF001
    hint = "give a builder that makes the model with a policy of float32; this file is then its weights"
    try:
        with keras.utils.custom_object_scope({name: cls for name, cls in classes.items() if not _is_built_in(cls)}):
            copy = type(model).from_config(_replaced(model.get_config()))
        if not copy.built and hasattr(model, "get_build_config"):
            copy.build_from_config(model.get_build_config())
        copy.set_weights(model.get_weights())
    except Exception as error:  # of any class: the user's own layers are made here
        raise InvalidSource(f"{model.name}: cannot be made again in float32: {causes(error)}", hint) from error
    left = other_policy(copy)
    if left is not None:
        raise InvalidSource(f"{model.name}: its own layers ask for {left}, against its configuration", hint)
    return copy


def _is_built_in(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in _PACKAGES


def _replaced(config: Any) -> Any:
    """Return a configuration whose dtypes of half or double precision are float32."""
    if isinstance(config, dict):
        return {
            key: "float32" if key == "dtype" and _is_other(value) else _replaced(value) for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_replaced(item) for item in config)
    return config


def _is_other(dtype: Any) -> bool:
    name = dtype.get("config", {}).get("name") if isinstance(dtype, dict) else dtype
    return isinstance(name, str) and name.removeprefix("mixed_") in NOT_SINGLE


def written_by(version: str | None) -> str:
    """Return `tf-keras 2.21.0` for a version that a file names: Keras 2 ended with 2.15 and went on as tf-keras, numbered as TensorFlow."""
    if version is None:
        return "keras before 2"
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return f"{'tf-keras' if (2, 15) < numbers < (3,) else 'keras'} {version}"


def brief(error: BaseException) -> str:
    """Return the chain of causes of an error of Keras, without the configuration that Keras puts into it."""
    told = causes(error).partition("Full object config")[0].partition("Full config")[0].strip()
    return told if len(told) <= _BRIEF else f"{told[:_BRIEF]} ..."


def layers_of(config: ConfigTable) -> list[ConfigTable]:
    """Return the configurations of a model's layers; [] for a model written as a class. Keras 2 wrote a Sequential as a plain list."""
    held = config.get("config")
    layers = held if isinstance(held, list) else held.get("layers", []) if isinstance(held, dict) else []
    return [cast("ConfigTable", layer) for layer in layers if isinstance(layer, dict)]


def parts_of(config: Any) -> Iterator[ConfigTable]:
    """Yield every object in a configuration that names its class: layers, layers in layers, initializers, functions."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield cast("ConfigTable", config)
        for value in config.values():
            if isinstance(value, (dict, list)):
                yield from parts_of(value)
    elif isinstance(config, list):
        for value in config:
            if isinstance(value, (dict, list)):  # skips the words of a vocabulary, of which there may be a million
                yield from parts_of(value)


def lambdas(config: ConfigTable) -> list[str]:
    """Return the names of the parts with Python code (bytes of one Python version), which loading would run."""
    found = []
    for part in parts_of(config):
        held = part.get("config")
        if part["class_name"] == "__lambda__":
            found.append("a Python lambda")
        elif part["class_name"] == "Lambda" and isinstance(held, dict):
            function = held.get("function")
            is_code = isinstance(function, (list, tuple)) or held.get("function_type", "lambda") == "lambda"
            if is_code and not isinstance(function, str) and not _names_a_function(function):
                found.append(str(held.get("name")))
    return sorted(set(found) - {"a Python lambda"} or set(found))


def _names_a_function(function: Any) -> bool:
    return isinstance(function, dict) and function.get("class_name") == "function"


def custom_parts(config: ConfigTable, known: frozenset[str]) -> list[str]:
    """Return the names of classes and functions in a configuration that Keras lacks; `known` are its layers, for old configurations."""
    found = {_custom(part) for part in parts_of(config)} if "module" in config else set()
    if "module" not in config:
        old = known | {"Model", "Functional", "Sequential"}
        found = {part["class_name"] for part in _old_layers(config) if part["class_name"] not in old}
    return sorted(found - {None})  # type: ignore[arg-type]


def _custom(part: ConfigTable) -> str | None:
    """Return the name under which a loader looks a part up; None where Keras has the part itself."""
    module, name = part.get("module"), part["class_name"]
    if name == "function":
        return str(part.get("config")) if module == "builtins" else None
    if "registered_name" not in part or name.startswith("__"):  # __tensor__, __tuple__ and the like are values
        return None
    return None if isinstance(module, str) and module.partition(".")[0] in _OWN else name


def _old_layers(config: ConfigTable) -> Iterator[ConfigTable]:
    """Yield a configuration of Keras 2 and those of all layers in it: in models, wrappers, recurrent layers."""
    yield config
    held = config.get("config")
    inside = [held.get(key) for key in ("layer", "cell", "backward_layer")] if isinstance(held, dict) else []
    cells = held.get("cells", []) if isinstance(held, dict) else []
    for layer in (*layers_of(config), *inside, *cells):
        if isinstance(layer, dict) and isinstance(layer.get("class_name"), str):
            yield from _old_layers(cast("ConfigTable", layer))


def signature(config: ConfigTable) -> dict[str, Any] | None:
    """Return {"inputs", "outputs"} of a functional or sequential model as far as its configuration tells; None where it tells nothing.

    Shapes of outputs are null: only the model itself tells them.
    """
    layers, held = layers_of(config), config.get("config")
    named = {str(layer.get("name") or layer.get("config", _NO_CONFIG).get("name")): layer for layer in layers}
    if not layers:
        return None
    if isinstance(held, dict) and "input_layers" in held:
        inputs = [(key or name, named.get(name, {})) for key, name in _references(held["input_layers"])]
        outputs = [(key or name, named.get(name, {})) for key, name in _references(held.get("output_layers", []))]
    else:
        (first, taken), (last, given) = next(iter(named.items())), list(named.items())[-1]
        inputs = [(first if taken.get("class_name") == "InputLayer" else f"{first}_input", taken)]
        outputs = [(last, given)]
    return {
        "inputs": [
            {"name": name, "dtype": _dtype(layer), "shape": _batch_shape(layer)}
            for name, layer in sorted(inputs, key=lambda one: one[0])
        ],
        "outputs": [
            {"name": name, "dtype": _dtype(layer), "shape": None}
            for name, layer in sorted(outputs, key=lambda one: one[0])
        ],
    }


def endings(config: ConfigTable) -> dict[str, Any]:
    """Return the JSON of an `Ending` for each output of a functional or sequential model, from its last layer and that layer's activation."""
    layers, held = layers_of(config), config.get("config")
    named = {str(layer.get("name") or layer.get("config", _NO_CONFIG).get("name")): layer for layer in layers}
    if isinstance(held, dict) and "input_layers" in held:
        outputs = [(key or name, named.get(name, {})) for key, name in _references(held.get("output_layers", []))]
    else:
        outputs = list(named.items())[-1:]
    return {name: _ending(layer).to_json() for name, layer in outputs}


def _ending(layer: ConfigTable) -> Ending:
    name = str(layer.get("class_name", ""))
    activation = layer.get("config", _NO_CONFIG).get("activation")
    if isinstance(activation, dict):
        activation = activation.get("config") if activation.get("class_name") == "function" else None
    if isinstance(activation, str) and activation != "linear":
        return Ending(activation, canonical(activation))
    return Ending(name, _LAYERS.get(name, canonical(name))) if name else Ending()


def _references(structure: Any, key: str | None = None) -> list[tuple[str | None, str]]:
    """Return (key, layer) of nested lists and mappings whose leaves are ["layer", node, tensor]."""
    if isinstance(structure, dict):
        return [found for name in sorted(structure) for found in _references(structure[name], str(name))]
    if isinstance(structure, list) and len(structure) >= 3 and isinstance(structure[0], str):
        return [(key, structure[0])]
    if isinstance(structure, list):
        return [found for item in structure for found in _references(item)]
    return []


def _batch_shape(layer: ConfigTable) -> list[int | None] | None:
    held = layer.get("config", _NO_CONFIG)
    shape = held.get("batch_shape") or held.get("batch_input_shape")
    return [None if size is None else int(size) for size in shape] if isinstance(shape, list) else None


def _dtype(layer: ConfigTable) -> str:
    """Return the dtype of a layer's numbers; float32, Keras's default, where it is missing."""
    dtype = layer.get("config", _NO_CONFIG).get("dtype") or "float32"
    name = dtype.get("config", {}).get("name", "float32") if isinstance(dtype, dict) else dtype
    return "float32" if str(name).removeprefix("mixed_") in NOT_SINGLE else str(name)
