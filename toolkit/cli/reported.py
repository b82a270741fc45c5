"""The option `--report`: the formats and files that the document of a verb is written to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from toolkit import printable, registry
from toolkit.cli import completion
from toolkit.cli.help import OUTPUT, one_of
from toolkit.cli.option_groups import Options, option
from toolkit.errors import RequestError


class Reported:
    """The files for a verb's document, in addition to the terminal; a call with the document writes them."""

    OPTIONS: ClassVar[Options] = {
        "report": option(
            list[str] | None, None, "--report",
            metavar="FORMAT=FILE",
            rich_help_panel=OUTPUT,
            autocompletion=completion.plugins("report/formats", after="="),
            help=f"Also write it as {one_of(registry.names('report/formats'))}; FILE - is standard output; may be given again.",
        ),
    }  # fmt: skip

    def __init__(self, report: list[str] | None, *, as_json: bool) -> None:
        from toolkit.report import formats

        self._asked = formats.asked(report or (), printed=as_json)
        formats.require_writable(self._asked)

    @property
    def is_asked(self) -> bool:
        """Whether any report was requested."""
        return bool(self._asked)

    def require_outside(self, out: Path | None, targets: Iterable[str]) -> None:
        """Raise RequestError for a report inside a bundle that is written to `out`: a bundle is written as a whole.

        The error itself is not written to that report either.
        """
        if out is None or not self._asked:
            return
        from toolkit.profiles import find

        names = {find(name).name for name in targets}
        inside = [one for one in self._asked if one.path is not None and names & {*_folders_below(out, one.path)}]
        self._asked = tuple(one for one in self._asked if one not in inside)
        if inside:
            why = "will lie in a bundle, which is written as a whole; choose a place outside of it"
            raise RequestError(printable.lines(f"{one.path}: {why}" for one in inside))

    def __call__(self, document: Mapping[str, Any]) -> None:
        from toolkit.report import formats

        formats.write(document, self._asked)


def _folders_below(out: Path, path: Path) -> tuple[str, ...]:
    """Return the first two folders between `out` and a path (a bundle is at TARGET or SIGNATURE/TARGET); () for a path elsewhere."""
    place, above = Path(os.path.realpath(path)), os.path.realpath(out)
    return place.relative_to(above).parts[:-1][:2] if place.is_relative_to(above) else ()
