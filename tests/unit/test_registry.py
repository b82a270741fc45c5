"""Plugins are files: what is in a folder can be named, and nothing else can be loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from toolkit import registry
from toolkit.errors import UnknownName


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty plugin folder `things` of a package of its own."""
    monkeypatch.setattr(registry, "_PACKAGE", tmp_path)
    (tmp_path / "things").mkdir()
    return tmp_path / "things"


def test_a_file_is_a_plugin(folder):
    """Adding one is one new file, and no list to edit."""
    for name in ("zebra.py", "apple.py"):
        (folder / name).touch()

    assert registry.names("things") == ("apple", "zebra")


@pytest.mark.parametrize("name", ["__init__.py", "_shared.py", "notes.md", "apple.py.orig", "old.apple.py", "2nd.py"])
def test_what_is_no_plugin_is_not_named(folder, name):
    """Private modules, the contract itself, and what editors leave behind."""
    (folder / name).touch()

    assert registry.names("things") == ()


def test_names_are_found_without_importing_anything():
    """Help texts and messages list names; they must not cost the plugins' imports."""
    code = "import sys; from toolkit import registry; registry.names('comparison/metrics'); print(*sys.modules)"

    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert "toolkit.registry" in modules
    assert not {"numpy", "pydantic", "toolkit.comparison.metrics"} & set(modules)


def test_a_plugin_is_loaded_by_its_name():
    """The module is the plugin."""
    assert registry.load("comparison/metrics", "max_abs").__name__ == "toolkit.comparison.metrics.max_abs"


def test_what_plugins_list_is_put_together():
    """What one of two schemes has alone is there, and what both have once."""
    dtypes = registry.union("conversion/schemes", "INPUT_DTYPES")

    assert list(dtypes) == sorted(set(dtypes))
    assert {"float32", "int16", "uint8"} <= set(dtypes)


def test_an_unknown_name_is_answered_with_the_closest():
    """The message says what kind of thing it is, what was meant, and what there is."""
    with pytest.raises(
        UnknownName, match=r"metric 'max_bas': unknown; did you mean 'max_abs'\? known: agreement, box_iou, "
    ):
        registry.load("comparison/metrics", "max_bas")


@pytest.mark.parametrize("name", ["__init__", "_power", "../errors", "max_abs.measure", ""])
def test_nothing_but_a_plugin_can_be_loaded(name):
    """Names come from users' files; an import must not follow them anywhere."""
    with pytest.raises(UnknownName):
        registry.load("comparison/metrics", name)
