"""Where a phone finds this machine: what is taken as an address or a name, and what is refused."""

from __future__ import annotations

import pytest

from toolkit.errors import RequestError
from toolkit.launchers.phones.address import listen, require_host


@pytest.mark.parametrize(
    "text", ["https://pc.example", "pc.example:8080", "pc.example/x", "", " ", "-pc", "pc..example", "p\xfc.example", "pc\n.example", "a" * 64]
)  # fmt: skip
def test_what_is_no_name_is_refused(text):
    """Else the code would lead a phone to nowhere."""
    with pytest.raises(RequestError, match="--host"):
        require_host(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("PC.Example", "pc.example"),
        ("pc", "pc"),
        ("xn--p-2fa.example", "xn--p-2fa.example"),
        ("192.168.1.20", "192.168.1.20"),
        ("FE80::1", "fe80::1"),
    ],
)
def test_a_name_is_as_browsers_send_it(text, name):
    """They make it small before they put it into the header Host."""
    assert require_host(text) == name


def test_an_address_of_another_machine_is_said_to_be_one():
    """Another port does not help (RFC 5737: nobody has this address)."""
    with pytest.raises(RequestError) as told:
        listen("192.0.2.1", 0)

    assert "--address" in str(told.value.hint)
    assert "port" not in str(told.value.hint)
