"""What `inspect` says before it starts anything."""

from __future__ import annotations

import pytest

from toolkit.errors import RequestError
from toolkit.verbs.inspect import inspect


def test_a_missing_artifact_is_said_to_be_missing(tmp_path):
    """And not to be none, whatever it is looked up for."""
    (tmp_path / "model.tflite").touch()

    with pytest.raises(RequestError, match=r"model.tflit: no such file or folder; did you mean '.*model\.tflite'"):
        inspect(tmp_path / "model.tflit", targets=["host"])
