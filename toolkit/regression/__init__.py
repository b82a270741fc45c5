"""The last release as one small file, and the gate that compares a new build with it.

    of_bundle(bundle) -> Baseline          the facts of a release that are compared, from the folder of one target of a build
    read(path), write(path, baseline)      a baseline file: JSON that can be committed, with readable changes; `read` also takes a bundle
    check(bundle, baseline, allowed) -> Gate
    update(bundle, path) -> sentences      writes the file again, and returns what changed

Two things are easy to get wrong. Two releases ran on the same samples, so their right answers are compared sample by sample (a paired test) and never
as two rates. And a change is not bad by itself, but somebody must have given the reason.
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
