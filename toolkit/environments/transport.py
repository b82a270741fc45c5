"""Takes a job's folder to where its worker runs, without access to this machine's disk, and brings back what the job wrote.

Three commands of this machine do it, each with one archive (tar) on a pipe: whatever starts a shell elsewhere will do (`ssh`, `adb shell`, `chroot`,
`docker exec`). A process of its own carries, `toolkit.jobs.carrier`: it is the worker for the host, so nothing waits for a slow line, and whatever
ends, the host by a signal too, it removes what it brought there.

What runs there is any program that speaks a worker's protocol (`toolkit.jobs.worker_main`); where it is that worker, it needs the engine's
environment and the toolkit's own modules, which `pack_worker` packs.
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
_LONG_AGO = 1_000_000_000  # seconds since 1970: the same each time, and none of which `tar` says that it cannot be
_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Transport:
    """Commands by which one job's folder gets there and back; in each word, and in `folder`, `{job}` stands for the job's name there, hexadecimal.

    `send` reads an archive of `request` and `inputs` and unpacks it into a new folder, which the worker there knows as `folder`; `fetch` writes one
    that has `log`, `response` and `out`, as far as there are such; `remove` removes the folder. Each may take `timeout_s` seconds.
    """

    folder: str
    send: tuple[str, ...]
    fetch: tuple[str, ...]
    remove: tuple[str, ...]
    timeout_s: float = _TIMEOUT_S

    def carrier(self, worker: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command of a worker, for the host, whose jobs are done by `worker`: a command of this machine that starts one there."""
        return (sys.executable, "-I", "-S", str(_CARRIER), json.dumps({"transport": asdict(self), "worker": worker}))


def by_shell(shell: tuple[str, ...], folder: str, timeout_s: float = _TIMEOUT_S) -> Transport:
    """Return the transport to where `shell` and one more word run that word as a command line of a POSIX shell, which has `tar`.

    Jobs lie in `folder` there, which is made where it is not there: `("ssh", "board")`, `("chroot", "/srv/root", "sh", "-c")`.
    """
    there, job = shlex.quote(folder), f"{shlex.quote(folder)}/{{job}}"
    written = "$(for name in log response out; do test -e $name && echo $name; done)"
    return Transport(
        folder=f"{folder}/{{job}}",
        send=(*shell, f"umask 077 && mkdir -p {there} && mkdir {job} && tar -xof - -C {job}"),
        fetch=(*shell, f"cd {job} && tar -cf - {written}"),
        remove=(*shell, f"rm -rf {job}"),
        timeout_s=timeout_s,
    )


def pack_worker(file: BinaryIO) -> str:
    """Write an archive (tar) of the modules that a worker imports, below `toolkit/`, and return its SHA-256: it changes with each of them.

    The worker's script is `toolkit/jobs/worker_main.py` in it.
    """
    import tarfile  # of which a build without a transport has no need

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(path for kind in _OF_WORKERS for path in _PACKAGE.rglob(kind)):
            content = path.read_bytes()
            told = tarfile.TarInfo(f"{_PACKAGE.name}/{path.relative_to(_PACKAGE).as_posix()}")
            told.size, told.mode, told.mtime = len(content), 0o644, _LONG_AGO
            archive.addfile(told, io.BytesIO(content))
    file.write(packed.getvalue())
    return hashlib.sha256(packed.getvalue()).hexdigest()
