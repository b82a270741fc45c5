"""Taking jobs out of a store: the right ones, never one that somebody uses, and by itself above its limit."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from toolkit.errors import RequestError
from toolkit.jobs import pruning
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.jobs.pruning import held, keep_within, prune
from toolkit.jobs.store import Store, open_store
from toolkit.settings import CACHE_BYTES, CACHE_LIMIT, Settings, parse_bytes
from toolkit.wire.request import sha256

SIZE = 10_000
DAY = 86_400


def key(number):
    return f"{number:064x}"


def finish(store, number, days_ago=0.0):
    """Do a job whose file has SIZE bytes; it was used so many days ago."""
    claim = store.claim(key(number))
    (claim.folder / "out").mkdir()
    (claim.folder / "out" / "file").write_bytes(bytes(SIZE))
    entry = claim.seal({}, 0.0, {}, {"file": (SIZE, sha256(claim.folder / "out" / "file"))})
    then = time.time() - days_ago * DAY
    os.utime(entry.folder / "manifest.json", (then, then))
    return entry


def numbers(store):
    """Return which jobs are there."""
    return sorted(int(each.folder.name, 16) for each in held(store) if not each.failed)


@pytest.fixture
def store(tmp_path):
    """Return a store with ten jobs, the first used nine days ago; nobody uses it."""
    store = Store(tmp_path / "store")
    for number in range(10):
        finish(store, number, 9 - number + 0.5)
    store.close()
    return store


def test_what_was_not_used_for_some_days_goes(store):
    done = prune(store, 4 * DAY)

    assert numbers(store) == [6, 7, 8, 9]
    assert (done.jobs, done.in_use) == (6, 0)
    assert done.freed_bytes >= 6 * SIZE
    assert not list((store.root / "work").iterdir()) or store.claims == set()


def test_what_was_not_used_longest_goes_until_the_rest_is_small_enough(store):
    sizes = sum(each.size_bytes for each in held(store))

    done = prune(store, most_bytes=sizes * 0.45)

    assert numbers(store) == [6, 7, 8, 9]
    assert done.left_bytes == sum(each.size_bytes for each in held(store)) <= sizes * 0.45


def test_failed_jobs_go_first_though_they_are_the_newest(store):
    claim = store.claim(key(77))
    (claim.folder / "big").write_bytes(bytes(SIZE))
    os.utime(claim.fail(), (time.time() - 60,) * 2)
    store.close()

    prune(store, most_bytes=sum(each.size_bytes for each in held(store)) - 1)

    assert numbers(store) == list(range(10))
    assert not [each for each in held(store) if each.failed]


def test_a_job_that_a_living_process_took_stays(store):
    """By age, by size, or all of them; when that process has ended it goes."""
    user = Store(store.root)
    assert user.get(key(0)) is not None
    assert store.presence.begun is False

    assert prune(Store(store.root), most_bytes=0).in_use == 1
    assert numbers(store) == [0]
    assert prune(Store(store.root), 0.0).in_use == 1

    user.close()
    assert prune(Store(store.root), 0.0).in_use == 0
    assert numbers(store) == []


def test_another_process_that_was_killed_protects_nothing(store):
    """Its lock went with it."""
    code = (
        "import os, sys, pathlib; from toolkit.jobs.store import Store; store = Store(pathlib.Path(sys.argv[1]));"
        f"assert store.get('{key(0)}'); print('there', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(store.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "there\n"
        while_it_lives = prune(Store(store.root), most_bytes=0)
        left = numbers(store)
        other.kill()
    after = prune(Store(store.root), most_bytes=0)

    assert (while_it_lives.in_use, left) == (1, [0])
    assert (after.in_use, after.jobs, numbers(store)) == (0, 1, [])


def test_a_job_that_is_taken_just_before_it_would_go_stays(store, monkeypatch):
    """Between the list of what there is, and the lock under which it goes."""
    list_, user = pruning.held, Store(store.root)

    def late(of):
        found = list_(of)
        assert user.get(key(3)) is not None
        return found

    monkeypatch.setattr(pruning, "held", late)
    prune(store, most_bytes=0)
    monkeypatch.undo()

    assert numbers(store) == [3]
    assert user.get(key(3)) is not None


def test_a_store_is_pruned_by_itself_only_above_its_limit_and_never_of_what_this_run_made(store, monkeypatch):
    ours = Store(store.root)
    one = finish(ours, 50)
    size = sum(each.size_bytes for each in held(ours))
    assert keep_within(ours, size) is None

    finish(ours, 51)
    done = keep_within(ours, size)

    assert done.left_bytes <= 0.8 * size
    assert {50, 51, 9} <= set(numbers(store))
    assert 0 not in numbers(store)
    assert ours.get(one.key) is not None

    monkeypatch.setattr(pruning, "held", lambda store: pytest.fail("the jobs were looked at"))
    assert keep_within(ours, 0) is None  # nothing was added
    finish(ours, 52)
    assert keep_within(ours, size) is None  # of which the size is known


@pytest.mark.parametrize("known", [None, "", "x", "-5", "9" * 30])
def test_a_size_that_nobody_can_have_written_down_is_counted_again(store, known):
    ours = Store(store.root)
    finish(ours, 50)
    (store.root / "size").unlink(missing_ok=True)
    if known is not None:
        (store.root / "size").write_text(known)

    assert keep_within(ours, 1 << 40) is None
    assert int((store.root / "size").read_text()) == sum(each.size_bytes for each in held(ours))


def test_a_run_keeps_the_store_below_its_limit(tmp_path):
    said = []
    settings = Settings(home=tmp_path / "home", say=said.append, cache_bytes=3 * SIZE)
    store = open_store(settings.home)
    for number in range(5):
        finish(store, number, 5 - number)
    store.close()

    with LocalExecutor(settings) as executor:
        finish(executor.store, 9)

    assert numbers(store) == [4, 9]
    assert len(said) == 1
    assert CACHE_LIMIT in said[0]


def test_a_run_that_failed_takes_nothing_away(tmp_path):
    """Who looks for what went wrong wants all of it."""
    store = open_store(tmp_path / "home")
    finish(store, 1, 5)
    store.close()

    def fail(executor):
        finish(executor.store, 2)
        raise KeyError

    with pytest.raises(KeyError), LocalExecutor(Settings(home=tmp_path / "home", cache_bytes=1)) as executor:
        fail(executor)

    assert numbers(store) == [1, 2]


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("5GB", 5e9), ("500 MB", 5e8), ("2GiB", 2 << 30), ("1.5g", 1.5e9), ("0", 0), ("123", 123), ("1TB", 1e12)],
)
def test_a_size_is_read_as_people_write_it(text, bytes_):
    assert parse_bytes("--to-size", text) == bytes_


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1 XB", "1e9", "nan", "inf", "5GB5", "9" * 400, "1iB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(RequestError, match="--to-size"):
        parse_bytes("--to-size", text)


@pytest.mark.parametrize(("said", "limit"), [("", CACHE_BYTES), ("2GB", 2e9), ("none", float("inf"))])
def test_the_limit_is_the_variables(monkeypatch, said, limit):
    monkeypatch.setenv(CACHE_LIMIT, said)

    assert Settings().cache_bytes == limit


def test_doctor_shows_what_the_store_takes_and_may_take(tmp_path):
    """And makes nothing; where others can write, what to do."""
    settings = Settings(home=tmp_path / "home", cache_bytes=2e9)
    before = pruning.status(settings)
    assert (before.ready, before.about) == (True, f"finished jobs: 0 MB, at most 2 GB ({CACHE_LIMIT})")
    assert not settings.home.exists()

    store = open_store(settings.home)
    finish(store, 1)
    (store.place(key(1)) / "log").write_bytes(bytes(1_100_000))
    assert "finished jobs: 1 MB" in pruning.status(settings).about

    settings.home.chmod(0o777)
    after = pruning.status(settings)
    assert not after.ready
    assert "others may write to it" in after.problem
    assert "go-w" in after.fix
