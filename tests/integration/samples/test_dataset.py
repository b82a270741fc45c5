"""Sets drawn by a real worker: from real images and arrays of others where they are at hand, and within a job's limits."""

from __future__ import annotations

import json
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toolkit.conversion.artifacts import Conversions
from toolkit.engines.tensorflow.sstable import checksum
from toolkit.environments import resolve
from toolkit.errors import InvalidConfig, InvalidSamples, RequestError, WorkerTimeout
from toolkit.execution.run import Execution, run_job
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.samples import dataset
from toolkit.settings import Limits, Settings
from toolkit.source import source
from toolkit.source.original import Original
from toolkit.wire.shards import read_all, read_index, sequence_length

MODELS = Path(__file__).resolve().parents[3].parent / "shared" / "models"
RESNET8 = {"inputs": [{"name": "image", "dtype": "float32", "shape": [1, 32, 32, 3]}]}


@pytest.fixture
def executor(tmp_path):
    with LocalExecutor(Settings(home=tmp_path / "home", offline=True)) as executor:
        yield executor


@pytest.fixture
def watched(tmp_path):
    """Return an executor that notes what happens to its jobs, and the notes."""
    notes: list[str] = []
    with LocalExecutor(
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
    recipe = Path(__file__).resolve().parents[3] / "calibration" / "digits.toml"
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
    order = [
        int(origin.rpartition(" ")[2]) for origin in json.loads((entry.out / "verification/origins.json").read_text())
    ]
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

    with pytest.raises(WorkerTimeout, match=r"drawing samples from slow.py:rows"):
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


# Sequences, for models that keep state between calls


STEP = {"inputs": [{"name": "x", "dtype": "float32", "shape": [1, 2]}]}


def steps(folder: Path, count: int, text: str = "sequence = 5", name: str = "a") -> str:
    """Write a set whose sample i is (i, 1), and its recipe."""
    np.save(folder / f"{name}.npy", np.stack([np.arange(count), np.ones(count)], 1).astype(np.float32))
    return write(folder / f"{name}.toml", f'[reader]\nkind = "arrays"\npath = "{name}.npy"\n[sampling]\n{text}\n')


def test_sequences_are_drawn_whole_and_in_their_order(executor, tmp_path):
    """Which ones, the seed says; no step of one is in both sets."""
    (entry,) = executor.run(dataset.samples_job(steps(tmp_path, 100), None, STEP))

    drawn = {}
    for side in ("calibration", "verification"):
        places = read_all(entry.out / side, "x")[:, 0, 0].reshape(-1, 5)
        assert (places == places[:, :1] + np.arange(5)).all()
        assert (places[:, 0] % 5 == 0).all()
        assert sequence_length(entry.out / side) == 5
        drawn[side] = places[:, 0].tolist()
    assert sorted(drawn["calibration"] + drawn["verification"]) == list(range(0, 100, 5))
    assert drawn["verification"] != sorted(drawn["verification"])


def test_a_stream_of_sequences_is_dealt_in_whole_ones(executor, tmp_path, monkeypatch):
    """Though nobody knows how long it is, or whether it ends."""
    monkeypatch.chdir(tmp_path)
    write(
        tmp_path / "endless.py",
        "import itertools, numpy as np\ndef rows():\n    for row in itertools.count():\n        yield np.array([row, 1], 'f4')\n",
    )
    recipe = write(
        tmp_path / "set.toml",
        '[reader]\nkind = "python"\nfunction = "endless.py:rows"\n[sampling]\nsequence = 3\ncalibration = 6\nverification = 6\n',
    )

    (entry,) = executor.run(dataset.samples_job(recipe, None, STEP))

    found = {side: read_all(entry.out / side, "x")[:, 0, 0].tolist() for side in ("calibration", "verification")}
    assert found == {"verification": [0, 1, 2, 6, 7, 8], "calibration": [3, 4, 5, 9, 10, 11]}


def test_of_an_endless_stream_a_run_takes_what_is_declared(executor, tmp_path, monkeypatch):
    """`run` takes all samples of a set; all of this one would fill the disk."""
    monkeypatch.chdir(tmp_path)
    write(
        tmp_path / "endless.py",
        "import itertools, numpy as np\ndef rows():\n    return (np.array([row, 1], 'f4') for row in itertools.count())\n",
    )
    recipe = write(
        tmp_path / "set.toml",
        '[reader]\nkind = "python"\nfunction = "endless.py:rows"\n[sampling]\nverification = 7\n',
    )
    job = replace(dataset.whole_set_job(recipe, STEP), limits=Limits(300, 10**9))

    (entry,) = executor.run(job)

    assert read_all(entry.out / "verification", "x")[:, 0, 0].tolist() == list(range(7))


def test_frames_that_sequences_share_do_not_make_them_the_same(executor, tmp_path):
    """All begin with silence; a sequence that comes twice is left out, and one that calibrated does not judge."""
    tail = np.repeat(np.arange(6), 2)[:, None] * np.array([[0, 1]])
    rows = np.stack([tail, np.ones_like(tail)], -1).astype(np.float32).reshape(-1, 2)
    np.save(tmp_path / "a.npy", rows)
    np.save(tmp_path / "b.npy", rows[4:])
    recipes = [
        write(
            tmp_path / f"{name}.toml",
            f'[reader]\nkind = "arrays"\npath = "{name}.npy"\n[sampling]\nsequence = 2\n{more}',
        )
        for name, more in (("a", "calibration = 8"), ("b", ""))
    ]

    (entry,) = executor.run(dataset.samples_job(*recipes, STEP))

    found = {finding["code"]: finding for finding in entry.result["findings"]}
    assert entry.result["calibration"]["count"] == 8
    assert entry.result["verification"]["count"] == 4
    assert (found["calibrated-samples"]["shared"], found["duplicate-samples"]["duplicates"]) == (3, 5)


@pytest.mark.parametrize(
    ("count", "text", "error", "says"),
    [
        (102, "sequence = 5", InvalidSamples, "the last 2 samples do not make a whole sequence of 5"),
        (3, "sequence = 5", InvalidSamples, "the last 3 samples do not make a whole sequence of 5"),
        (5, "sequence = 5", InvalidSamples, "too few sequences of 5 samples: at least 1 for calibration and at least 1"),
        (100, "sequence = 5\ncalibration = 60\nverification = 60", InvalidSamples, "12 for calibration and 12 for verification, but there are 20"),
        (100, "sequence = 5\ncalibration = 12", InvalidConfig, "calibration = 12 samples do not make whole sequences of 5; 10 do"),
    ],
)  # fmt: skip
def test_what_is_no_whole_sequence_is_refused(executor, tmp_path, count, text, error, says):
    """A state that begins in the middle of something is another state."""
    with pytest.raises(error, match=says):
        executor.run(dataset.samples_job(steps(tmp_path, count, text), None, STEP))


def test_a_state_begins_anew_with_each_sequence_in_the_original_and_in_its_artifact(workers, home, tmp_path):
    """A running mean over four sequences: each gives what a mean that knows no other sequence gives."""
    model = tmp_path / "model"
    script = (
        "import sys, tensorflow as tf\n"
        "holder = tf.Module()\n"
        "holder.mean = tf.Variable(tf.zeros([1, 2]))\n"
        "call = tf.function(lambda x: {'y': holder.mean.assign(holder.mean * 0.75 + x * 0.25)})\n"
        "signature = call.get_concrete_function(tf.TensorSpec([1, 2], tf.float32, name='x'))\n"
        "tf.saved_model.save(holder, sys.argv[1], {'serving_default': signature})\n"
    )
    python = resolve("tensorflow", settings=Settings(home=home)).python
    subprocess.run([python, "-c", script, model], check=True, capture_output=True, timeout=600)

    with workers.executor(Settings(home=home)) as executor:
        opened = source.open_source(Original(model), executor)
        samples = dataset.whole_set_job(steps(tmp_path, 20), opened.signature).output("verification")
        conversions = Conversions(source.canonical_job(opened, samples).output("saved_model"), None)
        artifact = conversions.file(conversions.floats("tflite"), "tflite")
        reference, host = executor.run(
            source.reference_job(opened, samples, device="cpu"),
            run_job(artifact, samples, Execution(Engine("litert"), "litert")),
        )

    expected, mean = [], 0.0
    for place in range(20):
        mean = (0.0 if place % 5 == 0 else mean) * 0.75 + place * 0.25
        expected.append(mean)
    for entry in (reference, host):
        assert np.allclose(read_all(entry.out / "outputs", "y")[:, 0, 0], expected, rtol=1e-6)
    assert reference.result["noise"] == {"repeat": {"y": 0.0}}


# Several files


def test_a_pattern_stands_for_files_in_the_order_of_their_names(tmp_path):
    """Where it stands for none, what is there is said."""
    for name in ("part-2.tfrecord", "part-10.tfrecord", "part-1.tfrecord", "other.tfrecord"):
        (tmp_path / name).touch()
    recipe = write(tmp_path / "a.toml", '[reader]\nkind = "tfrecord"\npath = "part-*.tfrecord"\n')

    found = dataset.recipe(recipe).files()

    assert list(found) == ["path.00000", "path.00001", "path.00002"]
    assert [path.name for path in found.values()] == ["part-1.tfrecord", "part-10.tfrecord", "part-2.tfrecord"]
    write(tmp_path / "a.toml", '[reader]\nkind = "tfrecord"\npath = "prt-*.tfrecord"\n')
    with pytest.raises(RequestError, match=r"there is no 'prt-\*.tfrecord'; .*part-1.tfrecord"):
        dataset.samples_job(recipe, None, STEP)


def test_what_readers_share_is_part_of_the_key(tmp_path):
    """Or a set that was drawn with its old code would be taken for the new one's."""
    np.save(tmp_path / "a.npy", np.zeros((4, 2)))

    job = dataset.samples_job(str(tmp_path / "a.npy"), None, STEP)

    assert {"samples/readers/_folders.py", "samples/readers/arrays.py", "samples/readers/images.py"} <= set(
        job.code.files
    )
    assert "samples/readers/csv.py" not in job.code.files


# Limits


@pytest.mark.parametrize("kind", ["csv", "tfrecord"])
def test_memory_does_not_grow_with_a_file(executor, tmp_path, kind):
    """120 MB of rows or records, in a job that may hold no more than it needs for a small set and 40 MB besides."""
    values = np.random.default_rng(0).random((600, 1000)).astype(np.float32)
    spec = {"inputs": [{"name": "x", "dtype": "float32", "shape": [1, 1000]}]}
    peaks = []
    for times in (1, 10 if kind == "csv" else 50):
        path = tmp_path / f"{times}.{kind}"
        if kind == "csv":
            rows = "".join(",".join(f"{value:.17f}" for value in row) + "\n" for row in values)
            path.write_text(",".join(f"x_{column}" for column in range(1000)) + "\n" + rows * times)
        else:
            path.write_bytes(b"".join(map(record, values)) * times)
        text = f'[reader]\nkind = "{kind}"\npath = "{path.name}"\n[sampling]\ncalibration = 20\nverification = 20\n'
        (entry,) = executor.run(dataset.samples_job(write(tmp_path / "a.toml", text), None, spec))
        peaks.append(entry.about["peak_bytes"])

    assert path.stat().st_size > 110_000_000
    assert peaks[1] < peaks[0] + 40_000_000


def record(values: np.ndarray) -> bytes:
    """Return a TFRecord of a tf.Example whose feature x has these numbers."""
    content = values.tobytes()
    for field in (1, 2):
        content = framed(field, content)
    content = framed(1, framed(1, framed(1, b"x") + framed(2, content)))
    length = struct.pack("<Q", len(content))
    return length + struct.pack("<I", checksum(length)) + content + struct.pack("<I", checksum(content))


def framed(field: int, content: bytes) -> bytes:
    size = len(content)
    return (
        bytes([field << 3 | 2]) + (bytes([size & 0x7F | 0x80, size >> 7]) if size > 0x7F else bytes([size])) + content
    )
