"""What is made of a worker's numbers: the ranking, the table, Model Explorer's node data, and the step that is suggested."""

from __future__ import annotations

import json
import math

import pytest

from toolkit.diagnosis.layer_drift import Drift, Layer, Noise
from toolkit.diagnosis.model_explorer import node_data
from toolkit.diagnosis.suggestion import Step, Suggestion


def noise(sqnr_db: float) -> Noise:
    return Noise(sqnr_db, 0.1, 0.3, 0.5, 3, sqnr_db - 1)


def layer(tensor: str, isolated_db: float | None, cost: float | None, **more: object) -> Layer:
    isolated = None if isolated_db is None else noise(isolated_db)
    said = {"operator": "CONV_2D", "matched": "name", "dtype": "int8", "low": -1.0, "high": 1.0, "saturated": 0.25}
    given = {**said, "float_tensor": f"{tensor}_float", "cumulative": noise(7.0), "not_isolated": None, **more}
    return Layer(tensor=tensor, isolated=isolated, cost=cost, **given)


def drift(*layers: Layer, model: tuple[str, ...] = (), floats: tuple[str, ...] = ()) -> Drift:
    return Drift(layers, {"model": model, "floats": floats}, 12, {"layers": []})


def names(layers: list[Layer]) -> list[str]:
    return [each.tensor for each in layers]


def test_what_costs_most_at_the_output_is_kept_first_however_small_its_own_error():
    found = drift(layer("loud", 10.0, 1e-6), layer("quiet", 45.0, 0.5), layer("middle", 30.0, 0.01))

    assert names(found.ranking()) == ["quiet", "middle", "loud"]


def test_a_layer_that_destroys_the_output_is_first():
    found = drift(layer("bad", 5.0, 1e3), layer("nan", 40.0, math.inf))

    assert names(found.ranking()) == ["nan", "bad"]


def test_a_layer_without_a_known_cost_goes_by_its_own_error():
    found = drift(layer("known", 10.0, 0.01), layer("unknown", 10.0, None), layer("better", 40.0, None))

    assert names(found.ranking()) == ["unknown", "known", "better"]


def test_a_layer_without_error_or_that_never_ran_alone_has_no_rank():
    found = drift(layer("exact", math.inf, 0.0), layer("loop", None, None, not_isolated="its work is elsewhere"))

    assert found.ranking() == []


def test_the_table_has_every_layer_and_names_what_it_could_not_look_into():
    found = drift(
        layer("first", 31.25, 0.01),
        layer("loop", None, None, operator="WHILE", not_isolated="its work is elsewhere"),
        model=("ADD lost",),
        floats=("SUB gone",),
    )

    text = found.text()

    assert "CONV_2D first" in text
    assert "31.2" in text
    assert "20.0" in text  # a cost of a hundredth
    assert "25.00%" in text
    assert "not run alone: WHILE loop: its work is elsewhere" in text
    assert "without a counterpart, of the artifact: ADD lost" in text
    assert "without a counterpart, of the float file: SUB gone" in text


def test_node_data_is_what_model_explorer_reads():
    """`results` by output tensor with a numeric `value`; rising thresholds, each with a CSS colour; strict JSON."""
    data = json.loads(json.dumps(node_data({"a": 12.5, "exact": math.inf, "lost": -math.inf}), allow_nan=False))

    assert set(data) == {"results", "thresholds"}
    assert data["results"]["a"] == {"value": 12.5}
    ends = [threshold["value"] for threshold in data["thresholds"]]
    assert ends == sorted(ends)
    assert all(set(threshold) == {"value", "bgColor"} for threshold in data["thresholds"])
    assert data["results"]["exact"]["value"] <= ends[-1]  # or it would have no colour
    assert data["results"]["lost"]["value"] < ends[0]


def test_a_number_that_is_none_is_left_out_of_node_data():
    assert node_data({"a": math.nan})["results"] == {}


def step(kept: int, sqnr_db: float | None, *, met: bool | None = None, problem: str | None = None) -> Step:
    return Step("static_wi8_ai8", tuple(f"t{i}" for i in range(kept)), sqnr_db, 0.9, 1000, met, problem)


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ([step(0, 5, met=False), step(4, 40, met=True), step(3, 20, met=True)], 3),
        ([step(0, 5, met=False), step(1, 9, met=False), step(2, 9, met=False)], 1),
        ([step(0, 30, met=True)], 0),
        ([step(0, 5, met=False), step(1, None, problem="killed by SIGSEGV")], 0),
    ],
)
def test_the_best_step_keeps_as_little_as_the_bounds_allow(steps, kept):
    best = Suggestion(tuple(steps), (), "host").best

    assert best is not None
    assert len(best.kept) == kept


def test_nothing_is_suggested_where_nothing_ran():
    found = Suggestion((step(0, None, problem="killed by SIGSEGV"),), (), "host")

    assert found.best is None
    assert "killed by SIGSEGV" in found.text()
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["steps"][0]["problem"] == "killed by SIGSEGV"


def test_the_lines_to_write_match_the_tensors_and_no_others():
    kept = Step("static_wi8_ai8", ("a[0];b*",), 40.0, 1.0, 1000, met=True)

    text = Suggestion((step(0, 5, met=False), kept), (), "host").text()

    assert 'tensors = ["a[[]0];b[*]"]' in text
    assert "--keep-float 'a[[]0];b[*]'" in text
    assert "+35.0" in text
