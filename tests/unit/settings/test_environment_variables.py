"""Which environment variables programs get: each list by itself, what the user adds, and that what changes numbers changes the keys of jobs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.environments import interpreters
from toolkit.environments.made_once import make_once
from toolkit.errors import RequestError
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.launchers import local
from toolkit.samples import dataset
from toolkit.settings import Settings, environment_variables
from toolkit.settings.permissions import Permissions


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch):
    """Begin without what this machine's owner says of its processor."""
    for name in environment_variables.by_engines():
        monkeypatch.delenv(name)


def identity(home: Path, *names: str) -> str:
    return local.prepare("dataset", {}, Settings(home, permissions=Permissions(variables=names))).identity


def test_an_installer_gets_the_way_to_the_network_and_nothing_else_of_the_shell(monkeypatch, tmp_path):
    """The programs that make environments are behind a proxy, with an index and certificates of their own."""
    needed = {
        "https_proxy": "http://proxy.invalid:3128",
        "NO_PROXY": "localhost",
        "SSL_CERT_FILE": "/certificates.pem",
        "UV_DEFAULT_INDEX": "https://index.invalid/simple",
        "UV_INDEX_OURS_PASSWORD": "secret",
        "XDG_CACHE_HOME": "/caches",
        "HOME": "/home/me",
    }
    for name, value in {**needed, "AWS_SECRET_ACCESS_KEY": "secret", "PYTHONPATH": "/path", "LD_PRELOAD": ""}.items():
        monkeypatch.setenv(name, value)
    said: list[str] = []

    def build(making):
        said.extend(making.run([sys.executable, "-c", "import os; print(*sorted(os.environ), sep='\\n')"]))
        return {}

    make_once(tmp_path / "made", build, what="thing", say=print)

    assert set(needed) < set(said)
    assert not {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "LD_PRELOAD"} & set(said)


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OPENBLAS_CORETYPE", "CUDA_VISIBLE_DEVICES"])
def test_what_the_owner_says_of_the_processor_reaches_workers_and_their_keys(monkeypatch, tmp_path, name):
    """Numbers may differ by it, so no job that was done otherwise is taken for one of these."""
    before = identity(tmp_path)
    monkeypatch.setenv(name, "1")

    launch = local.prepare("dataset", {}, Settings(tmp_path))

    assert launch.variables[name] == "1"
    assert launch.identity != before


def test_what_is_on_no_list_changes_no_key(monkeypatch, tmp_path):
    """Else every shell would do all jobs anew."""
    before = identity(tmp_path)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")

    assert identity(tmp_path) == before


def test_what_the_user_allows_reaches_workers_and_their_keys_by_its_value(monkeypatch, tmp_path):
    """A builder may need it, and builds something else by it."""
    monkeypatch.setenv("OURS", "1")
    allowed = Settings(tmp_path, permissions=Permissions(variables=("OURS",)))

    assert local.prepare("dataset", {}, allowed).variables["OURS"] == "1"
    first, without = identity(tmp_path, "OURS"), identity(tmp_path)
    monkeypatch.setenv("OURS", "2")
    assert len({first, without, identity(tmp_path, "OURS")}) == 3


def test_what_cannot_be_allowed_is_said_with_all_mistakes(monkeypatch):
    """A name that is not set is a slip."""
    monkeypatch.setenv("OUR_DATA", "/data")

    with pytest.raises(RequestError) as caught:
        environment_variables.allowed(["OUR_DATE", "TMPDIR"])

    assert str(caught.value).splitlines() == [
        "--allow-env OUR_DATE: is not set here; did you mean 'OUR_DATA'?",
        "--allow-env TMPDIR: the toolkit sets it itself for each worker",
    ]


def test_a_named_interpreter_is_asked_with_what_its_workers_get(monkeypatch, tmp_path):
    """Else what was seen to be installed could not be imported."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "mine"))

    without = interpreters.ask("source", Path(sys.executable), tmp_path)
    given = {"PYTHONPATH": str(tmp_path / "mine")}
    with_it = interpreters.ask("source", Path(sys.executable), tmp_path, allowed=given)

    assert str(tmp_path / "mine") not in without.search
    assert str(tmp_path / "mine") in with_it.search


def test_the_value_of_what_is_allowed_is_kept_nowhere(monkeypatch, tmp_path):
    """It may be a password; what is remembered of an interpreter, and of a job, holds its hash."""
    monkeypatch.setenv("OUR_TOKEN", "very secret")
    (tmp_path / "sets.py").write_text(
        "import os\nimport numpy as np\n\ndef make():\n    return {'x': np.zeros((len(os.environ['OUR_TOKEN']), 1), np.float32)}\n"
    )
    permissions, python = Permissions(variables=("OUR_TOKEN",)), {"dataset": Path(sys.executable)}
    settings = Settings(tmp_path / "home", offline=True, pythons=python, permissions=permissions)
    signature = {"inputs": [{"name": "x", "dtype": "float32", "shape": [1]}]}

    with LocalExecutor(settings) as executor:
        (entry,) = executor.run(dataset.whole_set_job(f"{tmp_path / 'sets.py'}:make", signature))
        kept = [path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()]

    assert entry.result["verification"]["count"] == len("very secret")
    assert len(kept) > 3
    assert not [content for content in kept if b"very secret" in content]


def test_packages_of_the_users_own_are_found_without_his_home(monkeypatch, tmp_path):
    """`pip install --user` puts them below it, and a worker has none."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PYTHONNOUSERSITE", raising=False)
    monkeypatch.delenv("PYTHONUSERBASE", raising=False)
    code = "import site; print(site.getusersitepackages())"
    own = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    variables = {**environment_variables.by_everybody(), "HOME": "/nowhere", **interpreters.as_is()}
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables)

    assert there.stdout == own
    assert str(tmp_path) in own


def test_what_pythonpath_adds_is_not_taken_for_installed(monkeypatch, tmp_path):
    """This process imports from there, and its workers would not."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "mine"), ""]))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "mine"), *sys.path])

    here = interpreters.current()

    assert here is not None
    assert str(tmp_path / "mine") not in here.search
    assert set(here.search) == {entry for entry in sys.path[1:] if entry}


def starts_a_program(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    of_subprocess = isinstance(node.func.value, ast.Name) and node.func.value.id == "subprocess"
    return of_subprocess and node.func.attr not in ("CalledProcessError", "TimeoutExpired")


def test_no_program_is_started_with_the_whole_environment():
    """A call that names no variables gives all of them."""
    package = Path(interpreters.__file__).parents[1]
    sources = {path: path.read_text() for path in package.rglob("*.py")}
    starts = [
        (path, node) for path, text in sources.items() for node in ast.walk(ast.parse(text)) if starts_a_program(node)
    ]

    without = [(path, node.lineno) for path, node in starts if "env" not in {word.arg for word in node.keywords}]
    # The browser's variables name the browser's own process, so they are set in it, in place of all others.
    without = [(path, line) for path, line in without if "os.environ.clear()" not in sources[path]]

    assert (
        len(starts) >= 6
    )  # a worker, an installer, the emulator's version and its known answer, apt's configuration, an interpreter
    assert not without
    assert not [path for path, text in sources.items() if "**os.environ" in text or "os.environ.copy" in text]
