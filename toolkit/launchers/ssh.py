"""A Linux board with a Python, reached by ssh: the engine's own packages for it, on its own processor, in its own time.

    [runtime]
    launcher = "ssh"
    options  = { host = "pi@board.local" }

Nothing has to be set up there. The first build copies the engine's packages and the toolkit's modules into a folder of the board; it needs no
network, no pip and no root. `toolkit.launchers.boards.options` has the options.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping

from toolkit import printable
from toolkit.environments import require_known
from toolkit.environments.requirements import read_requirements
from toolkit.environments.site_packages import SitePackages, make_site_packages
from toolkit.environments.status import Status
from toolkit.environments.transport import Transport, by_shell
from toolkit.environments.virtualenv import VARIABLES
from toolkit.errors import EnvironmentUnavailable, TargetUnavailable
from toolkit.launchers import Launch
from toolkit.launchers.boards import bringing, probe
from toolkit.launchers.boards.line import BROKEN, Line, reach
from toolkit.launchers.boards.options import BoardOptions
from toolkit.launchers.boards.probe import Board, Interpreter
from toolkit.settings import Settings
from toolkit.settings.environment_variables import by_ssh

HOST = False
EMULATED = False
TIMED = True
SETUP = ()

_CONTROL = "ControlPath={line}/ssh"  # the carrier of the jobs has a private folder, `{line}`, for it
_VERSION_S = 10
_DAYS = 1  # no job takes so long
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "LANG": "C.UTF-8"}


def prepare(environment: str, options: Mapping[str, object], settings: Settings) -> Launch:
    """Return how to start a worker on the board; what it lacks is copied there first.

    TargetUnavailable for a board that cannot be reached, is not what the options say, or has no space, and for an engine without packages for it.
    """
    asked = BoardOptions.read(options)
    require_known([environment])
    line = reach(asked)
    board = probe.ask(line, asked)
    probe.require_as_said(board, asked, line)
    if board.landlock == 0:
        settings.say(
            f"{line.host}: its kernel has no Landlock, so nothing confines jobs: a model can do there what its user may do"
        )
    python = probe.python_for(board, read_requirements(environment), line)
    try:
        packages = make_site_packages(environment, probe.platform_of(board, python), settings)
    except EnvironmentUnavailable as error:
        raise TargetUnavailable(printable.together(f"{line.who}: ", error.problem), error.hint) from error
    site = bringing.bring_packages(line, board, packages, settings.say)
    script = bringing.bring_worker(line, board)
    return Launch(
        command=(*_worker_words(line), *_started(board, python, site)),
        variables=by_ssh(),
        identity=_identity(packages, board),
        about=_about(packages, board, python),
        script=script,
        transport=_transport(line, board, asked),
        device=line.address,
    )


def require_options(options: Mapping[str, object]) -> None:
    """Raise RequestError with all mistakes in the options."""
    BoardOptions.read(options)


def ready(environment: str, options: Mapping[str, object], settings: Settings) -> bool:
    """Return whether there is an `ssh`; whether the board is on is not asked here."""
    BoardOptions.read(options)
    return shutil.which("ssh") is not None


def means(options: Mapping[str, object]) -> str:
    """Return what runs jobs, in words; the board is not asked."""
    return "on your board over ssh"


def features(options: Mapping[str, object]) -> tuple[str, list[str]]:
    """Return machine and features that the options say; the board is not asked."""
    return BoardOptions.read(options).expected


def status(settings: Settings) -> Status:
    """Return the line for `doctor`: whether this machine has `ssh`. No board is asked."""
    program = shutil.which("ssh")
    if program is None:
        return Status(
            "launcher", "ssh", False, "boards", None, "there is no `ssh` here", "apt-get install openssh-client"
        )
    answer = subprocess.run(
        [program, "-V"], capture_output=True, check=False, timeout=_VERSION_S, text=True, env=by_ssh()
    )
    said = (answer.stderr or answer.stdout).partition(",")[0].strip()
    return Status("launcher", "ssh", True, f"{said}; a board is asked when something is built for it")


def _worker_words(line: Line) -> tuple[str, ...]:
    """Return the words that start a worker, by the connection that all transfers share."""
    return line.with_settings("ControlMaster=auto", _CONTROL, "ControlPersist=no")


def _started(board: Board, python: Interpreter, site: str) -> tuple[str, ...]:
    """Return the words of the board's shell that start Python with the packages, and with nothing of the board user's own settings.

    A shell waits for it: ssh itself has one exit status for a program that was killed and for a connection that broke. It first ends the worker of
    the same carrier that a broken connection may have left, which the board has not noticed yet, and removes what jobs have left for days.
    """
    jobs = f"{board.folder}/jobs"
    mark = "EDGE_TOOLKIT_LINE={line}"  # the carrier's private folder: no other carrier has it
    clean = f"kill -9 $(grep -ls $0 /proc/[0-9]*/environ | cut -d/ -f3); find {jobs} -mindepth 1 -maxdepth 1 -mtime +{_DAYS} -exec rm -rf {{}} +"
    script = f"""'{{ {clean}; }} 2>/dev/null; "$@"; exit $?'"""
    own = {**VARIABLES, **_QUIET, "PATH": os.defpath, "HOME": jobs, "TMPDIR": jobs, "PYTHONPATH": site}
    variables = (f"{name}={value}" for name, value in sorted(own.items()))
    return ("exec", "sh", "-c", script, mark, "env", "-i", mark, *variables, python.path)


def _transport(line: Line, board: Board, asked: BoardOptions) -> Transport:
    words = line.with_settings("ControlMaster=no", _CONTROL)
    return by_shell(words, f"{board.folder}/jobs", broken=BROKEN, wait_s=asked.wait_s)


def _identity(packages: SitePackages, board: Board) -> str:
    """Return a hash without the board's name: equal boards share their finished jobs."""
    parts = [packages.identity, "ssh", *board.parts, *board.features]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]


def _about(packages: SitePackages, board: Board, python: Interpreter) -> dict[str, str]:
    features = " ".join(board.features)
    said = {
        "engine": packages.engine,
        "machine": board.machine,
        "launcher": "ssh",
        "cpu": f"{board.cpu} ({features})" if features else board.cpu,
        "processor": board.processor,
        "board": board.name or "unnamed board",
        "system": board.system,
        "kernel": board.kernel,
        "python": python.version,
        "governor": ", ".join(board.governors),
    }
    return {name: str(printable.line(text)) for name, text in said.items() if text}
