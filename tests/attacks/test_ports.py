"""A job that reaches a phone by adb's server gets that server's port, and nothing else of the network."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import toolkit
from toolkit.confinement import ability

pytestmark = pytest.mark.skipif(
    not ability().confines or ability().landlock < 4, reason=f"NOT TESTED: this kernel cannot allow a port: {ability()}"
)


@pytest.fixture(scope="module")
def reach(tmp_path_factory):
    """Return a function that tries with one port allowed, or with the network, and returns what stopped each attempt."""
    with socket.create_server(("127.0.0.1", 0)) as own, socket.create_server(("127.0.0.1", 0)) as other:

        def tried(*, narrow: bool) -> dict[str, str | None]:
            ports = (own.getsockname()[1] if narrow else 0, other.getsockname()[1])
            package, folder = Path(toolkit.__file__).parent, tmp_path_factory.mktemp("job")
            script = Path(__file__).with_name("reach_ports.py")
            command = [sys.executable, script, package, folder, *ports]
            ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, check=False)
            assert ended.returncode == 0, ended.stderr
            return json.loads(ended.stdout)

        yield tried


def test_one_port_is_all_that_is_reached(reach):
    """Neither another port, by any way that connects, nor a datagram, nor a socket of another kind, nor somebody from outside."""
    found = reach(narrow=True)

    assert found.pop("its port") is None
    assert len(found) == 9
    assert [name for name, stopped in found.items() if stopped is None] == []
    assert all("ermission" in str(stopped) for stopped in found.values())


def test_each_attempt_gets_through_with_the_network(reach):
    """Else the attempts would prove nothing. MPTCP and sending at once depend on the kernel's settings."""
    found = reach(narrow=False)

    settings = {"another port, by MPTCP", "another port, by sending", "another port, by a message"}
    assert {name for name, stopped in found.items() if stopped is not None} <= settings
