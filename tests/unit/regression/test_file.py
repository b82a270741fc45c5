"""What is in a baseline file, to the last field: files of today have to be read by whoever comes later."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import zlib

import numpy as np
import pytest

from tests.unit.regression.releases import COUNT, SCORES, Held, accuracy, bound, release
from toolkit import regression
from toolkit.comparison import compare
from toolkit.errors import RequestError
from toolkit.findings import CodeCount
from toolkit.regression import file
from toolkit.regression.file import OUTPUT_BYTES, thin
from toolkit.regression.record import TaskRecord, name_of
from toolkit.tensors.signature import Signature, TensorSpec

WHOLE = release(
    tasks=(accuracy(2), TaskRecord("mse", "lower", (0.5,) * COUNT)),
    comparisons=({**bound("total", "sqnr_db", 30.0, 12.0), "confidence": 0.9, "samples": 200},),
    noise={"repeat": {"scores": 0.25}},
    findings={"a": CodeCount("warning", 2)},
    tools={"numpy": "2"},
    latency_ms=2.5,
    engine="litert 2.3.0",
    order={"inputs": ["image"], "outputs": ["scores"]},
)
# The digest of it by another program would be of the keys in order, without a space.
SEALED = {"sort_keys": True, "separators": (",", ":")}

ROOM = OUTPUT_BYTES // 40 // 4  # numbers of float32 in each of the fewest samples


def content_of(path):
    return json.loads(path.read_text())


def seal(path, content):
    """Write a file with the checksum that its format has."""
    content.pop("sha256", None)
    digest = hashlib.sha256(json.dumps(content, **SEALED).encode()).hexdigest()
    path.write_text(json.dumps({**content, "sha256": digest}))


@pytest.fixture
def written(tmp_path):
    """Return the path of a file with the whole release."""
    file.write(tmp_path / "whole.json", WHOLE)
    return tmp_path / "whole.json"


def refusal(path):
    with pytest.raises(RequestError) as caught:
        regression.read(path)
    return caught.value.problem


def test_a_file_has_these_fields(written):
    content = content_of(written)

    scores = content["outputs"]["scores"]
    assert zlib.decompress(base64.b64decode(scores.pop("zlib_base64"))) == SCORES.astype("<f4").tobytes()
    digest = content.pop("sha256")
    assert {name: value for name, value in content.items() if "signature" not in name} == {
        "format": "edge-toolkit baseline",
        "schema": 1,
        "target": "board",
        "verdict": "passed",
        "scheme": "static_wi8_ai8",
        "source_sha256": "a" * 64,
        "artifact_sha256": "b" * 64,
        "size_bytes": 1001,
        "stage": "device",
        "count": 200,
        "samples_digest": "c" * 64,
        "labels_digest": "d" * 64,
        "outputs_digest": "e" * 64,
        "tasks": [
            {"metric": "top_k_accuracy", "better": "higher", "rows": "00" + "1" * 198},
            {"metric": "mse", "better": "lower", "rows": [0.5] * 200},
        ],
        "comparisons": [{**bound("total", "sqnr_db", 30.0, 12.0), "confidence": 0.9}],
        "noise": {"repeat": {"scores": 0.25}},
        "findings": {"a": {"severity": "warning", "count": 2}},
        "tools": {"numpy": "2"},
        "latency_ms": 2.5,
        "engine": "litert 2.3.0",
        "order": {"inputs": ["image"], "outputs": ["scores"]},
        "outputs": {"scores": {"dtype": "float32", "shape": [200, 1, 4], "every": 1}},
    }
    assert [each["name"] for each in content["signature"]["inputs"]] == ["image"]
    assert [each["name"] for each in content["outputs_signature"]["outputs"]] == ["scores"]
    content["outputs"]["scores"]["zlib_base64"] = content_of(written)["outputs"]["scores"]["zlib_base64"]
    assert digest == hashlib.sha256(json.dumps(content, **SEALED).encode()).hexdigest()


def test_a_file_has_a_line_for_each_field_so_that_a_change_of_it_can_be_read(written):
    assert '\n "size_bytes": 1001,\n' in written.read_text()


def test_a_file_that_somebody_else_sealed_comes_back_whole(written):
    seal(written, content_of(written))

    again = regression.read(written)

    assert again.path == written
    kept = {each.name for each in dataclasses.fields(again)} - {"path", "outputs", "comparisons"}
    for name in kept:
        assert getattr(again, name) == getattr(WHOLE, name)
    assert again.comparisons[0]["confidence"] == 0.9
    assert (again.outputs.count, again.every) == (200, {})


def test_numbers_that_json_has_not_are_in_no_file(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        file.write(tmp_path / "x.json", release(latency_ms=float("nan")))
    assert not (tmp_path / "x.json").exists()


def test_a_file_says_what_is_wrong_with_it(written, tmp_path):
    content = content_of(written)
    less = {name: value for name, value in content.items() if name != "sha256"}
    written.write_text(json.dumps(less))
    assert refusal(written).endswith(
        "was changed after it was written; recreate it from a bundle with --update-baseline"
    )

    seal(written, {**content, "outputs_signature": {**content["outputs_signature"], "outputs": []}})
    said = "ValueError: its outputs are not those that it names, of one number of samples"
    assert f"{written}: is not a whole baseline ({said}); recreate it with --update-baseline" == refusal(written)

    large = {**content["outputs"]["scores"], "shape": [OUTPUT_BYTES, 1, 4]}
    seal(written, {**content, "outputs": {"scores": large}})
    said = f"an output of {16 * OUTPUT_BYTES} bytes; expected at most {OUTPUT_BYTES}"
    assert said in refusal(written)

    spoiled = content["outputs"]["scores"]["zlib_base64"]
    seal(written, {**content, "outputs": {"scores": {**large, "shape": [200, 1, 4], "zlib_base64": f"!{spoiled}"}}})
    assert "is not a whole baseline" in refusal(written)

    with pytest.raises(RequestError) as caught:
        regression.read(tmp_path / "none.json")
    assert caught.value.hint == "--update-baseline writes one"


def run_of(**shapes):
    """Return a run of two samples; each output counts on from 0."""
    arrays = {
        name: np.arange(np.prod((2, *shape)), dtype=np.float32).reshape(2, *shape) for name, shape in shapes.items()
    }
    specs = tuple(TensorSpec(name, "float32", shape) for name, shape in shapes.items())
    return compare.RunOutputs("mine", Signature("key", (), specs), [arrays])


def test_every_third_element_of_an_output_and_all_of_the_others():
    thinned = thin(run_of(mask=(1, 2, 4), scores=(1, 4)), {"mask": 3})

    (block,) = thinned.blocks
    assert block["mask"].tolist() == [[0, 3, 6], [8, 11, 14]]
    assert block["scores"].shape == (2, 1, 4)
    assert (thinned.name, thinned.signature.key) == ("mine", "key")
    assert {each.name: each.shape for each in thinned.signature.outputs} == {"mask": None, "scores": (1, 4)}


@dataclasses.dataclass
class Large:
    """Outputs of so many samples of so many numbers, none of which is the same."""

    count: int
    sizes: dict[str, int]

    def read(self, count=None):
        """Return all of it, or the first samples."""
        rows = self.count if count is None else min(count, self.count)
        arrays = {name: np.zeros((rows, 1, size), np.float32) for name, size in self.sizes.items()}
        specs = tuple(TensorSpec(name, "float32", (1, size)) for name, size in self.sizes.items())
        return compare.RunOutputs("large", Signature("", (), specs), [arrays])


@pytest.mark.parametrize(
    ("count", "sizes", "kept", "every"),
    [
        (50, {"scores": 4}, 50, {}),
        (OUTPUT_BYTES // 400, {"scores": 100}, OUTPUT_BYTES // 400, {}),  # as many as there is room for
        (OUTPUT_BYTES // 400 + 1, {"scores": 100}, OUTPUT_BYTES // 400, {}),
        (100, {"mask": 2 * ROOM}, 40, {"mask": 2}),
        (100, {"mask": 2 * ROOM + 1}, 40, {"mask": 3}),
        (100, {"mask": 2 * ROOM, "scores": 10}, 40, {"mask": 4}),  # they share the room
        (100, {"mask": ROOM, "other": ROOM}, 40, {"mask": 2, "other": 2}),
        (10, {"mask": OUTPUT_BYTES // 20}, 10, {"mask": 2}),
    ],
)
def test_as_much_is_kept_as_there_is_room_for(count, sizes, kept, every):
    found, arrays = file._keep(release(outputs=Large(count, sizes), count=count))

    assert found == every
    assert {len(array) for array in arrays.values()} == {kept}


@pytest.mark.parametrize(("size", "every"), [(2 * ROOM + 1, {"mask": 3}), (2 * ROOM, {"mask": 2})])
def test_a_file_that_is_thin_stays_so_when_it_is_written_again(tmp_path, size, every):
    """Also where the last bit of it was one too many."""
    wide = release(outputs=Large(60, {"mask": size}), count=60, tasks=())
    file.write(tmp_path / "one.json", wide)
    file.write(tmp_path / "two.json", regression.read(tmp_path / "one.json"))

    one, two = (regression.read(tmp_path / name) for name in ("one.json", "two.json"))

    assert one.every == two.every == every
    assert one.outputs.count == two.outputs.count == 40


def test_a_file_that_is_full_to_the_last_byte_comes_back(tmp_path):
    full = release(outputs=Large(OUTPUT_BYTES // 16, {"scores": 4}), count=OUTPUT_BYTES // 16, tasks=())
    file.write(tmp_path / "full.json", full)

    assert regression.read(tmp_path / "full.json").outputs.count == OUTPUT_BYTES // 16


@pytest.mark.parametrize("rows", [(1, 0, 1), (1.0, 0.0), (2, 1), (0.5, 1), (None, 1)])
def test_rows_of_a_task_come_back_as_they_were(tmp_path, rows):
    rows += rows[-1:] * (COUNT - len(rows))
    file.write(tmp_path / "x.json", release(tasks=(TaskRecord("mse", "lower", rows),)))

    (task,) = regression.read(tmp_path / "x.json").tasks
    assert [(type(row), row) for row in task.rows] == [(type(row), row) for row in rows]


@pytest.mark.parametrize(
    ("metric", "rows"),
    [
        ("mse", [0.5] * (COUNT - 1)),  # which would be paired with those of other samples
        ("mse", [0.5] * (COUNT + 1)),
        ("mse", [[1]] * COUNT),
        ("mse", ["a"] * COUNT),
        ("mse", [-1] * COUNT),  # no mean of squares
        ("top_k_accuracy", "2" * COUNT),  # nobody is right more than once
        ("top_k_accuracy", "1" * (COUNT - 1) + "x"),
        ("f1", [1] * COUNT),
        ("f1", [[[[]], [1]]] * COUNT),
        ("auc", [[[1], [0.5, 0.5]], [[0], [0.5]]] * (COUNT // 2)),
        ("mean_average_precision", [{"truths": 5}] * COUNT),
        ("word_error_rate", [[1]] * COUNT),
        ("no_such_metric", [1] * COUNT),
    ],
)
def test_rows_that_the_task_metric_did_not_write_are_no_rows(written, metric, rows):
    """They are what a paired test counts."""
    seal(written, {**content_of(written), "tasks": [{"metric": metric, "better": "higher", "rows": rows}]})

    assert "is not a whole baseline" in refusal(written)


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("real", "total scores x real"),
        ("range", "total scores x range"),
        ("lsb", "total scores x lsb"),
        ("noise", "total scores x noise"),
        ("db", "total scores x"),
    ],
)
def test_a_unit_is_named_where_there_is_a_choice(unit, name):
    assert name_of(bound("total", "x", 1, 1, unit=unit)) == name


def test_outputs_of_the_fewest_samples_are_no_more_than_there_are():
    held = Held(SCORES[:1])

    assert file._keep(release(outputs=held, count=1))[1]["scores"].shape == (1, 1, 4)
