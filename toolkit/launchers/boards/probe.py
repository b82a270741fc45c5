"""The first contact with a board: what it is, and whether it is what the profile says. Nothing is written there yet.

It is made each time: a board may have another system, another disk or another Python than an hour ago, and one connection tells all of it.
"""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.environments import instructions
from toolkit.environments.requirements import Requirements
from toolkit.environments.site_packages import WheelPlatform
from toolkit.errors import DamagedFile, TargetUnavailable
from toolkit.files.foreign import parse_json
from toolkit.files.shapes import Either, Where
from toolkit.launchers.boards.line import Line
from toolkit.launchers.boards.options import PLAIN_PATH, BoardOptions
from toolkit.launchers.emulation.processors import PROCESSORS

_FACTS = Path(__file__).with_name("facts.py")
# The Python that the board's owner uses comes first.
_PYTHONS = ("python3", *(f"python3.{minor}" for minor in range(20, 8, -1)))
_BITS = 64
_COUNT = Where(int, lambda value: value >= 0, "a number from 0")
_LONGEST = 1000  # characters; Python reads no number of more than 4300 digits
_TEXT = Where(str, lambda text: len(text) <= _LONGEST, f"a text of at most {_LONGEST} characters")
_PLAIN = Where(str, lambda path: PLAIN_PATH.fullmatch(path) is not None, "a path of letters, digits and . _ + - /")
_SHAPE = {
    **dict.fromkeys(("machine", "kernel", "system", "board", "libc", "model"), _TEXT),
    "folder": _PLAIN,
    **{name: [_TEXT] for name in ("parts", "features", "governors", "there")},
    **dict.fromkeys(("landlock", "memory_bytes", "free_bytes"), _COUNT),
    "of_folder": Either(None, {"mine": bool, "others_write": bool}),
    "pythons": [{"path": _PLAIN, "version": _TEXT, "bits": int}],
}


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter on a board: its version (`3.11.2`), and how many bits an address has there."""

    path: str
    version: str
    bits: int


@dataclass(frozen=True, slots=True)
class Board:
    """What a board says of itself.

    `model` and `parts` are of its processor, `features` those that engines choose their kernels by, `governors` set its frequency; `landlock` is
    the version of what confines jobs, 0 for none. `folder` is the toolkit's there, absolute; `there` holds the finished folders in it. `closed` is
    whether nobody else may write to it.
    """

    machine: str
    kernel: str
    system: str
    name: str
    libc: str
    model: str
    parts: tuple[str, ...]
    features: tuple[str, ...]
    governors: tuple[str, ...]
    landlock: int
    memory_bytes: int
    free_bytes: int
    folder: str
    closed: bool
    pythons: tuple[Interpreter, ...]
    there: tuple[str, ...]

    @property
    def cpu(self) -> str:
        """The processor's name: its model, else the names of its cores, as far as they are known."""
        named = {f"0x{processor.part:03x}": processor.name for processor in PROCESSORS.values()}
        return self.model or ", ".join(named.get(part, f"part {part}") for part in self.parts) or self.machine

    @property
    def processor(self) -> str:
        """The class of the processor, by the instructions that results depend on."""
        return instructions.class_of(self.machine, self.features)


def ask(line: Line, options: BoardOptions) -> Board:
    """Return what the board is; TargetUnavailable where it cannot be reached, has no Python, or gives no sense."""
    mark = f"edge-toolkit-{secrets.token_hex(8)} "
    said = line.say("exec sh -s", _script(mark, options).encode())
    told = next((text for text in said.splitlines() if text.startswith(mark)), None)
    if told is None:
        raise TargetUnavailable(
            f"{line.who}: it has no Python; expected python3 on the PATH of `ssh {line.host} python3`"
            if options.python is None
            else f"{line.who}: {options.python} is no Python that starts there",
            "install it there: apt-get install python3"
            if options.python is None
            else "name another with the option python",
        )
    try:
        facts = parse_json(told[len(mark) :], "what it says of itself", _SHAPE)
    except DamagedFile as error:
        raise TargetUnavailable(f"{line.who}: makes no sense: {error.problem}") from error
    return _board(facts)


def _script(mark: str, options: BoardOptions) -> str:
    """Return the shell's lines that find the interpreters, and have the first of them say all else."""
    names = _PYTHONS if options.python is None else (options.python,)
    return f"""cd || exit
found=""
for name in {" ".join(names)}; do
    path=$(command -v "$name") && "$path" -c "" </dev/null >/dev/null 2>&1 && found="$found $path"
done
set -- $found
test $# -eq 0 || exec "$1" - {shlex.quote(mark)} {shlex.quote(options.folder)} "$@" <<'FACTS'
{_FACTS.read_text()}
FACTS
"""


def _board(facts: dict[str, object]) -> Board:
    said = json.loads(json.dumps(facts))
    of_folder = said["of_folder"]
    return Board(
        machine=said["machine"],
        kernel=said["kernel"],
        system=said["system"],
        name=said["board"],
        libc=said["libc"],
        model=said["model"],
        parts=tuple(said["parts"]),
        features=tuple(instructions.choosing(said["features"])),
        governors=tuple(said["governors"]),
        landlock=said["landlock"],
        memory_bytes=said["memory_bytes"],
        free_bytes=said["free_bytes"],
        folder=said["folder"],
        closed=of_folder is None or (of_folder["mine"] and not of_folder["others_write"]),
        pythons=tuple(Interpreter(each["path"], each["version"], each["bits"]) for each in said["pythons"]),
        there=tuple(said["there"]),
    )


def require_as_said(board: Board, options: BoardOptions, line: Line) -> None:
    """Raise TargetUnavailable where the board is another machine, or has another processor, than the profile says; or its folder is not safe."""
    machine, _ = options.expected
    if machine and board.machine != machine:
        raise TargetUnavailable(
            f"{line.who}: is {board.machine}; the profile says {machine}",
            "name the right board, or extend a profile of its kind",
        )
    core = PROCESSORS.get(options.cpu or "")
    other = core is not None and f"0x{core.part:03x}" not in board.parts
    if other or (options.expected_class or board.processor) != board.processor:
        raise TargetUnavailable(
            f"{line.who}: has {board.cpu} ({board.processor}); the profile says {options.cpu} ({options.expected_class})",
            'name the right board, or say its own processor in your profile: [runtime] cpu = "..."',
        )
    if not board.closed:
        raise TargetUnavailable(
            f"{line.who}: {board.folder} there is another user's, or others may write to it: they could put programs there that would be run",
            f"`chmod go-w {board.folder}` there, or name another with the option folder",
        )


def python_for(board: Board, requirements: Requirements, line: Line) -> Interpreter:
    """Return the interpreter that runs an engine there; TargetUnavailable, with those that there are, where none serves."""
    serves = [each for each in board.pythons if each.bits == _BITS and requirements.accepts_python(each.version)]
    if serves:
        return serves[0]
    has = _listed([f"{each.version}{'' if each.bits == _BITS else f' of {each.bits} bits'}" for each in board.pythons])
    raise TargetUnavailable(
        f"{line.who}: has Python {has}; {requirements.name} needs {requirements.python or 'one'} of {_BITS} bits",
        "install one that serves there; one that is not on its PATH is named with the option python",
    )


def platform_of(board: Board, python: Interpreter) -> WheelPlatform:
    """Return what packages for a board have to be built for."""
    return WheelPlatform(board.machine, board.libc, python.version)


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(texts) or "none"
