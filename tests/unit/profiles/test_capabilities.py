"""Tables of what runtimes can run: what is looked up, what is not known, and which files are tables."""

from __future__ import annotations

import json

import pytest

from toolkit import environments, registry
from toolkit.errors import DamagedFile, InvalidConfig
from toolkit.profiles import capabilities
from toolkit.profiles.capabilities import Abilities, Capabilities, Kernel

TABLE = Capabilities(
    runtime="mine",
    version="1.0",
    artifact_format="tflite",
    engine="mine 1.0",
    machine="x86_64",
    kernels="default",
    how="a test",
    probes=7,
    newest_probed=20,
    operators={
        "ADD": Abilities(
            versions=((1, 3), (5, 5)),
            runs=("float32, float32 -> float32",),
            refuses={"bool, bool -> bool": "Type BOOL is unsupported"},
        ),
        "DILATE": Abilities(),
        "Gemm": Abilities(
            kernels=(Kernel(versions=(7, 10), takes=(("float32",),)), Kernel(versions=(13, None), takes=(("float32", "float64"), ("int64",))))
        ),
    },
    custom={"Mfcc": True, "Flex": False},
)  # fmt: skip


def use(name, version=1, takes=("float32", "float32"), gives=("float32",)):
    return {"name": name, "version": version, "takes": [*takes], "gives": [*gives], "graph": 0, "index": 0, "count": 1}


@pytest.mark.parametrize(
    ("asked", "status", "detail"),
    [
        (use("ADD"), "runs", ""),
        (use("ADD", 5), "runs", ""),
        (use("ADD", 4), "version", "1 to 3, 5"),
        (use("ADD", 6), "version", "1 to 3, 5"),
        (use("ADD", 21), "unknown", ""),
        (use("ADD", 1, ("bool", "bool"), ("bool",)), "dtype", "Type BOOL is unsupported"),
        (use("ADD", 1, ("int8", "int8"), ("int8",)), "unknown", ""),
        (use("DILATE"), "missing", ""),
        (use("SUB"), "unknown", ""),
        (use("CUSTOM Mfcc"), "runs", ""),
        (use("CUSTOM FlexErf"), "missing", ""),
        (use("CUSTOM Theirs"), "unknown", ""),
        (use("Gemm", 9), "runs", ""),
        (use("Gemm", 11), "version", "7 to 10, 13 and later"),
        (use("Gemm", 14, ("float64", "int64", "int64")), "runs", ""),
        (use("Gemm", 14, ("float64", "none", "unknown")), "runs", ""),
        (use("Gemm", 14, ("int8", "int64")), "dtype", "its kernels take float32/float64, int64"),
    ],
)
def test_a_use_of_an_operator_is_looked_up(asked, status, detail):
    answer = TABLE.answer(asked)

    assert (answer.status, answer.detail) == (status, detail)
    assert answer.is_lacking is (status in ("missing", "version", "dtype"))


def test_what_was_probed_is_known():
    named = ("ADD", "DILATE", "CUSTOM FlexErf", "SUB", "CUSTOM Theirs")

    assert [name for name in named if TABLE.knows(name)] == ["ADD", "DILATE", "CUSTOM FlexErf"]


def test_a_table_is_found_beside_the_user_first(tmp_path, monkeypatch):
    """A table of the user's own is of a release that the package has none of, or decides in place of the package's."""
    monkeypatch.chdir(tmp_path)
    assert capabilities.find("mine", "1.0") is None
    (tmp_path / "capabilities").mkdir()
    (tmp_path / "capabilities" / "mine-1.0.json").write_text(capabilities.text_of(TABLE))

    assert capabilities.find("mine", "1.0") == TABLE


def test_a_tables_file_has_an_operator_a_line():
    """So that two releases are compared with diff."""
    lines = capabilities.text_of(TABLE).splitlines()

    assert [line for line in lines if line.startswith('"DILATE"')] == ['"DILATE": {},']
    assert json.loads("\n".join(lines))["format"] == "edge-toolkit capabilities"


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        ("{", DamagedFile, "mine-1.0.json"),
        ("[]", DamagedFile, "mine-1.0.json"),
        (capabilities.text_of(TABLE).replace('"probes": 7', '"probes": "many"'), InvalidConfig, "probes: 'many' is str"),
        (capabilities.text_of(TABLE).replace('"1.0"', '"2.0"'), InvalidConfig, "is of mine 2.0; expected mine 1.0"),
        (capabilities.text_of(TABLE).replace("edge-toolkit capabilities", "other"), InvalidConfig, "format: 'other'"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_is_refused(tmp_path, monkeypatch, content, error, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "capabilities").mkdir()
    (tmp_path / "capabilities" / "mine-1.0.json").write_text(content)

    with pytest.raises(error) as caught:
        capabilities.find("mine", "1.0")

    assert said in str(caught.value)


@pytest.mark.parametrize("runtime", ["litert", "onnxruntime", "tflite_runtime"])
def test_the_pinned_release_has_a_table(runtime):
    """Where an environment gets a newer engine, the runtime is probed again."""
    version = environments.version(registry.load("execution/runtimes", runtime).ENVIRONMENT)

    table = capabilities.find(runtime, version)

    assert table is not None
    assert table.engine.endswith(version)
    assert sum(bool(each.versions or each.kernels) for each in table.operators.values()) > 100


def test_the_boards_runtime_lacks_what_the_converter_writes():
    """Dynamic-range weights with a scale for each channel are version 12, which tflite-runtime 2.14 does not register."""
    asked = use("FULLY_CONNECTED", 12, ("float32", "int8 per-channel", "none"))

    board, host = (capabilities.find(*release) for release in (("tflite_runtime", "2.14.0"), ("litert", "2.3.0")))

    assert (board.answer(asked).status, board.answer(asked).detail) == ("version", "1 to 10")
    assert host.answer(asked).status == "runs"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (use("Conv", 11, ("float32", "float32", "float32")), "runs"),
        (use("Conv", 11, ("float16", "float16")), "runs"),
        (use("Conv", 11, ("int8", "int8")), "dtype"),
        (use("Add", 6, ("float32", "float32")), "version"),
        (use("SwiGLU", 25, ("float32",)), "missing"),
        (use("Constant", 13, ()), "runs"),
        (use("com.others.Own", 1), "unknown"),
    ],
)
def test_the_kernels_of_onnx_runtime_are_looked_up(asked, status):
    """It takes opset 7 and later, casts float16, and has no kernel of a plain convolution of integers."""
    assert capabilities.find("onnxruntime", "1.32.0").answer(asked).status == status
