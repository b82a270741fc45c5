"""A metric that the user wrote: what it is given, what it may give, and that whatever goes wrong in it is told as his."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit.errors import RequestError, UnjudgeableRun, WorkerTimeout
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.settings import Limits, Settings
from toolkit.wire.labels import packed
from toolkit.wire.shards import ShardWriter

SIGNATURE = {
    "key": "serving_default",
    "inputs": [],
    "outputs": [
        {"name": "y", "dtype": "float32", "shape": [1, 2]},
        {"name": "q", "dtype": "int8", "shape": [1, 3], "scale": [0.5], "zero_point": [10]},
    ],
}


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    with LocalExecutor(Settings(home=tmp_path_factory.mktemp("home"), offline=True)) as executor:
        yield executor


@pytest.fixture
def measured(executor, tmp_path):
    """Return what a function gives that is called `metric` and has this body, over four samples."""
    with ShardWriter(tmp_path / "outputs") as writer:
        for value in range(4):
            writer.add({"y": np.full((1, 2), value, np.float32), "q": np.full((1, 3), 10 + value, np.int8)})

    def measure(body: str, labels: object = (0, 1, 2, 3), timeout_s: float = 300, **arguments: object) -> dict:
        text = body if "def metric" in body else f"def metric(outputs, labels):\n    {body}\n"
        (tmp_path / "mine.py").write_text(text)
        if isinstance(labels, dict):
            truth = tmp_path / "labels.safetensors"
            truth.write_bytes(packed({name: np.asarray(column) for name, column in labels.items()}))
        else:
            truth = tmp_path / "labels.npy"
            np.save(truth, np.asarray(labels))
        job = Job(
            "mine.py:metric",
            "comparison.user_metric",
            "measure",
            Engine("dataset"),
            options={
                "function": "mine.py:metric",
                "file": str(tmp_path / "mine.py"),
                "folder": str(tmp_path),
                "arguments": arguments,
                "signature": SIGNATURE,
            },
            inputs={"outputs": tmp_path / "outputs", "labels": truth, "function": tmp_path / "mine.py"},
            cached=False,
            limits=Limits(timeout_s, 10**9),
        )
        (entry,) = executor.run(job)
        return entry.result

    return measure


def test_it_is_given_real_values_by_name(measured):
    """An integer output comes as what its integers stand for."""
    found = measured("return [outputs['q'][i, 0, 0] + outputs['y'][i, 0, 1] / 10 for i in range(4)]")

    assert found["rows"] == pytest.approx([0, 0.6, 1.2, 1.8])
    assert found["score"] == pytest.approx(0.9)


def test_it_is_given_the_labels_by_target(measured):
    assert measured("return labels['labels'].sum()")["score"] == 6.0
    two = {"a": [0, 1, 2, 3], "b": [[1, 1]] * 4}
    assert measured("return labels['b'].sum() + labels['a'].max()", two)["score"] == 11.0


def test_one_number_is_a_score_without_rows(measured):
    assert measured("return 0.25") == {"score": 0.25, "rows": None, "better": "higher"}


@pytest.mark.parametrize(
    "how", ["labels['labels'] > 0", "(labels['labels'] > 0).astype('float32')", "[0, 1.0, True, 1]"]
)
def test_what_says_yes_or_no_of_each_sample_is_counted_as_hits(measured, how):
    """By which a paired test and an interval are exact; three quarters and a half are no hits, whatever the others are."""
    rows = measured(f"return {how}")["rows"]

    assert rows == [0, 1, 1, 1]
    assert {type(row) for row in rows} == {int}
    assert {type(row) for row in measured("return [0, 1, 1, 0.5]")["rows"]} == {float}


def test_it_says_which_scores_are_good(measured):
    body = "BETTER = {!r}\ndef metric(outputs, labels):\n    return 1\n"

    assert measured(body.format("lower"))["better"] == "lower"
    with pytest.raises(RequestError, match=r"mine.py:metric: BETTER is 'more'; expected 'higher' or 'lower'"):
        measured(body.format("more"))


def test_it_is_given_arguments(measured):
    assert measured("def metric(outputs, labels, beta):\n    return beta\n", beta=2)["score"] == 2.0


@pytest.mark.parametrize("number", ["float('nan')", "float('inf')"])
def test_a_number_that_is_none_is_no_score(measured, number):
    """Of one sample as of all: it is never left out of the mean."""
    assert measured(f"return {number}") == {"score": None, "rows": None, "better": "higher"}
    assert measured(f"return [1, 1, {number}, 1]") == {"score": None, "rows": [1, 1, None, 1], "better": "higher"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return None", "gave NoneType; expected a number, or one for each of 4 samples"),
        ("return 'good'", "gave str; expected a number"),
        ("return {'f1': 0.5}", "gave dict; expected a number"),
        ("return [1, 2, 3]", r"gave numbers of shape \(3,\); expected a number, or one for each of 4 samples"),
        ("return outputs['y']", r"gave numbers of shape \(4, 1, 2\); expected a number"),
        ("return [[1], [1, 2], [3], [4]]", "gave list of different lengths; expected a number"),
        ("return 1 + 2j", "gave complex; expected a number"),
        ("return outputs['z'].mean()", "failed: KeyError: 'z'"),
        ("raise SystemExit(0)", "failed: SystemExit: 0"),
        ("import nowhere", "failed: ModuleNotFoundError: No module named 'nowhere'"),
        ("def metric(outputs):\n    return 1", "failed: TypeError"),
        ("def metric(outputs, labels)\n    return 1", "cannot be imported: SyntaxError"),
        ("a = 1  # def metric", "mine.py: has no function 'metric'"),
    ],
)
def test_what_is_wrong_with_it_is_told_as_the_users(measured, body, says):
    """With his function's name, never as a traceback of ours."""
    with pytest.raises(RequestError, match=says) as caught:
        measured(body)

    assert "mine.py" in caught.value.problem


def test_where_it_failed_is_told(measured):
    with pytest.raises(RequestError) as caught:
        measured("def metric(outputs, labels):\n    a = 1\n    return a / 0\n")

    assert str(caught.value.hint).endswith("mine.py, line 3")


def test_it_has_a_time_limit(measured):
    with pytest.raises(WorkerTimeout, match=r"mine.py:metric: no answer in 1 s"):
        measured("import time; time.sleep(60)", timeout_s=1)


def test_labels_of_other_samples_are_refused(measured):
    with pytest.raises(RequestError, match=r"outputs of 4 samples and labels of \{'labels': 3\}"):
        measured("return 1", [0, 1, 2])


def test_no_sample_is_no_score(measured, tmp_path):
    with ShardWriter(tmp_path / "none"):
        pass
    (tmp_path / "outputs").rename(tmp_path / "some")
    (tmp_path / "none").rename(tmp_path / "outputs")

    with pytest.raises(UnjudgeableRun, match="no sample to measure"):
        measured("return 1", [])
