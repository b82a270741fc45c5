"""Serve a page to a phone, which then runs models for this machine's builds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import RequestError
from toolkit.launchers.browser import packages
from toolkit.launchers.phones.address import default_address, listen, read_certificate, require_address, require_host
from toolkit.launchers.phones.local_line import LocalLine
from toolkit.launchers.phones.pairing import Pairing
from toolkit.launchers.phones.phone import Phone
from toolkit.launchers.phones.site import Site
from toolkit.launchers.phones.web_server import PhoneServer
from toolkit.settings import Settings

PLAIN = "by plain http, so the page has one thread and no WebGPU, and others in this network can read what is sent; --cert and --key for https"


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served: `url` is the page's address without the token, `link` is with it; `secure` is whether by https."""

    url: str
    link: str
    token: str
    secure: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a phone finds the page: `address` and `port` of this machine, None and 0 for those that serve; `host`, the name of the certificate."""

    address: str | None = None
    port: int = 0
    host: str | None = None
    cert: Path | None = None
    key: Path | None = None


@contextmanager
def serve_device(place: Place, say: Callable[[str], None], settings: Settings | None = None) -> Iterator[Serving]:
    """Serve a page to one phone inside the `with`; `say` takes a line for each thing that happens.

    RequestError for an address, a port or a certificate that cannot serve, EnvironmentUnavailable where the engines' packages cannot be fetched,
    TargetUnavailable where another one runs already.
    """
    settings = Settings() if settings is None else settings
    if not 0 <= place.port <= 65_535:
        raise RequestError(f"--port {place.port}: expected 0 to 65535, 0 for any free one")
    address = default_address() if place.address is None else require_address(place.address)
    host = None if place.host is None else require_host(place.host)
    tls = read_certificate(place.cert, place.key)
    site = Site({name: packages.make_packages(name, settings) for name in packages.LOCKED})
    listener = listen(address, place.port)
    port = listener.getsockname()[1]
    hosts = tuple(_host(name, port, secure=tls is not None) for name in (host, address) if name is not None)
    phone = Phone(Pairing(), say)
    server = PhoneServer(listener, hosts, phone, site, tls)
    url = f"{server.scheme}://{hosts[0]}/"
    try:
        line = LocalLine(
            settings.home, phone, lambda: {"phone": phone.pairing.number, "facts": phone.pairing.facts, "url": url}
        )
    except BaseException:
        server.server_close()
        raise
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Serving(url, f"{url}#{phone.pairing.token}", phone.pairing.token, tls is not None)
    finally:
        line.close()
        server.shutdown()
        server.server_close()


def _host(name: str, port: int, *, secure: bool) -> str:
    """Return a name as a browser puts it into the header Host: without the scheme's own port (RFC 9110, 4.2)."""
    shown = f"[{name}]" if ":" in name else name
    return shown if port == (443 if secure else 80) else f"{shown}:{port}"
