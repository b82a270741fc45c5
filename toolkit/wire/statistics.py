"""Statistics of activations over a calibration set, which range estimators start from.

Each sample of the set has a row of its own. A histogram's bins lie on a grid of width 2**k through zero, and it grows by joining neighbours. So parts
are merged exactly, in any order and any grouping: equal samples give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

BINS = 4096  # half of them for each sign: as fine as TensorRT's 2048 bins of absolute values
COLUMNS = 3  # of a row: minimum, maximum, number of values; with a histogram also sum and sum of squares of the values that it counts
_HALF = BINS // 2
_LEAST = -148  # float32's least number is half of 2**-148


@dataclass(frozen=True)
class Statistics:
    """Statistics of the tensors `names`: the float32 tensors of an artifact that a runtime can show, in the order of execution.

    `unread`: names of the tensors that no runtime shows (inside of loops and fused operators). `numbers`: int64 (samples,), ascending,
    which samples of the set were seen. `rows`: float64 (samples, tensors, 3 or 5), see `COLUMNS`. With histograms `counts` is int64 (tensors, BINS),
    where bin i holds [(i - BINS / 2) * width, (i + 1 - BINS / 2) * width), and `exponents` int64 (tensors,), the base-2 logarithm of that width;
    without, both are None. Extremes are over all values; histograms and sums are of some of each sample's (`toolkit.conversion.calibrate.VALUES`).
    """

    names: tuple[str, ...]
    numbers: np.ndarray
    rows: np.ndarray
    exponents: np.ndarray | None = None
    counts: np.ndarray | None = None
    unread: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many samples were seen."""
        return len(self.rows)

    @property
    def extremes(self) -> np.ndarray:
        """Minimum and maximum of each tensor in each sample, in the order of the set; float64 (samples, tensors, 2), real units.

        (0, 0) for a sample in which the tensor has no values: every quantizer widens ranges until they hold 0.
        """
        return self.rows[:, :, :2]

    @property
    def sums(self) -> np.ndarray | None:
        """Sum and sum of squares of what was counted of each tensor in each sample: float64 (samples, tensors, 2); None without histograms.

        Over the set, divided by a tensor's counts, they are its moments.
        """
        return self.rows[:, :, COLUMNS:] if self.rows.shape[2] > COLUMNS else None

    @property
    def sizes(self) -> np.ndarray:
        """How many values each tensor has in a sample, float64 (tensors,); the mean over the samples where it differs."""
        return self.rows[:, :, 2].mean(axis=0)

    @property
    def widths(self) -> np.ndarray | None:
        """The width of each tensor's bins, in real units: float64 (tensors,); None without histograms."""
        return None if self.exponents is None else np.ldexp(1.0, self.exponents)

    @property
    def edges(self) -> np.ndarray:
        """Where bins begin, and the last one ends, in widths: float64 (BINS + 1,)."""
        return np.arange(-_HALF, _HALF + 1, dtype=np.float64)

    def write(self, folder: Path) -> None:
        """Write the folder that `read` reads; equal statistics give equal bytes."""
        with RowFile(folder, self.rows.shape) as file:
            file.add(self.rows)
        self.write_beside_rows(folder)

    def write_beside_rows(self, folder: Path) -> None:
        """Write all but the rows, which were written one by one before."""
        np.save(folder / "numbers.npy", self.numbers)
        if self.counts is not None and self.exponents is not None:
            np.save(folder / "exponents.npy", self.exponents)
            np.save(folder / "counts.npy", self.counts)
        (folder / "index.json").write_text(json.dumps({"names": self.names, "unread": self.unread}))

    @classmethod
    def read(cls, folder: Path) -> Statistics:
        """Return the statistics in a folder."""
        index = json.loads((folder / "index.json").read_text())
        histograms = (folder / "counts.npy").is_file()
        return cls(
            tuple(index["names"]),
            np.load(folder / "numbers.npy"),
            np.load(folder / "rows.npy"),
            np.load(folder / "exponents.npy") if histograms else None,
            np.load(folder / "counts.npy") if histograms else None,
            tuple(index["unread"]),
        )

    @classmethod
    def merge(cls, parts: Sequence[Statistics]) -> Statistics:
        """Return the statistics of all parts together; how samples were dealt to parts, and their order, change nothing.

        ValueError for no part, for parts of different tensors, and where two of them saw the same sample.
        """
        if len({(part.names, part.unread, part.rows.shape[2], part.counts is None) for part in parts}) != 1:
            raise ValueError(f"{len(parts)} parts are not the statistics of the same tensors")
        numbers = np.concatenate([part.numbers for part in parts])
        order = np.argsort(numbers)
        if len(np.unique(numbers)) != len(numbers):
            raise ValueError("a sample is in more than one part")
        rows = np.concatenate([part.rows for part in parts])[order]
        first, histograms = parts[0], Histograms(len(parts[0].names))
        if first.counts is None:
            return cls(first.names, numbers[order], rows, unread=first.unread)
        for part in parts:
            if part.counts is not None and part.exponents is not None:
                histograms.join(part.exponents, part.counts)
        return cls(first.names, numbers[order], rows, histograms.exponents, histograms.counts, first.unread)


class RowFile:
    """Writes the rows of `shape` (samples, tensors, columns) one by one, so that none is kept in memory."""

    def __init__(self, folder: Path, shape: Sequence[int]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = open(folder / "rows.npy", "wb")  # noqa: SIM115 (closed at this class's own exit)
        header: dict[str, Any] = {"descr": "<f8", "fortran_order": False, "shape": tuple(shape)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def add(self, rows: np.ndarray) -> None:
        """Append one row or several."""
        self._file.write(np.ascontiguousarray(rows, "<f8").tobytes())

    def __enter__(self) -> RowFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class Histograms:
    """Histograms of all tensors; their bins grow with the values."""

    def __init__(self, tensors: int) -> None:
        self.exponents = _exponents(np.zeros(tensors))
        self.counts = np.zeros((tensors, BINS), np.int64)

    def grow(self, largest: np.ndarray) -> None:
        """Make room for absolute values up to `largest`, (tensors,)."""
        self._coarsen(np.maximum(_exponents(largest), self.exponents))

    def add(self, tensor: int, values: np.ndarray) -> None:
        """Count values, float32 (n,), of the tensor with this number; there must be room for them."""
        # In float64 scaling makes no float32 0, so signs are kept.
        bins = np.floor(np.multiply(values, np.ldexp(1.0, -self.exponents[tensor]), dtype=np.float64)).astype(np.int64)
        self.counts[tensor] += np.bincount(bins + _HALF, minlength=BINS)

    def join(self, exponents: np.ndarray, counts: np.ndarray) -> None:
        """Add the counts of another part."""
        self._coarsen(np.maximum(exponents, self.exponents))
        self.counts += coarser(counts, self.exponents - exponents)

    def _coarsen(self, exponents: np.ndarray) -> None:
        self.counts = coarser(self.counts, exponents - self.exponents)
        self.exponents = exponents


def coarser(counts: np.ndarray, doublings: np.ndarray) -> np.ndarray:
    """Return the counts (tensors, BINS) in bins whose widths are doubled so many times, (tensors,); no count is lost."""
    grown = counts.copy()
    for tensor in np.flatnonzero(doublings):
        held = np.flatnonzero(counts[tensor])
        places = (held - _HALF) >> min(int(doublings[tensor]), 62)
        grown[tensor] = 0
        np.add.at(grown[tensor], places + _HALF, counts[tensor, held])
    return grown


def _exponents(largest: np.ndarray) -> np.ndarray:
    """Return the logarithms of the least widths of bins that have room for absolute values up to `largest`, (tensors,)."""
    _, exponents = np.frexp(largest)  # largest < 2**exponent; 0 for 0
    return np.where(largest > 0, exponents, _LEAST).astype(np.int64) - int(np.log2(_HALF))
