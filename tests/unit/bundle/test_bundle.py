"""A bundle as it is written: what passed takes its place, and what failed loses nothing."""

from __future__ import annotations

import json

import pytest

from tests.unit.verdict.judged_chains import stages
from toolkit.bundle import bundle
from toolkit.files import manifest


def test_a_passed_bundle_holds_what_its_manifest_says(judged, tmp_path):
    """Artifact, reports, and the hash of each."""
    place = bundle.write(judged(stages()), tmp_path / "dist")

    manifest = json.loads((place / "manifest.json").read_text())
    runs = {f"runs/{stage}.safetensors" for stage in ("original", "conversion", "kernels")}
    files = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert files == {"manifest.json", "model.tflite", "report.json", "report.md"} | runs
    assert set(manifest["files"]) == files - {"manifest.json"}


FAILED_FILES = {"manifest.json", "previous", "rejected", "report.json", "report.md", "runs"}


def test_a_failed_build_promotes_nothing_and_loses_nothing(judged, tmp_path):
    """The bundle that had passed is kept aside, also when the next one fails again; then one passes, and takes its place."""
    out = tmp_path / "dist"
    bundle.write(judged(stages()), out)
    for _ in range(2):
        place = bundle.write(judged(stages(kernels=1.0)), out)

        assert {path.name for path in place.iterdir()} == FAILED_FILES
        assert manifest.verified(place).verdict == "failed"
        assert (place / "previous" / "manifest.json").is_file()
        assert not (place / "model.tflite").exists()

    place = bundle.write(judged(stages()), out)
    assert (place / "model.tflite").is_file()
    assert not (place / "rejected").exists()
    assert [path.name for path in out.iterdir()] == ["board"]


def test_a_bundle_that_cannot_be_written_whole_leaves_the_old_one(judged, tmp_path, monkeypatch):
    """The disk is full while the report is written."""
    out = tmp_path / "dist"
    place = bundle.write(judged(stages()), out)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle, "_write", full)
    with pytest.raises(Exception, match="no space left"):
        bundle.write(judged(stages()), out)

    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    assert [path.name for path in out.iterdir()] == ["board"]
