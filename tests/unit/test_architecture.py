"""How the rooms of the house lie: imports go one way, plugins do not know each other, and slow things are imported where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "toolkit"

# From the ground up; a module may import from its own line and from those before it. `a/*` are plugins: see below.
ORDER = """\
    printable
    screen
    errors
    inherited permissions import_closure
    worker.confinement worker.confinement.kernel worker.confinement.landlock worker.confinement.seccomp worker.confinement.places \
        worker.confinement.processes worker.confinement.resources
    files.shapes files files.foreign files.archives files.private files.removal files.places files.whole manifest outputs
    settings registry worker.request worker.known_code worker.kept_scheme worker.shards worker.table_index worker.device_operators
    worker.labels worker.denied worker.user_code worker.devices
    config signature sizes npz
    environments
    parcel transport launchers launchers/*
    jobs presence store pruning
    job_graph access job_folder
    workers
    executor
    local_executor progress
    worker.answers worker.endings worker.loaded
    worker.onnx.extent worker.onnx.graph worker.onnx.endings worker.onnx.saturation worker.onnx.scheme
    worker.onnx.session worker.onnx.file worker.onnx.held worker.onnx.arithmetic
    worker.tflite.extent
    worker.tflite.file worker.tflite.subsequence worker.tflite.endings worker.tflite.operators worker.tflite.arithmetic worker.tflite.reductions
    worker.tflite.constants worker.tflite.graphs worker.tflite.alignment worker.tflite.deviation
    worker.tflite.pairing worker.tflite.mishaps worker.tflite.attributes worker.account
    runtimes worker.tflite.interpreter worker.tflite.taps worker.tflite.parts worker.tflite.pieces worker.tflite.counterparts worker.infer runtimes/*
    worker.statistics estimators estimators/* worker.calibration worker.drift worker.clipping
    worker.seen worker.naming worker.divergence worker.handing_over worker.reproduction worker.graph_values
    worker.plots
    worker.user_metric
    lints lints/* worker.lint linting
    compare.intervals compare.resampling
    metrics metrics/*
    output_kinds output_kinds.file output_kinds.rows output_kinds.inferring output_kinds.declaring
    task_metrics task_metrics/*
    target.bounds target.deciding
    originals sources sources/* worker.original source
    normalization
    readers readers/* worker.preparation worker.misfits worker.sample_set worker.samples worker.subset dataset
    worker.onnx.conversion worker.onnx.calibration
    worker.tflite.conversion worker.tflite.ranges worker.tflite.versions worker.tflite.held
    schemes schemes/* converters converters/* quantizers quantizers/* recipe calibration conversion
    weights.limits weights.judging weights
    target
    runtime
    compare
    unasked tasks
    saved_runs
    attribution attribution.text attribution.folder attribution.ranking holding input_ranges
    verdict
    model
    chain meaning
    reference_kernels float_noise
    scrutiny choice
    basis worst_sample
    settling
    attribution.sides attribution.reproducing attribution.searching
    report
    bundle
    saved_report
    baseline
    report_formats report_formats/*
    own
    casting opening trial rejudging
    attribution.guilty_operator
    matrix signatures next_steps binding
    stability model_explorer drift suggestion
    experiments
    sweep_table
    verbs verbs.arguments verbs.inspect verbs.verify verbs.build verbs.convert verbs.run verbs.doctor verbs.debug verbs.lint verbs.check verbs.sweep
    pytest_plugin
    cli __main__
"""
RANKS = {name: rank for rank, line in enumerate(ORDER.strip().splitlines()) for name in line.split()}
PLUGINS = {name[:-2] for name in RANKS if name.endswith("/*")}
# What stands for itself: scripts, and what every interpreter may run.
APART = {
    "worker",
    "worker.tflite",
    "worker.onnx",
    "worker.main",
    "worker.enclosed",
    "carrier",
    "sample.train",
    "schemas",
    "schemas.__main__",
    "",
}
MODULES = sorted(
    path.relative_to(PACKAGE)
    .with_suffix("")
    .as_posix()
    .replace("/", ".")
    .removesuffix(".__init__")
    .removesuffix("__init__")
    for path in PACKAGE.rglob("*.py")
    if "known_answer" not in path.parts
)


def rank(module: str) -> int:
    folder, _, name = module.partition(".")
    if module in RANKS:
        return RANKS[module]
    if folder in PLUGINS and name and not name.startswith("_"):
        return RANKS[f"{folder}/*"]
    return RANKS[folder]


def imported(module: str) -> set[str]:
    """Return the modules of the package that a module imports, inside functions too; what is for type checkers alone counts as well."""
    path = PACKAGE / (module.replace(".", "/") + ".py")
    tree = ast.parse((path if path.is_file() else PACKAGE / module.replace(".", "/") / "__init__.py").read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "toolkit":
                found |= {f"toolkit.{alias.name}" for alias in node.names}
            elif (PACKAGE / node.module.removeprefix("toolkit.").replace(".", "/")).is_dir():
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    names = {name.removeprefix("toolkit.") for name in found if name.startswith("toolkit.")}
    return {name for name in names if name in MODULES}


@pytest.mark.parametrize("module", [module for module in MODULES if module not in APART])
def test_imports_go_one_way(module):
    """From the verbs down to the ground floor, never back up."""
    upwards = {other for other in imported(module) if other not in APART and rank(other) > rank(module)}

    assert not upwards


@pytest.mark.parametrize("folder", sorted(PLUGINS))
def test_plugins_do_not_know_each_other(folder):
    """A plugin may be taken away, or copied to another machine, by itself."""
    plugins = {
        module for module in MODULES if module.startswith(f"{folder}.") and not module.split(".")[1].startswith("_")
    }

    sideways = {module: sorted(imported(module) & plugins - {module}) for module in plugins}

    assert not any(sideways.values()), sideways


def test_the_command_line_says_help_without_anything_slow():
    """`--help` answers as fast as Python starts: no numpy, no pydantic, no rich, no engine."""
    slow = ("numpy", "pydantic", "rich", "safetensors", "PIL", "tensorflow", "uv")
    code = f"import sys, toolkit.cli; print([name for name in {slow!r} if name in sys.modules])"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)

    assert found.stdout.strip() == "[]"


def test_a_worker_needs_nothing_of_the_host():
    """What a worker imports exists in every engine's interpreter: the standard library, numpy and safetensors."""
    code = (
        "import sys, importlib, pathlib\n"
        "folder = pathlib.Path('toolkit/worker')\n"
        "parts = [path.relative_to(folder).with_suffix('').parts for path in folder.rglob('[a-z]*.py') if path.stem != 'main']\n"
        "names = ['.'.join(('worker', *each)) for each in parts]\n"
        "folders = ('runtimes', 'sources', 'converters', 'schemes')\n"
        "names += [f'{folder}.{path.stem}' for folder in folders for path in pathlib.Path('toolkit', folder).glob('[a-z]*.py')]\n"
        "for name in names: importlib.import_module('toolkit.' + name)\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'pydantic', 'typer', 'rich', 'platformdirs', 'tensorflow'}))\n"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)

    assert found.stdout.strip() == "[]"
