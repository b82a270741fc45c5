"""Says what this board is, as one line of JSON: sent to the board, and run by the first Python there.

    python3 - MARK FOLDER PYTHON...

MARK begins the line, since the board's own files may print others. FOLDER is the toolkit's, from the home folder or absolute. Each PYTHON is an
interpreter to tell the version of. Standard library only, and Python 3.7 or newer.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import subprocess
import sys
from typing import Any

_PYTHON_S = 20
_VARIABLES = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "PATH")}
_CREATE_RULESET = 444  # the number of the system call, on every processor
_VERSION = "import struct, sys; print('%d.%d.%d' % sys.version_info[:3], struct.calcsize('P') * 8)"


def read(path: str) -> str:
    """Return a file's text, without the null bytes of the device tree; "" for no file."""
    try:
        with open(path, errors="replace") as file:
            return file.read().replace("\0", "").strip()
    except OSError:
        return ""


def libc() -> str:
    """Return `glibc 2.36`, `musl` or ""."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError, AttributeError):
        pass
    found = any(name.startswith("ld-musl-") for name in os.listdir("/lib"))
    return "musl" if found else ""


def cpu() -> tuple[str, list[str], list[str]]:
    """Return the processor's model, the part numbers of its cores, and its features, as /proc/cpuinfo says them."""
    fields: dict[str, list[str]] = {}
    for line in read("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), []).append(value.strip())
    features = (fields.get("flags") or fields.get("Features") or [""])[0]
    model = (fields.get("model name") or [""])[0]
    return model, sorted(set(fields.get("CPU part", []))), features.split()


def governors() -> list[str]:
    """Return the frequency governors of the cores, each once; [] where the kernel has none."""
    place = "/sys/devices/system/cpu"
    names = os.listdir(place) if os.path.isdir(place) else []
    found = {read(f"{place}/{name}/cpufreq/scaling_governor") for name in names if re.match(r"cpu\d+$", name)}
    return sorted(found - {""})


def landlock() -> int:
    """Return the version of the kernel's Landlock, 0 for none (landlock_create_ruleset(2), LANDLOCK_CREATE_RULESET_VERSION)."""
    try:
        return max(0, ctypes.CDLL(None).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))
    except (OSError, AttributeError):
        return 0


def memory_bytes() -> int:
    """Return the size of the memory, 0 where it is not said."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", read("/proc/meminfo"), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def pythons(paths: list[str]) -> list[dict[str, Any]]:
    """Return path, version and bits of each interpreter that starts, each real file once."""
    found: dict[str, dict[str, Any]] = {}
    for path in paths:
        real = os.path.realpath(path)
        if real in found:
            continue
        try:
            said = subprocess.check_output(
                [path, "-c", _VERSION], stderr=subprocess.DEVNULL, timeout=_PYTHON_S, env=_VARIABLES
            )
            version, bits = said.decode().split()
            found[real] = {"path": path, "version": version, "bits": int(bits)}
        except (OSError, ValueError, subprocess.SubprocessError):
            continue
    return list(found.values())


def there(folder: str) -> list[str]:
    """Return the names of the finished folders in `environments` and `code`."""
    found: list[str] = []
    for kind in ("environments", "code"):
        place = os.path.join(folder, kind)
        names = os.listdir(place) if os.path.isdir(place) else []
        found += [f"{kind}/{name}" for name in names if read(os.path.join(place, name, "whole")) == name]
    return sorted(found)


def mode(folder: str) -> dict[str, bool] | None:
    """Return owner and permissions of a folder; None where it is not there."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return {"mine": status.st_uid == os.getuid(), "others_write": bool(status.st_mode & 0o022)}


def free_bytes(folder: str) -> int:
    """Return the bytes that this user may still write there, or in the nearest folder above that exists."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def main() -> None:
    """Print the line."""
    mark, folder, paths = sys.argv[1], os.path.abspath(sys.argv[2]), sys.argv[3:]
    model, parts, features = cpu()
    release = re.search(r'^PRETTY_NAME="?([^"\n]*)', read("/etc/os-release"), re.MULTILINE)
    said = {
        "machine": os.uname()[4],
        "kernel": f"{platform.system()} {platform.release()}",
        "system": release.group(1) if release else "",
        "board": read("/proc/device-tree/model") or read("/sys/class/dmi/id/product_name"),
        "libc": libc(),
        "model": model,
        "parts": parts,
        "features": features,
        "governors": governors(),
        "landlock": landlock(),
        "memory_bytes": memory_bytes(),
        "folder": folder,
        "of_folder": mode(folder),
        "free_bytes": free_bytes(folder),
        "pythons": pythons(paths),
        "there": there(folder),
    }
    sys.stdout.write(f"{mark}{json.dumps(said)}\n")


if __name__ == "__main__":
    main()
