"""Run an artifact over samples on a target's runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from toolkit.bundle import bundle
from toolkit.comparison import saved_runs
from toolkit.execution.latency import LatencyRequest
from toolkit.execution.run import Run, compiled_first, on_device, run_job, run_of
from toolkit.execution.timing_jobs import timing_jobs
from toolkit.files import outputs
from toolkit.jobs.executor import Executor
from toolkit.pipeline.prepare import executing, require_some_timed
from toolkit.pipeline.stages import execution_of, require_version
from toolkit.source.original import Original
from toolkit.verbs.arguments import Place, profile_files, targets_of
from toolkit.verbs.verify import artifact_at
from toolkit.verdict.stage_run import StageRun
from toolkit.wire.shards import read_index


def run(
    artifact: Place,
    target: Place,
    samples: Place,
    out: Place,
    *,
    trust: bool = False,
    timing: LatencyRequest | None = None,
    executor: Executor | None = None,
) -> Run:
    """Run an artifact over all samples of a set, in the set's order, on a target's runtime; write the outputs, (N, *shape) by name.

    `out` is an .npz, or a .safetensors, which also names the artifact and the samples (`toolkit.comparison.saved_runs`). A quantized input takes real
    numbers, which are quantized for it, or integers of its own dtype, unchanged; `Run.fed` says which. With `trust` it also runs where jobs are not
    confined. `timing` asks for the latency too (`Run.latency`); RequestError if the target is not the device itself.
    """
    from toolkit.profiles import runnable
    from toolkit.samples import dataset

    timing = timing or LatencyRequest()
    artifact, out, samples = Path(artifact), Path(out), str(samples)
    (name,) = targets_of(target)
    profile = runnable(name)
    require_some_timed([profile], timing)
    kind = bundle.RUN if out.suffix == saved_runs.SUFFIX else bundle.NPZ
    outputs.require_files([outputs.OutputPath(out, kind.refusal)], (artifact, samples, *profile_files([name])))
    dataset.require_readable(samples)
    with executing(executor, Original(artifact, trust=trust)) as running:
        held = artifact_at(artifact, running)
        drawn = dataset.whole_set_job(samples, _as_fed(held.signature.to_json()))
        ran = compiled_first(run_job(artifact, drawn.output("verification"), execution_of(profile)))
        job = on_device(ran, profile.name)
        entry, samples_entry = running.run(job, drawn)
        result = replace(run_of(entry), fed=_how_fed(held.signature.to_json(), samples_entry.out / "verification"))
        require_version(result, profile)
        if timing.asked:
            execution, limits = execution_of(profile), running.settings.limits
            jobs = timing_jobs(artifact, drawn.output("verification"), execution, timing, limits)
            result = replace(result, latency=jobs.latency(running.run(*jobs.all), result.engine))
        if out.suffix == saved_runs.SUFFIX:
            bundle.write_run(
                StageRun(profile.name, result, result.signature),
                samples_entry.out / "verification",
                out,
            )
        else:
            bundle.write_npz(result, out)
    return result


def _as_fed(signature: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the signature that samples must fit: a quantized input takes real numbers, which are quantized for it, or its own integers."""
    inputs = [
        {"name": spec["name"], "dtype": spec["dtype"], "shape": spec["shape"]}
        | ({"dtype": "float32", "integers": spec["dtype"]} if "scale" in spec else {})
        for spec in signature["inputs"]
    ]
    return {**signature, "inputs": inputs}


def _how_fed(signature: Mapping[str, Any], samples: Path) -> dict[str, str]:
    """Return for each quantized input how the samples were fed."""
    given = read_index(samples)["tensors"]
    return {
        spec["name"]: f"{spec['dtype']}, as given"
        if given[spec["name"]]["dtype"] == spec["dtype"]
        else f"{given[spec['name']]['dtype']}, quantized to {spec['dtype']}"
        for spec in signature["inputs"]
        if "scale" in spec
    }
