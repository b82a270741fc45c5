"""The one package of the host's that a worker may borrow: safetensors, in which jobs are asked and answered.

A training environment rarely has it. Its compiled part serves every Python since 3.8 (abi3), so the host's copy serves there too. A worker that is
told so imports it from its own folder, and sees nothing beside it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from toolkit.environments.interpreters import Interpreter, platform_here
from toolkit.errors import EnvironmentUnavailable

LENT = "safetensors"
MOUNT = (
    "EDGE_TOOLKIT_MOUNT"  # among an environment's variables: the folder that a worker mounts; no process ever gets it
)


def lend(name: str, interpreter: Interpreter, holds: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to the variables of an environment: nothing where the interpreter holds safetensors itself.

    Raises `EnvironmentUnavailable` where the host's copy serves no other Python than the host's.
    """
    if LENT in holds:
        return {}
    folder = own_copy()
    compiled = [] if folder is None else list(folder.glob("*.so"))
    if interpreter.platform != platform_here() or not compiled or not all(map(_for_any_python, compiled)):
        raise EnvironmentUnavailable(
            f"environment {name}: the interpreter {str(interpreter.path)!r} lacks {LENT}, and the toolkit's own serves no other Python",
            f"{interpreter.path} -m pip install {LENT}",
        )
    return {MOUNT: str(folder)}


def own_copy() -> Path | None:
    """Return the folder of the host's safetensors, which is not imported for it; None if it is no folder."""
    spec = importlib.util.find_spec(LENT)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Path(places[0]) if places and Path(places[0]).is_dir() else None


def _for_any_python(library: Path) -> bool:
    return library.name.endswith(".abi3.so")
