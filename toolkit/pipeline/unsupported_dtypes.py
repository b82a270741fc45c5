"""Models with dtypes that no artifact accepts or computes with: refused before conversion, with code to paste."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from toolkit import printable
from toolkit.engines.tensorflow.dtypes import ADVICE
from toolkit.errors import Unconvertible

if TYPE_CHECKING:
    from toolkit.source.source import Source
    from toolkit.tensors.signature import TensorSpec

_LACKING = "tflite"  # the format whose kernels have no arithmetic in these dtypes; ONNX Runtime has it


def refuse_arithmetic(opened: Source, formats: Collection[str]) -> None:
    """Raise Unconvertible if a model computes in a dtype that none of these artifact formats has kernels for."""
    if opened.lacking and set(formats) == {_LACKING}:
        finding = opened.lacking[0]
        raise Unconvertible(
            f"{opened.path}: computes in {finding.facts['dtype']} ({', '.join(finding.names or ())}), which TFLite has no kernels for",
            ADVICE[finding.facts["dtype"]],
        )


def refuse_ends(opened: Source) -> None:
    """Raise Unconvertible if a model's inputs or outputs are real numbers of a dtype that no artifact's inputs or outputs have."""
    wrong = {
        spec.name: spec.dtype for spec in (*opened.signature.inputs, *opened.signature.outputs) if spec.dtype in ADVICE
    }
    if wrong:
        named = ", ".join(f"{name!r} is {dtype}" for name, dtype in wrong.items())
        raise Unconvertible(
            f"{opened.path}: {named}; an artifact takes and gives float32, or integers", _cast(opened, wrong)
        )


def _cast(opened: Source, wrong: Mapping[str, str]) -> str:
    """Return the code that saves the model with casts at its inputs and outputs; a sentence if the code cannot be written."""
    inputs, outputs = opened.signature.inputs, opened.signature.outputs
    if opened.kind != "saved_model" or not all(spec.name.isidentifier() for spec in inputs):
        return 'cast where it is made: take tf.float32, tf.cast(x, "float64") after it, and tf.cast(y, "float32") before what it gives'
    names = [spec.name for spec in inputs]
    fed = ", ".join(f'{name}=tf.cast({name}, "{wrong[name]}")' if name in wrong else f"{name}={name}" for name in names)
    given = ", ".join(
        f"{name}: " + (f'tf.cast(y[{name}], "float32")' if spec.name in wrong else f"y[{name}]")
        for spec, name in ((spec, printable.literal(spec.name)) for spec in outputs)
    )
    said = ", ".join(f"tf.TensorSpec({_shape(spec.shape)}, {_dtype(spec, wrong)}, {spec.name!r})" for spec in inputs)
    lines = [
        "import tensorflow as tf",
        "new = tf.Module()",
        f"new.old = tf.saved_model.load({printable.literal(str(opened.path))})",
        f"f = new.old.signatures[{printable.literal(opened.key)}]",
        f"new.f = tf.function(lambda {', '.join(names)}: (lambda y: {{{given}}})(f({fed})), input_signature=[{said}])",
        f"tf.saved_model.save(new, {printable.literal(f'{opened.path.name}_float32')}, signatures=new.f)",
    ]
    return printable.lines(["save it with a cast at its ends, and build that:", *lines])


def _dtype(spec: TensorSpec, wrong: Mapping[str, str]) -> str:
    return repr("float32" if spec.name in wrong else spec.dtype)


def _shape(shape: Sequence[int | None] | None) -> str:
    return "None" if shape is None else str(list(shape))
