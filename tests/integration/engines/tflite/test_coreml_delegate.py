"""What the Core ML delegate is estimated to take: by the rules of its sources, one operator at a time."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from toolkit.environments import resolve
from toolkit.settings import Settings

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def shares(tmp_path_factory):
    """Return by name what is estimated of the files of estimate_coreml_models.py."""
    command = [
        resolve("litert", settings=Settings()).python,
        HERE / "estimate_coreml_models.py",
        tmp_path_factory.mktemp("files"),
    ]
    ended = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": str(HERE.parents[3])},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return json.loads(ended.stdout)


TAKEN = ("tanh", "dense", "dense of halves", "softmax", "pool", "mean", "pad", "join", "add a row")


@pytest.mark.parametrize("name", TAKEN)
def test_what_the_delegate_takes(shares, name):
    """All of it, with the RELUs before and behind; an operator that widens float16 weights is none."""
    assert shares[name]["operators"] == [3, 3]
    assert shares[name]["left"] == []
    assert len(set(shares[name]["multiply_accumulates"])) == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("abs", "ABS: no such operator in the delegate"),
        ("dense of integers", "FULLY_CONNECTED: weights are not constant numbers in float"),
        ("dense of rows", "FULLY_CONNECTED: takes more than one row"),
        ("sharper softmax", "SOFTMAX: beta is not 1"),
        ("pool with an activation", "AVERAGE_POOL_2D: has a fused activation"),
        ("mean of channels", "MEAN: not over height and width"),
        ("mean without axes", "MEAN: does not keep the axes"),
        ("pad channels", "PAD: pads the batch or channels"),
        ("join rows", "CONCATENATION: joins by channels only, of 3 or 4 axes"),
        ("add a plane", "ADD: shapes [1, 4, 4, 2] and [1, 4, 1, 2]"),
        ("reshape", "RESHAPE: not with Core ML 3"),
    ],
)
def test_what_the_delegate_leaves(shares, name, says):
    """With the reason. The RELUs on both sides are then alone, and one operator by itself is not handed over."""
    assert shares[name]["left"][1] == says
    assert shares[name]["operators"] == [0, 3]
    assert shares[name]["left"][0].startswith("RELU: alone between operators of the CPU")
    assert shares[name]["multiply_accumulates"][0] == 0


def test_an_operator_alone_is_not_handed_over(shares):
    """kMinNodesPerCoreMlDelegate: copying values there and back costs more."""
    assert shares["alone"]["operators"] == [0, 3]
    assert [line.partition(":")[0] for line in shares["alone"]["left"]] == ["ABS", "TANH", "ABS"]
