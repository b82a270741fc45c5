"""Environments that the toolkit makes: a virtual environment from a lock file, by `uv`, once."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from toolkit import printable
from toolkit.environments.interpreters import current, installed, platform_here
from toolkit.environments.made_once import Making, Marker, make_once, read_marker
from toolkit.environments.requirements import Requirements
from toolkit.errors import EnvironmentUnavailable
from toolkit.settings import Settings

_NEEDS = ("python", "platform", "versions")
# The user's shell may set these for another interpreter; this environment is complete by itself.
VARIABLES = {"PYTHONPATH": "", "PYTHONHOME": "", "PYTHONNOUSERSITE": "1"}

# uv's own variables that would make it look elsewhere.
UV_VARIABLES: dict[str, str | None] = dict.fromkeys(
    "UV_PYTHON UV_SYSTEM_PYTHON UV_PROJECT_ENVIRONMENT UV_CONSTRAINT UV_OVERRIDE UV_EXCLUDE_NEWER UV_NO_BINARY".split()
) | {"UV_NO_PROGRESS": "1"}


def find_made(requirements: Requirements, settings: Settings) -> tuple[Path, Marker] | None:
    """Return the interpreter of the environment that was made from this lock, and its marker; None if there is none."""
    folder = _folder(requirements, settings.home)
    facts = read_marker(folder, _NEEDS)
    return None if facts is None or not _usable(folder) else (_python(folder), facts)


def make(requirements: Requirements, settings: Settings) -> tuple[Path, Marker]:
    """Return as `find_made` does, after making the environment if it is not there."""
    folder = _folder(requirements, settings.home)
    what = f"environment {requirements.name}"
    uv = find_uv(what)

    def build(making: Making) -> Marker:
        settings.say(f"{what}: making it, once ({requirements.engine.text})")
        _make_bare(making, requirements, uv)
        command = [uv, "pip", "sync", "--require-hashes", "--only-binary", ":all:", "--compile-bytecode"]
        making.run([*command, "--python", _python(making.folder), requirements.lock], variables=UV_VARIABLES)
        return _facts(requirements, making.folder)

    facts = make_once(folder, build, what=what, say=settings.say, usable=_is_whole)
    return _python(folder), facts


def find_uv(what: str) -> str:
    """Return the path of uv: that of its package beside this one, else the one on the PATH."""
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise EnvironmentUnavailable(f"{what}: uv, which makes environments, is not installed", "pip install uv")
    return found


def find_python(making: Making, uv: str, wanted: str) -> str | None:
    """Return a Python of this machine in the range `wanted`, no virtual environment; None where there is none."""
    command = [uv, "python", "find", "--system", "--no-project", "--no-python-downloads", wanted]
    try:
        lines = making.run(command, variables=UV_VARIABLES)
    except EnvironmentUnavailable:
        return None
    return next(
        (line for line in reversed(lines) if os.access(line, os.X_OK)), None
    )  # among warnings about broken ones


def _make_bare(making: Making, requirements: Requirements, uv: str) -> None:
    """Make an environment without packages: on this interpreter's Python if it serves, else on another, which may be fetched."""
    here = current()
    if here is not None and requirements.accepts_python(here.version):
        python: str | None = getattr(sys, "_base_executable", sys.executable)
    else:
        python = find_python(making, uv, requirements.python)
    # `--clear` would remove the folder, and with it the lock
    command = [uv, "venv", "--relocatable", "--allow-existing", "--no-project", "--python"]
    if python is not None:
        making.run([*command, python, "."], variables=UV_VARIABLES)
        return
    making.say(f"{making.what}: no Python {requirements.python} on this machine; fetching one")
    try:
        making.run([*command, requirements.python, "."], variables=UV_VARIABLES)
    except EnvironmentUnavailable as error:
        raise EnvironmentUnavailable(
            f"{making.what}: no Python {requirements.python} on this machine, and uv could not fetch one",
            printable.lines(
                [
                    f"install one, or name one with `--python {requirements.name}=PATH`",
                    *([error.hint] if error.hint else []),
                ]
            ),
        ) from error


def _folder(requirements: Requirements, home: Path) -> Path:
    content = requirements.lock.read_text() + requirements.python + platform_here()
    return home / "environments" / f"{requirements.name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _usable(folder: Path) -> bool:
    """Return whether the Python that the environment's link points to is still there."""
    return os.access(_python(folder), os.X_OK)


def _is_whole(folder: Path) -> bool:
    return _usable(folder) and read_marker(folder, _NEEDS) is not None


def _facts(requirements: Requirements, folder: Path) -> Marker:
    search = next((folder / "lib").glob("python3*")) / "site-packages"
    settings = dict(line.split(" = ", 1) for line in (folder / "pyvenv.cfg").read_text().splitlines() if " = " in line)
    lock = hashlib.sha256(requirements.lock.read_bytes()).hexdigest()
    versions = dict(sorted(installed([str(search)]).items()))
    return {"python": settings["version_info"], "platform": platform_here(), "versions": versions, "lock_sha256": lock}
