"""Kill commands again and again at random points, and print what was wrong after each kill, as JSON; exit status 1 where anything was.

    python -m tests.e2e.kill_often COUNT [SEED]

from the folder above tests/. How often each scene is played is in SHARES; times, victims and signals are drawn with the seed.
"""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.e2e.conftest import HERE
from tests.e2e.kills import places_for, played
from toolkit.environments import resolve
from toolkit.settings import Settings, default_home

ROOT = HERE.parents[1]
SHARES = {"warm": 8, "cold": 3, "sweep": 2, "emulated": 2, "setup": 3, "builder": 2}


def main(count: int, seed: int) -> int:
    """Play so many rounds; return the exit status."""
    chance, home = random.Random(seed), default_home()  # noqa: S311 (the same kills each time)
    with tempfile.TemporaryDirectory(prefix="edge-kills-") as name:
        folder = Path(name)
        python = resolve("tensorflow", settings=Settings(home=home)).python
        subprocess.run([python, HERE / "make_checkpoints.py", folder / "made"], check=True, capture_output=True)
        given = {
            "sample": ROOT / "toolkit" / "sample" / "digits",
            "digits": ROOT / "calibration" / "digits.toml",
            "checkpoint": folder / "made" / "keras3_root" / "weights",
        }
        places = {place.scene.name: place for place in places_for(list(SHARES), home, folder, given)}
        for place in places.values():
            wrong = place.whole_run()
            sys.stderr.write(f"{place.scene.name}: {place.seconds:.1f} s undisturbed {wrong or ''}\n")
        rounds = []
        for number in range(count):
            (chosen,) = chance.choices(list(SHARES), list(SHARES.values()))
            rounds.append(played(places[chosen], number, chance))
            sys.stderr.write(json.dumps(dataclasses.asdict(rounds[-1])) + "\n")
    bad = [dataclasses.asdict(one) for one in rounds if one.wrong]
    counted = Counter((one.scene, one.victim, one.signal, one.killed > 0) for one in rounds)
    kinds = [[*what, many] for what, many in counted.items()]
    sys.stdout.write(json.dumps({"rounds": count, "seed": seed, "played": kinds, "wrong": bad}, indent=1))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
