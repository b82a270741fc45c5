"""The walk from an output to the operator that gives its numbers."""

from __future__ import annotations

import pytest

from toolkit.tensors.endings import Ending, Made, canonical, ending


def walk(output, **graph):
    """Return what an output ends with in a graph of tensors, each made by an operator of others; those that nothing makes are its inputs."""
    return ending(graph.get, output)


def made(operator, *inputs, **more):
    return Made(operator, inputs, **more)


@pytest.mark.parametrize(
    ("operator", "name"),
    [
        ("SOFTMAX", "softmax"),
        ("Softmax", "softmax"),
        ("LOGISTIC", "logistic"),
        ("Sigmoid", "logistic"),
        ("ARG_MAX", "argmax"),
        ("TopKV2", "topk"),
        ("TOPK_V2", "topk"),
        ("STRIDED_SLICE", "stridedslice"),
        ("ConcatV2", "concat"),
        ("CONCATENATION", "concat"),
        ("DequantizeLinear", "dequantize"),
        ("LpNormalization", "l2normalization"),
    ],
)
def test_one_name_for_an_operator_of_any_format(operator, name):
    """Kinds name it once."""
    assert canonical(operator) == name


def test_what_only_moves_is_passed():
    """And told, from the output on."""
    found = walk(
        "y",
        y=made("DEQUANTIZE", "a"),
        a=made("RESHAPE", "b"),
        b=made("SUB", "c"),
        c=made("SOFTMAX", "d", dtype="int8"),
        d=made("FULLY_CONNECTED", "x"),
    )

    assert found == Ending("SOFTMAX", "softmax", ("DEQUANTIZE", "RESHAPE", "SUB"), "int8")


def test_a_difference_of_two_is_a_number_of_its_own():
    """Only a constant that is taken off leaves what it was."""
    assert walk("y", y=made("SUB", "a", "b"), a=made("SOFTMAX", "x"), b=made("SOFTMAX", "x")).kind == "sub"


def test_a_constant_added_to_labels_names_them_otherwise():
    """Of real numbers it makes others."""
    assert walk("y", y=made("ADD", "a", dtype="int32"), a=made("ARG_MAX", "x")).kind == "argmax"
    assert walk("y", y=made("ADD", "a", dtype="float32"), a=made("SOFTMAX", "x")).kind == "add"


def test_what_is_packed_of_alike_is_alike():
    """Two outputs of one softmax, say; of others nothing more is known."""
    alike = walk("y", y=made("PACK", "a", "b"), a=made("SLICE", "s"), b=made("SUB", "s"), s=made("SOFTMAX", "x"))
    others = walk("y", y=made("PACK", "a", "b"), a=made("SOFTMAX", "x"), b=made("LOGISTIC", "x"))

    assert (alike.kind, alike.through) == ("softmax", ("PACK", "SLICE"))
    assert others.kind == "pack"


def test_a_concatenation_along_the_last_axis_has_parts():
    """Which no reshaping keeps; along another axis it is what is joined."""
    joined = made("CONCATENATION", "a", "b", joins_last=True, parts=(4, 10))
    rows = made("CONCATENATION", "a", "b")
    ends = {"a": made("SOFTMAX", "x"), "b": made("SOFTMAX", "x")}

    assert walk("y", y=joined, **ends).parts == (4, 10)
    assert walk("q", q=made("DEQUANTIZE", "y"), y=joined, **ends).parts == (4, 10)
    assert walk("q", q=made("RESHAPE", "y"), y=joined, **ends).parts == ()
    assert walk("y", y=rows, **ends).kind == "softmax"


@pytest.mark.parametrize("divides", ["Mul", "RealDiv"])
def test_a_vector_by_its_own_length_is_normalized(divides):
    """However the length is computed, and from whichever side it comes."""
    graph = {
        "r": made("Rsqrt", "m"),
        "m": made("Maximum", "s"),
        "s": made("Sum", "q"),
        "q": made("Square", "v"),
        "v": made("MatMul", "x"),
    }

    assert walk("y", y=made(divides, "v", "r"), **graph).kind == "l2normalization"
    assert walk("y", y=made(divides, "r", "v"), **graph).kind == "l2normalization"
    assert walk("y", y=made(divides, "other", "r"), other=made("MatMul", "x"), **graph).kind != "l2normalization"


def test_a_vector_by_its_sum_is_not():
    """It has no length of 1."""
    found = walk("y", y=made("RealDiv", "v", "s"), s=made("Sum", "v"), v=made("Exp", "x"))

    assert found.kind == "realdiv"


def test_an_input_that_is_an_output_ends_nowhere():
    """Nothing makes it."""
    assert walk("x") == Ending()
    assert walk("y", y=made("RESHAPE", "x")) == Ending(through=("RESHAPE",))


def test_which_of_several_outputs_it_is_stays_known():
    """The second of top-k are places, the first are scores."""
    assert walk("y", y=made("CAST", "i"), i=made("TOPK_V2", "x", position=1)).position == 1


def test_a_circle_ends():
    """A damaged file may hold one."""
    assert walk("y", y=made("RESHAPE", "z"), z=made("RESHAPE", "y")).kind == "reshape"


def test_an_ending_lives_on_in_json():
    """A worker sends it."""
    found = Ending("CONCATENATION", "concat", ("DEQUANTIZE",), "float32", 0, (4, 10))

    assert Ending.from_json(found.to_json()) == found
