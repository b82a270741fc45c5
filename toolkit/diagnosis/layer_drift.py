"""The layers of a quantized artifact that drift from the float one, and which of them to keep in float.

drift = drift_of(executor.run(layers_job(floats, artifact, samples))[0])
drift.text(), drift.ranking(), write(drift, out, executor)
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from toolkit import environments, printable
from toolkit.diagnosis.model_explorer import NODE_DATA, node_data
from toolkit.diagnosis.worker.results import DriftResult, LayerRow, NoiseRow, Unmatched
from toolkit.execution.run import HOST_RUNTIME
from toolkit.files import outputs
from toolkit.files.foreign import read_json
from toolkit.files.shapes import COUNT
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Engine, Job, Output
from toolkit.jobs.store import Entry
from toolkit.printable import Text

_PLOTS = "plots"
_DOCUMENT = outputs.kind_of_json("drift")
_NAMED = 44  # the last characters of a tensor's name: they distinguish layers
_COLUMNS = ("layer", "dtype", "isolated", "cumulative", "at output", "rmse/scale", "max abs", "saturated", "worst")


@dataclass(frozen=True, slots=True)
class Noise:
    """How far a tensor is from its float values over all samples, in real units. `rmse_per_scale` is None if it is not quantized."""

    sqnr_db: float
    rmse: float
    rmse_per_scale: float | None
    max_abs: float
    worst_sample: int
    worst_sample_sqnr_db: float

    @classmethod
    def from_json(cls, content: NoiseRow) -> Noise:
        """Return the noise from a worker's row, in which "inf" stands for infinity."""
        steps = content["rmse_per_scale"]
        return cls(
            float(content["sqnr_db"]),
            float(content["rmse"]),
            None if steps is None else float(steps),
            float(content["max_abs"]),
            int(content["worst_sample"]),
            float(content["worst_sample_sqnr_db"]),
        )


@dataclass(frozen=True, slots=True)
class Layer:
    """One tensor that an operator gives.

    `float_tensor` is its counterpart's name, found by "name" or "order" (`matched`). `isolated` is its own error, None if it could not run alone
    (`not_isolated` says why). `cumulative` includes all errors before it. `cost` is the noise at the model's output if only this layer has an error,
    as a share of the signal's power; None if that could not run. `saturated` is the share of float values outside the range that the tensor can hold.
    The float values lie between `low` and `high`.
    """

    operator: str
    tensor: str
    float_tensor: str
    matched: str
    dtype: str
    low: float
    high: float
    saturated: float
    cumulative: Noise
    isolated: Noise | None
    cost: float | None
    not_isolated: str | None

    @classmethod
    def from_json(cls, content: LayerRow) -> Layer:
        """Return a row of the worker's layers.json."""
        isolated, cost = content["isolated"], content["cost"]
        low, high = content["range"]
        return cls(
            operator=content["operator"],
            tensor=content["tensor"],
            float_tensor=content["float_tensor"],
            matched=content["matched"],
            dtype=content["dtype"],
            low=float(low),
            high=float(high),
            saturated=float(content["saturated"]),
            cumulative=Noise.from_json(content["cumulative"]),
            isolated=None if isolated is None else Noise.from_json(isolated),
            cost=None if cost is None else float(cost),
            not_isolated=content["not_isolated"],
        )

    @property
    def cost_db(self) -> float | None:
        """The SQNR in dB at the model's output if only this layer has an error."""
        if self.cost is None:
            return None
        return math.inf if self.cost == 0 else -10 * math.log10(self.cost)


class RankedDrift(DriftResult):
    """The worker's measurements, and the ranking by tensor name: the first one is the first to keep in float."""

    ranking: list[str]


@dataclass(frozen=True, slots=True)
class Drift:
    """All layers in the order of execution.

    `unmatched` names the tensors without a counterpart, of the artifact ("model") and of the float file ("floats").
    """

    layers: tuple[Layer, ...]
    unmatched: Unmatched
    samples: int
    found: DriftResult

    def __repr__(self) -> str:
        return f"<Drift of {len(self.layers)} layers over {self.samples} samples>"

    def ranking(self) -> list[Layer]:
        """Return the layers with an error, the first to keep in float first: the one whose own error costs most at the model's output.

        The true order comes from quantizing each layer with all others in float. The cost gives nearly that order (rank correlation 0.92 on the
        sample's network, 0.93 on a transformer block with outliers). The error at a layer's own output does not (0.35 and 0.55). A layer of unknown
        cost is ranked by that error.
        """
        erring = [layer for layer in self.layers if layer.isolated is not None and _share(layer) > 0]
        return sorted(
            erring, key=lambda layer: (-(_share(layer) if layer.cost is None else layer.cost), -_share(layer))
        )

    def to_json(self) -> RankedDrift:
        """Return plain JSON: the rows as the worker measured them, and the ranking by tensor name. "inf" stands for infinity."""
        return {**self.found, "ranking": [layer.tensor for layer in self.ranking()]}

    def text(self) -> Text:
        """Return the table for people, and below it the tensors that could not be examined."""
        ranks = {layer.tensor: place for place, layer in enumerate(self.ranking(), 1)}
        rows = [("rank", *_COLUMNS), *((str(ranks.get(each.tensor, "")), *_cells(each)) for each in self.layers)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        left = {1, 2}
        lines = [
            "  ".join(
                cell.ljust(width) if column in left else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        notes = [
            f"not run alone: {each.operator} {each.tensor}: {each.not_isolated}"
            for each in self.layers
            if each.not_isolated
        ]
        for of, names in (("the artifact", self.unmatched["model"]), ("the float file", self.unmatched["floats"])):
            notes += [f"without a counterpart, of {of}: {name}" for name in names]
        about = "isolated, cumulative, at output: SQNR in dB; at output: if only this layer erred; worst: sample of the least SQNR"
        return printable.lines([*lines, "", f"{self.samples} samples. {about}", *notes])


def layers_job(
    floats: Path | Output, artifact: Path | Output, samples: Path | Output, *, kernels: str = "default"
) -> Job:
    """Return the job that measures each layer of a quantized .tflite against its float one."""
    return Job(
        f"measuring the drift by layer of {artifact.name if isinstance(artifact, Path) else Path(artifact.name).name}",
        "diagnosis.worker.layer_drift",
        "layers",
        Engine(HOST_RUNTIME),
        options={"runtime": HOST_RUNTIME, "kernels": kernels},
        inputs={"floats": floats, "model": artifact, "samples": samples},
        plugins=(f"execution.runtimes.{HOST_RUNTIME}",),
    )


def drift_of(entry: Entry) -> Drift:
    """Return the drift from a finished job of `layers_job`."""
    shape = {"layers": [dict], "unmatched": dict, "samples": COUNT}
    found: DriftResult = read_json(entry.out / "layers.json", shape, finite=False)
    layers = tuple(Layer.from_json(row) for row in found["layers"])
    return Drift(layers, found["unmatched"], int(found["samples"]), found)


def plot_job(drift: Drift, title: str) -> Job:
    """Return the job that draws drift by layer: plot.png and plot.svg."""
    rows = [
        {
            "label": printable.name(f"{layer.operator} {layer.tensor}"),
            "isolated_db": None if layer.isolated is None else _drawable(layer.isolated.sqnr_db),
            "cumulative_db": _drawable(layer.cumulative.sqnr_db),
            "cost_db": _drawable(layer.cost_db),
        }
        for layer in drift.layers
    ]
    return Job(
        "plotting drift by layer",
        "diagnosis.worker.plots",
        "layers",
        Engine(_PLOTS),
        options={"title": printable.name(title), "rows": rows},
    )


def write(drift: Drift, out: Path, title: str, executor: Executor) -> None:
    """Write `out/layers.json`, `.png`, `.svg`, and two node-data files of Model Explorer: one for the isolated and one for the cumulative drift."""
    document = {"format": "edge-toolkit drift", **drift.to_json()}
    outputs.write_text(json.dumps(document, indent=2, allow_nan=False), out / "layers.json", _DOCUMENT)
    isolated = {each.tensor: each.isolated.sqnr_db for each in drift.layers if each.isolated is not None}
    cumulative = {each.tensor: each.cumulative.sqnr_db for each in drift.layers}
    for name, values in (("isolated", isolated), ("cumulative", cumulative)):
        text = json.dumps(node_data(values), indent=2, allow_nan=False)
        outputs.write_text(text, out / f"model_explorer_{name}.json", NODE_DATA)
    if not executor.settings.offline and environments.find(_PLOTS, settings=executor.settings) is None:
        environments.setup([_PLOTS], executor.settings)
    (drawn,) = executor.run(plot_job(drift, title))
    for suffix in ("png", "svg"):
        outputs.copy_whole(drawn.out / f"plot.{suffix}", out / f"layers.{suffix}", outputs.PLOTS[suffix])


def outputs_in(out: Path) -> list[outputs.OutputPath]:
    """Return the files that `write` writes to a folder."""
    kinds = {"layers.json": _DOCUMENT} | {
        f"model_explorer_{name}.json": NODE_DATA for name in ("isolated", "cumulative")
    }
    kinds |= {f"layers.{suffix}": kind for suffix, kind in outputs.PLOTS.items()}
    return [outputs.OutputPath(out / name, kind.refusal) for name, kind in kinds.items()]


def _share(layer: Layer) -> float:
    """Return a layer's own noise as a share of its signal's power."""
    if layer.isolated is None or layer.isolated.sqnr_db == math.inf:
        return 0.0
    return math.inf if layer.isolated.sqnr_db == -math.inf else 10 ** (-layer.isolated.sqnr_db / 10)


def _drawable(decibels: float | None) -> float | None:
    return decibels if decibels is not None and math.isfinite(decibels) else None


def _cells(layer: Layer) -> tuple[str, ...]:
    own = layer.isolated
    name = layer.tensor if len(layer.tensor) <= _NAMED else f"…{layer.tensor[1 - _NAMED :]}"
    return (
        printable.name(f"{layer.operator} {name}"),
        layer.dtype,
        "-" if own is None else f"{own.sqnr_db:.1f}",
        f"{layer.cumulative.sqnr_db:.1f}",
        "-" if layer.cost_db is None else f"{layer.cost_db:.1f}",
        "-" if own is None or own.rmse_per_scale is None else f"{own.rmse_per_scale:.2f}",
        f"{(own or layer.cumulative).max_abs:.3g}",
        f"{layer.saturated:.2%}",
        str((own or layer.cumulative).worst_sample),
    )
