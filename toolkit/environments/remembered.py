"""Small facts that are slow to find out, kept in the cache folder under all that they depend on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from toolkit.errors import DamagedFile
from toolkit.files.foreign import read_json


def recall(home: Path, kind: str, key: object, shape: object = object) -> Any | None:
    """Return the fact of this kind that was remembered under this key (JSON); None where there is none, or it has another shape."""
    with contextlib.suppress(OSError, DamagedFile):
        kept = read_json(_path(home, kind, key), {"key": object, "fact": shape})
        if kept["key"] == json.loads(json.dumps(key)):
            return kept["fact"]
    return None


def remember(home: Path, kind: str, key: object, fact: object) -> None:
    """Keep a fact (JSON), whole or not at all; where nothing can be written, it is found out again next time."""
    path = _path(home, kind, key)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".partial")
        try:
            with open(descriptor, "w") as file:
                json.dump({"key": key, "fact": fact}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(aside)


def _path(home: Path, kind: str, key: object) -> Path:
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return home / "remembered" / f"{kind}-{digest[:16]}.json"
