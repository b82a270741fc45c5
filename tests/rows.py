"""Rows of parametrized tests that take long."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def slow(*values: Any) -> Any:
    """Return a row that `make slow` runs."""
    return pytest.param(*values, marks=pytest.mark.slow)


def quick(rows: Iterable[Any], at_once: Collection[Any]) -> list[Any]:
    """Return rows, of which all but those that are named are for `make slow`: these stand for the others in `make test`."""
    rows = list(rows)
    assert all(row in rows for row in at_once)
    return [row if row in at_once else slow(*(row if isinstance(row, tuple) else (row,))) for row in rows]
