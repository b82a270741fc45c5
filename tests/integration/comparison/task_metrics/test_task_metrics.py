"""Task metrics of a real network on a real runtime, with the labels that its samples have, held against sums done here."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit.comparison import task_metrics
from toolkit.conversion.artifacts import Conversions
from toolkit.execution.run import Execution, run_job, run_of
from toolkit.jobs.job import Engine, Job
from toolkit.samples import dataset
from toolkit.source import source
from toolkit.source.original import Original
from toolkit.wire.shards import read_all, read_shards

MINE = """
def right(outputs, labels):
    (scores,) = outputs.values()
    return scores.reshape(len(scores), -1).argmax(axis=1) == labels["labels"]
"""


@pytest.fixture(scope="module")
def ran(executor, sample, digits):
    """Return the run of the sample's float artifact over the samples that judge, and the job's output that holds these."""
    opened = source.open_source(Original(sample), executor)
    drawn = dataset.samples_job(str(digits), None, opened.signature)
    canonical = source.canonical_job(opened, drawn.output("verification"))
    conversions = Conversions(canonical.output("saved_model"), None)
    model = conversions.file(conversions.floats("tflite"), "tflite")
    job = run_job(model, drawn.output("verification"), Execution(Engine("litert"), "litert"))
    entry, samples = executor.run(job, drawn)
    return job, run_of(entry), drawn, np.load(samples.out / "verification" / "labels.npy")


def test_a_real_run_is_scored_as_a_stream(ran):
    """Ten digits, 500 samples: what the metric says is what a line of numpy says."""
    _, run, _, labels = ran
    signature = run.signature
    (name,) = (spec.name for spec in signature.outputs)
    scores = read_all(run.outputs, name).reshape(len(labels), 10)
    blocks = lambda: (  # noqa: E731
        {name: signature.output(name).dequantize(array) for name, array in block.items()}
        for block in read_shards(run.outputs)
    )

    accuracy, top3 = task_metrics.load("top_k_accuracy"), task_metrics.load("top_k_accuracy:k=3")
    found = accuracy.score(task_metrics.gather(accuracy, blocks(), labels))

    assert accuracy.applies({name: (1, 10)}, labels) is None
    assert found == np.mean(scores.argmax(axis=1) == labels)
    assert 0.9 < found < 1
    assert top3.score(task_metrics.gather(top3, blocks(), labels)) == np.mean(
        [label in row for row, label in zip(scores.argsort(axis=1)[:, -3:], labels, strict=True)]
    )


def test_a_users_metric_is_given_the_same_run(executor, ran, tmp_path):
    job, run, drawn, labels = ran
    (tmp_path / "mine.py").write_text(MINE)
    asked = {
        "function": "mine.py:right",
        "file": str(tmp_path / "mine.py"),
        "folder": str(tmp_path),
        "arguments": {},
        "signature": run.signature.to_json(),
    }
    inputs = {
        "outputs": job.output("outputs"),
        "labels": drawn.output("verification/labels.npy"),
        "function": tmp_path / "mine.py",
    }

    (entry,) = executor.run(
        Job("mine.py:right", "comparison.user_metric", "measure", Engine("dataset"), asked, inputs, cached=False)
    )

    signature = run.signature
    blocks = [{spec.name: spec.dequantize(read_all(run.outputs, spec.name)) for spec in signature.outputs}]
    assert entry.result["rows"] == task_metrics.gather(task_metrics.load("top_k_accuracy"), blocks, labels)
    assert entry.result["score"] == pytest.approx(np.mean(entry.result["rows"]), rel=1e-12)
