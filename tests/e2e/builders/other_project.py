"""A builder of a project that has a package called as ours is, and that says what it sees of its process."""

from __future__ import annotations

import json
import sys

from toolkit.layers import make  # the project's own: see test_other_environments.py


def build(say: str) -> object:
    """Return the project's model, and print where this process imports from, behind the mark `say`."""
    from toolkit import late

    modules = {name: str(getattr(module, "__file__", None)) for name, module in sys.modules.items()}
    seen = {"path": sys.path, "modules": modules, "prefix": sys.prefix, "late": late.NAME}
    print(say + json.dumps(seen))  # noqa: T201 (which the job keeps in its log)
    return make()
