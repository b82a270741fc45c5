"""Where a phone finds this machine: the address that it listens at, and the certificate that it shows."""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
import ssl
from pathlib import Path

from toolkit.errors import RequestError, TargetUnavailable

_SOMEWHERE = ("192.0.2.1", 9)  # RFC 5737: of documentation; choosing a way there sends nothing
_HOST = re.compile(
    r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*"
)  # RFC 1123, 2.1; other letters are punycode's, xn--...
_LONGEST_HOST = 253  # RFC 1035, 2.3.4, without the last dot
_NAME_IT = "name the address of this machine that the phone reaches: --address ADDRESS (`ip -brief address` lists them)"


def default_address() -> str:
    """Return the address that this machine has in its network; TargetUnavailable where it has none, or only one of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_SOMEWHERE)
            address = str(probe.getsockname()[0])
        except OSError as error:
            raise TargetUnavailable(
                f"serve-device: this machine has no way to a network ({error.strerror})", _NAME_IT
            ) from error
    if ipaddress.ip_address(address).is_unspecified:
        raise TargetUnavailable("serve-device: this machine has no address in a network", _NAME_IT)
    return address


def require_address(text: str) -> str:
    """Return a given address; RequestError for a text that is none, and for one that stands for all addresses of this machine."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise RequestError(f"--address {text!r}: is no address; expected one as 192.168.1.20", _NAME_IT) from None
    if address.is_unspecified or address.is_multicast:
        raise RequestError(f"--address {text!r}: stands for many addresses; expected one of this machine", _NAME_IT)
    return str(address)


def require_host(text: str) -> str:
    """Return a name or an address as browsers put it into the header Host, in small letters; RequestError for a text that is neither."""
    name = text.lower()
    if _HOST.fullmatch(name) and len(name) <= _LONGEST_HOST:
        return name
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        raise RequestError(
            f"--host {text!r}: is no name of a machine; expected one as pc.example, without a scheme, a port or a path",
            "the port is --port",
        ) from None


def listen(address: str, port: int) -> socket.socket:
    """Return a socket that listens; RequestError where the address is not this machine's, or the port is taken or not allowed."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        why = getattr(error, "strerror", None) or str(error)
        elsewhere = isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL
        hint = _NAME_IT if elsewhere else "another port, or 0 for any free one"
        raise RequestError(f"--address {address} --port {port}: cannot listen there ({why})", hint) from error
    return listener


def read_certificate(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Return what shows a certificate, None where none is given; RequestError for one file without the other, and for files that are none."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise RequestError(
            "--cert and --key: expected both, or neither", "a certificate's chain and its private key, in PEM"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for name, path in (("--cert", cert), ("--key", key)):
        if not path.is_file():
            raise RequestError(f"{name} {path}: no such file")
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise RequestError(
            f"--cert {cert} --key {key}: are no certificate with its key ({why})",
            "both in PEM, and the key without a password",
        ) from error
    return context


def _no_password() -> str:
    """Return no password, where OpenSSL would ask the terminal for one."""
    return ""
