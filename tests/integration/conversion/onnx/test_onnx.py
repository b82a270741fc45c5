"""ONNX files in ONNX Runtime's own environment: looked into, run, refused; as the device would take them, or not."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit.errors import InvalidSource, UnknownName, WorkerRefused
from toolkit.jobs.job import Engine, Job
from toolkit.wire.shards import ShardWriter, read_all

RUNTIME = Engine("onnxruntime")
ROWS = np.random.default_rng(4).normal(size=(5, 1, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def files(written):
    """Return the folder of the files that make_onnx_files.py writes."""
    return written("make_onnx_files.py")


def inspected(executor, path):
    (entry,) = executor.run(Job("inspect", "conversion.converters.onnx", "inspect", RUNTIME, inputs={"model": path}))
    return entry.result


@pytest.fixture
def run(executor, tmp_path):
    """Return a function that runs a file over samples by input name, and returns what it gave and said."""

    def run(path, kernels="default", **given):
        samples = {name: given.pop(name) for name in list(given) if isinstance(given[name], np.ndarray)}
        with ShardWriter(tmp_path / "samples") as writer:
            for row in range(len(next(iter(samples.values())))):
                writer.add({name: array[row] for name, array in samples.items()})
        options = {
            "runtime": "onnxruntime",
            "kernels": kernels,
            "threads": 1,
            "signature": None,
            "first": None,
            **given,
        }
        inputs = {"model": path, "samples": tmp_path / "samples"}
        plugins = ("execution.runtimes.onnxruntime",)
        (entry,) = executor.run(Job("run", "execution.infer", "run", RUNTIME, options, inputs, plugins))
        outputs = {
            spec["name"]: read_all(entry.out / "outputs", spec["name"]) for spec in entry.result["signature"]["outputs"]
        }
        return outputs, entry.result

    return run


def test_a_file_says_what_it_holds(executor, files):
    found = inspected(executor, files / "dense.onnx")

    (signature,) = found["signatures"]
    assert signature["inputs"] == [{"name": "x", "dtype": "float32", "shape": [1, 4]}]
    assert signature["outputs"] == [
        {"name": "large", "dtype": "bool", "shape": []},
        {"name": "y", "dtype": "float32", "shape": [1, 3]},
    ]
    assert {each["name"]: (each["version"], each["count"]) for each in found["operators"]} == dict.fromkeys(
        ("Greater", "MatMul", "ReduceMax", "Relu"), (17, 1)
    )
    assert found["weights_bytes"] == {"float32": 4 * 3 * 4 + 4}
    assert found["activations"] == ["bool", "float32"]
    assert found["findings"] == []


@pytest.mark.parametrize("kernels", ["default", "builtin", "reference"])
def test_outputs_are_bound_by_name_and_keep_their_dtypes(files, run, kernels):
    outputs, about = run(files / "dense.onnx", kernels, x=ROWS)

    assert (outputs["y"].dtype, outputs["y"].shape) == (np.float32, (5, 1, 3))
    assert outputs["large"].dtype == bool
    np.testing.assert_array_equal(outputs["large"], outputs["y"].max(axis=(1, 2)) > 1)
    assert set(outputs["large"]) == {True, False}
    assert about["engine"].startswith("onnxruntime 1.")


def test_integers_go_in_as_integers(files, run):
    ids = np.array([[[0, 1, 2]], [[4, 4, 0]]], np.int64)

    outputs, _ = run(files / "lookup.onnx", ids=ids)

    assert outputs["rows"].shape == (2, 1, 3, 2)
    np.testing.assert_array_equal(outputs["rows"][1, 0, 0], outputs["rows"][1, 0, 1])


def test_an_array_of_another_shape_is_refused(files, run):
    with pytest.raises(WorkerRefused, match="invalid dimensions for input: x"):
        run(files / "dense.onnx", x=ROWS[:, :, :3])


@pytest.mark.parametrize("provider", ["CUDAExecutionProvider", "XnnpackExecutionProvider"])
def test_a_provider_that_is_not_there_is_not_replaced(files, run, provider):
    """ONNX Runtime itself warns, and takes the CPU."""
    with pytest.raises(UnknownName, match=rf"'{provider}': unknown; .*known: .*CPUExecutionProvider"):
        run(files / "dense.onnx", x=ROWS, provider=provider)


def test_a_provider_that_cannot_run_a_model_is_not_helped_by_the_cpu(files, run):
    """This one is there, and has no kernel for these operators: ONNX Runtime would run them on the CPU, and say nothing."""
    with pytest.raises(
        WorkerRefused, match=r"disable_cpu_ep_fallback|fallback to CPU|CPU EP has been explicitly disabled"
    ):
        run(files / "dense.onnx", x=ROWS, provider="AzureExecutionProvider")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content[: len(content) // 2], id="cut"),
        pytest.param(lambda content: b"\x1c\x00\x00\x00TFL3" + bytes(64), id="tflite"),
        pytest.param(lambda content: b"not a model at all\n" * 20, id="text"),
    ],
)
def test_what_is_no_model_is_refused_in_a_sentence(executor, files, tmp_path, run, damage):
    path = tmp_path / "damaged.onnx"
    path.write_bytes(damage((files / "dense.onnx").read_bytes()))

    for attempt in (lambda: inspected(executor, path), lambda: run(path, x=ROWS)):
        with pytest.raises(InvalidSource, match=r"damaged\.onnx: not an ONNX model") as caught:
            attempt()
        assert "\n" not in caught.value.problem


def test_no_flipped_byte_gets_past_as_another_kind_of_error(executor, files, tmp_path):
    """Whatever a damaged byte leads to, it is the file's fault in one sentence, or the file is still one."""
    content = (files / "dense.onnx").read_bytes()
    refused = 0
    for at in range(0, len(content), 19):
        path = tmp_path / f"flipped{at}.onnx"
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        try:
            inspected(executor, path)
        except InvalidSource as error:
            refused += 1
            assert "\n" not in error.problem  # noqa: PT017 (some of them are refused, not each)

    assert refused > 3


def test_a_number_that_is_no_dtype_is_damage(executor, files):
    with pytest.raises(InvalidSource, match=r"strange\.onnx: damaged ONNX model: element type 77"):
        inspected(executor, files / "strange.onnx")


def test_a_newer_format_is_refused_by_its_number(executor, files):
    with pytest.raises(
        InvalidSource, match=r"newer\.onnx: written in version 999 of ONNX's format; .* reads up to \d+"
    ):
        inspected(executor, files / "newer.onnx")


@pytest.mark.parametrize("name", ["beside", "above", "sparse", "function"])
def test_tensors_in_other_files_are_not_followed(executor, files, run, name):
    """They may lie anywhere on the machine that looks at a file of others."""
    found = {each["code"]: each["names"] for each in inspected(executor, files / f"{name}.onnx")["findings"]}

    assert found["external-data"] == ["weights"]
    with pytest.raises(InvalidSource, match=r"keeps 1 tensors in other files, as 'weights'; these are not read"):
        run(files / f"{name}.onnx", x=ROWS)


def test_operators_that_onnx_has_not_are_found(executor, files):
    (lacking,) = inspected(executor, files / "unknown.onnx")["findings"]
    (foreign,) = inspected(executor, files / "foreign.onnx")["findings"]

    assert (lacking["code"], lacking["severity"], lacking["names"]) == ("unknown-operators", "error", ["Erfc"])
    assert (foreign["code"], foreign["names"]) == ("custom-operators", ["com.microsoft.Gelu"])


def test_operators_whose_sums_leave_16_bits_are_named(executor, files):
    """By the weights alone: int8 ones of full range that meet uint8, also where ONNX Runtime makes it of int8."""
    found = inspected(executor, files / "integers.onnx")["findings"]

    (finding,) = [each for each in found if each["code"] == "overflows-without-vnni"]
    assert set(finding["names"]) == {
        "conv large real",
        "conv grouped real",
        "gemm real",
        "made product real",
        "integer",
    }
    assert "Conv `conv large real` in 1 of its pairs" in finding["message"]
    assert finding["severity"] == "warning"
