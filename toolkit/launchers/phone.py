"""The phone that opened the page of `serve-device`: engines for the web, on the phone's own browser and processor, in its own time.

Options: `accelerator`, which has no default and one value, "wasm", and `wait_s`, the seconds without an answer after which a phone is given up, 60.

The worker runs on this machine and reads the model's signature, confined as any other; it is started with a connection to `serve-device`, which hands
its arrays to the phone. Numbers are computed on the phone, and calls are timed by its page.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from functools import partial

from toolkit import environments, printable
from toolkit.environments.status import Status
from toolkit.errors import EnvironmentUnavailable, RequestError, TargetUnavailable, suggestion
from toolkit.launchers import Launch
from toolkit.launchers.browser import packages
from toolkit.launchers.phones import dial, site
from toolkit.launchers.phones.pairing import UNKNOWN, read_facts
from toolkit.settings import Settings
from toolkit.wire.browser_setup import SAID, Setup
from toolkit.wire.phone import FOLDER, LINE, SOCKET, Ended, pass_channel, receive, send

__all__ = [
    "EMULATED",
    "HOST",
    "RUNTIMES",
    "SETUP",
    "TIMED",
    "features",
    "make_release",
    "means",
    "prepare",
    "ready",
    "require_options",
    "status",
    "version",
]

HOST = False
EMULATED = False
TIMED = True
RUNTIMES = ("litert_web", "onnxruntime_web")

WAIT_S = 60.0
"""Seconds without an answer after which a phone is given up: more than a large model takes to compile, and less than people wait for a locked one."""

_OPTIONS = ("accelerator", "wait_s")
_ACCELERATORS = ("wasm",)
_ENGINES = {"litert": "LiteRT.js", "onnxruntime": "onnxruntime-web"}
_WHO = "launcher phone"
_HOW = "in another terminal: edge-toolkit serve-device; then open its page on the phone"
_ANSWER_S = 30.0  # of serve-device, which is on this machine


def _make_if_npm(environment: str, settings: Settings) -> object:
    """Fetch an engine's packages; nothing on a machine without npm, which cannot have them."""
    return packages.make_packages(environment, settings) if shutil.which("npm") else None


SETUP = tuple(partial(_make_if_npm, name) for name in packages.LOCKED)


def prepare(environment: str, options: Mapping[str, object], settings: Settings) -> Launch:
    """Return how to start a worker whose jobs run on the phone; TargetUnavailable, with what helps, where none is connected."""
    require_options(options)
    locked = packages.locked(environment)
    try:
        resolved = environments.resolve(environment, settings)
    except (EnvironmentUnavailable, TargetUnavailable) as error:
        raise TargetUnavailable(printable.together(f"{_WHO}: ", error.problem), error.hint) from error
    number, facts = _ask(settings)
    said = Setup(
        "",
        {},
        {each.name: each.version for each in locked},
        str(options["accelerator"]),
        phone=number,
        wait_s=float(str(options.get("wait_s", WAIT_S))),
    )
    python = str(resolved.python)
    return Launch(
        command=(python, dial.__file__, str(settings.home / FOLDER), SOCKET, LINE, python),
        variables={**resolved.variables, SAID: said.to_text()},
        identity=_identity(resolved.identity, site.identity(), number, *(each.integrity for each in locked)),
        about=_about(environment, facts),
        device="phone",
    )


def require_options(options: Mapping[str, object]) -> None:
    """Raise RequestError, with all mistakes, for options that are missing, unknown or no values of theirs."""
    wrong = [
        f"option {option!r}: unknown; {suggestion(option, _OPTIONS)}" for option in options if option not in _OPTIONS
    ]
    accelerator = options.get("accelerator")
    if accelerator is None:
        wrong.append(f"option 'accelerator': missing; {suggestion('', _ACCELERATORS)}")
    elif accelerator not in _ACCELERATORS:
        wrong.append(f"accelerator {accelerator!r}: unknown; {suggestion(str(accelerator), _ACCELERATORS)}")
    wait_s = options.get("wait_s", WAIT_S)
    if isinstance(wait_s, bool) or not isinstance(wait_s, int | float) or not 0 < wait_s < float("inf"):
        wrong.append(f"wait_s {wait_s!r}: expected a number of seconds above 0")
    if wrong:
        raise RequestError(printable.lines(printable.line(f"{_WHO}: {each}") for each in wrong))


def make_release(environment: str, settings: Settings) -> None:
    """Do nothing: of the packages for a page there is the locked release alone."""


def version(environment: str) -> str:
    """Return the version of the engine that stands for an environment in a page."""
    return packages.locked(environment)[0].version


def ready(environment: str, options: Mapping[str, object], settings: Settings) -> bool:
    """Return whether there are the packages and the environment that reads a model's file; whether a phone is connected shows when one is needed."""
    require_options(options)
    return (
        packages.find_packages(environment, settings) is not None
        and environments.find(environment, settings) is not None
    )


def means(options: Mapping[str, object]) -> str:
    """Return what runs jobs, in words; no phone is asked."""
    return "on the phone that opened the page"


def features(options: Mapping[str, object]) -> tuple[str, list[str]]:
    """Return the machine of nearly all phones; a page does not tell its processor's features."""
    return "aarch64", []


def status(settings: Settings) -> Status:
    """Return the line for `doctor`; no phone is asked."""
    wanted = ", ".join(f"{each[0].name} {each[0].version}" for each in packages.LOCKED.values())
    about = f"a phone's browser; {wanted}"
    missing = [each[0].name for name, each in packages.LOCKED.items() if packages.find_packages(name, settings) is None]
    if not missing:
        return Status("launcher", "phone", True, f"{about}; a phone is asked when something is built for it")
    named = ", ".join(missing)
    if shutil.which("npm") is None:
        return Status("launcher", "phone", False, about, None, f"{named} {packages.NO_NPM}", packages.HOW_NPM)
    return Status("launcher", "phone", False, about, None, f"no packages of {named} yet", "edge-toolkit setup phone")


def _ask(settings: Settings) -> tuple[str, dict[str, str]]:
    """Return the number of the phone's pairing, and what it says of itself; TargetUnavailable where no phone is connected."""
    try:
        with dial.connect(str(settings.home / FOLDER), SOCKET) as line, pass_channel(line) as own:
            own.settimeout(_ANSWER_S)
            send(own, {"do": "about"})
            said, _ = receive(own)
    except (OSError, Ended) as error:
        raise TargetUnavailable(f"{_WHO}: no phone is served on this machine", _HOW) from error
    number = said.get("phone")
    if not isinstance(number, str):
        raise TargetUnavailable(
            f"{_WHO}: serve-device runs, and no phone has opened its page yet",
            f"open it on the phone: {said.get('url')}",
        )
    return number, read_facts(said.get("facts"))


def _about(environment: str, facts: Mapping[str, str]) -> dict[str, str]:
    def given(name: str, unit: str = "") -> str:
        return f"{facts[name]}{unit}" if facts.get(name) else ""

    browser = facts.get("browser", UNKNOWN)
    said = {
        "engine": f"{_ENGINES[environment]} {packages.locked(environment)[0].version}",
        "machine": facts.get("platform", UNKNOWN),
        "launcher": "phone",
        "browser": browser,
        "accelerator": "wasm",
        "cpu": ", ".join(filter(None, (given("cores", " cores"), given("memory_gb", " GB or more")))),
        "processor": f"the phone that opened the page, {given('model') or facts.get('platform', UNKNOWN)}",
        "system": given("system"),
        "clock": f"performance.now in steps of {facts.get('clock_step_ms', UNKNOWN)} ms",
    }
    return {name: str(printable.line(text)) for name, text in said.items() if text}


def _identity(*parts: str) -> str:
    """Return a hash with the number of the pairing: two phones may say the same of themselves, so what one has computed is not the other's."""
    return hashlib.sha256("\n".join(["phone", *parts]).encode()).hexdigest()[:16]
