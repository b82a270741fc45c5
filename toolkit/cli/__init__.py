"""The command line: verbs, each one call of the Python interface.

No heavy module is imported at the top, so `edge-toolkit --help` answers as fast as Python starts.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from types import FrameType
from typing import Any

# Each of these modules adds its verbs to `app`, which lists them in this order.
from toolkit.cli import package as package  # isort: skip
from toolkit.cli import judge as judge  # isort: skip
from toolkit.cli import sweep as sweep  # isort: skip
from toolkit.cli import debug as debug  # isort: skip
from toolkit.cli import calibration as calibration  # isort: skip
from toolkit.cli import targets as targets  # isort: skip
from toolkit.cli import info as info  # isort: skip
from toolkit.cli import serve_device as serve_device  # isort: skip
from toolkit.cli import process
from toolkit.cli.common import say
from toolkit.cli.process import OUTSIDE, WRONG_REQUEST, Ended
from toolkit.cli.verbs import INTERRUPTED, program
from toolkit.errors import causes


def main() -> int:
    """Run the command line and return its exit status: the user never sees a traceback, and only a verdict or a budget gives 1."""
    signal.signal(signal.SIGTERM, _end)  # so that workers end and folders are left clean
    process.watch()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # else pydantic searches all packages for them
    try:
        status = program(sys.argv[1:])(standalone_mode=False)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except Ended as ended:
        status = ended.code
    except BaseException as error:
        status = _misused(error) if hasattr(error, "show") else _internal(error)
    return process.final(0 if status is None else status)


def _end(number: int, _: FrameType | None) -> None:
    raise Ended(128 + number)


def _misused(error: Any) -> int:
    """Print typer's message about a command line that it cannot read, and return the exit status."""
    said = io.StringIO()
    error.show(file=said)
    say(*said.getvalue().splitlines())
    return WRONG_REQUEST


def _is_anywhere() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _internal(error: BaseException) -> int:
    """Print a message about a bug of the toolkit or of a library, save the traceback in a file, and return the exit status."""
    import traceback

    from toolkit.settings import default_home

    if isinstance(error, MemoryError):
        say("edge-toolkit: not enough memory")
        return OUTSIDE
    if not _is_anywhere():
        say("edge-toolkit: the current folder was removed; change to one that exists, and run it again")
        return WRONG_REQUEST
    say(f"edge-toolkit: internal error: {causes(error)}")
    try:
        place = default_home() / "internal-error.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("".join(traceback.format_exception(error)), encoding="utf-8", errors="backslashreplace")
        say(f"  hint: please report it with {place}")
    except Exception:
        say("  hint: please report it; the trace could not be kept in the cache folder")
    return OUTSIDE
