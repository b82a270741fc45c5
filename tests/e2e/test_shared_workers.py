"""What the tests themselves rest on: a command in their own process is the command, and workers are shared where nothing tells them apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toolkit.settings.permissions import Permissions


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("inspect {sample} --json", 0),
        ("convert {sample} --scheme float32 --out {out}/model.tflite", 0),
        ("build {sample} --target raspbery-pi-4", 2),
        ("inspect {out}/missing", 2),
    ],
)
def test_a_command_is_the_same_in_a_process_of_its_own(edge, sample, tmp_path, words, status):
    """Status and both streams; of a job that ran nothing is told again where it is in the store."""
    asked = words.format(sample=sample, out=tmp_path).split()

    first, here, apart = edge(*asked), edge(*asked), edge.process(*asked)

    assert first.status == status
    assert first.out == here.out
    assert here == apart


def test_workers_are_shared_where_no_setting_tells_them_apart(executor, workers, tmp_path, monkeypatch):
    """Other permissions, another cache folder, or another variable that an engine reads: workers of its own."""
    settings = executor.settings
    others = [
        replace(settings, permissions=Permissions((tmp_path,))),
        replace(settings, home=tmp_path / "home"),
        replace(settings, offline=True),
    ]

    assert workers.executor(replace(settings, say=print))._pool is executor._pool
    assert not [other for other in others if workers.executor(other)._pool is executor._pool]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert workers.executor(settings)._pool is not executor._pool
