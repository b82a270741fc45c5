"""The files and folders that an interpreter and its engine need for any job: a model may read them besides the job's own."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

# Programs and libraries of the system. Links among them (/lib to /usr/lib) are followed.
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store", "/gnu/store")
# Files of /etc for the loader, the clock, texts and fonts, and none that names users, hosts or keys.
_SETTINGS = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/locale.alias",
    "/etc/mime.types",
    "/etc/fonts",
    "/etc/alternatives",
)
# What engines read about the machine: its processor and its memory.
MACHINE = (
    *_SETTINGS,
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/version",
    "/proc/filesystems",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/max_map_count",
    "/proc/sys/kernel/random",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/kernel/mm/transparent_hugepage",
    "/sys/fs/cgroup",
)
THIS_PROCESS = "/proc/self"
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
SHARED_MEMORY = "/dev/shm"  # noqa: S108 (by which the processes of the user's code hand over arrays and locks)
_GPU = ("nvidia", "kfd", "dri")
# Where drivers and the system describe GPUs.
ABOUT_GPU = ("/proc/driver/nvidia", "/sys/bus/pci", "/sys/devices", "/sys/class/kfd", "/sys/module/nvidia")
# With `--allow-network`: how names become addresses, and which certificates are trusted.
NETWORK = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/run/systemd/resolve",
)
_PACKAGES = ("site-packages", "dist-packages")


def of_engine(package: Path, private: Path, needs: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return what every job may read and run: the system's programs, this interpreter with what it has imported, and `package`, the toolkit's own.

    `needs`, where it is given, are the files of another interpreter, in place of this one's. A folder that holds `private`, the user's home, is never
    among them, whatever is installed in it.
    """
    if needs is not None:
        return _outermost([*_SYSTEM, *needs, str(package)], private)
    known = [*_SYSTEM, *_interpreter(), str(package)]
    return _outermost([*known, *_imported(tuple(f"{path}/" for path in known)), *_linked()], private)


def of_user_code(private: Path) -> tuple[str, ...]:
    """Return all folders that this interpreter imports from, with those of packages that the user installed in place."""
    mapped: list[str] = []
    for finder in sys.meta_path:
        mapping = getattr(sys.modules.get(getattr(finder, "__module__", "")), "MAPPING", None)  # of setuptools
        mapped += map(str, mapping.values()) if isinstance(mapping, dict) else ()
    return _outermost([*sys.path, *mapped], private)


def of_keras() -> list[str]:
    """Return the folder where Keras keeps what it downloads; nothing where the worker's home is the user's, or Keras is not there.

    Keras chose the folder when it was imported, before there was a job with a folder of its own.
    """
    home = os.environ.get("HOME", "")
    return [os.path.join(home, ".keras")] if home and home == os.environ.get("TMPDIR") else []


def of_gpu() -> list[str]:
    """Return the devices of GPUs."""
    return [entry.path for entry in os.scandir("/dev") if entry.name.startswith(_GPU)]


def _interpreter() -> Iterator[str]:
    yield from (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
    yield from (entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry)
    yield from (entry for entry in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if entry)
    library = str(Path(os.__file__).parent)
    yield from (library, os.path.join(library, "lib-dynload"))
    yield from (entry for entry in sys.path if os.path.basename(entry) in _PACKAGES or entry.endswith(".zip"))


def _imported(known: tuple[str, ...]) -> Iterator[str]:
    """Yield the folders of the packages, and the files of the modules, that are imported already and lie elsewhere."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) if "." not in name else None
        if file and not file.startswith(known):
            yield os.path.dirname(file) if os.path.basename(file).startswith("__init__.") else file


def _linked() -> Iterator[str]:
    """Yield the real places of installed packages that are links, or whose files are: some installers keep one copy for all environments."""
    for folder in (entry for entry in sys.path if os.path.basename(entry) in _PACKAGES):
        with contextlib.suppress(OSError):
            for entry in os.scandir(folder):
                first = os.path.join(entry.path, "__init__.py")
                if entry.is_symlink():
                    yield entry.path
                elif entry.is_dir() and os.path.islink(first):
                    yield os.path.dirname(os.path.realpath(first))


def _outermost(paths: Iterable[str], private: Path) -> tuple[str, ...]:
    """Return the real paths, each once, without those inside of another one, and without folders that hold `private`."""
    home, found = os.path.realpath(private), dict[str, None]()
    for path in sorted({os.path.realpath(path) for path in paths if os.path.isabs(path)}, key=len):
        if not _lies_in(home, {path: None}) and not _lies_in(path, found):
            found[path] = None
    return tuple(found)


def _lies_in(path: str, folders: Mapping[str, None]) -> bool:
    """Return whether a path is one of some folders, or lies in one."""
    while path not in folders and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path in folders
