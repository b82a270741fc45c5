"""Interpreters that exist already: their Python version, search path and distributions."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from toolkit.environments.remembered import recall, remember
from toolkit.environments.requirements import normalize
from toolkit.errors import RequestError
from toolkit.settings.environment_variables import by_everybody

_FACTS = {"version": str, "platform": str, "search": [str]}
_DISTRIBUTION = re.compile(r"([A-Za-z0-9][\w.]*(?:-[A-Za-z][\w.]*)*)-(\d[^-]*)(?:-py\d.*)?\.(?:dist|egg)-info")
_PROBE = """
import json, os, sys
print(json.dumps({
    "version": "%d.%d.%d" % sys.version_info[:3],
    "platform": "%s-%s" % (sys.platform, os.uname()[4]),
    "search": [entry for entry in sys.path if entry],
}))
"""
_PROBE_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter: its version (`3.11.7`), platform (`linux-x86_64`) and the folders it imports from."""

    path: Path
    version: str
    platform: str
    search: tuple[str, ...]


def platform_here() -> str:
    """Return this machine's platform as an `Interpreter` names it."""
    return f"{sys.platform}-{os.uname().machine}"


def current() -> Interpreter | None:
    """Return the interpreter that runs this, or None where Python is embedded in something else.

    Folders from PYTHONPATH are left out, because no worker gets that variable.
    """
    if not sys.executable:
        return None
    version = ".".join(map(str, sys.version_info[:3]))
    added = {os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    search = tuple(entry for entry in sys.path if entry and os.path.abspath(entry) not in added)
    return Interpreter(Path(sys.executable), version, platform_here(), search)


def as_is() -> dict[str, str]:
    """Return the variables for an interpreter that was not made here: it imports its own packages and the user's, and nothing of the shell's.

    The user's packages lie below his home, which a worker does not have; so a variable names their place.
    """
    own = os.environ.get("PYTHONUSERBASE") or os.path.expanduser("~/.local")  # as `site` finds it on Linux
    told = {"PYTHONNOUSERSITE": os.environ.get("PYTHONNOUSERSITE", ""), "PYTHONUSERBASE": own}
    return {"PYTHONPATH": "", "PYTHONHOME": "", **told}


def ask(
    name: str,
    path: Path,
    home: Path,
    *,
    allowed: Mapping[str, str] = MappingProxyType({}),
    afresh: bool = False,
) -> Interpreter:
    """Return the interpreter at `path`, which the user named for `name`; its answer is remembered until it changes.

    It gets the variables that its workers will get; `allowed` are those that the user allows them.
    Raises `RequestError` where there is no Python.
    """
    asked = f"--python {name}={str(path)!r}"
    path = Path(os.path.expanduser(path))  # a shell leaves `~` alone behind `=`
    try:
        stat = os.stat(path)
    except OSError as error:
        raise RequestError(f"{asked}: {error.strerror or error}; expected the path of a Python interpreter") from error
    if path.is_dir():
        inside = path / "bin" / "python"
        hint = f"--python {name}={inside}" if inside.exists() else None
        raise RequestError(f"{asked}: is a folder; expected the path of a Python interpreter", hint)
    settings = (
        path.absolute().parent.parent / "pyvenv.cfg"
    )  # the links of all virtual environments may point to one file
    made_ns = settings.stat().st_mtime_ns if settings.exists() else 0
    variables = as_is() | dict(allowed)
    key = [str(path.absolute()), stat.st_mtime_ns, stat.st_size, made_ns, _told(variables)]
    facts = None if afresh else recall(home, "interpreter", key, _FACTS)
    if facts is None:
        facts = _probe(asked, path, variables)
        remember(home, "interpreter", key, facts)
    return Interpreter(path.absolute(), facts["version"], facts["platform"], tuple(facts["search"]))


def installed(search: Iterable[str]) -> dict[str, str]:
    """Return the version of every distribution in these folders, by normalized name; the first folder wins, as in imports."""
    found: dict[str, str] = {}
    for folder in search:
        try:
            entries = os.listdir(folder)
        except OSError:  # not there, or an archive
            continue
        for entry in entries:
            match = _DISTRIBUTION.fullmatch(entry) if entry.endswith("-info") else None
            if match is not None:
                found.setdefault(normalize(match[1]), match[2])
    return found


def not_of_an_index(search: Iterable[str]) -> dict[str, str]:
    """Return a hash of the files of each distribution that was installed from a folder, an archive or a repository, by its folder's name.

    Its author may change the code and not the version. A package installed in place changes unnoticed: its files are not in its folder.
    """
    found: dict[str, str] = {}
    for folder in search:
        for origin in Path(folder).glob("*.dist-info/direct_url.json"):
            record = origin.with_name("RECORD")
            content = origin.read_bytes() + (record.read_bytes() if record.is_file() else b"")
            found.setdefault(origin.parent.name, hashlib.sha256(content).hexdigest())
    return found


def identify(versions: Mapping[str, str], python: str, platform: str) -> str:
    """Return the hash of the installed distributions: 16 hexadecimal digits that change with any version, Python or platform."""
    content = json.dumps([sorted(versions.items()), python, platform])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _told(variables: Mapping[str, str]) -> str:
    """Return the hash of variables, and not their values: a value may be a password."""
    return hashlib.sha256(json.dumps(sorted(variables.items())).encode()).hexdigest()


def _probe(asked: str, path: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    try:
        answer = subprocess.run(
            [path, "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT_S,
            check=True,
            env={**by_everybody(), **variables},
        )
        return dict(json.loads(answer.stdout.splitlines()[-1]))
    except subprocess.CalledProcessError as error:
        raise RequestError(f"{asked}: is not a working Python interpreter", _last_line(error.stderr)) from error
    except IndexError as error:
        raise RequestError(f"{asked}: is not a working Python interpreter", "it gives no answer") from error
    except (OSError, subprocess.TimeoutExpired, ValueError, TypeError) as error:
        raise RequestError(f"{asked}: is not a working Python interpreter", str(error)) from error


def _last_line(text: str) -> str | None:
    lines = text.strip().splitlines()
    return lines[-1] if lines else None
