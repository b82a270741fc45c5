"""An Android phone that `adb` reaches: the user's own benchmark_model runs the model there. This launcher was never tested on hardware.

Options:
    binary      benchmark_model of TensorFlow Lite for the phone's processor, a file on this machine; it has no default
    serial      the phone's serial number, as `adb devices` shows it; needed where several are connected
    folder      a folder on the phone that adb's shell may write to and start programs in

The runtime says whether the phone's CPU or its GPU runs the model.

The client is the one that EDGE_TOOLKIT_ADB names, else the one on the PATH, else Debian's own, which `setup adb` fetches. It is no option, because a
profile may be a stranger's.

The worker runs on this machine and reads the model's signature; numbers are computed on the phone. The program is left there, all else is removed.
Android's emulator is refused: its processor and its times are this machine's.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit import environments, printable
from toolkit.environments.made_once import MARKER
from toolkit.environments.requirements import split_name
from toolkit.environments.status import Status
from toolkit.errors import (
    EnvironmentUnavailable,
    RequestError,
    TargetUnavailable,
    UnknownName,
    all_at_once,
    gathering,
    suggestion,
)
from toolkit.files.foreign import open_plain
from toolkit.launchers import Launch
from toolkit.launchers.android.client import find_client, make_client
from toolkit.settings import Settings
from toolkit.settings.environment_variables import by_adb
from toolkit.wire.android.adb import HOW_TO_GET_IT, NAMED, Adb, AdbError, Phone, choose
from toolkit.wire.android.benchmark_model import HEADER_BYTES, NEEDED, abis_of
from toolkit.wire.android.connection import VARIABLE, Connection
from toolkit.wire.request import sha256

HOST = False
EMULATED = False
TIMED = True
SETUP = (make_client,)
RUNTIMES = ("litert_binary", "litert_binary_gpu")

UNTESTED = "this launcher was never tested on hardware"
_ENVIRONMENT = "litert"
_FOLDER = "/data/local/tmp"
_PORT = 5037  # of adb's server (Android, packages/modules/adb, DEFAULT_ADB_PORT)
_NAMES = ("binary", "serial", "folder")
_ABIS = {"arm64-v8a": "aarch64", "armeabi-v7a": "armv7l", "armeabi": "armv7l", "x86_64": "x86_64", "x86": "i686"}
_EMULATORS = (
    "ranchu",
    "goldfish",
    "cutf",
)  # ro.hardware of Android's emulators: goldfish, ranchu, and Cuttlefish (cutf_cvm)


@dataclass(frozen=True, slots=True)
class Options:
    """The launcher's options, checked; `digest` is the SHA-256 of the program."""

    binary: Path
    digest: str
    abis: tuple[str, ...] | None
    serial: str | None
    folder: str


def prepare(environment: str, options: Mapping[str, object], settings: Settings) -> Launch:
    """Return how to start a worker that runs models on the phone; TargetUnavailable, with what helps, where no phone can."""
    if split_name(environment)[0] != _ENVIRONMENT:
        raise UnknownName("environment on launcher adb", split_name(environment)[0], (_ENVIRONMENT,))
    asked = _read(options)
    adb = Adb(_client(settings), by_adb())
    phone = choose(adb, asked.serial)
    try:
        properties = phone.properties()
    except AdbError as error:
        raise TargetUnavailable(f"launcher adb: the phone {phone.serial}: {error}", error.helps) from error
    abi = _require_fitting(phone, properties, asked)
    resolved = environments.resolve(environment, settings=settings)
    version = split_name(environment)[1] or environments.version(_ENVIRONMENT)
    connection = Connection(
        adb=adb.program,
        serial=phone.serial,
        folder=asked.folder,
        program=str(asked.binary),
        digest=asked.digest,
        engine=f"benchmark_model {asked.digest[:12]}, said to be {version}",
    )
    return Launch(
        command=(str(resolved.python),),
        variables={**resolved.variables, **_without_home(by_adb()), VARIABLE: connection.to_json()},
        identity=_identity(resolved.identity, connection, properties),
        about=_about(resolved.engine, phone, properties, abi),
        reaches=(*_files_of(adb.program), str(asked.binary)),
        ports=_ports(by_adb()),
    )


def make_release(environment: str, settings: Settings) -> None:
    """Make nothing: other releases of LiteRT have no files on a phone."""


def ready(environment: str, options: Mapping[str, object], settings: Settings) -> bool:
    """Return whether the client and the worker's environment are there; whether a phone is connected shows when one is needed."""
    try:
        there = find_client(settings)
    except EnvironmentUnavailable:
        return False
    return there is not None and environments.find(environment, settings=settings) is not None


def means(options: Mapping[str, object]) -> str:
    """Return what runs jobs, in words; the phone is not asked."""
    return f"on your phone over adb; {UNTESTED}"


def features(options: Mapping[str, object]) -> tuple[str, list[str]]:
    """Return the machine of nearly all phones; its features are not known before one is asked."""
    return "aarch64", []


def status(settings: Settings) -> Status:
    """Return the line for `doctor`. It does not ask for phones: that would start adb's server."""
    about = f"Android phones; {UNTESTED}"
    try:
        found = find_client(settings)
    except EnvironmentUnavailable as error:
        return Status("launcher", "adb", False, about, None, error.problem, error.hint)
    if found is None:
        return Status("launcher", "adb", False, about, None, "no program adb on PATH", "edge-toolkit setup adb")
    return Status("launcher", "adb", True, about, found)


def _client(settings: Settings) -> str:
    """Return the client that is there, else one that is made now; TargetUnavailable where there is none."""
    try:
        return os.path.abspath(make_client(settings))
    except EnvironmentUnavailable as error:
        if os.environ.get(NAMED):
            raise TargetUnavailable(printable.together("launcher adb: ", error.problem), error.hint) from error
        raise TargetUnavailable(
            printable.together("launcher adb: no program adb on PATH; ", error.problem),
            printable.together(f"{HOW_TO_GET_IT}; or ", error.hint or ""),
        ) from error


def _files_of(client: str) -> tuple[str, ...]:
    """Return what a job has to read to start the client: the file, the one that it is a link to, and the folder of one that was made here."""
    real = os.path.realpath(client)
    return (client, real, str(Path(real).parent / "root")) if (Path(real).parent / MARKER).is_file() else (client, real)


def require_options(options: Mapping[str, object]) -> None:
    """Raise one RequestError with all mistakes in the options; no file is opened, and no phone is asked."""
    mistakes: list[RequestError] = []
    for name, value in options.items():
        with gathering(mistakes):
            _require_text(name, value)
    if "binary" not in options:
        mistakes.append(
            RequestError(
                "launcher adb: option 'binary': missing; it names benchmark_model for the phone's processor", NEEDED
            )
        )
    folder = _folder_of(options)
    if not folder.startswith("/"):
        mistakes.append(RequestError(f"launcher adb: folder {folder!r}: expected an absolute path on the phone"))
    if mistakes:
        raise all_at_once(mistakes)


def require_files(options: Mapping[str, object]) -> None:
    """Raise RequestError where `binary` is no program of Android's; the whole file is read, and no phone is asked."""
    _read(options)


def _folder_of(options: Mapping[str, object]) -> str:
    return str(options.get("folder", _FOLDER)).rstrip("/")


def _read(options: Mapping[str, object]) -> Options:
    """Return the options, checked, and what the program is; one RequestError with all mistakes."""
    given = options.get("binary")
    mistakes: list[RequestError] = []
    digest, abis = "", None
    with gathering(mistakes):
        require_options(options)
    if isinstance(given, str) and given:
        with gathering(mistakes):
            digest, abis = _program(given)
    if mistakes:
        raise all_at_once(mistakes)
    serial = options.get("serial")
    return Options(
        Path(os.path.expanduser(str(given))).absolute(),
        digest,
        abis,
        None if serial is None else str(serial),
        _folder_of(options),
    )


def _require_text(name: str, value: object) -> None:
    if name == "adb":
        raise RequestError(
            "launcher adb: option 'adb': refused; a profile, which may be a stranger's, names no program of this machine to start",
            f"name your client with the variable: {NAMED}=/path/to/adb",
        )
    if name == "delegate":
        raise RequestError(
            "launcher adb: option 'delegate': refused; the runtime says where the model runs: extends = \"base-android-adb-gpu\" for the GPU, "
            'extends = "base-android-adb" for the CPU'
        )
    if name not in _NAMES:
        raise RequestError(f"launcher adb: option {name!r}: unknown; {suggestion(name, _NAMES)}")
    if not isinstance(value, str) or not value:
        raise RequestError(f"launcher adb: option {name!r}: {value!r}; expected a text")


def _program(given: str) -> tuple[str, tuple[str, ...] | None]:
    """Return the SHA-256 of the program and the ABIs that it serves; RequestError where the file is none."""
    path = Path(os.path.expanduser(given)).absolute()
    try:
        with open_plain(path) as file:
            abis = abis_of(file.read(HEADER_BYTES))
    except FileNotFoundError:
        raise RequestError(f"launcher adb: binary {given!r}: no such file", NEEDED) from None
    except RequestError as error:
        raise RequestError(f"launcher adb: binary {given!r}: {error.problem}", NEEDED) from error
    return sha256(path), abis


def _require_fitting(phone: Phone, properties: Mapping[str, str], asked: Options) -> str:
    """Return the phone's ABI that the program serves; TargetUnavailable for an emulator, and for a program of another processor."""
    hardware = properties.get("ro.hardware", "")
    if hardware.startswith(_EMULATORS) or "1" in (properties.get("ro.kernel.qemu"), properties.get("ro.boot.qemu")):
        raise TargetUnavailable(
            f"launcher adb: {phone.serial} is an emulator ({hardware or 'qemu'}); its processor and its times are this machine's",
            "connect a phone; the target android-arm64 emulates a phone's processor",
        )
    known = [
        abi
        for abi in properties.get("ro.product.cpu.abilist", properties.get("ro.product.cpu.abi", "")).split(",")
        if abi
    ]
    if not known:
        raise TargetUnavailable(
            f"launcher adb: the phone {phone.serial} does not say what programs it runs (ro.product.cpu.abilist)"
        )
    fitting = known if asked.abis is None else [abi for abi in known if abi in asked.abis]
    if not fitting:
        raise TargetUnavailable(
            f"launcher adb: {asked.binary.name} is for {' or '.join(asked.abis or ())}; the phone {phone.serial} runs {', '.join(known)}",
            f"give a benchmark_model for {known[0]}",
        )
    return fitting[0]


def _about(engine: str, phone: Phone, properties: Mapping[str, str], abi: str) -> dict[str, str]:
    def said(*names: str) -> str:
        return next((properties[name] for name in names if properties.get(name)), "unknown")

    model = f"{said('ro.product.manufacturer')} {said('ro.product.model')}"
    chip = said("ro.soc.model", "ro.board.platform", "ro.hardware")
    machine = _ABIS.get(abi, abi)
    where = f"{model}, Android {said('ro.build.version.release')}, {chip}, {phone.serial}"
    return {
        "engine": engine,
        "machine": machine,
        "launcher": "adb",
        "cpu": where,
        "processor": f"{machine}, {model}, Android {said('ro.build.version.release')}, {chip}; {UNTESTED}",
    }


def _identity(environment: str, connection: Connection, properties: Mapping[str, str]) -> str:
    """Return a hash of all that an answer depends on: another phone, another Android or another program runs anew."""
    names = ("ro.build.fingerprint", "ro.soc.model", "ro.product.cpu.abilist")
    system = [properties.get(name, "") for name in names]
    parts = [environment, "adb", connection.serial, connection.digest, connection.engine, *system]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _ports(variables: Mapping[str, str]) -> tuple[int, ...]:
    """Return the port of adb's server on this machine; nothing where the user has it elsewhere, or by another way than TCP."""
    place = variables.get("ADB_SERVER_SOCKET") or f"tcp:{variables.get('ANDROID_ADB_SERVER_PORT') or _PORT}"
    found = re.fullmatch(r"tcp:(?:localhost:|127\.0\.0\.1:)?(\d{1,5})", place)
    here = variables.get("ANDROID_ADB_SERVER_ADDRESS", "localhost") in ("localhost", "127.0.0.1")
    return (int(found[1]),) if found and here and 0 < int(found[1]) < 1 << 16 else ()


def _without_home(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the client for a job, which has a home of its own: adb's server runs already."""
    return {name: value for name, value in variables.items() if name != "HOME"}
