"""Kills at random points of a build, of a sweep, of an emulated one, of `setup`: `kill_often.py` does many more of them."""

from __future__ import annotations

import random

import pytest

from tests.e2e.kills import places_for, series

KILLS = {"warm": 6, "cold": 4, "sweep": 3, "emulated": 3, "setup": 4, "builder": 3}


@pytest.mark.parametrize("name", KILLS)
def test_a_kill_at_any_time_loses_and_leaves_nothing(home, made, sample, digits, tmp_path, name):
    """The host, a worker, its child, an emulator, uv: what was finished stays, no process does, and the next run gives the same artifact."""
    given = {"sample": sample, "digits": digits}
    if name == "builder":
        given["checkpoint"] = made("make_checkpoints.py") / "keras3_root" / "weights"
    (place,) = places_for([name], home, tmp_path, given)
    undisturbed = place.whole_run()

    rounds = series(place, KILLS[name], random.Random(name))  # noqa: S311 (the same kills each time)

    assert undisturbed == []
    assert [one for one in rounds if one.wrong] == []
    assert any(one.killed for one in rounds)
