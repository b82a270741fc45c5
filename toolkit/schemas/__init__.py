"""JSON Schemas of the files that people write, so that editors complete and check them.

They are made from the models, by `python -m toolkit.schemas`; a test holds them to be the latest.
"""

from __future__ import annotations

import json
from pathlib import Path


def write() -> None:
    """Write one schema for each kind of file into this folder."""
    folder = Path(__file__).resolve().parent
    for name, text in texts().items():
        (folder / name).write_text(text, "utf-8")


def texts() -> dict[str, str]:
    """Return the content of each schema file by its name."""
    from toolkit import profiles
    from toolkit.samples import dataset_recipe, lint_job

    schemas = {
        "calibration.json": dataset_recipe.schema(),
        "lint.json": lint_job.schema(),
        "target.json": profiles.schema(),
    }
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas.items()}
