"""Sessions of ONNX Runtime: what a build of the engine says of its providers is not believed before it has made the session."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from toolkit.engines.onnx.session import CPU, session
from toolkit.errors import TargetUnavailable

WANTED = "XnnpackExecutionProvider"


@pytest.fixture
def falling_back(monkeypatch):
    """Stand a build in for ONNX Runtime that names a provider, and takes the CPU nevertheless; the wheels that run here have no such provider."""
    levels = ("ALL", "EXTENDED", "BASIC")
    module = SimpleNamespace(
        get_available_providers=lambda: [WANTED, CPU],
        GraphOptimizationLevel=SimpleNamespace(
            **{f"ORT_ENABLE_{level}": level for level in levels}, ORT_DISABLE_ALL="NONE"
        ),
        SessionOptions=lambda: SimpleNamespace(add_session_config_entry=lambda *_: None),
        InferenceSession=lambda *_, **__: SimpleNamespace(get_providers=lambda: [CPU]),
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", module)


@pytest.mark.usefixtures("falling_back")
def test_a_provider_that_silently_becomes_the_cpu_is_no_run():
    with pytest.raises(TargetUnavailable, match=f"asked for {WANTED}, and would run on {CPU}"):
        session(b"", provider=WANTED)


@pytest.mark.usefixtures("falling_back")
def test_the_cpu_is_itself():
    assert session(b"").get_providers() == [CPU]
