"""Rows of sweeps, made by hand."""

from __future__ import annotations

from toolkit.experiments.sweep_rows import SweepRow


def row(name="a", size=1000, total=20.0, **fields):
    """A row with a verdict; `total` is None where there is no noise."""
    given_fields = {"verdict": "passed", "drift_db": {"conversion": 90.0, "kernels": total}, **fields}
    return SweepRow("host", name, "mlir", "min_max", 100, size, total_db=total, **given_fields)


def failed(name="broken"):
    return SweepRow("host", name, "mlir", "min_max", 100, problem="ended by signal 11\nmore")
