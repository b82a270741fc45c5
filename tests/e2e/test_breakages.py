"""Real networks broken on purpose, each in one place of the chain: no verdict passes, and each names the stage that is guilty.

docs/verdicts.md lists them. Which stage is guilty follows from where it is broken, and was written down before anything ran.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import toolkit
from tests.e2e.breakages import IN_FILES, IN_RUNS, InFile, InRun, missed, of
from tests.e2e.broken_networks import Network
from toolkit import Original, Samples
from toolkit.errors import InvalidSamples, RequestError, UnjudgeableRun
from toolkit.pipeline.binding import Renamed

PENGUIN = ("culmen_length_mm", "culmen_depth_mm", "flipper_length_mm", "body_mass_g")
PARSED = "StatefulPartitionedCall/ParseExample/ParseExampleV2"
LAST = "StatefulPartitionedCall/functional_1/dense_2"
LABELLED = """
[reader]
kind   = "arrays"
path   = "{path}"
inputs = {{ {inputs} }}
labels = "labels"
[sampling]
verification = {count}
"""


SLOW = {"resnet8"}  # a thousand images for each breakage


def rows(breakages):
    """Return the names of breakages, those of a network that takes long marked so."""
    return [pytest.param(name, marks=_marks(each.network)) for name, each in breakages.items()]


def _marks(network):
    return [pytest.mark.slow] if network in SLOW else []


def moved(images, right):
    """Return images moved to the right by some pixels; what comes in is the edge."""
    return np.concatenate([np.repeat(images[:, :, :1], right, axis=2), images[:, :, :-right]], axis=2)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a function that writes a set and returns what names it; labels, if there are any, are `labels`."""

    def write(name, **held):
        folder = tmp_path_factory.mktemp(name)
        np.savez(folder / "set.npz", **held)
        if "labels" not in held:
            return str(folder / "set.npz")
        inputs = ", ".join(f'"{key}" = "{key}"' for key in held if key != "labels")
        text = LABELLED.format(path=folder / "set.npz", inputs=inputs, count=len(held["labels"]))
        (folder / "set.toml").write_text(text)
        return str(folder / "set.toml")

    return write


@pytest.fixture(scope="module")
def network(executor, shared_models, written, tmp_path_factory):
    """Return a function that returns one of the networks: built once, with all of its broken files beside it."""
    made = {}

    def make(name):
        if name not in made:
            original, samples, target = globals()[name](shared_models, written)
            folder = tmp_path_factory.mktemp(name)
            made[name] = Network(original, samples, target, executor, folder / "dist")
            breakages = of(name, IN_FILES)
            if name == "penguin":
                weights = str(folder / "retrained.npz")
                np.savez(weights, **retrained(shared_models))
                breakages = {key: with_weights(each, weights) for key, each in breakages.items()}
            made[name].break_files(breakages, folder)
        return made[name]

    return make


def resnet8(models, written):
    """CIFAR-10, ten classes: 128 images eight times, mirrored and moved, so that there are 1000."""
    sets = {}
    for name in ("train", "test"):
        with np.load(models / "resnet8" / f"{name}.npz") as held:
            sets[name] = held["x"].astype(np.float32), held["y"].ravel()
    images, labels = sets["test"]
    right, left = (
        [images, *(moved(images, by) for by in (1, 2, 3))],
        [moved(images[:, :, ::-1], by) for by in (1, 2, 3, 4)],
    )
    both = np.concatenate([*right, *left])[:1000]
    evaluation = written("resnet8-test", input_1=both, labels=np.tile(labels, 8)[:1000])
    calibration = written("resnet8-train", input_1=sets["train"][0])
    return Original(models / "resnet8" / "pretrainedResnet.h5"), Samples(calibration, evaluation), "host"


def vww(models, written):
    """Persons or none: 41 photographs, moved and mirrored; others of them calibrate."""
    with np.load(models / "vww" / "inputs.npz") as held:
        images = held["x"].astype(np.float32)
    evaluation = written("vww-test", input_1=np.concatenate([images, moved(images, 3), moved(images, 6)]))
    calibration = written("vww-train", input_1=images[:, :, ::-1])
    return Original(models / "vww" / "vww_96.h5"), Samples(calibration, evaluation), "linux-x86_64-tflite-runtime"


def penguin(models, written):
    """Three species by four numbers; the scores before the softmax are given too."""
    with np.load(models / "penguin" / "penguin_eval.npz") as held:
        sets = {
            key: {name: held[key][:, [at]].astype(np.float32) for at, name in enumerate(PENGUIN)} for key in ("x", "xt")
        }
    samples = Samples(written("penguin-train", **sets["xt"]), written("penguin-test", **sets["x"]))
    inputs = {name: f"{PARSED}:{at}" for at, name in enumerate(sorted(PENGUIN))}
    outputs = {"scores": f"{LAST}/BiasAdd:0", "probabilities": f"{LAST}/Softmax:0"}
    original = Original(models / "penguin" / "saved_model", inputs=inputs, outputs=outputs)
    return original, samples, "raspberry-pi-4"


def retrained(models):
    """Return weights and biases of the penguins' network after another training: as good, and different."""
    with np.load(models / "penguin" / "penguin_eval.npz") as held:
        x, y, unseen, truth = held["xt"], held["yt"].ravel(), held["x"], held["y"].ravel()
    rng, sizes = np.random.default_rng(1), [(4, 8), (8, 8), (8, 3)]
    held = [part for shape in sizes for part in (rng.normal(0, np.sqrt(2 / shape[0]), shape), np.zeros(shape[1]))]
    means, squares = [np.zeros_like(each) for each in held], [np.zeros_like(each) for each in held]
    for step in range(1, 301):
        slopes = slopes_of(held, x, y)
        for at, slope in enumerate(slopes):  # Adam: Kingma and Ba, 2014
            means[at] = 0.9 * means[at] + 0.1 * slope
            squares[at] = 0.999 * squares[at] + 0.001 * slope**2
            held[at] = held[at] - 0.02 * means[at] / (1 - 0.9**step) / (np.sqrt(squares[at] / (1 - 0.999**step)) + 1e-8)
    assert (layers_of(held, unseen)[-1].argmax(axis=1) == truth).mean() > 0.93
    return {f"{'wb'[at % 2]}{at // 2}": each.T.astype(np.float32) for at, each in enumerate(held)}


def layers_of(held, x):
    """Return what goes into each layer, and the scores."""
    values = [x]
    for at in range(0, 6, 2):
        scores = values[-1] @ held[at] + held[at + 1]
        values.append(scores if at == 4 else np.maximum(scores, 0))
    return values


def slopes_of(held, x, y):
    """Return the gradient of the mean cross-entropy."""
    *values, scores = layers_of(held, x)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    slope = (powers / powers.sum(axis=1, keepdims=True) - np.eye(3)[y]) / len(x)
    found = []
    for at in (4, 2, 0):
        found = [values[at // 2].T @ slope, slope.sum(axis=0), *found]
        slope = (slope @ held[at].T) * (values[at // 2] > 0)
    return found


def with_weights(breakage, path):
    """Return the breakage with the file of the other training's weights."""
    return replace(breakage, given={key: path if each == "RETRAINED" else each for key, each in breakage.given.items()})


def tell(record, judged, guilty):
    """Record what the report says, for who looks into the results (--junitxml): the document's numbers are these."""
    each = missed(judged.comparisons, guilty)
    if each is None:
        record("said", next(found.message for found in judged.findings if found.severity == "error"))
        return
    worst = "" if each.worst_sample is None else f", worst sample {each.worst_sample}"
    record(
        "said", f"{each.stage} {each.output} {each.metric} {each.value:.4g} {each.unit}{worst} {each.detail}".strip()
    )


@pytest.mark.parametrize("name", [pytest.param(name, marks=_marks(name)) for name in ("resnet8", "vww", "penguin")])
def test_unbroken_it_passes(network, name):
    """All that follows has this beside it: with no setting but its samples, int8, as its target prefers."""
    healthy = network(name).healthy

    assert healthy.passed
    assert healthy.artifact.scheme == "static_wi8_ai8"


@pytest.mark.parametrize("name", rows(IN_FILES))
def test_a_broken_file_is_caught_at_its_stage(network, name, record_property):
    """The file is whole and every engine runs it."""
    breakage = IN_FILES[name]

    verdict = network(breakage.network).judge_file(name, breakage)

    assert verdict.outcome == "failed"
    tell(record_property, verdict, verdict.guilty_stage)
    record_property("codes", str([each.code for each in verdict.findings]))
    assert verdict.guilty_stage == breakage.stage
    assert breakage.looks is None or breakage.looks in {each.code for each in verdict.findings}


@pytest.mark.parametrize("name", rows(IN_RUNS))
def test_a_run_that_went_wrong_is_caught_at_its_stage(network, name, tmp_path, record_property):
    """What a stage gave, changed as that mistake changes it, and judged again from the bundle."""
    breakage = IN_RUNS[name]

    found = network(breakage.network).judge_run(breakage, tmp_path)

    assert found.outcome == breakage.outcome
    if breakage.outcome == "failed":
        tell(record_property, found.judged, found.judged.guilty_stage)
        assert found.judged.guilty_stage == breakage.stage
    assert any(each.stage == breakage.stage and each.status == breakage.outcome for each in found.judged.comparisons)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "stage"), [("variances", "source"), ("means", "conversion")])
def test_a_batch_normalization_gone_wrong_is_caught_at_its_stage(
    network, made, shared_models, file, stage, record_property
):
    """Its variances not restored where the original is loaded anew; its means forgotten where it is folded into weights."""
    broken = made("break_weights.py", str(shared_models / "resnet8" / "pretrainedResnet.h5")) / f"{file}.h5"

    verdict = network("resnet8").judge_source(Original(broken), stage)

    assert verdict.outcome == "failed"
    tell(record_property, verdict, verdict.guilty_stage)
    assert verdict.guilty_stage == stage


def test_an_output_that_is_called_otherwise_is_refused(network, tmp_path):
    """No position stands in for a name; what would do is proposed."""
    with pytest.raises(
        RequestError, match=r"outputs are called .*'Identity'.* they are called \['probabilities', 'scores'\]"
    ) as caught:
        verify_changed(network("penguin"), "output_renamed", {"name": "scores", "to": "Identity"}, tmp_path)

    assert "give --rename Identity=scores; else" in caught.value.hint


def test_an_output_that_is_called_otherwise_is_verified_by_the_users_word(network, tmp_path):
    """Every stage of it, as if it had the name."""
    given = {"name": "scores", "to": "Identity"}

    (verdict,) = verify_changed(network("penguin"), "output_renamed", given, tmp_path, "Identity=scores").values()

    assert verdict.outcome == "passed"
    assert {each.output for each in verdict.total.comparisons} == {"probabilities", "scores"}


def test_an_output_that_is_missing_is_refused(network, tmp_path):
    """What is there may be right."""
    with pytest.raises(RequestError, match=r"outputs are called \['probabilities'\]; in"):
        verify_changed(network("penguin"), "output_missing", {"name": "scores"}, tmp_path)


def verify_changed(penguins, how, given, folder, *renames):
    """Return what `verify` says of the shipped file, broken, where it is said which tensor is which."""
    changed = {"changed": InFile("penguin", "quantization", how, given)}
    penguins.break_files(changed, folder)
    place, target = folder / "changed.artifact.tflite", penguins.healthy.target.name
    named = Renamed(place, renames)
    return toolkit.verify(named, penguins.original, [target], penguins.samples, None, executor=penguins.executor)


def test_a_runtime_that_died_on_its_way_is_no_verdict(network, tmp_path):
    """Of 117 answers the last 17 are missing: the 100 that are there are not judged as if they were all."""
    died = InRun("vww", "kernels", lambda outputs: {name: array[:100] for name, array in outputs.items()})

    with pytest.raises(UnjudgeableRun, match=r"117 samples in .*, 100 in kernels"):
        network("vww").judge_run(died, tmp_path)


@pytest.mark.slow
def test_calibrated_on_noise_it_is_refused(network, written, executor, tmp_path, record_property):
    """Random numbers in place of pictures."""
    noise = np.random.default_rng(0).uniform(0, 255, (128, 32, 32, 3)).astype(np.float32)
    of_resnet8 = network("resnet8")
    samples = Samples(written("noise", input_1=noise), of_resnet8.samples.evaluation)

    with pytest.raises(InvalidSamples) as caught:
        toolkit.build(of_resnet8.original, ["host"], samples, tmp_path, executor=executor)

    record_property("said", str(caught.value)[:300])
