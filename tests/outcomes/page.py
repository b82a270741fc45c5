"""docs/outcomes.md, of the record of what `make outcomes` built. Nothing in it is written by hand.

`python tests/outcomes/page.py` makes it again without building anything: a target or a network that is new has lines that say so.
"""

from __future__ import annotations

import fcntl
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))
from tests.outcomes.networks import NETWORKS, NO_ORIGINAL, Network  # noqa: E402 (from this checkout)
from toolkit import config, profiles  # noqa: E402 (likewise)
from toolkit.report.wording import OUTCOMES, size  # noqa: E402 (likewise)

RECORD = HERE / "record.jsonl"
LEFT_OUT = HERE / "left_out.toml"
PAGE = ROOT / "docs" / "outcomes.md"
NONE = "-"
NO_VERDICT = "NO VERDICT"
NOT_BUILT = "not built"
FIELDS = (
    *("network", "file", "target", "day", "outcome", "error", "ships", "size_bytes", "score", "guilty_stage", "reason"),
    *("samples", "engine", "tensorflow", "machine"),
)
LONGEST_REASON = 300

Line = Mapping[str, Any]
Key = tuple[str, str, str]

HEAD = """\
# What became of real networks on every target

`make outcomes` builds each of these networks for each target, and writes this page; nothing in it was written by hand. No limit was set for any of
them: the bounds are those of the profiles, so that a network of which a scheme loses too much has another scheme, or none. The networks are not part
of the project, but the first; others trained them.

`ships` is the scheme of the file that passed, and the score is that of the file that was judged: by labels, or its agreement with the original.
The last column says why nothing ships, or that another scheme ships than the target prefers. Targets with the same outcome share a row.
NOT BUILT is what the last run of `make outcomes` was not asked for, and no run before it.
[Reports](reports.md) explains the words, [targets](targets.md) the targets.
"""


def left_out() -> dict[str, str]:
    """Return the targets that are not built for, each with the reason."""
    return {str(name): str(reason) for name, reason in config.read(LEFT_OUT).items()}


def targets() -> list[str]:
    """Return the targets that are built for: all of this checkout's that are not abstract, but those that are left out."""
    return [name for name in shipped() if name not in left_out()]


def shipped() -> list[str]:
    """Return the targets of this checkout that are not abstract."""
    return [name for name in profiles.names() if (ROOT / "targets" / f"{name}.toml").is_file()]


def format_of(target: str) -> str:
    """Return the format of a target's artifacts."""
    return profiles.find(target).format


def record() -> list[dict[str, Any]]:
    """Return the lines that are kept, in the order of the page."""
    return [json.loads(line) for line in RECORD.read_text("utf-8").splitlines()] if RECORD.exists() else []


def keep(lines: Iterable[Line]) -> None:
    """Put lines in the place of those of the same network, file and target; whole or not at all, and one program at a time.

    Lines of what there is no more go.
    """
    with (ROOT / "Makefile").open() as lock:  # any file that is there
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = {key_of(line): line for line in (*record(), *lines)}
        text = "".join(f"{json.dumps(held[key])}\n" for key in sorted(held.keys() & wanted()))
        RECORD.with_suffix(".new").write_text(text, "utf-8")
        RECORD.with_suffix(".new").replace(RECORD)


def key_of(line: Line) -> Key:
    """Return network, file ("" for what is built of the network) and target of a line."""
    return line["network"], line["file"] or "", line["target"]


def wanted() -> set[Key]:
    """Return what has a line: each network for every target, and each file that others converted for every target that takes such files."""
    tflite = [name for name in targets() if format_of(name) == "tflite"]
    files = {(each.name, path, target) for each in NETWORKS for path in each.converted for target in tflite}
    return files | {(each.name, "", target) for each in NETWORKS for target in targets()}


def not_built() -> list[dict[str, Any]]:
    """Return a line for each that has none yet."""
    missing = wanted() - {key_of(line) for line in record()}
    return [
        dict.fromkeys(FIELDS) | {"network": network, "file": file or None, "target": target, "outcome": NOT_BUILT}
        for network, file, target in sorted(missing)
    ]


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(record()), "utf-8")


def page(lines: Sequence[Line]) -> str:
    """Return the page of these lines."""
    parts = [HEAD, _when(lines), "## Targets\n", _targets(lines), "## Networks\n", _networks(lines)]
    for network in NETWORKS:
        of = [line for line in lines if line["network"] == network.name]
        parts += [f"## {network.name}\n", _intro(network, of), _table([line for line in of if line["file"] is None])]
        for path in network.converted:
            parts += [f"`{path}`, which its authors converted, as it is (`verify`):\n"]
            parts += [_table([line for line in of if line["file"] == path])]
    return "\n".join([*parts, _missing()])


def _when(lines: Sequence[Line]) -> str:
    days = sorted({line["day"] for line in lines if line["day"]})
    day = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    machines = ", ".join(sorted({line["machine"] for line in lines if line["machine"]}))
    tensorflow = ", ".join(sorted({line["tensorflow"] for line in lines if line["tensorflow"]}))
    return f"Built {day}, on {machines}; originals ran on TensorFlow {tensorflow}.\n"


def _targets(lines: Sequence[Line]) -> str:
    rows = []
    for name in targets():
        of = [line for line in lines if line["target"] == name and line["file"] is None]
        engines = sorted({line["engine"] for line in of if line["engine"]})
        counts = Counter(_word(line) for line in of)
        rows.append([f"`{name}`", str(profiles.find(name).verification), ", ".join(engines), *_counted(counts)])
    return _rows(["target", "verified how", "engine that ran last", *_OUTCOMES], rows)


def _networks(lines: Sequence[Line]) -> str:
    rows = []
    for network in NETWORKS:
        of = [line for line in lines if line["network"] == network.name and line["file"] is None]
        ships = Counter(line["ships"] for line in of if line["ships"])
        counts = Counter(_word(line) for line in of)
        link = network.name.lower().replace(" ", "-").replace(".", "")
        told = ", ".join(f"{scheme} {count}" for scheme, count in ships.most_common())
        rows.append([f"[{network.name}](#{link})", *_counted(counts), told or NONE])
    return _rows(["network", *_OUTCOMES, "ships, on how many targets"], rows)


def _intro(network: Network, lines: Sequence[Line]) -> str:
    counts = sorted({line["samples"] for line in lines if line["samples"]})
    judged = " or ".join(map(str, counts)) or "no"
    return f"{network.about[0].upper()}{network.about[1:]}. Judged by {judged} samples: {network.samples}.\n"


def _table(lines: Sequence[Line]) -> str:
    same: dict[tuple[str, ...], list[str]] = {}
    for line in lines:
        same.setdefault(_cells(line), []).append(f"`{line['target']}`")
    rows = [[", ".join(names), *cells] for cells, names in same.items()]
    return _rows(["target", "verdict", "ships", "size", "score", "guilty stage", "why"], rows)


def _cells(line: Line) -> tuple[str, ...]:
    bytes_ = line["size_bytes"]
    return (
        _word(line),
        line["ships"] or NONE,
        NONE if bytes_ is None else size(bytes_),
        line["score"] or NONE,
        line["guilty_stage"] or NONE,
        _short(line["reason"] or "") or NONE,
    )


def _short(text: str) -> str:
    """Return a reason that fits a cell: of a long one its beginning."""
    one = " ".join(text.split()).replace("|", "\\|")
    return one if len(one) <= LONGEST_REASON else f"{one[:LONGEST_REASON].rsplit(' ', 1)[0]} ..."


_OUTCOMES = ("passed", "not passed", "inconclusive", "no verdict", NOT_BUILT)


def _word(line: Line) -> str:
    return NOT_BUILT.upper() if line["outcome"] == NOT_BUILT else OUTCOMES.get(line["outcome"], NO_VERDICT)


def _counted(counts: Mapping[str, int]) -> list[str]:
    return [str(counts.get(word.upper(), 0)) for word in _OUTCOMES]


def _missing() -> str:
    out = _rows(["target", "why"], [[f"`{name}`", reason] for name, reason in left_out().items()])
    files = _rows(["file", "what it is"], [[f"`{path}`", what] for path, what in NO_ORIGINAL.items()])
    return (
        f"## What is not here\n\nTargets that nothing was built for:\n\n{out}\n"
        f"Files of others without the model that they were converted from, so that there is nothing to hold them against:\n\n{files}"
    )


def _rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    keep(not_built())
    write()
