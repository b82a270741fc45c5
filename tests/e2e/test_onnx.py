"""ONNX from SavedModels, against what TensorFlow itself gives; and each scheme's file against the float one, by what it gives and what it holds."""

from __future__ import annotations

import functools
import json
import os
import subprocess

import numpy as np
import pytest

from tests.e2e.conftest import PACKAGE, outputs_of
from tests.rows import slow
from toolkit import registry
from toolkit.environments import resolve
from toolkit.environments.instructions import cuts_sums_off
from toolkit.errors import RequestError, Unconvertible, UnknownName
from toolkit.execution.run import Execution, run_job, run_of
from toolkit.findings import OVERFLOWS_WITHOUT_VNNI as CODE
from toolkit.jobs.job import Engine, Job
from toolkit.launchers import local
from toolkit.profiles.recipe import Recipe, Variant
from toolkit.settings import Settings
from toolkit.verbs.verify import artifact_at
from toolkit.wire.shards import ShardWriter

NETWORKS = ("cnn", "gelu", "lstm", "twins", "alike")
NOTHING_KEPT = {"tensors": [], "operators": []}
# Minimum and maximum of every tensor over the samples.
TAP = """
import json, pathlib, sys
import numpy as np
from toolkit.execution.runtimes import onnxruntime
from toolkit.wire.shards import read_samples

model, samples = map(pathlib.Path, sys.argv[1:])
tapped = onnxruntime.tap(model, {"threads": 1})
rows = [[(float(array.min()), float(array.max()), array.dtype.name) for array in tapped.call(each)] for each in read_samples(samples)]
lows, highs = np.array([[seen[:2] for seen in row] for row in rows]).transpose(2, 0, 1)
print(json.dumps({"tensors": tapped.tensors, "lows": list(lows.min(0)), "highs": list(highs.max(0)), "dtypes": [seen[2] for seen in rows[0]]}))
"""


@pytest.fixture(scope="module")
def networks(made):
    """Return the folder of the networks that make_onnx_models.py writes."""
    return made("make_onnx_models.py")


class Onnx:
    """Conversions, runs and looks inside, of one session's networks."""

    def __init__(self, executor, folder, networks, python):
        self._executor, self._folder, self.networks, self._python = executor, folder, networks, python
        self.taps = functools.cache(self._taps)

    def held(self, name, side):
        """Return the arrays (N, *shape) that were written with a network: those that go "in", or come "out"."""
        with np.load(self.networks / f"{name}.npz") as file:
            return {key[len(side) + 1 :]: file[key] for key in file.files if key.startswith(f"{side} ")}

    def samples(self, name):
        """Return the folder of shards of a network's samples."""
        folder = self._folder / "samples" / name
        if not folder.exists():
            arrays = self.held(name, "in")
            with ShardWriter(folder) as writer:
                for row in range(len(next(iter(arrays.values())))):
                    writer.add({key: array[row] for key, array in arrays.items()})
        return folder

    def converted(self, name, **options):
        """Return the finished conversion of a network."""
        (entry,) = self._executor.run(
            Job(
                f"onnx {name}",
                "conversion.converters.onnx",
                "convert",
                Engine("tensorflow"),
                options,
                {"model": self.networks / name},
                ("conversion.schemes.float32",),
            )
        )
        return entry

    def run(self, path, name, kernels="default"):
        """Return what a file gives for a network's samples."""
        execution = Execution(Engine("onnxruntime"), "onnxruntime", kernels)
        (entry,) = self._executor.run(run_job(path, self.samples(name), execution))
        return outputs_of(run_of(entry))

    def _taps(self, path, name):
        """Return what `tap` reads of a file, in a process of its own."""
        variables = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
        command = [self._python, "-c", TAP, path, self.samples(name)]
        ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=600)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def ranges(self, name, factor=1.0):
        """Return a file of the ranges of all float tensors, `factor` times as wide."""
        taps = self.taps(self.converted(name).out / "model.onnx", name)
        rows = zip(taps["tensors"], taps["lows"], taps["highs"], strict=True)
        ranges = {spec["name"]: [low * factor, high * factor] for spec, low, high in rows if spec["dtype"] == "float32"}
        path = self._folder / f"{name}{factor}.json"
        path.write_text(json.dumps({"tensors": ranges}))
        return path

    def quantized(
        self, name, scheme, *, keep=NOTHING_KEPT, ranges=None, granularity="per_channel", dtype="float32", telling=None
    ):
        """Return the finished quantization of a network by a scheme, by one of its variants."""
        made_by = registry.load("conversion/schemes", scheme)
        inputs = {"model": self.converted(name).out / "model.onnx"}
        if made_by.CALIBRATED:
            inputs["ranges"] = ranges or self.ranges(name)
        options = {
            "scheme": scheme,
            "told": Variant(Recipe(scheme), "onnxruntime", None, telling).told,
            "granularity": granularity,
            "inputs": dtype,
            "outputs": dtype,
            "keep_float": keep,
        }
        (entry,) = self._executor.run(
            Job(
                f"onnx {scheme}",
                "conversion.quantizers.onnxruntime",
                "quantize",
                Engine("onnxruntime"),
                options,
                inputs,
                (f"conversion.schemes.{scheme}",),
            )
        )
        return entry


@pytest.fixture(scope="module")
def onnx(executor, home, networks, tmp_path_factory):
    python = resolve("onnxruntime", settings=Settings(home=home)).python
    return Onnx(executor, tmp_path_factory.mktemp("onnx"), networks, python)


def sqnr_db(reference, other):
    """Return 10 log10 of signal over noise, all outputs together."""
    signal = sum(float(np.square(array, dtype=np.float64).sum()) for array in reference.values())
    noise = sum(float(np.square(array - other[name], dtype=np.float64).sum()) for name, array in reference.items())
    return 10 * np.log10(signal / noise)


def findings(entry):
    return {finding["code"]: finding["names"] for finding in entry.result["findings"]}


# ---- conversion


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gives_in_onnx_what_it_gives_in_tensorflow(onnx, name):
    """Under the same names, in the same dtypes and shapes; every output of which is another number for another sample."""
    entry, asked, expected = onnx.converted(name), onnx.held(name, "in"), onnx.held(name, "out")

    given = onnx.run(entry.out / "model.onnx", name)

    signature = entry.result["signature"]
    for side, arrays in (("inputs", asked), ("outputs", expected)):
        said = {spec["name"]: (spec["dtype"], tuple(spec["shape"])) for spec in signature[side]}
        assert said == {key: (array.dtype.name, array.shape[1:]) for key, array in arrays.items()}
    assert set(given) == set(expected)
    for key, array in expected.items():
        assert np.ptp(array, axis=0).max() > 0.05
        np.testing.assert_allclose(given[key], array, rtol=0, atol=1e-5)
    assert entry.result["findings"] == []
    assert entry.result["operators"]


def test_normalizations_and_paddings_are_folded_into_convolutions(onnx):
    """As quantizers need it: what is folded later is quantized twice. The names of tensors are those of the network, without TensorFlow's calls."""
    entry = onnx.converted("cnn")

    counts = {each["name"]: each["count"] for each in entry.result["operators"]}
    tensors = [spec["name"] for spec in onnx.taps(entry.out / "model.onnx", "cnn")["tensors"]]
    assert counts["Conv"] == 3
    assert {"Mul", "Sub", "Pad", "BatchNormalization"}.isdisjoint(counts)
    assert not any("PartitionedCall" in name for name in tensors)
    assert len(tensors) == sum(counts.values()) + 1


def test_converted_again_it_is_the_same_file(onnx):
    """TensorFlow and tf2onnx number tensors through a process; a file that changed for it would have everything after it made again."""
    again = onnx.converted("cnn", opset=17)  # another job, by its options

    assert again.key != onnx.converted("cnn").key
    assert again.result["sha256"] == onnx.converted("cnn").result["sha256"]


def test_operators_that_cannot_be_translated_are_named(onnx):
    """tf2onnx logs them, writes a file all the same, and ends well."""
    with pytest.raises(Unconvertible, match=r"opset 17 has no operator for BesselI0e, Polygamma") as caught:
        onnx.converted("matrices")

    assert "Det" not in caught.value.problem


def test_a_model_that_keeps_state_is_refused(onnx):
    """Its variables would be frozen where they stood."""
    with pytest.raises(Unconvertible, match=r"keeps state from call to call \(AssignAddVariableOp\)"):
        onnx.converted("counter")


def test_what_a_network_has_to_calculate_is_counted(onnx):
    """By hand: three convolutions and a dense layer; of the rest (two clips, a sum, a transposition, a mean, its shape, a softmax) what they give."""
    convolutions = 8 * 8 * 16 * (3 * 9 + 9 + 16)
    rest = 16 * 10 + 8 * 8 * 16 * 3 + 16 * 16 * 3 + 16 + 16 + 10

    assert onnx.converted("cnn").result["multiply_accumulates"] == convolutions + rest


def test_one_name_for_an_input_and_an_output_is_refused(onnx):
    with pytest.raises(Unconvertible, match=r"x is the name of an input and of an output"):
        onnx.converted("echo")


def test_another_opset_is_written_where_tf2onnx_can(onnx):
    assert {each["version"] for each in onnx.converted("twins", opset=13).result["operators"]} == {13}
    with pytest.raises(RequestError, match=r"opset 19: tf2onnx writes 9 to 18"):
        onnx.converted("twins", opset=19)


# ---- quantization


@pytest.mark.parametrize(("telling", "least_db"), [("uint8 weights", 28), ("7-bit weights", 28)])
@pytest.mark.parametrize("name", ["cnn", slow("gelu"), slow("twins")])
def test_sums_within_16_bits_hold_on_every_processor(onnx, name, telling, least_db):
    """With VNNI and without: nothing that they add leaves 16 bits, and nothing is said to."""
    entry = onnx.quantized(name, "static_wi8_ai8", telling=telling)

    given = onnx.run(entry.out / "model.onnx", name)

    assert sqnr_db(onnx.run(onnx.converted(name).out / "model.onnx", name), given) > least_db
    assert findings(entry).keys().isdisjoint({CODE, "nothing-quantized"})


@pytest.mark.parametrize("name", ["cnn", slow("gelu"), slow("twins")])
def test_int8_weights_of_full_range_can_leave_16_bits(onnx, name):
    """Said of the file, on whatever processor it was made; by a scheme's usual telling there is one operator at least."""
    assert findings(onnx.quantized(name, "static_wi8_ai8"))[CODE]


@pytest.mark.parametrize(
    ("name", "scheme", "least_db"),
    [
        ("cnn", "float16", 60),
        ("lstm", "float16", 55),
        ("cnn", "static_wi8_ai8", 30),
        ("gelu", "static_wi8_ai8", 28),
        ("twins", "static_wi8_ai8", 30),
        ("cnn", "static_wi8_ai16", 40),
        ("cnn", "dynamic_wi8_afp32", 40),
        ("gelu", "dynamic_wi8_afp32", 35),
        ("gelu", "weight_only_wi8", 35),
        ("gelu", "weight_only_wi4", 15),
        ("gelu", "dynamic_wi4_afp32", 15),
    ],
)
def test_a_scheme_drifts_no_more_than_its_rounding(onnx, name, scheme, least_db):
    """And no less: a file that gives what the float one does was not quantized. Where its sums are cut off here, it is run as its graph says."""
    entry = onnx.quantized(name, scheme)
    cut = CODE in findings(entry) and cuts_sums_off(*local.features({}))

    given = onnx.run(entry.out / "model.onnx", name, "builtin" if cut else "default")

    noise = sqnr_db(onnx.run(onnx.converted(name).out / "model.onnx", name), given)
    assert least_db < noise < 90
    assert {"nothing-quantized", "not-as-asked"}.isdisjoint(findings(entry))
    assert entry.result["keeps"] == scheme


@pytest.mark.parametrize(
    ("name", "scheme", "telling"),
    [
        ("cnn", "float16", None),
        ("cnn", "static_wi8_ai8", None),
        ("cnn", "static_wi8_ai8", "uint8 weights"),
        ("cnn", "static_wi8_ai16", None),
        ("cnn", "dynamic_wi8_afp32", None),
        ("gelu", "weight_only_wi8", None),
        ("gelu", "weight_only_wi4", None),
        ("gelu", "dynamic_wi4_afp32", None),
        ("gelu", "float32", None),
    ],
)
def test_the_scheme_is_read_of_the_file(onnx, executor, name, scheme, telling):
    """As `verify` takes it, to judge somebody's file by the bounds of what it is."""
    made = onnx.converted(name) if scheme == "float32" else onnx.quantized(name, scheme, telling=telling)

    assert artifact_at(made.out / "model.onnx", executor).scheme == scheme


def test_weights_of_a_dense_network_shrink_with_the_scheme(onnx):
    """By what the file holds, its weights being nearly all of it."""
    sizes = {
        scheme: onnx.quantized("gelu", scheme).result["size_bytes"]
        for scheme in ("float16", "static_wi8_ai8", "weight_only_wi4")
    }

    whole = onnx.converted("gelu").result["size_bytes"]
    assert 0.5 <= sizes["float16"] / whole < 0.55
    assert 0.25 <= sizes["static_wi8_ai8"] / whole < 0.5
    assert 0.125 <= sizes["weight_only_wi4"] / whole < 0.25
    assert (
        onnx.quantized("gelu", "weight_only_wi4").result["weights_bytes"]["uint4"]
        == (64 * 128 + 128 * 128 + 128 * 5) // 2
    )


def test_the_ranges_that_are_given_are_those_that_are_used(onnx):
    """Not ONNX Runtime's own calibration: ranges twice as wide make steps twice as long."""
    steps = {}
    for factor in (1.0, 2.0):
        entry = onnx.quantized("twins", "static_wi8_ai8", ranges=onnx.ranges("twins", factor))
        steps[factor] = {spec["name"]: spec["scale"][0] for spec in entry.result["signature"]["outputs"]}

    held = json.loads(onnx.ranges("twins").read_text())["tensors"]
    for name, step in steps[1.0].items():
        low, high = held[name]
        assert step == pytest.approx((max(high, 0) - min(low, 0)) / 255, rel=1e-5)
        assert steps[2.0][name] == pytest.approx(2 * step, rel=1e-5)


@pytest.mark.parametrize("name", ["cnn", "twins"])
def test_ranges_of_taps_are_those_that_onnx_runtime_finds_itself(onnx, executor, name):
    """Its calibration adds operators that take the minimum and the maximum of each tensor; ours reads the tensors."""
    job = Job(
        f"calibrate {name}",
        "conversion.converters.onnx",
        "calibrate",
        Engine("tensorflow"),
        inputs={"model": onnx.networks / name, "calibration": onnx.samples(name)},
    )

    (entry,) = executor.run(job)

    theirs = json.loads((entry.out / "ranges.json").read_text())["tensors"]
    ours = json.loads(onnx.ranges(name).read_text())["tensors"]
    assert set(theirs) == set(ours)
    for tensor, limits in theirs.items():
        assert limits == pytest.approx(ours[tensor], rel=1e-5, abs=1e-6), tensor


def test_a_scale_for_each_channel_or_one_for_all(onnx):
    """By the number of scales in the file: 16 + 16 + 16 channels and 10 classes, and a bias for each."""
    by_channel, by_tensor = (
        onnx.quantized("cnn", "static_wi8_ai8", granularity=granularity).result["weights_bytes"]["float32"]
        for granularity in ("per_channel", "per_tensor")
    )

    assert (by_channel - by_tensor) // 4 == 2 * (16 + 16 + 16 + 10 - 4)


def test_a_quantized_model_is_tapped_under_the_float_models_names(onnx):
    """Its integers with their scale; so that its layers can be held against those of the float one."""
    entry = onnx.quantized("cnn", "static_wi8_ai8")

    taps = onnx.taps(entry.out / "model.onnx", "cnn")

    floats = {spec["name"]: spec for spec in onnx.taps(onnx.converted("cnn").out / "model.onnx", "cnn")["tensors"]}
    integers = [spec for spec in taps["tensors"] if spec["operator"]]
    names = [spec["name"] for spec in taps["tensors"]]
    assert len(names) == len(set(names))
    assert set(names) < set(floats)
    assert "output_0" in names
    assert {spec["dtype"] for spec in integers} == {"uint8"}
    assert all(len(spec["scale"]) == len(spec["zero_point"]) == 1 for spec in integers)
    assert taps["dtypes"] == ["float32"] + ["uint8"] * len(integers)
    assert [spec["shape"] for spec in taps["tensors"]] == [floats[name]["shape"] for name in names]


# ---- what was asked, and what came out


def test_operators_that_compute_in_float_all_the_same_are_named(onnx):
    """ONNX Runtime has integer kernels for products and sums, and none for the error function."""
    assert findings(onnx.quantized("gelu", "static_wi8_ai8"))["float-operators"] == ["Erf", "Neg", "Sub"]
    assert "float-operators" not in findings(onnx.quantized("cnn", "static_wi8_ai8"))
    assert "Conv" in findings(onnx.quantized("cnn", "static_wi8_ai16"))["float-operators"]


def test_weights_that_a_quantizer_passes_over_are_named(onnx):
    """It looks neither into a Loop, nor, for four bits, at a convolution; and it says nothing."""
    in_loop = findings(onnx.quantized("lstm", "dynamic_wi8_afp32"))
    convolutions = findings(onnx.quantized("cnn", "weight_only_wi4"))

    assert [name.rpartition("/")[2] for name in in_loop["weights-not-quantized"]] == ["while_loop:0"]
    assert "not-smaller" in in_loop
    assert len(convolutions["weights-not-quantized"]) == 3


def test_a_quantizer_that_did_nothing_is_found_out(onnx):
    """Where there is no product of matrices it gives the file back as it was."""
    entry = onnx.quantized("alike", "weight_only_wi4")

    assert "nothing-quantized" in findings(entry)
    assert entry.result["keeps"] == "float32"


@pytest.mark.parametrize(
    "keep", [{"tensors": ["output_0"], "operators": []}, {"tensors": [], "operators": ["Softmax", "Gemm"]}]
)
def test_what_is_to_stay_float_stays_float(onnx, keep):
    """An output's operator by its name, and layers by their type, whose weights then are no finding."""
    entry = onnx.quantized("cnn", "static_wi8_ai8", keep=keep)

    taps = {spec["name"]: spec for spec in onnx.taps(entry.out / "model.onnx", "cnn")["tensors"]}
    assert taps["output_0"]["dtype"] == "float32"
    assert {"not-kept-float", "float-operators", "weights-not-quantized"}.isdisjoint(findings(entry))
    kept_weights = entry.result["weights_bytes"]["float32"] > 16 * 10 * 4
    assert kept_weights == ("Gemm" in keep["operators"])


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({"tensors": ["output_9"], "operators": []}, r"tensor 'output_9': unknown; did you mean 'output_0'"),
        ({"tensors": [], "operators": ["CONV_2D"]}, r"operator 'CONV_2D': unknown; .*known: Add, Clip, Conv, Gemm"),
    ],
)
def test_what_is_to_stay_float_and_is_not_there_is_refused(onnx, keep, message):
    with pytest.raises(UnknownName, match=message):
        onnx.quantized("cnn", "static_wi8_ai8", keep=keep)


def test_integers_at_the_border_cannot_be_had_yet(onnx):
    with pytest.raises(Unconvertible, match=r"static_wi8_ai8 in ONNX: inputs 'int8' is not available yet"):
        onnx.quantized("cnn", "static_wi8_ai8", dtype="int8")


def test_ranges_of_another_model_do_not_serve(onnx):
    with pytest.raises(Unconvertible, match=r"static_wi8_ai8 in ONNX: the ranges are not those of this model"):
        onnx.quantized("cnn", "static_wi8_ai8", ranges=onnx.ranges("twins"))
