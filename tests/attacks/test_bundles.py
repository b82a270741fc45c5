"""Bundles that somebody changed: none passes that did not pass as it was, none ends in a traceback, and none hangs.

First without the bundle's list being written anew, where every edit is seen; then with it, as somebody changes a bundle who knows how one is made:
what contradicts itself is refused, and what is left is judged by the runs that lie there.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from tests.attacks.edits import SPECIAL, byte_edits, edits, put, raw_edits, run_verb, within
from tests.unit.regression import test_rejudge as made
from tests.unit.regression.bundles_by_hand import seal
from toolkit.comparison.scored_task import Task
from toolkit.errors import RequestError
from toolkit.pytest_plugin import Verifying

COUNT, REAL = made.COUNT, made.REAL
TRUTH = made.SCORES[:, 0].argmax(axis=1)
FILES = (
    "report.json",
    "runs/original.safetensors",
    "runs/device.safetensors",
    "runs/labels.safetensors",
    "runs/tasks.json",
)
bundled, bounds = made.bundled, made.bounds


def comparison(value, limit, stage="total"):
    said = {"stage": stage, "output": "scores", "metric": "max_abs", "unit": "real", "because": "b", "better": "lower"}
    return {**said, "value": value, "limit": limit, "samples": COUNT, "status": "passed", "passed": True}


@pytest.fixture
def bundle(bundled):
    """Return a bundle that passed, with labels, and with what a function of the user's said."""
    rows = dict.fromkeys(made.REPORT["runs"], (1.0,) * COUNT)
    scores = dict.fromkeys(rows, 1.0)
    tasks = [
        {"metric": "top_k_accuracy", "better": "higher", "scores": {"original": 1.0}},
        {"metric": "mine:score", "better": "higher", "scores": scores},
    ]
    comparisons = [comparison(0.05, 0.2, "conversion"), comparison(0.1, 0.2)]
    own = Task("mine:score", "higher", scores, rows)
    return bundled(truth=TRUTH, own=own, tasks=tasks, comparisons=comparisons, verdict="passed")


@pytest.fixture
def loose(bounds):
    """Return bounds that the bundle keeps."""
    return bounds(("total", "max_abs", 0.2, REAL), ("total", "top_k_accuracy", 0.3, 'undecided = "passed"\n'))


@pytest.fixture
def strict(bounds, tmp_path):
    """Return bounds that it does not keep."""
    path = bounds(("total", "max_abs", 0.01, REAL))
    return path.rename(tmp_path / "strict.toml")


@pytest.fixture
def verify(bundle, loose):
    """Return a function that judges the bundle as it is then; as it was made it passes."""
    assert run_verb("verify", bundle, "--bounds", loose)[0] == 0
    return lambda: run_verb("verify", bundle, "--bounds", loose)


def refused(said, ended, path=""):
    status, printed = ended
    assert status == 2, f"{said}: {status}, {printed}"
    assert str(path) in printed


@pytest.mark.parametrize("name", FILES)
def test_bytes_that_were_changed_are_seen(verify, bundle, name):
    """Flipped, cut, overwritten, doubled: of every file that is read."""
    content = (bundle / name).read_bytes()

    for said, other in byte_edits(content, 12):
        (bundle / name).write_bytes(other)
        refused(said, verify(), bundle / name)


@pytest.mark.once
def test_values_of_a_report_that_were_changed_are_seen(verify, bundle):
    whole = json.loads((bundle / "report.json").read_text())
    texts = [(said, json.dumps(content)) for said, content in edits(whole, 40)] + list(raw_edits(whole, 20))

    for said, text in texts:
        (bundle / "report.json").write_text(text)
        refused(said, verify(), bundle / "report.json")


@pytest.mark.once
def test_a_list_that_was_changed_is_refused_or_says_the_same(verify, bundle):
    """What else it says (tools, samples) is for people: only what the bundle is judged by is believed, and held against the files."""
    path = bundle / "manifest.json"
    whole = json.loads(path.read_text())
    texts = [(said, json.dumps(content)) for said, content in edits(whole, 60)] + list(raw_edits(whole, 20))

    for said, text in texts:
        path.write_text(text)
        status, printed = verify()
        assert status == 2 or (status == 0 and json.loads(text)["files"] == whole["files"]), f"{said}: {printed}"
    path.unlink()
    refused("deleted", verify(), "no manifest.json, so it is not a bundle")


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_file_is_refused_by_name(verify, bundle, tmp_path, kind):
    """A pipe would hang whoever reads it, a device would never end."""
    whole = shutil.copytree(bundle, tmp_path / "whole")
    for name in (*FILES, "manifest.json", "runs/extra.safetensors", "notes.txt"):
        put(kind, bundle / name)

        refused(f"{kind} {name}", verify(), bundle / name)
        shutil.rmtree(bundle)
        shutil.copytree(whole, bundle)


def test_a_link_to_the_very_file_is_refused(verify, bundle, tmp_path):
    """What it leads to may be another one tomorrow."""
    shutil.move(bundle / "report.json", tmp_path / "report.json")
    (bundle / "report.json").symlink_to(tmp_path / "report.json")

    refused("link", verify(), "report.json: is a symbolic link")


def other_run(path, change):
    """Let a run hold other outputs."""
    with safe_open(path, framework="np") as file:
        metadata, outputs = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(change(outputs), path, metadata)


def nan_in_one(outputs):
    outputs["scores"][3, 0, 1] = np.nan
    return outputs


def all_nan(outputs):
    return {name: np.full_like(array, np.nan) for name, array in outputs.items()}


def swapped(bundle, one, other):
    path = [bundle / "runs" / f"{stage}.safetensors" for stage in (one, other)]
    content = [each.read_bytes() for each in path]
    path[0].write_bytes(content[1])
    path[1].write_bytes(content[0])


def copied(bundle, one, other):
    """Copy a run over another, under the other's name."""
    path = bundle / "runs" / f"{other}.safetensors"
    with safe_open(bundle / "runs" / f"{one}.safetensors", framework="np") as file:
        outputs = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        said = json.loads(file.metadata()["run"]) | {"stage": other}
    save_file(outputs, path, {"run": json.dumps(said)})


OF_RUNS = {
    "device is the original": lambda bundle: copied(bundle, "original", "device"),
    "both are the original": lambda bundle: [copied(bundle, "original", each) for each in ("conversion", "device")],
    "the original is the device": lambda bundle: copied(bundle, "device", "original"),
    "two stages changed places": lambda bundle: swapped(bundle, "conversion", "device"),
    "one NaN": lambda bundle: other_run(bundle / "runs/device.safetensors", nan_in_one),
    "nothing but NaN": lambda bundle: other_run(bundle / "runs/device.safetensors", all_nan),
    "all NaN on both sides": lambda bundle: [
        other_run(path, all_nan) for path in sorted((bundle / "runs").glob("[cdo]*.safetensors"))
    ],
    "a run is gone": lambda bundle: (bundle / "runs/device.safetensors").unlink(),
    "a run is empty": lambda bundle: (bundle / "runs/device.safetensors").write_bytes(b""),
    "labels are gone": lambda bundle: (bundle / "runs/labels.safetensors").unlink(),
    "what a function said is gone": lambda bundle: (bundle / "runs/tasks.json").unlink(),
    "fewer samples": lambda bundle: other_run(
        bundle / "runs/device.safetensors", lambda outputs: {name: array[:3] for name, array in outputs.items()}
    ),
}


@pytest.mark.parametrize("said", OF_RUNS)
@pytest.mark.parametrize("with_list", [False, True], ids=["list as it was", "list written anew"])
def test_runs_that_are_others_pass_nowhere(verify, bundle, said, with_list):
    """Not even where the list was written anew: they are not what the report was measured of."""
    OF_RUNS[said](bundle)
    if with_list:
        seal(bundle)

    status, printed = verify()

    assert status == 2, printed


@pytest.mark.once
def test_no_edit_of_a_report_makes_a_failed_bundle_pass(bundle, strict):
    """Its list written anew each time: what can be judged by the runs is judged by them."""
    assert run_verb("verify", bundle, "--bounds", strict)[0] == 1
    whole = json.loads((bundle / "report.json").read_text())
    counts = dict.fromkeys((0, 1, 2), 0)

    for said, content in edits(whole, 150, seed=5):
        (bundle / "report.json").write_text(json.dumps(content))
        seal(bundle, target="board", verdict="passed")
        status, printed = run_verb("verify", bundle, "--bounds", strict)
        assert status in {1, 2}, f"{said}: {printed}"
        counts[status] += 1

    assert counts[2] > 100


def test_a_stage_that_is_a_path_is_refused(verify, bundle):
    """A run elsewhere is none of the bundle's, and is on no list."""
    whole = json.loads((bundle / "report.json").read_text())
    shutil.copytree(bundle / "runs", bundle.parent / "other")
    whole["runs"] = {"original": {"samples": COUNT}, "../../other/device": {"samples": COUNT}}
    (bundle / "report.json").write_text(json.dumps(whole))
    seal(bundle)

    refused("path", verify(), "expected at least two runs, by stage")


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("key", ["value", "limit"])
def test_a_comparison_without_a_number_is_refused_in_every_stage(verify, bundle, key, place):
    """Whatever stage it is of; by verify as by check."""
    for value in (None, "nan", True, "0.01", [], {}):
        whole = json.loads((bundle / "report.json").read_text())
        whole["comparisons"][place][key] = value
        (bundle / "report.json").write_text(json.dumps(whole))
        seal(bundle)

        refused(value, verify(), bundle / "report.json")
        refused(value, run_verb("check", bundle, "--baseline", bundle), bundle / "report.json")


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_baseline_of_a_test_that_is_no_file_is_no_missing_one(bundle, tmp_path, kind):
    """The plugin of pytest holds a build against the baseline that lies for it; one that cannot be read would let anything pass."""
    put(kind, tmp_path / "test_it.test_it.board.json")
    config = SimpleNamespace(
        getoption=lambda name: None, getini=lambda name: str(tmp_path), inipath=None, rootpath=tmp_path
    )
    test = SimpleNamespace(config=config, path=tmp_path / "test_it.py", name="test_it", user_properties=[])

    with within(10), pytest.raises(RequestError):
        Verifying(test, None, None)._hold_against_baseline(
            SimpleNamespace(passed=True), bundle.rename(tmp_path / "board"), None
        )


def test_files_at_random_places_are_named(verify, bundle):
    """Hidden ones and empty ones too."""
    chance = random.Random(7)  # noqa: S311 (the same each time)
    for number in range(12):
        folder = bundle / chance.choice(["", "runs", "attribution", "sizes/8x8/runs", "rejected"])
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{chance.choice(['.', '', 'x'])}{number}\n\x1b[2J"
        path.write_bytes(b"" if number % 2 else os.urandom(8))

        status, printed = verify()

        assert status == 2
        assert "is not on the bundle's list" in printed
        assert "\x1b" not in printed
        path.unlink()
    shutil.rmtree(bundle / "sizes", ignore_errors=True)
    assert verify()[0] == 0
