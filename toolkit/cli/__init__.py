"""The command line: verbs, each of them one call of the Python interface.

Nothing heavy is imported at the top: `edge-toolkit --help` answers as fast as Python starts.
"""

from __future__ import annotations

import os
import signal
import sys

# Each of the four makes its verbs known to `app`, which lists them in this order.
from toolkit.cli import packaging as packaging  # isort: skip
from toolkit.cli import judging as judging  # isort: skip
from toolkit.cli import experimenting as experimenting  # isort: skip
from toolkit.cli import looking as looking  # isort: skip
from toolkit.cli.options import say
from toolkit.cli.verbs import INTERRUPTED, app


def main() -> None:
    """Run the command line and exit with its status; no traceback ever reaches the user."""
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM)
    )  # so that workers are ended and folders left clean
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        import traceback

        from toolkit.settings import default_home

        say(f"edge-toolkit: internal error: {type(error).__name__}: {error}")
        try:
            place = default_home() / "internal-error.txt"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(traceback.format_exc())
            say(f"  hint: please report it with {place}")
        except OSError:
            say(f"  hint: please report it; the trace could not be written to {default_home()}")
        sys.exit(3)
