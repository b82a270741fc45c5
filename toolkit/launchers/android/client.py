"""The `adb` client: the one on the PATH (Android's SDK Platform-Tools), else Debian's own, 1 MB, which is fetched once.

EDGE_TOOLKIT_ADB=PROGRAM    a client in place of both
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from toolkit.environments.made_once import Making, Marker, make_once, read_marker
from toolkit.errors import EnvironmentUnavailable
from toolkit.launchers.emulation import debian
from toolkit.settings import Settings
from toolkit.wire.android.adb import NAMED

__all__ = ["find_client", "make_client"]

_WHAT = "adb"
# Debian 12: adb 29.0.6 with the libraries that no other program of a small system has.
_PACKAGES = ("adb", "android-libbase", "android-libboringssl", "android-libcutils", "android-liblog", "libusb-1.0-0")
_PROGRAM = "usr/lib/android-sdk/platform-tools/adb"
_NEEDS_BYTES = 100_000_000  # at the peak: apt's lists, the packages, and the unpacked files
_SCRIPT = """\
#!/bin/sh
here=$(dirname -- "$0")/root/usr/lib
for libraries in "$here"/*/android; do
    LD_LIBRARY_PATH=$libraries:$(dirname -- "$libraries") exec "$here/android-sdk/platform-tools/adb" "$@"
done
"""


def find_client(settings: Settings) -> Path | None:
    """Return the client that the variable names, else the one on the PATH, else the one that was made, else None; makes nothing.

    EnvironmentUnavailable where the variable names what is no program.
    """
    named = os.environ.get(NAMED)
    if named:
        found = shutil.which(os.path.expanduser(named))
        if found is None:
            raise EnvironmentUnavailable(f"{NAMED}={named!r}: no such program", "name a client of Android's adb")
        return Path(found).absolute()
    installed = shutil.which("adb")
    if installed is not None:
        return Path(installed)
    made = _folder(settings.home) / "adb"
    return made if read_marker(made.parent) is not None else None


def make_client(settings: Settings) -> Path:
    """Return the client, made first if it is missing; `EnvironmentUnavailable` if apt, a Debian archive or the network is missing."""
    found = find_client(settings)
    if found is not None:
        return found
    if settings.offline:
        raise EnvironmentUnavailable(
            f"{_WHAT}: not installed yet, and the network is off (offline)",
            "run `edge-toolkit setup adb` once with network",
        )
    folder = _folder(settings.home)
    make_once(folder, _build, what=_WHAT, say=settings.say, needs_bytes=_NEEDS_BYTES)
    return folder / "adb"


def _build(making: Making) -> Marker:
    apt = debian.Apt(making, [debian.NATIVE])
    making.say(f"{_WHAT}: fetching it, once (1 MB, and Debian {debian.RELEASE}'s lists of packages)")
    apt.update()
    debs = apt.download(_PACKAGES)
    provenance = [debian.describe(making, deb) for deb in debs]
    for deb in debs:
        making.run(["dpkg-deb", "--extract", deb, making.folder / "root"])
    apt.remove()
    (making.folder / "adb").write_text(_SCRIPT)
    (making.folder / "adb").chmod(0o755)
    return {"release": debian.RELEASE, "packages": provenance}


def _folder(home: Path) -> Path:
    recipe = " ".join([debian.RELEASE, *_PACKAGES, _SCRIPT])
    return home / "systems" / f"adb-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
