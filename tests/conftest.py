"""What all tests share: a cache folder that is not the user's, the embedded sample, and other people's models.

A folder says what its tests may use. `unit` and `attacks` get an empty cache folder and no network; `integration` and `e2e` use the
environments that `edge-toolkit setup` made on this machine, with a store that begins empty in each session; so do tests marked `engines`.
"""

from __future__ import annotations

import gc
import http.server
import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings

from toolkit.settings import Settings, default_home

ROOT = Path(__file__).resolve().parent.parent
LIGHT = {"unit", "attacks"}
NUMBERS = itertools.count()

settings.register_profile(  # no timed and no random verdict
    "toolkit", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("toolkit")


def pytest_collection_finish():
    """Let no collection of garbage look through the tests that were found, which stay: there are ten thousand."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """Return the session's cache folder: this machine's environments, and a store of its own."""
    folder = linked_home(default_home(), tmp_path_factory.mktemp("homes") / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_TOOLKIT_HOME", str(folder))
        patch.delenv("EDGE_TOOLKIT_OFFLINE", raising=False)
        patch.setenv("COLUMNS", "9999")  # what is printed is looked at line by line; test_screen.py sees to its width
        yield folder


def linked_home(home: Path, folder: Path, without: Collection[str] = ("store", "phone")) -> Path:
    """Make a cache folder that holds what another holds, `without` its store and its phone: these are its own."""
    folder.mkdir()
    for entry in home.iterdir() if home.is_dir() else ():
        if entry.name not in without:
            (folder / entry.name).symlink_to(entry.resolve())
    return folder


@pytest.fixture
def fresh_home(home, tmp_path):
    """Return a cache folder with this machine's environments and an empty store."""
    return linked_home(home, tmp_path / "home")


@pytest.fixture(scope="session")
def _nowhere(tmp_path_factory):
    """Return a folder for cache folders that nobody has made; a folder for each test would cost more than most tests do."""
    return tmp_path_factory.mktemp("nowhere")


@pytest.fixture(scope="session")
def workers(home):
    """Return the workers that all commands and Python calls of the session share, so that TensorFlow is imported once."""
    from tests.shared_workers import SharedWorkers  # light tests need none of it

    with SharedWorkers(Settings(home=home)) as shared:
        yield shared


@pytest.fixture(scope="session")
def executor(home, workers):
    """Return the executor of all Python calls of the session."""
    with workers.executor(Settings(home=home)) as shared:
        yield shared


@pytest.fixture(autouse=True)
def _light(request, _nowhere, monkeypatch):
    """Keep tests that may use nothing from using it."""
    light = LIGHT & set(request.path.relative_to(ROOT / "tests").parts)
    if light and request.node.get_closest_marker("engines") is None:
        monkeypatch.setenv("EDGE_TOOLKIT_HOME", str(_nowhere / f"cache{next(NUMBERS)}"))
        monkeypatch.setenv("EDGE_TOOLKIT_OFFLINE", "1")


@pytest.fixture(scope="session")
def sample():
    """Return the folder of the embedded SavedModel."""
    return ROOT / "toolkit" / "sample" / "digits"


@pytest.fixture(scope="session")
def digits():
    """Return the recipe of the images that belong to the embedded SavedModel."""
    return ROOT / "calibration" / "digits.toml"


@pytest.fixture(scope="session")
def shared_models():
    """Return the folder of models that others trained; they are not part of the project, so it may be absent."""
    folder = ROOT.parent / "shared" / "models"
    if not folder.is_dir():
        pytest.skip(f"no models of others at {folder}")
    return folder


_COMMANDS = """\
import json, os, sys
import toolkit.profiles, toolkit.report  # once, which takes longer than most commands
from toolkit.__main__ import main

for number, words in enumerate(json.loads(sys.argv[1])):
    child = os.fork()
    if child == 0:
        for stream in (1, 2):
            os.dup2(os.open(f"said.{number}.{stream}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        sys.argv = ["edge-toolkit", *words]
        main()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Ended(NamedTuple):
    """How a command ended, what it printed, and what it told on standard error."""

    status: int
    printed: str
    told: str

    @property
    def said(self) -> str:
        """Both."""
        return self.printed + self.told


@dataclass(frozen=True)
class Program:
    """The command that people run, in `folder`; `home` is the cache folder, and `package` holds the package: a copy of a test's own, or this one."""

    folder: Path
    home: Path
    package: Path

    def add(self, path: str, text: str) -> None:
        """Write one file of the package that was not there: `path` is relative to `toolkit/`."""
        place = self.package / "toolkit" / path
        assert not place.exists()
        place.write_text(text)

    def run(self, *commands: str) -> list[Ended]:
        """Run commands one after the other, as they are typed after `edge-toolkit`, each in a process of its own."""
        words = json.dumps([shlex.split(command) for command in commands])
        statuses = self._python("-c", _COMMANDS, words)
        return [
            Ended(int(status), *((self.folder / f"said.{number}.{stream}").read_text() for stream in (1, 2)))
            for number, status in enumerate(statuses.split())
        ]

    def completes(self, typed: str) -> set[str]:
        """Return what bash completes the last word of a command to."""
        asked = {"COMP_WORDS": f"edge-toolkit {typed}", "COMP_CWORD": str(len(typed.split()))}
        code = "import sys; from toolkit.__main__ import main; sys.argv[0] = 'edge-toolkit'; main()"
        return set(self._python("-c", code, _EDGE_TOOLKIT_COMPLETE="complete_bash", **asked).split())

    def _python(self, *arguments: str, **variables: str) -> str:
        command, given = [sys.executable, *arguments], {**os.environ, "PYTHONPATH": str(self.package), **variables}
        return subprocess.run(command, cwd=self.folder, env=given, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.fixture
def program(tmp_path, home):
    """Return a copy of the package, to which a test adds a plugin: nothing else of it can then have been edited."""
    folder = tmp_path / "program"
    for name in ("toolkit", "targets", "calibration", "docs"):
        shutil.copytree(ROOT / name, folder / name)
    return Program(folder, home, folder)


@pytest.fixture
def commands(tmp_path, home):
    """Return the program as it is, in an empty folder."""
    return Program(tmp_path, home, ROOT)


@pytest.fixture
def served():
    """Return the address of a server on this machine that says `fetched`."""

    class Says(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"fetched")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Says) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
