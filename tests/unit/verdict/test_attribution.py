"""What is said of operators whose numbers are known: which stands out, which is first, and how it is written."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from toolkit.bundle.attribution_folder import write
from toolkit.comparison.compare import Comparison, Judgement, Measured
from toolkit.diagnosis.find_operator import samples_of
from toolkit.diagnosis.ranking import by_own_noise, by_rise, fell_again
from toolkit.errors import StoreFailed
from toolkit.verdict.attribution import Attribution, Deviation, OperatorDeviation, stands_out
from toolkit.verdict.chain import Judged


def deviation(share: float, max_lsb: float | None = 1.0) -> Deviation:
    db = math.inf if share == 0 else -10 * math.log10(share)
    return Deviation(db, share, 0.5, max_lsb, 0.3, 7)


def operator(place: int, noise: float | None, *, equal: bool = False, **more: object) -> OperatorDeviation:
    said = {"inputs": ("x",), "dtype": "int8", "alone_equal": equal, "not_isolated": None, "noise": noise}
    own = None if noise is None else deviation(noise)
    given = {**said, "cumulative": deviation(0.5), "isolated": own, **more}
    return OperatorDeviation(place=place, operator="CONV_2D", tensor=f"conv{place};bias{place}", equal=equal, **given)


def found(stage: str, *operators: OperatorDeviation, **more: object) -> Attribution:
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
        (found("kernels", operator(0, 0.0)), "the difference comes from how they are combined"),
        (found("quantization", operator(0, 0.0, cumulative=deviation(0.0))), "all operators give the same numbers"),
        (found("device", why="the board is gone"), "is not known, because the board is gone"),
        (found("quantization", operator(0, 0.9), output="y"), "100% of the noise at output 'y'"),
        (found("device", operator(0, 0.9), operator(1, None)), "together; of 1 others it is not known"),
        (found("device", operator(0, 0.0), operator(1, None, not_isolated="it loops")), "of 1 it is not known, as CONV_2D 'conv1;…'"),
        (found("conversion", operator(0, None, not_isolated="it loops")), "which operator errs is not known, because it loops"),
        (found("conversion", operator(0, None)), "the reference has nothing that corresponds to their outputs"),
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


def row(
    place: int, share: float | None, *, fed_equal: bool = True, own: float | None = None, tensor: str = "t"
) -> dict:
    noises = [
        None
        if each is None
        else {"sqnr_db": "1", "share": each, "max_abs": 1.0, "rmse_per_scale": None, "worst_sample": 1}
        for each in (share, own)
    ]
    said = {
        "operator": "WHILE",
        "tensor": tensor,
        "inputs": [],
        "dtype": "float32",
        "scale": None,
        "fed_equal": fed_equal,
    }
    return said | {
        "place": place, "equal": False, "alone_equal": False, "cumulative": noises[0], "isolated": noises[1], "not_isolated": "it loops",
    }  # fmt: skip


def test_what_does_not_run_alone_errs_by_itself_where_it_was_fed_with_the_same():
    rows = [row(0, 0.5), row(1, 0.5, fed_equal=False)]

    assert [each.noise for each in by_own_noise(rows, (4, 9), by_bits=True)] == [0.5, None]
    assert [each.noise for each in by_own_noise(rows, (4, 9), by_bits=False)] == [None, None]
    assert by_own_noise(rows, (4, 9), by_bits=True)[0].cumulative.worst_sample == 9


def test_an_operator_that_gives_several_tensors_is_charged_once():
    own = by_own_noise([row(0, 0.1), row(0, 0.5), row(1, 0.5)], (4, 9), by_bits=True)
    risen = by_rise(own, [{"place": 0, "shares": {"y": 2.0}}, {"place": 1, "shares": {"y": 2.5}}], "y", 0.5)

    assert [each.noise for each in own] == [0.0, 0.5, 0.5]
    assert [each.noise for each in risen] == [None, 1.5, 0.5]
    assert [each.at_output for each in risen] == [None, 2.0, 2.5]


def test_what_fell_or_was_lost_already_is_charged_to_nobody():
    """And where the float file could not go on, the next at which it can has it all."""
    own = by_own_noise([row(place, 0.1, own=0.1) for place in range(5)], (4, 9), by_bits=False)
    shares = [{"y": 1.0}, {"y": 0.5}, None, {"y": "inf"}, {"y": "inf"}]
    curve = [{"place": place, "shares": each} for place, each in enumerate(shares)]

    assert [each.noise for each in by_rise(own, curve, "y", 0.0)] == [0.5, 0.0, None, math.inf, 0.0]


def test_noise_that_the_next_operator_takes_away_is_no_error_of_the_one_before_it():
    """Handed over was to a tensor that is called the same and stands for something else: what the file really computes is far better."""
    own = by_own_noise([row(place, 0.1, own=0.1) for place in range(4)], (4, 9), by_bits=False)
    curve = [{"place": place, "shares": {"y": share}} for place, share in enumerate([0.01, 1.8, 0.02, 0.05])]

    risen = by_rise(own, curve, "y", 0.0)

    assert [each.noise for each in risen] == pytest.approx([0.01, 0.01, 0.0, 0.03])
    assert [each.at_output for each in risen] == [0.01, 1.8, 0.02, 0.05]
    assert fell_again(curve, "y") == [1]


def comparison(stage: str, worst: int | None, limit: float) -> Comparison:
    return Comparison(stage, "y", "max_abs", 1.0, limit, "real", "lower", "of a test", 100, worst)


def judged(ran: int = 100, **stages: tuple[Comparison, ...]) -> Judged:
    nothing = Measured(ran, ("y",), {}, (), {}, {})
    judgements = {name: Judgement(name, comparisons, (), nothing) for name, comparisons in stages.items()}
    total = judgements.pop("total")
    return Judged(tuple(judgements.values()), total, {})


def test_the_worst_samples_of_what_failed_come_first():
    kernels = (comparison("kernels", 40, 0.1), comparison("kernels", 50, 2.0), comparison("kernels", None, 0.1))
    of = judged(
        quantization=(comparison("quantization", 60, 0.1),), kernels=kernels, total=(comparison("total", 2, 0.1),)
    )

    assert samples_of(of, "kernels", 4) == (40, 2, 0, 1)
    assert samples_of(of, "kernels", 1) == (40,)


def test_samples_that_the_stage_did_not_run_are_not_looked_at():
    """Reference kernels run the first ones only, and the total may be worst elsewhere."""
    of = judged(ran=3, kernels=(comparison("kernels", 2, 0.1),), total=(comparison("total", 40, 0.1),))

    assert samples_of(of, "kernels", 4) == (2, 0, 1)


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


def test_what_fails_half_way_leaves_the_older_folder_as_it_was(tmp_path):
    write(found("kernels"), tmp_path / "reproduction")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "operator.tflite").symlink_to(tmp_path / "gone")

    with pytest.raises(StoreFailed):
        write(found("device", reproduction=tmp_path / "store"), tmp_path / "reproduction")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["reproduction", "store"]
    assert json.loads((tmp_path / "reproduction" / "attribution.json").read_text())["stage"] == "kernels"
