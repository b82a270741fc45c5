"""Real runtimes are asked about a handful of operators, and their stored tables say the same."""

from __future__ import annotations

import zipfile

import pytest

from toolkit.execution.run import Execution
from toolkit.experiments.probing import models_job, probed
from toolkit.jobs.job import Engine
from toolkit.launchers import chromium
from toolkit.profiles import capabilities
from toolkit.settings import Settings
from toolkit.verbs.inspect import inspect

OPERATORS = ("ADD", "CONV_2D", "DEQUANTIZE", "DILATE", "FULLY_CONNECTED", "SOFTMAX")


def test_the_stored_kernels_are_those_that_the_runtime_lists(executor):
    stored = capabilities.find("onnxruntime", "1.32.0")

    found = probed("onnxruntime", "1.32.0", Execution(Engine("onnxruntime"), "onnxruntime"), "onnx", executor).table

    assert found.operators == stored.operators
    assert found.engine == stored.engine


def test_operators_outside_of_tflite_are_refused_by_inspect(executor, tmp_path):
    """TensorFlow's own kernels are not in LiteRT; its own custom operators are, and run."""
    (written,) = executor.run(models_job("litert", "tflite", ("ABS",)))
    with zipfile.ZipFile(written.out / "models.zip") as archive:
        for name in ("Flex", "NumericVerify"):
            (tmp_path / f"{name}.tflite").write_bytes(archive.read(written.result["custom"][name]))

    flex, own = (
        inspect(tmp_path / f"{name}.tflite", targets="host", executor=executor) for name in ("Flex", "NumericVerify")
    )

    (found,) = flex["targets"]["host"]["error"]["findings"]
    assert (found["code"], found["names"], found["index"]) == ("flex-operator", ["FlexErf"], 0)
    assert own["targets"]["host"]["error"] is None


@pytest.mark.parametrize(("runtime", "version"), [("litert", "2.3.0"), ("tflite_runtime", "2.14.0")])
def test_a_stored_table_says_what_the_runtime_says(runtime, version, executor):
    """Versions and combinations of dtypes, one by one; the tables were made on another machine perhaps."""
    stored = capabilities.find(runtime, version)

    found = probed(runtime, version, Execution(Engine(runtime), runtime), "tflite", executor, OPERATORS).table

    assert found.engine == stored.engine
    assert found.custom == stored.custom
    for name in OPERATORS:
        assert found.operators[name] == stored.operators[name]
    assert not found.operators["DILATE"].versions or runtime == "litert"


@pytest.mark.slow
def test_the_stored_table_of_a_page_says_what_the_page_says(executor):
    """LiteRT.js prints that a kernel refuses, and goes on; of a custom operator without options it dies, and the next model has a new page."""
    state = chromium.status(Settings())
    if not state.ready:
        pytest.skip(f"NOT TESTED: a page is asked; {state.problem}")
    stored = capabilities.find("litert_web", "2.5.3")
    page = Execution(Engine("litert", "chromium", {"accelerator": "wasm"}), "litert_web")

    found = probed("litert_web", "2.5.3", page, "tflite", executor, ("CEIL",)).table

    assert found.operators["CEIL"] == stored.operators["CEIL"]
    assert "int8 -> int8" in found.operators["CEIL"].refuses
    assert "int8, int8 per-channel, int32 per-channel -> int8" in stored.operators["CONV_2D"].runs
    assert found.custom == stored.custom
    assert not found.custom["Flex"]


def test_the_memory_of_tensors_is_estimated_before_anything_runs(executor, tmp_path):
    """An ABS of one row of four numbers is the first of its graph, whose input stays; the two tensors of a CONV_2D live at once."""
    (written,) = executor.run(models_job("litert", "tflite", ("ABS", "CONV_2D")))
    row, image = "float32 -> float32", "int8, int8 per-channel, int32 per-channel -> int8"
    with zipfile.ZipFile(written.out / "models.zip") as archive:
        for name, combination in (("ABS", row), ("CONV_2D", image)):
            (tmp_path / f"{name}.tflite").write_bytes(archive.read(written.result["models"][name][combination]))
    board = tmp_path / "board.toml"
    board.write_text('name = "board"\nabout = "small"\nextends = "host"\n[budget]\narena_bytes = 99\n')

    found = {
        name: inspect(tmp_path / f"{name}.tflite", targets=board, executor=executor) for name in ("ABS", "CONV_2D")
    }

    assert {name: each["arena_bytes"] for name, each in found.items()} == {"ABS": 32, "CONV_2D": 4 * 4 * 4 + 3 * 3 * 4}
    assert found["ABS"]["targets"]["board"]["error"] is None
    (over,) = found["CONV_2D"]["targets"]["board"]["error"]["findings"]
    assert (over["code"], over["spent"], over["limit"]) == ("memory-over-budget", 100, 99)
