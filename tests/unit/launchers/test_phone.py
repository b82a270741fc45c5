"""The launcher of phones: what it refuses, and what it says where no phone is; no browser, no network."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import threading

import numpy as np
import pytest

from toolkit import profiles
from toolkit.errors import RequestError, TargetUnavailable, WorkerLied
from toolkit.launchers import phone as launcher
from toolkit.launchers.phones import address, dial
from toolkit.launchers.phones.local_line import LocalLine
from toolkit.launchers.phones.pairing import Pairing
from toolkit.launchers.phones.phone import Phone
from toolkit.settings import Settings
from toolkit.wire.phone import FOLDER, LINE, SOCKET, Ended, open_channel, pack, receive, send, unpack

WASM = {"accelerator": "wasm"}


@pytest.fixture
def settings(tmp_path):
    return Settings(tmp_path / "home", offline=True)


@pytest.fixture
def line(settings, monkeypatch):
    """Return a local line to a phone that nobody opened, and have this process be a worker with it."""
    phone = Phone(Pairing(), lambda line: None)
    served = LocalLine(
        settings.home, phone, lambda: {"phone": phone.pairing.number, "facts": phone.pairing.facts, "url": "http://x/"}
    )
    own = dial.connect(str(settings.home / FOLDER), SOCKET)
    monkeypatch.setenv(LINE, str(own.fileno()))
    yield served
    own.close()
    served.close()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "option 'accelerator': missing; known: wasm"),
        ({"accelerator": "webgpu"}, "accelerator 'webgpu': unknown; known: wasm"),
        ({**WASM, "wait": 3}, "option 'wait': unknown; did you mean 'wait_s'"),
        ({**WASM, "wait_s": 0}, "wait_s 0: expected a number of seconds above 0"),
        ({**WASM, "wait_s": float("nan")}, "wait_s nan: expected a number of seconds above 0"),
        ({**WASM, "wait_s": True}, "wait_s True: expected a number of seconds above 0"),
        ({**WASM, "wait_s": "5"}, "wait_s '5': expected a number of seconds above 0"),
    ],
)
def test_options_are_checked(options, says):
    with pytest.raises(RequestError, match=re.escape(f"launcher phone: {says}")):
        launcher.require_options(options)


def test_a_machine_without_serve_device_is_told_how(settings):
    with pytest.raises(TargetUnavailable, match=r"^launcher phone: no phone is served on this machine") as caught:
        launcher._ask(settings)

    assert "edge-toolkit serve-device" in caught.value.hint


def test_a_phone_that_has_not_opened_the_page_is_waited_for_by_people(settings, line):
    with pytest.raises(TargetUnavailable, match="no phone has opened its page yet") as caught:
        launcher._ask(settings)

    assert caught.value.hint == "open it on the phone: http://x/"


def test_a_second_serve_device_is_refused(settings, line):
    """Builds would not know which."""
    with pytest.raises(TargetUnavailable, match="it runs already"):
        LocalLine(settings.home, Phone(Pairing(), lambda text: None), dict)


def test_only_this_user_reaches_the_phone(settings, line):
    assert (settings.home / FOLDER).stat().st_mode & 0o777 == 0o700


def test_the_profile_is_of_this_launcher():
    found = profiles.find("phone-browser")

    assert (found.runtime.launcher, found.runtime.name) == ("phone", "litert_web")
    assert str(found.verification) == "executed on the phone that opened the page"
    assert launcher.version("litert") == found.runtime.version


def test_a_worker_without_a_line_is_no_phones(monkeypatch):
    monkeypatch.delenv(LINE, raising=False)

    with pytest.raises(RequestError, match="its launcher is phone"):
        open_channel()


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 16, b"\xff" * 8, b"\xff" * 40, b"\x02\0\0\0\0\0\0\0{}"[:9], b"\x02\0\0\0\0\0\0\0[]"]
)
def test_what_is_no_frame_ends_the_channel(content):
    """Cut, too large, or no table."""
    one, other = socket.socketpair()
    with one, other:
        one.sendall(content)
        one.shutdown(socket.SHUT_WR)
        with pytest.raises(Ended):
            receive(other)


def test_frames_come_as_they_went():
    one, other = socket.socketpair()
    with one, other:
        body = bytes(range(256)) * 10_000
        thread = threading.Thread(target=send, args=(one, {"do": "call"}, body))
        thread.start()
        assert receive(other) == ({"do": "call"}, body)
        thread.join()


def test_an_end_that_has_all_may_be_gone():
    """It may answer and end as soon as the header is there; a frame without a body sends nothing after it."""
    one, other = socket.socketpair()
    with one:
        sent = []
        first = one.sendall

        class Watched:
            def sendall(self, content: bytes) -> None:
                sent.append(content)
                first(content)
                other.close()

        send(Watched(), {"do": "about"})

    assert len(sent) == 1


def test_arrays_come_as_they_went():
    arrays = {"0/y": np.array([np.nan, -0.0], np.float32), "1/y": np.zeros((0, 3), np.int32), "b": np.array(True)}

    found, told = unpack(pack(arrays, {"number": "1"}), "the phone")

    assert told == {"number": "1"}
    assert {name: (each.dtype, each.shape, each.tobytes()) for name, each in found.items()} == {
        name: (each.dtype, each.shape, each.tobytes()) for name, each in arrays.items()
    }


@pytest.mark.parametrize("cut", [0, 5, 20, -1])
def test_arrays_that_are_not_whole_are_none(cut):
    with pytest.raises(WorkerLied, match=r"^the phone: sent .* that are no arrays"):
        unpack(pack({"y": np.ones(3, np.float32)}, {})[:cut], "the phone")


@pytest.mark.parametrize("text", ["0.0.0.0", "::", "224.0.0.1"])  # noqa: S104 (refused)
def test_an_address_that_stands_for_many_is_refused(text):
    """Nobody serves to all networks of this machine without saying each."""
    with pytest.raises(RequestError, match="stands for many addresses"):
        address.require_address(text)


@pytest.mark.parametrize("text", ["", "localhost", "192.168.1", "192.168.1.20:80"])
def test_an_address_that_is_none_is_refused(text):
    with pytest.raises(RequestError, match="is no address; expected one as"):
        address.require_address(text)


def test_a_port_that_is_taken_is_said():
    with (
        address.listen("127.0.0.1", 0) as taken,
        pytest.raises(RequestError, match=r"cannot listen there \(Address already in use\)"),
    ):
        address.listen("127.0.0.1", taken.getsockname()[1])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return a certificate, its key, and a key with a password."""
    folder = tmp_path_factory.mktemp("certificate")
    cert, key, closed = folder / "cert.pem", folder / "key.pem", folder / "closed.pem"
    make = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=x",
    )
    subprocess.run([*make, "-keyout", key, "-out", cert], check=True, capture_output=True)
    subprocess.run(
        ["openssl", "ec", "-in", key, "-out", closed, "-aes128", "-passout", "pass:secret"],
        check=True,
        capture_output=True,
    )
    return cert, key, closed


def test_a_certificate_needs_its_key(certificate, tmp_path):
    """Each mistake in words; nothing asks for a password at the terminal."""
    cert, key, closed = certificate
    assert address.read_certificate(None, None) is None
    assert isinstance(address.read_certificate(cert, key), ssl.SSLContext)
    for given, says in (
        ((cert, None), "expected both, or neither"),
        ((cert, tmp_path / "none.pem"), "no such file"),
        ((key, cert), "are no certificate with its key"),
        ((cert, closed), "are no certificate with its key"),
    ):
        with pytest.raises(RequestError, match=says):
            address.read_certificate(*given)
