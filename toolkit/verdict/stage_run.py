"""One run of the chain of stages, read for comparing: all of its samples, the first of them, or one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from toolkit.comparison import compare
from toolkit.comparison.runs import Blocks
from toolkit.execution.run import Run
from toolkit.tensors.signature import Signature
from toolkit.wire.shards import read_shards


@dataclass(frozen=True, slots=True)
class StageRun:
    """A run of the chain in the store, and the signature that its numbers are read by."""

    stage: str
    run: Run
    signature: Signature

    @property
    def count(self) -> int:
        """How many samples it holds."""
        return self.run.count

    def read(self, count: int | None = None) -> compare.RunOutputs:
        """Return the run for comparing, all of it or its first `count` samples. It can be read again."""
        name = f"{self.stage} ({self.run.engine})"
        if count is None:
            return compare.RunOutputs.read(name, self.signature, self.run.outputs)
        return compare.RunOutputs(name, self.signature, Blocks(lambda: _first(read_shards(self.run.outputs), count)))

    def only(self, sample: int) -> compare.RunOutputs:
        """Return the run of one sample for comparing."""
        name = f"{self.stage} ({self.run.engine})"
        return compare.RunOutputs(name, self.signature, Blocks(lambda: _one(read_shards(self.run.outputs), sample)))


def _first(blocks: Iterable[compare.Block], count: int) -> Iterator[compare.Block]:
    """Yield blocks that hold the first `count` samples, or all if there are fewer."""
    for block in blocks:
        if count <= 0:
            return
        yield {name: array[:count] for name, array in block.items()}
        count -= compare.count_samples(block)


def _one(blocks: Iterable[compare.Block], sample: int) -> Iterator[compare.Block]:
    """Yield one block with one sample; nothing if there is no such sample."""
    for block in blocks:
        count = compare.count_samples(block)
        if sample < count:
            yield {name: array[sample : sample + 1] for name, array in block.items()}
            return
        sample -= count
