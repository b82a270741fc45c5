"""Mistakes of a request that need no model to be seen: all at once, and before anything runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import toolkit
from toolkit import Original, Samples
from toolkit.errors import InvalidConfig, InvalidSamples, RequestError, all_at_once
from toolkit.experiments.sweep import sweep
from toolkit.settings import Settings
from toolkit.verbs.convert import convert
from toolkit.verbs.debug import debug, locate
from toolkit.verbs.lint import lint
from toolkit.verbs.run import run


class Untouched:
    """An executor that must not be asked for anything: what would run is an error of the test."""

    settings = Settings()

    def __getattr__(self, name: str):
        raise AssertionError(f"the executor was asked: {name}")


MODEL = Original(Path("model.keras"))
VERBS = {
    "build": lambda samples: toolkit.build(MODEL, ["host"], samples, Path("dist"), executor=Untouched()),
    "convert": lambda samples: convert(MODEL, "static_wi8_ai8", samples, Path("out.tflite"), executor=Untouched()),
    "verify": lambda samples: toolkit.verify(Path("model.tflite"), MODEL, ["host"], samples, executor=Untouched()),
    "sweep": lambda samples: sweep(MODEL, ["host"], samples, executor=Untouched()),
    "lint": lambda samples: lint(MODEL, samples, executor=Untouched()),
    "debug": lambda samples: debug(Path("model.tflite"), MODEL, samples, executor=Untouched()),
    "locate": lambda samples: locate(Path("model.tflite"), MODEL, samples, executor=Untouched()),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return an empty current folder with one good set in it."""
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "digits.npz", image=np.zeros((2, 2)))
    (tmp_path / "model.keras").touch()
    return tmp_path


@pytest.mark.parametrize("verb", VERBS)
def test_all_mistakes_of_the_sets_come_at_once_and_before_anything_runs(here, verb):
    """A model may take a minute to load: a misspelt set, a recipe and a file that is not there must not wait for it, nor for each other."""
    (here / "mine.toml").write_text('[reader]\nkind = "arrays"\npath = "digit.npz"\n[preprocess]\nscal = 2.0\n')
    (here / "limits.toml").write_text("limts = []\n")
    samples = Samples("digts.npz", "mine.toml", limits=Path("limits.toml"), task_metrics=("accurcy",))

    with pytest.raises(RequestError) as caught:
        VERBS[verb](samples)

    for says in (
        "there is no 'digts.npz'; did you mean 'digits.npz'?",
        "mine.toml: preprocess.scal: unknown key; did you mean 'scale'?",
        "limits.toml: limts: unknown key",
        "'accurcy'",
    ):
        assert says in str(caught.value)
    assert caught.value.exit_status == 2


def test_files_of_both_recipes_are_looked_for_at_once(here):
    """One line for each that is not there."""
    for name in ("a", "b"):
        (here / f"{name}.toml").write_text(f'[reader]\nkind = "arrays"\npath = "{name}.npz"\n')

    with pytest.raises(RequestError) as caught:
        VERBS["build"](Samples({"one": "a.toml"}, {"one": "b.toml"}))

    assert [line.partition(":")[0] for line in caught.value.problem.splitlines()] == ["a.toml", "b.toml"]


@pytest.mark.parametrize("verb", ["build", "convert", "sweep", "lint"])
@pytest.mark.parametrize("evaluation", [None, "digits.npz"])
def test_a_calibration_set_that_is_missing_is_missed_before_anything_runs(here, verb, evaluation):
    """A scheme that takes its ranges from a set is known without the model."""
    with pytest.raises(InvalidSamples, match="--calibration"):
        VERBS[verb](Samples(None, evaluation))


def test_a_run_looks_for_its_set_before_it_looks_at_the_artifact(here):
    """It has one set, by another name."""
    with pytest.raises(RequestError, match=r"did you mean 'digits\.npz'"):
        run(Path("model.tflite"), "host", "digts.npz", Path("out.npz"), executor=Untouched())


@pytest.mark.parametrize("verb", ["build", "verify", "sweep"])
def test_targets_sets_and_the_model_are_told_together(here, verb):
    """Three slips of one command line are one message."""
    model, samples = Original(Path("modl.keras")), Samples("digts.npz")
    call = {
        "build": lambda: toolkit.build(model, ["hots", "raspbery-pi-4"], samples, Path("dist"), executor=Untouched()),
        "verify": lambda: toolkit.verify(
            Path("m.tflite"), model, ["hots", "raspbery-pi-4"], samples, executor=Untouched()
        ),
        "sweep": lambda: sweep(model, ["hots", "raspbery-pi-4"], samples, executor=Untouched()),
    }

    with pytest.raises(RequestError) as caught:
        call[verb]()

    for says in (
        "'hots': unknown; did you mean 'host'?",
        "'raspbery-pi-4': unknown; did you mean 'raspberry-pi-4'?",
        "did you mean 'digits.npz'?",
        "modl.keras: no such file or folder; did you mean 'model.keras'?",
    ):
        assert says in str(caught.value)


@pytest.mark.parametrize("verb", ["build", "verify", "sweep"])
def test_files_that_profiles_name_are_looked_at_before_anything_runs(here, verb):
    """All of them at once, each with the profile that names it: of several phones nobody knows else which program is missing."""
    for name in ("one", "two"):
        options = f'[runtime]\noptions = {{ binary = "/no/such/{name}" }}\n'
        (here / f"{name}.toml").write_text(
            f'name = "{name}"\nabout = "a phone"\nextends = "base-android-adb"\n{options}'
        )
    targets, samples = ["./one.toml", "host", "two.toml"], Samples("digits.npz")
    call = {
        "build": lambda: toolkit.build(MODEL, targets, samples, Path("dist"), executor=Untouched()),
        "verify": lambda: toolkit.verify(Path("m.tflite"), MODEL, targets, samples, executor=Untouched()),
        "sweep": lambda: sweep(MODEL, targets, samples, executor=Untouched()),
    }

    with pytest.raises(RequestError) as caught:
        call[verb]()

    assert caught.value.problem.splitlines() == [
        "./one.toml: runtime: launcher adb: binary '/no/such/one': no such file",
        "two.toml: runtime: launcher adb: binary '/no/such/two': no such file",
    ]
    assert "benchmark_model" in caught.value.hint


def test_each_hint_stands_below_its_own_problem():
    """A hint at the end would be taken for one of whatever stands before it; one that all have is given once."""
    first, second = InvalidSamples("a: is wrong", "mend a"), InvalidSamples("b: is wrong", "mend b")

    apart = all_at_once([first, second, InvalidSamples("c: is wrong"), first])
    alike = all_at_once([first, InvalidSamples("b: is wrong", "mend a")])
    mixed = all_at_once([first, InvalidConfig("c.toml", ["d: missing"])])

    assert str(apart).splitlines() == [
        "a: is wrong",
        "    hint: mend a",
        "b: is wrong",
        "    hint: mend b",
        "c: is wrong",
    ]
    assert str(alike).splitlines() == ["a: is wrong", "b: is wrong", "  hint: mend a"]
    assert (type(apart), type(mixed), mixed.exit_status) == (InvalidSamples, RequestError, 2)
    assert all_at_once([second]) is second
