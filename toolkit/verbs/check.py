"""The regression gate: compares a build with the last release; nothing runs again."""

from __future__ import annotations

from pathlib import Path

from toolkit import regression as gate
from toolkit.files.outputs import OutputPath, require_files
from toolkit.regression import Gate
from toolkit.verbs.arguments import Place


def check(bundle: Place, baseline: Place, *, allow: Place | None = None) -> Gate:
    """Compare the bundle of one target with the last release, a baseline file or a bundle; return the changes of outputs, metrics and sizes.

    `allow` is a TOML file of allowed changes, each with its reason. RequestError if the two cannot be compared (another target, another model, other
    samples), if a file is not whole, and if an allowance matches nothing.
    """
    return gate.check(Path(bundle), Path(baseline), None if allow is None else Path(allow))


def update_baseline(bundle: Place, baseline: Place) -> list[str]:
    """Write the baseline file of a bundle that passed, and return the differences from the previous one, a sentence each.

    RequestError if the verdict of the bundle is not "passed", and if the file exists and is no baseline of the same target.
    """
    require_files([OutputPath(Path(baseline), gate.refusal)], [Path(bundle)])
    return gate.update(Path(bundle), Path(baseline))
