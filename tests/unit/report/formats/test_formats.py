"""Reports for other people's CI: each format, held against what its readers accept, on the same documents."""

from __future__ import annotations

import copy
import json
import re
from xml.etree import ElementTree as ET

import pytest

from toolkit import registry
from toolkit.errors import RequestError, UnknownName
from toolkit.report import formats
from toolkit.report.formats import asked, render
from toolkit.report.formats._documents import subjects

FORMATS = registry.names("report/formats")
HOSTILE = "out\x00\x1b]]><b>|`@team`\n::error::x ##[error]y --> </details> \ud800 %0A é"


def comparison(status="passed", output="probabilities", metric="max_abs", **more):
    return {
        "stage": "total", "output": output, "metric": metric, "value": 0.9, "limit": 0.75, "unit": "range", "better": "lower",
        "because": "no rounding moves one value so far", "samples": 500, "worst_sample": 12, "interval": None,
        "samples_needed": None, "detail": "", "status": status, "passed": status == "passed", **more,
    }  # fmt: skip


def report(verdict="passed", comparisons=None, findings=(), target="host", **more):
    return {
        "schema": 1,
        "target": target,
        "verdict": verdict,
        "source": {"path": "models/digits"},
        "artifact": {"path": "model.tflite", "sha256": "ab" * 32, "size_bytes": 23384, "scheme": "static_wi8_ai8"},
        "samples": {"calibration": 200, "verification": 500},
        "comparisons": [comparison()] if comparisons is None else comparisons,
        "guilty_stage": None if verdict == "passed" else "quantization",
        "budget": {},
        "findings": list(findings),
        "tools": {"tensorflow": "2.21.0"},
        "seconds": {"total": 12.5},
        **more,
    }


def finding(severity, code="outputs", message="total: constant"):
    return {"code": code, "severity": severity, "message": message}


def gate(outcome="passed", *rows):
    return {
        "target": "host",
        "outcome": outcome,
        "baseline": "baselines/host.json",
        "bundle": "dist/host",
        "rows": list(rows),
    }


def row(status, what="size", before=100, now=150, because="users would meet it", **more):
    held = {"what": what, "before": before, "now": now, "limit": 110, "status": status, "because": because}
    return held | {"better": "lower", "detail": ""} | more


ERROR = {
    "kind": "Unconvertible",
    "problem": "digits: operator FOO\nis not known",
    "hint": "leave it out",
    "exit_status": 2,
}
COMPARED = {
    "reference": "a.safetensors", "candidate": "b.safetensors", "samples": 9, "passed": True, "mismatches": {},
    "measurements": [{"output": "y", "metric": "max_abs", "values": {"real": 0.1}}], "findings": [], "comparisons": None,
}  # fmt: skip
REJUDGED = {
    "bundle": "dist/host", "bounds": "tight.toml", "target": "host", "verdict": "failed", "was": "passed",
    "comparisons": [comparison("failed")], "guilty_stage": "total",
}  # fmt: skip
WANTED = {
    "wanted": {"scheme": "static_wi8_ai8", "text": "wanted static_wi8_ai8: not passed (too far); shipped float16"},
    "next": {"why": "which layers to keep in float", "command": "edge-toolkit debug m.tflite --source m"},
}
PASSED = {
    "build": report(),
    "build of another scheme than was wanted": report(**WANTED),
    "build with findings": report(findings=[finding("warning"), finding("info", "note")]),
    "build of two targets": {"targets": {"host": report(), "pi": report(target="pi")}},
    "gate": gate("passed", row("passed"), row("allowed", "accuracy", because="smaller by a half")),
    "compare with bounds": {**COMPARED, "comparisons": [comparison()]},
}
NOT_PASSED = {
    "build": report("failed", [comparison(), comparison("failed", metric="sqnr_db")]),
    "inconclusive": report("inconclusive", [comparison("inconclusive", interval=[0.7, 0.9], samples_needed=900)]),
    "nan": report("failed", [comparison("failed", value="nan", limit="inf")]),
    "a finding that is an error": report("failed", findings=[finding("error", "stale")]),
    "two findings alike": report("failed", findings=[finding("error", "stale"), finding("error", "stale")]),
    "a budget": report("failed", budget={"file_bytes": {"spent": 9, "limit": 5, "passed": False}}),
    "the verdict alone": report("failed"),
    "nothing that passed": report("passed", []),
    "a comparison that says otherwise": report("passed", [comparison("failed")]),
    "one target of two": {"targets": {"host": report(), "pi": report("failed", [comparison("failed")], target="pi")}},
    "an error of one target": {"targets": {"host": report(), "pi": {"target": "pi", "error": ERROR}}},
    "an error": {"error": ERROR},
    "gate": gate("failed", row("failed"), row("passed", "accuracy")),
    "gate inconclusive": gate("inconclusive", row("inconclusive")),
    "gate without a row": gate("passed"),
    "compare": {**COMPARED, "passed": False, "mismatches": {"z": "is missing"}},
    "compare without bounds": {**COMPARED, "passed": None},
    "compare of fewer samples": {**COMPARED, "passed": False, "comparisons": [comparison()], "lacking": 4},
    "compare with nothing measured": {**COMPARED, "measurements": []},
    "judged again": REJUDGED,
    "a path with a space": report("failed", source={"path": "/models/my digits"}),
}  # fmt: skip
ALL = {
    **{f"passed: {name}": each for name, each in PASSED.items()},
    **{f"not: {name}": each for name, each in NOT_PASSED.items()},
}
documents = pytest.mark.parametrize("document", [pytest.param(each, id=name) for name, each in ALL.items()])


def reads_as_passed(name, text):
    """What the reader of each format goes by."""
    if name == "junit":
        return all(int(each.get(key)) == 0 for each in ET.fromstring(text) for key in ("failures", "errors"))  # noqa: S314 - of our own
    if name == "github":
        return not any(line.startswith("::error") for line in text.splitlines())
    if name == "sarif":
        runs = json.loads(text)["runs"]
        results = [result for run in runs for result in run["results"]]
        ended = all(run["invocations"][0]["executionSuccessful"] for run in runs)
        return ended and not any(result["level"] == "error" for result in results)
    return "### ✅" in text and "❌" not in text


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("document", PASSED.values(), ids=PASSED)
def test_what_passed_reads_as_passed(name, document):
    """Findings that decide nothing included."""
    assert reads_as_passed(name, render(name, document))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("document", NOT_PASSED.values(), ids=NOT_PASSED)
def test_what_is_not_passed_never_reads_as_passed(name, document):
    """Whatever it is that was missed: nothing, too, is no evidence."""
    assert not reads_as_passed(name, render(name, document))


@pytest.mark.parametrize(
    ("name", "outcome", "codes"),
    [
        ("build", "failed", ["total.sqnr_db"]),
        ("inconclusive", "inconclusive", ["total.max_abs"]),
        ("a finding that is an error", "failed", ["stale"]),
        ("a budget", "failed", ["budget.file_bytes"]),
        ("the verdict alone", "failed", []),
        ("nothing that passed", "failed", []),
        ("a comparison that says otherwise", "failed", ["total.max_abs"]),
        ("an error", "error", ["Unconvertible"]),
        ("gate", "failed", ["gate.size"]),
        ("gate inconclusive", "inconclusive", ["gate.size"]),
        ("compare", "failed", ["mismatch"]),
        ("compare without bounds", "inconclusive", ["outputs"]),
        ("compare of fewer samples", "failed", ["samples"]),
        ("judged again", "failed", ["total.max_abs"]),
    ],
)
def test_what_was_missed_is_told_apart(name, outcome, codes):
    """By a code that stays the same, and the verdict by more than the document's own word."""
    (subject,) = subjects(NOT_PASSED[name])

    assert subject.outcome == outcome
    assert [check.code for check in subject.missed] == codes


@pytest.mark.parametrize("name", FORMATS)
def test_every_missed_check_is_named_with_its_numbers(name):
    """The value, the limit, the sample that shows it, and why the limit is what it is."""
    text = render(name, NOT_PASSED["build"]).replace("\\", "").replace("&lt;", "<").replace("\\u", "\\u")

    for said in (
        "sqnr_db of probabilities is 0.9",
        "<= 0.75 of range",
        "worst sample 12 of 500",
        "no rounding moves one value",
    ):
        assert said in text, said


@pytest.mark.parametrize("name", FORMATS)
def test_an_error_in_place_of_a_verdict_says_what_to_do(name):
    """All of what the command line would have said."""
    text = render(name, NOT_PASSED["an error of one target"]).replace("\\", "")

    for said in ("operator FOO", "is not known", "leave it out"):
        assert said in text


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "document",
    [{}, {"schema": 1}, [], "text", {"targets": {}}, {"rows": [{}], "outcome": "passed"}, {"verdict": "passed"},
     {**report(), "verdict": "fine"}, {**report(), "comparisons": [{"status": "passed"}]}, gate("splendid", row("passed"))],
)  # fmt: skip
def test_what_is_no_report_is_refused(name, document):
    """And with one clear message."""
    with pytest.raises(RequestError, match="expected"):
        render(name, document)


@pytest.mark.parametrize("name", FORMATS)
def test_texts_of_a_model_cannot_break_out(name):
    """Names of outputs and messages of engines come from files of others."""
    document = report(
        "failed",
        [comparison("failed", output=HOSTILE, because=HOSTILE)],
        [finding("warning", message=HOSTILE)],
        target=HOSTILE,
    )
    document["source"]["path"] = HOSTILE

    text = render(name, document)

    assert not reads_as_passed(name, text)
    assert text.encode()
    if name == "github":
        assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in text.splitlines())
    if name == "markdown":
        assert "@team" not in text
        assert "<b>" not in text
        assert text.count("</details>") == text.count("<details>") == 1
        assert all(len(re.findall(r"(?<!\\)\|", line)) in (4, 5) for line in text.splitlines() if line.startswith("|"))


@documents
def test_junit_keeps_to_the_schema(document):
    """JUnit.xsd of Windy Road, 2011: order, attributes, types, and that the counts are those of the elements."""
    root = ET.fromstring(render("junit", document))  # noqa: S314 - of our own

    assert (root.tag, root.attrib) == ("testsuites", {})
    for number, suite in enumerate(root):
        cases = suite.findall("testcase")
        assert [each.tag for each in suite] == ["properties", *["testcase"] * len(cases), "system-out", "system-err"]
        assert suite.keys() == [
            "package",
            "id",
            "name",
            "timestamp",
            "hostname",
            "tests",
            "failures",
            "errors",
            "skipped",
            "time",
        ]
        assert suite.get("id") == str(number)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp"))
        assert all(set(each.keys()) == {"name", "value"} and each.get("name") for each in suite.find("properties"))
        assert suite.get("tests") == str(len(cases))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
        assert suite.get("errors") == str(len(suite.findall("testcase/error")))
        assert len({(each.get("classname"), each.get("name")) for each in cases}) == len(cases)
        for case in cases:
            assert set(case.keys()) == {"classname", "name", "time"}
            assert float(case.get("time")) >= 0
            assert len(case) <= 1
            assert all(each.keys() == ["message", "type"] for each in case)


@documents
def test_sarif_has_what_its_schema_requires(document):
    """SARIF 2.1.0, the required properties and enumerations, and what code scanning asks besides: a place for each result, one id a run."""
    log = json.loads(render("sarif", document))

    assert log["version"] == "2.1.0"
    ids = [run["automationDetails"]["id"] for run in log["runs"]]
    assert len(set(ids)) == len(ids) == len(subjects(document))
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        assert driver["name"] == "edge-toolkit"
        rules = [rule["id"] for rule in driver["rules"]]
        assert len(set(rules)) == len(rules)
        assert all(isinstance(each["executionSuccessful"], bool) for each in run["invocations"])
        for result in run["results"]:
            assert result["message"]["text"]
            assert result["level"] in ("none", "note", "warning", "error")
            assert rules[result["ruleIndex"]] == result["ruleId"]
            for place in result.get("locations", ()):
                assert re.fullmatch(r"[\w%/.~:-]+", place["physicalLocation"]["artifactLocation"]["uri"])


def test_an_alert_stays_the_same_when_its_number_changes():
    """Code scanning closes and opens by fingerprint; another bound has another."""
    worse = report("failed", [comparison("failed", value=7.0)])
    other = report("failed", [comparison("failed", metric="rmse")])
    (before,), (after,), (another,) = (
        [result["partialFingerprints"] for result in json.loads(render("sarif", each))["runs"][0]["results"]]
        for each in (report("failed", [comparison("failed")]), worse, other)
    )

    assert before == after != another


@pytest.mark.parametrize(
    ("one", "another"),
    [
        (report(), report(source={"path": "models/faces"})),
        (report("failed", [comparison("failed")]), report("failed", [comparison("failed")], source={"path": "faces"})),
        (gate("passed"), {**gate("passed"), "baseline": "baselines/faces.json"}),
        (
            {"target": "host", "source": {"path": "models/digits"}, "error": ERROR},
            {"target": "host", "source": {"path": "models/faces"}, "error": ERROR},
        ),
    ],
    ids=["passed", "failed", "gate", "error"],
)
def test_two_models_for_one_target_keep_each_their_own_alerts(one, another):
    """An upload closes the alerts of the last one in its category."""
    (first,), (second,) = (json.loads(render("sarif", each))["runs"] for each in (one, another))

    assert first["automationDetails"]["id"] != second["automationDetails"]["id"]
    assert first["automationDetails"]["id"].endswith("/host/")
    alerts = [
        [each["partialFingerprints"]["edgeToolkitCheck/v1"] for each in run["results"]] for run in (first, second)
    ]
    assert not {*alerts[0]} & {*alerts[1]}


def test_an_error_is_in_the_category_of_its_model():
    """Else its alert would stay when the model passes."""
    error = {"target": "host", "source": {"path": "models/digits"}, "error": ERROR}
    (broken,), (mended,) = (json.loads(render("sarif", each))["runs"] for each in (error, report()))

    assert broken["automationDetails"] == mended["automationDetails"]


def test_a_comment_is_never_longer_than_it_may_be():
    """However much there is to say; what was left out is said, and what was missed comes first."""
    many = [
        comparison("failed" if number == 200 else "passed", output=f"output_{number}" * 20) for number in range(900)
    ]
    targets = [report("failed", [comparison("failed")] * 4, target=f"t{number}" * 50) for number in range(300)]
    huge = {"targets": dict(enumerate(targets))}

    for document in (report("failed", many), huge):
        text = render("markdown", document)
        assert len(text) <= 65_536
        assert " more" in text or "This is not all" in text
        assert not reads_as_passed("markdown", text)
    shown, folded = render("markdown", report("failed", many)).split("<details>")
    assert "output_200" in shown
    assert "output_200" in folded


def test_a_comment_folds_what_is_long_and_begins_with_its_mark():
    """So that a script finds its own comment again, and the page stays short."""
    text = render("markdown", PASSED["build of two targets"])

    assert text.startswith("<!-- edge-toolkit -->\n")
    assert text.count("<details><summary>") == text.count("</details>") == 2


def test_annotations_are_no_more_than_are_shown():
    """GitHub shows ten of a kind and drops the rest in silence; the last one counts them."""
    text = render("github", report("failed", [comparison("failed", output=f"o{number}") for number in range(25)]))

    lines = text.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("::error file=models/digits,title=host%3A verdict::host: NOT PASSED")
    assert lines[-1] == "::error title=more::and 17 more of this kind: see the report"


@pytest.mark.parametrize("path", ["/models/digits", "../digits"])
def test_an_annotation_names_only_files_that_can_be_in_the_repository(path):
    """Else GitHub drops the annotation."""
    document = report()
    document["source"]["path"] = path

    assert "file=" not in render("github", document)


def test_a_suspicious_improvement_is_shown_and_decides_nothing():
    """A row of a gate that is neither passed nor failed."""
    document = gate("passed", row("passed"), row("noticed", "accuracy", 0.8, 0.99))

    assert "::warning" in render("github", document)
    assert reads_as_passed("github", render("github", document))


def test_rendering_leaves_the_document_alone():
    """It is written in several formats, one after another."""
    for document in ALL.values():
        before = copy.deepcopy(document)
        for name in FORMATS:
            render(name, document)
        assert document == before


@pytest.mark.parametrize(
    ("texts", "printed", "error", "says"),
    [
        (["junit"], False, RequestError, "expected FORMAT=FILE"),
        (["junit="], False, RequestError, "expected FORMAT=FILE"),
        (["junti=a.xml"], False, UnknownName, "did you mean 'junit'"),
        (["github=-"], True, RequestError, "--json has standard output"),
        (["github=-", "junit=-"], False, RequestError, "standard output"),
        (["junit=a", "sarif=a"], False, RequestError, "a is given twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(texts, printed, error, says):
    """Before a build that may take minutes."""
    with pytest.raises(error, match=says):
        asked(texts, printed=printed)


def test_reports_are_written_where_they_were_asked_for(tmp_path, capsys):
    """Each in its own folder, which is made; `-` is standard output."""
    wanted = asked([f"junit={tmp_path / 'deep' / 'a=b.xml'}", "github=-", f"sarif={tmp_path / 'c.sarif'}"])

    formats.require_writable(wanted)
    formats.write(report(), wanted)

    assert reads_as_passed("junit", (tmp_path / "deep" / "a=b.xml").read_text())
    assert json.loads((tmp_path / "c.sarif").read_text())["version"] == "2.1.0"
    assert capsys.readouterr().out.startswith("::notice ")


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_done(tmp_path):
    """A folder in the place of the file, say."""
    with pytest.raises(RequestError, match="is a folder"):
        formats.require_writable(asked([f"junit={tmp_path}"]))


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_what_its_folder_promises(name):
    """A suffix for its files, and a text that ends with a line."""
    plugin = registry.load("report/formats", name)

    assert plugin.SUFFIX.startswith(".")
    assert plugin.render(report()).endswith("\n")


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_says_what_was_wanted_and_did_not_ship(name):
    """Beside a verdict that passed, which it does not change."""
    text = render(name, report(**WANTED))

    assert "wanted static" in text.replace("\\", "")
    assert reads_as_passed(name, text)


def test_what_was_wanted_is_a_warning_and_the_command_a_fact():
    """Whoever reads the document alone has both."""
    (subject,) = subjects(report(**WANTED))

    assert subject.notes[0].message == "wanted static_wi8_ai8: not passed (too far); shipped float16"
    assert subject.facts["next"] == "edge-toolkit debug m.tflite --source m"
    assert "wanted static_wi8_ai8" in subject.about


def test_a_finding_that_leaves_it_open_is_not_told_as_a_failure():
    """It is what would decide that is lacking."""
    (subject,) = subjects(report("inconclusive", findings=[finding("inconclusive", "one-class")]))

    assert [check.status for check in subject.checks if check.group == "findings"] == ["inconclusive"]
    assert subject.outcome == "inconclusive"
