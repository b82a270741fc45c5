"""A phone for tests: a real Chromium without a window, which opens the page of `serve-device` as a phone's browser does."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolkit.engines.web.devtools import CommandRefused, DevTools
from toolkit.errors import TargetUnavailable
from toolkit.launchers.browser import packages
from toolkit.launchers.browser.program import find_program
from toolkit.settings import Settings
from toolkit.settings.environment_variables import by_everybody

PATIENCE_S = 120.0
FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-breakpad",
    "--no-zygote",
    "--in-process-gpu",
    "--disable-gpu",
    "--ignore-certificate-errors",  # the certificates of tests are signed by nobody
)


def program() -> str:
    """Return the browser's program; skipped, loudly, only where it or the engines for its page are not there."""
    try:
        found = find_program(Settings())
    except TargetUnavailable as error:
        pytest.skip(f"NOT TESTED, no browser here: {error}")
    missing = [name for name in packages.LOCKED if packages.find_packages(name, Settings()) is None]
    if missing:
        pytest.skip(f"NOT TESTED, no packages for a page: {', '.join(missing)}; edge-toolkit setup phone")
    return str(found.path)


def until(happens: Callable[[], Any], what: str) -> Any:
    """Wait until something is true, and return it."""
    ends = time.monotonic() + PATIENCE_S
    while not (found := happens()):
        assert time.monotonic() < ends, f"{what}: not within {PATIENCE_S:g} s"
        time.sleep(0.05)
    return found


class BrowserPhone:
    """A browser with tabs of one profile. The latest tab is the one that all else is about."""

    def __init__(self) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="phone-", ignore_cleanup_errors=True)
        profile = self._profile.name
        sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
        command = (program(), *FLAGS, *sandbox, f"--user-data-dir={profile}", "about:blank")
        self._tools = DevTools(command, {**by_everybody(), "HOME": profile}, Path(profile))
        self._target = self._session = ""

    def open(self, link: str, *, private: bool = False) -> None:
        """Open an address in a new tab; a `private` one knows nothing of the others, as if it was on another phone."""
        where = (
            {"browserContextId": self._tools.call("Target.createBrowserContext")["browserContextId"]} if private else {}
        )
        self._target = self._tools.call("Target.createTarget", {"url": link, **where})["targetId"]
        asked = {"targetId": self._target, "flatten": True}
        self._session = self._tools.call("Target.attachToTarget", asked)["sessionId"]

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        answer = self._tools.call("Runtime.evaluate", asked, self._session)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    @property
    def shown(self) -> str:
        """What the page shows."""
        try:
            return str(
                self.evaluate("['state', 'detail'].map(name => document.getElementById(name)?.textContent).join('; ')")
            )
        except CommandRefused:  # there is no page yet
            return ""

    def wait_for(self, text: str) -> None:
        """Wait until the page shows a text."""
        until(lambda: text in self.shown, f"the page shows {text!r}")

    def connect(self, link: str) -> None:
        """Open the page, and wait until it is connected."""
        self.open(link)
        self.wait_for("connected; waiting for a build")

    def cut(self, *, off: bool) -> None:
        """Cut the connection to the network, or mend it."""
        self._tools.call("Network.enable", session=self._session)
        speed = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self._tools.call("Network.emulateNetworkConditions", {"offline": off, **speed}, self._session)

    def freeze(self) -> None:
        """Freeze the page, as a phone does that is locked."""
        self._tools.call("Page.setWebLifecycleState", {"state": "frozen"}, self._session)

    def reload(self) -> None:
        """Load the page again."""
        self._tools.call("Page.reload", session=self._session)

    def close_tab(self) -> None:
        """Close the tab."""
        self._tools.call("Target.closeTarget", {"targetId": self._target})

    def close(self) -> None:
        """End the browser."""
        self._tools.close()
        self._profile.cleanup()
