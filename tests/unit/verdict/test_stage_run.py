"""A run of the chain, read as a whole, its first samples, or one."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.verdict.judged_chains import stages
from toolkit.verdict.stage_run import _first, _one


@pytest.mark.parametrize(("count", "sizes"), [(4, [3, 1]), (6, [3, 3]), (99, [3, 3, 3])])
def test_the_first_samples_are_no_more_and_no_fewer(count, sizes):
    """A run may be larger than the part that others ran, and it may be smaller."""
    blocks = [{"y": np.zeros((3, 1))}] * 3

    assert [len(each["y"]) for each in _first(blocks, count)] == sizes


def test_one_sample_of_a_run_is_read_by_itself(judged):
    outputs = stages()
    step = judged(outputs).steps[1]

    alone = step.only(7)

    assert (alone.name, alone.signature) == ("conversion (fake 1)", step.signature)
    (block,) = alone.blocks
    np.testing.assert_array_equal(block["scores"], outputs["conversion"][7:8])


@pytest.mark.parametrize(("sample", "expected"), [(0, [[0]]), (2, [[2]]), (3, [[3]]), (4, [[4]]), (5, [])])
def test_one_sample_is_found_in_whatever_block_it_lies(sample, expected):
    blocks = [{"a": np.arange(3)}, {"a": np.arange(3, 4)}, {"a": np.arange(4, 5)}]

    assert [block["a"].tolist() for block in _one(blocks, sample)] == expected
