"""A recipe's variants: who can make a scheme, with which ranges, and what cannot be asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toolkit import profiles
from toolkit.conversion.artifacts import format_of
from toolkit.errors import InvalidConfig, RequestError, UnknownName
from toolkit.pipeline.prepare import recipes_of
from toolkit.profiles.recipe import Asked, Estimator, KeepFloat, Recipe, estimator

MIN_MAX, MSE = estimator("min_max"), estimator("mse")


def made_by(recipe, artifact_format="tflite"):
    return [(variant.quantizer, str(variant.estimator)) for variant in recipe.variants(artifact_format)]


def test_the_float_scheme_has_one_variant_without_a_quantizer():
    (variant,) = Recipe("float32").variants("tflite")

    assert (variant.quantizer, variant.estimator, variant.fallback) == (None, None, False)


def test_each_quantizer_is_combined_with_each_estimator():
    found = made_by(Recipe("static_wi8_ai8", (MIN_MAX, MSE)))

    assert found[:2] == [("mlir", "min_max"), ("mlir", str(MSE))]
    assert ("litert_quantizer", "min_max") in found


def test_one_that_calibrates_by_itself_is_not_given_ranges():
    recipe = Recipe("static_wi8_ai8", (MIN_MAX, MSE), quantizer="converter")

    assert made_by(recipe) == [("converter", "None")]


def test_what_needs_no_calibration_has_no_estimator():
    assert {estimator for _, estimator in made_by(Recipe("float16", (MIN_MAX, MSE)))} == {"None"}


def test_only_quantizers_of_the_format_are_asked():
    assert {quantizer for quantizer, _ in made_by(Recipe("static_wi8_ai8", (MIN_MAX,)), "onnx")} == {"onnxruntime"}


def test_an_unknown_quantizer_is_refused_with_those_that_can():
    with pytest.raises(UnknownName, match="mlir"):
        Recipe("static_wi8_ai8", quantizer="mlirr").variants("tflite")


def test_a_former_name_is_answered_with_the_one_of_today():
    with pytest.raises(
        UnknownName,
        match="quantizer of static_wi8_ai8 'ai_edge_quantizer': unknown; now called 'litert_quantizer'; known: conv",
    ):
        Recipe("static_wi8_ai8", quantizer="ai_edge_quantizer").variants("tflite")


def test_a_former_name_is_not_offered_where_today_s_does_not_serve():
    with pytest.raises(UnknownName) as caught:
        Recipe("static_wi8_ai8", quantizer="ai_edge_quantizer").variants("onnx")

    assert "now called" not in str(caught.value)


def test_a_quantizer_of_another_format_is_refused():
    with pytest.raises(UnknownName, match="onnxruntime"):
        Recipe("static_wi8_ai8", quantizer="onnxruntime").variants("tflite")


@pytest.mark.parametrize(
    "recipe", [Recipe("float32", quantizer="mlir"), Recipe("float32", keep_float=KeepFloat(("a",)))]
)
def test_nothing_can_be_asked_of_a_scheme_that_quantizes_nothing(recipe):
    with pytest.raises(RequestError, match="float32"):
        recipe.variants("tflite")


def test_dtypes_that_a_scheme_cannot_have_are_refused():
    with pytest.raises(RequestError, match="uint8"):
        replace(Recipe("float16"), inputs="uint8").variants("tflite")


def test_an_estimator_has_all_of_its_parameters_whether_given_or_not():
    assert estimator("percentile").parameters == estimator("percentile:percentile=99.99").parameters
    assert str(estimator("percentile:percentile=99.9")) == "percentile:percentile=99.9"
    assert str(estimator("percentile:percentile=99.99")) == "percentile"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("percentle", "percentile"),
        ("percentile:percent=99", "percentile"),
        ("percentile:percentile=much", "number"),
        ("percentile:percentile=140", "140"),
        ("percentile:percentile=nan", "nan"),
        ("min_max:percentile=99", "parameter"),
    ],
)
def test_an_estimator_that_cannot_be_is_refused(text, said):
    with pytest.raises(RequestError, match=said):
        estimator(text)


def test_what_is_asked_takes_the_place_of_the_profile():
    recipe = Recipe("static_wi8_ai8", granularity="per_tensor", keep_float=KeepFloat(("a*",)))

    changed = Asked(estimators=(MSE,), quantizer="mlir").of(recipe)

    assert (changed.estimators, changed.quantizer, changed.granularity) == ((MSE,), "mlir", "per_tensor")
    assert changed.keep_float == recipe.keep_float


def test_equal_estimators_are_one():
    assert len({Estimator("mse", {"bits": 4.0}), Estimator("mse", {"bits": 4.0})}) == 1


def test_a_profile_says_how_its_schemes_are_made(tmp_path):
    (tmp_path / "board.toml").write_text(
        'extends = "host"\nname = "board"\nabout = "x"\n[quantization]\nestimators = ["percentile:percentile=99.5"]\n'
        'granularity = "per_tensor"\nkeep_float = { operators = ["SOFTMAX"] }\n'
    )

    recipe = profiles.find(tmp_path / "board.toml").recipe("static_wi8_ai8")

    assert [str(each) for each in recipe.estimators] == ["percentile:percentile=99.5"]
    assert (recipe.granularity, recipe.keep_float.operators) == ("per_tensor", ("SOFTMAX",))


def test_a_profile_with_an_estimator_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "board.toml").write_text(
        'extends = "host"\nname = "board"\nabout = "x"\n[quantization]\nestimators = ["percentile:percentile=140"]\n'
    )

    with pytest.raises(InvalidConfig, match="140"):
        profiles.find(tmp_path / "board.toml")


def test_a_scheme_that_the_target_forbids_is_refused_with_the_reason():
    with pytest.raises(RequestError, match=r"raspberry-pi-4: forbids weight_only_wi4: .*4 bits"):
        profiles.find("raspberry-pi-4").recipe("weight_only_wi4")


def test_a_profile_may_not_forbid_what_it_prefers(tmp_path):
    (tmp_path / "board.toml").write_text('extends = "host"\nname = "board"\nabout = "x"\n[forbids]\nfloat32 = "y"\n')

    with pytest.raises(InvalidConfig, match="float32 is among its schemes"):
        profiles.find(tmp_path / "board.toml")


def test_what_is_forbidden_stays_forbidden_in_profiles_that_extend_it(tmp_path):
    (tmp_path / "board.toml").write_text('extends = "raspberry-pi-4"\nname = "board"\nabout = "x"\n')

    assert "dynamic_wi4_afp32" in profiles.find(tmp_path / "board.toml").forbids


@pytest.mark.parametrize(
    ("name", "expected"), [("model.tflite", "tflite"), ("model.onnx", "onnx"), ("model", "tflite")]
)
def test_the_format_is_what_the_suffix_says(tmp_path, name, expected):
    assert format_of(tmp_path / name) == expected


@pytest.mark.parametrize("name", ["model.onx", ""])
def test_a_file_of_no_format_is_refused(tmp_path, name):
    with pytest.raises(RequestError, match="expected"):
        format_of(tmp_path / name)


def tellings(recipe):
    return [(variant.quantizer, variant.telling, variant.needs) for variant in recipe.variants("tflite")]


@pytest.mark.parametrize("scheme", ["dynamic_wi8_afp32", "dynamic_wi4_afp32"])
def test_weights_are_scaled_by_moments_as_a_variant_beside_the_usual_one(scheme):
    """The usual one stays the first, and the scheme needs no calibration set for it."""
    usual, scaled = ("litert_quantizer", None, None), ("litert_quantizer", "oscar", "moments")

    assert tellings(Recipe(scheme, (MIN_MAX, MSE)))[:2] == [usual, scaled]
    assert tellings(Recipe(scheme, quantizer="litert_quantizer")) == [usual, scaled]
    assert not Recipe(scheme).is_calibrated


def test_a_single_variant_can_be_asked_for():
    recipe = Recipe("dynamic_wi8_afp32", quantizer="litert_quantizer:oscar")
    (variant,) = recipe.variants("tflite")

    assert recipe.is_calibrated
    assert (variant.told["scaled_by"], variant.told["complete"]) == ("OSCAR", True)
    assert variant.to_json()["telling"] == "oscar"


@pytest.mark.parametrize("quantizer", ["litert_quantizer:oskar", "litert_quantiser:oscar", "converter:oscar"])
def test_a_variant_that_there_is_not_is_refused_with_those_that_there_are(quantizer):
    with pytest.raises(UnknownName, match=r"(did you mean|known: .*)'?litert_quantizer"):
        Recipe("dynamic_wi8_afp32", quantizer=quantizer).variants("tflite")


def test_weights_are_scaled_in_no_other_scheme():
    """Of static and weight-only schemes the library makes something else."""
    others = {"static_wi8_ai8", "static_wi8_ai16", "weight_only_wi8", "weight_only_wi4", "float16", "float32"}

    assert {telling for scheme in others for _, telling, _ in tellings(Recipe(scheme))} == {None}


def test_what_a_variant_needs_of_a_calibration_set():
    needs = {(quantizer, need) for quantizer, _, need in tellings(Recipe("static_wi8_ai8", (MIN_MAX,)))}

    assert needs == {("mlir", "ranges"), ("litert_quantizer", "ranges"), ("converter", "samples")}
    assert [variant.needs for variant in Recipe("float32").variants("tflite")] == [None]


def test_where_sums_have_16_bits_only_variants_that_keep_within_are_made():
    """Each with each estimator; so many more candidates are tried there, and nowhere else."""
    usual = Recipe("static_wi8_ai8", (MIN_MAX, MSE))
    within = replace(usual, within_16_bits=True)

    assert [each.telling for each in usual.variants("onnx")] == [None, None]
    assert [(str(each.estimator), each.telling) for each in within.variants("onnx")] == [
        ("min_max", "uint8 weights"), ("min_max", "7-bit weights"), (str(MSE), "uint8 weights"), (str(MSE), "7-bit weights"),
    ]  # fmt: skip
    told = {each.telling: (each.told["weights"], each.told["reduce_range"]) for each in within.variants("onnx")}
    assert told == {"uint8 weights": ("uint8", False), "7-bit weights": ("int8", True)}


def test_what_cuts_nothing_off_is_made_as_ever():
    """XNNPACK's sums have 32 bits on every processor, and ONNX Runtime's of uint8 weights, of floats, and of 16-bit activations."""
    tflite = Recipe("static_wi8_ai8", (MIN_MAX,), within_16_bits=True)
    others = [
        Recipe(name, (MIN_MAX,), within_16_bits=True) for name in ("static_wi8_ai16", "dynamic_wi8_afp32", "float16")
    ]

    assert {each.telling for each in tflite.variants("tflite")} == {None}
    assert {each.telling for recipe in others for each in recipe.variants("onnx")} == {None}


@pytest.mark.parametrize(
    ("asked", "tried"),
    [
        (Asked(), ["static_wi8_ai8", "dynamic_wi8_afp32", "float16", "float32"]),
        (Asked(inputs="int8"), ["static_wi8_ai8"]),
        (Asked(outputs="uint8"), ["static_wi8_ai8"]),
        (Asked(inputs="float32"), ["static_wi8_ai8", "dynamic_wi8_afp32", "float16", "float32"]),
        (Asked("static_wi8_ai16", inputs="int16", outputs="int16"), ["static_wi8_ai16"]),
    ],
)
def test_dtypes_that_are_asked_for_leave_the_schemes_that_can_have_them(asked, tried):
    """In place of the profile's; the other schemes would be refused."""
    recipes = recipes_of(profiles.find("host"), asked)

    assert [recipe.scheme for recipe in recipes] == tried
    assert {(recipe.inputs, recipe.outputs) for recipe in recipes} == {
        (asked.inputs or "float32", asked.outputs or "float32")
    }


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            Asked(inputs="int9"),
            r"host: inputs 'int9' and outputs 'float32' cannot be had with any .*static_wi8_ai8: float32, int8",
        ),
        (Asked("float16", inputs="int8"), r"scheme float16: inputs 'int8' is not available; known: float32"),
    ],
)
def test_dtypes_that_no_scheme_can_have_are_refused(asked, said):
    """With those that each can have."""
    with pytest.raises(RequestError, match=said):
        recipes_of(profiles.find("host"), asked)


def test_a_profiles_dtypes_give_way_to_those_that_are_asked_for(tmp_path):
    """So an application that feeds real numbers can be built for the same board."""
    (tmp_path / "board.toml").write_text(
        'extends = "host"\nname = "board"\nabout = "x"\nschemes = ["static_wi8_ai8"]\n[conversion]\ninputs = "int8"\n'
    )
    board = profiles.find(tmp_path / "board.toml")

    assert [each.inputs for each in recipes_of(board, Asked())] == ["int8"]
    assert [each.inputs for each in recipes_of(board, Asked(inputs="float32"))] == ["float32"]


def test_a_format_that_packs_another_has_the_variants_of_that_one():
    """What is quantized is an .onnx file; .ort packs it."""
    for scheme in ("static_wi8_ai8", "dynamic_wi8_afp32", "float32"):
        assert Recipe(scheme).variants("ort") == Recipe(scheme).variants("onnx")
