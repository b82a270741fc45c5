"""A job runs only the code that its key covers: all other modules of the package are hidden.

The host finds a job's code by reading it (`toolkit.jobs.import_closure`). If it missed a module, imported by a name that is not among the job's
plugins, a change in that module would go unnoticed and an old result would be reused. So importing such a module is an error.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType

_PACKAGE = __name__.partition(".")[0]


class _Finder:
    """The first finder of `sys.meta_path`: it finds nothing, and refuses unknown modules of the package."""

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None) -> None:
        """Return None, so that the next finder searches; RuntimeError for an unknown module of the package."""
        if _is_ours(name) and name not in self._known:
            raise RuntimeError(
                f"{name} is not part of this job's code; a job that imports a module by name has it among its plugins"
            )


def hold_to(modules: Iterable[str]) -> None:
    """Refuse from now on, in this process, to import a module of the package that is not among these full names.

    Modules that were imported before, for other jobs, are removed.
    """
    known = frozenset(modules)
    for name in [name for name in sys.modules if _is_ours(name) and name not in known]:
        module, (around, _, last) = sys.modules.pop(name), name.rpartition(".")
        with contextlib.suppress(AttributeError):  # `from package import module` would find it there
            if getattr(sys.modules.get(around), last) is module:
                delattr(sys.modules[around], last)
    sys.meta_path.insert(0, _Finder(known))


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == _PACKAGE
