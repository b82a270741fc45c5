"""How the rooms of the house lie: imports go one way, plugins do not know each other, and slow things are imported where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

PACKAGE = Path(__file__).parents[2] / "toolkit"

# From the ground up: what lies in a room imports from its own line and from those before it, and rooms of one line never each other in a circle.
ORDER = """\
    printable errors findings confinement files settings
    registry tensors wire engines environments
    config launchers
    jobs comparison profiles
    execution weights samples
    source conversion
    verdict
    pipeline report
    bundle diagnosis
    regression experiments verbs
    cli pytest_plugin schemas sample
"""
RANKS = {room: rank for rank, line in enumerate(ORDER.splitlines()) for room in line.split()}
# Folders of plugins: each module in one stands for itself.
PLUGINS = (
    "bundle.packagers",
    "comparison.metrics",
    "comparison.task_metrics",
    "conversion.converters",
    "conversion.estimators",
    "conversion.quantizers",
    "conversion.schemes",
    "execution.runtimes",
    "launchers",
    "report.formats",
    "samples.lints",
    "samples.readers",
    "source.kinds",
)
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
    for path in PACKAGE.rglob("*.py")
    if "known_answer" not in path.parts and path != PACKAGE / "__main__.py"  # a program: no module imports it
}


def imported(module: str) -> set[str]:
    """Return the modules of the package that a module imports, inside functions too; what is for type checkers alone counts as well."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {part for part in parts if part.removeprefix("toolkit.") in MODULES} or {node.module}
    return {name.removeprefix("toolkit.") for name in found if name.startswith("toolkit.")} & MODULES.keys()


def room(module: str) -> str:
    return module.partition(".")[0]


def rooms() -> dict[str, set[str]]:
    """Return each room with the others that it imports from."""
    found: dict[str, set[str]] = {}
    for module in MODULES:
        if module:
            others = {room(other) for other in imported(module)}
            found.setdefault(room(module), set()).update(others - {room(module), ""})
    return found


def test_every_room_has_its_place():
    assert set(map(room, MODULES)) - {""} == set(RANKS)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_one_way(module):
    """From the verbs down to the ground floor, never back up."""
    upwards = {other for other in imported(module) if module and RANKS[room(other)] > RANKS[room(module)]}

    assert not upwards


def test_no_room_is_part_of_a_circle():
    """Those of one line may import from each other, one way."""
    left = rooms()
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]

    assert not left


@pytest.mark.parametrize("folder", PLUGINS)
def test_plugins_do_not_know_each_other(folder):
    """A plugin may be taken away, or copied to another machine, by itself."""
    names = {name.removeprefix(f"{folder}."): name for name in MODULES if name.startswith(f"{folder}.")}
    plugins = {full for name, full in names.items() if "." not in name and not name.startswith("_")}

    sideways = {module: sorted(imported(module) & plugins - {module}) for module in plugins}

    assert plugins
    assert not any(sideways.values()), sideways


def test_the_command_line_says_help_without_anything_slow():
    """`--help` answers as fast as Python starts: no numpy, no pydantic, no rich, no engine."""
    slow = ("numpy", "pydantic", "rich", "safetensors", "PIL", "tensorflow", "uv")
    code = f"import sys, toolkit.cli; print([name for name in {slow!r} if name in sys.modules])"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)

    assert found.stdout.strip() == "[]"


# What a worker imports: rooms and folders as a whole, and modules of rooms that the host is at home in too.
OF_WORKERS = (
    "comparison.user_metric",
    "confinement",
    "conversion.calibrate",
    "conversion.converters",
    "conversion.onnx",
    "conversion.schemes",
    "conversion.tflite",
    "diagnosis.worker",
    "engines",
    "execution.infer",
    "execution.machine",
    "execution.timing",
    "execution.runtimes",
    "samples.draw",
    "samples.lint",
    "samples.preprocess",
    "source.kinds",
    "source.loading",
    "source.reference",
    "tensors.endings",
    "weights.account",
    "weights.clipping",
    "wire",
)


def test_a_worker_needs_nothing_of_the_host():
    """What a worker imports exists in every engine's interpreter: the standard library, numpy and safetensors."""
    names = [
        name
        for name in sorted(MODULES)
        if any(name == one or name.startswith(f"{one}.") for one in OF_WORKERS) and name != "confinement.enclosed"
    ]
    code = (
        "import sys, importlib\n"
        f"for name in {names!r}: importlib.import_module('toolkit.' + name)\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'pydantic', 'typer', 'rich', 'platformdirs', 'tensorflow'}))\n"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)

    assert set(OF_WORKERS) <= set(MODULES)
    assert found.stdout.strip() == "[]"
