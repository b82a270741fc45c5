"""Which tensor of one file stands for which of another: by name, and by their place among those that have one."""

from __future__ import annotations

from types import SimpleNamespace

from toolkit.engines.tflite.counterparts import counterparts


def parts(*operators, inputs=("x",)):
    """Return a chain of operators, each (kind, tensor that it gives, its shape), as a file has them."""
    names = [*inputs, *(name for _, name, _ in operators)]
    shapes = [(1, 4), *(shape for _, _, shape in operators)]
    tensors = [
        SimpleNamespace(name=name, shape=shape, dtype="float32") for name, shape in zip(names, shapes, strict=True)
    ]
    nodes = [
        SimpleNamespace(operator=kind, reads=(place,), gives=(place + 1,), moves=kind in ("QUANTIZE", "DEQUANTIZE"))
        for place, (kind, _, _) in enumerate(operators)
    ]
    return SimpleNamespace(tensors=tensors, nodes=nodes, inputs=(0,))


def found(model, floats):
    """Return pairs of names, and how each was found."""
    pairs = counterparts(model, floats).items()
    return {model.tensors[one].name: (floats.tensors[other].name, how) for one, (other, how) in pairs}


FLOATS = parts(
    ("CONV_2D", "conv", (1, 8)), ("FULLY_CONNECTED", "first", (1, 6)), ("FULLY_CONNECTED", "second", (1, 6)),
    ("SOFTMAX", "scores", (1, 6)),
)  # fmt: skip


def test_what_lost_its_name_is_found_between_those_that_kept_theirs():
    """Though the files have other operators: one of them was fused, one was added."""
    model = parts(
        ("QUANTIZE", "x_int8", (1, 4)), ("CONV_2D", "conv", (1, 8)), ("FULLY_CONNECTED", "a;b", (1, 6)),
        ("MUL", "scaled", (1, 6)), ("FULLY_CONNECTED", "second", (1, 6)), ("SOFTMAX", "p", (1, 6)),
    )  # fmt: skip

    assert found(model, FLOATS) == {
        "x": ("x", "name"),
        "x_int8": ("x", "name"),
        "conv": ("conv", "name"),
        "a;b": ("first", "order"),
        "second": ("second", "name"),
        "p": ("scores", "order"),
    }


def test_what_has_another_shape_or_kind_stands_for_nothing():
    model = parts(("CONV_2D", "c", (1, 9)), ("TANH", "t", (1, 6)), ("SOFTMAX", "scores", (1, 5)))

    assert found(model, FLOATS) == {"x": ("x", "name")}


def test_no_tensor_stands_for_two():
    model = parts(
        ("FULLY_CONNECTED", "a", (1, 6)), ("FULLY_CONNECTED", "second", (1, 6)), ("FULLY_CONNECTED", "b", (1, 6))
    )

    others = [name for name, _ in found(model, FLOATS).values()]

    assert sorted(others) == ["first", "second", "x"]
