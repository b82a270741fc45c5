"""Each quantizer on small networks, in its own environment, and what it wrote on a real interpreter."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toolkit import registry
from toolkit.conversion.calibration_job import moments_job
from toolkit.environments import resolve
from toolkit.errors import EdgeToolkitError, Unconvertible, UnknownName
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.profiles.recipe import Recipe, Variant
from toolkit.profiles.weight_limits import Weights
from toolkit.settings import Settings
from toolkit.weights.account_job import account_job
from toolkit.weights.judge import Account, judge_account
from toolkit.wire.shards import ShardWriter, read_all

PLAIN: dict[str, Any] = {
    "granularity": "per_channel",
    "inputs": "float32",
    "outputs": "float32",
    "keep_float": {"tensors": [], "operators": []},
}
ROOT = Path(__file__).resolve().parents[4]
CHANGE = Path(__file__).with_name("change_number.py")
ENGINES = ("mlir", "litert_quantizer")
MADE = [
    ("litert_quantizer", "float16"),
    ("litert_quantizer", "dynamic_wi8_afp32"),
    ("litert_quantizer", "dynamic_wi4_afp32"),
    ("litert_quantizer", "weight_only_wi8"),
    ("litert_quantizer", "weight_only_wi4"),
    ("litert_quantizer", "static_wi8_ai8"),
    ("litert_quantizer", "static_wi8_ai16"),
    ("mlir", "static_wi8_ai8"),
]


@pytest.fixture(scope="module")
def settings(home):
    return Settings(home=home, offline=True)


@pytest.fixture(scope="module")
def networks(settings, tmp_path_factory):
    """Return the folder of the networks that make_networks.py writes."""
    folder = tmp_path_factory.mktemp("networks")
    python = resolve("tensorflow", settings=settings).python
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | quiet
    command = [python, Path(__file__).with_name("make_networks.py"), folder]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stderr[-4000:]
    return folder


@dataclass(frozen=True)
class Bench:
    """Quantizes a network, and runs a file over the samples that are kept for it."""

    networks: Path
    executor: LocalExecutor
    scratch: Path

    def quantize(
        self,
        quantizer: str,
        scheme: str,
        network: str = "residual",
        ranges: Path | None = None,
        telling: str | None = None,
        **options: Any,
    ) -> tuple[Job, dict[str, Any]]:
        """Return the finished job, and what it says of its file."""
        made_by, folder = registry.load("conversion/schemes", scheme), self.networks / network
        own = registry.load("conversion/quantizers", quantizer).CALIBRATES
        inputs: dict[str, Any] = {"model": folder / ("saved" if own else "model.tflite")}
        if made_by.CALIBRATED and own:
            inputs["calibration"] = self.samples(network, "calibration")
        elif made_by.CALIBRATED:
            inputs["ranges"] = ranges or folder / "ranges.json"
        variant = Variant(Recipe(scheme), quantizer, None, telling)
        if variant.needs == "moments":
            inputs["moments"] = self.moments(network).output("moments.json")
        told = {"scheme": scheme, "told": variant.told, **PLAIN, **options}
        engine, plugins = Engine(quantizer_engine(quantizer)), (f"conversion.schemes.{scheme}",)
        job = Job("quantize", f"conversion.quantizers.{quantizer}", "quantize", engine, told, inputs, plugins)
        (entry,) = self.executor.run(job)
        return job, entry.result

    def moments(self, network: str) -> Job:
        """Return the job that measures what meets the matrices of a network."""
        return moments_job(self.networks / network / "model.tflite", self.samples(network, "calibration"), "litert")

    def account(self, model: Path | Job, network: str, *, measured: bool = True) -> Account:
        """Return where the constants of a file come from; `measured` is whether it is known what meets matrices."""
        file = model.output("model.tflite") if isinstance(model, Job) else model
        moments = self.moments(network).output("moments.json") if measured else None
        floats = self.networks / network / "model.tflite"
        (entry,) = self.executor.run(account_job(file, floats, signature=None, moments=moments))
        return judge_account(entry.result, Weights(), "quantization")

    def run(self, model: Path | Job, network: str = "residual", runtime: str = "litert") -> np.ndarray:
        """Return the outputs, (N, ...), as real numbers."""
        samples = self.samples(network, "verification")
        file = model.output("model.tflite") if isinstance(model, Job) else model
        options = {"runtime": runtime, "first": None, "threads": 1, "signature": None, "kernels": "builtin"}
        inputs, plugins = {"model": file, "samples": samples}, (f"execution.runtimes.{runtime}",)
        job = Job("run", "execution.infer", "run", Engine(runtime), options, inputs, plugins)
        (entry,) = self.executor.run(job)
        (spec,) = entry.result["signature"]["outputs"]
        values = read_all(entry.out / "outputs", spec["name"]).astype(np.float64)
        return values if spec["dtype"] == "float32" else (values - spec["zero_point"][0]) * spec["scale"][0]

    def samples(self, network: str, purpose: str) -> Path:
        """Return the shards of one of the two sets."""
        shards = self.scratch / network / purpose
        if not shards.exists():
            with np.load(self.networks / network / "samples.npz") as held, ShardWriter(shards) as writer:
                for sample in held[purpose]:
                    writer.add({"x": sample[None]})
        return shards

    def sqnr_db(self, model: Job, network: str = "residual") -> float:
        """Return the signal-to-noise ratio against the float network."""
        return self._against_float(self.run(model, network), network)

    def least_db(self, scheme: str, network: str = "residual") -> float:
        """Return what an artifact has at least: that of the float network with weights and activations rounded as the scheme has them.

        Each rounding error may fall otherwise. Of the power of n independent ones 2 / n is the variance, as a share; of the ratio of two powers
        twice that. The artifact's may be greater by four standard deviations.
        """
        with np.load(self.networks / network / "rounded.npz") as held:
            rounded = held[scheme]
        return self._against_float(rounded, network) - float(10 * np.log10(1 + 4 * np.sqrt(4 / rounded.size)))

    def _against_float(self, outputs: np.ndarray, network: str) -> float:
        floats = self.run(self.networks / network / "model.tflite", network)
        assert floats.std(axis=0).min() > 0  # what never varies would pass any comparison
        return float(10 * np.log10((floats**2).sum() / ((floats - outputs.reshape(floats.shape)) ** 2).sum()))


def quantizer_engine(name: str) -> str:
    return str(registry.load("conversion/quantizers", name).ENGINE)


@pytest.fixture(scope="module")
def bench(networks, settings, tmp_path_factory):
    with LocalExecutor(settings) as executor:
        yield Bench(networks, executor, tmp_path_factory.mktemp("bench"))


def operators(result: dict[str, Any]) -> dict[str, int]:
    return {each["name"]: each["count"] for each in result["operators"]}


def codes(result: dict[str, Any]) -> dict[str, str]:
    return {each["code"]: each["message"] for each in result["findings"]}


@pytest.mark.parametrize(("quantizer", "scheme"), MADE)
def test_each_scheme_gives_a_smaller_file_that_computes_nearly_the_same(bench, quantizer, scheme):
    job, result = bench.quantize(quantizer, scheme)

    assert bench.sqnr_db(job) > bench.least_db(scheme)
    assert result["size_bytes"] < (bench.networks / "residual" / "model.tflite").stat().st_size * 0.7
    assert registry.load("conversion/schemes", scheme).WEIGHTS in result["weights_bytes"]
    assert result["keeps"] == scheme


def test_int16_activations_drift_less_than_int8(bench):
    narrow, _ = bench.quantize("litert_quantizer", "static_wi8_ai8")
    wide, result = bench.quantize("litert_quantizer", "static_wi8_ai16")

    assert bench.sqnr_db(wide) > bench.sqnr_db(narrow)
    assert result["tensors"]["int16"] >= 9


@pytest.mark.parametrize("quantizer", ENGINES)
@pytest.mark.parametrize(("inputs", "outputs"), [("int8", "int8"), ("uint8", "uint8"), ("float32", "int8")])
def test_inputs_and_outputs_have_the_dtypes_that_were_asked_for(bench, quantizer, inputs, outputs):
    job, result = bench.quantize(quantizer, "static_wi8_ai8", inputs=inputs, outputs=outputs)

    assert [spec["dtype"] for spec in result["signature"]["inputs"]] == [inputs]
    assert [spec["dtype"] for spec in result["signature"]["outputs"]] == [outputs]
    assert result["findings"] == []
    assert bench.sqnr_db(job) > bench.least_db("static_wi8_ai8")


def test_int16_comes_in_and_goes_out_where_activations_are_int16(bench):
    job, result = bench.quantize("litert_quantizer", "static_wi8_ai16", inputs="int16", outputs="int16")

    assert result["signature"]["inputs"][0]["dtype"] == result["signature"]["outputs"][0]["dtype"] == "int16"
    assert bench.sqnr_db(job) > bench.least_db("static_wi8_ai16")


@pytest.mark.parametrize("quantizer", ENGINES)
def test_what_is_kept_in_float_is_float_in_the_file(bench, quantizer):
    """By an operator's type and by a pattern of its output's name; everything else is quantized, and nothing is a finding."""
    plain, _ = bench.quantize(quantizer, "static_wi8_ai8")
    keep = {"tensors": ["Relu6_*deep*"], "operators": ["FULLY_CONNECTED"]}
    job, result = bench.quantize(quantizer, "static_wi8_ai8", keep_float=keep)

    kept_bytes = 4 * (3 * 3 * 128 + 16 * 4 * 4 * 10)
    assert result["weights_bytes"]["float32"] >= kept_bytes
    assert operators(result)["DEQUANTIZE"] == 2
    assert result["findings"] == []
    assert bench.sqnr_db(job) > bench.sqnr_db(plain)


@pytest.mark.parametrize("scheme", ["float16", "dynamic_wi8_afp32", "weight_only_wi4"])
def test_weights_that_are_kept_in_float_are_float_in_the_file(bench, scheme):
    keep = {"tensors": [], "operators": ["FULLY_CONNECTED"]}
    _, result = bench.quantize("litert_quantizer", scheme, keep_float=keep)

    assert result["weights_bytes"]["float32"] >= 4 * 16 * 4 * 4 * 10
    assert "not-kept-float" not in codes(result)


@pytest.mark.parametrize("quantizer", ENGINES)
def test_weights_have_one_scale_where_that_is_asked_for(bench, quantizer):
    """Per channel is nearer to float, per tensor smaller: scales are kept beside the weights."""
    channels, by_channel = bench.quantize(quantizer, "static_wi8_ai8")
    tensor, by_tensor = bench.quantize(quantizer, "static_wi8_ai8", granularity="per_tensor")

    assert by_tensor["size_bytes"] < by_channel["size_bytes"]
    assert by_tensor["findings"] == by_channel["findings"] == []
    assert bench.run(tensor).tolist() != bench.run(channels).tolist()


def test_dynamic_weights_of_one_scale_are_no_rubbish(bench):
    """The kernel of a depthwise convolution reads a scale for each channel whatever is there, so it keeps them, and the finding says so."""
    job, result = bench.quantize("litert_quantizer", "dynamic_wi8_afp32", granularity="per_tensor")

    assert bench.sqnr_db(job) > bench.least_db("dynamic_wi8_afp32_per_tensor")
    assert "DEPTHWISE_CONV_2D" in codes(result)["other-granularity"]


def test_an_old_runtime_refuses_what_it_would_read_wrongly(bench):
    """By the operator's version: without it, tflite-runtime 2.14 takes the first channel's scale for all, in silence."""
    job, _ = bench.quantize("litert_quantizer", "dynamic_wi8_afp32")

    with pytest.raises(EdgeToolkitError, match=r"FULLY_CONNECTED.*version.*12"):
        bench.run(job, runtime="tflite_runtime")


@pytest.mark.parametrize("scheme", ["static_wi8_ai16", "static_wi8_ai8"])
def test_an_operator_without_a_kernel_is_refused_by_name(bench, scheme):
    with pytest.raises(Unconvertible, match=f"{scheme}.*DEPTH_TO_SPACE"):
        bench.quantize("litert_quantizer", scheme, "upscaling")


def test_an_operator_without_a_kernel_is_made_where_it_is_kept_in_float(bench):
    keep = {"tensors": [], "operators": ["DEPTH_TO_SPACE"]}
    job, result = bench.quantize("litert_quantizer", "static_wi8_ai16", "upscaling", keep_float=keep)

    assert "float-operators" not in codes(result)
    assert bench.sqnr_db(job, "upscaling") > bench.least_db("static_wi8_ai16", "upscaling")


def test_a_fused_lstm_is_refused_for_its_intermediate_tensors(bench):
    with pytest.raises(Unconvertible, match="UNIDIRECTIONAL_SEQUENCE_LSTM has intermediate tensors"):
        bench.quantize("mlir", "static_wi8_ai8", "recurrent")


@pytest.mark.parametrize("scheme", ["float16", "dynamic_wi8_afp32"])
def test_large_weights_that_would_stay_float_are_refused_by_name(bench, scheme):
    with pytest.raises(Unconvertible, match=rf"{scheme} of a part.*weights.*UNIDIRECTIONAL_SEQUENCE_LSTM"):
        bench.quantize("litert_quantizer", scheme, "recurrent")


def test_large_weights_that_nothing_else_could_quantize_are_a_finding(bench):
    _, result = bench.quantize("litert_quantizer", "weight_only_wi4", "recurrent")

    assert "did not become int4" in codes(result)["weights-not-quantized"]


def test_a_tensor_without_a_range_is_refused_by_name(bench, tmp_path):
    ranges = json.loads((bench.networks / "residual" / "ranges.json").read_text())
    del ranges["tensors"]["sum"]
    (tmp_path / "ranges.json").write_text(json.dumps(ranges))

    for quantizer in ENGINES:
        with pytest.raises(Unconvertible, match="sum"):
            bench.quantize(quantizer, "static_wi8_ai8", ranges=tmp_path / "ranges.json")


def test_a_file_that_no_interpreter_can_start_is_not_returned(bench, tmp_path):
    """An int16 ADD of scales that are powers of two cannot shift to a smaller result; the quantizer writes it all the same."""
    ranges = json.loads((bench.networks / "residual" / "ranges.json").read_text())
    ranges["tensors"] |= {"Relu;first": [-4, 4], "back1": [-4, 4], "sum": [-1, 1]}
    (tmp_path / "ranges.json").write_text(json.dumps(ranges))

    with pytest.raises(Unconvertible, match=r"no interpreter can start.*ADD"):
        bench.quantize("litert_quantizer", "static_wi8_ai16", ranges=tmp_path / "ranges.json")


@pytest.mark.parametrize("quantizer", ENGINES)
@pytest.mark.parametrize(
    ("keep", "says"),
    [
        ({"tensors": [], "operators": ["CONV2D"]}, "did you mean 'CONV_2D'"),
        ({"tensors": ["summ*"], "operators": []}, "closest of .* is 'sum'"),
    ],
)
def test_what_is_to_be_kept_and_is_not_there_is_unknown(bench, quantizer, keep, says):
    with pytest.raises(UnknownName) as caught:
        bench.quantize(quantizer, "static_wi8_ai8", keep_float=keep)

    assert caught.match(says)


def test_the_converter_keeps_nothing_in_float(bench):
    keep = {"tensors": [], "operators": ["ADD"]}
    with pytest.raises(Unconvertible, match="cannot keep ADD in float"):
        bench.quantize("converter", "float16", keep_float=keep)


def test_with_the_converters_ranges_the_converters_integers_come_out(bench):
    """Its last step by itself: the same outputs to the last bit."""
    whole, _ = bench.quantize("converter", "static_wi8_ai8")
    step, _ = bench.quantize("mlir", "static_wi8_ai8", ranges=bench.networks / "residual" / "converter.json")

    assert np.array_equal(bench.run(whole), bench.run(step))


def test_the_converter_makes_of_an_lstm_what_the_others_refuse(bench):
    """What it makes by itself of the same samples, to the last bit."""
    job, result = bench.quantize("converter", "static_wi8_ai8", "recurrent")

    alone = bench.run(bench.networks / "recurrent" / "converted.tflite", "recurrent")
    assert np.array_equal(bench.run(job, "recurrent"), alone)
    assert result["weights_bytes"]["int8"] >= 4 * 32 * (8 + 32)
    assert "weights-not-quantized" not in codes(result)


def test_an_operator_that_the_converter_leaves_in_float_is_a_finding(bench):
    """DEPTH_TO_SPACE has no int16 kernel; the converter says nothing."""
    _, result = bench.quantize("converter", "static_wi8_ai16", "upscaling")

    assert "not int16 but computed in float: 1 operators: DEPTH_TO_SPACE" in codes(result)["float-operators"]


def test_a_file_of_the_converter_that_no_interpreter_can_start_is_not_returned(bench):
    """Its int16 LSTM lacks the output state."""
    with pytest.raises(Unconvertible, match=r"static_wi8_ai16.*no interpreter can start.*LSTM"):
        bench.quantize("converter", "static_wi8_ai16", "recurrent")


def test_the_converters_dtypes_and_granularity_are_as_asked(bench):
    options = {"inputs": "uint8", "outputs": "int8", "granularity": "per_tensor"}
    job, result = bench.quantize("converter", "static_wi8_ai8", **options)

    assert result["signature"]["inputs"][0]["dtype"] == "uint8"
    assert result["signature"]["outputs"][0]["dtype"] == "int8"
    assert result["findings"] == []
    assert bench.sqnr_db(job) > bench.least_db("static_wi8_ai8_per_tensor")


CONVERTED = [
    ("residual", "converter", "static_wi8_ai8"),
    ("recurrent", "converter", "static_wi8_ai8"),
    ("upscaling", "converter", "static_wi8_ai16"),
    ("recurrent", "litert_quantizer", "weight_only_wi4"),
]


@pytest.mark.parametrize(
    ("network", "quantizer", "scheme"), [*(("residual", quantizer, scheme) for quantizer, scheme in MADE), *CONVERTED]
)
def test_every_constant_of_what_they_make_is_accounted_for(bench, network, quantizer, scheme):
    """None of them moves a weight, so that each keeps the limits; the converter begins with the SavedModel, and fuses as for the float file."""
    made, _ = bench.quantize(quantizer, scheme, network)

    found = bench.account(made, network, measured=False)

    assert found.findings == ()
    assert found.share == 1
    assert found.constants > 0


# The matrices of the network "attention" that are scaled. Two are used twice; and the last one has fewer elements than the first scheme quantizes.
SCALED = {"dynamic_wi8_afp32": 3, "dynamic_wi4_afp32": 4}


def products(result: dict[str, Any], name: str) -> int:
    return sum(each["count"] for each in result["operators"] if each["name"] == name)


@pytest.mark.parametrize("scheme", SCALED)
def test_columns_are_scaled_by_what_meets_them(bench, scheme):
    """The file is the scheme's as without, has factors in front of each such matrix, and drifts less."""
    made, result = bench.quantize("litert_quantizer", scheme, "attention", telling="oscar")
    plain, usual = bench.quantize("litert_quantizer", scheme, "attention")

    assert products(result, "MUL") - products(usual, "MUL") == SCALED[scheme]
    assert (result["keeps"], result["findings"]) == (scheme, usual["findings"])
    assert {each for each in result["weights_bytes"] if each.startswith("int")} == {*usual["weights_bytes"]} - {
        "float32"
    }
    assert bench.sqnr_db(made, "attention") > bench.sqnr_db(plain, "attention") + 1


@pytest.mark.parametrize("scheme", SCALED)
def test_every_constant_behind_factors_is_accounted_for(bench, scheme):
    """With what meets the matrices, and without: no column is lost."""
    made, _ = bench.quantize("litert_quantizer", scheme, "attention", telling="oscar")

    found, unmeasured = bench.account(made, "attention"), bench.account(made, "attention", measured=False)

    scaled = [row["factors"] for row in found.worst if row["factors"] is not None]
    assert found.findings == unmeasured.findings == ()
    assert (found.share, found.matched) == (1, 8)
    assert scaled
    assert all(float(each["noise_db"]) < 0 for each in scaled)


@pytest.mark.parametrize("scheme", SCALED)
@pytest.mark.parametrize("name", ["mul;MatMul", "multiplier"])
def test_one_changed_number_behind_factors_is_told(bench, scheme, name, tmp_path):
    """A weight, or a factor."""
    made, _ = bench.quantize("litert_quantizer", scheme, "attention", telling="oscar")
    (entry,) = bench.executor.run(made)
    command = [
        resolve("litert", settings=bench.executor.settings).python,
        CHANGE,
        entry.out / "model.tflite",
        tmp_path / "one.tflite",
        name,
    ]
    subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, check=True)

    assert len(bench.account(tmp_path / "one.tflite", "attention").wrong) == 1


def test_a_matrix_that_is_kept_in_float_is_not_scaled(bench):
    keep = {"tensors": ["mul;MatMul1"], "operators": []}
    kept, result = bench.quantize(
        "litert_quantizer", "dynamic_wi4_afp32", "attention", telling="oscar", keep_float=keep
    )

    assert products(result, "MUL") == 2 + SCALED["dynamic_wi4_afp32"] - 1
    assert "not-kept-float" not in codes(result)
    assert bench.account(kept, "attention").findings == ()


@pytest.mark.parametrize(
    ("scheme", "network"), [("dynamic_wi8_afp32", "upscaling"), ("dynamic_wi4_afp32", "upscaling")]
)
def test_where_there_is_no_matrix_to_scale_it_is_said(bench, scheme, network):
    """The file would be the same as without; the engine would make it in silence."""
    with pytest.raises(Unconvertible, match=r"OSCAR scales constant matrices of FULLY_CONNECTED.*the same as without"):
        bench.quantize("litert_quantizer", scheme, network, telling="oscar")


def test_moments_are_the_mean_squares_of_what_feeds_matrices(bench):
    """Of all samples, by channel; those of the first matrices are of the network's own input."""
    (entry,) = bench.executor.run(bench.moments("attention"))
    held = json.loads((entry.out / "moments.json").read_text())
    with np.load(bench.networks / "attention" / "samples.npz") as samples:
        wanted = np.square(samples["calibration"].astype(np.float64)).mean(axis=(0, 1))

    assert set(held["products"].values()) == set(held["tensors"])
    assert entry.result["tensors"] == len(held["tensors"]) == 2
    assert np.allclose(held["tensors"][held["products"]["mul;MatMul1"]], wanted, rtol=1e-12)
