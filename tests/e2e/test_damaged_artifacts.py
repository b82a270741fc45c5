"""Artifacts that are not what they were: cut, flipped, or random bytes. No engine's death is the program's, and no wrong number passes."""

from __future__ import annotations

import numpy as np
import pytest

import toolkit
from toolkit import Original, Samples
from toolkit.errors import EdgeToolkitError, InvalidSource

FLIPS = 24


@pytest.fixture
def artifact(models, executor, vectors, tmp_path):
    """Return an int8 artifact of the small classifier, to be damaged."""
    return toolkit.convert(
        Original(models / "dense"),
        "static_wi8_ai8",
        Samples(str(vectors)),
        tmp_path / "model.tflite",
        executor=executor,
    ).path


@pytest.fixture
def verify(models, executor, vectors):
    """Return a function that compares an artifact with its original on this machine."""

    def outcome(artifact):
        return toolkit.verify(
            artifact, Original(models / "dense"), ["host"], Samples(None, str(vectors)), None, executor=executor
        )["host"]

    return outcome


def flipped(content, seed):
    """Return the bytes with eight random bits flipped, behind the first 16 bytes."""
    rng, damaged = np.random.default_rng(seed), bytearray(content)
    for place in rng.integers(16, len(damaged), 8):
        damaged[place] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


@pytest.mark.parametrize(
    "content", [b"", b"TFL3", b"\x1c\0\0\0TFL3", b"\xff" * 4 + b"TFL3" + b"\xff" * 4000, bytes(range(256)) * 20]
)
def test_what_is_no_tflite_file_is_refused_by_every_verb(executor, verify, arrays, tmp_path, content):
    """Also what begins as one does."""
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    samples = arrays(x=np.eye(6))

    for ask in (
        lambda: toolkit.inspect(path, executor=executor),
        lambda: toolkit.run(path, "host", str(samples), tmp_path / "outputs.npz", executor=executor),
        lambda: verify(path),
    ):
        with pytest.raises(InvalidSource, match=r"not a TFLite file|damaged TFLite file") as caught:
            ask()
        assert caught.value.exit_status == 2
        assert "model.tflite" in caught.value.problem
    assert not (tmp_path / "outputs.npz").exists()


@pytest.mark.parametrize("part", [0.01, 0.1, 0.3, 0.5, 0.9, 0.99])
def test_a_cut_artifact_never_passes(artifact, executor, verify, part):
    """Wherever it was cut: an error, or a verdict that is none."""
    content = artifact.read_bytes()
    artifact.write_bytes(content[: int(len(content) * part)])

    try:
        outcome = verify(artifact)
    except EdgeToolkitError as error:
        outcome = error

    assert isinstance(outcome, EdgeToolkitError) or not outcome.passed


def test_flipped_bits_are_an_error_or_a_verdict_on_what_they_do(artifact, executor, verify):
    """A third of such files runs, with other numbers. Whatever dies of them is a job; what passes agrees with the original."""
    content, seen = artifact.read_bytes(), set()
    for seed in range(FLIPS):
        artifact.write_bytes(flipped(content, seed))

        try:
            outcome = verify(artifact)
        except EdgeToolkitError as error:
            outcome = error

        if isinstance(outcome, EdgeToolkitError):
            assert outcome.exit_status in (2, 3)
            seen.add("error")
        else:
            within = all(one.passed for one in outcome.comparisons)
            assert outcome.passed == within
            seen.add("passed" if outcome.passed else "failed")
    assert "error" in seen or "failed" in seen


def test_wrong_weights_do_not_pass(artifact, verify):
    """A file that is whole, runs, and computes something else: the quantized stage is the guilty one."""
    weights = (
        np.random.default_rng(7).normal(0, 0.5, (6, 256)).astype(np.float32).T
    )  # make_models.dense: its first layer
    quantized = np.round(weights / (np.abs(weights).max(axis=1, keepdims=True) / 127)).astype(np.int8)
    content = artifact.read_bytes()
    assert verify(artifact).passed

    assert content.count(quantized.tobytes()) == 1
    artifact.write_bytes(content.replace(quantized.tobytes(), (-quantized).tobytes()))
    outcome = verify(artifact)

    assert outcome.outcome == "failed"
    assert outcome.guilty_stage == "quantization"
