"""What one job may take: there is no job without limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds of wall clock, bytes of resident memory, and bytes written to files, for each job.

    The largest that a job writes is a set of samples: 50,000 pictures of 224 x 224 x 3 numbers of 4 bytes are 30 GB.
    """

    timeout_s: float = 900.0
    memory_bytes: int = 8_000_000_000
    written_bytes: int = 64_000_000_000
