"""A finished run: its signature, and by which signature its numbers are read."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from toolkit.errors import WorkerLied
from toolkit.execution.run import run_of, signature_of_run
from toolkit.report import run_json
from toolkit.tensors.signature import Signature, TensorSpec
from toolkit.wire.shards import ShardWriter

X = TensorSpec("x", "float32", (1, 4))
SCORES = TensorSpec("scores", "float32", (None, 2))


@pytest.fixture
def finished(tmp_path):
    """Return a function that gives the store's entry of a run over three samples, whose worker says that it wrote `count`."""

    def entry(count=3, written=3):
        with ShardWriter(tmp_path / "outputs") as writer:
            for _ in range(written):
                writer.add({"scores": np.zeros((1, 2), np.float32)})
        signature = Signature("serving_default", (X,), (SCORES,)).to_json()
        result = {"signature": signature, "count": count, "engine": "fake 1"}
        return SimpleNamespace(out=tmp_path, result=result, about={"title": "running"}, key="k")

    return entry


def test_a_run_has_the_shapes_that_its_outputs_turned_out_to_have(finished):
    run = run_of(finished())

    assert run.signature == Signature("serving_default", (X,), (TensorSpec("scores", "float32", (1, 2)),))
    assert run.count == 3


def test_a_worker_that_says_another_count_than_it_wrote_lied(finished):
    with pytest.raises(WorkerLied, match=r"running: wrote 3 x .*, and says 4 x"):
        run_of(finished(count=4))


@pytest.mark.parametrize(
    "said",
    [
        {"operators": [3, 2], "multiply_accumulates": None, "left": []},
        {"operators": [1, 2, 3], "multiply_accumulates": None, "left": []},
        {"operators": None, "multiply_accumulates": None, "left": []},
        {"operators": [1, 2], "multiply_accumulates": [9, 1], "left": []},
        {"operators": [1, 2], "multiply_accumulates": None, "left": [7]},
        {"operators": [1, 2], "multiply_accumulates": None},
        [1, 2],
    ],
)
def test_a_worker_that_says_nonsense_of_its_delegate_lied(finished, said):
    """The share decides whether a file ships."""
    entry = finished()
    entry.result["delegated"] = said

    with pytest.raises(WorkerLied, match="running: says that its delegate took"):
        run_of(entry)


def test_a_run_says_what_its_delegate_took(finished):
    """None where there is no delegate, as in a run of the original."""
    entry = finished()
    told = {"operators": [1, 2], "multiply_accumulates": [3, 4], "left": ["TILE: no"]}

    assert run_of(entry).delegated is None
    entry.result["delegated"] = told
    assert run_of(entry).delegated == told


def test_an_artifact_knows_the_scale_of_an_output_that_a_run_gives_as_it_is():
    """The runtime dequantized it; the file tells by which scale."""
    ran = Signature(None, (X,), (SCORES,))
    on_grid = Signature(None, (X,), (TensorSpec("scores", "float32", (1, 2), (0.5,), (3,)),))

    assert signature_of_run(on_grid, ran) is on_grid


@pytest.mark.parametrize(
    "other", [TensorSpec("scores", "int8", (1, 2), (0.5,), (3,)), TensorSpec("y", "float32", (1, 2))]
)
def test_other_outputs_than_the_artifacts_are_read_by_the_runs_own_signature(other):
    ran = Signature(None, (X,), (SCORES,))

    assert signature_of_run(Signature(None, (X,), (other,)), ran) is ran


def test_a_run_is_printed_with_the_keys_of_its_signature_in_the_order_of_a_jobs_result(finished, tmp_path):
    told = run_json(run_of(finished()), tmp_path)["signature"]

    assert list(told) == ["inputs", "key", "outputs"]
    assert list(told["outputs"][0]) == ["dtype", "name", "shape"]
