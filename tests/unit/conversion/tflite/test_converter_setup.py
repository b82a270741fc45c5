"""What TensorFlow's converter says in pages of MLIR, in one sentence: which operators, of which dtype, and what to do."""

from __future__ import annotations

import pytest

from toolkit.conversion.tflite.converter_setup import converted
from toolkit.errors import Unconvertible

TOLD = """Could not translate MLIR to FlatBuffer.<unknown>:0: error: loc(fused["{name}:", "x@f"]): 'tf.{name}' op is neither a custom op nor a flex op
<unknown>:0: note: see current operation: %2 = "tf.{name}"(%1, %0) : (tensor<?x16x{type}>, tensor<8x16x{type}>) -> tensor<?x8x{type}>
<unknown>:0: error: failed while converting: 'main':
Some ops are not supported by the native TFLite runtime, you can enable TF kernels fallback using TF Select.
TF Select ops: {name}
Details:
\ttf.{name}(tensor<?x16x{type}>) -> (tensor<?x16x{type}>) : {{device = ""}}
"""


class Converter:
    """What refuses as TensorFlow's converter does."""

    representative_dataset = None

    def __init__(self, error):
        self._error = error

    def convert(self):
        """Refuse."""
        raise self._error


def refused(text, kind=ValueError):
    """Return the error that a converter's becomes."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 (of either class)
        converted(Converter(kind(text)), "float32")
    return caught.value


@pytest.mark.parametrize(
    ("mlir", "dtype", "do"),
    [
        ("f64", "float64", "set_floatx"),
        ("f16", "float16", "set_dtype_policy"),
        ("bf16", "bfloat16", "set_dtype_policy"),
        ("complex<f64>", "complex128", "tf.complex64"),
        ("ui64", "uint64", "int64"),
    ],
)
def test_the_dtype_that_has_no_kernel_is_named(mlir, dtype, do):
    """The operator alone would send its user to another operator, where it is the numbers that are wrong."""
    error = refused(TOLD.format(name="MatMul", type=mlir))

    assert isinstance(error, Unconvertible)
    assert error.problem == f"converting to float32: TFLite has no kernel for MatMul of {dtype}"
    assert do in error.hint


@pytest.mark.parametrize(
    ("name", "do"),
    [("Cholesky", "leave that part out"), ("IRFFT", "tf.signal.rfft"), ("TensorListReserve", "unroll=True")],
)
def test_an_operator_without_kernel_is_named_with_what_there_is_instead(name, do):
    """In float32, where only the operator is lacking."""
    error = refused(TOLD.format(name=name, type="f32"))

    assert error.problem == f"converting to float32: TFLite has no kernel for {name}"
    assert do in error.hint


def test_another_error_is_left_as_it_is():
    """And is not its own cause: whoever told its causes would never end."""
    error = refused("the disk is full", OSError)

    assert isinstance(error, OSError)
    assert error.__cause__ is None
