"""The command line's first lines: `edge-toolkit` and `python -m toolkit`."""

from __future__ import annotations

import gc
import os
import signal

_OBJECTS_BEFORE_COLLECTION = (
    100_000  # imports alone make as many; looking through them again and again is 7 % of a build that has nothing to do
)


def main() -> None:
    """Run the command line; Ctrl-C before it is there to answer ends the process without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)
    os.environ.setdefault(
        "PYDANTIC_DISABLE_PLUGINS", "__all__"
    )  # else it looks through every installed distribution for some
    from toolkit.cli import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
