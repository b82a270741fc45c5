"""What a model that took over its job's process would try: each attempt returns where it went too far, and raises where it was stopped.

    python reaching.py PLACES OUT       tries everything, and writes {attempt: what stopped it, or null} to OUT

`metric` does the same as the user's metric of a job, which is any code in a job's process. PLACES is JSON of what lies outside: see
test_confinement.py.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
ATTEMPTS: dict[str, Callable[[dict], object]] = {}
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_RESVSP, FS_NODUMP_FL = 0x80086601, 0x40086602, 0x40305828, 0x40  # linux/fs.h
F_SETSIG = 10  # asm-generic/fcntl.h
NUMBERS = {
    "x86_64": {"keyctl": 250, "shmget": 29, "process_vm_readv": 310},
    "aarch64": {"keyctl": 219, "shmget": 194, "process_vm_readv": 270},
}


def attempt(function: Callable[[dict], object]) -> Callable[[dict], object]:
    ATTEMPTS[function.__name__] = function
    return function


def call(name_or_number: str | int, *arguments: object) -> int:
    number = NUMBERS[os.uname().machine][name_or_number] if isinstance(name_or_number, str) else name_or_number
    answer = LIBC.syscall(ctypes.c_long(number), *arguments)
    if answer < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return answer


@attempt
def reads_the_list_of_users(places: dict) -> None:
    Path("/etc/passwd").read_text()


@attempt
def reads_a_file_that_is_not_named(places: dict) -> None:
    Path(places["secret"]).read_text()


@attempt
def reads_it_by_a_link_of_its_own(places: dict) -> None:
    link = Path(os.environ["TMPDIR"]) / "link"
    link.symlink_to(places["secret"])
    link.read_text()


@attempt
def reads_it_by_a_hard_link(places: dict) -> None:
    link = Path(os.environ["TMPDIR"]) / "hard"
    os.link(places["secret"], link)
    link.read_text()


@attempt
def lists_a_folder_that_is_not_named(places: dict) -> None:
    os.listdir(Path(places["secret"]).parent)


@attempt
def sees_the_names_of_files_in_a_folder_that_is_not_named(places: dict) -> None:
    watched = LIBC.inotify_add_watch(LIBC.inotify_init1(0), os.fsencode(Path(places["secret"]).parent), 0xFFF)
    if watched < 0:
        raise OSError(ctypes.get_errno(), "cannot be watched")


@attempt
def keeps_memory_that_no_limit_counts(places: dict) -> None:
    os.close(os.memfd_create("memory"))


@attempt
def reads_what_another_job_gave(places: dict) -> None:
    Path(places["sibling"]).read_bytes()


@attempt
def writes_beside_its_input(places: dict) -> None:
    (Path(places["input"]).parent / "beside").write_text("")


@attempt
def writes_into_its_input(places: dict) -> None:
    with open(places["input"], "ab") as file:
        file.write(b"")


@attempt
def writes_into_its_input_by_the_link_in_its_folder(places: dict) -> None:
    links = Path(os.environ["TMPDIR"]).parent.glob("inputs/*/*")
    own = Path(os.environ["TMPDIR"]) / "to_input"
    own.symlink_to(places["input"])
    link = next((link for link in links if os.path.samefile(link, own)), own)
    with open(link, "ab") as file:
        file.write(b"")


@attempt
def writes_into_its_input_by_a_hard_link(places: dict) -> None:
    link = Path(os.environ["TMPDIR"]) / "hard_input"
    os.link(places["input"], link)
    with open(link, "ab") as file:
        file.write(b"")


@attempt
def writes_to_the_systems_temporary_folder(places: dict) -> None:
    Path(places["temporary"]).write_text("")


@attempt
def writes_to_shared_memory(places: dict) -> None:
    Path(places["memory"]).write_text("")


@attempt
def deletes_a_folder(places: dict) -> None:
    shutil.rmtree(places["doomed"])


@attempt
def moves_a_file(places: dict) -> None:
    os.rename(places["movable"], places["movable"] + ".moved")


@attempt
def cuts_a_file_off(places: dict) -> None:
    os.truncate(places["cut"], 0)


@attempt
def cuts_a_file_off_by_opening_it(places: dict) -> None:
    os.close(os.open(places["cut_by_opening"], os.O_RDONLY | os.O_TRUNC))


@attempt
def makes_a_file_everybodys(places: dict) -> None:
    os.chmod(places["modes"], 0o777)  # noqa: S103 (that is the attack)
    if os.stat(places["modes"]).st_mode & 0o777 != 0o777:
        raise PermissionError("nothing happened")


@attempt
def makes_its_input_unreadable(places: dict) -> None:
    with open(places["input"], "rb") as file:
        os.fchmod(file.fileno(), 0o641)
    if os.stat(places["input"]).st_mode & 0o777 != 0o641:
        raise PermissionError("nothing happened")


@attempt
def sets_a_files_time(places: dict) -> None:
    os.utime(places["modes"], (7, 7))
    if os.stat(places["modes"]).st_mtime != 7:
        raise PermissionError("nothing happened")


@attempt
def marks_a_file(places: dict) -> None:
    os.setxattr(places["modes"], "user.marked", b"1")


@attempt
def reads_what_is_noted_beside_a_file(places: dict) -> None:
    os.getxattr(places["secret"], "user.noted")


@attempt
def changes_the_flags_of_its_input(places: dict) -> None:
    with open(places["input"], "rb") as file:
        flags = fcntl.ioctl(file, FS_IOC_GETFLAGS, bytes(8))
        fcntl.ioctl(file, FS_IOC_SETFLAGS, struct.pack("l", struct.unpack("l", flags)[0] | FS_NODUMP_FL))


@attempt
def takes_the_disk_without_writing(places: dict) -> None:
    with open(Path(os.environ["TMPDIR"]) / "taken", "wb") as file:
        if LIBC.fallocate(file.fileno(), 0, ctypes.c_long(0), ctypes.c_long(1 << 20)) != 0:
            raise OSError(ctypes.get_errno(), "fallocate")


@attempt
def takes_the_disk_by_a_command(places: dict) -> None:
    with open(Path(os.environ["TMPDIR"]) / "reserved", "wb") as file:
        fcntl.ioctl(file, FS_IOC_RESVSP, struct.pack("hxxxxxxqqiI16x", 0, 0, 1 << 20, 0, 0))


@attempt
def connects_by_tcp(places: dict) -> None:
    socket.create_connection(("127.0.0.1", places["tcp"]), 5).close()


@attempt
def connects_by_tcp_of_ipv6(places: dict) -> None:
    socket.create_connection(("::1", places["tcp6"]), 5).close()


@attempt
def listens(places: dict) -> None:
    socket.create_server(("127.0.0.1", 0)).close()


@attempt
def sends_by_udp(places: dict) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"taken", ("127.0.0.1", places["udp"]))


@attempt
def connects_to_a_socket_without_a_path(places: dict) -> None:
    with socket.socket(socket.AF_UNIX) as sender:
        sender.connect("\0" + places["abstract"])


@attempt
def connects_to_a_socket_with_a_path(places: dict) -> None:
    with socket.socket(socket.AF_UNIX) as sender:
        sender.connect(places["socket"])


@attempt
def sends_to_a_socket_with_a_path_by_one_of_a_pair(places: dict) -> None:
    with contextlib.ExitStack() as stack:
        sender, _ = map(stack.enter_context, socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
        sender.sendto(b"taken", places["datagrams"])


@attempt
def sends_by_a_pair_of_another_type(places: dict) -> None:
    for one in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET):
        one.close()


@attempt
def asks_for_the_machines_interfaces(places: dict) -> None:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()


@attempt
def signals_another_process(places: dict) -> None:
    os.kill(places["victim"], signal.SIGWINCH)


@attempt
def has_another_process_signalled_by_a_pipe(places: dict) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, places["victim"])
    fcntl.fcntl(reading, F_SETSIG, signal.SIGWINCH)
    fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC)
    os.write(writing, b"now")


@attempt
def signals_its_parent(places: dict) -> None:
    os.kill(os.getppid(), signal.SIGWINCH)


@attempt
def takes_another_process_over(places: dict) -> None:
    if LIBC.ptrace(PTRACE_ATTACH, places["victim"], 0, 0) != 0:
        raise PermissionError(ctypes.get_errno(), "ptrace")
    os.waitpid(places["victim"], 0)
    LIBC.ptrace(PTRACE_DETACH, places["victim"], 0, 0)


@attempt
def reads_the_environment_of_another_process(places: dict) -> None:
    Path(f"/proc/{places['victim']}/environ").read_bytes()


@attempt
def reads_the_command_of_another_process(places: dict) -> None:
    Path(f"/proc/{places['victim']}/cmdline").read_bytes()


@attempt
def limits_another_process(places: dict) -> None:
    resource.prlimit(places["victim"], resource.RLIMIT_CORE, (0, 0))


@attempt
def slows_another_process_down(places: dict) -> None:
    os.setpriority(os.PRIO_PROCESS, places["victim"], 1)


@attempt
def sets_another_process_aside(places: dict) -> None:
    os.sched_setscheduler(places["victim"], os.SCHED_BATCH, os.sched_param(0))


@attempt
def becomes_two(places: dict) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


@attempt
def starts_a_program(places: dict) -> None:
    subprocess.run(["true"], check=True)


@attempt
def makes_itself_root_of_a_namespace(places: dict) -> None:
    if LIBC.unshare(0x10000000) != 0:
        raise PermissionError(ctypes.get_errno(), "unshare")


@attempt
def looks_for_keys(places: dict) -> None:
    call("keyctl", ctypes.c_long(0), ctypes.c_long(-3), ctypes.c_long(0))


@attempt
def shares_memory_by_a_key(places: dict) -> None:
    call("shmget", ctypes.c_long(0), ctypes.c_long(4096), ctypes.c_long(0o1600))


@attempt
def opens_a_ring_of_calls(places: dict) -> None:
    parameters = ctypes.create_string_buffer(120)
    os.close(call(425, ctypes.c_long(1), parameters))


def tried(places: dict) -> dict[str, str | None]:
    """Return for each attempt what stopped it; None for one that did what it should not."""
    found: dict[str, str | None] = {}
    for name, function in ATTEMPTS.items():
        try:
            function(places)
            found[name] = None
        except (OSError, subprocess.SubprocessError) as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found


def metric(outputs: object, labels: object, places: str) -> float:
    """Try everything as a job's code, and leave what came of it in the job's `out`."""
    out = Path(os.environ["TMPDIR"]).parent / "out"
    (out / "tried.json").write_text(json.dumps(tried(json.loads(places))))
    return 1.0


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(tried(json.loads(sys.argv[1]))))
