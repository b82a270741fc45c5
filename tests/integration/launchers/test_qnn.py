"""ONNX models on the emulated HTP. Its package is an extra with a licence of its own, so EDGE_TOOLKIT_QNN=/path/to/python names where it is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from toolkit.engines.answers import check
from toolkit.environments import resolve
from toolkit.errors import Unconvertible
from toolkit.execution.run import Execution, run_job, run_of
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.settings import Settings
from toolkit.wire.shards import ShardWriter, read_all

# A product of matrices in integers; one with an open size; and an operator that the HTP does not take.
MAKE = """
import sys, numpy as np, onnx
from onnx import TensorProto as T, helper as h, numpy_helper
folder = sys.argv[1]
w = np.random.default_rng(1).integers(-100, 100, (8, 4)).astype(np.int8)
def const(name, array): return numpy_helper.from_array(np.asarray(array), name)
common = [const("s", np.float32(0.02)), const("z", np.uint8(128)), const("ws", np.float32(0.01)), const("wz", np.int8(0)), const("w", w),
          const("ys", np.float32(0.1)), const("yz", np.uint8(128))]
quantized = [h.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]), h.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
             h.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"]), h.make_node("MatMul", ["xd", "wd"], ["m"]),
             h.make_node("QuantizeLinear", ["m", "ys", "yz"], ["yq"]), h.make_node("DequantizeLinear", ["yq", "ys", "yz"], ["y"])]
def save(name, nodes, rows=1, more=()):
    ends = [h.make_tensor_value_info(each, T.FLOAT, [rows, size]) for each, size in (("x", 8), ("y", 4))]
    graph = h.make_graph(nodes, name, ends[:1], ends[1:], [*common, *more])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, f"{folder}/{name}.onnx")
save("product", quantized)
save("open", quantized, rows="N")
strange = [h.make_node("Slice", ["x", "none", "four", "one"], ["part"]), h.make_node("Reshape", ["part", "square"], ["matrix"]),
           h.make_node("Det", ["matrix"], ["det"]), h.make_node("Mul", ["d", "det"], ["y"])]
sizes = [const(name, np.array(value, np.int64)) for name, value in (("none", [0]), ("four", [4]), ("one", [1]), ("square", [2, 2]))]
save("strange", [*quantized[:-1], h.make_node("DequantizeLinear", ["yq", "ys", "yz"], ["d"]), *strange], more=sizes)
"""


@pytest.fixture(scope="module")
def settings(home):
    named = os.environ.get("EDGE_TOOLKIT_QNN")
    if named is None:
        pytest.skip("NOT TESTED: EDGE_TOOLKIT_QNN=/path/to/python names an interpreter with onnxruntime-qnn 2.7.0")
    return Settings(home=home, offline=True, pythons={"onnxruntime_qnn": Path(named)})


@pytest.fixture(scope="module")
def models(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    python = resolve("onnxruntime", settings=settings).python
    subprocess.run([python, "-c", MAKE, folder], check=True, timeout=300)
    return folder


@pytest.fixture
def on_htp(settings, tmp_path):
    """Return a function that runs a model on the emulated HTP, and on ONNX Runtime's CPU."""

    def both(model: Path, kernels: str = "default"):
        random = np.random.default_rng(7)
        with ShardWriter(tmp_path / "samples") as writer:
            for _ in range(4):
                writer.add({"x": random.normal(size=(1, 8)).astype(np.float32)})
        engines = (Engine("onnxruntime_qnn", "qnn"), "onnxruntime_qnn"), (Engine("onnxruntime"), "onnxruntime")
        jobs = [
            run_job(model, tmp_path / "samples", Execution(*engines[0], kernels)),
            run_job(model, tmp_path / "samples", Execution(*engines[1])),
        ]
        with LocalExecutor(settings) as executor:
            return [outcome.error or run_of(outcome.entry) for outcome in executor.outcomes(jobs)]

    return both


def test_the_whole_model_runs_on_the_emulated_htp(on_htp, models):
    """Within two steps of the CPU's integers; the run says where it was, and that it was emulated."""
    there, here = on_htp(models / "product.onnx")

    found, expected = read_all(there.outputs, "y"), read_all(here.outputs, "y")
    check({"y": found[0]}, there.signature.to_json()["outputs"], "sample 0")
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(found, expected, atol=0.2)
    assert there.engine == "onnxruntime-qnn 2.7.0 on onnxruntime 1.32.0"
    assert there.about["emulator"] == "HTP emulation on x86-64, onnxruntime-qnn 2.7.0"
    assert str(there.about["confined"]).startswith("Landlock")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("strange", "the HTP does not take all of its operators"),
        ("open", "the HTP takes fixed sizes only; open are those of x"),
    ],
)
def test_nothing_falls_back_to_the_cpu(on_htp, models, model, says):
    refused, here = on_htp(models / f"{model}.onnx")

    assert isinstance(refused, Unconvertible), refused
    assert says in refused.problem
    assert here.count == 4


def test_other_kernels_are_refused(on_htp, models):
    refused, _ = on_htp(models / "product.onnx", "reference")

    assert "onnxruntime_qnn has no reference kernels" in refused.problem
