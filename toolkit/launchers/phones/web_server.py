"""The phone's requests over HTTP, with Python's own server: a thread for each connection, and few of them.

Every request names this host (or a browser was led here by another name), and one that changes something comes from this site. Only the page itself
is given to a phone without a session. A request's size and the time that its parts may take are limited.
"""

from __future__ import annotations

import contextlib
import http.cookies
import json
import socket
import ssl
import threading
import urllib.parse
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import Any

from toolkit.launchers.phones.pairing import Refused
from toolkit.launchers.phones.phone import LATER_S, Phone
from toolkit.launchers.phones.site import OPEN, Site, SiteFile

COOKIE = "edge_toolkit_phone"
MOST_ANSWER_BYTES = 1 << 30
"""The largest answer: the outputs of a batch of samples, of which a single one may be a picture of 64 million values."""

_MOST_SAID_BYTES = 64_000  # of a request that is no answer
_SILENCE_S = 30.0  # between two pieces of a request, and until the next one of a connection
_MOST_CONNECTIONS = 24
_MOST_OF_ONE = 12  # of one address, so that a stranger does not keep the phone out; a browser makes six
_BLOCK = 1 << 18


class PhoneServer(ThreadingMixIn, HTTPServer):
    """Serves one phone at a listening socket; `hosts` are the names and addresses, with the port, that its requests may name."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, listener: socket.socket, hosts: tuple[str, ...], phone: Phone, site: Site, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(listener.getsockname()[:2], PhoneRequest, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.hosts, self.phone, self.site, self.tls = hosts, phone, site, tls
        self.scheme = "http" if tls is None else "https"
        self.one_answer = threading.Lock()  # a phone may begin many; only one is held in memory
        self._served: Counter[str] = Counter()  # connections by address
        self._counting = threading.Lock()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Return a new connection; with a certificate, its handshake is the connection's own thread's work, which may wait."""
        connection, address = self.socket.accept()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own; one too many is closed."""
        with self._counting:
            served, of_one = self._served.total(), self._served[client_address[0]]
            has_room = served < _MOST_CONNECTIONS and of_one < _MOST_OF_ONE
            self._served[client_address[0]] += has_room
        if not has_room:
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and count it as gone."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._counting:
                self._served[client_address[0]] -= 1
                self._served += Counter()  # forgets who has none

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that broke: the phone makes another."""


class PhoneRequest(BaseHTTPRequestHandler):
    """One connection, with requests one after another."""

    server: PhoneServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "edge-toolkit", ""
    timeout = _SILENCE_S
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer a request for a file, or for what the phone is asked."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Take what the page says."""
        self._answer(self._post)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (as the library has it)
        """Print nothing: what matters is said by the phone."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 (as the library has it)
        """Answer what is no request of a page."""
        self.close_connection = True
        self._send(code, "text/plain; charset=utf-8", (message or "").encode("ascii", "replace"))

    def _answer(self, handle: Any) -> None:
        try:
            self._require_here()
            handle(self._url())
        except Refused as refused:
            self.close_connection = True  # what was sent with it is not read
            later = {} if refused.after_s is None else {"Retry-After": str(refused.after_s)}
            self._say({"error": refused.why}, refused.status, later)

    def _url(self) -> urllib.parse.SplitResult:
        try:
            return urllib.parse.urlsplit(self.path)
        except ValueError:
            raise Refused(400, "this is no address") from None

    def _get(self, url: urllib.parse.SplitResult) -> None:
        phone = self.server.phone
        if url.path not in OPEN:
            phone.require(self._session)
        if url.path == "/next":
            (page,) = self._query(url, "page")
            self._say({"question": phone.next(page, LATER_S)})
        elif url.path.startswith("/questions/"):
            nonce = url.path.removeprefix("/questions/")
            self._send(200, "application/octet-stream", phone.body(nonce))
            phone.fetched(nonce)
        elif url.path in self.server.site.files:
            self._give(self.server.site.files[url.path])
        else:
            raise Refused(404, "no such file")

    def _post(self, url: urllib.parse.SplitResult) -> None:
        phone = self.server.phone
        if self.headers.get("Origin") not in {f"{self.server.scheme}://{host}" for host in self.server.hosts}:
            raise Refused(403, "the request comes from another site")
        if url.path == "/open":
            said = self._read_json()
            token = said.get("token")
            opened = phone.open(
                token if isinstance(token, str) else None, self._session, self.client_address[0], said.get("about")
            )
            secure = "; Secure" if self.server.tls is not None else ""
            cookie = f"{COOKIE}={opened.session}; Path=/; HttpOnly; SameSite=Strict{secure}"
            self._say({"page": opened.page}, 200, {"Set-Cookie": cookie})
            return
        phone.require(self._session)
        (page,) = self._query(url, "page")
        if url.path.startswith("/answers/"):
            nonce = url.path.removeprefix("/answers/")
            with self.server.one_answer:
                phone.require_asked(nonce, page)
                phone.answer(nonce, page, self._read(MOST_ANSWER_BYTES))
        elif url.path == "/state":
            phone.tell(page, str(self._read_json().get("state")))
        else:
            raise Refused(404, "no such place")
        self._say({})

    def _require_here(self) -> None:
        """Refuse a request under another name: a page elsewhere could have a name of its own lead here (DNS rebinding)."""
        if self.headers.get("Host") not in self.server.hosts:
            raise Refused(421, f"this is {self.server.hosts[0]}; open it by that name")

    @property
    def _session(self) -> str | None:
        with contextlib.suppress(http.cookies.CookieError):
            found = http.cookies.SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
            return None if found is None else found.value
        return None

    def _query(self, url: urllib.parse.SplitResult, *names: str) -> list[str]:
        try:
            given = urllib.parse.parse_qs(url.query, max_num_fields=len(names), strict_parsing=True)
            return [given[name][0] for name in names]
        except (ValueError, KeyError):
            raise Refused(400, f"expected {', '.join(names)}") from None

    def _read(self, most: int) -> bytes:
        """Return the body; Refused for one without a length, or with more than it may have."""
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            raise Refused(411, "the length of the body is missing") from None
        if not 0 <= length <= most or "Transfer-Encoding" in self.headers:
            raise Refused(413, f"a body of {length} bytes; at most {most} are taken")
        content = bytearray()
        while len(content) < length:
            more = self.rfile.read(min(_BLOCK, length - len(content)))
            if not more:
                raise ConnectionError("the body ended early")
            content += more
        return bytes(content)

    def _read_json(self) -> dict[str, Any]:
        try:
            said = json.loads(self._read(_MOST_SAID_BYTES))
        except (ValueError, RecursionError):
            raise Refused(400, "the body is no JSON") from None
        return said if isinstance(said, dict) else {}

    def _give(self, file: SiteFile) -> None:
        if self.headers.get("If-None-Match") == file.mark:
            self._send(304, file.kind, b"", {"ETag": file.mark})
        else:
            self._send(200, file.kind, file.content, {"ETag": file.mark})

    def _say(self, said: object, status: int = 200, more: dict[str, str] | None = None) -> None:
        self._send(status, "application/json", json.dumps(said).encode(), more or {})

    def _send(self, status: int, kind: str, content: bytes, more: dict[str, str] | None = None) -> None:
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-cache",
            "Content-Security-Policy": self.server.site.policy,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Embedder-Policy": "require-corp",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            **(more or {}),
        }
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if status != 304:
            view = memoryview(content)
            for start in range(0, len(view), _BLOCK):
                self.wfile.write(view[start : start + _BLOCK])
            self.wfile.flush()
