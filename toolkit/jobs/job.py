"""A job: a request to a worker, and the key that its content gives it.

The key is the hash of everything that the answer depends on: the code that runs, the engine with its version, the options, and the content
of the inputs. An input from another job counts by its content too: where that job runs again and gives the same, no later job runs again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.errors import RequestError
from toolkit.files.foreign import looking_through, require_plain
from toolkit.jobs.import_closure import NAME, WORKER, ImportClosure, import_closure
from toolkit.settings import Limits
from toolkit.wire.request import AskedJob, sha256

_FORMAT = 2  # of keys and stored jobs: raise it when their meaning changes


@dataclass(frozen=True, slots=True)
class Engine:
    """Where a job runs: an environment, started by a launcher with its options (a CPU to emulate, say).

    `preload` is whether the worker imports the engine before it takes jobs, once for all of them.
    """

    environment: str
    launcher: str = "local"
    options: Mapping[str, Any] = field(default_factory=dict)
    preload: bool = True

    @property
    def name(self) -> str:
        """A short text that is equal for equal engines."""
        details = "".join(f" {name}={value}" for name, value in sorted(self.options.items()))
        return f"{self.environment} ({self.launcher}{details}{'' if self.preload else ' bare'})"


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One call of a plugin in an engine's worker.

    `title` is for people: who works on what. `module` and `call` name the function under `toolkit`; `plugins` are the modules that it imports by
    name. `options` is JSON. `inputs` are paths, or what other jobs give. `cached` is False where the answer depends on more than the inputs: a user's
    function, a measurement of time. `notes` are options that change nothing but messages, so they are no part of the key. `limits` are the job's own,
    None for those of the settings. `user_code` is whether the job runs code of the user's: a builder, or a function. `alone` is whether no other job
    may run meanwhile, because it measures time.
    """

    title: str
    module: str
    call: str
    engine: Engine
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Path | Job | Output] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    cached: bool = True
    notes: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits | None = None
    user_code: bool = False
    alone: bool = False

    def output(self, name: str) -> Output:
        """Return a file or folder that this job will write."""
        return Output(self, name)

    @property
    def reads(self) -> tuple[Job, ...]:
        """The jobs that must be finished before this one."""
        found = [source.job if isinstance(source, Output) else source for source in self.inputs.values()]
        return tuple(source for source in found if isinstance(source, Job))

    @property
    def code(self) -> ImportClosure:
        """All code of the toolkit that runs for it."""
        return import_closure((self.module, *self.plugins))

    @property
    def ahead(self) -> list[str]:
        """The modules that its worker imports before it forks: all that the job may import, so that plugins may import where they need it."""
        own = {NAME, *(f"{NAME}.{program}" for program in WORKER)}
        return [name.removeprefix(f"{NAME}.") for name in self.code.modules if name not in own]

    @property
    def asked(self) -> AskedJob:
        """What the worker is asked."""
        return {
            "title": self.title,
            "module": self.module,
            "call": self.call,
            "options": {**self.options, **self.notes},
            "code": None if self.user_code else self.code.modules,  # the user's may import what it likes
        }


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """A file or folder that a job will write, by its path under the job's `out/`."""

    job: Job
    name: str


def key(job: Job, engine_identity: str, input_digests: Mapping[str, str]) -> str:
    """Return the job's key: 64 hexadecimal digits."""
    content = {
        "format": _FORMAT,
        "module": job.module,
        "call": job.call,
        "plugins": list(job.plugins),
        "code": job.code.digest,
        "engine": engine_identity,
        "options": dict(job.options),
        "inputs": dict(input_digests),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def path_digest(path: Path) -> str:
    """Return the hash of a file's content, or of all files under a folder with their relative names; RequestError where something is no file.

    All inputs of the user's go through here, so no pipe and no device, which would block, reaches a worker.
    """
    if not path.is_dir():
        return _file_digest(path)
    with looking_through(path):
        found = sorted(path.rglob("*"))
        for other in found:
            if not other.is_file() and not other.is_dir() and other.exists():
                require_plain(other)
        files = [file for file in found if file.is_file()]
        held = {file.relative_to(path).as_posix(): _file_digest(file) for file in files}
        return _digest_of(held | _links_under(path))


def _links_under(folder: Path) -> dict[str, str]:
    """Return where links to folders lead, with name, size and time of each file there: a model may be read through such a link.

    Links are not followed further: one may lead to the whole disk.
    """
    found = {}
    for where, folders, _ in os.walk(folder):
        for path in (Path(where, name) for name in folders if Path(where, name).is_symlink()):
            there = sorted((one.name, one.lstat().st_size, one.lstat().st_mtime_ns) for one in path.iterdir())
            found[f"{path.relative_to(folder).as_posix()} ->"] = f"{os.path.realpath(path)} {there}"
    return found


def _file_digest(path: Path) -> str:
    try:
        status = require_plain(path)
        return _remembered_digest(path, status.st_mtime_ns, status.st_size, status.st_ino)
    except OSError as error:
        raise RequestError(f"{path}: cannot be read ({error.strerror})") from error


@functools.lru_cache(maxsize=4096)
def _remembered_digest(path: Path, modified_ns: int, size_bytes: int, inode: int) -> str:
    return sha256(path)


def _digest_of(parts: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
