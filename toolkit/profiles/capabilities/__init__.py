"""What a release of a runtime can run: its operators, their versions, and the dtypes that they take. One file for each release.

`NAME-VERSION.json` is of the runtime NAME (a file of toolkit/execution/runtimes) in that version. It is looked for in `./capabilities/` and then
beside this module. `edge-toolkit targets probe` writes such a file by asking the runtime itself; nobody writes one by hand.

A table answers "not known" for what was not probed. Then a run decides: a table refuses only what the runtime itself refused.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from toolkit import config
from toolkit.config import ConfigModel
from toolkit.engines.description import OperatorUse
from toolkit.engines.uses import NONE, UNKNOWN
from toolkit.errors import InvalidConfig
from toolkit.files.foreign import parse_json, read_bytes

Status = Literal["runs", "missing", "version", "dtype", "unknown"]
Count = Annotated[int, Field(ge=0)]
MARK: Literal["edge-toolkit capabilities"] = "edge-toolkit capabilities"
LARGEST = 1 << 24
"""The most bytes of a table. That of ONNX Runtime, the largest, has 200 kB."""

_FLEX = "Flex"
_CUSTOM = "CUSTOM "


class Kernel(ConfigModel):
    """A kernel that a runtime registers: the versions of the operator that it is for (null: all later ones), and the dtypes of each input.

    The last input stands for all that follow; an empty list is any dtype.
    """

    versions: tuple[Count, Count | None]
    takes: tuple[tuple[str, ...], ...] = ()

    def has(self, version: int) -> bool:
        """Return whether it is for this version of the operator."""
        first, last = self.versions
        return first <= version and (last is None or version <= last)

    def accepts(self, takes: Sequence[str]) -> bool:
        """Return whether it takes these dtypes; one that is not known is taken."""
        if not self.takes:
            return True
        allowed = [self.takes[min(place, len(self.takes) - 1)] for place in range(len(takes))]
        return all(not some or dtype in (NONE, UNKNOWN, *some) for dtype, some in zip(takes, allowed, strict=True))


class Abilities(ConfigModel):
    """What a runtime does with an operator: the ranges of versions that it registers, and what came of each combination of dtypes.

    A combination is "float32, int8 per-channel, float32 -> float32". Each of `runs` was prepared and invoked; each of `refuses` was not, and has
    what the runtime said. `kernels` are those that it registers, for a runtime that lists them.
    """

    versions: tuple[tuple[Count, Count], ...] = ()
    runs: tuple[str, ...] = ()
    refuses: dict[str, str] = Field(default_factory=dict)
    kernels: tuple[Kernel, ...] = ()

    def spans(self) -> str:
        """Return in words which versions there are."""
        ranges = self.versions or sorted({kernel.versions for kernel in self.kernels}, key=lambda each: each[0])
        return ", ".join(_span(first, last) for first, last in ranges)


def _span(first: int, last: int | None) -> str:
    return f"{first} and later" if last is None else str(first) if first == last else f"{first} to {last}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a table says of one use of an operator; `detail` is the versions that there are, or what the runtime said."""

    status: Status
    detail: str = ""

    @property
    def is_lacking(self) -> bool:
        """Whether the runtime refused such a use."""
        return self.status in ("missing", "version", "dtype")


class Capabilities(ConfigModel):
    """The table of one release of a runtime.

    `artifact_format` is of the files that it runs; `engine` is what reported itself, `machine` where it was probed, and `how` says how. Versions of
    operators above `newest_probed` were not probed; it is null where the runtime lists its kernels. `custom` says of custom operators, by name,
    whether the runtime has them.
    """

    format: Literal["edge-toolkit capabilities"] = MARK
    runtime: str
    version: str
    artifact_format: str
    engine: str
    machine: str
    kernels: str
    how: str
    probes: Count
    newest_probed: Count | None
    operators: dict[str, Abilities]
    custom: dict[str, bool] = Field(default_factory=dict)

    def answer(self, use: OperatorUse) -> Answer:
        """Return what the runtime does with an operator that is used like this."""
        name = use["name"]
        if name.startswith(_CUSTOM):
            return self._of_custom(name.removeprefix(_CUSTOM))
        able = self.operators.get(name)
        if able is None:
            return Answer("unknown")
        if able.kernels:
            return _by_kernels(able, use)
        if not able.versions:
            return Answer("missing")
        if self.newest_probed is not None and use["version"] > self.newest_probed:
            return Answer("unknown")
        if not any(first <= use["version"] <= last for first, last in able.versions):
            return Answer("version", able.spans())
        combination = combination_of(use["takes"], use["gives"])
        if combination in able.refuses:
            return Answer("dtype", able.refuses[combination])
        return Answer("runs" if combination in able.runs else "unknown")

    def knows(self, name: str) -> bool:
        """Return whether an operator was probed at all."""
        return name in self.operators or (
            name.startswith(_CUSTOM) and self._of_custom(name.removeprefix(_CUSTOM)).status != "unknown"
        )

    def _of_custom(self, name: str) -> Answer:
        of = self.custom.get(_FLEX if name.startswith(_FLEX) else name)
        return Answer("unknown") if of is None else Answer("runs" if of else "missing")


@dataclass(frozen=True, slots=True)
class Probing:
    """A table that was made, the seconds that it took, and the file that it was written to, if any."""

    table: Capabilities
    seconds: float
    path: Path | None = None


def combination_of(takes: Sequence[str], gives: Sequence[str]) -> str:
    """Return the text of a combination of dtypes."""
    return f"{', '.join(takes)} -> {', '.join(gives)}"


def _by_kernels(able: Abilities, use: OperatorUse) -> Answer:
    of_version = [kernel for kernel in able.kernels if kernel.has(use["version"])]
    if not of_version:
        return Answer("version", able.spans())
    if any(kernel.accepts(use["takes"]) for kernel in of_version):
        return Answer("runs")
    known = sorted({", ".join("/".join(some) or "any" for some in kernel.takes) for kernel in of_version})
    return Answer("dtype", f"its kernels take {'; or '.join(known)}")


def name_of(runtime: str, version: str) -> str:
    """Return the file name of a table."""
    return f"{runtime}-{version}.json"


def path_of(runtime: str, version: str) -> Path | None:
    """Return the file of a release's table; None if it was not probed."""
    for folder in (Path("capabilities"), Path(__file__).resolve().parent):
        path = folder / name_of(runtime, version)
        if path.is_file():
            return path
    return None


def find(runtime: str, version: str) -> Capabilities | None:
    """Return the table of a release of a runtime, None if it was not probed; DamagedFile or InvalidConfig for a file that is no such table."""
    path = path_of(runtime, version)
    if path is None:
        return None
    table = _parsed(path, read_bytes(path, LARGEST))
    if (table.runtime, table.version) != (runtime, version):
        raise InvalidConfig(
            path, [f"is of {table.runtime} {table.version}; expected {runtime} {version}, as its name says"]
        )
    return table


@functools.lru_cache(maxsize=8)
def _parsed(path: Path, content: bytes) -> Capabilities:
    table, problems = config.check(parse_json(content, path, dict), Capabilities)
    if table is None:
        raise InvalidConfig(path, map(str, problems))
    return table


def text_of(table: Capabilities) -> str:
    """Return the content of a table's file: one operator a line, sorted, so that two releases can be compared line by line."""
    content = table.model_dump(mode="json", exclude={"operators"})
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    rows = [
        f"{json.dumps(name)}: {json.dumps(able.model_dump(mode='json', exclude_defaults=True), ensure_ascii=False)}"
        for name, able in sorted(table.operators.items())
    ]
    return "{\n" + ",\n".join(lines) + ',\n"operators": {\n' + ",\n".join(rows) + "\n}\n}\n"
