"""Readers against files that other programs wrote: TensorFlow's records, and pyarrow's parquet files in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from toolkit.environments import resolve
from toolkit.errors import InvalidSamples, RequestError
from toolkit.samples import dataset
from toolkit.settings import Settings
from toolkit.wire.shards import read_all

PICTURE = {"name": "image", "dtype": "uint8", "shape": [1, 4, 6, 3]}

# As `datasets` writes them: encoded images with their paths, nested lists, whole numbers; several row groups in a file.
WRITE_PARQUET = """
import io, pathlib, sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from PIL import Image

folder = pathlib.Path(sys.argv[1])

def png(index):
    written = io.BytesIO()
    pixels = np.full((4, 6, 3), index, np.uint8)
    pixels[0] = 255
    Image.fromarray(pixels).save(written, "PNG")
    return {"bytes": written.getvalue(), "path": f"{index}.png"}

def write(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=3)

for part in range(2):
    rows = range(part * 7, part * 7 + 7)
    for split in ("train", "test"):
        write(folder / f"images/data/{split}-0000{part}-of-00002.parquet", image=[png(row) for row in rows], label=list(rows))
    for configuration in ("half", "twice/a", "twice/b")[part:]:
        write(folder / f"{configuration}/train-0000{part}-of-00002.parquet", x=list(rows))
write(folder / "twice/a/train-00000-of-00002.parquet", x=[1, 2])
write(folder / "twice/b/train-00000-of-00002.parquet", x=[1, 2])
rows = range(20)
write(
    folder / "numbers.parquet",
    matrix=pa.array([[[row, 1], [2, 3], [4, 5]] for row in rows], pa.list_(pa.list_(pa.float32()))),
    ids=pa.array(rows, pa.int32()), flag=pa.array([row % 2 == 0 for row in rows]), y=[f"class {row % 3}" for row in rows],
)
write(folder / "null.parquet", x=[[1.0, row] if row != 13 else [None, 1.0] for row in rows])
write(folder / "ragged.parquet", x=[[[1.0], [row]] if row != 13 else [[1.0, 2.0], [3.0]] for row in rows])
write(folder / "paths.parquet", image=[{"bytes": None, "path": "a.png"} for row in rows])
write(folder / "text.parquet", x=[f"row {row}" for row in rows])
write(folder / "broken.parquet", image=[{"bytes": png(row)["bytes"][:-40] if row == 13 else png(row)["bytes"], "path": None} for row in rows])
"""

WRITE_RECORDS = """
import sys
import numpy as np, tensorflow as tf

def feature(**value):
    return tf.train.Feature(**value)

for compression in ("", "GZIP", "ZLIB"):
    with tf.io.TFRecordWriter(f"{sys.argv[1]}/{compression or 'PLAIN'}.tfrecord", compression) as writer:
        for row in range(20):
            pixels = np.full((4, 6, 3), row, np.uint8)
            pixels[0] = 255
            held = {
                "image": feature(bytes_list=tf.train.BytesList(value=[tf.io.encode_png(pixels).numpy()])),
                "x": feature(float_list=tf.train.FloatList(value=[row, -0.5])),
                "ids": feature(int64_list=tf.train.Int64List(value=[row, -row, -(2**63)])),
                "label": feature(int64_list=tf.train.Int64List(value=[row])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=held)).SerializeToString())
"""


def written(environment: str, script: str, home: Path, folder: Path) -> Path:
    """Return the folder, filled by a script in an engine's environment."""
    python = resolve(environment, settings=Settings(home=home)).python
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    quiet = variables | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([python, "-c", script, folder], check=True, env=quiet, capture_output=True, timeout=600)
    return folder


@pytest.fixture(scope="module")
def parquets(home, tmp_path_factory):
    return written("parquet", WRITE_PARQUET, home, tmp_path_factory.mktemp("parquet"))


@pytest.fixture(scope="module")
def tfrecords(home, tmp_path_factory):
    return written("tensorflow", WRITE_RECORDS, home, tmp_path_factory.mktemp("records"))


@pytest.fixture
def drawn(executor, tmp_path):
    """Return a function that draws from a set, of data or of a recipe's text, for a model with these inputs."""

    def draw(calibration: object, *inputs: dict, evaluation: object = None) -> object:
        sets = []
        for index, given in enumerate((calibration, evaluation)):
            if isinstance(given, str):
                (tmp_path / f"{index}.toml").write_text(given)
            sets.append(str(tmp_path / f"{index}.toml") if isinstance(given, str) else given and str(given))
        (entry,) = executor.run(dataset.samples_job(*sets, {"inputs": list(inputs)}))
        return entry

    return draw


def rows_of(entry: object, name: str, side: str = "verification") -> dict[int, np.ndarray]:
    """Return the samples drawn for one side by their labels."""
    labels = np.load(entry.out / side / "labels.npy").tolist()
    return dict(zip(labels, read_all(entry.out / side, name)[:, 0], strict=True))


def test_a_folder_of_images_in_parquet_is_a_set(drawn, parquets):
    """As it was downloaded: the split declared, its files in order, each label with its image, no file read by name."""
    text = f'[reader]\nkind = "parquet"\npath = "{parquets}/images"\nsplit = "train"\n'

    entry = drawn(text, PICTURE)

    found = rows_of(entry, "image") | rows_of(entry, "image", "calibration")
    assert sorted(found) == list(range(14))
    assert all((pixels[1:] == label).all() for label, pixels in found.items())
    origins = json.loads((entry.out / "verification" / "origins.json").read_text())
    files = {f"{parquets}/images: train-0000{part}-of-00002.parquet" for part in (0, 1)}
    assert {origin.rpartition(": row ")[0] for origin in origins} == files


def test_one_file_of_a_split_can_be_named(drawn, parquets):
    """Whoever names it wants no other."""
    path = parquets / "images" / "data" / "train-00001-of-00002.parquet"

    entry = drawn(f'[reader]\nkind = "parquet"\npath = "{path}"\n', PICTURE)

    assert sorted(rows_of(entry, "image") | rows_of(entry, "image", "calibration")) == list(range(7, 14))


def test_columns_of_numbers_lists_and_words_are_inputs_and_labels(drawn, parquets):
    """By name, with their own dtypes, in a file that needs nothing declared but the words' order."""
    specs = [
        {"name": "matrix", "dtype": "float32", "shape": [1, 3, 2]},
        {"name": "ids", "dtype": "int32", "shape": []},
        {"name": "flag", "dtype": "bool", "shape": []},
    ]
    words = '["class 2", "class 0", "class 1"]'

    entry = drawn(f'[reader]\nkind = "parquet"\npath = "{parquets}/numbers.parquet"\nclasses = {words}\n', *specs)

    out = entry.out / "verification"
    ids, matrix = read_all(out, "ids"), read_all(out, "matrix")
    assert matrix[:, 0, 0, 0].tolist() == ids.tolist()
    assert matrix[0, 0, 1:].tolist() == [[2, 3], [4, 5]]
    assert np.array_equal(read_all(out, "flag"), ids % 2 == 0)
    assert np.array_equal(np.load(out / "labels.npy"), (ids + 1) % 3)


@pytest.mark.parametrize(
    ("name", "more", "says"),
    [
        ("images", "", "holds the splits test, train"),
        ("images", 'split = "trian"', "reader.split: no 'trian'; did you mean 'train'"),
        ("half", "", "1 files of the split 'train' are there, their names announce 2"),
        ("twice", "", "4 files of the split 'train' are there, their names announce 2"),
        ("null.parquet", "", "null.parquet: row 13: column 'x' has 1 missing .null. of 2 values"),
        ("ragged.parquet", "", r"row 13: column 'x' is not an array: its rows have the lengths \[1, 2\]"),
        ("paths.parquet", "", "row \\d+: column 'image': has no bytes, but the path 'a.png'"),
        ("text.parquet", "", "column 'x' is string; expected numbers, lists of them or an image"),
        ("broken.parquet", "", "broken.parquet: row 13: column 'image': does not decode"),
        ("numbers.parquet", 'inputs = { image = "matrx" }', "reader.inputs.image: no column 'matrx'; did you mean 'matrix'"),
        ("numbers.parquet", "", r"no column for the model's inputs \['image'\]; there: matrix list<"),
        ("cut.parquet", "", "cut.parquet: cannot be read, it is not a parquet file, or is damaged or cut short"),
    ],
)  # fmt: skip
def test_parquet_files_that_do_not_fit_are_refused(drawn, parquets, name, more, says):
    """By file and row, with what is expected."""
    whole = (parquets / "numbers.parquet").read_bytes()
    (parquets / "cut.parquet").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(InvalidSamples, match=says):
        drawn(
            f'[reader]\nkind = "parquet"\npath = "{parquets / name}"\n{more}',
            {"name": "image", "dtype": "uint8" if name == "broken.parquet" else "float64", "shape": None},
        )


def test_a_row_group_of_too_many_values_is_refused_before_it_is_read(home, parquets):
    """A row is read with its group, and equal values take no room in a file; those of other columns do not count."""
    script = f"""
import pathlib
from toolkit.samples.readers import ReadRequest, parquet
path = pathlib.Path({str(parquets / "numbers.parquet")!r})
for parquet._MOST_VALUES in (2, 1):  # the last group has two rows
    reading = parquet.read(parquet.Options(path.name, inputs={{"x": "ids"}}, labels="ids"), {{"path": path}}, ReadRequest(("x",), path.parent))
    print(reading.samples.at(19).inputs["x"])
"""
    python = resolve("parquet", settings=Settings(home=home)).python
    package = {"PYTHONPATH": str(Path(dataset.__file__).parents[2])}

    ran = subprocess.run(
        [python, "-c", script], env=os.environ | package, capture_output=True, text=True, timeout=600, check=False
    )

    assert ran.stdout.strip() == "19", ran.stderr
    assert (
        "numbers.parquet: row 19: lies in a row group of 2 values, all of which are read for one; expected at most 1"
        in ran.stderr
    )


def test_sets_of_two_readers_are_read_by_the_environment_that_serves_both(drawn, parquets, tmp_path):
    """An .npz calibrates, a parquet file judges."""
    rows = np.random.default_rng(0).random((20, 3, 2), np.float32)
    np.savez(tmp_path / "a.npz", matrix=rows)
    text = f'[reader]\nkind = "parquet"\npath = "{parquets}/numbers.parquet"\ninputs = {{ matrix = "matrix" }}\nlabels = "ids"'

    entry = drawn(tmp_path / "a.npz", {"name": "matrix", "dtype": "float32", "shape": [1, 3, 2]}, evaluation=text)

    assert entry.result["calibration"] == {"count": 20}
    assert entry.result["verification"] == {"count": 20, "labels": True}


def test_readers_that_no_environment_serves_together_are_refused(monkeypatch, tmp_path):
    """Before anything is started."""
    from toolkit.samples.readers import csv

    monkeypatch.setattr(csv, "ENVIRONMENT", "another")
    for name in ("a.csv", "b.parquet"):
        (tmp_path / name).touch()

    with pytest.raises(RequestError, match=r"sets for the readers csv and parquet cannot be read together"):
        dataset.samples_job(str(tmp_path / "a.csv"), str(tmp_path / "b.parquet"), {"inputs": []})


@pytest.mark.parametrize("compression", ["PLAIN", "GZIP", "ZLIB"])
def test_records_that_tensorflow_wrote_are_read_without_it(drawn, tfrecords, compression):
    """Its own checksums and its own protocol buffers; the schema says which feature is an image."""
    specs = [
        PICTURE,
        {"name": "x", "dtype": "float32", "shape": [1, 2]},
        {"name": "ids", "dtype": "int64", "shape": [1, 3]},
    ]
    text = f'[reader]\nkind = "tfrecord"\npath = "{tfrecords}/{compression[:-1]}*.tfrecord"\n' + "".join(
        f'[reader.inputs.{name}]\nfeature = "{name}"\nencoding = "{encoding}"\n'
        for name, encoding in (("image", "image"), ("x", "list"), ("ids", "list"))
    )

    entry = drawn(text, *specs)

    images, x, ids = (rows_of(entry, name) for name in ("image", "x", "ids"))
    assert len(images) == 10
    for label in images:
        assert (images[label][1:] == label).all()
        assert x[label].tolist() == [label, -0.5]
        assert ids[label].tolist() == [label, -label, -(2**63)]
