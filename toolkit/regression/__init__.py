"""The last release as one small file, and the gate that compares a new build with it.

    of_bundle(bundle) -> Baseline          all that is compared of a release, from the folder of one target of a build
    read(path), write(path, baseline)      a baseline file: JSON that can be committed and whose changes can be read; a bundle is read too
    check(bundle, baseline, allowed) -> Gate
    update(bundle, path) -> sentences      writes the file anew, and says what changed

What a newcomer would get wrong here: two releases ran on the same samples, so what they got right is compared sample by sample (a paired test)
and never as two rates; and a change is nothing bad by itself, but somebody has to have said why.
"""

from __future__ import annotations

from toolkit.regression.changes import update
from toolkit.regression.file import OUTPUT_BYTES, read, refusal, write
from toolkit.regression.gate import Gate, check
from toolkit.regression.record import Baseline, TaskRecord, of_bundle
from toolkit.regression.rows import GateRow

__all__ = [
    "OUTPUT_BYTES",
    "Baseline",
    "Gate",
    "GateRow",
    "TaskRecord",
    "check",
    "of_bundle",
    "read",
    "refusal",
    "update",
    "write",
]
