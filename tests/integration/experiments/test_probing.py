"""Real runtimes are asked about a handful of operators, and their stored tables say the same."""

from __future__ import annotations

import pytest

from toolkit.execution.run import Execution
from toolkit.experiments.probing import probed
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.profiles import capabilities
from toolkit.settings import Settings

OPERATORS = ("ADD", "CONV_2D", "DEQUANTIZE", "DILATE", "FULLY_CONNECTED", "SOFTMAX")


@pytest.fixture(scope="module")
def executor(home):
    """Return workers in this machine's environments."""
    with LocalExecutor(Settings(home=home)) as made:
        yield made


@pytest.mark.parametrize(("runtime", "version"), [("litert", "2.3.0"), ("tflite_runtime", "2.14.0")])
def test_a_stored_table_says_what_the_runtime_says(runtime, version, executor):
    """Versions and combinations of dtypes, one by one; the tables were made on another machine perhaps."""
    stored = capabilities.find(runtime, version)

    found = probed(runtime, version, Execution(Engine(runtime), runtime), "tflite", executor, OPERATORS).table

    assert found.engine == stored.engine
    assert found.custom == stored.custom
    for name in OPERATORS:
        assert found.operators[name] == stored.operators[name]
    assert not found.operators["DILATE"].versions or runtime == "litert"
