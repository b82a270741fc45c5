"""What all tests share: a cache folder that is not the user's, the embedded sample, and other people's models.

A folder says what its tests may use. `unit` and `attacks` get an empty cache folder and no network; `integration` and `e2e` use the
environments that `edge-toolkit setup` made on this machine, with a store that begins empty in each session; so do tests marked `engines`.
"""

from __future__ import annotations

import http.server
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from toolkit.settings import default_home

ROOT = Path(__file__).resolve().parent.parent
LIGHT = {"unit", "attacks"}

settings.register_profile(  # no timed and no random verdict
    "toolkit", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("toolkit")


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """Return the session's cache folder: this machine's environments, and a store of its own."""
    folder = linked_home(default_home(), tmp_path_factory.mktemp("homes") / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_TOOLKIT_HOME", str(folder))
        patch.delenv("EDGE_TOOLKIT_OFFLINE", raising=False)
        patch.setenv("COLUMNS", "9999")  # what is printed is looked at line by line; test_screen.py sees to its width
        yield folder


def linked_home(home: Path, folder: Path) -> Path:
    """Make a cache folder whose environments are those of another; the store is its own."""
    folder.mkdir()
    for entry in home.iterdir() if home.is_dir() else ():
        if entry.name != "store":
            (folder / entry.name).symlink_to(entry.resolve())
    return folder


@pytest.fixture
def fresh_home(home, tmp_path):
    """Return a cache folder with this machine's environments and an empty store."""
    return linked_home(home, tmp_path / "home")


@pytest.fixture(autouse=True)
def _light(request, tmp_path, monkeypatch):
    """Keep tests that may use nothing from using it."""
    light = LIGHT & set(request.path.relative_to(ROOT / "tests").parts)
    if light and request.node.get_closest_marker("engines") is None:
        monkeypatch.setenv("EDGE_TOOLKIT_HOME", str(tmp_path / "cache"))
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
