"""Reads the outputs of two runs side by side: the same samples of both, whatever the sizes of their blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from toolkit.errors import UnjudgeableRun
from toolkit.tensors.signature import Signature
from toolkit.wire.shards import read_shards

Block = Mapping[str, np.ndarray]

_NUMERIC = "biuf"


@dataclass(frozen=True, slots=True)
class Blocks:
    """The stored blocks of a run; `begin` starts a new reading of them."""

    begin: Callable[[], Iterator[Block]]

    def __iter__(self) -> Iterator[Block]:
        return self.begin()


@dataclass(frozen=True, slots=True)
class RunOutputs:
    """A model's outputs for a set of samples: `blocks` of {output: array (n, *shape)} in the samples' order, which can be read repeatedly.

    `name` is the run's name in messages. TypeError for blocks that can be read only once.
    """

    name: str
    signature: Signature
    blocks: Iterable[Block]

    def __post_init__(self) -> None:
        if isinstance(self.blocks, Iterator):
            raise TypeError(f"{self.name}: its blocks can be read once; expected `Blocks`, or a list")

    @classmethod
    def read(cls, name: str, signature: Signature, folder: Path) -> RunOutputs:
        """Return the run whose outputs are in a folder of shards; they are read during the comparison."""
        return cls(name, signature, Blocks(partial(read_shards, folder)))


def aligned(reference: RunOutputs, candidate: RunOutputs) -> Iterator[tuple[Block, Block]]:
    """Yield blocks of the same samples of both runs, whatever the sizes of their blocks; UnjudgeableRun where one run ends before the other."""
    ours, theirs = _Reader(reference), _Reader(candidate)
    while count := min(ours.ready(), theirs.ready()):
        yield ours.take(count), theirs.take(count)
    if ours.ready() or theirs.ready():
        counts = f"{ours.exhaust()} samples in {reference.name}, {theirs.exhaust()} in {candidate.name}"
        raise UnjudgeableRun(f"{counts}; expected the same samples in both")


def checked(run: RunOutputs) -> Iterator[Block]:
    """Yield the blocks of a run, each checked against the run's own signature; UnjudgeableRun where one does not match."""
    reader = _Reader(run)
    while count := reader.ready():
        yield reader.take(count)


class _Reader:
    """A run's blocks, any number of samples at a time, each checked against the run's own signature."""

    def __init__(self, run: RunOutputs) -> None:
        self._run = run
        self._blocks = iter(run.blocks)
        self._block: Block = {}
        self._at = 0
        self._taken = 0

    def ready(self) -> int:
        """Return how many samples are ready; 0 at the end."""
        while self._at == count_samples(self._block):
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._check(block)
            self._block, self._at = block, 0
        return count_samples(self._block) - self._at

    def take(self, count: int) -> Block:
        """Return the next `count` samples; `count` may not exceed `ready()`."""
        rows = slice(self._at, self._at + count)
        self._at += count
        self._taken += count
        return {name: array[rows] for name, array in self._block.items()}

    def exhaust(self) -> int:
        """Read to the end, and return how many samples the run has in all."""
        while count := self.ready():
            self.take(count)
        return self._taken

    def _check(self, block: Block) -> None:
        specs = {spec.name: spec for spec in self._run.signature.outputs}
        if block.keys() != specs.keys():
            self._refuse(f"outputs are {sorted(block)}; its signature says {sorted(specs)}")
        if len({len(array) for array in block.values()}) > 1:
            counts = {name: len(array) for name, array in block.items()}
            self._refuse(f"counts of samples differ: {counts}")
        for name, array in block.items():
            if array.dtype.name != specs[name].dtype:
                self._refuse(f"output {name!r} is {array.dtype}; its signature says {specs[name].dtype}")
            if array.dtype.kind not in _NUMERIC:
                self._refuse(f"output {name!r} is {array.dtype}; expected real numbers")

    def _refuse(self, problem: str) -> None:
        raise UnjudgeableRun(f"{self._run.name}: {problem}")


def count_samples(block: Block) -> int:
    """Return how many samples the block holds."""
    return len(next(iter(block.values()), ()))
