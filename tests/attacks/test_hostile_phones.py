"""A phone that lies: what it sends is checked, whatever it is; none of it is taken for an answer of another sample, model or day."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from pathlib import Path

import numpy as np
import pytest

from toolkit.engines.answers import check
from toolkit.engines.web import page
from toolkit.engines.web.page import PageScript, open_page
from toolkit.engines.web.phone import PhonePage
from toolkit.errors import TargetUnavailable, WorkerLied
from toolkit.launchers.phones import dial
from toolkit.launchers.phones.address import listen
from toolkit.launchers.phones.local_line import LocalLine
from toolkit.launchers.phones.pairing import Pairing
from toolkit.launchers.phones.phone import Phone
from toolkit.launchers.phones.site import Site
from toolkit.launchers.phones.web_server import PhoneServer
from toolkit.wire.browser_setup import Setup
from toolkit.wire.phone import FOLDER, LINE, SOCKET, pack, unpack

X = [{"x": np.full((1, 2), value, np.float32)} for value in range(3)]
SPECS = [{"name": name, "dtype": "float32", "shape": [1, 2]} for name in ("y", "z")]
HELD = {"accelerator": "wasm", "adapter": None, "fully": True}
SCRIPT = PageScript(Path(page.__file__).with_name("litert.js"), {})
LONG_S = 60.0


class LyingPhone:
    """A phone of Python: it is asked as a page is, and answers what `lie` makes of an honest answer: (arrays, texts) -> bytes."""

    def __init__(self, server: PhoneServer) -> None:
        self._server = server
        self.lie = pack
        self.held: object = HELD
        _, headers, said = self._ask("POST", "/open", {"token": server.phone.pairing.token, "about": {}})
        self._cookie, self._page = headers["Set-Cookie"].partition(";")[0], json.loads(said)["page"]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _ask(self, method: str, path: str, body: object = None) -> tuple[int, dict[str, str], bytes]:
        host = self._server.hosts[0]
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(host, timeout=LONG_S)
        headers = {"Origin": f"http://{host}", "Cookie": getattr(self, "_cookie", "")}
        with contextlib.closing(connection):
            connection.request(method, path, content, headers)
            with connection.getresponse() as answer:
                return answer.status, dict(answer.getheaders()), answer.read()

    def _serve(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                _, _, said = self._ask("GET", f"/next?page={self._page}")
                question = json.loads(said)["question"]
                if question is not None:
                    _, _, body = self._ask("GET", f"/questions/{question['nonce']}")
                    self._ask("POST", f"/answers/{question['nonce']}?page={self._page}", self._answer(question, body))

    def _answer(self, question: dict, body: bytes) -> bytes:
        if question["do"] == "load":
            return pack({}, {"held": json.dumps(self.held)})
        arrays, told = unpack(body, "the test")
        count = int(told["count"])
        given = {
            f"{place}/{name}": arrays[f"{place}/x"] * factor
            for place in range(count)
            for name, factor in (("y", 2), ("z", 3))
        }
        return self.lie(given, {"number": told["number"], "ms": json.dumps([0.01] * count)})


@pytest.fixture
def phone(tmp_path, monkeypatch):
    """Return a phone that is connected; this process has a line to it, as a worker has."""
    listener = listen("127.0.0.1", 0)
    served = Phone(Pairing(), lambda line: None)
    server = PhoneServer(listener, (f"127.0.0.1:{listener.getsockname()[1]}",), served, Site({}), None)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    local = LocalLine(tmp_path / "home", served, dict)
    line = dial.connect(str(tmp_path / "home" / FOLDER), SOCKET)
    monkeypatch.setenv(LINE, str(line.fileno()))
    (tmp_path / "model").write_bytes(b"model")
    lying = LyingPhone(server)
    lying.setup = Setup("", {}, {}, phone=served.pairing.number, wait_s=LONG_S)
    yield lying
    line.close()
    local.close()
    server.shutdown()
    server.server_close()


@pytest.fixture
def model(phone, tmp_path):
    """Return a model on the phone, of which one sample was answered honestly."""
    held = PhonePage(phone.setup, SCRIPT, tmp_path / "model", {"accelerator": "wasm", "threads": 1})
    np.testing.assert_array_equal(held.call(X[1])["z"], X[1]["x"] * 3)
    yield held
    held.close()


def call(model):
    """Run the samples as a job does, which looks at each answer."""
    answers = model.call_several(X)
    for outputs, _ in answers:
        check(outputs, SPECS, "sample")
    return answers


def test_an_honest_phone_is_believed(model):
    answers = call(model)

    for (outputs, _), sample in zip(answers, X, strict=True):
        np.testing.assert_array_equal(outputs["y"], sample["x"] * 2)


def without(name):
    return lambda arrays, told: pack({key: array for key, array in arrays.items() if key != name}, told)


def instead(name, array):
    return lambda arrays, told: pack({**arrays, name: array}, told)


def saying(**texts):
    return lambda arrays, told: pack(arrays, {**told, **texts})


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        (without("2/z"), r"outputs do not match; missing \['z'\]"),
        (instead("1/w", X[0]["x"]), r"outputs do not match; missing \[\], unexpected \['w'\]"),
        (
            instead("0/y", np.zeros((2, 1), np.float32)),
            r"output 'y' is float32 \[2, 1\], the signature says float32 \[1, 2\]",
        ),
        (instead("0/y", np.zeros((1, 2), np.float64)), r"output 'y' is float64"),
        (instead("3/y", X[0]["x"]), "gave '3/y', which is an output of no sample"),
        (instead("-1/y", X[0]["x"]), "which is an output of no sample"),
        (instead("y", X[0]["x"]), "which is an output of no sample"),
        (saying(number="0" * 32), "answered another batch"),
        (saying(number=""), "answered another batch"),
        (saying(ms="[1, 1]"), "was given 3 samples, and gave 2 answers"),
        (saying(ms="[1, 1, 1, 1]"), "was given 3 samples, and gave 4 answers"),
        (saying(ms="[1e9, 0, 0]"), "says that 3 calls took 1000000000.0 ms; .* ms passed here"),
        (saying(ms="[NaN, 0, 0]"), "expected milliseconds"),
        (saying(ms="[Infinity, 0, 0]"), "expected milliseconds"),
        (saying(ms="[-1, 0, 0]"), "expected milliseconds"),
        (saying(ms='["1", 0, 0]'), "expected milliseconds"),
        (saying(ms="[" * 100_000), "expected milliseconds"),
        (lambda arrays, told: pack(arrays, {}), "answered another batch"),
        (lambda arrays, told: pack(arrays, told)[:-1], "that are no arrays"),
        (lambda arrays, told: pack(arrays, told) + b"more", "that are no arrays"),
        (lambda arrays, told: b"", "sent 0 bytes that are no arrays"),
        (lambda arrays, told: b"\xff" * 1000, "that are no arrays"),
        (lambda arrays, told: b"\x02\0\0\0\0\0\0\0[]", "that are no arrays"),
    ],
)
def test_a_lie_is_an_error(phone, model, lie, says):
    phone.lie = lie

    with pytest.raises(WorkerLied, match=says):
        call(model)


def test_an_answer_of_yesterday_is_none(phone, model):
    """Whole, and to other samples."""
    kept = []

    def keep(arrays, told):
        kept.append(pack(arrays, told))
        return kept[0]

    phone.lie = keep
    call(model)

    with pytest.raises(WorkerLied, match="answered another batch"):
        call(model)


def test_nan_stays(phone, model):
    """It is no error of the transport, and the comparison fails it."""
    phone.lie = instead("1/y", np.array([[np.nan, 1]], np.float32))

    assert np.isnan(call(model)[1][0]["y"]).any()


@pytest.mark.parametrize(
    ("held", "error", "says"),
    [
        ({**HELD, "accelerator": "webgpu"}, TargetUnavailable, "asked for wasm, and the page would run on webgpu"),
        ({}, TargetUnavailable, "asked for wasm, and the page would run on None"),
        ([], WorkerLied, "does not say how it holds the model"),
        (None, WorkerLied, "does not say how it holds the model"),
    ],
)
def test_a_phone_that_holds_the_model_otherwise_is_refused(phone, tmp_path, held, error, says):
    phone.held = held

    with pytest.raises(error, match=says):
        open_page(phone.setup, SCRIPT, tmp_path / "model", {"accelerator": "wasm", "threads": 1})


def test_threads_that_a_page_does_not_have_are_refused(phone, tmp_path):
    """Its times would be those of one."""
    asked = {"accelerator": "wasm", "threads": 4}
    with pytest.raises(TargetUnavailable, match=r"the phone's page runs one thread, and 4 were asked for"):
        open_page(phone.setup, SCRIPT, tmp_path / "model", asked)
    phone.held = {**HELD, "isolated": True}

    open_page(phone.setup, SCRIPT, tmp_path / "model", asked).close()
