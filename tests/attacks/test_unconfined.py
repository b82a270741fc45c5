"""A kernel that cannot confine: whoever loads a model there has to say that he trusts it, and every report says that nothing confined it.

The kernel is this one, which a filter of system calls has answer as an old one does.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.confinement import ability
from toolkit.jobs.access import is_confined
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.settings import Settings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OLD_KERNEL = (sys.executable, str(HERE / "without_landlock.py"))
CALIBRATION = ROOT / "calibration" / "digits.toml"

if not ability().filters:
    pytest.skip(
        "NOT TESTED: kernels without Landlock; this one takes no filter of system calls", allow_module_level=True
    )


@pytest.fixture
def model(tmp_path, sample):
    """Return a model that is not the toolkit's own."""
    return Path(shutil.copytree(sample, tmp_path / "theirs"))


def edge(*arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    """Return what a command left on the kernel that cannot confine."""
    command = [*OLD_KERNEL, sys.executable, "-m", "toolkit", *map(str, arguments)]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "EDGE_TOOLKIT_HOME": str(home)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables, timeout=600)


VERBS = {
    "build": ("build", "MODEL", "--target", "host", "--calibration", CALIBRATION, "--out", "OUT"),
    "convert": ("convert", "MODEL", "--out", "OUT/model.tflite"),
    "run": ("run", "FILE", "--target", "host", "--samples", CALIBRATION, "--out", "OUT/outputs.npz"),
    "verify": ("verify", "FILE", "--source", "MODEL", "--target", "host", "--eval", CALIBRATION),
    "debug": ("debug", "FILE", "--source", "MODEL", "--eval", CALIBRATION),
    "debug --stage": ("debug", "FILE", "--source", "MODEL", "--eval", CALIBRATION, "--stage", "guilty"),
    "sweep": ("sweep", "MODEL", "--target", "host", "--calibration", CALIBRATION),
    "calibration lint": ("calibration", "lint", CALIBRATION, "--source", "MODEL"),
    "inspect --builder": ("inspect", "MODEL", "--builder", "net.py:make"),
    "inspect --target": ("inspect", "FILE", "--target", "rp2040"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_what_loads_a_model_wants_trust(model, tmp_path, verb):
    """Before anything is made, fetched or started."""
    file = tmp_path / "theirs.tflite"
    file.write_bytes(b"\x1c\0\0\0TFL3")
    names = {"MODEL": model, "FILE": file, "OUT": tmp_path / "out", "OUT/model.tflite": tmp_path / "m.tflite"}
    words = [names.get(word, word) if isinstance(word, str) else word for word in VERBS[verb]]
    words = [tmp_path / "outputs.npz" if word == "OUT/outputs.npz" else word for word in words]

    ended = edge(*words, home=tmp_path / "home")

    whose = file if verb in ("run", "inspect --target") else model
    assert ended.returncode == 2, ended.stderr
    assert f"{whose}: not confined: this kernel has no Landlock" in ended.stderr
    assert "--trust" in ended.stderr
    assert not ended.stdout
    assert not (tmp_path / "home" / "environments").exists()
    assert not list((tmp_path / "home" / "store").glob("*/*"))


def test_every_verb_that_starts_workers_is_among_these():
    """One that somebody adds is not forgotten."""
    from toolkit import verbs
    from toolkit.experiments import sweep

    files = {*Path(verbs.__file__).parent.glob("*.py"), Path(sweep.__file__)}
    files -= {Path(verbs.__file__).with_name("probe.py")}  # loads no model but those that the toolkit writes itself
    uses = [line for file in files for line in file.read_text().splitlines() if "executing(" in line]
    assert len(uses) == len({verb for verb in VERBS if verb != "inspect --target"})  # as `inspect --builder`
    assert not [line for line in uses if "executing(executor, original" not in line and "Original(artifact" not in line]


def test_a_worker_there_says_that_it_confines_nothing(tmp_path):
    """What a job is known by says so, and so does each report of it."""
    code = (
        "import sys; from pathlib import Path\n"
        "from toolkit.jobs.local_executor import LocalExecutor\n"
        "from toolkit.jobs.job import Engine, Job\n"
        "from toolkit.settings import Settings\n"
        "import json, numpy as np\n"
        "from toolkit.samples import dataset\n"
        f"np.savez({str(tmp_path / 'x.npz')!r}, x=np.zeros((2, 1), np.float32))\n"
        "job = dataset.whole_set_job(sys.argv[1], {'inputs': [{'name': 'x', 'dtype': 'float32', 'shape': [1]}]})\n"
        f"with LocalExecutor(Settings(home=Path({str(tmp_path / 'home')!r}), offline=True)) as executor:\n"
        "    (entry,) = executor.run(job)\n"
        "print(json.dumps(dict(entry.about)))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x.npz")]

    there = json.loads(subprocess.run([*OLD_KERNEL, *command], capture_output=True, check=True, cwd=ROOT).stdout)

    assert there["confined"].startswith("not confined: this kernel has no Landlock")
    assert not is_confined(there)


@pytest.mark.skipif(not ability().confines, reason="NOT TESTED: a kernel that confines; this one does not")
def test_a_worker_here_says_how_it_confines(tmp_path):
    """So that the two can be told apart."""
    job = Job("nothing", "engines.tensorflow.devices", "none", Engine("dataset"))
    with LocalExecutor(Settings(home=tmp_path / "home", offline=True)) as executor:
        executor.outcomes([job])
        (worker,) = executor._pool

        assert is_confined({"confined": worker.confined})


@pytest.mark.engines
def test_trusted_it_is_built_and_every_report_says_that_nothing_confined_it(model, fresh_home, tmp_path):
    """On standard error at once, and in each file that somebody else may read later; the store holds nothing that was made confined."""
    reports = [f"{name}={tmp_path / name}" for name in ("junit", "markdown", "github", "sarif")]
    flags = [word for report in reports for word in ("--report", report)]

    ended = edge(
        "build", model, "--target", "host", "--scheme", "float32", "--calibration", CALIBRATION,
        "--out", tmp_path / "dist", "--trust", *flags, home=fresh_home,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    assert f"{model}: not confined: this kernel has no Landlock" in ended.stderr
    assert "warning: not confined: this kernel has no Landlock" in ended.stdout
    report = json.loads((tmp_path / "dist" / "host" / "report.json").read_text())
    (finding,) = (one for one in report["findings"] if one["code"] == "not-confined")
    assert finding["severity"] == "warning"
    assert {run["confined"].partition(":")[0] for run in report["runs"].values()} == {"not confined"}
    assert "not confined" in (tmp_path / "dist" / "host" / "report.md").read_text()
    for name in ("junit", "markdown", "github", "sarif"):
        assert "not confined" in (tmp_path / name).read_text(), name


@pytest.mark.engines
def test_what_only_reads_files_needs_no_trust(model, home):
    """`inspect` runs nothing of a model."""
    ended = edge("inspect", model, home=home)

    assert ended.returncode == 0, ended.stderr


@pytest.mark.engines
def test_the_toolkits_own_sample_needs_no_trust(sample, home, tmp_path):
    """It is as much to be trusted as the toolkit's code."""
    ended = edge("convert", sample, "--out", tmp_path / "model.tflite", home=home)

    assert ended.returncode == 0, ended.stderr
