"""What one job may take: there is no job without limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds of wall clock and bytes of resident memory for each job."""

    timeout_s: float = 900.0
    memory_bytes: int = 8_000_000_000
