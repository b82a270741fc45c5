"""An attribution as a folder: attribution.json, and the operator by itself if it was reproduced."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import RequestError
from toolkit.files import manifest
from toolkit.files.foreign import read_json
from toolkit.files.places import not_a_folder
from toolkit.files.shapes import SHA256, Each
from toolkit.files.whole import whole_folder

if TYPE_CHECKING:
    from toolkit.verdict.attribution import Attribution

_DOCUMENT = "attribution.json"


def write(found: Attribution, place: Path) -> None:
    """Write the folder `place`, whole or not at all. It replaces an older one if that is unchanged since it was written.

    Raise RequestError if anything else is at that path, StoreFailed if the disk refuses.
    """
    with whole_folder(place, refusal) as folder:
        if found.reproduction is not None:
            shutil.copytree(found.reproduction, folder, copy_function=shutil.copyfile, dirs_exist_ok=True)
        document = {**found.to_json(), "files": manifest.hashes(folder)}
        content = json.dumps(document, indent=2, allow_nan=False) + "\n"
        (folder / _DOCUMENT).write_text(content, encoding="utf-8")


def refusal(place: Path) -> str | None:
    """Return why a path must not be replaced by such a folder. None if there is nothing, an empty folder, or an unchanged attribution."""
    problem = not_a_folder(place)
    if problem is not None or not place.is_dir() or not any(place.iterdir()):
        return problem
    try:
        held = {**read_json(place / _DOCUMENT, {"files": Each(SHA256)})["files"]}
        found = manifest.hashes(place)
    except (OSError, RequestError) as error:
        return f"holds files, and is not an attribution that this program wrote ({error})"
    found.pop(_DOCUMENT, None)
    others = sorted(name for name, sha256 in found.items() if held.get(name) != sha256)
    return f"holds {', '.join(others)}, which is not as it was written; choose another --out" if others else None
