"""A worker: a process in an engine's interpreter that imports the engine once and forks a child for each job.

A fork takes a few milliseconds, importing the engine takes seconds. Whatever the engine does to a child (a signal, a leak, an exit) ends that job
only. This process itself never calls the engine, so its forks are clean.

    python worker_main.py [--mount FOLDER]... [--preload MODULE]... [--private FOLDER] [--confined TEXT] [--starts-programs]

`--mount` names a package that this interpreter lacks, borrowed from another one. `--private` names the folder that no job reads unless it names files
in it; by default it is the user's home. `--confined` says how this process is confined already: then its children do not confine themselves.
`--starts-programs` says that the jobs of such a worker start programs, which are held to the jobs' limits with them.
The worker reads commands on standard input and writes events on standard output, one JSON object a line (`toolkit.wire.worker_protocol`). Both are
moved to private file descriptors first, which children do not have: so nothing that an engine prints is taken for an event.

    {"do": "run", "id": 1, "folder": "...", "timeout_s": 60, "memory_bytes": 4000000000, "written_bytes": 64000000000,
     "access": {"reads": [...], ...}, "modules": [...]}
    {"do": "cancel", "id": 1}
    {"event": "ready", "python": ..., "machine": ..., "confined": "..."}      {"event": "failed", "problem": ...}
    {"event": "ended", "id": 1, "status": 0, "killed_for": null, "peak_bytes": 51000000}

`status` is the child's exit status, negative for a signal. When standard input closes, the host is gone: the worker kills its children and ends.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import json
import os
import platform
import pwd
import selectors
import signal
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_LOOK_EVERY_S = 0.05


def mount(folder: Path) -> None:
    """Make a package importable from its own folder, without adding the folder around it to the path."""
    spec = importlib.util.spec_from_file_location(
        folder.name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"no package at {folder}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = module
    spec.loader.exec_module(module)


def mount_own() -> None:
    """Make `toolkit` importable, and take the folder of this script off the path."""
    mount(_PACKAGE)
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]


mount_own()
from toolkit.confinement import Already, Confinement, ability, processes  # noqa: E402 (as what was just mounted)
from toolkit.jobs.worker_child import Child, end_with_parent, run_child  # noqa: E402 (likewise)
from toolkit.wire.worker_protocol import Command, Event  # noqa: E402 (likewise)


def borrow(folder: Path) -> None:
    """Mount a package that this interpreter lacks; where it cannot be imported, say what to install."""
    try:
        mount(folder)
    except Exception as error:
        raise ImportError(
            f"{folder.name} is not in {sys.executable}, and the toolkit's own does not work there; install it: pip install {folder.name}"
        ) from error


def _import_ahead(modules: list[str]) -> None:
    """Import a job's modules here, once for all jobs: a confined job cannot write their bytecode. Where an import fails, the job says so."""
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module("toolkit." + name)


class _Loop:
    """Reads commands, forks, watches, and reports."""

    def __init__(
        self, commands: int, events: int, confinement: Confinement | Already, *, starts_programs: bool = False
    ) -> None:
        self._commands = commands
        self._events = events
        self._confinement = confinement
        self._starts_programs = starts_programs
        self._children: dict[int, Child] = {}
        self._text = b""
        self._woken, wake = os.pipe()
        for descriptor in (self._woken, wake):
            os.set_blocking(descriptor, False)
        self._selector = selectors.EpollSelector()
        self._private = (commands, events, self._woken, wake, self._selector.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake)

    def say(self, event: Event) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._events, json.dumps(event).encode() + b"\n")

    def run(self) -> None:
        self._selector.register(self._commands, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select(_LOOK_EVERY_S if self._children else None):
                if key.fd == self._woken:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._woken, 4096)
                elif not self._read_commands():
                    self._end()
                    return
            for child in self._children.values():
                child.look()
            self._reap()

    def _read_commands(self) -> bool:
        text = os.read(self._commands, 1 << 16)
        self._text += text
        *lines, self._text = self._text.split(b"\n")
        for line in lines:
            command: Command = json.loads(line)
            if command["do"] == "run":
                self._start(Child(command))
            elif command["do"] == "cancel":
                for child in self._children.values():
                    if child.id == command["id"]:
                        child.kill("cancel")
        return bool(text)

    def _start(self, child: Child) -> None:
        _import_ahead(child.modules)
        child.may_start = child.may_start or self._starts_programs or not self._confinement.has.filters
        with self._confinement.ready(child.bounds, child.folder) as ready:
            child.pid = os.fork()
            if child.pid == 0:
                run_child(child, self._private, ready)
        self._children[child.pid] = child

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is None:
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)  # processes that the job started end with it
            processes.end_strays(set(self._children))
            self.say(
                {
                    "event": "ended",
                    "id": child.id,
                    "status": os.waitstatus_to_exitcode(status),
                    "killed_for": child.killed_for,
                    "peak_bytes": max(child.peak_bytes, usage.ru_maxrss * 1024),
                }
            )

    def _end(self) -> None:
        for child in self._children.values():
            child.kill("cancel")
        for pid in self._children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        processes.end_strays(set())


def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mount", action="append", default=[], type=Path)
    parser.add_argument("--preload", action="append", default=[])
    parser.add_argument("--private", default=_home(), type=Path)
    parser.add_argument("--confined", default="")
    parser.add_argument("--starts-programs", action="store_true")
    asked = parser.parse_args()
    commands, events = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    confinement = Already(asked.confined) if asked.confined else _confinement(asked.private, commands)
    processes.adopt()
    loop = _Loop(commands, events, confinement, starts_programs=asked.starts_programs)
    end_with_parent(signal.SIGKILL)  # during an import nobody reads commands, or notices their end
    try:
        for folder in asked.mount:
            borrow(folder)
        import toolkit.confinement.known_code
        import toolkit.wire.request  # noqa: F401 (numpy and safetensors, once for all children)

        for name in asked.preload:
            importlib.import_module(name)
    except BaseException as error:
        from toolkit.errors import causes

        loop.say({"event": "failed", "problem": causes(error)})
        raise SystemExit(1) from error
    end_with_parent(0)
    confinement.prepare()
    python, machine = platform.python_version(), platform.machine()
    loop.say({"event": "ready", "python": python, "machine": machine, "confined": str(confinement)})
    loop.run()
    os._exit(0)  # an engine's clean-up takes up to a second and is not needed


def _home() -> Path:
    """Return this user's home folder by the system's list of users, whatever HOME says; the root folder where the list has none."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/")


def _confinement(private: Path, commands: int) -> Confinement:
    """Return what confines the jobs of this worker. From now on, all processes that it starts end with it."""
    return Confinement(_PACKAGE, private, ability(namespace=processes.enclose(commands)))


if __name__ == "__main__":
    main()
