"""The store of finished jobs, where two processes meet at it."""

from __future__ import annotations

import pytest

import toolkit.jobs.store_manifest
from toolkit.errors import StoreFailed
from toolkit.jobs.store import Store
from toolkit.wire.request import sha256

KEY = "ab" * 32


def finished(store: Store, text: str = "x"):
    """Return the entry of a job that wrote one file."""
    claim = store.claim(KEY)
    (claim.folder / "out").mkdir()
    (claim.folder / "out" / "file").write_text(text)
    return claim.seal({}, 0.0, {}, {"file": (len(text), sha256(claim.folder / "out" / "file"))})


def test_a_job_that_is_finished_between_two_looks_is_kept(tmp_path, monkeypatch):
    """Another process puts the whole folder in the place of a damaged one, just when this one found no manifest there."""
    ours, theirs = Store(tmp_path), Store(tmp_path)
    ours.place(KEY).mkdir(parents=True)
    read, arrivals = toolkit.jobs.store_manifest.read_bytes, iter([finished])

    def late(path):
        arrival = next(arrivals, None)
        if arrival is not None:
            arrival(theirs)
            raise FileNotFoundError(path)
        return read(path)

    monkeypatch.setattr(toolkit.jobs.store_manifest, "read_bytes", late)

    assert ours.get(KEY) is not None
    assert ours.place(KEY).is_dir()


@pytest.mark.parametrize("files", [{"file": (2, "0" * 64)}, {"other": (1, "0" * 64)}])
def test_a_job_whose_files_are_gone_or_of_another_size_is_not_sealed(tmp_path, files):
    store = Store(tmp_path)
    claim = store.claim(KEY)
    (claim.folder / "out").mkdir()
    (claim.folder / "out" / "file").write_text("x")

    with pytest.raises(StoreFailed, match="changed while it was being written"):
        claim.seal({}, 0.0, {}, files)

    assert not store.place(KEY).exists()


def test_whoever_asks_for_a_finished_job_reads_all_of_it(tmp_path):
    """A byte that is another, in a file of the same size."""
    store = Store(tmp_path)
    finished(store)
    assert store.get(KEY) is not None
    (store.place(KEY) / "out" / "file").write_text("y")

    assert store.get(KEY) is None
    assert not store.place(KEY).exists()


def test_a_folder_without_manifest_is_damaged(tmp_path):
    """And goes, so that the job is done again."""
    store = Store(tmp_path)
    finished(store)
    (store.place(KEY) / "manifest.json").unlink()

    assert store.get(KEY) is None
    assert not store.place(KEY).exists()


@pytest.mark.parametrize("ending", ["fail", "drop", "full"])
def test_a_claim_that_was_sealed_has_no_say_in_what_comes_after(tmp_path, monkeypatch, ending):
    """Its finished job is gone at once, so sealing fails; the same job is another process's by then, and its folder stays."""
    ours, theirs = Store(tmp_path), Store(tmp_path)
    claim = ours.claim(KEY)
    (claim.folder / "out").mkdir()
    monkeypatch.setattr(Store, "get", lambda self, key, reading: None)
    with pytest.raises(StoreFailed, match="changed while it was being written"):
        claim.seal({}, 0.0, {}, {})
    other = theirs.claim(KEY)
    (other.folder / "out").mkdir()

    getattr(claim, ending)()

    assert (other.folder / "out").is_dir()
    assert not (tmp_path / "failed").exists()
