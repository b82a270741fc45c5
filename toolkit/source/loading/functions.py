"""TensorFlow functions as an original: the signatures of a SavedModel, the functions of a module that a builder made."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import InvalidSource
from toolkit.findings import Finding
from toolkit.source.loading import DEFAULT_KEY, Arrays, LoadedOriginal
from toolkit.source.loading.builder import Built
from toolkit.tensors.signature import SignatureJson, TensorJson


class FunctionOriginal(LoadedOriginal):
    """Concrete functions by signature key, each with named tensors in and a dict of tensors out; `holder` keeps their variables alive."""

    def __init__(
        self, loader: str, holder: Any, functions: Mapping[str, Any], findings: list[Finding] | None = None
    ) -> None:
        self.engine = engine()
        self.loader = loader
        self.findings = findings or []
        self._holder = holder
        self._functions = dict(functions)
        self.signatures = [_signature(key, function) for key, function in sorted(self._functions.items())]
        self.operators = {name for function in self._functions.values() for name in operators_of(function)}

    def call(self, key: str, sample: Arrays) -> Arrays:
        """Return the outputs of one call by name."""
        import tensorflow as tf

        results = self._functions[key](**{name: tf.constant(array) for name, array in sample.items()})
        return {name: tensor.numpy() for name, tensor in results.items()}

    def save(self, key: str, shapes: dict[str, list[int]], folder: Path) -> None:
        """Save the function, traced again with static shapes."""
        save_function(self._functions[key], self._holder, shapes, folder)


def engine() -> str:
    """Return `tensorflow 2.21.0`."""
    import tensorflow as tf

    return f"tensorflow {tf.__version__}"


def operators_of(function: Any) -> set[str]:
    """Return the names of all operators that a concrete function runs, those of the functions that it calls included."""
    from toolkit.engines.tensorflow.messages import operators_run

    return operators_run(function.graph.as_graph_def())


def save_function(function: Any, holder: Any, shapes: dict[str, list[int]], folder: Path) -> None:
    """Save a function, traced again with static shapes, with only the variables that it uses: later jobs have less to load."""
    import tensorflow as tf

    _, declared = function.structured_input_signature
    specs = {name: tf.TensorSpec(shapes[name], spec.dtype, name=name) for name, spec in declared.items()}

    def by_name(**inputs: Any) -> Any:
        return function(**inputs)

    traced = tf.function(by_name).get_concrete_function(**specs)
    module = tf.Module()
    module.traced, module.used_variables = traced, list(function.graph.variables)
    signatures = {DEFAULT_KEY: traced}
    try:
        tf.saved_model.save(module, str(folder), signatures=signatures)
    except (
        AssertionError
    ):  # it uses more than variables (lookup tables, for example), which only the whole object holds
        shutil.rmtree(folder, ignore_errors=True)
        module.source = holder
        tf.saved_model.save(module, str(folder), signatures=signatures)


def object_original(built: Built, loader: str) -> LoadedOriginal:
    """Return the original of a builder's Keras model or module with functions."""
    from toolkit.source.loading.keras_models.original import KerasOriginal, is_keras

    if is_keras(built.model):
        return KerasOriginal(built.model, loader, built.inputs)
    functions = {DEFAULT_KEY: _called(built.model, built.inputs)} if built.inputs else module_functions(built.model)
    return FunctionOriginal(loader, built.model, functions)


def module_functions(module: Any) -> dict[str, Any]:
    """Return the concrete functions of a module with an input_signature, by signature key; `__call__`, or the only one, is the default.

    InvalidSource where there is none.
    """
    functions = {}
    for name in dir(module):
        found = getattr(module, name, None) if not name.startswith("_") or name == "__call__" else None
        if hasattr(found, "get_concrete_function") and _input_signature(found) is not None:
            functions[name] = _named(found)
    if not functions:
        raise InvalidSource(
            f"builder: {type(module).__name__} has no tf.function with an input_signature, so what it takes is not known",
            "decorate its __call__ with @tf.function(input_signature=[tf.TensorSpec(...)]), or return (model, {name: tf.TensorSpec(...)})",
        )
    default = "__call__" if "__call__" in functions else next(iter(functions)) if len(functions) == 1 else None
    return {DEFAULT_KEY if name == default else name: function for name, function in functions.items()}


def _input_signature(function: Any) -> Any:
    found = getattr(function, "input_signature", None)
    return found if found is not None else getattr(getattr(function, "function_spec", None), "input_signature", None)


def _named(function: Any) -> Any:
    """Return a concrete function with named inputs and outputs, around one with an input_signature of plain tensors."""
    import tensorflow as tf

    positional, keywords = function.get_concrete_function().structured_input_signature
    names = [name for name in function.function_spec.arg_names if name != "self"]
    specs, places = {}, []
    for position, spec in enumerate((*positional, *keywords.values())):
        if not isinstance(spec, tf.TensorSpec):
            raise InvalidSource(
                f"builder: {function.__name__} takes a {type(spec).__name__}; expected tensors, one for each argument"
            )
        name = spec.name or names[position]
        places.append(name)
        specs[name] = tf.TensorSpec(spec.shape, spec.dtype, name=name)

    def by_name(**inputs: Any) -> Any:
        return as_dict(function(*[inputs[name] for name in places]))

    return tf.function(by_name).get_concrete_function(**specs)


def _called(model: Any, inputs: Mapping[str, Any]) -> Any:
    """Return the concrete function of a model for these inputs: one input goes by position, several by name."""
    import tensorflow as tf

    def by_name(**given: Any) -> Any:
        return as_dict(model(*given.values()) if len(given) == 1 else model(**given))

    specs = {name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in inputs.items()}
    return tf.function(by_name).get_concrete_function(**specs)


def as_dict(results: Any) -> dict[str, Any]:
    """Return a function's results by name: a mapping as it is, others as output_0, output_1, ..., the names of TensorFlow's own export."""
    import tensorflow as tf

    if isinstance(results, Mapping):
        return dict(results)
    return {f"output_{position}": tensor for position, tensor in enumerate(tf.nest.flatten(results))}


def _signature(key: str, function: Any) -> SignatureJson:
    _, declared = function.structured_input_signature
    outputs = function.structured_outputs
    return {"key": key, "inputs": _specs(declared), "outputs": _specs(outputs)}


def _specs(tensors: Mapping[str, Any]) -> list[TensorJson]:
    return sorted(
        (
            {
                "name": name,
                "dtype": tensor.dtype.name,
                "shape": None if tensor.shape.rank is None else tensor.shape.as_list(),
            }
            for name, tensor in tensors.items()
        ),
        key=lambda spec: str(spec["name"]),
    )
