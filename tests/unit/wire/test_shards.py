"""Samples as a folder of shards."""

from __future__ import annotations

import numpy as np

from toolkit.wire import shards


def test_a_sample_keeps_no_shard_in_memory(tmp_path, monkeypatch):
    """Whoever looks at one while the next shard is read would have two."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 64)
    with shards.ShardWriter(tmp_path) as writer:
        for number in range(20):
            writer.add({"x": np.full((1, 4), number, np.float32), "number": np.array(number)})

    samples = list(shards.read_samples(tmp_path, 3, 17))

    assert len(shards.read_index(tmp_path)["shards"]) > 2
    assert [int(each["number"]) for each in samples] == [int(each["x"].max()) for each in samples] == [*range(3, 17)]
    assert all(array.base is None for each in samples for array in each.values())
