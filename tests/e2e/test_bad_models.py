"""Models that cannot be read, chosen, converted or run: a status of their own, and a message that says which, why, and what is expected."""

from __future__ import annotations

import numpy as np
import pytest

import toolkit
from tests.e2e.conftest import copied, flip_a_bit
from toolkit import Asked, Original, Samples
from toolkit.errors import InvalidSource, Unconvertible, WorkerCrashed

rng = np.random.default_rng


@pytest.fixture
def damaged(sample, tmp_path):
    """Return a copy of the embedded SavedModel, to be damaged."""
    return copied(sample, tmp_path / "damaged")


@pytest.fixture
def build(models, executor, tmp_path):
    """Return a function that builds a small model for one target and returns what came of it, a verdict or an error."""

    def run(model, samples, target="host", **options):
        outcomes = toolkit.build(
            Original(models / model), [target], Samples(str(samples)), tmp_path / "dist", executor=executor, **options
        )
        return outcomes[target]

    return run


def test_a_misspelt_model_is_refused_with_the_closest_name(edge, damaged, digits):
    """Before any engine is started."""
    ended = edge("build", damaged.with_name("damagd"), "--target", "host", "--calibration", digits)

    assert ended.status == 2
    assert f"no such file or folder; did you mean '{damaged}'?" in ended.err


def test_a_folder_that_is_no_saved_model_is_refused(edge, tmp_path, digits):
    """What a SavedModel looks like is said."""
    ended = edge("build", tmp_path, "--target", "host", "--calibration", digits)

    assert ended.status == 2
    assert "not a saved model of a known kind; known: checkpoint, frozen_graph, keras_file" in ended.err
    assert "saved_model.pb" in ended.err


@pytest.mark.parametrize("verb", ["build", "inspect", "convert", "verify"])
def test_a_truncated_saved_model_is_refused_by_every_verb(edge, damaged, digits, tmp_path, verb):
    """A download that broke off: the file is named, and no job after it runs."""
    graph = damaged / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:20_000])
    (tmp_path / "model.tflite").write_bytes(b"")
    arguments = {
        "build": ("build", damaged, "--target", "host", "--calibration", digits),
        "inspect": ("inspect", damaged),
        "convert": ("convert", damaged, "--out", tmp_path / "converted.tflite"),
        "verify": ("verify", tmp_path / "model.tflite", "--source", damaged, "--target", "host", "--eval", digits),
    }

    ended = edge(*arguments[verb])

    assert ended.status == 2
    assert "saved_model.pb: is damaged" in ended.err
    assert not (tmp_path / "converted.tflite").exists()


@pytest.mark.parametrize("length", [0, 1, 2, 10, 1000, -1000, -1])
def test_a_saved_model_is_refused_wherever_it_was_cut(damaged, executor, length):
    """Also where the rest of the file is a valid message by chance."""
    graph = damaged / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:length])

    with pytest.raises(InvalidSource) as caught:
        toolkit.inspect(damaged, executor=executor)

    assert str(damaged) in caught.value.problem


@pytest.mark.parametrize("file", ["variables/variables.data-00000-of-00001", "variables/variables.index"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "missing"])
def test_damaged_variables_are_refused(damaged, digits, executor, tmp_path, file, damage):
    """One bit is enough: no model is built on other weights than were saved."""
    path = damaged / file
    if damage == "flipped":
        flip_a_bit(path)
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if damage == "cut" else b"")

    try:  # the index is read before any engine is started, the data by TensorFlow
        outcomes = toolkit.build(
            Original(damaged), ["host"], Samples(str(digits)), tmp_path / "dist", scheme="float32", executor=executor
        )
        error = outcomes["host"]
    except InvalidSource as raised:
        error = raised

    assert error.exit_status == 2
    assert isinstance(error, InvalidSource)
    by_us, by_tensorflow = f"{path}: is not the index", f"{damaged}: TensorFlow cannot load it"
    assert (by_us if file.endswith("index") and damage != "missing" else by_tensorflow) in error.problem
    assert not (tmp_path / "dist" / "host").exists()


def test_several_signatures_want_a_choice(edge, models, vectors):
    """None is called serving_default, so none is guessed."""
    ended = edge("build", models / "several", "--target", "host", "--calibration", vectors)

    assert ended.status == 2
    assert "has the signatures classify, embed" in ended.err
    assert "--signature" in ended.err


def test_an_unknown_signature_is_refused_with_the_closest_name(edge, models, vectors):
    """And with all that are known."""
    ended = edge("build", models / "several", "--target", "host", "--calibration", vectors, "--signature", "clasify")

    assert ended.status == 2
    assert "signature 'clasify': unknown; did you mean 'classify'? known: classify, embed" in ended.err


def test_a_model_without_signature_is_refused(edge, models, vectors):
    """How to save it with one is said."""
    ended = edge("build", models / "without_signature", "--target", "host", "--calibration", vectors)

    assert ended.status == 2
    assert "has no signature" in ended.err
    assert "signatures=" in ended.err


@pytest.mark.parametrize("scheme", [None, "float32", "static_wi8_ai8"])
def test_an_operator_that_tflite_has_not_is_named(build, arrays, scheme):
    """Not pages of compiler output."""
    error = build("cholesky", arrays(x=rng(0).normal(size=(300, 4, 6))), scheme=scheme)

    assert isinstance(error, Unconvertible)
    assert error.exit_status == 2
    assert "TFLite has no kernel for Cholesky" in error.problem
    assert len(str(error)) < 500


def test_an_operator_that_the_devices_runtime_has_not_is_named(edge, models, vectors, tmp_path):
    """The board has tflite-runtime 2.14, which is older than what the converter writes."""
    ended = edge(
        "build", models / "dense", "--target", "linux-x86_64-tflite-runtime", "--target", "raspberry-pi-4",
        "--scheme", "dynamic_wi8_afp32", "--calibration", vectors, "--out", tmp_path,
    )  # fmt: skip

    assert ended.status == 2
    for name in ("linux-x86_64-tflite-runtime", "raspberry-pi-4"):
        assert f"{name}: tflite_runtime 2.14.0 has no operator FULLY_CONNECTED version 12; it has 1 to 10" in ended.out
        assert not (tmp_path / name).exists()
    assert "[operator-version]" in ended.out
    assert "running model.tflite" not in ended.err  # seen from the file, which no runtime ran


def test_a_converter_that_is_killed_by_a_signal_reads_as_such(edge, models, arrays, tmp_path):
    """TensorFlow's own converter does that to an LSTM in int8: the job died, the program did not."""
    samples = arrays(keras_tensor=rng(0).normal(size=(300, 10, 4)))

    ended = edge(
        "build",
        models / "lstm",
        "--target",
        "host",
        "--scheme",
        "static_wi8_ai8",
        "--quantizer",
        "converter",
        "--calibration",
        samples,
        "--json",
        "--out",
        tmp_path,
    )

    assert ended.status == 3
    error = ended.document["targets"]["host"]["error"]
    assert error["kind"] == "WorkerCrashed"
    assert error["problem"] == "quantizing by converter static_wi8_ai8: was killed by SIGSEGV"
    assert "lite.py" in error["hint"]
    assert "the job is kept in" in error["hint"]


def test_a_scheme_that_kills_its_converter_is_passed_over(build, arrays):
    """The next one of the profile's order is shipped, and the report says what became of the first."""
    samples = arrays(keras_tensor=rng(0).normal(size=(300, 10, 4)))

    verdict = build("lstm", samples, scheme=Asked(quantizer="converter"))

    assert verdict.passed
    assert verdict.artifact.scheme == "float16"  # no weight is large enough for dynamic int8
    assert isinstance(verdict.tried[0], WorkerCrashed)


def test_a_loop_is_not_called_quantized_where_nothing_in_it_is(build, arrays):
    """What an LSTM computes in a loop has no ranges: no engine makes int8 of it, and the next scheme is shipped."""
    verdict = build("lstm", arrays(keras_tensor=rng(0).normal(size=(300, 10, 4))))

    assert verdict.passed
    assert verdict.artifact.scheme == "float16"  # no weight is large enough for dynamic int8
    assert isinstance(verdict.tried[0], Unconvertible)
    assert "WHILE" in verdict.tried[0].problem


def test_a_scheme_that_no_kernel_runs_is_passed_over(build, vectors):
    """It converts, and then a kernel refuses to run it: what can be shipped instead is."""
    verdict = build("lgamma", vectors, scheme=Asked(quantizer="converter"))

    assert verdict.passed
    assert "failed to invoke" in verdict.tried[0].problem
