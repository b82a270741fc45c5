"""The browser on this machine: Chromium, or Google Chrome, which is the same program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from toolkit.environments.remembered import recall, remember
from toolkit.errors import TargetUnavailable
from toolkit.settings import Settings
from toolkit.settings.environment_variables import by_everybody

NAMED = "EDGE_TOOLKIT_CHROMIUM"
"""The variable that names a browser in place of one on the PATH."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Where distributions keep the program that their script on the PATH starts; Google's script lies beside it.
_PROGRAMS = (
    "/usr/lib/chromium/chromium",
    "/usr/lib64/chromium-browser/chromium-browser",
    "/usr/lib/chromium-browser/chromium-browser",
)
_VERSION = re.compile(r"(?:Chromium|Chrome)\D*(\d+(?:\.\d+)+)")
_TIMEOUT_S = 60.0
_HOW = f"install it (Debian, Ubuntu: apt-get install chromium), or name one: {NAMED}=/path/to/chromium"


@dataclass(frozen=True, slots=True)
class BrowserProgram:
    """A browser's program and its version: `150.0.7871.100`."""

    path: Path
    version: str

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that it reads: its own, and the settings that a script of the distribution's reads."""
        return (str(self.path.parent), "/etc/chromium.d") if _is_script(self.path) else (str(self.path.parent),)


def find_path() -> Path | None:
    """Return the path of the browser's program, behind links and behind a script if its place is known; None if there is none.

    TargetUnavailable if the variable names what is not there.
    """
    named = os.environ.get(NAMED)
    found = shutil.which(os.path.expanduser(named)) if named else next(filter(None, map(shutil.which, _NAMES)), None)
    if named and found is None:
        raise TargetUnavailable(f"{NAMED}={named!r}: no such program", "name a program of Chromium or Google Chrome")
    if found is None:
        return None
    path = Path(os.path.realpath(found))
    beside = (str(path.with_name("chrome")), *_PROGRAMS)
    behind = next((Path(each) for each in beside if os.access(each, os.X_OK)), path)
    return behind if _is_script(path) and named is None else path


def find_program(settings: Settings) -> BrowserProgram:
    """Return the browser; TargetUnavailable if there is none, or it does not tell its version."""
    path = find_path()
    if path is None:
        raise TargetUnavailable("no Chromium was found on this machine", _HOW)
    status = path.stat()
    key = [str(path), status.st_mtime_ns, status.st_size]
    version = recall(settings.home, "browser", key, str)
    if version is None:
        version = _ask(path)
        if settings.home.is_dir():  # `doctor` makes nothing
            remember(settings.home, "browser", key, version)
    return BrowserProgram(path, version)


def _ask(path: Path) -> str:
    """Return the version that a browser tells of itself."""
    try:
        ended = subprocess.run(
            [path, "--version"],
            env=by_everybody(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TargetUnavailable(f"{path}: does not tell its version ({error})", _HOW) from error
    found = _VERSION.search(ended.stdout)
    if found is None:
        said = (ended.stdout + ended.stderr).strip().partition("\n")[0][:200]
        raise TargetUnavailable(f"{path}: is no Chromium: asked for its version it said {said!r}", _HOW)
    return found[1]


def _is_script(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"#!"
