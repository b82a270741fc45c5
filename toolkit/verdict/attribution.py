"""Which operator made a stage fail: the first that diverges in it, the one that errs most alone, and whether it stands out.

A stage is two runs. Both run again over a few samples with all of their tensors readable. Each operator of the later run also runs alone, fed with
the earlier run's values. So its own error (isolated) is told apart from the errors before it (cumulative).

The guilty operator follows from the order of the numbers. No tolerance is involved:

* An operator stands out if it makes more noise than all others together. Less than half of the noise would be left without it. If no operator has
  that majority, the error accumulates, and the text says so and shows the curve.
* In quantization every operator errs, and its own error says little about the answer. So the quantized file hands over to the float one after each
  operator in turn. An operator's noise is the rise of the noise at the model's output, with all operators before it quantized and all after it in
  float. This charges a range that clips once, to the operator that gives the tensor, and not to those that read it. Of several broken operators
  it charges the first.
* Between kernels, and between machines, results are expected to be equal bit by bit. The first operator in the order of execution whose result is
  not equal is where the difference begins. An operator's noise is its isolated noise, as a share of the power of its result: both sides have the
  same file, so nothing is handed over. The conversion is treated the same way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toolkit import printable
from toolkit.printable import Text

BY_BITS = ("kernels", "device")  # stages of one file: their two runs are equal if nothing is wrong


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far a tensor is from its reference, over the examined samples. `share` is noise as a share of the signal's power.

    `max_lsb` and `rmse_lsb` are in steps of the tensor's scale; None if it has none. `worst_sample` is the sample's number in the set.
    """

    sqnr_db: float
    share: float
    max_abs: float
    max_lsb: float | None
    rmse_lsb: float | None
    worst_sample: int

    @classmethod
    def from_json(cls, content: Mapping[str, Any], scale: float | None, samples: Sequence[int]) -> Deviation:
        """Return the deviation that a worker wrote for a tensor with this scale, over these samples."""
        steps = content["rmse_per_scale"]
        return cls(
            sqnr_db=float(content["sqnr_db"]),
            share=float(content["share"]),
            max_abs=float(content["max_abs"]),
            max_lsb=None if scale is None else round(float(content["max_abs"]) / scale, 3),
            rmse_lsb=None if steps is None else float(steps),
            worst_sample=samples[int(content["worst_sample"])],
        )


@dataclass(frozen=True, slots=True)
class OperatorDeviation:
    """A tensor that an operator gives, and how it deviates.

    `equal` and `alone_equal` say whether it is equal bit by bit in the whole model, and alone. `isolated` is None if it could not run alone, and
    `not_isolated` says why. Both deviations are None if the reference has no counterpart. `at_output` is the noise at the model's output if all
    operators up to this one are the candidate's, as a share of the signal's power; None if that did not run. `noise` ranks the operator: the rise
    of `at_output`, or the share of its isolated noise; None if neither is known.
    """

    place: int
    operator: str
    tensor: str
    inputs: tuple[str, ...]
    dtype: str
    equal: bool
    alone_equal: bool
    cumulative: Deviation | None
    isolated: Deviation | None
    not_isolated: str | None
    at_output: float | None = None
    noise: float | None = None

    def __str__(self) -> str:
        """Return its kind, the first of the names that a converter gave its tensor, and its place among the operators, from 0."""
        first, *others = self.tensor.split(";")
        return f"{self.operator} {first + (';…' if others else '')!r} (operator {self.place})"


@dataclass(frozen=True, slots=True)
class Attribution:
    """The operators of a stage and how they deviate. `why` says why no operator can be named; then there are no operators. It is None otherwise.

    `reference` and `candidate` name the two sides. `samples` are the numbers of the examined samples. `output` is the output where noise was
    measured, if the float file continued from the quantized one. `diverging` has a sentence for each output of the model: how far its two runs are
    apart. `reproduction` is a folder in the store with the operator by itself (see `toolkit.diagnosis.worker.reproduction`). If there is none, it is
    None, and `about_reproduction` says why.
    """

    stage: str
    reference: str
    candidate: str
    samples: tuple[int, ...] = ()
    operators: tuple[OperatorDeviation, ...] = ()
    output: str | None = None
    why: str | None = None
    diverging: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reproduction: Path | None = None
    about_reproduction: str = ""

    def __repr__(self) -> str:
        found = self.why or f"{len(self.operators)} operators"
        return printable.line(f"<Attribution of {self.stage}: {found}>")

    @property
    def _noises(self) -> list[float]:
        return [each.noise or 0.0 for each in self.operators]

    @property
    def guilty(self) -> OperatorDeviation | None:
        """The operator that makes more noise than all others together; None if none does."""
        place = stands_out(self._noises)
        return None if place is None else self.operators[place]

    @property
    def largest(self) -> OperatorDeviation | None:
        """The operator that makes most noise (the first wins a tie); None if none makes any."""
        most = max(self._noises, default=0.0)
        return self.operators[self._noises.index(most)] if most > 0 else None

    @property
    def first(self) -> OperatorDeviation | None:
        """The first operator, in the order of execution, whose result is not equal bit by bit; None if all are equal, or need not be."""
        if self.stage not in BY_BITS:
            return None
        return next((each for each in self.operators if not each.equal), None)

    def share(self, operator: OperatorDeviation) -> float:
        """Return an operator's share of the noise of all operators."""
        total, own = math.fsum(self._noises), operator.noise or 0.0
        return own / total if 0 < total < math.inf else float(own == math.inf)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON. Numbers that JSON does not have are "nan", "inf" and "-inf"."""
        from toolkit.verdict.attribution_text import sentences

        named = {"guilty": self.guilty, "first": self.first, "largest": self.largest}
        return {
            "stage": self.stage,
            "told": self.why is None,
            "why": self.why,
            "says": sentences(self),
            "reference": self.reference,
            "candidate": self.candidate,
            "samples": list(self.samples),
            "output": self.output,
            **{name: None if each is None else self.operators.index(each) for name, each in named.items()},
            "operators": [_plain(asdict(each)) for each in self.operators],
            "diverging": list(self.diverging),
            "notes": list(self.notes),
            "reproduced": self.reproduction is not None,
            "about_reproduction": self.about_reproduction,
        }

    def text(self) -> Text:
        """Return the sentences of the result, and the table of all operators, for people."""
        from toolkit.verdict.attribution_text import sentences, table

        return printable.lines([*sentences(self), *(["", table(self)] if self.operators else [])])


def stands_out(noises: Sequence[float]) -> int | None:
    """Return the index of the number that is larger than the sum of all others; None if there is no such number, or any is NaN."""
    for place, noise in enumerate(noises):
        if noise > math.fsum([*noises[:place], *noises[place + 1 :]]):
            return place
    return None


def _plain(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, float) and not math.isfinite(content):
        return str(content)
    return list(content) if isinstance(content, tuple) else content
