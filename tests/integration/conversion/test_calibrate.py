"""The calibrator on LiteRT: what taps show of networks that read buffers twice, keep state or branch; and the converter's own calibration."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from toolkit.conversion.calibration_job import ranges_job, statistics_job
from toolkit.environments import resolve
from toolkit.errors import InvalidSamples, WorkerRefused
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.profiles.recipe import estimator
from toolkit.settings import Settings
from toolkit.wire.shards import ShardWriter
from toolkit.wire.statistics import Statistics

ROOT = Path(__file__).resolve().parents[3]
STEPS = ("stem", "one/branch", "one/sum", "two/branch", "two/sum", "y")


@pytest.fixture(scope="module")
def settings(home):
    return Settings(home=home, offline=True)


@pytest.fixture(scope="module")
def executor(settings):
    with LocalExecutor(settings) as shared:
        yield shared


@pytest.fixture(scope="module")
def files(settings, tmp_path_factory):
    """Return the folder that make_flatbuffers.py writes."""
    folder = tmp_path_factory.mktemp("files")
    command = [resolve("litert", settings=settings).python, Path(__file__).parents[1] / "make_flatbuffers.py", folder]
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def seen(files):
    """Return what was seen of the residual network, by way of looking and tensor."""
    with np.load(files / "residual.npz") as held:
        return dict(held)


@pytest.fixture
def shards(tmp_path):
    """Return a function that writes samples, {name: (N, *shape)}, and returns their folder."""

    def write(length=None, **arrays):
        folder = tmp_path / f"samples{len(list(tmp_path.iterdir()))}"
        with ShardWriter(folder) as writer:
            for row in range(len(next(iter(arrays.values())))):
                writer.add({name: array[row] for name, array in arrays.items()})
        if length is not None:
            (folder / "sequences.json").write_text(json.dumps({"length": length}))
        return folder

    return write


@pytest.fixture
def gathered(files, executor):
    """Return a function that gathers the statistics of a network in so many parts and merges them: (statistics, what the last job says)."""

    def gather(name, samples, parts=1, *, histograms=True):
        jobs = [
            Job(
                f"gather {part}",
                "conversion.calibrate",
                "gather",
                Engine("litert"),
                {"runtime": "litert", "histograms": histograms, "part": part, "parts": parts},
                {"model": files / f"{name}.tflite", "samples": samples},
                plugins=("execution.runtimes.litert",),
            )
            for part in range(parts)
        ]
        inputs = {f"part{part}": job.output("statistics") for part, job in enumerate(jobs)}
        (entry,) = executor.run(Job("merge", "conversion.calibrate", "merge", Engine("litert"), inputs=inputs))
        return entry.out / "statistics", entry.result

    return gather


def by_name(folder):
    found = Statistics.read(folder)
    return {name: found.extremes[:, place] for place, name in enumerate(found.names)}


@pytest.mark.parametrize("way", ["taps, default", "taps, builtin"])
@pytest.mark.parametrize("step", STEPS)
def test_taps_show_what_each_operator_of_a_residual_network_gave(seen, way, step):
    """With XNNPACK and without."""
    assert seen[f"{way}:{step}"] == pytest.approx(seen[f"numpy:{step}"], rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("step", STEPS)
def test_taps_on_plain_kernels_are_what_an_interpreter_that_preserves_all_tensors_holds(seen, step):
    assert np.array_equal(seen[f"taps, builtin:{step}"], seen[f"preserved:{step}"])


def test_the_buffer_of_a_branch_holds_the_sum_after_the_run(seen):
    """So reading buffers by then is wrong: ADD works in place."""
    assert np.array_equal(seen["naive:two/branch"], seen["naive:two/sum"])
    assert np.abs(seen["naive:two/branch"] - seen["numpy:two/branch"]).max() > 1
    assert np.abs(seen["naive:one/branch"] - seen["numpy:one/branch"]).max() > 1


def test_statistics_of_a_residual_network_are_those_of_its_values(seen, gathered, shards):
    folder, _ = gathered("residual", shards(x=seen["samples"]))

    found = Statistics.read(folder)

    assert found.names == ("x", *STEPS)
    for place, step in enumerate(STEPS, 1):
        values = seen[f"taps, default:{step}"]
        assert np.array_equal(found.extremes[:, place, 0], values.min(axis=(1, 2))), step
        assert np.array_equal(found.extremes[:, place, 1], values.max(axis=(1, 2))), step
        assert found.sums[:, place, 0] == pytest.approx(values.sum(axis=(1, 2)), rel=1e-5, abs=1e-4)
        assert np.array_equal(found.counts[place], np.histogram(values, found.edges * found.widths[place])[0]), step


@pytest.mark.parametrize("histograms", [False, True])
def test_statistics_are_the_same_bytes_in_any_number_of_parts(seen, gathered, shards, histograms):
    """More parts than samples too."""
    samples = shards(x=seen["samples"])
    folders = [gathered("residual", samples, parts, histograms=histograms)[0] for parts in (1, 3, 23)]

    written = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]

    assert all(each == written[0] for each in written)
    assert ("counts.npy" in written[0]) is histograms


def test_all_cores_give_what_one_gives(seen, gathered, executor, files, shards):
    samples = shards(x=seen["samples"])
    (entry,) = executor.run(statistics_job(files / "residual.tflite", samples, "litert", histograms=True))

    folder, _ = gathered("residual", samples)

    for path in folder.iterdir():
        assert (entry.out / "statistics" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.fixture(scope="module")
def extremes(files):
    """Return rows (samples, tensors, 3) by network and way of looking."""
    with np.load(files / "extremes.npz") as held:
        return dict(held)


@pytest.mark.parametrize("way", ["said", "shown"])
@pytest.mark.parametrize("name", ["residual", "gated", "logarithm", "counter", "recurrent", "awkward"])
def test_kernels_say_the_extremes_that_the_values_have(extremes, name, way):
    """Bit for bit, or nothing: with state that goes on, too."""
    said, values = extremes[f"{name}:{way}"], extremes[f"{name}:numpy"]
    known = ~np.isnan(said[:, :, 0])

    assert np.array_equal(said[known].view(np.int64), values[known].view(np.int64))


def test_kernels_say_nothing_of_what_they_do_not_know(extremes):
    """Of scalars, open sizes, no values, seven axes, what a branch gives, and NaN."""
    unsaid = {
        name: np.isnan(extremes[f"{name}:said"][:, :, 0]) for name in ("residual", "awkward", "gated", "logarithm")
    }
    nan = np.isnan(extremes["logarithm:numpy"][:, :, 0])

    assert not unsaid["residual"].any()
    assert unsaid["awkward"].tolist() == [[False, False, True, True, True, False, True]] * 6
    assert unsaid["gated"].tolist() == [[False, False, False, False, True]] * 6
    assert nan.any()
    assert np.array_equal(unsaid["logarithm"], nan)


@pytest.mark.parametrize("histograms", [False, True])
def test_extremes_that_kernels_do_not_say_are_looked_for_in_the_values(gathered, shards, histograms):
    samples = np.array([[[-3, 1, 2, 0]], [[3e38, 2e38, 1, -1]]], np.float32)  # the sum of the second overflows

    found = by_name(gathered("awkward", shards(x=samples), histograms=histograms)[0])

    ends = {name: rows.tolist() for name, rows in found.items() if name != "scalar"}
    assert found["scalar"].tolist() == [[3, 3], [np.float32(3e38)] * 2]
    assert ends.pop("open") == [[0, 3], [1, np.float32(3e38)]]
    assert ends.pop("empty") == [[0, 0], [0, 0]]
    assert set(ends) == {"x", "same", "rank6", "rank7"}
    assert all(rows == [[-3, 2], [-1, np.float32(3e38)]] for rows in ends.values())


@pytest.mark.parametrize("histograms", [False, True])
def test_extremes_have_no_negative_zero(gathered, shards, histograms):
    """Which of two zeros is found depends on the kernel."""
    zeros = np.array([[[0.0, -0.0, 0.0, -0.0]], [[-0.0] * 4], [[-0.0, 0.0, 0.0, 0.0]]], np.float32)

    found = Statistics.read(gathered("awkward", shards(x=zeros), histograms=histograms)[0])

    assert not found.extremes.any()
    assert not np.signbit(found.extremes).any()


def test_state_is_right_where_a_sum_overflows_after_some_samples(gathered, shards):
    """The set is seen from the start again: the sample that did it would else begin without a state."""
    step = 2.0**124  # four fours of it are beyond float32

    folder, _ = gathered("counter", shards(x=np.full((7, 1, 4), step, np.float32)), histograms=False)

    assert (by_name(folder)["after"][:, 1] / step).tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_tensors_are_named_as_in_the_file_and_twins_are_told_apart(gathered, shards):
    """Inputs are fed by their names in the signature; an integer tensor has no range; what a branch computes is told to be unread."""
    left, right = np.full((2, 1, 4), 2, np.float32), np.full((2, 1, 4), 3, np.float32)

    folder, result = gathered("gated", shards(a=left, b=right))

    found = by_name(folder)
    assert list(found) == ["left:0", "right:0", "twin#2", "twin#4", "chosen"]
    assert {name: float(extremes[0, 0]) for name, extremes in found.items()} == {
        "left:0": 2,
        "right:0": 3,
        "twin#2": 6,
        "twin#4": 6,
        "chosen": 36,
    }
    assert result["unread"] == ["ADD/inside", "MUL/inside"]


def test_gates_of_a_fused_lstm_are_told_to_be_unread(gathered, shards):
    """And its state, in variable tensors, begins anew with each sample."""
    same = np.tile(np.linspace(-1, 1, 4, dtype=np.float32), (5, 1, 1, 1))

    folder, result = gathered("recurrent", shards(x=same), parts=2)

    assert result["unread"] == [f"gate{index}" for index in range(4)]
    assert np.ptp(by_name(folder)["y"], axis=0).tolist() == [0, 0]
    assert not set(result["unread"]) & set(Statistics.read(folder).names)


@pytest.mark.parametrize("parts", [1, 2, 5])
@pytest.mark.parametrize(
    ("length", "totals"), [(None, [1, 2, 3, 4, 5, 6, 7]), (3, [1, 2, 3, 1, 2, 3, 1]), (1, [1] * 7)]
)
def test_state_goes_on_within_a_sequence_and_begins_anew_with_the_next(gathered, shards, parts, length, totals):
    """However the set is dealt; without sequences it goes on through all of it."""
    folder, _ = gathered("counter", shards(length=length, x=np.ones((7, 1, 4), np.float32)), parts)

    assert by_name(folder)["after"][:, 1].tolist() == totals


@pytest.mark.parametrize("histograms", [False, True])
def test_a_sample_that_makes_nan_is_named_with_the_activation(gathered, shards, histograms):
    """Sample 313 of 500 is finite, and its logarithm is not."""
    samples = np.ones((500, 1, 4), np.float32)
    samples[313, 0, 2] = -1

    with pytest.raises(InvalidSamples, match=r"sample 313 makes the activation 'log' NaN or infinite"):
        gathered("logarithm", shards(x=samples), parts=2, histograms=histograms)


def test_an_empty_set_is_refused(gathered, shards):
    with pytest.raises(InvalidSamples, match="calibration: no sample"):
        gathered("residual", shards(x=np.ones((0, 1, 4), np.float32)))


def test_an_estimator_of_histograms_is_not_asked_without_them(seen, gathered, executor, shards):
    folder, _ = gathered("residual", shards(x=seen["samples"]), histograms=False)

    with pytest.raises(WorkerRefused, match="estimator mse: needs histograms"):
        executor.run(ranges_job(folder, estimator("mse"), "litert"))


@pytest.fixture(scope="module")
def converted(executor, sample, tmp_path_factory):
    """Return (float artifact of the embedded sample, samples for it, what the converter's own calibration says)."""
    samples = tmp_path_factory.mktemp("digits") / "samples"
    with np.load(ROOT / "calibration" / "digits.npz") as held, ShardWriter(samples) as writer:
        for image in held["images"][:40]:
            writer.add({"image": image[np.newaxis].astype(np.float32)})
    options = {"model": sample}
    made = Job(
        "convert",
        "conversion.converters.tflite",
        "convert",
        Engine("tensorflow"),
        inputs=options,
        plugins=("conversion.schemes.float32",),
    )
    own = Job(
        "own",
        "conversion.converters.tflite",
        "calibrate",
        Engine("tensorflow"),
        inputs={**options, "calibration": samples},
    )
    artifact, calibrated = executor.run(made, own)
    return artifact.out / "model.tflite", samples, json.loads((calibrated.out / "ranges.json").read_text())["tensors"]


def test_the_converters_own_ranges_have_the_names_of_the_float_artifact(converted, executor):
    """They are ours but for the two tensors that an ADD overwrites in place: its logger looks at their buffers again, too late."""
    model, samples, own = converted
    (entry,) = executor.run(statistics_job(model, samples, "litert", histograms=False))
    (ranges,) = executor.run(ranges_job(entry.out / "statistics", estimator("min_max"), "litert"))
    ours = json.loads((ranges.out / "ranges.json").read_text())["tensors"]

    assert set(own) == set(ours)
    differs = [name for name, range_ in ours.items() if own[name] != pytest.approx(range_, rel=1e-4, abs=1e-4)]
    scaled, branch = differs  # the images before 1 is taken from them, and the convolution that a residual block adds
    assert (ours[scaled], own[scaled]) == ([0, 2], [-1, 2])
    assert "conv2d_3_1/convolution" in branch
    assert own[branch][1] > ours[branch][1]
