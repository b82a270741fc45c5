"""What is said of operators whose numbers are known: which stands out, which is first, and how it is written."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from toolkit.attribution import Attribution, Deviation, Operator, stands_out
from toolkit.attribution.folder import write
from toolkit.attribution.searching import samples_of
from toolkit.compare import Comparison, Judgement, Measured
from toolkit.errors import StoreFailed
from toolkit.verdict import Judged


def deviation(share: float, max_lsb: float | None = 1.0) -> Deviation:
    db = math.inf if share == 0 else -10 * math.log10(share)
    return Deviation(db, share, 0.5, max_lsb, 0.3, 7)


def operator(place: int, noise: float | None, *, equal: bool = False, **more: object) -> Operator:
    said = {"inputs": ("x",), "dtype": "int8", "alone_equal": equal, "not_isolated": None, "noise": noise}
    own = None if noise is None else deviation(noise)
    given = {**said, "cumulative": deviation(0.5), "isolated": own, **more}
    return Operator(place=place, operator="CONV_2D", tensor=f"conv{place};bias{place}", equal=equal, **given)


def found(stage: str, *operators: Operator, **more: object) -> Attribution:
    return Attribution(stage, "reference kernels", "default kernels", (7, 0), operators, **more)


@pytest.mark.parametrize(
    ("noises", "place"),
    [
        ([], None),
        ([0.0, 0.0], None),
        ([0.0, 1e-12], 1),
        ([1.0, 2.0, 4.0], 2),
        ([1.0, 2.0, 3.0], None),  # as much as the others is not more
        ([1.0, 2.0, 2.5], None),
        ([1.0, math.inf, 2.0], 1),
        ([math.inf, math.inf], None),
        ([math.nan, 1.0], None),
    ],
)
def test_who_makes_more_noise_than_all_others_together_stands_out(noises, place):
    assert stands_out(noises) == place


def test_the_first_is_by_the_order_of_execution_and_the_largest_by_noise():
    attribution = found("kernels", operator(0, 0.0, equal=True), operator(1, 0.001), operator(2, 0.1))

    assert attribution.first.place == 1
    assert attribution.largest.place == attribution.guilty.place == 2


def test_where_every_operator_errs_by_its_nature_none_is_the_first():
    assert found("quantization", operator(0, 0.1)).first is None


def test_of_two_that_err_alike_none_is_guilty_and_the_earlier_is_the_largest():
    attribution = found("device", operator(0, 0.1), operator(1, 0.1))

    assert attribution.guilty is None
    assert attribution.largest.place == 0


@pytest.mark.parametrize(
    ("attribution", "says"),
    [
        (found("kernels", operator(0, 0.1), operator(1, 0.9)), "CONV_2D 'conv1;…' (operator 1) stands out: it makes 90%"),
        (found("kernels", operator(0, 0.1), operator(1, 0.1)), "no operator stands out: the error accumulates"),
        (found("kernels", operator(0, 0.0, equal=True)), "all operators give the same, bit by bit"),
        (found("kernels", operator(0, 0.0)), "what differs comes of how they are put together"),
        (found("device", why="the board is gone"), "cannot be told, because the board is gone"),
        (found("quantization", operator(0, 0.9), output="y"), "100% of the noise at output 'y'"),
        (found("device", operator(0, 0.9), operator(1, None)), "together; of 1 others it is not known"),
        (found("conversion", operator(0, None, not_isolated="it loops")), "which operator errs cannot be told, because it loops"),
        (found("conversion", operator(0, None)), "the reference has nothing that stands for what they give"),
    ],
)  # fmt: skip
def test_it_says_in_words_what_was_found_and_what_cannot_be_told(attribution, says):
    assert says in attribution.text()
    assert any(says in sentence for sentence in attribution.to_json()["says"])


def test_the_table_has_the_curve_and_each_part():
    operators = (operator(0, 0.25, at_output=0.25), operator(1, 0.75, at_output=1.0))

    lines = found("quantization", *operators, output="y").text().splitlines()

    rows = [line.split() for line in lines if line.startswith("CONV_2D")]
    assert [row[-3:] for row in rows if row[-1] == "7"] == [["6.0", "25.0%", "7"], ["0.0", "75.0%", "7"]]


def test_json_is_strict_and_names_operators_by_their_place():
    broken = operator(1, math.inf, cumulative=None)

    held = json.loads(json.dumps(found("kernels", operator(0, 0.1), broken).to_json(), allow_nan=False))

    assert (held["guilty"], held["first"], held["largest"]) == (1, 0, 1)
    assert held["operators"][1]["noise"] == "inf"
    assert held["told"] is True
    assert held["samples"] == [7, 0]


def comparison(stage: str, worst: int | None, limit: float) -> Comparison:
    return Comparison(stage, "y", "max_abs", 1.0, limit, "real", "lower", "of a test", 100, worst)


def judged(**stages: tuple[Comparison, ...]) -> Judged:
    nothing = Measured(100, ("y",), {}, (), {}, {})
    judgements = {name: Judgement(name, comparisons, (), nothing) for name, comparisons in stages.items()}
    total = judgements.pop("total")
    return Judged(tuple(judgements.values()), total, {})


def test_the_worst_samples_of_what_failed_come_first():
    kernels = (comparison("kernels", 40, 0.1), comparison("kernels", 50, 2.0), comparison("kernels", None, 0.1))
    of = judged(quantization=(comparison("quantization", 60, 0.1),), kernels=kernels, total=(comparison("total", 2, 0.1),))

    assert samples_of(of, "kernels", 4) == (40, 2, 0, 1)
    assert samples_of(of, "kernels", 1) == (40,)


def test_a_folder_takes_the_place_of_an_older_one_as_a_whole(tmp_path):
    reproduction, place = tmp_path / "store", tmp_path / "out" / "reproduction"
    reproduction.mkdir()
    (reproduction / "operator.tflite").write_bytes(b"operator")
    first = found("kernels", operator(0, 0.1), reproduction=reproduction, about_reproduction="shows it")

    write(first, place)
    assert {path.name for path in place.iterdir()} == {"operator.tflite", "attribution.json"}
    write(replace(first, reproduction=None), place)

    assert {path.name for path in place.iterdir()} == {"attribution.json"}
    assert json.loads((place / "attribution.json").read_text())["reproduced"] is False
    assert [path.name for path in place.parent.iterdir()] == ["reproduction"]
    assert (reproduction / "operator.tflite").read_bytes() == b"operator"


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StoreFailed):
        write(found("kernels"), tmp_path / "file" / "reproduction")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]
