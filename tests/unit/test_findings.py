"""Findings: what of them goes from a worker to the host and into a report, and what decides."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from toolkit import findings
from toolkit.findings import SEVERITIES, CodeCount, Finding

# As a job's result holds them: keys sorted.
OF_WORKERS = [
    {"code": "contents", "message": "8 variables", "severity": "info"},
    {"code": "lambda", "message": "holds code", "names": ["model", "scale"], "severity": "error"},
    {"code": "another-scheme", "message": "float32 came out", "names": [], "severity": "warning"},
    {"code": "wrong-scale", "fix": "divide", "input": "image", "message": "m", "range": [0, 1], "severity": "error"},
    {"code": "one-class", "fix": "", "message": "m", "of": 10, "of_samples": True, "severity": "inconclusive"},
    {"code": "batch-remade", "message": "m", "severity": "info", "size": 4},
]
OF_THE_HOST = [
    (Finding("target", "info", "m"), {"code": "target", "severity": "info", "message": "m"}),
    (
        Finding("other-weights", "error", "m", names=("a", "b"), stage="quantization"),
        {"code": "other-weights", "severity": "error", "message": "m", "names": ["a", "b"], "stage": "quantization"},
    ),
    (
        Finding("unstable-outputs", "warning", "m", "give more samples", facts={"between": 0.5, "quantization": 0.1}),
        {
            "code": "unstable-outputs", "severity": "warning", "message": "m",
            "fix": "give more samples", "between": 0.5, "quantization": 0.1,
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize("content", OF_WORKERS, ids=lambda content: content["code"])
def test_what_a_worker_found_comes_out_as_it_went_in(content):
    """To the byte: order of keys, empty lists and texts too."""
    assert json.dumps(Finding.from_json(content).to_json()) == json.dumps(content)


@pytest.mark.parametrize(("finding", "content"), OF_THE_HOST)
def test_what_the_host_found_is_written_code_first(finding, content):
    assert json.dumps(finding.to_json()) == json.dumps(content)
    assert Finding.from_json(content) == finding


def test_another_message_leaves_all_else_where_it_was():
    (found,) = findings.read([OF_WORKERS[3]])

    other = replace(found, message="n", severity="warning", of_samples=True)

    assert list(other.to_json()) == [*OF_WORKERS[3], "of_samples"]
    assert other.to_json() == {**OF_WORKERS[3], "message": "n", "severity": "warning", "of_samples": True}


def test_the_order_of_keys_makes_no_other_finding():
    assert Finding.from_json({"severity": "info", "message": "m", "code": "c"}) == Finding("c", "info", "m")


def test_errors_and_what_leaves_a_verdict_open_are_grave():
    found = [Finding("c", severity, "m") for severity in SEVERITIES]

    assert [each.severity for each in found if each.is_error] == ["error"]
    assert [each.severity for each in found if each.is_grave] == ["inconclusive", "error"]


@pytest.mark.parametrize("key", ["code", "severity", "message"])
def test_a_finding_without_what_all_have_is_none(key):
    with pytest.raises(KeyError, match=key):
        findings.read([{name: said for name, said in OF_WORKERS[0].items() if name != key}])


def test_the_gravest_severity_of_a_code_counts():
    listed = [
        Finding("b", "error", ""),
        Finding("b", "info", ""),
        Finding("a", "warning", ""),
        Finding("a", "info", ""),
    ]

    assert findings.counted(listed) == {"a": CodeCount("warning", 2), "b": CodeCount("error", 2)}
    assert list(findings.counted(listed)) == ["a", "b"]
    assert CodeCount.from_json(CodeCount("error", 2).to_json()) == CodeCount("error", 2)
