"""Build every network for every target, and write what became of each: `python tests/outcomes/outcomes.py` (`make outcomes`).

    python outcomes.py [--network NAME ...] [--target NAME ...] [--samples 128]

One `edge-toolkit build` for each network and all its targets, one `edge-toolkit verify` for each file that others converted of it. All jobs are in
this machine's store, so a second run repeats none. What was found is record.jsonl, a line for each outcome; docs/outcomes.md is made of it (page.py).
With options, the lines of these networks and targets take the place of those before; what was never built has lines that say so.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))
from tests.outcomes import page  # noqa: E402 (from this checkout)
from tests.outcomes.networks import LABELS, MODELS, NETWORKS, Arrays, Network  # noqa: E402 (likewise)
from toolkit.environments.instructions import class_of  # noqa: E402 (likewise)
from toolkit.launchers.emulation.own_processor import cpu  # noqa: E402 (likewise)

MACHINE = f"{cpu()[0]} ({class_of(os.uname().machine, cpu()[1])})"
WORK = ROOT / "build" / "outcomes"
COMMAND = Path(sys.executable).with_name("edge-toolkit")
PATIENCE_S = 3600  # of one job, on a machine that does other things
RECIPE = """\
[reader]
kind   = "arrays"
path   = "{path}"
inputs = {{ {inputs} }}
{labels}
[sampling]
{set} = {count}
"""


def contents(arrays: Arrays) -> list[bytes]:
    """Return the content of each sample: what the network is fed."""
    fed = [array for name, array in arrays.items() if name != LABELS]
    return [b"".join(row.tobytes() for row in rows) for rows in zip(*fed, strict=True)]


def distinct(arrays: Arrays, others: Collection[bytes] = ()) -> Arrays:
    """Return the samples of a set without copies, and without those of other sets: what calibrated would not judge."""
    found = {content: place for place, content in reversed(list(enumerate(contents(arrays)))) if content not in others}
    return {name: array[sorted(found.values())] for name, array in arrays.items()}


def recipe(folder: Path, of: str, arrays: Arrays) -> Path:
    """Write a set as an .npz with its recipe, which takes all of it; return the recipe."""
    path = folder / f"{of}.npz"
    np.savez(path, **dict(arrays))
    text = RECIPE.format(
        path=path,
        inputs=", ".join(f'"{name}" = "{name}"' for name in arrays if name != LABELS),
        labels=f'labels = "{LABELS}"' if LABELS in arrays else "",
        set=of,
        count=len(next(iter(arrays.values()))),
    )
    path.with_suffix(".toml").write_text(text)
    return path.with_suffix(".toml")


def said(arguments: Sequence[object]) -> dict[str, Any]:
    """Return the JSON document of a command; its progress goes to standard error. RuntimeError if it printed none."""
    ended = subprocess.run(
        [COMMAND, *map(str, arguments), "--timeout", str(PATIENCE_S), "--json"],
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    try:
        document: dict[str, Any] = json.loads(ended.stdout)
    except ValueError as error:
        raise RuntimeError(f"{arguments}: exit status {ended.returncode}, and no JSON: {ended.stdout[:500]}") from error
    return document


def build_and_keep(network: Network, targets: Sequence[str], most: int) -> None:
    """Keep a line for each target of a network, then for each file that others converted of it; after each command, so that little is lost."""
    folder = WORK / network.name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    calibration, judged = network.sets()
    judged = {name: array[:most] for name, array in distinct(judged).items()}
    calibration = distinct(calibration, set(contents(judged)))
    sets = (
        *("--calibration", recipe(folder, "calibration", calibration)),
        *("--eval", recipe(folder, "verification", judged)),
    )

    def ask(file: str | None, names: Sequence[str], *words: object) -> None:
        asked = [word for name in names for word in ("--target", name)]
        page.keep(lines_of(network, file, names, said([*words, *network.options, *asked, *sets])))

    ask(None, targets, "build", network.source, "--out", folder / "dist")
    tflite = [name for name in targets if page.format_of(name) == "tflite"]
    for path in network.converted if tflite else ():
        ask(path, tflite, "verify", MODELS / path, "--source", network.source)


def lines_of(
    network: Network, file: str | None, targets: Iterable[str], document: Mapping[str, Any]
) -> Iterable[dict[str, Any]]:
    """Yield what is kept of a command's document, for each target; an error of the whole command is that of each target."""
    rows = {row["target"]: row for row in document.get("summary", ())}
    for target in targets:
        report = document.get("targets", {}).get(target, {})
        row = rows.get(target) or {
            "outcome": "error",
            "error": document["error"]["kind"],
            "reason": document["error"]["problem"],
        }
        last = list(report.get("runs", {}).values())[-1:]
        yield {
            "network": network.name,
            "file": file,
            "target": target,
            "day": dt.datetime.now(dt.timezone.utc).date().isoformat(),
            "outcome": row["outcome"],
            "error": row.get("error"),
            "ships": row.get("shipped"),
            "size_bytes": row.get("size_bytes"),
            "score": row.get("score") and f"{row['score']['metric']} {row['score']['text']}",
            "guilty_stage": row.get("guilty_stage"),
            "reason": without_places(row["reason"]),
            "samples": report.get("samples", {}).get("verification"),
            "engine": last[0]["engine"] if last else None,
            "tensorflow": report.get("tools", {}).get("tensorflow"),
            "machine": MACHINE,
        }


def without_places(text: str) -> str:
    """Return a text in which no folder of this machine is named."""
    for place in (WORK, MODELS, MODELS.resolve(), ROOT, Path.home()):
        text = text.replace(f"{place}/", "")
    return text


def main() -> int:
    """Build, and write the page at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", action="append", choices=[each.name for each in NETWORKS])
    parser.add_argument("--target", action="append", choices=page.targets())
    parser.add_argument(
        "--samples", type=int, default=128, help="at most so many judge; those of an emulated processor take longest"
    )
    asked = parser.parse_args()
    for network in NETWORKS:
        if network.name in (asked.network or [network.name]):
            sys.stderr.write(f"{network.name}\n")
            build_and_keep(network, asked.target or page.targets(), asked.samples)
    page.keep(page.not_built())
    page.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
