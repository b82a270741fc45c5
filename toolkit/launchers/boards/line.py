"""The line to a board: the system's `ssh` with the user's own configuration, and each of its failures as one message.

Nothing is asked at a terminal: a key, or an agent that holds it, has to open the board without a password. A host key that is not known, or that
is another one than before, is refused, even if the configuration says `StrictHostKeyChecking no`.

    EDGE_TOOLKIT_SSH_CONFIG=FILE    a configuration in place of ~/.ssh/config, as `ssh -F` takes it
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from toolkit import printable
from toolkit.errors import EdgeToolkitError, RequestError, TargetUnavailable
from toolkit.launchers.boards.options import BoardOptions
from toolkit.printable import Text
from toolkit.settings.environment_variables import by_ssh
from toolkit.wire import bounded_output

CONFIG = "EDGE_TOOLKIT_SSH_CONFIG"
BROKEN = 255  # ssh's own exit status where there is no connection, or it ended (ssh(1), EXIT STATUS)

_CONNECT_S = 10
_ALIVE_EVERY_S, _ALIVE_TIMES = 10, 3  # a silent connection is given up after 30 s
_ASK_S = 30.0
_ANSWER_S = 120.0
_TAIL_LINES = 6
_IS_IT = "is it the board that you mean? no board prints so much when it is asked"
_SETTINGS = (
    "BatchMode=yes",
    f"ConnectTimeout={_CONNECT_S}",
    f"ServerAliveInterval={_ALIVE_EVERY_S}",
    f"ServerAliveCountMax={_ALIVE_TIMES}",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "ForkAfterAuthentication=no",
    "StdinNull=no",
    "LogLevel=ERROR",
)
_NEVER_ASKED = ("no", "off", "false")  # values of StrictHostKeyChecking by which ssh accepts a key that changed

# ssh's own words, and what is wrong then; the hint is formatted with the host and its address.
_FAILURES = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed",
        "its host key is not the one that is known: another machine answers, or it was set up anew",
        "if you know that it was set up anew: `ssh-keygen -R {place}`, then `ssh {host}` once to see and accept the new key",
    ),
    (
        r"Host key verification failed|No .* host key is known",
        "its host key is not known yet",
        "`ssh {host}` once: it shows the key's fingerprint to compare, and remembers the key",
    ),
    (
        r"Permission denied \(|Too many authentication failures|no mutual signature",
        "refuses your key",
        "`ssh-copy-id {host}` puts your key there; `ssh -o BatchMode=yes {host} true` has to work without a password",
    ),
    (
        r"Could not resolve hostname",
        "no machine of that name is known",
        "check the name; `ssh {host}` has to find it",
    ),
    (
        r"Connection refused",
        "no ssh server answers at {address}",
        "is the ssh server there on (`systemctl enable --now ssh`), and is it that port?",
    ),
    (
        r"timed out|No route to host|[Uu]nreachable|Host is down",
        "cannot be reached at {address}",
        "is it on, and in this network? `ssh {host}` has to work",
    ),
    (
        r"kex_exchange_identification|banner|Connection (?:closed|reset)|Broken pipe",
        "the connection broke",
        "does it restart, or have too many connections? `ssh {host}` has to work",
    ),
)


@dataclass(frozen=True, slots=True)
class Line:
    """`words` run `ssh` with one more word, a command line of the board; `host` is as the user gave it, `address` as `pi@10.0.0.7 port 22`.

    `place` is the name under which the host's key is known.
    """

    words: tuple[str, ...]
    host: str
    address: str
    place: str

    @property
    def who(self) -> str:
        """What messages about the board begin with."""
        return f"launcher ssh: {self.host}"

    def with_settings(self, *settings: str) -> tuple[str, ...]:
        """Return the words with more settings of ssh's; the first that is said of a setting holds."""
        return (self.words[0], *_options(settings), *self.words[1:])

    def say(self, command: str, feed: bytes | Callable[[IO[bytes]], None] = b"", timeout_s: float = _ANSWER_S) -> str:
        """Return what a command line of a POSIX shell on the board prints, as text; `feed` is its standard input, or writes it.

        TargetUnavailable where there is no connection, and where the command fails, does not end in time, or prints too much.
        """
        words = [*self.with_settings("ControlMaster=no", "ControlPath=none"), in_shell(command)]
        write = (lambda stream: stream.write(feed)) if isinstance(feed, bytes) else feed
        try:
            ended = bounded_output.run(words, timeout_s=timeout_s, variables=by_ssh(), feed=write)
        except subprocess.TimeoutExpired as error:
            raise TargetUnavailable(f"{self.who}: no answer in {timeout_s:g} s") from error
        except bounded_output.PrintedTooMuch as error:
            raise TargetUnavailable(f"{self.who}: {error}, and was cut off", _IS_IT) from error
        except OSError as error:
            raise TargetUnavailable(f"{self.who}: ssh cannot be started ({error.strerror or error})") from error
        if ended.status:
            raise self.failure(ended.status, ended.errors)
        return ended.answer

    def failure(self, status: int, words: str) -> EdgeToolkitError:
        """Return the error for an exit status of `ssh` and what was printed on its standard error."""
        tail = printable.lines([line for line in words.splitlines() if line.strip()][-_TAIL_LINES:])
        if status != BROKEN:
            how = f"exit status {status}" if status > 0 else f"signal {-status}"
            return TargetUnavailable(f"{self.who}: a command there failed ({how})", tail or None)
        named = {"host": self.host, "address": self.address, "place": shlex.quote(self.place)}
        for pattern, problem, hint in _FAILURES:
            if re.search(pattern, words):
                said = f"ssh says: {printable.line(_telling(words, pattern))}"
                hints = printable.lines([hint.format(**named), f"        {said}"])
                return TargetUnavailable(f"{self.who}: {problem.format(**named)}", hints)
        return TargetUnavailable(f"{self.who}: ssh could not connect", tail or f"`ssh {self.host}` has to work")


def reach(options: BoardOptions) -> Line:
    """Return the line to a board. Nothing is connected yet; the user's configuration is read.

    TargetUnavailable where there is no `ssh` here, RequestError for a configuration that it does not understand.
    """
    if shutil.which("ssh") is None:
        raise TargetUnavailable(
            "launcher ssh: there is no `ssh` on this machine",
            "install an OpenSSH client: apt-get install openssh-client",
        )
    said = os.environ.get(CONFIG, "")
    place = [*(["-F", said] if said else []), *(["-p", str(options.port)] if options.port else [])]
    known = _configuration(place, options.host, said)
    # `no` accepts even a key that changed; `accept-new` accepts only one that was not known before
    strict = ("StrictHostKeyChecking=accept-new",) if known.get("stricthostkeychecking") in _NEVER_ASKED else ()
    words = ("ssh", *_options((*_SETTINGS, *strict)), *place, "--", options.host)
    user, name, port = (known.get(key, "") for key in ("user", "hostname", "port"))
    key_of = known.get("hostkeyalias") or name
    return Line(words, options.host, f"{user}@{name} port {port}", key_of if port == "22" else f"[{key_of}]:{port}")


def in_shell(command: str) -> str:
    """Return a command line that any login shell hands to a POSIX shell; `command` has no single quotes and is one line."""
    return f"exec sh -c {shlex.quote(command)}"


def _configuration(place: list[str], host: str, file: str) -> dict[str, str]:
    """Return the settings that ssh would use, in lower case as `ssh -G` prints them."""
    asked = ["ssh", *place, "-G", "--", host]
    try:
        answer = subprocess.run(
            asked, capture_output=True, check=False, timeout=_ASK_S, env=by_ssh(), stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TargetUnavailable(f"launcher ssh: {host}: `ssh -G {host}` gives no answer ({error})") from error
    if answer.returncode:
        words = answer.stderr.decode(errors="replace").strip().splitlines()[-_TAIL_LINES:]
        where = f"{CONFIG}={file}" if file else "~/.ssh/config"
        raise RequestError(f"launcher ssh: {host}: ssh does not understand {where}", printable.lines(words) or None)
    pairs = (line.partition(" ") for line in answer.stdout.decode(errors="replace").splitlines())
    return {key: value.strip() for key, _, value in pairs}


def _options(settings: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for setting in settings for word in ("-o", setting))


def _telling(words: str, pattern: str) -> str:
    """Return the line that tells what is wrong."""
    return next((line.strip() for line in words.splitlines() if re.search(pattern, line)), words)


def last_words(words: str) -> Text:
    """Return the last lines of what a command printed."""
    return printable.lines([line for line in words.splitlines() if line.strip()][-_TAIL_LINES:])
