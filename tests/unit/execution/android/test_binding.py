"""Outputs in one row of bytes, by the graph's order and the signature's names."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit.errors import RequestError, WorkerLied
from toolkit.execution.android.binding import Binding
from toolkit.wire.android.benchmark_model import Fed, flags, kernel_flags

FIXED = [
    {"name": "a", "dtype": "float32", "shape": [1, 2]},
    {"name": "b", "dtype": "int8", "shape": [1, 3]},
]
OPEN = [{"name": "a", "dtype": "float32", "shape": [None, 2]}, {"name": "b", "dtype": "int8", "shape": [3]}]
INPUTS = [{"name": "p", "dtype": "float32", "shape": [1, 2]}, {"name": "q", "dtype": "float32", "shape": [None, 2]}]


def binding(outputs: list, inputs: list = INPUTS) -> Binding:
    order = {"inputs": ["q", "p"], "outputs": ["b", "a"]}
    return Binding({"key": "k", "inputs": inputs, "outputs": outputs}, order, (), keeps=False)


ROW = np.array([1, -2, 3], np.int8).tobytes() + np.array([[0.5, 1.5]], np.float32).tobytes()


def test_outputs_are_cut_in_the_graphs_order():
    found = binding(FIXED).outputs(ROW, "sample 1")

    np.testing.assert_array_equal(found["b"], [[1, -2, 3]])
    np.testing.assert_array_equal(found["a"], [[0.5, 1.5]])
    assert found["b"].dtype == np.int8


@pytest.mark.parametrize("content", [b"", ROW[:-1], ROW + b"\0", ROW * 2])
def test_fewer_bytes_or_more_are_no_outputs(content):
    """A program that wrote one output of two, a full disk, a model of other sizes."""
    with pytest.raises(
        WorkerLied, match=f"sample 1: benchmark_model wrote {len(content)} bytes of outputs; expected 11"
    ):
        binding(FIXED).outputs(content, "sample 1")


def test_an_open_size_follows_from_the_bytes():
    content = bytes(3) + np.arange(6, dtype=np.float32).tobytes()

    assert binding(OPEN).outputs(content, "x")["a"].shape == (3, 2)
    for wrong in (bytes(3), bytes(2), bytes(3 + 7), content + b"\0"):
        with pytest.raises(WorkerLied, match="expected 3 and a multiple of 8"):
            binding(OPEN).outputs(wrong, "x")


def test_samples_are_given_in_the_graphs_order_and_checked():
    sample = {"p": np.zeros((1, 2), np.float32), "q": np.ones((4, 2), np.float32)}

    assert [array.shape for array in binding(FIXED).in_order(sample)] == [(4, 2), (1, 2)]
    for wrong in ({"p": sample["p"]}, {**sample, "p": np.zeros((2, 2), np.float32)}, {**sample, "p": np.zeros((1, 2))}):
        with pytest.raises(ValueError, match="the model takes"):
            binding(FIXED).in_order(wrong)


def test_names_of_inputs_do_not_reach_the_command_line():
    """The program has rules of its own for ':' and ','; it binds by order."""
    said = flags("m.tflite", [Fed("in/0.0", (1, 28, 28)), Fed("in/0.1", ())], threads=4, warm=False)

    assert "--input_layer=in0,in1" in said
    assert "--input_layer_shape=1,28,28:" in said
    assert "--input_layer_value_files=in0:in/0.0,in1:in/0.1" in said
    assert "--warmup_runs=0" in said
    assert "--num_threads=4" in said


@pytest.mark.parametrize(("kernels", "loses"), [("default", "true"), ("float32", "false")])
def test_a_gpu_may_leave_nothing_to_the_cpu_and_computes_in_float16_where_it_is_asked_to(kernels, loses):
    said = kernel_flags(kernels, "gpu")

    assert "--require_full_delegation=true" in said
    assert f"--gpu_precision_loss_allowed={loses}" in said


def test_kernels_are_those_of_a_processor():
    with pytest.raises(RequestError, match="no builtin kernels on the GPU; known: default, float32"):
        kernel_flags("builtin", "gpu")
    assert kernel_flags("builtin", "cpu") == ("--use_xnnpack=false",)
    with pytest.raises(RequestError, match="no reference kernels"):
        kernel_flags("reference", "cpu")
