"""Keras models as an original: of Keras 3, of tf-keras, and of the Keras 2 inside an older TensorFlow.

A call runs `model(inputs, training=False)` as a graph, like `model.predict`. `save` traces the Python layers again with static shapes: only with a
static batch do they make a recurrent network that the converter can fuse.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import shutil
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import InvalidSource, UnknownName, causes
from toolkit.findings import Finding
from toolkit.source.loading import DEFAULT_KEY, Arrays, LoadedOriginal
from toolkit.source.loading.functions import engine, operators_of, save_function
from toolkit.source.loading.keras_models.config import NOT_SINGLE, in_float32, is_keras, keras_of, other_policy
from toolkit.source.loading.keras_models.tensors import (
    filled,
    leaves,
    named_leaves,
    output_names,
    symbolic_tensors,
    unique,
)
from toolkit.tensors.signature import TensorJson

__all__ = ["KerasOriginal", "call_once", "is_keras", "keras_of", "require_built"]


class KerasOriginal(LoadedOriginal):
    """A Keras model with one signature, `serving_default`, of named tensors.

    `inputs` are {name: tf.TensorSpec}, for a model that does not tell its inputs; an argument that is a list or a mapping has such specs.
    Inputs and outputs in half or double precision are float32 here: the same numbers, without digits that no device has.
    """

    def __init__(self, model: Any, loader: str, inputs: Mapping[str, Any] | None = None) -> None:
        keras = keras_of(model)
        backend = keras.backend.backend()
        if backend != "tensorflow":
            raise InvalidSource(f"{_who(model)}: runs on {backend}; expected TensorFlow", "KERAS_BACKEND=tensorflow")
        self.model = model
        self.loader = loader
        self.engine = f"{'tf-keras' if keras.__name__ == 'tf_keras' else 'keras'} {keras.__version__} on {engine()}"
        self.findings = []
        self._arguments = _arguments(model, inputs)
        self._inputs = named_leaves(self._arguments)
        self._outputs = output_names(model)
        for name, leaf in self._inputs.items():
            _check_dense(f"{_who(model)}: input {name!r}", leaf)
        declared = {name: _sizes(leaf.shape) for name, leaf in self._inputs.items()}
        variables = len(model.weights)
        with _refusal(model):
            self._function = self._function_of(model).get_concrete_function(**self._specs(declared))
        if len(model.weights) != variables:
            raise _not_called(model)
        self.operators = operators_of(self._function)
        taken, given = self._specs(declared), self._function.structured_outputs
        self.signatures = [{"key": DEFAULT_KEY, "inputs": _json(taken), "outputs": _json(given)}]
        self._policy = other_policy(model)
        if self._policy is not None:
            message = f"computes in {self._policy}, which no device's kernels do; packaged in float32, and judged against the original as it is"
            self.findings.append(Finding("mixed-precision", "info", message))

    def call(self, key: str, sample: Arrays) -> Arrays:
        """Return the outputs of one call by name."""
        import tensorflow as tf

        self._check(key)
        results = self._function(**{name: tf.constant(array) for name, array in sample.items()})
        return {name: tensor.numpy() for name, tensor in results.items()}

    def save(self, key: str, shapes: dict[str, list[int]], folder: Path) -> None:
        """Write a SavedModel of the model traced with these shapes, a model of half or double precision rebuilt in float32."""
        import tensorflow as tf

        self._check(key)
        model = self.model if self._policy is None else in_float32(self.model)
        traced = self._function_of(model)
        with _refusal(model):
            traced.get_concrete_function(**self._specs(shapes))
        keras = keras_of(model)
        package = (
            tf.keras if keras.__version__ < "3" and keras.__name__ == "keras" else importlib.import_module("keras")
        )
        if not hasattr(package, "export"):  # TensorFlow before 2.13
            save_function(traced.get_concrete_function(**self._specs(shapes)), model, shapes, folder)
            return
        try:
            _write(package.export.ExportArchive(), traced, folder)
        except AssertionError:  # it refers to more than variables: a lookup table, say
            shutil.rmtree(folder, ignore_errors=True)
            archive = package.export.ExportArchive()
            archive.track(model)
            _write(archive, traced, folder)

    def _check(self, key: str) -> None:
        if key != DEFAULT_KEY:
            raise UnknownName("signature", key, [DEFAULT_KEY])

    def _specs(self, shapes: dict[str, Any]) -> dict[str, Any]:
        import tensorflow as tf

        return {
            name: tf.TensorSpec(shapes[name], _whole_dtype(leaf.dtype), name=name)
            for name, leaf in self._inputs.items()
        }

    def _function_of(self, model: Any) -> Any:
        """Return the tf.function that takes this model's inputs by name and returns its outputs by name."""
        import tensorflow as tf

        def by_name(**given: Any) -> dict[str, Any]:
            tensors = [
                tf.cast(given[name], leaf.dtype if model is self.model else _whole_dtype(leaf.dtype))
                for name, leaf in self._inputs.items()
            ]
            positional, by_keyword = filled(self._arguments, iter(tensors))
            results = model(*positional, training=False, **by_keyword)
            found = _named_results(model, results, self._outputs)
            return {name: tf.cast(tensor, _whole_dtype(tensor.dtype)) for name, tensor in found.items()}

        return tf.function(by_name, autograph=False)


def _arguments(model: Any, inputs: Mapping[str, Any] | None) -> tuple[list[Any], dict[str, Any]]:
    """Return what the model is called with, positional and by keyword: structures whose leaves have a shape and a dtype."""
    symbolic = symbolic_tensors(model, "inputs")
    if symbolic is not None:
        named = named_leaves(symbolic)
        for name in inputs or {}:
            if name not in named:
                raise UnknownName(f"{_who(model)}: input", name, named)
        return [filled(symbolic, iter([(inputs or {}).get(name, leaf) for name, leaf in named.items()]))], {}
    require_built(model)
    if inputs:
        inputs = {name: _with_name(spec, name) for name, spec in inputs.items()}
        parameters = [name for name in inspect.signature(model.call).parameters if name not in ("training", "mask")]
        if set(inputs) <= set(parameters):
            first = parameters[: parameters[0] in inputs]  # tf-keras wants it by position
            return [inputs[name] for name in first], {name: spec for name, spec in inputs.items() if name not in first}
        return [next(iter(inputs.values())) if len(inputs) == 1 else dict(inputs)], {}
    recorded = (
        model.save_spec() if hasattr(model, "save_spec") else None
    )  # tf-keras notes what it was first called with
    if recorded is None:
        raise InvalidSource(
            f"{_who(model)}: is written as a class, so what it takes is not known from outside",
            "have the builder return (model, inputs), inputs being {name: tf.TensorSpec(shape, dtype)}; or, beside custom_objects, inputs alone",
        )
    positional, by_keyword = recorded
    return list(positional), {name: value for name, value in by_keyword.items() if name not in ("training", "mask")}


def _with_name(spec: Any, name: str) -> Any:
    import tensorflow as tf

    return tf.TensorSpec(spec.shape, spec.dtype, name) if isinstance(spec, tf.TensorSpec) else spec


def require_built(model: Any) -> None:
    """Raise InvalidSource for a model without variables: it never saw the shapes of its inputs."""
    if not model.built:
        raise _not_called(model)


def call_once(model: Any, inputs: Mapping[str, Any] | None) -> None:
    """Call a model on zeros, so that all its layers make their variables."""
    import tensorflow as tf

    structure = _arguments(model, inputs)
    zeros = [
        tf.zeros([1 if size is None else size for size in _sizes(leaf.shape) or []], leaf.dtype)
        for _, leaf in leaves(structure)
    ]
    positional, by_keyword = filled(structure, iter(zeros))
    with _refusal(model):
        model(*positional, training=False, **by_keyword)


def _not_called(model: Any) -> InvalidSource:
    return InvalidSource(
        f"{_who(model)}: was never called, so it has not all of its variables yet",
        "call it once in the builder, on zeros of the right shape say, before it is returned",
    )


def _named_results(model: Any, results: Any, names: list[str] | None) -> dict[str, Any]:
    import tensorflow as tf

    found = [(key, leaf) for key, leaf in leaves(results) if leaf is not None]
    if names is None or len(names) != len(found):
        names = unique([key or f"output_{place}" for place, (key, _) in enumerate(found)])
    for name, (_, leaf) in zip(names, found, strict=True):
        if not tf.is_tensor(leaf) or not isinstance(leaf, tf.Tensor):
            raise InvalidSource(f"{_who(model)}: output {name!r} is a {type(leaf).__name__}; expected a dense tensor")
    return {name: leaf for name, (_, leaf) in zip(names, found, strict=True)}


def _check_dense(who: str, leaf: Any) -> None:
    import tensorflow as tf

    spec = getattr(leaf, "type_spec", leaf)
    kind = "sparse" if getattr(leaf, "sparse", False) else "ragged" if getattr(leaf, "ragged", False) else None
    if kind is None and isinstance(spec, tf.TypeSpec) and not isinstance(spec, tf.TensorSpec):
        kind = type(spec).__name__.removesuffix("TensorSpec").lower()
    if kind is not None:
        raise InvalidSource(f"{who} takes a {kind} tensor, which no device's runtime does; expected a dense one")
    if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
        raise InvalidSource(f"{who} is described by {leaf!r}; expected a tf.TensorSpec")


def _sizes(shape: Any) -> list[int | None] | None:
    if shape is None or getattr(shape, "rank", 0) is None:
        return None
    return [None if size is None else int(size) for size in shape]


def _whole_dtype(dtype: Any) -> Any:
    """Return the tf.DType, float32 for half and double precision: readers of these numbers have no bfloat16."""
    import tensorflow as tf

    found = tf.as_dtype(dtype)
    return tf.float32 if found.name in NOT_SINGLE else found


def _json(specs: Mapping[str, Any]) -> list[TensorJson]:
    return [
        {"name": name, "dtype": spec.dtype.name, "shape": _sizes(spec.shape)} for name, spec in sorted(specs.items())
    ]


def _write(archive: Any, function: Any, folder: Path) -> None:
    """Save one endpoint."""
    archive.add_endpoint(DEFAULT_KEY, function)
    quiet = {"verbose": False} if "verbose" in inspect.signature(archive.write_out).parameters else {}
    archive.write_out(str(folder), **quiet)


def _who(model: Any) -> str:
    return f"{type(model).__name__} {getattr(model, 'name', '')!r}"


@contextlib.contextmanager
def _refusal(model: Any) -> Iterator[None]:
    """Turn any error of Keras and of the user's layers into InvalidSource: the model cannot be run as a graph."""
    try:
        yield
    except InvalidSource:
        raise
    except Exception as error:  # of any class: the layers' own code runs here
        traceback.print_exc()
        raise InvalidSource(f"{_who(model)}: cannot be run as a graph: {causes(error)}") from error
