"""JSON files of ours that somebody changed: each edit is refused in words, or made good; none ends in an internal error, hangs, or passes."""

from __future__ import annotations

import json

import pytest

from tests.attacks.edits import SPECIAL, byte_edits, edits, put, raw_edits, run_verb
from tests.unit.regression import test_gate as made
from toolkit.regression.file import _sha256

release, old = made.release, made.old


@pytest.fixture
def check(release, old):
    """Return a function that holds a build, which passes, against the baseline file as it is then."""
    again = release("again", made.right(range(10)), artifact=b"old")
    assert run_verb("check", again, "--baseline", old)[0] == 0

    return lambda: run_verb("check", again, "--baseline", old)


@pytest.mark.once
def test_a_baseline_with_any_value_changed_is_refused(check, old):
    """Its checksum says so."""
    whole = json.loads(old.read_text())

    for said, content in edits(whole, 120):
        old.write_text(json.dumps(content))
        status, printed = check()
        assert status == 2, f"{said}: {printed}"
        assert str(old) in printed


@pytest.mark.once
def test_a_baseline_that_was_sealed_again_after_a_change_is_judged_or_refused(check, old):
    """The checksum keeps accidents out, and nobody who knows how it is made."""
    whole = json.loads(old.read_text())
    whole.pop("sha256")
    refused = 0

    for said, content in edits(whole, 240, seed=1):
        old.write_text(json.dumps({**content, "sha256": _sha256(content)}))
        status, printed = check()
        assert status in {0, 1, 2}, f"{said}: {printed}"
        refused += status == 2

    assert refused > 180


@pytest.mark.parametrize("kind", ["raw", "bytes"])
def test_a_baseline_that_is_no_whole_json_is_refused(check, old, kind):
    """What was cut, overwritten, or holds what is no JSON."""
    content = old.read_bytes()
    whole = json.loads(content)
    changed = (
        ((said, text.encode()) for said, text in raw_edits(whole, 60)) if kind == "raw" else byte_edits(content, 60)
    )

    for said, other in changed:
        old.write_bytes(other)
        status, printed = check()
        same = other.removeprefix(b"\xef\xbb\xbf") == content
        assert status == (0 if same else 2), f"{said}: {printed}"


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_file_is_no_baseline(check, old, kind):
    """A pipe in its place keeps nobody waiting, and a device that never ends is not read."""
    put(kind, old)

    status, printed = check()

    assert status == 2
    assert old.name in printed
