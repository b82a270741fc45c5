"""A launcher of the tests: another root (chroot in namespaces of its own), where nothing of this checkout, the store or a home folder is seen.

It holds the system's programs, the engine's environment, and a copy of the toolkit's modules; jobs get there by a transport, as they would to another
machine. Options: `root`, the folder that becomes the root; `namespaces`, the flags of `unshare` that let this user make one.
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from toolkit import environments
from toolkit.environments import Status, transport
from toolkit.errors import RequestError
from toolkit.launchers import Launch, local
from toolkit.settings import Settings

HOST, EMULATED, TIMED, SETUP = False, False, True, ()

_SYSTEM = ("/usr", "/bin", "/lib", "/lib64")
_OF_LOADER = "/etc/ld.so.cache"


def prepare(environment: str, options: Mapping[str, object], settings: Settings) -> Launch:
    """Return how a worker is started in the root; whatever is not in it yet is put there."""
    if set(options) != {"root", "namespaces"}:
        raise RequestError(f"launcher other_root: {sorted(options)}: unknown option; expected root and namespaces")
    root, here = Path(str(options["root"])), local.prepare(environment, {}, settings)
    (python,) = here.command
    base = os.path.dirname(os.path.dirname(os.path.realpath(python)))
    seen = [*_SYSTEM, _OF_LOADER, os.path.dirname(os.path.dirname(python)), base, "/proc", "/dev"]
    seen += [path for path in here.variables.get("PYTHONPATH", "").split(os.pathsep) if path]
    code = _put_code(root)
    enter = (*_enter(root, str(options["namespaces"]), seen), "env", "-i", *_variables(here.variables))
    return replace(
        here,
        command=(*enter, python),
        script=f"{code}/toolkit/jobs/worker_main.py",
        about={**here.about, "launcher": "other_root"},
        transport=transport.by_shell((*enter, "sh", "-c"), "/jobs"),
    )


def ready(environment: str, options: Mapping[str, object], settings: Settings) -> bool:
    """Return whether the environment is there."""
    return environments.find(environment, settings) is not None


def features(options: Mapping[str, object]) -> tuple[str, list[str]]:
    """Return those of this machine."""
    return local.features({})


def status(settings: Settings) -> Status:
    """Return whether there is `unshare`."""
    return Status("launcher", "other_root", shutil.which("unshare") is not None, "util-linux")


def _put_code(root: Path) -> str:
    """Unpack the toolkit's modules into the root, once for each state of them, and return where they are in it."""
    packed = io.BytesIO()
    place = f"/toolkit-{transport.pack_worker(packed)[:16]}"
    packed.seek(0)
    with tarfile.open(fileobj=packed) as archive:
        archive.extractall(f"{root}{place}", filter="data")
    return place


def _enter(root: Path, namespaces: str, seen: list[str]) -> tuple[str, ...]:
    """Return the command that sees `root` as the root of all, and in it what is named, where it is; the command that follows is run."""
    mounts = []
    for place in dict.fromkeys(map(os.path.normpath, seen)):
        inside = f"{root}{place}"
        if os.path.islink(place):  # /lib is one to usr/lib
            if not os.path.lexists(inside):
                os.symlink(os.readlink(place), inside)
        elif os.path.exists(place):
            os.makedirs(inside if os.path.isdir(place) else os.path.dirname(inside), exist_ok=True)
            if os.path.isfile(place):
                Path(inside).touch()
            mounts.append(f"mount --rbind {shlex.quote(place)} {shlex.quote(inside)}")
    (root / "jobs").mkdir(parents=True, exist_ok=True)
    script = " && ".join([*mounts, f'exec chroot {shlex.quote(str(root))} "$@"'])
    return ("unshare", *namespaces.split(), "sh", "-c", script, "sh")


def _variables(given: Mapping[str, str]) -> list[str]:
    """Return what this root's programs get; nothing of the host's own."""
    return [f"PATH={os.defpath}", "HOME=/", *(f"{name}={value}" for name, value in sorted(given.items()))]
