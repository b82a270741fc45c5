"""What outputs mean: what the files of kinds say, how a kind is inferred, and how somebody says it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toolkit import config, profiles
from toolkit.comparison import metrics, output_kinds
from toolkit.comparison.bounds import Bound
from toolkit.comparison.deciding import deciding, for_scheme
from toolkit.comparison.output_kinds import declaring
from toolkit.comparison.output_kinds.declaring import Declared
from toolkit.comparison.output_kinds.inferring import OriginalOutputs, OutputKind, infer
from toolkit.comparison.output_kinds.rows import LOOKS, SAID
from toolkit.errors import InvalidConfig, RequestError, UnknownName
from toolkit.samples import dataset
from toolkit.tensors.endings import Ending, canonical

NAMES = output_kinds.names()
SHAPES = [(), (1,), (1, 1), (1, 2), (1, 4), (1, 10), (1, 7, 4), (1, 6, 6), (1, 6, 6, 1), (1, 6, 6, 3), (1, 1, 1, 10)]


def spec(shape, dtype="float32", name="y", **more):
    return {"name": name, "dtype": dtype, "shape": list(shape), **more}


def ends_in(operator, *through, **more):
    return Ending(operator, canonical(operator), through, **more)


NOTHING = Ending()


def kind_of(shape, ending=NOTHING, values=None, labels=None, dtype="float32", name="y", **more):
    """Return what an output is taken for."""
    seen = None if values is None else OriginalOutputs.of([{name: np.asarray(values, float)}], labels)
    return infer([spec(shape, dtype, name, **more)], {name: ending}, seen)[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_kind_says_what_the_contract_asks(name):
    """Its bounds are those of a profile, on the total of each output, by metrics that mean something for its numbers."""
    kind = output_kinds.load(name)

    bounds = [Bound.model_validate(config._frozen(table)) for table in output_kinds.bounds_of(name)]

    assert kind.about.strip()
    assert kind.shape.strip()
    assert bounds
    for bound in bounds:
        assert (bound.stage, bound.output, bound.kinds) == ("total", "*", (name,))
        assert metrics.load(bound.metric).WHOLE_NUMBERS or "real" in kind.fits.numbers
    if kind.inferred.rows is not None:
        assert kind.inferred.rows.are in LOOKS
        assert kind.inferred.rows.because.strip()
    assert {canonical(one) for one in kind.inferred.operators} == set(kind.inferred.operators)
    assert LOOKS.keys() == SAID.keys()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_output_that_fits_a_kind_is_judged_by_one_of_its_bounds(name, shape):
    """Else nothing would be said about its total."""
    kind = output_kinds.load(name)
    for numbers in kind.fits.numbers:
        if kind.misfit(numbers, shape) is None:
            found = [metrics.load(table["metric"]) for table in output_kinds.bounds_of(name)]
            assert any(
                metric.applies(shape) is None and (numbers == "real" or metric.WHOLE_NUMBERS) for metric in found
            )


@pytest.mark.parametrize("shape", SHAPES)
def test_no_two_kinds_claim_one_output(shape):
    """Which one it is may not depend on the order of their names."""
    for numbers, (one, other) in itertools.product(
        ("real", "whole", "truth"), itertools.combinations(map(output_kinds.load, NAMES), 2)
    ):
        if one.misfit(numbers, shape) is None and other.misfit(numbers, shape) is None:
            both = set(one.inferred.operators) & set(other.inferred.operators)
            last = shape[-1] if shape else 1
            assert not [
                op for op in both if all(k.inferred.last is None or last <= k.inferred.last for k in (one, other))
            ]
            assert not (numbers in one.inferred.numbers and numbers in other.inferred.numbers)


def test_one_kind_is_for_all_that_is_none_of_the_others():
    """And it fits any numbers."""
    assert [name for name in NAMES if output_kinds.load(name).inferred.otherwise] == ["real_values"]


@pytest.mark.parametrize(
    ("shape", "ending", "dtype", "expected"),
    [
        ((1, 10), ends_in("SOFTMAX"), "float32", "class_scores"),
        ((1, 10), ends_in("Softmax", "DequantizeLinear"), "float32", "class_scores"),
        ((1, 1, 1, 10), ends_in("SOFTMAX"), "float32", "class_scores"),
        ((1, 6, 6, 3), ends_in("SOFTMAX"), "float32", "class_map"),
        ((1, 1), ends_in("SOFTMAX", "STRIDED_SLICE"), "float32", "probabilities"),
        ((1, 1), ends_in("LOGISTIC"), "float32", "probabilities"),
        ((1, 6, 6, 1), ends_in("Sigmoid"), "float32", "probabilities"),
        ((1, 64), ends_in("LOGISTIC"), "float32", "real_values"),
        ((1,), ends_in("ARG_MAX", dtype="int64"), "int64", "labels"),
        ((1,), ends_in("ARG_MAX", "CAST", dtype="int64"), "float32", "labels"),
        ((1, 6, 6), ends_in("ARG_MAX", dtype="int64"), "int64", "label_map"),
        ((1,), ends_in("GATHER", dtype="int32"), "int32", "labels"),
        ((1, 6), Ending(), "int32", "label_map"),
        ((1, 5), ends_in("TOPK_V2", dtype="int32", position=1), "int32", "ranking"),
        ((1, 5), ends_in("TOPK_V2"), "float32", "real_values"),
        ((1, 6, 6, 3), ends_in("MUL", "CAST", dtype="float32"), "uint8", "real_values"),
        ((1, 3), ends_in("GREATER"), "bool", "yes_no"),
        ((1, 1), Ending(), "bool", "yes_no"),
        ((1, 1), ends_in("GREATER", "CAST"), "float32", "yes_no"),
        ((1, 16), ends_in("L2_NORMALIZATION"), "float32", "embedding"),
        ((1, 16), Ending("MUL", "l2normalization"), "float32", "embedding"),
        ((1, 14), ends_in("CONCATENATION", parts=(4, 10)), "float32", "real_values"),
        ((1, 10), ends_in("FULLY_CONNECTED"), "float32", "real_values"),
        ((1, 4), Ending(), "float32", "real_values"),
    ],
)
def test_the_graph_tells(shape, ending, dtype, expected):
    """By the operator that gives the numbers, behind those that only move them."""
    found = kind_of(shape, ending, dtype=dtype)

    assert found.name == expected
    assert found.by in ("graph", "signature", "otherwise")
    assert ending.operator in found.reason


def test_the_reason_names_what_lies_between():
    """So that somebody finds it in the graph."""
    found = kind_of((1, 10), ends_in("SOFTMAX", "DEQUANTIZE", "RESHAPE"))

    assert found.reason == "it ends in SOFTMAX behind DEQUANTIZE, RESHAPE"


def test_quantized_scores_are_real_numbers():
    """Integers with a scale stand for them."""
    scaled = {"scale": [1 / 256], "zero_point": [-128]}

    assert kind_of((1, 10), ends_in("SOFTMAX"), dtype="int8", **scaled).name == "class_scores"


def test_parts_of_a_concatenation_are_told():
    """Each of them is judged alone."""
    assert kind_of((1, 14), ends_in("CONCATENATION", parts=(4, 10))).parts == (4, 10)
    assert kind_of((2, 7), ends_in("CONCATENATION", "RESHAPE", parts=(4, 10))).parts == ()


def test_rows_that_sum_to_one_are_scores():
    """Where the graph does not tell."""
    rows = np.random.default_rng(0).dirichlet(np.ones(5), size=(20, 1))

    assert kind_of((1, 5), values=rows) == OutputKind(
        "class_scores", "rows of the original's outputs are not negative and sum to 1", "reference"
    )
    assert kind_of((1, 5), values=2 * rows).name == "real_values"


def test_rows_that_never_change_show_nothing():
    """A table of anchors, an identity: constant by design."""
    assert kind_of((3, 3), values=np.tile(np.eye(3), (20, 1, 1))).name == "real_values"


def test_blocks_of_other_shapes_show_nothing():
    """How many boxes there are may differ from call to call."""
    seen = OriginalOutputs.of([{"y": np.eye(4)[:, None]}, {"y": np.ones((2, 3, 4))}], None)

    assert seen.shape("y") is None
    assert infer([spec((1, None, 4))], {}, seen)["y"].name == "real_values"


def test_large_outputs_are_looked_at_in_part():
    """Maps of a million numbers fill no memory."""
    blocks = ({"y": np.ones((2, 1, 1 << 10, 1 << 10))} for _ in range(50))

    assert len(OriginalOutputs.of(blocks, None).values["y"]) == 4


@pytest.mark.parametrize("width", [2, 3, 4])
def test_headings_normals_and_rotations_are_no_embeddings(width):
    """Nobody searches them, and among many of two numbers an eight-bit file finds few again."""
    rows = np.random.default_rng(0).normal(size=(50, 1, width))
    rows /= np.linalg.norm(rows, axis=-1, keepdims=True)

    assert kind_of((1, width), ends_in("L2_NORMALIZATION")).name == "real_values"
    assert kind_of((1, width), values=rows).name == "real_values"
    assert kind_of((1, 5), ends_in("L2_NORMALIZATION")).name == "embedding"


def test_rows_of_length_one_are_embeddings():
    """By chance no vector has it."""
    rows = np.random.default_rng(0).normal(size=(20, 1, 5))
    rows /= np.linalg.norm(rows, axis=-1, keepdims=True)

    assert kind_of((1, 5), values=rows).name == "embedding"
    assert kind_of((1, 5), values=1.01 * rows).name == "real_values"


def boxes(count=20, seed=0):
    low, size = np.random.default_rng(seed).random((2, count, 1, 2)) * (20, 4)
    return np.concatenate([low, low + size + 0.1], axis=-1)


def test_corners_are_a_guess_that_is_said():
    """Four numbers that are in the order of corners, and in no other."""
    found = kind_of((1, 4), values=boxes())

    assert (found.name, found.by) == ("boxes", "reference")
    assert found.reason.endswith("a guess")


def test_a_network_of_boxes_crosses_a_side_now_and_then():
    """And fills its list up with zeros."""
    rows = boxes(100)
    rows[:3, 0, :2], rows[50:] = rows[:3, 0, 2:] + 1, 0

    assert kind_of((1, 4), values=rows).name == "real_values"
    assert kind_of((1, 4), values=np.concatenate([rows, boxes(50, 1)])).name == "boxes"


def test_quantiles_are_no_boxes():
    """They are in the order of corners, too, but always in one."""
    rows = np.sort(np.random.default_rng(0).normal(size=(20, 1, 4)), axis=-1)

    assert kind_of((1, 4), values=rows).name == "real_values"


def test_a_name_is_a_guess():
    """Which rows of the reference can refute: offsets from anchors are called boxes, too."""
    offsets = np.random.default_rng(0).normal(size=(20, 1, 4))

    assert kind_of((1, 4), name="raw_boxes").name == "boxes"
    assert kind_of((1, 4), name="detectionBoxes:0").reason == "its name says 'boxes': a guess"
    assert kind_of((1, 4), name="raw_boxes", values=offsets).name == "real_values"
    assert kind_of((1, 4), name="box", values=np.sort(boxes(), axis=-1)).name == "boxes"
    assert kind_of((1, 4), name="inbox").name == "real_values"
    assert kind_of((1, 5), name="box").name == "real_values"


def classified(count=60, right=0.9):
    numbers = np.random.default_rng(0)
    labels = numbers.integers(0, 5, count)
    values = numbers.normal(size=(count, 1, 5))
    values[np.arange(count), 0, labels] += np.where(numbers.random(count) < right, 9, 0)
    return values, labels


def test_labels_show_that_numbers_are_scores():
    """Where the largest is what they say more often than chance."""
    values, labels = classified()

    found = kind_of((1, 5), ends_in("FULLY_CONNECTED"), values, labels)

    assert (found.name, found.by) == ("class_scores", "labels")
    assert kind_of((1, 5), ends_in("FULLY_CONNECTED"), values, None).name == "real_values"
    assert kind_of((1, 5), ends_in("FULLY_CONNECTED"), values, labels.astype(float)).name == "class_scores"


def test_labels_of_yes_or_no_show_that_several_numbers_are_probabilities():
    """Of a logistic, and where there is one for each: a reconstruction has none."""
    values = np.random.default_rng(0).random((60, 1, 5))
    marks = values[:, 0] > 0.6

    found = kind_of((1, 5), ends_in("LOGISTIC"), values, marks.astype(int))

    assert (found.name, found.by) == ("probabilities", "labels")
    assert kind_of((1, 5), ends_in("LOGISTIC"), values, marks).name == "probabilities"
    assert kind_of((1, 5), ends_in("LOGISTIC"), values, marks.astype(float)).name == "probabilities"


@pytest.mark.parametrize(
    "labels",
    [
        None,
        np.zeros((60, 5)),
        np.ones((60, 5)),
        np.eye(60, 4),
        2 * np.eye(60, 5),
        np.eye(50, 5),
        np.eye(60, 5)[:, :, None],
    ],
    ids=["none", "only no", "only yes", "another width", "no mark", "another length", "more axes"],
)
def test_labels_that_are_not_yes_and_no_of_each_number_make_no_probabilities(labels):
    """And what is no logistic has no 0.5 to decide at."""
    values = np.random.default_rng(0).random((60, 1, 5))

    assert kind_of((1, 5), ends_in("LOGISTIC"), values, labels).name == "real_values"
    assert kind_of((1, 5), ends_in("FULLY_CONNECTED"), values, np.eye(60, 5)).name == "real_values"


@pytest.mark.parametrize(
    "labels",
    [
        classified()[1] + 1,  # the last of which no number has
        np.roll(classified()[1], 1),  # which the numbers do not show
        classified()[1] + 0.5,
        classified()[1][:-1],
        np.zeros((60, 5)),
        {"a": classified()[1]},
    ],
    ids=["beyond", "shifted", "halves", "another length", "rows", "by name"],
)
def test_labels_that_show_nothing_make_no_scores(labels):
    """A reconstruction of a digit has labels, too."""
    assert kind_of((1, 5), ends_in("FULLY_CONNECTED"), classified()[0], labels).name == "real_values"


def test_labels_make_no_scores_of_a_reconstruction():
    """A logistic over many numbers is no choice of one."""
    values, labels = classified()

    assert kind_of((1, 5), ends_in("LOGISTIC"), values, labels).name == "real_values"


OUTPUTS = [spec((1, 10), name="logits"), spec((1,), "int64", "label"), spec((1, 6, 6, 3), name="picture")]


def test_who_is_nearer_says_what_an_output_is():
    """The command line, then the recipe, then the profile, then what was inferred."""
    inferred = infer(OUTPUTS, {})
    said = Declared(
        {"logits": "class_scores"}, {"logits": "embedding", "picture": "image"}, {"picture": "class_map"}, "board"
    )

    found = said.applied(inferred)

    assert found["logits"] == OutputKind("class_scores", "said by --output-kind", "command line")
    assert found["picture"] == OutputKind("image", "said by the recipe of the set", "recipe")
    assert found["label"] == inferred["label"]
    assert Declared(profile={"picture": "image"}, profile_name="board").applied(inferred)["picture"].reason == (
        "said by the profile board"
    )


def test_all_mistakes_are_said_at_once():
    """An output that is not there, a kind that is not there, and kinds that do not fit shape or numbers."""
    said = Declared(
        {"logit": "class_scores", "label": "class_scores"}, {"picture": "yes"}, {"logits": "boxes"}, "board"
    )

    with pytest.raises(RequestError) as caught:
        declaring.require_fitting([said], OUTPUTS)

    assert caught.value.problem.splitlines() == [
        (
            "[output_kinds] of board logits=boxes: its shape is (1, 10); boxes is (..., 4); "
            "class_scores, embedding, label_map, probabilities, real_values, yes_no would fit"
        ),
        "[output_kinds] of the set picture=yes: no kind of output is called 'yes'; did you mean 'yes_no'? known: "
        + ", ".join(NAMES),
        "--output-kind logit=class_scores: no output is called 'logit'; did you mean 'logits'? known: label, logits, picture",
        (
            "--output-kind label=class_scores: it holds whole numbers; class_scores is (1, C) with C >= 2; "
            "labels, real_values, yes_no would fit"
        ),
    ]


def test_a_size_that_is_left_open_fits_what_it_may_be():
    """Only what runs tells."""
    declaring.require_fitting([Declared({"y": "class_scores"})], [spec((None, None))])
    declaring.require_fitting([Declared({"y": "class_map"})], [{"name": "y", "dtype": "float32", "shape": None}])


def test_of_several_signatures_each_has_some_of_the_outputs():
    """What the others have is no mistake."""
    declaring.require_fitting([Declared({"y": "labels", "logits": "class_scores"}, of_several=True)], OUTPUTS)
    with pytest.raises(RequestError, match="it holds whole numbers"):
        declaring.require_fitting([Declared({"y": "labels", "label": "class_scores"}, of_several=True)], OUTPUTS)


def test_the_command_line_is_read_whole():
    """With all of its mistakes."""
    assert declaring.read(["a=b=labels", "y=image"]) == {"a=b": "labels", "y": "image"}
    with pytest.raises(RequestError) as caught:
        declaring.read(["labels", "y=image", "y=labels", "z=imag"])
    assert [line.partition("; did")[0] for line in caught.value.problem.splitlines()] == [
        "--output-kind 'labels': expected NAME=KIND, as in --output-kind logits=class_scores",
        "--output-kind y=labels: the second for 'y'; give one for each output",
        "--output-kind z=imag: no kind of output is called 'imag'",
    ]


def test_an_unknown_kind_is_answered_with_the_closest():
    """As any name is."""
    with pytest.raises(UnknownName, match="kind of output 'boxs': unknown; did you mean 'boxes'"):
        output_kinds.load("boxs")


def test_a_kind_lives_on_in_json():
    """A bundle keeps it."""
    found = OutputKind("boxes", "a guess", "name", (2, 2))

    assert OutputKind.from_json(found.to_json()) == found


HOST = 'name = "mine"\nabout = "mine"\nextends = "host"\n'
WRONG = "known: " + ", ".join(NAMES)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[output_kinds]\ny = "bxes"\n', f"output_kinds.y: 'bxes'; did you mean 'boxes'? {WRONG}"),
        (
            '[[bounds]]\nstage = "total"\noutput = "*"\nmetric = "box_iou"\nlimit = 0.9\nbecause = "b"\nkinds = ["bxes"]\n',
            f"bounds[0].kinds[0]: 'bxes'; did you mean 'boxes'? {WRONG}",
        ),
    ],
)
def test_a_kind_that_there_is_not_is_a_mistake_of_the_profile(tmp_path, text, says):
    """Said with its place, as any other."""
    (tmp_path / "mine.toml").write_text(HOST + text)

    with pytest.raises(InvalidConfig) as caught:
        profiles.find(tmp_path / "mine.toml")

    assert f"mine.toml: {says}" in str(caught.value)


def test_a_kind_that_there_is_not_is_a_mistake_of_the_recipe(tmp_path):
    """Also in a set's file."""
    np.savez(tmp_path / "a.npz", x=np.ones((4, 3)))
    (tmp_path / "set.toml").write_text('[reader]\nkind = "arrays"\npath = "a.npz"\n[output_kinds]\ny = "labls"\n')

    with pytest.raises(InvalidConfig, match=r"output_kinds\.y: 'labls'; did you mean 'labels'"):
        dataset.recipe(str(tmp_path / "set.toml"))


def test_a_bound_of_ones_own_decides_over_that_of_a_kind(tmp_path):
    """Which lies below every profile."""
    own = '[[bounds]]\nstage = "total"\noutput = "*"\nmetric = "box_iou"\nlimit = 0.5\nbecause = "b"\n'
    (tmp_path / "mine.toml").write_text(HOST + own)

    held = for_scheme(profiles.find(tmp_path / "mine.toml").bounds, "total", "float32")
    decided = [bound.terms for bound in deciding(held, "y", "boxes") if bound.metric == "box_iou"]

    assert ">= 0.5 ratio" in decided
    assert ">= 0.75 ratio" not in decided
