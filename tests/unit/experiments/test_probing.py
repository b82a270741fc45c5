"""Runtimes are asked with models in jobs of workers: what dies there is an answer, and its neighbours are asked again."""

from __future__ import annotations

import json
import zipfile

import pytest

from tests.unit.pipeline.fake_chains import SIGNATURE, Bench, Watched
from toolkit import profiles
from toolkit.conversion.converters import tflite
from toolkit.errors import EnvironmentUnavailable, RequestError
from toolkit.execution.run import Execution, on_this_machine
from toolkit.experiments.probing import Asking, abilities, probed
from toolkit.jobs.job import Engine


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Return the executor of all tests here: its worker starts once."""
    made = Watched(tmp_path_factory.mktemp("home"))
    with made.executor:
        yield made


@pytest.fixture
def asking(tmp_path, monkeypatch, watched):
    """Return a maker of a fake runtime that is asked with models that do as they are told."""
    bench = Bench(tmp_path, monkeypatch, watched)

    def make(environment="dataset", **does):
        archive = tmp_path / "models.zip"
        with zipfile.ZipFile(archive, "w") as written:
            for name, do in does.items():
                written.writestr(name, json.dumps({"signature": SIGNATURE, "do": do}))
        writing = bench.finished("write models", {}, {"models.zip": archive})
        return Asking(writing, Execution(Engine(environment), "fake"), bench.executor)

    return make


def test_a_model_that_ends_its_process_is_an_answer(asking):
    """The others of its job are asked again, with half of them in each job."""
    asked = asking(fine="answer", dies="abort", too="answer", raises="raise")

    said = asked.of(["fine", "dies", "too", "raises"])

    assert (said["fine"], said["too"]) == (None, None)
    assert said["dies"].startswith("aborts: ")
    assert "op FOO is not supported" in said["raises"]
    assert (asked.engine, asked.machine) == ("fake 1", "x86_64")


def test_a_runtime_that_is_not_there_is_no_answer(asking):
    with pytest.raises(EnvironmentUnavailable):
        asking("litert", fine="answer").of(["fine"])


def test_only_dtypes_that_the_runtime_names_are_refused():
    """A message about grids, a delegate or Python's interface says nothing of a kernel; what is not known stays so."""
    said = {
        "1": None, "2": None, "3": "ValueError: Didn't find op for builtin opcode 'ADD' version '3'",
        "runs": None,
        "names": "RuntimeError: tensorflow/lite/kernels/add.cc:439 Type BOOL is unsupported by op Add.Node number 0 (ADD) failed to prepare.",
        "grid": "RuntimeError: tflite/kernels/add.cc:9 output->params.scale != 0.5Node number 0 (ADD) failed to prepare.",
        "delegate": "RuntimeError: Type 3 failed to setup XNNPACK runtimeNode number 1 (TfLiteXNNPackDelegate) failed to invoke.",
        "fed": "ValueError: Invalid data-type for array",
    }  # fmt: skip
    models = {name: name for name in ("runs", "names", "grid", "delegate", "fed")}

    able = abilities({each: each for each in "123"}, models, said, tflite.about_dtypes)

    assert able.versions == ((1, 2),)
    assert able.runs == ("runs",)
    assert able.refuses == {"names": "Type BOOL is unsupported by op Add"}


def test_an_operator_of_which_nothing_ran_refuses_nothing():
    """Then its model may be wrong, and not its dtypes."""
    said = {"1": None, "only": "RuntimeError: Type BOOL is unsupported by op Add"}

    assert abilities({"1": "1"}, {"only": "only"}, said, tflite.about_dtypes).refuses == {}


@pytest.mark.parametrize("runtime", ["onnxruntime_web", "onnxruntime_qnn"])
def test_no_list_of_another_engine_becomes_the_table_of_a_runtime(runtime):
    """ONNX Runtime on this machine lists its own kernels; those in a page or on an NPU are others."""
    with pytest.raises(RequestError, match=f"^{runtime}: does not list its kernels"):
        probed(runtime, "1", on_this_machine("onnx"), "onnx", None)


def test_a_page_on_webgpu_has_no_table():
    """Its kernels are other than those of Wasm, which the engine looks up for both."""
    page = Execution(Engine("litert", "chromium", {"accelerator": "webgpu", "adapter": "swiftshader"}), "litert_web")

    with pytest.raises(RequestError, match=r"^litert_web: its tables are of accelerator 'wasm', and this is 'webgpu'"):
        probed("litert_web", "2.5.3", page, "tflite", None)

    assert not profiles.runnable("web-webgpu").runtime.has_tables
    assert profiles.runnable("web-wasm").runtime.has_tables
