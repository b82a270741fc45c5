"""What the user's own code may not reach without his word, and that it is told which flag is missing: real files, a real port, a real worker."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from toolkit.confinement import ability
from toolkit.errors import InvalidSamples
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.samples import dataset
from toolkit.settings import Settings
from toolkit.settings.permissions import Permissions
from toolkit.wire.shards import read_all

if not ability().confines:
    pytest.skip(f"NOT TESTED: what user code is refused; {ability()}", allow_module_level=True)

SIGNATURE = {"inputs": [{"name": "x", "dtype": "int32", "shape": [None]}]}
RETURNS = "\n    return {'x': np.frombuffer(text, np.uint8)[None].astype(np.int32)}\n"
OPENS = "import numpy as np\n\ndef make():\n    text = open(PATH, 'rb').read()" + RETURNS
FETCHES = (
    "import urllib.request\nimport numpy as np\n\ndef make():\n    text = urllib.request.urlopen(URL, timeout=5).read()"
) + RETURNS


def opens(path: Path) -> str:
    """Return a user's file that reads another."""
    return OPENS.replace("PATH", repr(str(path)))


def fetches(url: str) -> str:
    """Return a user's file that asks the network."""
    return FETCHES.replace("URL", repr(url))


@pytest.fixture
def elsewhere(tmp_path):
    """Return a folder that no job names, with a file in it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "vocabulary.txt").write_text("words")
    return folder


@pytest.fixture
def made(tmp_path):
    """Return a function that has a worker run a user's file, and returns the text that this gave."""

    def make(code: str, **allowed: object) -> str:
        (tmp_path / "project").mkdir(exist_ok=True)
        (tmp_path / "project" / "sets.py").write_text(code)
        job = dataset.whole_set_job(f"{tmp_path / 'project' / 'sets.py'}:make", SIGNATURE)
        permissions = Permissions(**allowed)  # type: ignore[arg-type]
        with LocalExecutor(Settings(home=tmp_path / "home", offline=True, permissions=permissions)) as executor:
            (entry,) = executor.run(job)
        return bytes(read_all(entry.out / "verification", "x").astype(np.uint8)).decode()

    return make


def refused(made, code: str, **allowed: object) -> str:
    """Return the hint of the error that a user's file ends in."""
    with pytest.raises(InvalidSamples) as caught:
        made(code, **allowed)
    assert "sets.py" in caught.value.problem
    assert str(caught.value.hint).count("--allow-read") <= 1  # it is said once
    return str(caught.value.hint)


def test_a_file_elsewhere_is_refused_with_the_flag_that_allows_it(made, elsewhere):
    """The flag can be pasted, and then it works; so it does for the whole folder."""
    path = elsewhere / "vocabulary.txt"

    said = refused(made, opens(path))

    assert f"--allow-read {path}" in said
    assert "sets.py, line 4" in said
    assert made(opens(path), read=(path,)) == "words"
    assert made(opens(path), read=(elsewhere,)) == "words"
    (elsewhere / "of ours; rm x").write_text("words")
    assert f"--allow-read '{elsewhere}/of ours; rm x'" in refused(made, opens(elsewhere / "of ours; rm x"))


@pytest.mark.parametrize(
    "code",
    [
        "import numpy as np\n\ndef make():\n    text = np.loadtxt(PATH)" + RETURNS,
        "import numpy as np\n\ndef make():\n    try:\n        open(PATH)\n    except OSError as error:\n"
        "        raise RuntimeError('no data') from error" + RETURNS,
        "import numpy as np\n\ndef make():\n    raise ValueError(PATH + ': Permission denied')" + RETURNS,
        "import os\nimport numpy as np\n\ndef make():\n    os.listdir(os.path.dirname(PATH))" + RETURNS,
        "import shutil\nimport numpy as np\n\ndef make():\n    shutil.copy(PATH, '.')" + RETURNS,
        "import subprocess\nimport numpy as np\n\ndef make():\n"
        "    subprocess.run(['cat', PATH], check=True, capture_output=True)" + RETURNS,
    ],
    ids=["by numpy", "wrapped", "in words of a library", "listed", "copied", "by another program"],
)
def test_however_it_is_read_the_flag_is_named(made, elsewhere, code):
    """Libraries raise errors of their own about what the system refused."""
    said = refused(made, code.replace("PATH", repr(str(elsewhere / "vocabulary.txt"))))

    assert "--allow-read" in said
    assert str(elsewhere) in said


def test_a_module_elsewhere_is_refused_with_the_folder_to_allow(made, elsewhere):
    """Python says of a folder that it may not list that the module is not there."""
    (elsewhere / "ours.py").write_text("text = b'imported'\n")
    code = (
        f"import sys\nsys.path.append({str(elsewhere)!r})\nimport numpy as np\nfrom ours import text\n\ndef make():"
        + RETURNS
    )

    assert f"--allow-read {elsewhere}" in refused(made, code)
    assert made(code, read=(elsewhere,)) == "imported"


def test_the_network_is_refused_with_the_flag_that_allows_it(made, served):
    """A server on this machine, and a name that has to be looked up."""
    assert "--allow-network" in refused(made, fetches(served))
    assert "--allow-network" in refused(made, fetches("http://models.invalid/weights"))
    assert made(fetches(served), network=True) == "fetched"


def test_with_the_network_allowed_its_failures_are_no_refusals(made):
    """Nobody listens there: a flag that was given is not asked for."""
    assert "--allow" not in refused(made, fetches("http://127.0.0.1:9/"), network=True)


def test_a_file_that_is_not_there_is_no_refusal(made, elsewhere):
    """Nor is one that the user himself may not read."""
    assert "--allow" not in refused(made, opens(elsewhere / "no such file"))
    assert "--allow" not in refused(made, opens(elsewhere / "no such file"), read=(elsewhere,))


def test_what_it_may_not_write_is_said_with_where_it_may(made, elsewhere):
    """A cache beside the data, say."""
    code = f"import numpy as np\n\ndef make():\n    open({str(elsewhere / 'cache.npy')!r}, 'wb')" + RETURNS

    said = refused(made, code, read=(elsewhere,))

    assert "tempfile.gettempdir()" in said
    assert not (elsewhere / "cache.npy").exists()


def test_what_lies_in_the_users_home_is_asked_for_by_both_flags(made, monkeypatch, tmp_path):
    """`~` is a temporary folder of the job's, and his own can be allowed."""
    (tmp_path / "me" / ".keras").mkdir(parents=True)
    (tmp_path / "me" / ".keras" / "weights").write_text("downloaded earlier")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    code = (
        "import os\nimport numpy as np\n\ndef make():\n    text = open(os.path.expanduser('~/.keras/weights'), 'rb').read()"
        + RETURNS
    )

    said = refused(made, code)

    assert "--allow-env HOME" in said
    assert "--allow-read" in said
    assert "--allow-read" in refused(made, code, variables=("HOME",))
    assert made(code, variables=("HOME",), read=(tmp_path / "me" / ".keras",)) == "downloaded earlier"


def test_a_variable_that_a_worker_has_not_is_asked_for(made, monkeypatch):
    """A key that is missing elsewhere is not taken for one."""
    monkeypatch.setenv("OUR_DATA", "here")
    code = "import os\nimport numpy as np\n\ndef make():\n    text = os.environ['OUR_DATA'].encode()" + RETURNS

    assert "--allow-env OUR_DATA" in refused(made, code)
    assert made(code, variables=("OUR_DATA",)) == "here"
    assert "--allow-env" not in refused(made, code.replace("os.environ[", "{}["))


def test_a_projects_own_folder_needs_no_word(made, tmp_path):
    """What lies beside the file is read, and so are modules there."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "data").write_text("beside it")
    code = (
        "import pathlib\nimport numpy as np\n\ndef make():\n"
        "    text = (pathlib.Path(__file__).parent / 'data').read_bytes()" + RETURNS
    )

    assert made(code) == "beside it"


def test_the_hidden_part_of_a_home_is_not_a_projects_folder(made, monkeypatch, tmp_path):
    """A script that lies in the home folder itself gets what lies beside it, and neither keys nor tokens."""
    (tmp_path / "project" / ".ssh").mkdir(parents=True)
    (tmp_path / "project" / ".ssh" / "key").write_text("secret")
    monkeypatch.setenv("HOME", str(tmp_path / "project"))
    monkeypatch.chdir(tmp_path / "project")

    said = refused(made, opens(tmp_path / "project" / ".ssh" / "key"))

    assert "--allow-read" in said
    assert os.path.exists(Path.home() / ".ssh" / "key")
