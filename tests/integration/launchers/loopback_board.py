"""A board for tests: a real OpenSSH server on loopback, in another root, where nothing of this checkout, of a cache or of a home folder is seen.

It has keys, a port, a user and a home folder of its own, and the programs of this machine's `/usr`. `stop` ends all that runs there.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from toolkit.launchers.boards.line import CONFIG, reach
from toolkit.launchers.boards.options import BoardOptions

HOST = "board"
USER = "tester"
_HOME = f"/home/{USER}"
_WAIT_S = 60.0
_OUTER = ("unshare", "--user", "--map-root-user", "--mount")
_INNER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


class LoopbackBoard:
    """A board that is on. `root` is its root folder, `home` its user's home, and `config` what `ssh -F` is given to reach it as `board`."""

    def __init__(self, folder: Path, *, python: bool = True) -> None:
        self.root = folder / "root"
        self.home = self.root / _HOME.lstrip("/")
        self.config = folder / "ssh_config"
        self.known_hosts = folder / "known_hosts"
        self.key = folder / "key"
        self.log = folder / "sshd.log"
        self.port = _free_port()
        self._python = python
        self._server: subprocess.Popen[bytes] | None = None
        self._furnish()
        self.configure()
        self.start()

    def configure(self, **settings: object) -> None:
        """Write the configuration of `ssh`, with these settings in place of the usual ones."""
        given = {
            "HostName": "127.0.0.1",
            "Port": self.port,
            "User": USER,
            "IdentityFile": self.key,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.known_hosts,
            "GlobalKnownHostsFile": "none",
            "StrictHostKeyChecking": "yes",
            **settings,
        }
        lines = "".join(f"    {name} {value}\n" for name, value in given.items())
        self.config.write_text(f"Host {HOST}\n{lines}")

    def know(self, key: str | None = None) -> None:
        """Have the client know the board's own host key, or another one (the text of a public key)."""
        told = key or (self.root / "etc/ssh/host.pub").read_text()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {told}")

    def start(self) -> None:
        """Switch the board on; returns when it takes connections."""
        mounts = [f"mount --rbind {place} {shlex.quote(f'{self.root}{place}')}" for place in ("/usr", "/dev", "/proc")]
        mounts += [
            f"mount --bind {shlex.quote(place)} {shlex.quote(f'{self.root}{place}')}" for place in _python_of_ours()
        ]
        mounts += [f"mount -t tmpfs -o size=8m tmpfs {shlex.quote(str(self.root / 'small'))}"]
        if not self._python:
            mounts += [f"mount --bind /dev/null {shlex.quote(f'{self.root}{path}')}" for path in _pythons()]
        server = [shutil.which("sshd", path=_PROGRAMS), "-D", "-e", "-f", "/etc/ssh/sshd_config"]
        inner = [*_INNER, f"--root={self.root}", f"--wd={_HOME}", *map(str, server)]
        script = " && ".join([*mounts, f"exec {shlex.join(inner)}"])
        with open(self.log, "ab") as log:
            self._server = subprocess.Popen(
                [*_OUTER, "sh", "-c", script], stdout=log, stderr=log, env={"PATH": _PROGRAMS}
            )
        until = time.monotonic() + _WAIT_S
        while time.monotonic() < until and self._server.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
                return
            time.sleep(0.05)
        pytest.fail(f"no ssh server on loopback: {self.log.read_text()}")

    def stop(self) -> None:
        """Switch the board off: all its processes are killed."""
        until = time.monotonic() + _WAIT_S
        while (running := self.processes()) and time.monotonic() < until:
            for number in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            time.sleep(0.02)
        if self._server is not None:
            self._server.wait(_WAIT_S)

    def processes(self, *words: str) -> list[int]:
        """Return the processes that run there, those with all of these words in their command line."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
                if os.readlink(entry / "root") == str(self.root) and all(word in command for word in words):
                    found.append(int(entry.name))
        return found

    def break_connections(self) -> int:
        """End the server's side of every connection, and not the server; return how many there were."""
        sessions = self.sessions()
        for number in sessions:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        return len(sessions)

    def sessions(self) -> list[int]:
        """Return the server's processes of its connections."""
        return [number for number in self.processes("sshd:") if number != self._server_number()]

    def say(self, command: str) -> str:
        """Return what a command prints there; TargetUnavailable where it fails."""
        return reach(BoardOptions(HOST)).say(command)

    def _server_number(self) -> int:
        return min(self.processes("sshd:", "[listener]"), default=0)

    def _furnish(self) -> None:
        folders = ("usr", "dev", "proc", "etc/ssh", "tmp", "run", "var/empty", "small", f"{self.home}/bin")
        for name in (*folders, *(place.lstrip("/") for place in _python_of_ours())):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        (self.home / "bin/python3").symlink_to(os.path.realpath(sys.executable))
        for name in ("bin", "lib", "lib64", "sbin"):
            if os.path.islink(f"/{name}"):
                (self.root / name).symlink_to(os.readlink(f"/{name}"))
        etc = self.root / "etc"
        (etc / "passwd").write_text(f"{USER}:x:1000:1000::{_HOME}:/bin/sh\n")
        (etc / "group").write_text(f"{USER}:x:1000:\n")
        for place in (self.key, etc / "ssh/host"):
            make_key(place)
        (etc / "ssh/authorized_keys").write_text(self.key.with_suffix(".pub").read_text())
        path = f"{_HOME}/bin:/usr/bin:/bin" if self._python else "/usr/bin:/bin"
        (etc / "ssh/sshd_config").write_text(_SERVER.format(port=self.port, path=path))
        self.know()


_PROGRAMS = "/usr/sbin:/usr/bin:/sbin:/bin"
_SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey /etc/ssh/host
AuthorizedKeysFile /etc/ssh/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv PATH={path}
"""


def make_key(place: Path) -> str:
    """Make a pair of keys and return the public one."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", place], check=True)
    return place.with_name(f"{place.name}.pub").read_text()


def board_in(folder: Path, *, python: bool = True) -> LoopbackBoard:
    """Return a board whose files lie in a folder; the test is skipped, loudly, where there cannot be one."""
    if shutil.which("sshd", path=_PROGRAMS) is None or shutil.which("ssh") is None:
        pytest.skip("NOT TESTED, boards over ssh: no OpenSSH server here: apt-get install openssh-server")
    tried = subprocess.run([*_OUTER, *_INNER, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"NOT TESTED, boards over ssh: no other root can be made here: {tried.stderr.strip()}")
    return LoopbackBoard(folder, python=python)


@contextlib.contextmanager
def reachable(board: LoopbackBoard):
    """Have `ssh` reach the board by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CONFIG, str(board.config))
        yield board


def tampered(board: LoopbackBoard, module: str, old: str, new: str) -> str:
    """Change a line of the worker that was copied to the board; return what undoes it: a shell's command line there."""
    (path,) = (board.home / "edge-toolkit/code").glob(f"*/toolkit/{module}")
    text = path.read_text()
    assert old in text
    path.with_suffix(".kept").write_text(text)
    path.write_text(text.replace(old, new))
    inside = f"/{path.relative_to(board.root)}"
    return f"mv {inside.removesuffix('.py')}.kept {inside}"


def _python_of_ours() -> tuple[str, ...]:
    """Return the folder of the interpreter that runs the tests, where it lies outside of /usr."""
    base = os.path.realpath(sys.base_prefix)
    return () if base == "/usr" or base.startswith("/usr/") else (base,)


def _pythons() -> list[str]:
    """Return the interpreters of this machine's system."""
    found = {os.path.realpath(path) for path in Path("/usr/bin").glob("python3*") if os.access(path, os.X_OK)}
    return sorted(path for path in found if path.startswith("/usr/"))


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
