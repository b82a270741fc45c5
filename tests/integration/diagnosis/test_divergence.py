"""The operator that diverges in a stage, found by real engines on real artifacts of the sample's network, of which one operator was broken."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from toolkit import environments, profiles
from toolkit.bundle.attribution_folder import write
from toolkit.diagnosis.find_operator import attribute
from toolkit.errors import RequestError, UnknownName
from toolkit.execution.run import on_this_machine, run_job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.launchers.emulation import packages
from toolkit.launchers.emulation.machines import MACHINES
from toolkit.pipeline.prepare import Samples, draw, open_model
from toolkit.pipeline.stages import Chain, plan
from toolkit.profiles.recipe import Recipe
from toolkit.settings import Settings
from toolkit.source.original import Original
from toolkit.verbs.verify import artifact_at
from toolkit.verdict.attribution import Attribution
from toolkit.wire.shards import read_all

BREAK = Path(__file__).with_name("break_operators.py")
SAMPLES = 12
WORST = (3, 0, 7)


@dataclass
class Bench:
    """The sample's network with its float and int8 artifact; `broken` writes one with one operator of a file broken in one way."""

    executor: LocalExecutor
    chain: Callable[[Path, str], Chain]
    floats: Path
    quantized: Path
    broken: Callable[[Path, int, str], Path]

    def found(self, artifact: Path, stage: str, profile: str = "host") -> Attribution:
        """Return what is found in a stage of an artifact."""
        chain = self.chain(artifact, profile)
        self.executor.outcomes([each.job for each in chain.stages if each.name != "source"])
        return attribute(chain, stage, WORST, self.executor)


@pytest.fixture(scope="module")
def bench(executor, home, sample, digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    images = digits.with_suffix(".npz")
    with np.load(images) as held:
        np.savez(folder / "few.npz", image=held["images"][-SAMPLES:].astype(np.float32))
    python = environments.resolve("litert", settings=Settings(home=home)).python
    opened = open_model(Original(sample), executor)
    calibrated = draw(opened, Samples(str(digits)), [Recipe("static_wi8_ai8")])
    (variant, *_) = Recipe("static_wi8_ai8", quantizer="mlir").variants("tflite")
    jobs = [calibrated.conversions.floats("tflite"), calibrated.conversions.artifact(variant, "tflite")]
    floats, quantized = executor.run(*jobs)
    model = draw(opened, Samples(None, str(folder / "few.npz")), ())

    def chain(artifact, profile):
        return plan(model, profiles.find(profile), artifact_at(artifact, executor), None, floats)

    def broken(path, place, what):
        made = folder / f"{place}{what}{path.parent.parent.name[:8]}.tflite"
        subprocess.run([python, BREAK, path, made, str(place), what], check=True)
        return made

    return Bench(executor, chain, floats.out / "model.tflite", quantized.out / "model.tflite", broken)


@pytest.mark.parametrize(
    ("place", "what", "kind"),
    [(6, "weights", "CONV_2D"), (8, "bias", "CONV_2D"), (9, "range", "ADD"), (0, "range", "QUANTIZE")],
)
def test_a_broken_operator_of_a_quantized_file_is_named(bench, place, what, kind):
    """A range that clips is the fault of who gives the tensor, although who reads it errs as much when it runs alone."""
    found = bench.found(bench.broken(bench.quantized, place, what), "quantization")

    assert found.why is None
    assert (found.guilty.place, found.guilty.operator) == (place, kind)
    assert found.samples == WORST
    assert found.notes == ()
    assert found.guilty.isolated.max_lsb > 10
    readers = [each for each in found.operators if found.guilty.tensor in each.inputs]
    if what == "range":
        assert all(reader.isolated.share > found.guilty.isolated.share / 4 for reader in readers)


def test_what_is_saved_is_what_the_worst_sample_fed(bench):
    """Of the samples that were looked at, by the operator's own error; QUANTIZE reads the sample itself."""
    artifact = bench.broken(bench.quantized, 0, "range")
    found = bench.found(artifact, "quantization")
    (drawn,) = bench.executor.run(bench.chain(artifact, "host").model.samples)
    images = read_all(drawn.out / "verification", "image")[list(WORST)].reshape(len(WORST), -1)
    clipped = np.sum(np.maximum(images - 16 / 6, 0) ** 2, axis=1) / np.sum(images**2, axis=1)
    worst = int(np.argmax(clipped))

    with np.load(found.reproduction / "inputs.npz") as saved:
        fed = saved["input_0"].ravel()

    assert worst != 0  # or the first would do
    assert found.guilty.isolated.worst_sample == WORST[worst]
    np.testing.assert_array_equal(fed, images[worst])


def test_in_a_sound_file_the_curve_ends_at_the_noise_of_the_whole(bench):
    found = bench.found(bench.quantized, "quantization")

    last = found.operators[-1]
    assert last.at_output == pytest.approx(last.cumulative.share)
    assert sum(found.share(each) for each in found.operators) == pytest.approx(1)
    assert all(each.isolated.max_lsb < 4 for each in found.operators if each.isolated.max_lsb is not None)
    assert found.output == "probabilities"


def test_a_broken_operator_of_a_float_file_is_named_in_the_conversion(bench):
    """Held against TensorFlow's own graph, by the names of its nodes."""
    chain = bench.chain(bench.broken(bench.floats, 5, "weights"), "host")
    run = run_job(chain.artifact.path, chain.model.verification, on_this_machine("tflite"))
    conversion = chain.stage("conversion")
    bench.executor.outcomes([run, chain.model.reference])

    found = attribute(chain.with_stage(replace(conversion, job=run)), "conversion", WORST, bench.executor)

    assert found.why is None
    assert found.guilty.place == 5
    assert found.notes == ()
    others = [each for each in found.operators if each.place != 5]
    assert all(each.isolated.sqnr_db > 100 for each in others)
    assert found.guilty.isolated.sqnr_db < 30
    assert found.reproduction is not None


@pytest.mark.parametrize(("side", "place"), [("quantized", 6), ("floats", 5)])
def test_what_is_only_called_as_something_else_is_not_blamed(bench, side, place):
    """A converter calls what it folds by one of the nodes in it: the file is sound, and two of its tensors have each other's names."""
    sound = getattr(bench, side)
    stage = "quantization" if side == "quantized" else "conversion"
    chain = bench.chain(bench.broken(sound, place, "names"), "host")
    if stage == "conversion":
        run = run_job(chain.artifact.path, chain.model.verification, on_this_machine("tflite"))
        chain = chain.with_stage(replace(chain.stage(stage), job=run))
    bench.executor.outcomes([each.job for each in chain.stages if each.name != "source"])

    found = attribute(chain, stage, WORST, bench.executor)

    misnamed = [each for each in found.operators if each.not_isolated and "for something else" in each.not_isolated]
    assert len([each for each in misnamed if each.cumulative is None]) == 2
    assert all(each.noise is None for each in misnamed if each.cumulative is None)
    assert any("not compared, as the reference uses these names for something else" in note for note in found.notes)
    if stage == "conversion":
        assert all(each.noise < 1e-9 for each in found.operators if each.noise is not None)
    else:
        assert found.guilty is None or found.guilty.isolated.max_lsb < 4


@pytest.fixture(scope="module")
def kernels(bench):
    """What reference kernels and XNNPACK's give for the sound int8 file: other roundings, in some operators."""
    return bench.found(bench.quantized, "kernels")


def test_the_first_operator_that_differs_between_kernels_is_told_to_the_bit(kernels):
    place = kernels.operators.index(kernels.first)

    assert kernels.first.operator == "ADD"
    assert all(each.equal for each in kernels.operators[:place])
    assert kernels.first.isolated == kernels.first.cumulative  # it was fed with the same
    assert not kernels.first.alone_equal
    assert {each.isolated.max_lsb for each in kernels.operators if not each.alone_equal} == {1.0}
    assert kernels.notes == ()


@pytest.mark.parametrize("stage", ["kernels", "quantization"])
def test_a_fresh_process_shows_the_difference_by_the_lines_of_the_readme(bench, kernels, home, tmp_path, stage):
    found = kernels if stage == "kernels" else bench.found(bench.broken(bench.quantized, 6, "weights"), stage)
    write(found, tmp_path / "reproduction")
    readme = (tmp_path / "reproduction" / "README.md").read_text()
    script, printed = re.search(r"```python\n(.*?)```.*```text\n(.*?)\n```", readme, re.DOTALL).groups()
    python = environments.resolve("litert", settings=Settings(home=home)).python

    ended = subprocess.run(
        [python, "-c", script], cwd=tmp_path / "reproduction", capture_output=True, text=True, check=True
    )

    assert ended.stdout.strip() == printed
    assert printed in found.about_reproduction
    count, size = map(int, re.search(r"output_0: (\d+) of (\d+) values differ", printed).groups())
    assert 0 < count <= size
    assert {path.name for path in (tmp_path / "reproduction").iterdir()} == {
        "operator.tflite", "inputs.npz", "expected.npz", "got.npz", "README.md", "attribution.json",
    }  # fmt: skip
    held = json.loads((tmp_path / "reproduction" / "attribution.json").read_text())
    named = found.guilty or found.largest
    assert held["operators"][held["largest"]]["tensor"] == named.tensor
    assert named.tensor in readme


def test_a_runtime_without_taps_is_looked_into_all_the_same(bench):
    """tflite-runtime 2.14, on this machine: it runs files that others took apart."""
    found = bench.found(bench.quantized, "kernels", "linux-x86_64-tflite-runtime")

    assert found.why is None
    assert "tflite-runtime 2.14" in found.candidate
    assert found.first.operator == "CONV_2D"
    assert found.notes == ()
    assert found.reproduction is not None
    assert "from tflite_runtime.interpreter import" in (found.reproduction / "README.md").read_text()


def test_an_operator_is_named_on_the_device_itself(bench, home):
    """The ARM build of tflite-runtime rounds otherwise than the x86 one; it is the emulated process that gives the tensors."""
    settings = Settings(home=home)
    if packages.find_packages("tflite_runtime", MACHINES["aarch64"], settings) is None:
        pytest.skip("NOT TESTED, no emulation is set up here")

    found = bench.found(bench.quantized, "device", "raspberry-pi-4")

    assert found.why is None
    assert "aarch64 (qemu)" in found.candidate
    assert "aarch64" not in found.reference
    place = found.operators.index(found.first)
    assert found.first.operator == "CONV_2D"
    assert all(each.equal for each in found.operators[:place])
    assert found.first.isolated.max_lsb == 1.0
    assert found.reproduction is not None


def test_what_cannot_be_told_is_said(bench):
    chain = bench.chain(bench.quantized, "host")
    onnx = replace(chain, target=profiles.find("onnxruntime-host"))

    found = attribute(onnx, "kernels", WORST, bench.executor)
    source = attribute(chain, "source", WORST, bench.executor)

    assert "from a .onnx file" in found.why
    assert found.diverging
    assert found.operators == ()
    assert "TensorFlow graphs" in source.why
    assert source.reproduction is None
    assert "is not known, because" in source.text()


def test_a_stage_that_did_not_run_says_why(bench, tmp_path):
    chain = bench.chain(bench.quantized, "host")
    (tmp_path / "model.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    run = run_job(tmp_path / "model.tflite", chain.model.verification, on_this_machine("tflite"))
    kernels = chain.stage("kernels")

    found = attribute(chain.with_stage(replace(kernels, job=run)), "kernels", WORST, bench.executor)

    assert "it did not run" in found.why


def test_a_stage_or_a_sample_that_is_not_there_is_refused(bench):
    chain = bench.chain(bench.quantized, "host")

    with pytest.raises(UnknownName, match="device"):
        attribute(chain, "device", WORST, bench.executor)
    with pytest.raises(RequestError, match=f"ran the first {SAMPLES}"):
        attribute(chain, "kernels", [SAMPLES, -1], bench.executor)
