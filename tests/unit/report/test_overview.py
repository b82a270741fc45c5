"""The table of several targets, before their reports, and `summary` of the JSON document."""

from __future__ import annotations

import json

import pytest

from tests.unit.verdict.judged_chains import stages
from toolkit import report
from toolkit.errors import TargetUnavailable, Unconvertible, WorkerCrashed
from toolkit.findings import Finding
from toolkit.report.screen import Screen
from toolkit.verdict.refusals import DoesNotFit, Unsupported

TERMINAL = Screen(width=80, whole=False)
OVER = Finding("file-over-budget", "error", "too large")
LACKS = Finding("operator-version", "error", "too new")


@pytest.fixture
def outcomes(judged, shipped):
    """Return one of each outcome, by target."""
    return {
        "host": judged(stages()),
        "raspberry-pi-4": judged(stages(kernels=1)),
        "linux-x86_64-tflite-runtime": shipped,
        "web-wasm": TargetUnavailable("no browser was found", "install one"),
        "small": DoesNotFit("small: the file has 9 bytes", None, [OVER]),
        "old": Unsupported("old: lacks it", "another scheme", [LACKS, LACKS]),
        "phone": WorkerCrashed("phone: the worker died", "its log"),
    }


def table(outcomes, screen=TERMINAL):
    return report.outcomes_text(outcomes, screen).split("\n\n")[0].splitlines()


def test_every_target_has_a_row_before_the_details(outcomes):
    """In the order of the request; each row says what ships, and the line below it why nothing does."""
    lines = table(outcomes)

    assert lines[0] == "7 verdicts: 2 passed, 1 not passed, 4 no verdict; exit status 3"
    rows = [line for line in lines[2:] if not line.startswith("    ")]
    assert [row.split()[0] for row in rows] == list(outcomes)
    assert rows[0].split() == ["host", "PASSED", "float32", "8", "B", "0.002"]
    assert rows[1].split()[:5] == ["raspberry-pi-4", "NOT", "PASSED", "-", "-"]
    assert rows[3].split() == ["web-wasm", "NO", "VERDICT", "-", "-", "-"]
    said = [line for line in lines[2:] if line.startswith("    ")]
    assert any(line.startswith("    float32: guilty stage kernels; kernels: max_abs of `scores` 1") for line in said)
    assert "    wanted static_wi8_ai8, ships float16" in said
    assert "    unavailable: no browser was found" in said
    assert "    does not fit (file-over-budget): small: the file has 9 bytes" in said
    assert "    unsupported (operator-version): old: lacks it" in said
    assert "    WorkerCrashed: phone: the worker died" in said


def test_the_table_fits_80_columns(outcomes):
    """A name that is longer than its column stands on a line of its own, whole, and its row below it."""
    named = {f"serving_default/{name}": outcome for name, outcome in outcomes.items()}

    lines = table(named)

    assert max(map(len, lines)) <= 80
    place = lines.index("serving_default/linux-x86_64-tflite-runtime")
    assert lines[place + 1].split()[0] == "PASSED"


def test_a_metric_that_not_all_have_stands_beside_its_value(judged, profile):
    """Else in the header, once."""
    same = {"a": judged(stages()), "b": judged(stages())}
    other = same | {"b": judged(stages(), profile(metric="sqnr_db", limit=15.0, unit="db"))}

    assert table(same)[1].split() == ["target", "verdict", "ships", "size", "max_abs"]
    assert table(other)[1].split() == ["target", "verdict", "ships", "size", "score"]
    assert [line.split("  ")[-1].split()[0] for line in table(other)[2:]] == ["max_abs", "sqnr_db"]


def test_one_target_has_no_table(outcomes):
    """Its report begins with all that a row would say."""
    name, verdict = next(iter(outcomes.items()))

    assert report.outcomes_text({name: verdict}, TERMINAL) == report.verdict_text(verdict, TERMINAL, name)


def test_the_document_has_the_same_rows(outcomes):
    """`summary` stands beside `targets`, in the same order; nothing that did not pass is said to ship."""
    document = json.loads(json.dumps(report.outcomes_json(outcomes), allow_nan=False))

    rows = {row["target"]: row for row in document["summary"]}
    assert list(rows) == list(document["targets"]) == list(outcomes)
    assert document["exit_status"] == 3
    assert {name: row["outcome"] for name, row in rows.items()} == {
        name: held.get("verdict", "error") for name, held in document["targets"].items()
    }
    assert {name: row["shipped"] for name, row in rows.items() if row["shipped"]} == {
        "host": "float32",
        "linux-x86_64-tflite-runtime": "float16",
    }
    assert rows["raspberry-pi-4"]["size_bytes"] is None
    assert rows["raspberry-pi-4"]["guilty_stage"] == "kernels"
    assert (rows["small"]["error"], rows["small"]["codes"]) == ("DoesNotFit", ["file-over-budget"])
    assert rows["old"]["codes"] == ["operator-version"]


def test_a_value_that_is_no_number_is_said(judged):
    """NaN is the worst value, in the table and in the document."""
    outputs = stages()
    outputs["kernels"] = outputs["kernels"] * float("nan")
    found = {"a": judged(outputs), "b": judged(stages())}

    assert report.outcomes_json(found)["summary"][0]["score"] == {"metric": "max_abs", "value": "nan", "text": "nan"}
    assert table(found)[2].split()[-1] == "nan"


def test_no_text_of_others_makes_a_row(judged):
    """Neither the name of a signature nor an error can look like a verdict."""
    found = {
        "sig\nhost  PASSED/host": judged(stages()),
        "a": judged(stages(), findings=(Finding("e", "error", "wrong\nhost   PASSED"),)),
        "b  PASSED": Unconvertible("b: no\x1b[2J kernel   PASSED"),
    }

    lines = table(found)

    assert sum("PASSED" in line.split("  ")[1:2] for line in lines) <= 1
    assert not any(line.startswith("host") for line in lines)
    assert "\x1b" not in "\n".join(lines)
    assert "    float32: wrong\\nhost  PASSED" in lines
    assert "    Unconvertible: b: no\\x1b[2J kernel  PASSED" in lines
