""".ort files in ONNX Runtime's own environment: packed from .onnx, looked into, run, and refused if they are for one kind of processor."""

from __future__ import annotations

import numpy as np
import pytest

import toolkit
from toolkit.errors import EdgeToolkitError, InvalidSource, RequestError
from toolkit.jobs.job import Engine, Job
from toolkit.verbs.verify import artifact_at
from toolkit.wire.shards import ShardWriter, read_all

RUNTIME = Engine("onnxruntime")
SAMPLES = np.random.default_rng(4).normal(size=(5, 1, 16, 8, 8)).astype(np.float32)
PLAIN = {"scheme": "float32", "inputs": "float32", "outputs": "float32"}
INT8 = {**PLAIN, "scheme": "static_wi8_ai8", "keep_float": {"tensors": [], "operators": []}}


@pytest.fixture(scope="module")
def files(written):
    """Return the folder of the files that make_ort_files.py writes."""
    return written("make_ort_files.py")


@pytest.fixture(scope="module")
def packed(executor, files):
    """Return a function that packs a file, and returns the finished job."""

    def pack(name, options, **inputs):
        held = {"model": files / name, **inputs}
        plugins = (f"conversion.schemes.{options['scheme']}",)
        (entry,) = executor.run(Job("pack", "conversion.converters.ort", "pack", RUNTIME, options, held, plugins))
        return entry

    return pack


@pytest.fixture
def run(executor, tmp_path):
    """Return a function that runs a file over SAMPLES, and returns what it gave."""

    def run(path):
        with ShardWriter(tmp_path / "samples") as writer:
            for sample in SAMPLES:
                writer.add({"x": sample})
        options = {"runtime": "onnxruntime", "kernels": "default", "threads": 1, "signature": None, "first": None}
        inputs = {"model": path, "samples": tmp_path / "samples"}
        plugins = ("execution.runtimes.onnxruntime",)
        (entry,) = executor.run(Job("run", "execution.infer", "run", RUNTIME, options, inputs, plugins))
        return read_all(entry.out / "outputs", "y")

    return run


@pytest.mark.parametrize(("name", "options", "steps"), [("conv.onnx", PLAIN, 0), ("conv_int8.onnx", INT8, 1)])
def test_a_packed_file_computes_what_the_file_before_computes(packed, files, run, name, options, steps):
    """Its graph is another: what was fused is written down. An int8 one may round in another place."""
    inputs = {"floats": files / "conv.onnx"} if options is INT8 else {}

    entry = packed(name, options, **inputs)

    before, after = run(files / name), run(entry.out / "model.ort")
    step = np.abs(before).max() / 255
    np.testing.assert_allclose(after, before, atol=1e-4 + steps * step)
    assert entry.result["keeps"] == options["scheme"]
    assert entry.result["size_bytes"] == (entry.out / "model.ort").stat().st_size
    names = {each["name"].rpartition(".")[2] for each in entry.result["operators"]}
    assert ("QLinearConv" in names) == (options is INT8)
    assert "Relu" not in names
    assert "int8" in entry.result["weights_bytes"] or options is PLAIN
    assert "Conv" in (entry.out / "required_operators_and_types.config").read_text()


def test_a_file_says_what_it_holds(executor, packed):
    """The optimized graph, whatever the file is called."""
    entry = packed("conv.onnx", PLAIN)

    found = toolkit.inspect(entry.out / "model.ort", executor=executor)

    assert found["kind"] == "ort"
    (signature,) = found["signatures"]
    assert signature["inputs"] == [{"name": "x", "dtype": "float32", "shape": [1, 16, 8, 8]}]
    assert signature["outputs"] == [{"name": "y", "dtype": "float32", "shape": [1, 16, 8, 8]}]
    assert [each["name"] for each in found["operators"]] == ["com.microsoft.FusedConv"]
    assert [(use["takes"], use["gives"], use["count"]) for use in found["uses"]] == [(["float32"] * 2, ["float32"], 1)]
    assert found["weights_bytes"] == {"float32": 16 * 16 * 3 * 3 * 4}


def test_a_file_for_x86_alone_is_refused(executor, files, run):
    """Where it is looked into and where it is run, though this machine could run it: a phone could not."""
    path = files / "amd64" / "conv.ort"

    for ask in (lambda: toolkit.inspect(path, executor=executor), lambda: run(path)):
        with pytest.raises(InvalidSource, match=r"made for x86 alone .*com\.microsoft\.nchwc\.Conv") as caught:
            ask()
        assert "--target_platform arm" in caught.value.hint


@pytest.mark.parametrize("part", [0.0, 0.001, 0.01, 0.1, 0.3, 0.6, 0.9])
def test_a_cut_file_is_refused_in_a_sentence(executor, packed, tmp_path, part):
    """Before an engine gets it."""
    content = (packed("conv.onnx", PLAIN).out / "model.ort").read_bytes()
    path = tmp_path / "cut.ort"
    path.write_bytes(content[: int(len(content) * part)])

    with pytest.raises(EdgeToolkitError, match=r"cut\.ort: (damaged|no) \.ort file") as caught:
        toolkit.inspect(path, executor=executor)
    assert "\n" not in caught.value.problem


@pytest.mark.parametrize("part", [0.01, 0.5, 0.9, 0.999])
def test_a_cut_file_is_never_run(packed, run, tmp_path, part):
    """Also where what was cut off does not describe the graph: the engine verifies all of it."""
    content = (packed("conv.onnx", PLAIN).out / "model.ort").read_bytes()
    path = tmp_path / "cut.ort"
    path.write_bytes(content[: int(len(content) * part)])

    with pytest.raises(EdgeToolkitError):
        run(path)


def test_a_file_is_known_by_its_content(executor, packed, tmp_path):
    """And where neither its name nor its content says a format, that is said, with those that can be inspected."""
    path = tmp_path / "weights"
    path.write_bytes((packed("conv.onnx", PLAIN).out / "model.ort").read_bytes())
    assert toolkit.inspect(path, executor=executor)["kind"] == "ort"

    strange = tmp_path / "model.pte"
    strange.write_bytes(b"\x00\x00\x00\x00ET12" + bytes(64))
    with pytest.raises(
        RequestError, match=r"model\.pte: no artifact of a known format; known: \.onnx, \.ort, \.tflite"
    ):
        artifact_at(strange, executor)
