"""A line that breaks while jobs are carried: what is done again, what is only fetched again, and when it is given up. Shells are the other end."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.environments.test_transport import SHELL, WORKER
from toolkit.environments.transport import Transport, by_shell
from toolkit.errors import EnvironmentUnavailable, WorkerCrashed
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.jobs.store import Entry
from toolkit.launchers import Launch
from toolkit.settings import Settings

BROKEN = 255


class Tally:
    """A file that counts, in a shell, how often something was done."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def first(self, times: int, command: str) -> str:
        """Return a shell's words that run a command the first so many times."""
        return f"echo >>{self._path}; if [ $(wc -l <{self._path}) -le {times} ]; then {command}; fi"

    @property
    def count(self) -> int:
        """How often it was done."""
        return len(self._path.read_text().splitlines())


@pytest.fixture
def tally(tmp_path):
    return Tally(tmp_path / "tally")


@pytest.fixture
def line(tmp_path):
    """Return a transport to a folder of this machine, whose commands may break."""
    return by_shell(SHELL, str(tmp_path / "there"), broken=BROKEN, wait_s=20.0)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that has one job done by the shell's worker, over a line, with words of its own in the worker."""
    (tmp_path / "input").write_text("what is asked about\n")

    def run(line: Transport, words: str = ":", before: str = ":") -> Entry:
        command = ("sh", "-c", f"{before}\n" + WORKER.replace("ANSWER", words))
        launch = Launch(command, {}, "sh", {"launcher": "shell"}, script=None, transport=line)
        shell = SimpleNamespace(HOST=False, EMULATED=False, TIMED=True, SETUP=(), prepare=lambda *asked: launch)
        monkeypatch.setitem(sys.modules, "toolkit.launchers.shell", shell)
        job = Job("copy", "wire.subset", "first", Engine("dataset", "shell"), inputs={"file": tmp_path / "input"})
        with LocalExecutor(Settings(home=tmp_path / "home", offline=True)) as executor:
            return executor.run(job)[0]

    return run


def breaking(line: Transport, way: str, words: str) -> Transport:
    """Return the transport with words before one of its commands."""
    *shell, command = getattr(line, way)
    return replace(line, **{way: (*shell, f"{words}; {command}")})


def left(tmp_path: Path) -> list[str]:
    return os.listdir(tmp_path / "there")


@pytest.mark.parametrize("way", ["send", "fetch", "remove"])
def test_a_way_that_breaks_is_gone_again(run, line, tally, tmp_path, way):
    """The job is done, once, and nothing of it stays there; what could not be removed, while nobody answered, may."""
    entry = run(breaking(line, way, tally.first(1, f"exit {BROKEN}")))

    assert entry.result == {"by": "sh"}
    assert (entry.out / "copy").read_text() == "what is asked about\n"
    assert way == "remove" or left(tmp_path) == []


def test_a_worker_that_loses_its_line_begins_the_job_again(run, line, tally, tmp_path):
    """In another folder: what it had written there is no part of the answer."""
    entry = run(line, tally.first(1, f"echo half >$folder/out/half; exit {BROKEN}"))

    assert [path.name for path in entry.out.iterdir()] == ["copy"]
    assert tally.count == 2
    assert left(tmp_path) == []


def test_a_job_that_had_ended_is_not_done_again(run, line, tally, tmp_path):
    """Its answer lies there, and is fetched again; half of it that came before is not kept."""
    half = "cd ${0}; for job in */; do (cd $job; tar -cf - out | head -c 1600); done"
    cut = tally.first(1, f"{half}; exit {BROKEN}".replace("${0}", str(tmp_path / "there")))

    entry = run(breaking(line, "fetch", cut), f"echo >>{tmp_path}/done")

    assert (tmp_path / "done").read_text() == "\n"
    assert (entry.out / "copy").read_text() == "what is asked about\n"
    assert tally.count == 2


def test_a_job_whose_answer_is_gone_is_done_again(run, line, tally, tmp_path):
    """A board may keep its files in memory, and start anew."""
    gone = tally.first(1, f"rm -rf {tmp_path}/there/*; exit {BROKEN}")

    entry = run(breaking(line, "fetch", gone), f"echo >>{tmp_path}/done")

    assert (tmp_path / "done").read_text() == "\n\n"
    assert entry.result == {"by": "sh"}


def test_a_machine_that_starts_slowly_is_waited_for(run, line, tally):
    """It refuses connections for a while."""
    assert run(line, before=tally.first(3, f"exit {BROKEN}")).result == {"by": "sh"}
    assert tally.count == 4


def test_a_machine_that_stays_away_is_given_up(run, line):
    with pytest.raises(
        EnvironmentUnavailable, match=r"the connection broke, and there was no other for 1\.5 s"
    ) as caught:
        run(replace(line, wait_s=1.5), before=f"echo no route to board >&2; exit {BROKEN}")

    assert caught.value.exit_status == 3
    assert "no route to board" in caught.value.hint


def test_a_job_that_breaks_the_line_each_time_is_given_up(run, line, tally):
    """One that needs more memory than the board has may bring it down for ever."""
    with pytest.raises(EnvironmentUnavailable, match="the connection broke 3 times, and no job was done meanwhile"):
        run(replace(line, tries=2), tally.first(99, f"exit {BROKEN}"))

    assert tally.count == 3


@pytest.mark.parametrize(("status", "says"), [(3, "exited with status 3"), (137, "was killed by SIGKILL")])
def test_a_worker_that_ends_there_is_no_broken_line(run, line, tally, status, says):
    """It is not started again; a shell tells a signal by 128 and its number."""
    with pytest.raises(WorkerCrashed, match=says):
        run(line, tally.first(99, f"exit {status}"))

    assert tally.count == 1


def test_the_seconds_that_a_job_may_take_hold_all_that_may_be_done_again(line):
    """Else the host would give it up while it is waited for."""
    once = replace(line, broken=None, timeout_s=10.0)
    again = replace(line, timeout_s=10.0, wait_s=5.0, tries=2)

    assert once.most_s(100.0, 30.0) == 120.0
    assert again.most_s(100.0, 30.0) == 120.0 + 2 * (5.0 + 30.0 + 120.0)


def test_a_private_folder_is_shared_by_all_commands_and_removed(run, line, tmp_path):
    """Where ssh keeps the connection that they share; nobody else may enter it."""
    told = f"ls -ld {{line}} >>{tmp_path}/lines"
    for way in ("send", "fetch", "remove"):
        line = breaking(line, way, told)

    run(line)

    lines = (tmp_path / "lines").read_text().splitlines()
    assert len(lines) == 3
    assert {text.split()[0] for text in lines} == {"drwx------"}
    (folder,) = {text.split()[-1] for text in lines}
    assert not Path(folder).exists()
