"""Running samples: a run that goes on from a shorter one gives what a run of all of them gives."""

from __future__ import annotations

import json

import numpy as np
import pytest

from toolkit.execution import infer
from toolkit.wire.request import Request
from toolkit.wire.shards import ShardWriter, read_all

COUNT = 11
SPEC = {"name": "y", "dtype": "float32", "shape": [1, 2]}


@pytest.fixture
def run(tmp_path):
    """Return a function that runs the first samples, from nothing or going on."""
    model = tmp_path / "model"
    model.write_text(json.dumps({"signature": {"key": "", "inputs": [], "outputs": [SPEC]}}))
    samples = tmp_path / "samples"
    with ShardWriter(samples) as writer:
        for number in range(COUNT):
            writer.add({"x": np.full((1, 3), number, np.float32)})

    def make(first, before=None):
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        inputs = {"model": model, "samples": samples, **({} if before is None else {"before": before})}
        result = infer.run(Request({"runtime": "fake", "first": first}, inputs, out))
        return out, result

    return make


@pytest.mark.parametrize(("some", "more"), [(4, 9), (4, None), (1, COUNT), (5, 5)])
def test_a_run_goes_on_where_a_shorter_one_ended(run, some, more):
    """Outputs, times and count are those of all samples, and the first ones are not run again."""
    before, _ = run(some)
    np.save(before / "call_ms.npy", np.full(some, -1.0))  # to know them again

    out, result = run(more, before)

    whole, _ = run(more)
    count = more or COUNT
    times = np.load(out / "call_ms.npy")
    assert result["count"] == count
    np.testing.assert_array_equal(read_all(out / "outputs", "y"), read_all(whole / "outputs", "y"))
    assert len(times) == count
    assert (times[:some] == -1).all()
    assert (times[some:] >= 0).all()
