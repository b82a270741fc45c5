"""Transports: what gets there and back, whatever lies at the other end; and workers that are no Python interpreter. No other root is needed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from toolkit.environments import transport
from toolkit.environments.transport import by_shell
from toolkit.errors import EnvironmentUnavailable, WorkerCrashed, WorkerLied, WorkerTimeout
from toolkit.jobs import job_folder
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.jobs.parcel import CarryingFailed, pack, unpack
from toolkit.launchers import Launch, local
from toolkit.settings import Limits, Settings

SHELL = ("sh", "-c")
# A worker that is a shell's: it speaks the protocol, and answers each job with what its option says. The header of a response is safetensors'.
WORKER = r"""
echo '{"event": "ready", "python": "", "machine": "", "confined": "not confined"}'
while read -r line; do
    id=$(expr "$line" : '.*"id": \([0-9]*\)')
    folder=$(expr "$line" : '.*"folder": "\([^"]*\)"')
    mkdir "$folder/out"; echo ran >"$folder/log"
    ANSWER
    cat "$folder"/inputs/*/* >"$folder/out/copy"
    size=$(wc -c <"$folder/out/copy"); hash=$(sha256sum <"$folder/out/copy" | cut -c-64)
    asked=$(sha256sum <"$folder/request" | cut -c-64)
    head='{"__metadata__": {"request": "'$asked'", "status": "ok", "seconds": "0.5", "result": "{\"by\": \"sh\"}", '
    head=$head'"files": "{\"copy\": ['$size', \"'$hash'\"]}"}}'
    while [ $((${#head} % 8)) -ne 0 ]; do head="$head "; done
    printf "\\$(printf %03o $((${#head} % 256)))\\$(printf %03o $((${#head} / 256)))\0\0\0\0\0\0%s" "$head" >"$folder/response"
    echo '{"event": "ended", "id": '"$id"', "status": 0, "killed_for": null, "peak_bytes": 1000}'
done
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs a job by the shell's worker, with a transport or none, and a line of its own in the worker."""
    (tmp_path / "input").write_text("what is asked about\n")

    def run(carried: transport.Transport | None = None, line: str = ":", limits: Limits | None = None):
        command = ("sh", "-c", WORKER.replace("ANSWER", line))
        launch = Launch(command, {}, "sh", {"launcher": "shell"}, script=None, transport=carried)
        shell = SimpleNamespace(HOST=False, EMULATED=False, TIMED=True, SETUP=(), prepare=lambda *asked: launch)
        monkeypatch.setitem(sys.modules, "toolkit.launchers.shell", shell)
        job = Job("copy", "wire.subset", "first", Engine("dataset", "shell"), inputs={"file": tmp_path / "input"})
        with LocalExecutor(Settings(home=tmp_path / "home", offline=True)) as executor:
            return executor.run(replace(job, limits=limits))[0]

    return run


def there(tmp_path: Path) -> list[str]:
    return os.listdir(tmp_path / "there")


@pytest.mark.parametrize("carried", [False, True])
def test_a_worker_may_be_no_python_interpreter(run, tmp_path, carried):
    """What it has to do is said by its protocol and the job's folder alone."""
    entry = run(by_shell(SHELL, str(tmp_path / "there")) if carried else None)

    assert entry.result == {"by": "sh"}
    assert (entry.out / "copy").read_text() == "what is asked about\n"
    assert entry.about["launcher"] == "shell"
    assert not carried or there(tmp_path) == []


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"send": ("false",)}, "send: false ended with status 1"),
        ({"send": ("/no/such/program",)}, "send: /no/such/program cannot be started .No such file"),
        ({"send": ("sh", "-c", "echo no route to board >&2; exit 255")}, "send: sh ended with status 255"),
        ({"send": ("sleep", "600"), "timeout_s": 0.3}, "send: sleep took longer than 0.3 s"),
        ({"fetch": ("false",)}, "fetch: false ended with status 1"),
        ({"fetch": ("true",)}, "fetch: true ended with status 0"),
        ({"fetch": ("sh", "-c", "head -c 700 /dev/zero | tr '\\0' x")}, "fetch: sh ended with status 0"),
    ],
)
def test_a_line_that_breaks_is_named(run, tmp_path, broken, says):
    """Which way it was, by what command, and what that said."""
    began = time.monotonic()

    with pytest.raises(EnvironmentUnavailable, match=says) as caught:
        run(replace(by_shell(SHELL, str(tmp_path / "there")), **broken))

    assert time.monotonic() - began < 300
    assert caught.value.exit_status == 3
    assert "no route" not in str(broken) or "no route to board" in caught.value.hint


def test_an_answer_cut_short_on_its_way_is_no_answer(run, tmp_path):
    """A response that did not come back, or half a file of what it names."""
    carried = by_shell(SHELL, str(tmp_path / "there"))
    without = replace(carried, fetch=("sh", "-c", carried.fetch[-1].replace("response", "respons")))
    shorter = replace(carried, fetch=("sh", "-c", carried.fetch[-1].replace(" && tar", " && echo >out/copy && tar")))

    with pytest.raises(WorkerCrashed, match="ended without a response"):
        run(without)
    with pytest.raises(WorkerLied, match="copy is not what its response says"):
        run(shorter)


def test_a_worker_that_dies_there_is_told_by_its_end(run, tmp_path):
    """And nothing of its job stays."""
    with pytest.raises(WorkerCrashed, match="the worker was killed by SIGSEGV"):
        run(by_shell(SHELL, str(tmp_path / "there")), "kill -SEGV $$")

    assert there(tmp_path) == []


def test_a_job_that_hangs_there_ends_with_its_host(run, tmp_path, monkeypatch):
    """A worker there that does not keep its limits is not waited for."""
    monkeypatch.setattr("toolkit.jobs.local_executor._ANSWER_GRACE_S", 0.5)
    monkeypatch.setattr("toolkit.jobs.local_executor._READY_S", 0.5)
    carried = replace(by_shell(SHELL, str(tmp_path / "there")), timeout_s=1.0)

    with pytest.raises(WorkerTimeout, match="no answer in 1 s"):
        run(carried, "sleep 60", Limits(1, 10**9))

    assert there(tmp_path) == []


def test_a_worker_that_never_begins_leaves_nothing_there_either(run, tmp_path, monkeypatch):
    """Its job has been sent while it was waited for; nor does what it started go on."""
    monkeypatch.setattr("toolkit.jobs.local_executor._ANSWER_GRACE_S", 0.5)
    monkeypatch.setattr("toolkit.jobs.local_executor._READY_S", 0.5)
    monkeypatch.setattr(sys.modules[__name__], "WORKER", "sleep 61.25; true")
    carried = replace(by_shell(SHELL, str(tmp_path / "there")), timeout_s=1.0)

    with pytest.raises(WorkerTimeout, match="no answer in 1 s"):
        run(carried, limits=Limits(1, 10**9))

    assert there(tmp_path) == []
    assert "61.25" not in commands()


def commands() -> str:
    """Return the command lines of all processes; one that ends meanwhile has none."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_text(errors="replace").replace("\0", " "))
    return "\n".join(found)


def test_a_host_that_is_killed_leaves_nothing_there(tmp_path):
    """What carries its jobs sees that it is gone."""
    (tmp_path / "job").mkdir()
    job_folder.make(tmp_path / "job", tmp_path / "store", {"options": {}}, {"file": Path(__file__)})
    carried = by_shell(SHELL, str(tmp_path / "there"))
    worker = ("sh", "-c", WORKER.replace("ANSWER", "sleep 60"))
    command = {
        "do": "run",
        "id": 1,
        "folder": str(tmp_path / "job"),
        "written_bytes": 10**6,
        "access": {"reads": ["/"]},
    }

    with subprocess.Popen(carried.carrier(worker), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as carrier:
        carrier.stdin.write(json.dumps(command).encode() + b"\n")
        carrier.stdin.flush()
        until = time.monotonic() + 30
        while not list((tmp_path / "there").glob("*/log")) and time.monotonic() < until:
            time.sleep(0.02)
        (arrived,) = (tmp_path / "there").iterdir()
        assert (arrived / "log").read_text() == "ran\n"
        carrier.stdin.close()
        assert carrier.wait(30) == 0

    assert there(tmp_path) == []


def test_what_is_passed_on_names_no_place_of_this_machine(tmp_path):
    """Neither where the folder lies nor what a job may read here."""
    (tmp_path / "job").mkdir()
    job_folder.make(tmp_path / "job", tmp_path / "store", {"options": {}}, {"file": Path(__file__)})
    access = {"reads": [str(tmp_path / "secret")], "network": False}
    command = {"do": "run", "id": 7, "folder": str(tmp_path / "job"), "written_bytes": 10**6, "access": access}
    carried = by_shell(SHELL, str(tmp_path / "there"))

    with subprocess.Popen(carried.carrier(("cat",)), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as carrier:
        carrier.stdin.write(json.dumps(command).encode() + b"\n")
        carrier.stdin.flush()
        said = json.loads(carrier.stdout.readline())

    assert Path(said["folder"]).parent == tmp_path / "there"
    assert said == {**command, "folder": said["folder"], "access": {"reads": [], "network": False}}


# What is packed, and what is unpacked


@pytest.fixture
def sent(tmp_path):
    """Return a function that packs a job with these inputs, unpacks it as `tar` does, and returns the folder there."""

    def sent(**inputs: Path) -> Path:
        (tmp_path / "job").mkdir()
        job_folder.make(tmp_path / "job", tmp_path / "store", {"options": {}}, inputs)
        packed = io.BytesIO()
        pack(tmp_path / "job", packed)
        (tmp_path / "there").mkdir()
        subprocess.run(["tar", "-xf", "-", "-C", tmp_path / "there"], input=packed.getvalue(), check=True)
        return tmp_path / "there"

    return sent


def test_links_are_followed_to_what_they_name_and_stay_links_inside_of_an_input(sent, tmp_path):
    """A reader that passes over linked folders passes over them there too; nothing leads out of the job's folder."""
    (tmp_path / "set/cats").mkdir(parents=True)
    (tmp_path / "set/cats/one").write_text("1")
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "far/away/two").write_text("2")
    (tmp_path / "far/back").symlink_to(tmp_path / "far")
    for name, target in {
        "file": "../far/away/two",
        "folder": "../far/away",
        "within": "cats",
        "gone": "nowhere",
    }.items():
        (tmp_path / "set" / name).symlink_to(target)
    (tmp_path / "set/ring").symlink_to(tmp_path / "far")

    place = sent(path=tmp_path / "set") / "inputs/0/set"

    assert not place.is_symlink()
    assert (place / "cats/one").read_text() == "1"
    assert (place / "file").is_symlink()
    assert (place / "file").read_text() == "2"
    assert (place / "folder").is_symlink()
    assert (place / "folder/two").read_text() == "2"
    assert os.readlink(place / "within") == "cats"
    assert (place / "ring/away/two").read_text() == "2"
    assert not os.path.lexists(place / "gone")
    links = [path for path in (tmp_path / "there").rglob("*") if path.is_symlink()]
    assert all(Path(os.path.realpath(link)).is_relative_to(tmp_path / "there") for link in links)


@pytest.mark.parametrize(
    "name", ["a" * 200, "with space", "caf\u00e9", b"\xe9".decode(errors="surrogateescape"), "-x", "new\nline"]
)
def test_whatever_a_file_is_called_it_gets_there(sent, tmp_path, name):
    (tmp_path / "set" / ("d" * 120)).mkdir(parents=True)
    (tmp_path / "set" / ("d" * 120) / name).write_text("content")

    place = sent(path=tmp_path / "set")

    assert (place / "inputs/0/set" / ("d" * 120) / name).read_text() == "content"


def test_nobody_of_this_machine_owns_what_is_sent(tmp_path):
    """Who unpacks it as root there, in a namespace of its own say, has no user of that number."""
    (tmp_path / "job").mkdir()
    (tmp_path / "set").mkdir()
    (tmp_path / "set/one").write_text("1")
    job_folder.make(tmp_path / "job", tmp_path / "store", {"options": {}}, {"set": tmp_path / "set"})
    for path in (tmp_path / "job/request", tmp_path / "set", tmp_path / "set/one"):
        os.chown(path, 12345, 12345) if os.geteuid() == 0 else None
    packed = io.BytesIO()

    pack(tmp_path / "job", packed)
    packed.seek(0)

    with tarfile.open(fileobj=packed) as archive:
        members = archive.getmembers()
    assert {member.name for member in members} == {"request", "inputs/0/set", "inputs/0/set/one"}
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}


def archive(**members: tarfile.TarInfo | bytes) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        for name, what in members.items():
            told = what if isinstance(what, tarfile.TarInfo) else tarfile.TarInfo(name)
            told.name = name
            if isinstance(what, bytes):
                told.size = len(what)
            made.addfile(told, io.BytesIO(what) if isinstance(what, bytes) else None)
    packed.seek(0)
    return packed


def of(kind: bytes, target: str = "") -> tarfile.TarInfo:
    told = tarfile.TarInfo()
    told.type, told.linkname = kind, target
    return told


@pytest.mark.parametrize(
    "members",
    [
        {"out": of(tarfile.SYMTYPE, "/etc")},
        {"out/link": of(tarfile.SYMTYPE, "/etc/passwd")},
        {"out/link": of(tarfile.LNKTYPE, "/etc/passwd")},
        {"out/pipe": of(tarfile.FIFOTYPE)},
        {"out/device": of(tarfile.CHRTYPE)},
        {"out/../../outside": b"x"},
        {"log/../../outside": b"x"},
        {"response": b"x" * 100_001},
        {"log": b"x" * 60_000, "out/a": b"x" * 60_000},
    ],
    ids="-".join,
)
def test_what_comes_back_is_another_machines(tmp_path, members):
    """Whatever it is, nothing is written outside of the job's own folder, and no more than the job may write."""
    (tmp_path / "job").mkdir()

    with pytest.raises(CarryingFailed, match=r"neither a file nor a folder|more came back"):
        unpack(archive(**members), tmp_path / "job", 100_000)

    assert os.listdir(tmp_path) == ["job"]
    assert not any(path.is_symlink() for path in (tmp_path / "job").rglob("*"))


def test_what_was_sent_is_not_taken_back(tmp_path):
    """The request that an answer is held against stays this machine's own."""
    (tmp_path / "job").mkdir()
    (tmp_path / "job/request").write_text("asked")

    unpack(
        archive(**{"./request": b"other", "/etc/x": b"", "inputs/0/x": b"", "./out/a": b"1", "tmp/b": b""}),
        tmp_path / "job",
        10,
    )

    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "job", "job/out", "job/out/a", "job/request"
    ]  # fmt: skip
    assert (tmp_path / "job/request").read_text() == "asked"


def test_the_packed_worker_is_one_that_runs_alone(tmp_path):
    """Its archive is the same each time, and the worker in it answers, wherever it was unpacked."""
    first, second = io.BytesIO(), io.BytesIO()
    assert transport.pack_worker(first) == transport.pack_worker(second)
    assert first.getvalue() == second.getvalue()
    first.seek(0)
    with tarfile.open(fileobj=first) as packed:
        packed.extractall(tmp_path, filter="data")
    launch = local.prepare("dataset", {}, Settings(home=tmp_path / "home", offline=True))

    with subprocess.Popen(
        [*launch.command, tmp_path / "toolkit/jobs/worker_main.py"],
        env={"PATH": os.defpath, **launch.variables}, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as worker:  # fmt: skip
        said = json.loads(worker.stdout.readline())

    assert said["event"] == "ready"
