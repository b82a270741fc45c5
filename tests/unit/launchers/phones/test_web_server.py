"""What the server of the phone's page gives, and to whom: real requests on loopback."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time

import pytest

from toolkit.launchers.phones.address import listen
from toolkit.launchers.phones.pairing import Pairing
from toolkit.launchers.phones.phone import Phone
from toolkit.launchers.phones.site import Site
from toolkit.launchers.phones.web_server import COOKIE, PhoneServer

LONG_S = 60.0


@pytest.fixture
def server():
    """Return a server without packages of engines, at a port of its own."""
    listener = listen("127.0.0.1", 0)
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    made = PhoneServer(listener, (host,), Phone(Pairing(), lambda line: None), Site({}), None)
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def ask(server):
    """Return a maker of requests as the page makes them: its status, headers and body; `headers` of None are left out."""

    def make(method: str, path: str, body: object = None, **headers: str | None):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=LONG_S)
        given = {"Host": server.hosts[0], "Origin": f"http://{server.hosts[0]}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        if content is not None:
            given = {"Content-Length": str(len(content)), **given}
        for name, value in given.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(content)
        with contextlib.closing(connection), connection.getresponse() as answer:
            return answer.status, dict(answer.getheaders()), answer.read()

    return make


@pytest.fixture
def session(server, ask):
    """Return the cookie and the page of a phone that is connected."""
    status, headers, body = ask("POST", "/open", {"token": server.phone.pairing.token, "about": {"browser": "x"}})
    assert status == 200
    return headers["Set-Cookie"].partition(";")[0], json.loads(body)["page"]


def test_the_page_is_given_to_everybody_and_says_nothing(server, ask):
    """With headers that keep other sites, other scripts and other frames out."""
    for path in ("/", "/page.js", "/page.css"):
        status, headers, body = ask("GET", path)
        assert status == 200
        assert server.phone.pairing.token.encode() not in body
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe-inline" not in headers["Content-Security-Policy"]
        assert " 'unsafe-eval'" not in headers["Content-Security-Policy"]
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers
        assert "Python" not in headers["Server"]


@pytest.mark.parametrize("path", ["/exchange.js", "/next?page=x", "/questions/x", "/engines/litert/", "/nothing"])
def test_nothing_else_is_given_without_the_session(ask, session, path):
    """A cookie of another's is none."""
    for cookie in (None, f"{COOKIE}=wrong", f"{COOKIE}=", "other=x", "\xff=\xff"):
        assert ask("GET", path, Cookie=cookie)[0] == 401


def test_the_session_is_out_of_reach_of_scripts_and_other_sites(server, ask):
    _, headers, _ = ask("POST", "/open", {"token": server.phone.pairing.token})

    assert headers["Set-Cookie"].endswith("; Path=/; HttpOnly; SameSite=Strict")


@pytest.mark.parametrize(
    "path",
    [
        "/../site.py",
        "/page.js/../../site.py",
        "//etc/passwd",
        "/%2e%2e/site.py",
        "/packages/..",
        "/frame.js%00",
        "http://127.0.0.1/frame.js/x",
    ],
)
def test_no_other_file_is_there(ask, session, path):
    """Paths are names of a table; nothing is opened by them."""
    assert ask("GET", path, Cookie=session[0])[0] == 404


def test_what_is_no_address_is_refused(ask, session):
    assert ask("GET", "http://[/", Cookie=session[0])[0] == 400


def test_the_phones_own_files_are_given_with_the_session(ask, session):
    status, headers, body = ask("GET", "/exchange.js", Cookie=session[0])

    assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert b"export async function run" in body
    assert ask("GET", "/exchange.js", Cookie=session[0], If_None_Match=headers["ETag"])[0] == 304


@pytest.mark.parametrize("host", [None, "evil.example", "127.0.0.1", "localhost:1"])
def test_a_request_under_another_name_is_refused(ask, host):
    """A page elsewhere may have a name of its own lead here."""
    status, _, body = ask("GET", "/", Host=host)

    assert status == 421
    assert b"this is 127.0.0.1:" in body


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "https://127.0.0.1"])
@pytest.mark.parametrize("path", ["/open", "/answers/x?page=x", "/state?page=x"])
def test_what_another_site_says_is_refused(server, ask, session, origin, path):
    status, _, _ = ask("POST", path, {"token": server.phone.pairing.token}, Origin=origin, Cookie=session[0])

    assert status == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Length": None}, 411),
        ({"Content_Length": "-1"}, 413),
        ({"Content_Length": "99999999999999"}, 413),
        ({"Content_Length": "two"}, 411),
        ({"Transfer_Encoding": "chunked"}, 413),
    ],
)
def test_a_body_has_a_length_and_a_limit(ask, headers, status):
    """Nothing of it is read."""
    assert ask("POST", "/open", {"token": "x"}, **headers)[0] == status


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 60_000, b"\xff", b"[]", b"3"])
def test_a_body_that_is_no_table_is_refused(ask, body):
    assert ask("POST", "/open", body)[0] in (400, 401)


def test_wrong_tokens_are_told_how_long_to_wait(server, ask):
    assert ask("POST", "/open", {"token": "wrong"})[0] == 403
    status, headers, body = ask("POST", "/open", {"token": server.phone.pairing.token})

    assert (status, headers["Retry-After"]) == (429, "1")
    assert b"try again in 1 s" in body


def test_questions_and_answers_go_over_it(server, ask, session):
    """The body as it is; an answer once."""
    cookie, page = session
    given = []
    phone = server.phone
    thread = threading.Thread(
        target=lambda: given.append(
            phone.ask({"do": "load", "title": "m"}, b"\x00body", phone.pairing.number, LONG_S, lambda: True)
        )
    )
    thread.start()
    _, _, told = ask("GET", f"/next?page={page}", Cookie=cookie)
    nonce = json.loads(told)["question"]["nonce"]

    assert ask("GET", f"/questions/{nonce}", Cookie=cookie)[2] == b"\x00body"
    assert ask("POST", f"/answers/{nonce[:-1]}x?page={page}", b"no", Cookie=cookie)[0] == 409
    assert ask("POST", f"/answers/{nonce}?page=another", b"no", Cookie=cookie)[0] == 410
    assert ask("POST", f"/answers/{nonce}?page={page}", b"yes", Cookie=cookie)[0] == 200
    thread.join(LONG_S)
    assert given == [b"yes"]
    assert ask("POST", f"/answers/{nonce}?page={page}", b"again", Cookie=cookie)[0] == 409


@pytest.mark.parametrize("path", ["/next", "/next?page=x&page=y&more=z", "/next?x=1"])
def test_a_query_is_what_the_page_sends(ask, session, path):
    assert ask("GET", path, Cookie=session[0])[0] == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "TRACE"])
def test_other_methods_are_none(ask, method):
    assert ask(method, "/")[0] == 501


def test_many_connections_do_not_keep_the_phone_out_for_ever(server, ask):
    """Those that say nothing are few, and one more is closed at once."""
    silent = [socket.create_connection(server.server_address[:2]) for _ in range(30)]
    closed = [each for each in silent if _is_closed(each)]
    for each in silent:
        each.close()

    assert len(closed) >= 5


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.3)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_one_stranger_leaves_room_for_the_phone(server):
    """Even one who says something now and then, so that silence does not end it."""
    silent = [socket.create_connection(server.server_address[:2]) for _ in range(30)]

    with contextlib.ExitStack() as stack:
        for each in silent:
            stack.enter_context(each)
        elsewhere = ("127.0.0.2", 0)
        phone = stack.enter_context(
            socket.create_connection(server.server_address[:2], LONG_S, source_address=elsewhere)
        )
        phone.sendall(f"GET / HTTP/1.1\r\nHost: {server.hosts[0]}\r\n\r\n".encode())
        assert phone.recv(12) == b"HTTP/1.1 200"


def test_nothing_of_an_answer_is_read_that_nobody_asked_for(server, ask, session):
    """A phone cannot fill this machine's memory: the refusal comes while most of the answer is still to be sent."""
    cookie, page = session

    assert ask("POST", f"/answers/x?page={page}", b"begins", Cookie=cookie, Content_Length=str(1 << 29))[0] == 409


def test_one_answer_is_read_at_a_time(server, ask, session):
    """Another one waits, and is refused when the first was taken."""
    cookie, page = session
    phone, given = server.phone, []
    told = {"do": "load", "title": "m"}
    number = phone.pairing.number
    thread = threading.Thread(target=lambda: given.append(phone.ask(told, b"", number, LONG_S, lambda: True)))
    thread.start()
    nonce = json.loads(ask("GET", f"/next?page={page}", Cookie=cookie)[2])["question"]["nonce"]
    head = f"POST /answers/{nonce}?page={page} HTTP/1.1\r\nHost: {server.hosts[0]}\r\nOrigin: http://{server.hosts[0]}\r\nCookie: {cookie}\r\n"
    with socket.create_connection(server.server_address[:2], LONG_S) as first:
        first.sendall(f"{head}Content-Length: 3\r\n\r\ny".encode())
        while not server.one_answer.locked():
            time.sleep(0.01)
        with socket.create_connection(server.server_address[:2], LONG_S) as second:
            second.sendall(f"{head}Content-Length: 3\r\n\r\nno!".encode())
            first.sendall(b"es")
            thread.join(LONG_S)
            assert given == [b"yes"]
            assert second.recv(12) == b"HTTP/1.1 409"
