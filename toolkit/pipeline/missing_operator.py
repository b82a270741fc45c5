"""An engine's error about an operator that it lacks, worded for the target that it runs on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolkit.errors import EdgeToolkitError, Unconvertible, WorkerRefused

if TYPE_CHECKING:
    from toolkit.profiles import Target

_NO_OPERATOR = re.compile(r"[Dd]idn't find op for builtin opcode '(\w+)' version '(\d+)'")
_UNRESOLVED = re.compile(r"unresolved custom op: (\w+)")


def said_of_target(error: EdgeToolkitError, target: Target, scheme: str) -> EdgeToolkitError:
    """Return the error, worded for the target if its runtime lacks an operator: the engine's message names it only in the middle."""
    missing = _NO_OPERATOR.findall(error.problem) or [(name, "") for name in _UNRESOLVED.findall(error.problem)]
    if missing and isinstance(error, WorkerRefused):
        name, version = missing[0]
        runtime = f"{target.runtime.name} {target.runtime.version}"
        of_version = f" version {version}" if version else ""
        return Unconvertible(
            f"{target.name}: {runtime} has no operator {name}{of_version}; {scheme} of this model needs it",
            "choose another --scheme, or a newer runtime for the device",
        )
    return error
