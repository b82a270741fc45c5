"""The code that a job's key is made of: all that its worker runs, and nothing else."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from toolkit.jobs.import_closure import PACKAGE, WORKER, import_closure, source
from toolkit.jobs.job import Engine, Job

pytestmark = pytest.mark.once

MODULES = frozenset(
    ".".join(("toolkit", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
)
# Whoever imports by a name that is put together while it runs. Modules of ours are in a closure then only if a job has them among its plugins.
BY_NAME = {
    "toolkit": "a verb, for whoever uses the package; no worker does",
    "toolkit.registry": "a plugin, on the host",
    "toolkit.jobs.worker_child": "a job's module, which is what the closure is of",
    "toolkit.jobs.worker_main": "a job's module and its plugins, which are what the closure is of; packages of the engine",
    "toolkit.conversion.calibrate": "a runtime or an estimator, of the plugins",
    "toolkit.diagnosis.worker.layer_drift": "a runtime, of the plugins",
    "toolkit.conversion.tflite.moments": "a runtime, of the plugins",
    "toolkit.execution.infer": "a runtime, of the plugins",
    "toolkit.execution.arena": "a runtime, of the plugins",
    "toolkit.execution.probe": "a runtime, of the plugins",
    "toolkit.execution.timing": "a runtime, of the plugins",
    "toolkit.engines.kept_scheme": "a scheme, of the plugins",
    "toolkit.samples.lint": "a lint, of the plugins",
    "toolkit.conversion.onnx.audit": "a scheme, of the plugins",
    "toolkit.source.reference": "a kind of source, of the plugins",
    "toolkit.samples.sample_set": "a reader, of the plugins",
    "toolkit.conversion.tflite.audit": "a scheme, of the plugins; a package of the engine",
    "toolkit.engines.tflite.packed": "a package of the engine",
    "toolkit.source.loading.keras_models.config": "Keras, as the model's class has it",
    "toolkit.source.loading.variables.renaming": "a reader of TOML",
    "toolkit.source.kinds._keras_file": "Keras, whichever is there",
    "toolkit.launchers.emulation.known_answer.check": "an engine",
    "toolkit.wire.user_function": "the user's",
}
# Whoever asks where it lies, and reads no file beside itself.
NOT_A_READER = {
    "source.loading.builder": "to tell the toolkit's files from the user's",
    "confinement.processes": "to start another Python",
    "confinement.enclosed": "to be imported from",
    "jobs.worker_main": "to be imported from",
    "wire.user_function": "to tell the toolkit's frames from the user's",
}


@functools.cache
def parsed(name: str) -> ast.Module:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return ast.parse(
        (path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py").read_text()
    )


def imports(name: str) -> set[str]:
    """Return the modules of ours that a module imports while it runs, with the packages around them and itself, as Python's parser finds them."""
    tree = parsed(name)
    tree.body = [
        node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    found = {name}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import is not seen"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {
        ".".join(each.split(".")[:end]) for each in found if each in MODULES for end in range(1, each.count(".") + 2)
    }


def test_what_a_module_imports_is_what_pythons_parser_finds():
    """Also inside functions, over several lines, under another name; not what is for type checkers alone."""
    other = {name: source(name).imports ^ imports(name) for name in MODULES}

    assert {name: names for name, names in other.items() if names} == {}


def test_imports_by_name_are_known():
    """What is imported by a name that is put together is in no closure by itself, so whoever does it stands in the list above."""
    elsewhere = re.compile(r"f?['\"](?!toolkit\b)\w+[.'\"]")  # a constant, or at least a package that is not ours
    found = set()
    for name in MODULES:
        calls = [node for node in ast.walk(parsed(name)) if isinstance(node, ast.Call)]
        by_name = [
            call for call in calls if ast.unparse(call.func).rpartition(".")[2] in ("import_module", "__import__")
        ]
        if any(elsewhere.match(ast.unparse(call.args[0])) is None for call in by_name):
            found.add(name)

    assert found == BY_NAME.keys()


def top_imports(name: str) -> set[str]:
    """Return what a module imports when it is imported: outside of functions, and not for type checkers."""
    nodes = [node for node in parsed(name).body if not isinstance(node, ast.If)]
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def worker_modules() -> list[str]:
    """Return what can be a job's module or plugin."""
    rooms = (
        *("comparison.user_metric", "confinement", "conversion.calibrate", "conversion.onnx", "conversion.tflite"),
        *("diagnosis.worker", "engines", "execution.infer", "samples.draw", "samples.lint", "samples.preprocess"),
        *("source.reference", "source.loading", "weights.account", "weights.clipping", "wire"),
        *("conversion.converters", "conversion.estimators", "conversion.quantizers", "conversion.schemes"),
        *("execution.runtimes", "samples.lints", "samples.readers", "source.kinds"),
    )
    names = [name.removeprefix("toolkit.") for name in MODULES]
    within = [name for name in names if any(name == room or name.startswith(f"{room}.") for room in rooms)]
    return [name for name in within if not name.rpartition(".")[2].startswith("_")]


def test_a_module_that_asks_where_it_lies_declares_what_it_reads_there():
    """A file that nobody declares is in no key."""
    found = {
        name.removeprefix("toolkit.")
        for name in import_closure(worker_modules()).modules
        if any(isinstance(node, ast.Name) and node.id == "__file__" for node in ast.walk(parsed(name)))
    }

    assert {name for name in found if len(source(f"toolkit.{name}").files) == 1} == NOT_A_READER.keys()


def test_a_data_file_is_read_by_its_declared_name():
    """A list that is declared and not there would be noticed by the first job."""
    files = source("toolkit.source.loading.operators").files

    assert files.keys() == {"source/loading/operators.py", "source/loading/operators.txt"}


@pytest.fixture
def edited(tmp_path):
    """Call with a file of the package and modules; returns their digests before and after a line is added to the file."""

    def edit(file: str, *modules: str) -> tuple[str, str]:
        package = tmp_path / "toolkit"
        shutil.copytree(PACKAGE, package, copy_function=os.link, ignore=shutil.ignore_patterns("__pycache__", "sample"))
        (package / file).unlink()
        (package / file).write_text((PACKAGE / file).read_text() + "# changed\n")
        return import_closure(modules).digest, import_closure(modules, package).digest

    return edit


@pytest.mark.parametrize(
    ("file", "modules", "why"),
    [
        ("wire/subset.py", ["wire.subset"], "the module itself"),
        ("wire/shards.py", ["wire.subset"], "what it imports"),
        ("files/shapes.py", ["wire.subset"], "what that imports"),
        ("wire/__init__.py", ["wire.subset"], "a package around it"),
        ("__init__.py", ["wire.subset"], "the package around all"),
        ("execution/runtimes/litert.py", ["execution.infer", "execution.runtimes.litert"], "the plugin"),
        ("engines/tflite/interpreter.py", ["execution.infer", "execution.runtimes.litert"], "what the plugin imports"),
        ("source/loading/keras_models/optimized.py", ["source.kinds.keras_file"], "what is imported in a function"),
        ("source/loading/operators.txt", ["source.reference"], "a data file"),
        ("jobs/worker_main.py", ["conversion.schemes.float32"], "the worker"),
        ("jobs/worker_child.py", ["conversion.schemes.float32"], "the process of a job"),
        ("confinement/seccomp.py", ["conversion.schemes.float32"], "what confines a job"),
        ("confinement/enclosed.py", ["conversion.schemes.float32"], "what confines an emulated one"),
        ("errors.py", ["conversion.schemes.float32"], "what the worker imports in a function"),
    ],
)
def test_an_edit_inside_changes_the_key(edited, file, modules, why):
    """Each way in which code is part of a job's; `worker.main` and confinement are of every job's."""
    before, after = edited(file, *modules)

    assert before != after, why


@pytest.mark.parametrize(
    ("file", "modules"),
    [
        ("engines/tflite/file.py", ["samples.draw", "samples.readers.images"]),
        ("engines/tflite/file.py", ["source.reference", "source.kinds.saved_model"]),
        ("execution/runtimes/onnxruntime.py", ["execution.infer", "execution.runtimes.litert"]),
        ("conversion/estimators/mse.py", ["conversion.calibrate", "execution.runtimes.litert"]),
        ("source/loading/keras_models/vetting.py", ["execution.infer", "execution.runtimes.litert"]),
        ("source/loading/operators.txt", ["execution.infer", "execution.runtimes.litert"]),
        ("jobs/executor.py", ["execution.infer", "execution.runtimes.litert"]),
        ("report/wording.py", ["source.reference", "source.kinds.saved_model"]),
    ],
)
def test_an_edit_outside_leaves_the_key(edited, file, modules):
    """A line of a TFLite reader makes nobody read samples or run the original again."""
    before, after = edited(file, *modules)

    assert before == after


def test_a_module_that_is_not_there_is_an_error():
    """A key without the code of a plugin would be a key without a part."""
    with pytest.raises(ModuleNotFoundError, match=r"toolkit\.readers\.missing"):
        import_closure(["samples.draw", "readers.missing"])


def test_top_level_imports_of_each_module_are_in_its_closure():
    """As the interpreter itself has them: each module is imported alone, and all that came with it is in the closure."""
    code = (
        "import importlib, json, os, sys\n"
        "import numpy, safetensors.numpy\n"
        "found = {}\n"
        "for name in sys.argv[1:]:\n"
        "    reading, writing = os.pipe()\n"
        "    if os.fork() == 0:\n"
        "        try: importlib.import_module('toolkit.' + name)\n"
        "        except ImportError as error: assert not str(error.name).startswith('toolkit'), error\n"
        "        os.write(writing, '\\n'.join(sorted(name for name in sys.modules if name.partition('.')[0] == 'toolkit')).encode())\n"
        "        os._exit(0)\n"
        "    os.close(writing)\n"
        "    with open(reading) as file: found[name] = file.read().split()\n"
        "    assert os.wait()[1] == 0, name\n"
        "print(json.dumps(found))\n"
    )
    names = [name for name in worker_modules() if name not in WORKER]

    ran = subprocess.run(
        [sys.executable, "-c", code, *names], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )

    for name, modules in json.loads(ran.stdout).items():
        assert modules, name
        assert set(modules) <= set(import_closure([name]).modules), name


def test_a_worker_imports_ahead_all_that_a_job_may_need():
    """A confined job cannot write bytecode, so what it imports for itself costs each job again; the worker's own programs begin only once."""
    job = Job("inspecting", "source.kinds.saved_model", "inspect", Engine("tensorflow", preload=False))

    assert {"source.kinds.saved_model", "source.kinds._saved_model", "source.loading.graphs.endings"} <= set(job.ahead)
    assert {f"toolkit.{name}" for name in (*job.ahead, *WORKER)} | {"toolkit"} == set(job.code.modules)
    assert not set(job.ahead) & set(WORKER)


def test_no_module_imports_an_engine_when_it_is_imported():
    """A worker imports them all, in the interpreter of another engine too, and one that does not import it first."""
    engines = (
        "tensorflow",
        "ai_edge_litert",
        "tflite_runtime",
        "onnx",
        "onnxruntime",
        "litert_quantizer",
        "h5py",
        "keras",
        "PIL",
    )
    at_top = {
        name: [each for each in top_imports(name) if each.partition(".")[0] in engines]
        for name in import_closure(worker_modules()).modules
    }

    assert {name: found for name, found in at_top.items() if found} == {}
