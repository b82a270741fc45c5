"""The last lines of a log, as a hint has them."""

from __future__ import annotations

from toolkit.jobs.last_words import last_lines

TRACEBACK = 'Traceback (most recent call last):\n  File "main.py", line 23, in <module>\n    import argparse\n    ^^^^^^^^^^^^^^^\n'


def test_no_traceback_is_among_the_last_words(tmp_path):
    """A worker that was interrupted while it imported prints one; whoever wants it reads the log."""
    (tmp_path / "log").write_text("made a start\n" + TRACEBACK + "KeyboardInterrupt\nsaid later\n")

    assert last_lines(tmp_path / "log").split("\n        ") == ["made a start", "KeyboardInterrupt", "said later"]
