"""The table `[weights]` of a profile, and the file of limits that it is laid over."""

from __future__ import annotations

import pytest

from toolkit import config
from toolkit.errors import InvalidConfig
from toolkit.profiles.weight_limits import Weights


def test_a_reason_is_required(tmp_path):
    path = tmp_path / "weights.toml"
    path.write_text('steps = { limit = 3 }\n[[accepted]]\ntensor = "a"\n[[accepted]]\ntensor = "a"\nbecause = " "')

    with pytest.raises(InvalidConfig) as caught:
        config.load(path, Weights)

    assert caught.match(r"steps\.because: missing")
    assert caught.match(r"accepted\[0\]\.because: missing")
