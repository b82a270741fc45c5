"""Searches for the operator that diverges in a stage: jobs run both sides again with all tensors readable.

Every runtime on every launcher can run the files that these jobs make, so the search works on each device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolkit.diagnosis.ranking import by_own_noise, by_rise, fell_again
from toolkit.diagnosis.reproduce_operator import Looked, reproduced
from toolkit.diagnosis.stage_sides import diverging, said, sides
from toolkit.diagnosis.worker.results import DivergenceResult, HandoverResult
from toolkit.errors import EdgeToolkitError, RequestError
from toolkit.execution.run import HOST_RUNTIME, Execution, model_of, run_job, run_of
from toolkit.files.foreign import read_json
from toolkit.files.shapes import Either
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Engine, Job, Output
from toolkit.pipeline.stages import Chain
from toolkit.source.loading_job import TENSORFLOW
from toolkit.verdict.attribution import BY_BITS, Attribution, OperatorDeviation
from toolkit.verdict.attribution_text import decibels
from toolkit.verdict.chain import Judged

_HOST = Engine(HOST_RUNTIME)
# Of kept tensors on each side: a large network is examined over fewer samples, but at least one.
_SEEN_BYTES = 1 << 26
_NAMED = 4  # operators that are not compared, by name
_UNTOLD = {
    "source": "both sides are TensorFlow graphs, from which no operator can be extracted",
    "rewrite": "the rewritten file has the same operators between its inputs and outputs",
    "edges": "both sides are one file on the same kernels, fed with numbers that it rounds otherwise",
}


def samples_of(judged: Judged, stage: str, count: int) -> tuple[int, ...]:
    """Return the samples to examine, at most `count` of those that the stage ran: the worst ones of its failed comparisons, then the first ones.

    If the stage kept its bounds, the worst ones are those of the total's failed comparisons.
    """
    stages = [each for each in judged.stages if each.stage == stage]
    ran = min(each.measured.samples for each in [*stages, judged.total])
    failed = [each for one in [*stages, judged.total] for each in one.comparisons if each.status == "failed"]
    worst = [each.worst_sample for each in failed if each.worst_sample is not None and each.worst_sample < ran]
    return tuple(dict.fromkeys([*worst, *range(min(count, ran))]))[:count]


def attribute(chain: Chain, stage: str, samples: Sequence[int], executor: Executor) -> Attribution:
    """Return the operator that diverges in a stage of a chain, over these samples, the most important first. The chain's jobs have run.

    If no operator can be named, `Attribution.why` says why: a model, a runtime or a device never makes this fail. Raise UnknownName for a stage that
    the chain does not have, RequestError if none of the samples ran on both sides of the stage.
    """
    before, after = sides(chain, stage, executor)
    ended = executor.outcomes([before, after])
    failed = next((each.error for each in ended if each.error is not None), None)
    if failed is not None:
        return Attribution(stage, before.title, after.title, why=f"it did not run: {failed.problem}")
    runs = [run_of(each.entry) for each in ended]
    known = [number for number in dict.fromkeys(samples) if 0 <= number < min(run.count for run in runs)]
    if not known:
        raise RequestError(
            f"samples {list(samples)}: the stage {stage} ran the first {min(run.count for run in runs)}; choose among these"
        )
    search = _Search(chain, stage, (before, after), (said(before, runs[0]), said(after, runs[1])), executor)
    try:
        why = _UNTOLD.get(stage)
        return search.found(known) if why is None else search.untold(why)
    except EdgeToolkitError as error:
        return search.untold(error.problem)


@dataclass(frozen=True, slots=True)
class _Search:
    """The stage of a search: the jobs of its two sides, and their names."""

    chain: Chain
    stage: str
    jobs: tuple[Job, Job]
    names: tuple[str, str]
    executor: Executor

    def found(self, samples: Sequence[int]) -> Attribution:
        """Return the result over the samples that both sides ran."""
        if self.chain.target.format != "tflite":
            return self.untold(f"no operator can be extracted from a .{self.chain.target.format} file")
        looked = self._look(samples)
        (weighed,) = self.executor.run(
            _job(
                "operators against one another",
                "weigh",
                looked.inputs,
                {"samples": looked.samples, "one_file": self.stage in BY_BITS},
            )
        )
        held: DivergenceResult = read_json(weighed.out / "rows.json", {"rows": [dict]}, finite=False)
        operators = by_own_noise(held["rows"], looked.samples, by_bits=self.stage in BY_BITS)
        output, notes = None, _notes(held)
        if self.stage == "quantization":
            operators, output, note = self._handed_over(operators, looked)
            notes += note
        made = Attribution(
            self.stage,
            *self.names,
            tuple(looked.samples),
            tuple(operators),
            output,
            diverging=diverging(self.stage, self.jobs, self.executor),
            notes=tuple(notes),
        )
        folder, about = reproduced(made, looked, self.executor)
        return replace(made, reproduction=folder, about_reproduction=about)

    def untold(self, why: str) -> Attribution:
        """Return an attribution without operators: how far the outputs are apart, and why no operator is named."""
        return Attribution(self.stage, *self.names, why=why, diverging=diverging(self.stage, self.jobs, self.executor))

    def _look(self, samples: Sequence[int]) -> Looked:
        """Run both sides, and each operator alone, over as many of the samples as fit in memory."""
        before, after = self.jobs
        model = model_of(after)
        floats = model_of(before) if self.stage == "quantization" else None
        files: dict[str, Path | Output] = {"model": model, **({} if floats is None else {"floats": floats})}
        keys = {"model": after.options["signature"], "floats": None}
        tapped = {
            name: _job(f"exposing all tensors of {_name(file)}", "tap", {"model": file}, {"signature": keys[name]})
            for name, file in files.items()
        }
        most = max(1, _SEEN_BYTES // max(entry.result["bytes"] for entry in self.executor.run(*tapped.values())))
        picking = {"samples": list(samples[:most])}
        picked = _job("taking the samples to look at", "pick", {"samples": self.chain.model.verification}, picking)
        drawn = picked.output("samples")
        if self.stage == "conversion":
            taps, runs = self._of_tensorflow(model, drawn), {}
        else:
            side = tapped["model" if floats is None else "floats"].output("tapped.tflite")
            taps = run_job(side, drawn, Execution.of(before)).output("outputs")
            runs = {"before": before.output("outputs")}
        given = run_job(tapped["model"].output("tapped.tflite"), drawn, Execution.of(after)).output("outputs")
        (entry, *_) = self.executor.run(picked, taps.job, given.job)
        inputs: dict[str, Path | Output] = {**files, "samples": drawn, "taps": taps, "given": given}
        feeding = _job(f"taking the inputs of each operator of {_name(model)}", "feed", inputs)
        fed = feeding.output("samples")
        alone = run_job(feeding.output("apart.tflite"), fed, Execution.of(after)).output("outputs")
        inputs = {**inputs, **runs, "after": after.output("outputs"), "alone": alone}
        twice = Execution.of(before) if self.stage in BY_BITS else None
        return Looked(inputs, fed, list(entry.result["samples"]), Execution.of(after), twice)

    def _of_tensorflow(self, model: Path | Output, drawn: Output) -> Output:
        """Return the values of the canonical form's graph for the float artifact's tensors, if both have the same name."""
        inputs = {"model": model, "samples": drawn, "saved_model": self.chain.model.canonical.output("saved_model")}
        return Job(
            "running the original's graph for all of its tensors",
            "diagnosis.worker.graph_values",
            "taps",
            TENSORFLOW,
            inputs=inputs,
        ).output("outputs")

    def _handed_over(
        self, operators: list[OperatorDeviation], looked: Looked
    ) -> tuple[list[OperatorDeviation], str | None, list[str]]:
        """Return three parts: the operators with the noise that each makes at the output that moves most, that output, and notes."""
        job = Job(
            "running from each operator on in float",
            "diagnosis.worker.handover",
            "hand_over",
            _HOST,
            inputs=looked.inputs,
        )
        (ended,) = self.executor.outcomes([job])
        if ended.error is not None:
            return (
                operators,
                None,
                [
                    f"the float file cannot continue from the quantized one ({ended.error.problem}); operators are ranked by their own noise"
                ],
            )
        held: HandoverResult = read_json(
            ended.entry.out / "curve.json", {"curve": [{"shares": Either(dict, None)}]}, finite=False
        )
        shares = [each["shares"] for each in held["curve"] if each["shares"] is not None]
        if not shares:
            return (
                operators,
                None,
                ["the float file cannot continue from the quantized one; operators are ranked by their own noise"],
            )
        output = max(shares[-1], key=lambda name: float(shares[-1][name]))
        began = 0.0 if held["begin"] is None else float(held["begin"][output])
        own = f"quantized inputs alone make noise at output {output!r}, SQNR {decibels(began)} dB, which is attributed to no operator"
        notes = [own] if began > 0 else []
        fell = set(fell_again(held["curve"], output))
        named = [str(each) for each in operators if each.place in fell and each.cumulative is not None][:_NAMED]
        if named:
            took = "handing over there makes noise that the next operators remove, so it is attributed to none"
            notes.append(f"{took}: {', '.join(named)}")
        return by_rise(operators, held["curve"], output, began), output, notes


def _name(file: Path | Output) -> str:
    return file.name if isinstance(file, Path) else Path(file.name).name


def _job(title: str, call: str, inputs: Mapping[str, Path | Output], options: Mapping[str, Any] | None = None) -> Job:
    return Job(title, "diagnosis.worker.divergence", call, _HOST, options=options or {}, inputs=inputs)


def _notes(held: DivergenceResult) -> list[str]:
    """Return the limits of the search, one sentence each."""
    missing = held["unmatched"]
    notes = [f"nothing in the reference corresponds to {len(missing)}, as {missing[0]}"] if missing else []
    if held["misnamed"]:
        called = ", ".join(held["misnamed"][:_NAMED])
        notes.append(f"not compared, as the reference uses these names for something else: {called}")
    for side, whose in (("before", "reference"), ("after", "candidate")):
        if held["same"].get(side) is False:
            notes.append(
                f"the {whose} computes something else while its tensors are read: this is about that, not about the run itself"
            )
    return notes
