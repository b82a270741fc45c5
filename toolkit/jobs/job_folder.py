"""A job's folder as the host makes it: the request, and a link to each input, so the request names no place of this machine.

    inputs/0/model.index  inputs/0/model.data-00000-of-00001      files of one folder stay in one folder
    inputs/1/samples                                              from another folder, or from another job

The links are symbolic. A hard link would let the job write to the store's own file, and cannot lead to another disk. The kernel follows a symbolic
link before Landlock checks the file behind it, which the job may read and not write. A link into the store is relative: the jobs of a store that was
moved can still be run again by hand.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit import printable
from toolkit.errors import EdgeToolkitError
from toolkit.printable import Text
from toolkit.wire.request import INPUTS, AskedJob, write_request

_TO_STORE = "../../../../"  # from inputs/0 of a job in work/, and of one in failed/


@dataclass(frozen=True, slots=True)
class JobFolder:
    """A folder with a request in it. `origins` are the folders that its inputs come from, absolute, by the folder of their links."""

    path: Path
    origins: Mapping[str, Path]

    def retold(self, error: EdgeToolkitError) -> EdgeToolkitError:
        """Return the error with the paths that the user knows in place of the links to them."""
        error.problem = self.told(error.problem)
        error.hint = None if error.hint is None else self.told(error.hint)
        return error

    def told(self, text: str) -> Text:
        """Return a text with the paths that the user knows in place of the links to them."""
        text = printable.line(text)
        for links, origin in self.origins.items():
            link, place = (printable.line(f"{str(folder).rstrip('/')}/") for folder in (self.path / links, origin))
            text = text.replace(link, place)
        return Text(text)


def make(folder: Path, store: Path, asked: AskedJob, inputs: Mapping[str, Path], *, once: bool = False) -> JobFolder:
    """Write the request for what is `asked` and link its inputs, absolute paths, into `folder`, which is empty; OSError where that fails.

    The folder is one of those in `work/` of the `store`. With `once`, no other request is equal to this one, so no answer to another one, such as
    another machine may still have, is taken for the answer to this one.
    """
    links: dict[str, str] = {}
    if inputs:
        os.mkdir(f"{folder}/{INPUTS}", 0o700)
    names = {name: _link(str(folder), f"{store}/", str(path), links) for name, path in inputs.items()}
    write_request(folder, {**asked, "inputs": names}, nonce=secrets.token_hex(16) if once else None)
    return JobFolder(folder, {name: Path(origin) for origin, name in links.items()})


def _link(folder: str, store: str, path: str, links: dict[str, str]) -> str:
    """Link one input and return the link, relative to the folder. `links` are the folders made so far, by the folder that their files come from.

    A path that ends in `..` is linked by its folder's real name; the file system's root is called `root`.
    """
    origin, last = os.path.split(os.path.realpath(path) if path.endswith("/..") else path)
    if origin not in links:
        links[origin] = f"{INPUTS}/{len(links)}"
        os.mkdir(f"{folder}/{links[origin]}", 0o700)
    name = f"{links[origin]}/{last or 'root'}"
    target = _TO_STORE + path[len(store) :] if path.startswith(store) else os.path.join(origin, last)
    with contextlib.suppress(FileExistsError):  # the same file twice
        os.symlink(target, f"{folder}/{name}")
    return name
