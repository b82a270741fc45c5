"""The command line's first lines: `edge-toolkit` and `python -m toolkit`.

Whatever happens, the process ends with a status that says so: Python's own for an exception, and that of many a library, is 1, which here means
a verdict that is not passed. So nothing is imported before `main` watches, and nothing runs after it.
"""

from __future__ import annotations

import os

_OUTSIDE = 3  # something outside failed: no memory, a library that is not there
_INTERRUPTED = 130  # 128 + SIGINT, as a shell says it
_OBJECTS_BEFORE_COLLECTION = (
    100_000  # imports alone make as many; looking through them again and again is 7 % of a build that has nothing to do
)


_ADDRESS_SPACE_BYTES = 256_000_000
"""Below it nothing begins. numpy's OpenBLAS does not fail where its buffers are refused: it may ask again for ever. Seen up to 130 MB, with numpy 2.2
and two cores; the program itself answers from 145 MB on."""


def main() -> None:
    """Run the command line; Ctrl-C before it is there to answer ends the process without a word."""
    status = _OUTSIDE
    try:
        status = _run()
    except KeyboardInterrupt:
        status = _INTERRUPTED
    except BaseException as error:  # noqa: BLE001 (no memory, a damaged installation: all that can end an import)
        _say(f"edge-toolkit: ended by {type(error).__name__} {str(error)[:200]!r}\n")
    finally:
        os._exit(
            status
        )  # what Python and libraries do at exit can change the status, or hang, and has nothing to do here


def _run() -> int:
    import gc
    import resource
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    if allowed != resource.RLIM_INFINITY and allowed < _ADDRESS_SPACE_BYTES:
        needed = f"{_ADDRESS_SPACE_BYTES // 1_000_000} MB"
        _say(
            f"edge-toolkit: this process may use {allowed // 1_000_000} MB of address space; expected {needed} or more (ulimit -v)\n"
        )
        return _OUTSIDE
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)
    os.environ.setdefault(
        "PYDANTIC_DISABLE_PLUGINS", "__all__"
    )  # else it looks through every installed distribution for some
    from toolkit.cli import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()


def _say(line: str) -> None:
    """Write to standard error, if there is one, with nothing that could fail in another way."""
    try:  # noqa: SIM105 (another import, which may fail)
        os.write(2, line.encode("ascii", "backslashreplace"))
    except OSError:
        pass


if __name__ == "__main__":
    main()
