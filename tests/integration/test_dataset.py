"""Sets drawn by a real worker: from real images and arrays of others where they are at hand, and within a job's limits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toolkit import dataset
from toolkit.errors import InvalidSamples, WorkerTimeout
from toolkit.executor import Executor
from toolkit.limits import Limits
from toolkit.settings import Settings
from toolkit.worker.shards import read_all, read_index

MODELS = Path(__file__).resolve().parents[2].parent / "shared" / "models"
RESNET8 = {"inputs": [{"name": "image", "dtype": "float32", "shape": [1, 32, 32, 3]}]}


@pytest.fixture
def executor(tmp_path):
    with Executor(Settings(home=tmp_path / "home", offline=True)) as executor:
        yield executor


@pytest.fixture
def watched(tmp_path):
    """Return an executor that notes what happens to its jobs, and the notes."""
    notes: list[str] = []
    with Executor(
        Settings(home=tmp_path / "home", offline=True), lambda job, what, progress: notes.append(what)
    ) as executor:
        yield executor, notes


def real(*parts: str) -> Path:
    path = MODELS.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not on this machine: real data of others, not part of the repository")
    return path


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_the_embedded_digits_are_drawn_as_declared(executor):
    """The sample's recipe, which the first command of every user runs."""
    recipe = Path(__file__).resolve().parents[2] / "calibration" / "digits.toml"
    signature = {"inputs": [{"name": "image", "dtype": "float32", "shape": [1, 8, 8, 1]}]}

    (entry,) = executor.run(dataset.samples_job(str(recipe), None, signature))

    assert entry.result["calibration"] == {"count": 200}
    assert entry.result["verification"] == {"count": 500, "labels": True}
    assert entry.result["findings"] == []
    assert sorted(np.unique(np.load(entry.out / "verification/labels.npy"))) == list(range(10))
    assert read_all(entry.out / "calibration", "image").max() == 16


def test_real_images_train_and_test_are_drawn_with_their_labels(executor, tmp_path):
    """CIFAR-10 images: one file calibrates, the other verifies, and each label stays with its image."""
    train, test = real("resnet8", "train.npz"), real("resnet8", "test.npz")
    recipes = [
        write(
            tmp_path / f"{path.stem}.toml",
            f'[reader]\nkind = "arrays"\npath = "{path}"\ninputs = {{ image = "x" }}\nlabels = "y"\n'
            '[preprocess]\ndtype = "float32"\n',
        )
        for path in (train, test)
    ]

    (entry,) = executor.run(dataset.samples_job(*recipes, RESNET8))

    with np.load(test) as held:
        images, labels = held["x"], held["y"]
    order = [int(origin.split()[1]) for origin in json.loads((entry.out / "verification/origins.json").read_text())]
    assert entry.result["calibration"]["count"] == len(np.load(train)["y"])
    assert sorted(order) == list(range(len(images)))
    assert np.array_equal(read_all(entry.out / "verification", "image")[:, 0], images[order].astype("f4"))
    assert np.array_equal(np.load(entry.out / "verification/labels.npy"), labels[order])


def test_bytes_for_a_float_model_are_refused_with_what_to_declare(executor):
    """Calibrated on images / 255 by mistake, this very model falls from 86 % to 13 %: the scale is never guessed."""
    path = real("resnet8", "test.npz")

    with pytest.raises(
        InvalidSamples, match=r"test.npz: sample \d+: input 'image' is uint8, the model takes float32"
    ) as caught:
        executor.run(dataset.samples_job(str(path), None, RESNET8))

    assert 'dtype = "float32"' in caught.value.hint


def test_real_photographs_of_many_sizes_become_one_shape(executor, tmp_path):
    """Eleven JPEGs, 128 to 320 pixels wide."""
    folder = real("photos")
    recipe = write(
        tmp_path / "photos.toml",
        f'[reader]\nkind = "images"\npath = "{folder}"\n'
        '[preprocess]\nsize = [96, 96]\ncrop = "center"\ndtype = "float32"\nscale = 0.00784313725490196\nmean = [1.0]\n',
    )
    signature = {"inputs": [{"name": "x", "dtype": "float32", "shape": [1, 96, 96, 3]}]}

    (entry,) = executor.run(dataset.samples_job(recipe, None, signature))

    counts = [entry.result[side]["count"] for side in ("calibration", "verification")]
    pixels = read_all(entry.out / "verification", "x")
    assert counts == [5, 6]
    assert not entry.result["verification"]["labels"]
    assert pixels.min() < -0.8 < 0.8 < pixels.max() <= 1


def test_arrays_of_others_bind_by_themselves_where_that_is_clear(executor):
    """One numeric array and one of file names: no recipe is needed."""
    path = real("vww", "inputs.npz")
    signature = {"inputs": [{"name": "input_1", "dtype": "float32", "shape": [1, 96, 96, 3]}]}

    (entry,) = executor.run(dataset.samples_job(None, str(path), signature))

    assert entry.result["verification"]["count"] == len(read_all(entry.out / "verification", "input_1")) > 30


def test_a_set_is_drawn_once(watched, tmp_path):
    """And again only if the data, or the recipe, are others."""
    executor, notes = watched
    signature = {"inputs": [{"name": "x", "dtype": "float32", "shape": [1, 3]}]}
    rows = np.random.default_rng(0).random((20, 3), np.float32)
    np.savez(tmp_path / "a.npz", x=rows)

    for change in (None, None, 1):
        if change:
            np.savez(tmp_path / "a.npz", x=rows + change)
        executor.run(dataset.samples_job(str(tmp_path / "a.npz"), None, signature))

    assert [note for note in notes if note != "progress"] == ["started", "finished", "reused", "started", "finished"]


def test_a_users_function_runs_every_time_and_prints_into_the_log(watched, tmp_path, monkeypatch, capfd):
    """What it reads besides is unknown; what it prints is nobody's result."""
    executor, notes = watched
    monkeypatch.chdir(tmp_path)
    write(
        tmp_path / "rows.py",
        "import numpy as np\n"
        "def rows(count):\n"
        "    print('a line of the user')\n"
        "    for row in range(count):\n"
        "        yield {'x': np.array([row, 1], 'float32')}, row % 2\n",
    )
    recipe = write(tmp_path / "rows.toml", '[reader]\nkind = "python"\nfunction = "rows.py:rows"\nargs = { count = 9 }')
    signature = {"inputs": [{"name": "x", "dtype": "float32", "shape": [1, 2]}]}

    for _ in range(2):
        (entry,) = executor.run(dataset.samples_job(recipe, None, signature))

    assert entry.result["verification"] == {"count": 5, "labels": True}
    assert [note for note in notes if note != "progress"] == ["started", "finished"] * 2
    assert "a line of the user" not in "".join(capfd.readouterr())


def test_a_function_that_never_answers_is_ended_by_the_jobs_limit(executor, tmp_path, monkeypatch):
    """A stream may be endless, but not silent."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "slow.py", "import time\ndef rows():\n    time.sleep(600)\n    yield")
    signature = {"inputs": [{"name": "x", "dtype": "float32", "shape": [1, 2]}]}

    with pytest.raises(WorkerTimeout, match=r"draw samples from slow.py:rows"):
        executor.run(replace(dataset.samples_job("slow.py:rows", None, signature), limits=Limits(1, 10**9)))


def test_memory_does_not_grow_with_the_set(executor, tmp_path):
    """320 MB of samples, of which 240 MB are drawn, in a job that may hold 200 MB."""
    size, count = 1_000_000, 80
    rows = np.lib.format.open_memmap(tmp_path / "big.npy", "w+", np.float32, (count, size))  # sparse: little is written
    rows[:, 0] = np.arange(count) + 1
    rows.flush()
    del rows
    recipe = write(
        tmp_path / "big.toml",
        '[reader]\nkind = "arrays"\npath = "big.npy"\n[sampling]\ncalibration = 30\nverification = 30\n',
    )
    signature = {"inputs": [{"name": "x", "dtype": "float32", "shape": [1, size]}]}

    job = dataset.samples_job(recipe, None, signature)
    (entry,) = executor.run(replace(job, limits=Limits(300, 200_000_000)))

    assert read_index(entry.out / "calibration")["count"] == 30
    assert entry.about["peak_bytes"] < 200_000_000
