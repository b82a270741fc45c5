"""A job's folder as the worker sees it: the request, the inputs, where to write, and the response.

request     safetensors: small named tensors; metadata `job` holds the JSON of title, module, call, options, inputs and code, and `nonce`, where
            another machine does the job, what no other request has
inputs/     links to what the job reads, or copies of it where it runs on another machine; the request names them relative to the folder
out/        what the job writes; all of it becomes the job's output
log         everything that was printed, on either stream
progress    two numbers, done and total
response    safetensors without tensors: which request it answers, the status, the result, and every file of out/
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from toolkit.errors import DamagedFile
from toolkit.files.foreign import open_plain

_NOTHING = np.zeros(0, np.uint8)  # some versions of safetensors read no file without tensors
_PROGRESS = "%20d %20d\n"
_PROGRESS_BYTES = 42
INPUTS = "inputs"


class AskedJob(TypedDict):
    """What a job is: `title` is for people, `module` and `call` name the function under `toolkit`, and `code` the modules that it may import.

    `code` is null for the user's own code, which may import what it likes.
    """

    title: str
    module: str
    call: str
    options: dict[str, Any]
    code: tuple[str, ...] | None


class RequestJson(AskedJob):
    """What `folder/request` says: the job, and where in the folder each of its `inputs` lies."""

    inputs: dict[str, str]


class Request:
    """What one job is asked: `options` (JSON), `inputs` (name to path, read only), `tensors`, and the empty folder `out`."""

    def __init__(
        self,
        options: dict[str, Any],
        inputs: dict[str, Path],
        out: Path,
        tensors: dict[str, np.ndarray] | None = None,
        progress: Path | None = None,
    ) -> None:
        self.options = options
        self.inputs = inputs
        self.out = out
        self.tensors = tensors or {}
        self._progress = progress

    def progress(self, done: int, total: int) -> None:
        """Write that `done` of `total` units are finished, for whoever watches; it overwrites in place, so it is cheap."""
        if self._progress is not None:
            with open(self._progress, "r+b" if self._progress.exists() else "wb") as file:
                file.write((_PROGRESS % (done, total)).encode())


def read_progress(folder: Path) -> tuple[int, int] | None:
    """Return (done, total) as the job in `folder` last wrote it; None where there is nothing, or something else."""
    try:
        with open_plain(folder / "progress") as file:
            done, total = file.read(_PROGRESS_BYTES).split()
        return int(done), int(total)
    except (OSError, ValueError, DamagedFile):
        return None


def write_request(
    folder: Path, job: RequestJson, tensors: dict[str, np.ndarray] | None = None, *, nonce: str | None = None
) -> None:
    """Write `folder/request`, whole or not at all. A `nonce` makes it unlike every other: a response has its hash."""
    told = {"job": json.dumps(job, sort_keys=True)} | ({} if nonce is None else {"nonce": nonce})
    write_whole(folder / "request", save({"": _NOTHING, **(tensors or {})}, told))


def read_request(folder: Path) -> tuple[RequestJson, Request]:
    """Return the job's JSON, and the request that its function is called with."""
    with safe_open(folder / "request", framework="np") as file:
        job = json.loads(file.metadata()["job"])
        tensors = {name: file.get_tensor(name) for name in file.keys() if name}  # noqa: SIM118 (not a dict)
    out = folder / "out"
    out.mkdir(exist_ok=True)
    inputs = {name: folder / path for name, path in job["inputs"].items()}
    return job, Request(job["options"], inputs, out, tensors, folder / "progress")


def write_response(folder: Path, status: str, result: dict[str, Any], seconds: float) -> None:
    """Write `folder/response`, whole or not at all, after everything in `out/` has reached the disk."""
    files = {}
    for path in sorted((folder / "out").rglob("*")):
        if path.is_file():
            files[path.relative_to(folder / "out").as_posix()] = [path.stat().st_size, sha256(path)]
    metadata = {
        "request": sha256(folder / "request"),
        "status": status,
        "result": json.dumps(result, sort_keys=True),
        "files": json.dumps(files),
        "seconds": f"{seconds:.6f}",
    }
    write_whole(folder / "response", save({"": _NOTHING}, metadata))


def sha256(path: Path | str) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file aside, bring it to the disk, and rename it: it is there whole or not at all."""
    aside = path.with_name(path.name + ".partial")
    aside.unlink(missing_ok=True)  # left by a kill; or a pipe, which would block; or a link to elsewhere
    with open(aside, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
