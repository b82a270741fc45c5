"""What the docstring of each plugin folder promises, held against every file in it."""

from __future__ import annotations

import importlib
import inspect
import json
from dataclasses import is_dataclass, replace
from pathlib import Path

import pytest

from toolkit import environments, registry
from toolkit.environments.requirements import read_requirements
from toolkit.jobs.job import Engine, Job, key
from toolkit.verdict.chain import ON_DEVICE


def plugins(folder: str):
    return pytest.mark.parametrize(
        "plugin", [pytest.param(registry.load(folder, name), id=name) for name in registry.names(folder)]
    )


def arguments(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)


FOLDERS = (
    "bundle/packagers",
    "comparison/metrics",
    "comparison/task_metrics",
    "conversion/converters",
    "conversion/estimators",
    "conversion/quantizers",
    "conversion/schemes",
    "execution/runtimes",
    "launchers",
    "report/formats",
    "samples/readers",
    "source/kinds",
)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_plugin_says_what_it_is_for(folder):
    """Its docstring is what people read in place of a list."""
    for name in registry.names(folder):
        assert (registry.load(folder, name).__doc__ or "").strip().endswith((".", ":", "|")), name
    assert registry.names(folder)


@plugins("execution/runtimes")
def test_a_runtime_loads_models_of_its_formats(plugin):
    """One verb: load(model, options)."""
    assert plugin.FORMATS
    assert all(isinstance(name, str) for name in plugin.FORMATS)
    assert plugin.ENVIRONMENT in environments.names() or read_requirements(plugin.ENVIRONMENT).yours
    assert getattr(plugin, "KERNELS", None) in (None, *registry.names("execution/runtimes"))
    assert arguments(plugin.load) == ["model", "options"]


@plugins("execution/runtimes")
def test_a_runtime_with_a_delegate_has_stages_for_it(plugin):
    """Each with kernels of its own, and a runtime that has the same kernels without the delegate."""
    steps = getattr(plugin, "STEPS", {})
    assert set(steps) <= set(ON_DEVICE)
    assert len(set(steps.values())) == len(steps)
    assert not steps or plugin.KERNELS in registry.names("execution/runtimes")


@plugins("execution/runtimes")
def test_a_runtime_that_nothing_executes_is_estimated(plugin):
    """By a module that a job calls; only a launcher that executes nothing has it, and its verdicts stay open."""
    name = plugin.__name__.rpartition(".")[2]
    launchers = [registry.load("launchers", each) for each in registry.names("launchers")]
    static = [each for each in launchers if name in getattr(each, "RUNTIMES", ()) and getattr(each, "STATIC", False)]

    assert bool(static) is hasattr(plugin, "ESTIMATE")
    if static:
        assert arguments(importlib.import_module(f"toolkit.{plugin.ESTIMATE}").estimate) == ["request"]
        assert plugin.KERNELS in registry.names("execution/runtimes")


@plugins("conversion/schemes")
def test_a_scheme_says_what_it_makes_and_who_can_make_it(plugin):
    """Weights, activations, whether it is calibrated, which dtypes an application may ask for, and what each quantizer is told."""
    assert plugin.WEIGHTS in ("float32", "float16", "int8", "int4")
    assert plugin.ACTIVATIONS in ("float32", "int8", "int16")
    assert isinstance(plugin.CALIBRATED, bool)
    assert "float32" in plugin.INPUT_DTYPES
    assert (plugin.ACTIVATIONS != "float32") is (len(plugin.INPUT_DTYPES) > 1)
    assert set(plugin.QUANTIZERS) <= set(registry.names("conversion/quantizers"))
    assert json.loads(json.dumps(plugin.QUANTIZERS)) == plugin.QUANTIZERS
    for table in (getattr(plugin, "WITHIN_16_BITS", {}), getattr(plugin, "BY_MOMENTS", {})):
        assert set(table) <= set(plugin.QUANTIZERS)
        assert all(tellings for tellings in table.values())
        assert json.loads(json.dumps(table)) == table


@plugins("conversion/quantizers")
def test_a_quantizer_quantizes(plugin):
    """One call; the format, the environment, and what it needs are known beforehand."""
    assert plugin.FORMAT in registry.names("conversion/converters")
    assert plugin.ENGINE in environments.names()
    assert plugin.TAKES in ("artifact", "saved_model")
    assert isinstance(plugin.CALIBRATES, bool)
    assert isinstance(plugin.FALLBACK, bool)
    assert arguments(plugin.quantize) == ["request"]


@plugins("conversion/estimators")
def test_an_estimator_estimates(plugin):
    """From statistics and its own parameters, which all have defaults; the converter's own has none."""
    assert plugin.NEEDS in ("extremes", "histogram", "converter")
    assert is_dataclass(plugin.Parameters)
    plugin.Parameters()
    if plugin.NEEDS != "converter":
        assert arguments(plugin.estimate) == ["statistics", "parameters"]


@plugins("conversion/converters")
def test_a_converter_converts_and_looks_into_files(plugin):
    """Two calls, the suffix of the file that it writes, and where it runs."""
    assert plugin.SUFFIX.startswith(".")
    assert plugin.ENGINE in environments.names()
    assert plugin.HOST_RUNTIME in registry.names("execution/runtimes")
    packs = getattr(plugin, "PACKS", None)
    makes = plugin.convert if packs is None else plugin.pack
    assert packs is None or not hasattr(registry.load("conversion/converters", packs), "PACKS")
    assert arguments(makes) == arguments(plugin.inspect) == ["request"]


@plugins("source/kinds")
def test_a_source_kind_looks_and_loads(plugin, tmp_path):
    """An empty folder and a missing path are of no kind."""
    assert arguments(plugin.inspect) == arguments(plugin.load) == ["request"]
    assert arguments(plugin.locate) == ["path", "step"]
    assert not plugin.recognize(tmp_path)
    assert not plugin.recognize(Path("missing"))


@plugins("launchers")
def test_a_launcher_prepares(plugin):
    """What it is, how to start, whether it could at once, and what doctor shows."""
    assert all(isinstance(said, bool) for said in (plugin.HOST, plugin.EMULATED, plugin.TIMED))
    assert not (plugin.EMULATED and (plugin.HOST or plugin.TIMED))
    assert not (getattr(plugin, "STATIC", False) and (plugin.HOST or plugin.TIMED or plugin.EMULATED))
    assert all(callable(step) for step in plugin.SETUP)
    assert not {plugin.__name__.rpartition(".")[2]} & set(environments.names())
    assert arguments(plugin.features) == arguments(plugin.means) == ["options"]
    assert plugin.means({}).strip()
    assert arguments(plugin.prepare) == arguments(plugin.ready) == ["environment", "options", "settings"]
    assert arguments(plugin.status) == ["settings"]
    alone = getattr(plugin, "RUNTIMES", ())
    assert [name for name in alone if not hasattr(registry.load("execution/runtimes", name), "KERNELS")] == []


@pytest.mark.parametrize("part", ["module", "plugins", "options", "input", "engine"])
def test_a_key_changes_with_whatever_could_change_the_answer(part, monkeypatch):
    """Otherwise an old answer would be taken for a new question."""
    job = Job("x", "execution.infer", "run", Engine("litert"), options={"a": 1}, plugins=("execution.runtimes.litert",))
    before = key(job, "engine 1", {"model": "1"})
    changed = {
        "module": (replace(job, module="source.reference"), "engine 1", {"model": "1"}),
        "plugins": (replace(job, plugins=("execution.runtimes.fake",)), "engine 1", {"model": "1"}),
        "options": (replace(job, options={"a": 2}), "engine 1", {"model": "1"}),
        "input": (job, "engine 1", {"model": "2"}),
        "engine": (job, "engine 2", {"model": "1"}),
    }

    assert key(*changed[part]) != before
    assert key(replace(job, title="y"), "engine 1", {"model": "1"}) == before
