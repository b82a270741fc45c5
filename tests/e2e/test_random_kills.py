"""Kills at random points of a build, of a sweep, of an emulated one, of `setup`: `kill_often.py` does many more of them."""

from __future__ import annotations

import random

import pytest

from tests.e2e.kills import artifact, places_for, series

pytestmark = pytest.mark.slow
KILLS = {"run": 6, "emulated": 4, "setup": 4, "cold": 4, "builder": 2, "sweep": 2}


@pytest.mark.parametrize("name", KILLS)
def test_a_kill_at_any_time_loses_and_leaves_nothing(home, made, sample, digits, tmp_path, name):
    """The host, a worker, its child, an emulator, uv: what was finished stays, no process does, and the next run gives the same artifact."""
    given = {"sample": sample, "digits": digits}
    if name == "builder":
        given["checkpoint"] = made("make_checkpoints.py") / "keras3_root" / "weights"
    if name in ("run", "emulated"):
        given["artifact"] = artifact(sample, home, tmp_path)
    (place,) = places_for([name], home, tmp_path, given)
    undisturbed = place.whole_run()

    rounds = series(place, KILLS[name], random.Random(name))  # noqa: S311 (the same kills each time)

    assert undisturbed == []
    assert [one for one in rounds if one.wrong] == []
    assert any(one.killed for one in rounds)
