"""An attribution as a folder: attribution.json, and the operator by itself where it was reproduced."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from toolkit.attribution import Attribution
from toolkit.store import storage_failed, sync


def write(found: Attribution, place: Path) -> None:
    """Write the folder `place`, in place of an older one: whole or not at all. StoreFailed where it cannot be written."""
    aside, old = (place.with_name(f".{place.name}.{os.getpid()}.{kind}") for kind in ("partial", "old"))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if found.reproduction is None:
            aside.mkdir()
        else:
            shutil.copytree(found.reproduction, aside, copy_function=shutil.copyfile)
        content = json.dumps(found.to_json(), indent=2, allow_nan=False) + "\n"
        (aside / "attribution.json").write_text(content, encoding="utf-8")
        for path in aside.iterdir():
            sync(path)
        if place.exists():
            os.rename(place, old)
        os.rename(aside, place)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise storage_failed(place, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
