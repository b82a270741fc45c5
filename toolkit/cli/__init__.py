"""The command line: verbs, each of them one call of the Python interface.

Nothing heavy is imported at the top: `edge-toolkit --help` answers as fast as Python starts.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from types import FrameType
from typing import Any

# Each of these makes its verbs known to `app`, which lists them in this order.
from toolkit.cli import package as package  # isort: skip
from toolkit.cli import judge as judge  # isort: skip
from toolkit.cli import sweep as sweep  # isort: skip
from toolkit.cli import debug as debug  # isort: skip
from toolkit.cli import calibration as calibration  # isort: skip
from toolkit.cli import info as info  # isort: skip
from toolkit.cli import process
from toolkit.cli.common import say
from toolkit.cli.process import OUTSIDE, WRONG_REQUEST, Ended
from toolkit.cli.verbs import INTERRUPTED, program
from toolkit.errors import causes


def main() -> int:
    """Run the command line and return its exit status; no traceback ever reaches the user, and 1 is a verdict's alone."""
    signal.signal(signal.SIGTERM, _end)  # so that workers are ended and folders left clean
    process.watch()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # they are searched for in all that is installed
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
    """Tell what typer says of a command line that it cannot read."""
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
    """Tell of a mistake of ours, or of what a library did, and keep the trace where a person finds it."""
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
