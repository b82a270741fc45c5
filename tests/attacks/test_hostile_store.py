"""A store that somebody got at: damaged entries are made again, nothing outside is touched, and a store that others can write is not used."""

from __future__ import annotations

import hashlib
import json
import os
import shutil

import numpy as np
import pytest

from tests.attacks.deep_folders import deep
from tests.attacks.edits import PATIENCE_S, SPECIAL, byte_edits, edits, put, raw_edits, within
from toolkit.errors import StoreFailed
from toolkit.files.private import TRUST, make_private, require_unshared
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.jobs.pruning import prune
from toolkit.jobs.store import Store, open_store
from toolkit.samples.dataset import samples_job
from toolkit.settings import Limits, Settings
from toolkit.wire.request import sha256

KEY, OTHER = "ab" * 32, "ab" + "cd" * 31
ENTRY = ("manifest.json", "out", "out/file", "out/deep", "out/deep/file")


def finish(store, key=KEY, text="x"):
    """Do a job that writes two files, and return its entry."""
    claim = store.claim(key)
    (claim.folder / "out" / "deep").mkdir(parents=True)
    for name in ("file", "deep/file"):
        (claim.folder / "out" / name).write_text(text)
    files = {name: (len(text), sha256(claim.folder / "out" / name)) for name in ("file", "deep/file")}
    return claim.seal({"signature": {"inputs": [1]}, "n": float("inf")}, 1.5, {"engine": "e 1"}, files)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def made_again(store):
    """Return whether a job is seen to be damaged, and can be done again; the folder beside the store is as it was."""
    with within(PATIENCE_S):
        assert store.get(KEY) is None
        assert not os.path.lexists(store.place(KEY))
        return finish(store) == store.get(KEY)


def sealed(manifest):
    """Return a manifest with the checksums that it has to have."""
    said = {**manifest}
    said.pop("sha256", None)
    with_digest = [said.get("result"), said.get("files")]
    said["digest"] = hashlib.sha256(json.dumps(with_digest, sort_keys=True).encode()).hexdigest()
    return {**said, "sha256": hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()}


@pytest.fixture
def spoilt(store, tmp_path):
    """Return a function that puts other bytes into an entry's manifest, and returns what is found there then: an entry, or None and it is gone."""
    place = finish(store).folder
    shutil.copytree(place, tmp_path / "whole")

    def spoil(content):
        if not place.exists():
            shutil.copytree(tmp_path / "whole", place)
        (place / "manifest.json").write_bytes(content)
        with within(PATIENCE_S):
            entry = store.get(KEY)
        assert entry is not None or not os.path.lexists(place)
        return entry

    spoil.whole = (place / "manifest.json").read_bytes()
    return spoil


def test_an_entry_whose_manifest_was_changed_is_gone(spoilt, store):
    """Also where no file is another: the engine's version, say, which a report tells."""
    for said, content in edits(json.loads(spoilt.whole), 200):
        assert spoilt(json.dumps(content).encode()) is None, said
    assert made_again(store)


def test_an_entry_that_was_sealed_again_after_a_change_is_gone_or_makes_sense(spoilt):
    """What a result says is believed then: who can write there can put programs there. That it is another job's, or has other files, is not."""
    gone = 0
    for said, content in edits(json.loads(spoilt.whole), 200, seed=1):
        entry = spoilt(json.dumps(sealed(content)).encode())
        gone += entry is None
        if entry is not None:
            assert not said.startswith(("['key']", "['files'")), said
            assert type(entry.seconds) in {int, float}
            assert type(entry.result) is type(entry.about) is dict
    assert gone > 100


@pytest.mark.parametrize("kind", ["raw", "bytes"])
def test_an_entry_whose_manifest_is_no_whole_json_is_gone(spoilt, kind):
    """Cut, overwritten, NaN, numbers of 5,000 digits."""
    changed = (
        ((said, text.encode()) for said, text in raw_edits(json.loads(spoilt.whole), 60))
        if kind == "raw"
        else byte_edits(spoilt.whole, 60)
    )

    for said, other in changed:
        assert spoilt(other) is None or json.loads(other.decode("utf-8-sig")) == json.loads(spoilt.whole), said


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("where", ENTRY)
def test_what_is_no_file_in_an_entry_is_removed_and_the_job_made_again(store, kind, where):
    """A pipe that is read keeps a build waiting for ever; a link may lead to what changes."""
    place = finish(store).folder / where
    if kind == "folder" and where in {"out", "out/deep"}:
        (place / "more").write_text("")
    else:
        put(kind, place)

    assert made_again(store)


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("above", [False, True])
def test_what_is_no_folder_in_an_entrys_place_is_removed_and_the_job_made_again(store, kind, above):
    """Also in the place of the folder that has the first letters of many."""
    place = finish(store).folder
    put(kind, place.parent if above else place)

    assert made_again(store)


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("where", ["work/" + KEY, "work/x", "failed", "running", "running/x", "size", "size.partial"])
def test_what_is_no_file_beside_the_jobs_stops_nobody(tmp_path, store, kind, where):
    """In `work` a pipe blocked every later build."""
    finish(store, OTHER)
    store.close()
    if where != "failed":
        (store.root / where).parent.mkdir(exist_ok=True)
    put(kind, store.root / where)

    with within(PATIENCE_S):
        if (where, kind) in {
            ("failed", "hanging link"),
            ("failed", "ring"),
            ("running", "hanging link"),
            ("running", "ring"),
        } or (where in {"failed", "running"} and "device" in kind):
            with pytest.raises(StoreFailed, match="is a link"):
                Store(store.root)
            return
        again = Store(store.root)
        finish(again)
        claim = again.claim("cd" * 32)
        assert claim.fail() is not None
        assert prune(again, most_bytes=0).in_use == 2
        assert again.get(KEY) is not None
        again.close()
        assert prune(Store(store.root), 0.0).left_bytes == 0


@pytest.mark.parametrize("kind", ["same content", "through a link above", "more"])
def test_a_link_in_an_entry_is_not_believed(tmp_path, store, kind):
    """Its content is right, today; and a file more than were written may be what a folder is read for."""
    place = finish(store).folder
    if kind == "same content":
        (place / "out/file").rename(tmp_path / "elsewhere")
        (place / "out/file").symlink_to(tmp_path / "elsewhere")
    elif kind == "more":
        (place / "out/more").write_text("")
    else:
        place.rename(tmp_path / "elsewhere")
        place.symlink_to(tmp_path / "elsewhere")

    assert made_again(store)
    assert kind == "more" or (tmp_path / "elsewhere").exists()


@pytest.fixture
def precious(tmp_path):
    """Return a folder of the user's that looks as the store's do, with a file in it."""
    folder = tmp_path / "precious"
    for name in (KEY, "work", "mine"):
        (folder / name).mkdir(parents=True)
        (folder / name / "manifest.json").write_text("{}")
        (folder / name / "file").write_text("precious")
        os.utime(folder / name / "manifest.json", (0, 0))
    return folder


@pytest.mark.parametrize(
    "where", ["objects/ab", "objects/zz", f"objects/ab/{OTHER}", f"work/{KEY}", "work/x", "failed", "failed/x"]
)
def test_a_link_in_a_store_loses_nothing_of_what_it_leads_to(store, precious, where):
    """Pruning went through it, and so did whoever took over a job's folder."""
    before = sorted((path, path.read_text()) for path in precious.rglob("*") if path.is_file())
    place = store.root / where
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(precious)

    again = Store(store.root) if where != "failed" else store
    again.get(OTHER)
    finish(again)
    for number in range(30):
        again.claim(f"{number:064x}").fail()
    again.close()
    prune(again, 0.0)

    assert before == sorted((path, path.read_text()) for path in precious.rglob("*") if path.is_file())


def test_a_job_goes_on_over_what_is_damaged_with_real_workers(tmp_path):
    """The same job, asked again after each damage: the same answer, made by a worker where it has to be."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).uniform(0, 1, (8, 4)).astype(np.float32))
    signature = {"key": "k", "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 4]}], "outputs": []}
    settings = Settings(home=tmp_path / "home", offline=True, limits=Limits(300, 600_000_000))

    def draw():
        with LocalExecutor(settings) as executor:
            return executor.run(samples_job(None, str(tmp_path / "x.npy"), signature))[0]

    first = draw()
    manifest = json.loads((first.folder / "manifest.json").read_text())
    for damaged in ({**manifest, "files": []}, {**manifest, "seconds": "1"}, {**manifest, "key": OTHER}, None):
        (first.folder / "manifest.json").unlink()
        if damaged is None:
            os.mkfifo(first.folder / "manifest.json")
        else:
            (first.folder / "manifest.json").write_text(json.dumps(damaged))
        assert draw().digest == first.digest


@pytest.fixture
def umask():
    """Set the umask for a test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def modes(folder):
    """Return the modes of a folder and all that is in it."""
    return {oct(path.lstat().st_mode & 0o7777) for path in (folder, *folder.rglob("*"))}


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_a_store_is_its_owners_alone_whatever_the_umask(tmp_path, umask, mask):
    """And it works; with 777 as root, others could put jobs and programs there."""
    umask(mask)
    home = tmp_path / "new" / "home"

    with LocalExecutor(Settings(home=home, offline=True)) as executor:
        finish(executor.store)
        assert executor.store.get(KEY) is not None

    assert {
        oct(path.stat().st_mode & 0o7777) for path in (home.parent, home, home / "store", home / "store/objects")
    } == {"0o700"}


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o722, 0o1777])
@pytest.mark.parametrize("where", ["home", "home/store", "above"])
def test_a_store_that_others_can_write_is_not_used(tmp_path, mode, where):
    """They may have put jobs there, or environments, whose programs are run."""
    home = tmp_path / "above" / "home"
    (home / "store").mkdir(parents=True, mode=0o700)
    place = {"home": home, "home/store": home / "store", "above": home.parent}[where]
    place.chmod(mode)
    settings = Settings(home=home)

    if where == "above" and mode == 0o1777:  # as /tmp: others can write there, but exchange nothing
        with LocalExecutor(settings):
            return
    with pytest.raises(StoreFailed, match=f"^{place}: others may write to it") as caught:
        LocalExecutor(settings)

    assert "go-w" in caught.value.hint
    assert TRUST in caught.value.hint


def test_a_folder_that_is_said_to_be_trusted_is_taken_as_it_is(tmp_path, monkeypatch):
    """In a container of one user everybody may write everything, as GitLab's runners have it."""
    tmp_path.chmod(0o777)
    monkeypatch.setenv(TRUST, "1")

    with LocalExecutor(Settings(home=tmp_path)) as executor:
        finish(executor.store)


def test_a_store_that_others_could_only_read_is_closed_to_them(tmp_path):
    """As all stores of earlier releases are; not where something in it may be written by others."""
    home = tmp_path / "home"
    (home / "environments" / "e" / "bin").mkdir(parents=True)
    (home / "environments" / "e" / "bin" / "python").write_text("")
    (home / "environments" / "e" / ".lock").touch()
    (home / "environments" / "e" / ".lock").chmod(0o666)  # as uv makes it, and it is read by nobody
    home.chmod(0o755)
    (home / "environments" / "e" / "bin" / "python").chmod(0o777)

    with pytest.raises(StoreFailed, match="bin/python: others may write to it"):
        make_private(home)
    (home / "environments" / "e" / "bin" / "python").chmod(0o755)
    make_private(home)

    assert home.stat().st_mode & 0o777 == 0o700


def test_a_home_may_be_a_link_which_counts_as_what_it_leads_to(tmp_path):
    """On a larger disk, say; but not to where others can write."""
    (tmp_path / "disk").mkdir(mode=0o700)
    (tmp_path / "home").symlink_to(tmp_path / "disk")

    with LocalExecutor(Settings(home=tmp_path / "home")) as executor:
        finish(executor.store)
    assert (tmp_path / "disk" / "store" / "objects").is_dir()

    (tmp_path / "disk").chmod(0o777)
    with pytest.raises(StoreFailed, match="others may write"):
        LocalExecutor(Settings(home=tmp_path / "home"))


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: another owner, which only root can make")
def test_what_belongs_to_another_user_is_not_used(tmp_path):
    """Who is root, and runs another user's programs, gives that user the machine."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 65534, 65534)

    with pytest.raises(StoreFailed, match=r"belongs to .*65534.*, and this runs as .*user 0"):
        LocalExecutor(Settings(home=home))
    with pytest.raises(StoreFailed, match="belongs to"):
        require_unshared(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: a group of others, which only root can give")
def test_a_folder_that_a_group_of_others_can_write_is_not_used(tmp_path):
    """Of a group that is this user's own alone, as most systems make one for each, nobody else is a member."""
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o770)
    make_private(home)  # of the group root
    assert home.stat().st_mode & 0o777 == 0o700

    os.chown(home, 0, 100)
    home.chmod(0o770)
    with pytest.raises(StoreFailed, match="others may write"):
        make_private(home)


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_folder_is_no_home(tmp_path, kind):
    """It is said, and nothing is removed."""
    if kind == "folder":
        pytest.skip("a folder is one")
    put(kind, tmp_path / "home")

    with within(PATIENCE_S), pytest.raises(StoreFailed, match="home"):
        LocalExecutor(Settings(home=tmp_path / "home"))

    assert os.path.lexists(tmp_path / "home")


@pytest.mark.skipif(os.geteuid() == 0, reason="NOT TESTED: root may write everywhere")
def test_an_entry_that_may_not_be_written_is_removed_all_the_same(store):
    """A job may leave folders without permissions."""
    place = finish(store).folder
    (place / "out" / "deep").chmod(0o500)
    (place / "manifest.json").unlink()

    assert made_again(store)
    shutil.rmtree(store.root)


@pytest.mark.parametrize("folders", [1100, 2200], ids=["recursion", "paths"])
@pytest.mark.parametrize("ends", ["drop", "fail", "sweep"])
def test_folders_in_folders_without_end_are_removed_with_their_job(bottomless, folders, ends):
    """Python's own functions give up at a thousand; then neither this job nor any other was ever begun again."""
    outside = bottomless / "outside"
    outside.write_text("theirs")
    store = open_store(bottomless / "home")
    claim = store.claim("a" * 64)
    deep(claim.folder / "tmp", folders, closed=True)
    deep(claim.folder / "out", folders, closed=True)
    (claim.folder / "tmp" / "link").symlink_to(outside)

    if ends == "sweep":  # its process was killed
        os.close(claim._descriptor)
        claim._descriptor = None
    else:
        getattr(claim, ends)()
        store.close()
    again = open_store(bottomless / "home")
    assert not any((again.root / "work").iterdir())
    prune(again, most_bytes=0)
    claim = again.claim("a" * 64)

    assert not any(claim.folder.iterdir())
    again.close()
    assert [path for path in again.root.rglob("*") if path.name == "d"] == []
    assert outside.read_text() == "theirs"


def test_an_entry_with_folders_in_folders_without_end_is_made_again(bottomless):
    store = Store(bottomless / "store")
    deep(finish(store).out, 1100, closed=True)

    assert made_again(store)
