"""From where on a constant is off, and what explains it: for the search for a reason. How far one may be off is in a profile's `[weights]`."""

from __future__ import annotations

ROUNDED = 0.55
"""Of a step: a larger error is not rounding, which is half a step."""

OFF = 1e-4
"""Of a constant's size: a larger error of numbers without steps is not rounding."""

LEFT = 0.1
"""The share of the error's norm that may remain behind an explanation: 20 dB."""

LOST = 0.5
"""Of the norm: with a larger error numbers have less than 6 dB, and say next to nothing of the original's."""
