"""Saved runs: what is written is read back anywhere, and whatever is not a whole run of the same samples is refused by name."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.unit.regression.bundles_by_hand import seal
from toolkit.comparison import saved_runs
from toolkit.comparison.compare import measure
from toolkit.errors import RequestError
from toolkit.regression.rejudge import rejudge
from toolkit.regression.run_comparison import compare_runs
from toolkit.wire.shards import ShardWriter

COUNT = 7
SCORES = np.random.default_rng(0).normal(size=(COUNT, 1, 3)).astype(np.float32)
BOXES = np.arange(COUNT * 8, dtype=np.uint8).reshape(COUNT, 2, 4)
SIGNATURE = {
    "key": "serving_default",
    "inputs": [],
    "outputs": [
        {"name": "scores", "dtype": "float32", "shape": [1, 3]},
        {"name": "boxes/kept", "dtype": "uint8", "shape": [2, 4], "scale": [0.5], "zero_point": [3]},
    ],
}
HASHES = [f"{number:064x}"[::-1] for number in range(COUNT)]


@pytest.fixture
def saved(tmp_path):
    """Return a maker of saved runs, of all samples or the first ones."""

    def make(name="run", scores=SCORES, hashes=HASHES, stage="kernels"):
        folder = tmp_path / f"{name}-shards"
        with ShardWriter(folder) as writer:
            for row, boxes in zip(scores, BOXES, strict=False):
                writer.add({"scores": row, "boxes/kept": boxes})
        path = tmp_path / f"{name}.safetensors"
        saved_runs.write(
            path, folder, {"stage": stage, "signature": SIGNATURE, "engine": "fake 1"}, hashes[: len(scores)]
        )
        return path

    return make


def test_a_run_comes_back_as_it_was(saved, monkeypatch):
    """Arrays, scales, samples, and what ran it; as a stream, a few rows at a time."""
    monkeypatch.setattr(saved_runs, "_ROWS_AT_ONCE", 8 * 8 * 3)

    run = saved_runs.read(saved())

    assert (run.stage, run.count, run.about) == ("kernels", COUNT, {"engine": "fake 1"})
    assert run.signature.output("boxes/kept").scale == (0.5,)
    assert run.samples == tuple(digest[:16] for digest in HASHES)
    np.testing.assert_array_equal(run.arrays()["scores"], SCORES)
    assert run.read().name == f"kernels ({run.path})"
    blocks = list(run.read(5).blocks)
    assert [len(block["scores"]) for block in blocks] == [3, 2]
    np.testing.assert_array_equal(np.concatenate([block["boxes/kept"] for block in blocks]), BOXES[:5])
    assert measure(run.read(), run.read()).measurement("boxes/kept", "max_abs").values == {
        "real": 0,
        "range": 0,
        "lsb": 0,
    }


def test_the_file_is_one_that_others_can_read(saved):
    """It is safetensors to the letter."""
    from safetensors.numpy import load_file

    found = load_file(saved())

    np.testing.assert_array_equal(found["scores"], SCORES)
    np.testing.assert_array_equal(found["boxes/kept"], BOXES)


@pytest.mark.parametrize("more", range(8))
def test_the_data_begin_at_a_multiple_of_eight_bytes(saved, tmp_path, more):
    """As the format asks for, so that others may map the file; however long the header is."""
    content = saved("run", stage="s" * more).read_bytes()

    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    assert content[8 + length :][:12] == SCORES[0].tobytes()
    assert len(content[8 : 8 + length].rstrip(b" ")) > length - 8


@pytest.mark.parametrize(("shape", "at_once", "sizes"), [((), 16, [2, 2, 1]), ((100,), 16, [1] * 5)])
def test_a_block_is_of_as_many_rows_as_fit(tmp_path, monkeypatch, shape, at_once, sizes):
    """At least one, however wide it is."""
    monkeypatch.setattr(saved_runs, "_ROWS_AT_ONCE", at_once)
    signature = {"key": "", "inputs": [], "outputs": [{"name": "y", "dtype": "float32", "shape": list(shape)}]}
    with ShardWriter(tmp_path / "shards") as writer:
        for _ in range(5):
            writer.add({"y": np.zeros(shape, np.float32)})
    saved_runs.write(tmp_path / "run.safetensors", tmp_path / "shards", {"stage": "s", "signature": signature}, [])

    run = saved_runs.read(tmp_path / "run.safetensors")

    assert [len(block["y"]) for block in run.read().blocks] == sizes
    assert run.samples == ()  # nobody said of which samples it is


def test_an_npz_says_its_outputs_and_its_name_is_its_stage(tmp_path):
    np.savez(tmp_path / "theirs.npz", scores=SCORES, boxes=BOXES)

    run = saved_runs.read(tmp_path / "theirs.npz")

    assert (run.stage, run.count, run.signature.key, run.samples, dict(run.about)) == ("theirs", COUNT, "", (), {})
    assert {spec.name: (spec.dtype, spec.shape) for spec in run.signature.outputs} == {
        "scores": ("float32", (1, 3)),
        "boxes": ("uint8", (2, 4)),
    }
    (block,) = run.read(3).blocks
    np.testing.assert_array_equal(block["boxes"], BOXES[:3])
    np.testing.assert_array_equal(run.arrays()["scores"], SCORES)


def test_an_npz_of_no_samples_holds_none(tmp_path):
    np.savez(tmp_path / "none.npz", scores=SCORES[:0])

    assert saved_runs.read(tmp_path / "none.npz").count == 0


def test_outputs_of_somebody_elses_making_are_compared_too(saved, tmp_path):
    """An .npz says no samples, so that it is taken at its word; its count has to agree all the same."""
    real = {"scores": SCORES, "boxes/kept": (BOXES.astype(np.float32) - 3) * 0.5}
    np.savez(tmp_path / "theirs.npz", **real)
    np.savez(tmp_path / "fewer.npz", **{name: array[:3] for name, array in real.items()})

    compared = compare_runs(saved(), tmp_path / "theirs.npz")

    assert compared.passed is None
    assert {each.values["real"] for each in compared.measured.measurements if each.metric == "max_abs"} == {0}
    with pytest.raises(RequestError, match=r"7 samples .* 3 in"):
        compare_runs(saved(), tmp_path / "fewer.npz")


def test_a_run_of_the_first_samples_is_held_against_the_first(saved):
    """Stages that run long have fewer samples."""
    compared = compare_runs(saved(), saved("first", SCORES[:4] + np.float32(0.5)))

    assert compared.measured.samples == 4
    assert compared.measured.measurement("scores", "max_abs").values["real"] == pytest.approx(0.5, abs=1e-6)


def test_runs_of_other_samples_are_refused(saved):
    """Their outputs differ because their inputs do."""
    others = saved("others", hashes=[*HASHES[:2], *HASHES[3:], HASHES[2]])

    with pytest.raises(RequestError, match=r"different samples .the first is sample 2."):
        compare_runs(saved(), others)


def _rewritten(path, change):
    """Write the file again with its JSON changed."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    run = json.loads(header["__metadata__"]["run"])
    change(run)
    header["__metadata__"]["run"] = json.dumps(run)
    said = json.dumps(header).encode()
    path.write_bytes(len(said).to_bytes(8, "little") + said + content[8 + length :])
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda run: run.update(schema=2),
            r"run\.safetensors: has schema 2, this release knows 1; expected the release that",
        ),
        (lambda run: run.update(count=6), "it holds"),
        (lambda run: run.update(count=6, samples=[]), "declares 6 samples of .'boxes/kept', 'scores'."),
        (lambda run: run["samples"].pop(), "it declares 7 samples, and 6 hashes of samples"),
        (lambda run: run.update(sample_names=["a"]), "it declares 7 samples, and 1 names of samples"),
        (lambda run: run["signature"]["outputs"].pop(), "it holds"),
        (lambda run: run.pop("signature"), "signature"),
        (lambda run: run["signature"]["outputs"][1].update(scale=[-1.0]), "scale -1.0"),
    ],
)
def test_a_run_that_contradicts_itself_is_refused(saved, change, said):
    """Edited by hand, or of a later release."""
    path = _rewritten(saved(), change)

    with pytest.raises(RequestError, match=said) as found:
        saved_runs.read(path)
    assert found.value.problem.startswith(f"{path}: ")
    assert ("is not a saved run" in found.value.problem) == ("schema" not in said)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "no such file; expected a run that was saved, .safetensors or .npz"),
        ("empty", "is not a saved run"),
        ("cut", "is not a saved run"),
        ("text", "is not a saved run"),
        (
            "other safetensors",
            "is not a saved run (its metadata has no 'run'); expected a .safetensors of a bundle's runs folder, or",
        ),
        ("array", "is not a saved run (a single array without a name)"),
        ("pickle", "is not a saved run (Object arrays cannot be loaded"),
        ("ragged", "is not a saved run (its arrays are not of one number of samples)"),
        ("number", "is not a saved run (its arrays are not of one number of samples)"),
    ],
)
def test_what_is_no_run_is_refused(saved, tmp_path, kind, said):
    """One message with the path, never a traceback, and nothing is unpickled."""
    path = tmp_path / "bad.safetensors"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut":
        path.write_bytes(saved().read_bytes()[:-5])
    elif kind == "text":
        path.write_text("scores: 1, 2, 3\n" * 9)
    elif kind == "other safetensors":
        from safetensors.numpy import save_file

        save_file({"scores": SCORES}, path)
    elif kind != "missing":
        path = tmp_path / "bad.npz"
        if kind == "array":
            with open(path, "wb") as file:
                np.save(file, SCORES)
        elif kind == "pickle":
            np.savez(path, scores=np.array([{"a": 1}, None], dtype=object))
        elif kind == "number":
            np.savez(path, scores=SCORES[0, 0, 0])
        else:
            np.savez(path, scores=SCORES, boxes=BOXES[:2])

    with pytest.raises(RequestError) as found:
        saved_runs.read(path)
    assert found.value.problem.startswith(f"{path}: {said}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "has no manifest.json, so it is not a bundle; expected the folder of one target"),
        ("{", "is not whole JSON"),
        ("[]", "a list of 0, expected table"),
        ('{"target": "host"}', "has no schema, this release knows 1"),
        ('{"schema": 1, "target": "host"}', "artifact: missing"),
    ],
)
def test_a_folder_that_is_no_bundle_is_refused(tmp_path, content, said):
    """Said with what is expected."""
    if content is not None:
        (tmp_path / "report.json").write_text(content)
        seal(tmp_path)

    with pytest.raises(RequestError, match=said):
        rejudge(tmp_path, tmp_path / "bounds.toml")
