"""Metrics of every output of two runs, in one pass over both runs, after one pass over the reference for the means of its channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from toolkit.comparison import metrics
from toolkit.comparison.measured import Broken, Measured, Measurement, OutputFacts, plain_json
from toolkit.comparison.metrics import Real
from toolkit.comparison.probing import Probe
from toolkit.comparison.runs import RunOutputs, aligned, checked, count_samples
from toolkit.errors import UnjudgeableRun

__all__ = ["Broken", "Measured", "Measurement", "OutputFacts", "measure", "plain_json"]

_PART = 2.0**30  # more numbers than a channel has; a power of two, so that dividing by it rounds nothing
Parts = Mapping[str, tuple[int, ...]]


def measure(
    reference: RunOutputs,
    candidate: RunOutputs,
    also: Iterable[str] = (),
    parts: Parts | None = None,
    only: Mapping[str, Iterable[str]] | None = None,
) -> Measured:
    """Return metrics of every output. Each run is read once, and the reference once more. Memory does not grow with the number of samples.

    They are the metrics that are always measured, and those in `also`, each by its canonical text. `only` adds metrics for single outputs, as they
    mean nothing for others. `parts` gives the widths of the things that an output joins along its last axis. UnjudgeableRun where a run holds no
    sample, where the numbers of samples differ, or where a run does not match its own signature.
    """
    ours = {spec.name: spec for spec in reference.signature.outputs}
    theirs = {spec.name: spec for spec in candidate.signature.outputs}
    missing = f"missing in the {candidate.name} run, which has {sorted(theirs)}"
    extra = f"extra in the {candidate.name} run, the {reference.name} run has {sorted(ours)}"
    mismatches = {name: missing if name in ours else extra for name in ours.keys() ^ theirs.keys()}
    of_all, of_one = {*metrics.always(), *also}, only or {}
    centres = _centres(reference)
    probes = {
        name: Probe(
            (ours[name], theirs[name]),
            {text: metrics.load(text) for text in sorted({*of_all, *of_one.get(name, ())})},
            centres.get(name),
            (parts or {}).get(name, ()),
        )
        for name in sorted(ours.keys() & theirs.keys())
    }
    samples = 0
    for block, other in aligned(reference, candidate):
        for name, probe in probes.items():
            probe.add(samples, block[name], other[name])
        samples += count_samples(block)
    if samples == 0:
        raise UnjudgeableRun(f"{reference.name} and {candidate.name}: no sample; expected at least two that differ")
    mismatches |= {name: probe.mismatch for name, probe in probes.items() if probe.mismatch}
    whole = [probe for name, probe in probes.items() if name not in mismatches]
    return Measured(
        samples=samples,
        outputs=tuple(sorted(ours)),
        seen={probe.name: probe.seen() for probe in whole},
        measurements=tuple(one for probe in whole for one in probe.measurements(samples)),
        mismatches=dict(sorted(mismatches.items())),
        inapplicable={(probe.name, metric): reason for probe in whole for metric, reason in probe.inapplicable.items()},
    )


def _centres(run: RunOutputs) -> dict[str, Real]:
    """Return the mean of each channel of each output, (C,) of its last axis, over samples and positions.

    Outputs of whole numbers have one too, because they may be counts. Only finite numbers count: a NaN does not spread. It is 0 without any.
    """
    specs = {spec.name: spec for spec in run.signature.outputs}
    sums: dict[str, Real] = {}
    for block in checked(run):
        for name, spec in specs.items():
            array = block[name]
            if not array.size:
                continue
            real = spec.dequantize(array)
            rows = real.reshape(-1, real.shape[-1]) if array.ndim > 1 else real.reshape(-1, 1)
            finite = np.isfinite(rows)
            with np.errstate(over="ignore"):
                # Scaled down first: the sum of large numbers may overflow, although their mean does not.
                total = np.stack([np.where(finite, rows / _PART, 0).sum(axis=0), finite.sum(axis=0)])
            if name not in sums:
                sums[name] = total
            elif sums[name].shape == total.shape:  # another shape is a mismatch, reported elsewhere
                sums[name] = sums[name] + total
    return {name: total / np.maximum(count, 1) * _PART for name, (total, count) in sums.items()}
