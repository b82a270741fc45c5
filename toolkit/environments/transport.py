"""Takes a job's folder to where its worker runs, without access to this machine's disk, and brings back what the job wrote.

Three commands of this machine do it, each with one archive (tar) on a pipe: any command that starts a shell elsewhere serves (`ssh`, `adb shell`,
`chroot`, `docker exec`). A process of its own, `toolkit.jobs.carrier`, carries the jobs and is the worker for the host, so nothing waits for a
slow line. Whatever ends, even the host by a signal, the carrier removes the files that it brought there.

The program there may be any that speaks `toolkit.wire.worker_protocol`. Our own worker needs the engine's environment and the toolkit's modules,
which `pack_worker` packs.
"""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

_PACKAGE = Path(__file__).resolve().parents[1]
_CARRIER = _PACKAGE / "jobs" / "carrier.py"
_OF_WORKERS = ("*.py", "*.txt", "*.toml")  # modules, and the lists that they read
_LONG_AGO = 1_000_000_000  # seconds since 1970: the same each time, and a time that `tar` accepts without a warning
_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Transport:
    """Commands that take a job's folder there and back. In each word, and in `folder`, `{job}` stands for the job's name there, hexadecimal.

    `send` reads an archive of `request` and `inputs` and unpacks it into a new folder, which the worker there knows as `folder`. `fetch` writes an
    archive of `log`, `response` and `out`, those that exist. `remove` removes the folder. Each may take `timeout_s` seconds.
    `{line}`, in each word and in those of the worker, stands for a private folder of the carrier's on this machine.

    A command, or the worker, that ends with the status `broken` says that there is no connection. Then the worker is started again, for `wait_s`
    seconds, and what it had not finished is sent once more, `tries` times at most. None where a connection does not break.
    """

    folder: str
    send: tuple[str, ...]
    fetch: tuple[str, ...]
    remove: tuple[str, ...]
    timeout_s: float = _TIMEOUT_S
    broken: int | None = None
    wait_s: float = 0.0
    tries: int = 3

    def most_s(self, job_s: float, ready_s: float) -> float:
        """Return how many seconds a job that may take `job_s` can take with its ways, and with each time that it begins again."""
        again = 0.0 if self.broken is None else self.tries * (self.wait_s + ready_s + job_s + 2 * self.timeout_s)
        return job_s + 2 * self.timeout_s + again

    def carrier(self, worker: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command of a worker for the host, which has its jobs done by `worker`: a command that starts a worker there."""
        return (sys.executable, "-I", "-S", str(_CARRIER), json.dumps({"transport": asdict(self), "worker": worker}))


def by_shell(
    shell: tuple[str, ...],
    folder: str,
    timeout_s: float = _TIMEOUT_S,
    *,
    broken: int | None = None,
    wait_s: float = 0.0,
) -> Transport:
    """Return the transport to where `shell` and one more word run that word as a command line of any shell; a POSIX shell and `tar` are there.

    Jobs lie in `folder` there, which is made where it is missing: `("ssh", "board")`, `("chroot", "/srv/root", "sh", "-c")`. `broken` and `wait_s`
    are the transport's.
    """
    there, job = shlex.quote(folder), f"{shlex.quote(folder)}/{{job}}"
    written = "$(for name in log response out; do test -e $name && echo $name; done)"
    return Transport(
        folder=f"{folder}/{{job}}",
        send=(*shell, _in_posix(f"umask 077 && mkdir -p {there} && mkdir {job} && tar -xof - -C {job}")),
        fetch=(*shell, _in_posix(f"cd {job} && tar -cf - {written}")),
        remove=(*shell, _in_posix(f"rm -rf {job}")),
        timeout_s=timeout_s,
        broken=broken,
        wait_s=wait_s,
    )


def _in_posix(command: str) -> str:
    """Return a command line that a shell of any kind (fish, csh) hands to a POSIX shell."""
    return f"exec sh -c {shlex.quote(command)}"


def pack_worker(file: BinaryIO) -> str:
    """Write an archive (tar) of the modules that a worker imports, below `toolkit/`, and return its SHA-256: it changes with each of them.

    The worker's script is `toolkit/jobs/worker_main.py` in it.
    """
    import tarfile  # a build without a transport does not need it

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(path for kind in _OF_WORKERS for path in _PACKAGE.rglob(kind)):
            content = path.read_bytes()
            told = tarfile.TarInfo(f"{_PACKAGE.name}/{path.relative_to(_PACKAGE).as_posix()}")
            told.size, told.mode, told.mtime = len(content), 0o644, _LONG_AGO
            archive.addfile(told, io.BytesIO(content))
    file.write(packed.getvalue())
    return hashlib.sha256(packed.getvalue()).hexdigest()
