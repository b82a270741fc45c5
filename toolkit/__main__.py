"""The command line's first lines: `edge-toolkit` and `python -m toolkit`."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line; Ctrl-C before it is there to answer ends the process without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from toolkit.cli import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
