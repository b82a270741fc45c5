"""What is written whole takes the place of nothing but what may go, also where others write at the same time, or a process is killed at any point."""

from __future__ import annotations

import errno
import fcntl
import inspect
import os
import signal
import sys
import threading

import pytest

from toolkit.errors import RequestError, StoreFailed
from toolkit.files import renaming, whole

MINE = "edge"


def refusal(path):
    """Files and folders that begin with a word of ours may go."""
    if not os.path.lexists(path):
        return None
    inside = path / "file" if path.is_dir() and not path.is_symlink() else path
    is_ours = not path.is_symlink() and inside.is_file() and inside.read_text().startswith(MINE)
    return None if is_ours else "is somebody else's"


def write_folder(place, text):
    with whole.whole_folder(place, refusal) as folder:
        (folder / "file").write_text(text)


def write_file(place, text):
    with whole.whole_file(place, refusal) as aside:
        aside.write_text(text)


def write_and_do(write, place, do):
    """Write, and do something before what was written takes its place."""
    gives = whole.whole_file if write is write_file else whole.whole_folder
    with gives(place, refusal) as aside:
        (aside / "file" if aside.is_dir() else aside).write_text("edge 1")
        do()


def text_of(place):
    return (place / "file" if place.is_dir() else place).read_text()


@pytest.fixture(params=[write_file, write_folder])
def write(request):
    return request.param


@pytest.fixture(params=["exchange", "two steps"])
def system(request, monkeypatch):
    """Let the system know renameat2, or not."""
    if request.param == "two steps":
        monkeypatch.setattr(renaming, "_renameat2", lambda *_: False)
    return request.param


def test_what_is_there_and_may_go_is_replaced(write, system, tmp_path):
    for text in ("edge 1", "edge 2"):
        write(tmp_path / "place", text)

        assert text_of(tmp_path / "place") == text
        assert [path.name for path in tmp_path.iterdir()] == ["place"]


@pytest.mark.parametrize("kind", ["file", "folder", "link", "hanging link", "pipe"])
def test_what_is_somebody_elses_stays(write, system, tmp_path, kind):
    place, other = tmp_path / "place", tmp_path / "other"
    other.write_text("edge, elsewhere")
    if kind == "folder":
        place.mkdir()
        (place / "main.c").write_text("int main;")
    elif kind == "file":
        place.write_text("int main;")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("other" if kind == "link" else "nowhere")
    before = os.lstat(place)

    with pytest.raises(RequestError, match="place: is somebody else's"):
        write(place, "edge 1")

    assert os.path.samestat(os.lstat(place), before)
    assert {path.name for path in tmp_path.iterdir()} == {"place", "other"}


@pytest.mark.parametrize("was", [None, "edge 0"])
def test_what_came_while_it_was_written_stays(write, system, tmp_path, was):
    """Looked at once before the work, it would be lost now."""
    place = tmp_path / "place"
    if was:
        write(place, was)

    def meanwhile():
        if was:
            whole._remove(place)
        place.write_text("int main;")

    with pytest.raises(RequestError, match="somebody else's"):
        write_and_do(write, place, meanwhile)

    assert place.read_text() == "int main;"
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


@pytest.mark.parametrize("other", ["int main;", "edge of another"])
def test_what_came_between_the_last_look_and_the_exchange_is_looked_at_again(tmp_path, monkeypatch, other):
    """It is put back where it may not go."""
    place = tmp_path / "place"
    place.write_text("edge 0")
    exchange = whole.exchange

    def late(made, there, old):
        there.unlink()
        there.write_text(other)
        return exchange(made, there, old)

    monkeypatch.setattr(whole, "exchange", late)
    if other.startswith(MINE):
        write_file(place, "edge 1")
        assert place.read_text() == "edge 1"
    else:
        with pytest.raises(RequestError, match="somebody else's"):
            write_file(place, "edge 1")
        assert place.read_text() == other
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_what_came_before_the_step_back_is_never_lost(system, tmp_path, monkeypatch):
    """Somebody else's file came just before the exchange, and a second one before it was put back: one lies in the place, one beside it."""
    place = tmp_path / "place"
    place.write_text("edge 0")
    exchange, back = whole.exchange, whole.exchange_back

    def replaced(text):
        (tmp_path / "new").write_text(text)
        os.replace(tmp_path / "new", place)

    def late(made, there, old):
        replaced("int main;")
        return exchange(made, there, old)

    def late_again(gone, there, made):
        replaced("int other;")
        back(gone, there, made)

    monkeypatch.setattr(whole, "exchange", late)
    monkeypatch.setattr(whole, "exchange_back", late_again)
    with pytest.raises(RequestError, match="somebody else's"):
        write_file(place, "edge 1")

    kept = [path.read_text() for path in tmp_path.rglob("*") if path.is_file() and path.name not in {"lock", "swaps"}]
    assert sorted(kept) == ["int main;", "int other;"]


def test_a_place_in_more_folders_than_calls_may_lie_in_each_other_is_made(write, tmp_path):
    """Python's own functions call themselves for each folder above."""
    place = tmp_path / "/".join("z" * 200) / "place"
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 150)
    try:
        write(place, "edge 1")
    finally:
        sys.setrecursionlimit(before)

    assert text_of(place) == "edge 1"


def test_what_fails_leaves_the_old_and_nothing_beside_it(write, system, tmp_path):
    write(tmp_path / "place", "edge 0")

    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    def interrupted():
        raise KeyboardInterrupt

    for do, error in ((full, StoreFailed), (interrupted, KeyboardInterrupt)):
        with pytest.raises(error):
            write_and_do(write, tmp_path / "place", do)

    assert text_of(tmp_path / "place") == "edge 0"
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


CALLS = ("mkdir", "open", "write", "rename", "rmdir", "unlink", "link", "fsync", "lstat", "stat", "close", "scandir")


def killed_at(point, place, two_steps):
    """Write in a child that is killed at its n-th call of the system; return how it ended: 0 where it made fewer."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    calls = 0

    def counted(function):
        def call(*arguments, **named):
            nonlocal calls
            calls += 1
            if calls == point:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return call

    try:
        if two_steps:
            renaming._renameat2 = lambda *_: False
        for name in CALLS:
            setattr(os, name, counted(getattr(os, name)))
        renaming._renameat2 = counted(renaming._renameat2)
        write_folder(place, "edge new")
        calls = -1
    finally:
        os._exit(int(calls >= 0))


@pytest.mark.parametrize("two_steps", [False, True])
def test_a_kill_at_any_call_leaves_the_old_or_the_new_and_the_next_one_cleans_up(tmp_path, two_steps):
    """Every point at which the system is asked for something; where it exchanges in two steps, the next writer puts the old one back."""
    point, ended = 0, -signal.SIGKILL
    while ended != 0:
        point += 1
        place = tmp_path / f"{point}" / "place"
        write_folder(place, "edge old")
        ended = killed_at(point, place, two_steps)
        assert ended in {0, -signal.SIGKILL}
        assert two_steps or text_of(place) in {"edge old", "edge new"}
        whole.remove_leftovers(place, refusal)
        assert text_of(place) in {"edge old", "edge new"}
        assert [path.name for path in place.parent.iterdir()] == ["place"], point
    assert text_of(place) == "edge new"
    assert point > 20


def leftover(tmp_path, name=".place.0123abcd.partial", mark=whole._MARK):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "lock").write_bytes(mark)
    (folder / "made").write_text("edge")
    return folder


def test_leftovers_of_the_dead_go_and_all_else_stays(tmp_path):
    """Told by the lock and the mark in it, not by the name."""
    dead, alive = leftover(tmp_path), leftover(tmp_path, ".place.00000000.partial")
    kept = [
        leftover(tmp_path, ".place.11111111.partial", b"my notes"),
        leftover(tmp_path, ".place.123.partial"),
        leftover(tmp_path, ".other.22222222.partial"),
    ]
    (leftover(tmp_path, ".place.33333333.partial") / "thesis.tex").write_text("mine")
    swapped = leftover(tmp_path, ".place.44444444.partial")
    (swapped / "swaps").touch()
    (swapped / "made").write_text("int main;")
    (tmp_path / ".place.55555555.partial").symlink_to(dead)

    with open(alive / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        whole.remove_leftovers(tmp_path / "place", refusal)
        assert alive.is_dir()
    assert not dead.exists()
    assert all(each.is_dir() for each in kept)
    assert (tmp_path / ".place.33333333.partial" / "thesis.tex").is_file()
    assert (swapped / "made").read_text() == "int main;"

    whole.remove_leftovers(tmp_path / "place", refusal)
    assert not alive.exists()


def test_many_that_write_to_one_place_leave_one_of_them_whole(tmp_path):
    """Each of them may fail only because somebody else was faster again and again."""
    problems = []

    def many(number):
        for turn in range(8):
            try:
                write_folder(tmp_path / "place", f"edge {number} {turn}")
            except RequestError as error:
                problems.append(str(error))
            except OSError as error:
                problems.append(repr(error))

    threads = [threading.Thread(target=many, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not problems
    assert text_of(tmp_path / "place").startswith(MINE)
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


@pytest.mark.parametrize("name", ["é" * 120, "[a]*?", "a\nb", "-x", "x" * 255])
def test_any_name_that_a_file_can_have_can_be_written(write, tmp_path, name):
    write(tmp_path / name, "edge 1")
    write(tmp_path / name, "edge 2")

    assert text_of(tmp_path / name) == "edge 2"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_two_that_want_a_folder_alone_come_one_after_the_other(tmp_path):
    order = []

    def second():
        with whole.alone_in(tmp_path):
            order.append("second")

    with whole.alone_in(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join()

    assert order == ["first", "second"]
