"""Kill commands again and again at random points, and print what was wrong after each kill, as JSON; exit status 1 where anything was.

    python -m tests.e2e.kill_often COUNT [SEED]

from the folder above tests/. SHARES says how often each scene is played; times, victims and signals are drawn with the seed. What ended before it
was killed counts as no kill.
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
from tests.e2e.kills import Round, artifact, places_for, series
from toolkit.environments import resolve
from toolkit.settings import Settings, default_home

ROOT = HERE.parents[1]
SHARES = {"run": 24, "emulated": 3, "setup": 3, "warm": 2, "cold": 1, "builder": 1, "sweep": 1}
IN_A_ROW = 8  # kills before a scene is run to its end


def main(count: int, seed: int) -> int:
    """Kill at least so many times; return the exit status."""
    chance, home = random.Random(seed), default_home()  # noqa: S311 (the same kills each time)
    with tempfile.TemporaryDirectory(prefix="edge-kills-") as name:
        folder = Path(name)
        python = resolve("tensorflow", settings=Settings(home=home)).python
        subprocess.run([python, HERE / "make_checkpoints.py", folder / "made"], check=True, capture_output=True)
        given = {
            "sample": ROOT / "toolkit" / "sample" / "digits",
            "digits": ROOT / "calibration" / "digits.toml",
            "artifact": artifact(ROOT / "toolkit" / "sample" / "digits", home, folder),
            "checkpoint": folder / "made" / "keras3_root" / "weights",
        }
        places = {place.scene.name: place for place in places_for(list(SHARES), home, folder, given)}
        rounds: list[Round] = []
        while sum(one.killed > 0 for one in rounds) < count:
            (chosen,) = chance.choices(list(SHARES), list(SHARES.values()))
            if not places[chosen].seconds:
                wrong = places[chosen].whole_run()
                sys.stderr.write(f"{chosen}: {places[chosen].seconds:.1f} s undisturbed {wrong or ''}\n")
            for one in series(places[chosen], IN_A_ROW, chance):
                rounds.append(one)
                sys.stderr.write(json.dumps(dataclasses.asdict(one)) + "\n")
    bad = [dataclasses.asdict(one) for one in rounds if one.wrong]
    counted = Counter((one.scene, one.victim, one.signal, one.killed > 0) for one in rounds)
    kinds = [[*what, many] for what, many in counted.items()]
    sys.stdout.write(
        json.dumps(
            {"kills": sum(one.killed > 0 for one in rounds), "seed": seed, "played": kinds, "wrong": bad}, indent=1
        )
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
