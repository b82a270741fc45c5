"""The regression gate: a build against the last release, of which nothing runs again."""

from __future__ import annotations

from pathlib import Path

from toolkit import regression as gate
from toolkit.files.outputs import OutputPath, require_files
from toolkit.regression import Gate
from toolkit.verbs.arguments import Place


def check(bundle: Place, baseline: Place, *, allow: Place | None = None) -> Gate:
    """Compare the bundle of one target with the last release, a baseline file or its bundle; return what was found of outputs, metrics and sizes.

    `allow` is a TOML file of changes that may be, each with its reason. RequestError where the two cannot be compared (another target, another model,
    other samples), where a file is not whole, and where an allowance matches nothing.
    """
    return gate.check(Path(bundle), Path(baseline), None if allow is None else Path(allow))


def update_baseline(bundle: Place, baseline: Place) -> list[str]:
    """Write the baseline file of a bundle that passed, and return what is different from the one before, a sentence each.

    RequestError for a bundle whose verdict is not "passed", and for a file that holds anything but a baseline of the same target.
    """
    require_files([OutputPath(Path(baseline), gate.refusal)], [Path(bundle)])
    return gate.update(Path(bundle), Path(baseline))
