"""Verdicts made by hand, for the tests of this folder."""

from __future__ import annotations

from tests.unit.verdict.judged_chains import judged, profile

__all__ = ["judged", "profile"]
