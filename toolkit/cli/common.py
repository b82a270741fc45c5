"""The options that nearly all verbs have: how jobs run, and how the result is shown. The classes hold the values."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from toolkit import printable
from toolkit.cli.help import OUTPUT, RUN
from toolkit.cli.option_groups import Allowed, Options, option
from toolkit.cli.reading import environment_and_path
from toolkit.errors import RequestError
from toolkit.printable import Text

if TYPE_CHECKING:
    from toolkit.jobs.local_executor import LocalExecutor
    from toolkit.report.screen import Screen
    from toolkit.settings import Limits, Settings

_MOST_MEMORY_GB = 1e9  # in bytes it fits into the 64 bits of setrlimit(2), with room for additions


class Common:
    """The options of a verb that runs jobs. Verbs without jobs have a part of them: `Printed`, `Located`, `Made`."""

    OPTIONS: ClassVar[Options] = {
        "as_json": option(
            bool, False, "--json",
            rich_help_panel=OUTPUT,
            help="Print one JSON document, and nothing else, on standard output.",
        ),
        "python": option(
            list[str] | None, None, "--python",
            metavar="NAME=PATH",
            rich_help_panel=RUN,
            help="The interpreter for an environment.",
        ),
        "offline": option(
            bool, False, "--offline",
            rich_help_panel=RUN,
            help="Never touch the network (also EDGE_TOOLKIT_OFFLINE=1).",
        ),
        "timeout": option(
            float, 900, "--timeout", metavar="S", rich_help_panel=RUN, help="Seconds that one job may take."
        ),
        "memory": option(
            float, 8, "--memory", metavar="GB", rich_help_panel=RUN, help="Resident memory that one job may use."
        ),
    }  # fmt: skip

    def __init__(
        self,
        as_json: bool,
        offline: bool = False,
        python: list[str] | None = None,
        timeout: float = 900.0,
        memory: float = 8.0,
    ) -> None:
        self.as_json = as_json
        self._offline = offline
        self._pythons = dict(environment_and_path(text) for text in python or ())
        self._timeout_s = timeout
        self._memory_gb = memory

    @property
    def settings(self) -> Settings:
        """The settings from the options; RequestError for a limit of 0 or less."""
        from toolkit.settings import Settings, default_offline

        pythons = {name: Path(path) for name, path in self._pythons.items()}
        return Settings(offline=self._offline or default_offline(), pythons=pythons, limits=self._limits(), say=say)

    def _limits(self) -> Limits:
        from toolkit.settings import Limits

        if not (self._timeout_s > 0 and self._memory_gb > 0):
            raise RequestError(f"--timeout {self._timeout_s:g} and --memory {self._memory_gb:g}: both must be above 0")
        if self._memory_gb > _MOST_MEMORY_GB:
            raise RequestError(f"--memory {self._memory_gb:g}: expected a number of GB, at most {_MOST_MEMORY_GB:g}")
        return Limits(self._timeout_s, int(self._memory_gb * 1e9))

    def executor(self, allowed: Allowed) -> LocalExecutor:
        """Return the executor for the jobs of a verb, with a progress line on standard error."""
        from dataclasses import replace

        from toolkit.jobs.local_executor import LocalExecutor
        from toolkit.jobs.progress import Progress

        progress = Progress()
        executor = LocalExecutor(replace(self.settings, permissions=allowed.permissions), progress)
        progress.steps = executor.steps
        return executor

    def show(self, document: Any, text: Callable[[], Text]) -> None:
        """Print the result: one JSON document, or the text for people, at most as wide as the screen."""
        said = printable.document(document) if self.as_json else self.screen.fitted(text())
        print(printable.lines([said]), flush=True)

    @property
    def screen(self) -> Screen:
        """The screen that the result is printed on."""
        from toolkit.report.screen import Screen

        return Screen.of(sys.stdout)


class Printed(Common):
    """The options of a verb that only reads files."""

    OPTIONS: ClassVar[Options] = {name: Common.OPTIONS[name] for name in ("as_json",)}


class Located(Common):
    """The options of a verb that reads environments and makes none."""

    OPTIONS: ClassVar[Options] = {name: Common.OPTIONS[name] for name in ("as_json", "python")}


class Made(Common):
    """The options of a verb that makes environments and runs no job in them."""

    OPTIONS: ClassVar[Options] = {name: Common.OPTIONS[name] for name in ("as_json", "python", "offline")}


class Detailed:
    """How much of the result is shown; the JSON document and the reports always have all of it."""

    OPTIONS: ClassVar[Options] = {
        "verbose": option(
            bool, False, "--verbose", "-v",
            rich_help_panel=OUTPUT,
            help="Show all rows; else what matters most, on one screen.",
        ),
    }  # fmt: skip

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose

    @property
    def screen(self) -> Screen:
        """The screen that the result is printed on."""
        from toolkit.report.screen import Screen

        return Screen.of(sys.stdout, whole=self._verbose)


def say(*lines: str) -> None:
    """Print lines for people on standard error."""
    print(printable.lines(lines), file=sys.stderr, flush=True)
