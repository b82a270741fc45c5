"""A phone that opens the page of `serve-device`: a real Chromium in its part, through all that happens to phones."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.integration.launchers.browser_phone import BrowserPhone, until
from toolkit.engines.web import litert
from toolkit.engines.web.phone import PhonePage
from toolkit.environments import resolve
from toolkit.errors import TargetUnavailable
from toolkit.execution.run import Execution, run_job, run_of
from toolkit.jobs.job import Engine
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.launchers import phone as launcher
from toolkit.launchers.phones import dial
from toolkit.settings import Settings
from toolkit.verbs.serve_device import Place, serve_device
from toolkit.wire.browser_setup import Setup
from toolkit.wire.phone import FOLDER, LINE, SOCKET
from toolkit.wire.shards import ShardWriter, read_all

pytestmark = pytest.mark.engines
ROOT = Path(__file__).resolve().parents[3]
SHORT_S = 2.0  # a limit that a test waits for
RANDOM = np.random.default_rng(5)
SAMPLES = [{name: RANDOM.normal(size=(1, 4)).astype(np.float32) for name in ("a", "b")} for _ in range(40)]


@pytest.fixture(scope="module")
def browser():
    """Return the browser of this file; each test has its own tab and its own serve-device."""
    found = BrowserPhone()
    yield found
    found.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Return the file of z = b - a, y = a + b."""
    folder = tmp_path_factory.mktemp("models")
    command = [resolve("litert", Settings()).python, Path(__file__).parent / "make_models.py", folder]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True, timeout=600)
    return folder / "crossed.tflite"


@pytest.fixture
def served(fresh_home, monkeypatch):
    """Return what serve-device says when it begins, and the lines that it prints afterwards; this process has a line to it, as a worker has."""
    lines: list[str] = []
    with serve_device(Place("127.0.0.1"), lines.append, Settings(fresh_home)) as serving:
        line = dial.connect(str(fresh_home / FOLDER), SOCKET)
        monkeypatch.setenv(LINE, str(line.fileno()))
        monkeypatch.setenv("EDGE_TOOLKIT_HOME", str(fresh_home))
        yield serving, lines
        line.close()


@pytest.fixture
def opened(browser, served, model):
    """Return a maker of the model on the phone, as a job has it, with a limit of so many seconds."""
    browser.connect(served[0].link)
    pages = []

    def load(
        wait_s: float = 60.0,
    ) -> PhonePage:  # from the first sample on: a machine that does other things loads slowly
        number, _ = launcher._ask(Settings())
        setup = Setup("", {}, {}, phone=number, wait_s=60.0)
        asked = {"accelerator": "wasm", "signature": "serving_default", "threads": 1, "count": len(SAMPLES)}
        pages.append(PhonePage(setup, litert._SCRIPT, model, asked))
        pages[-1]._setup = replace(setup, wait_s=wait_s)
        return pages[-1]

    yield load
    for each in pages:
        each.close()


def require_right(answers, samples):
    """Each output is that of its own sample, bit for bit: a sum of two has one right rounding."""
    assert len(answers) == len(samples)
    for (outputs, ms), sample in zip(answers, samples, strict=True):
        assert ms >= 0
        np.testing.assert_array_equal(outputs["y"], sample["a"] + sample["b"])
        np.testing.assert_array_equal(outputs["z"], sample["b"] - sample["a"])


def started(work):
    """Start what a job does, beside the test, and return a function that waits for what it gives or raises."""
    given = []

    def run():
        try:
            given.append((work(), None))
        except Exception as error:  # noqa: BLE001 (whatever it is, the test looks at it)
            given.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()

    def end():
        thread.join(120)
        assert given, "no end"
        value, error = given[0]
        if error is not None:
            raise error
        return value

    return end


def test_a_job_runs_on_the_phone(browser, served, model, fresh_home, tmp_path):
    """Confined on this machine, computed there; the report says on what, and that the phone's own clock was read."""
    browser.connect(served[0].link)
    with ShardWriter(tmp_path / "samples") as writer:
        for sample in SAMPLES:
            writer.add(sample)
    asked = run_job(
        model, tmp_path / "samples", Execution(Engine("litert", "phone", {"accelerator": "wasm"}), "litert_web")
    )

    with LocalExecutor(Settings(fresh_home)) as executor:
        (entry,) = executor.run(asked)
        run = run_of(entry)

    answers = [
        ({name: read_all(run.outputs, name)[place] for name in ("y", "z")}, 0.0) for place in range(len(SAMPLES))
    ]
    require_right(answers, SAMPLES)
    assert "HeadlessChrome" in run.about["browser"]
    assert run.about["launcher"] == "phone"
    assert run.about["clock"].startswith("performance.now in steps of 0.")
    assert "the phone that opened the page" in run.about["processor"]
    assert run.engine == "LiteRT.js 2.5.3"
    assert not str(run.about["confined"]).startswith("not confined")
    times = np.load(entry.out / "call_ms.npy")
    assert times.shape == (len(SAMPLES),)
    assert (times >= 0).all()
    assert any("a job begins" in line for line in served[1])


def test_a_connection_that_drops_costs_no_sample(browser, opened):
    """The page says so, tries again, and goes on with the sample at which it was."""
    page = opened()
    before = page.call_several(SAMPLES[:20])
    browser.cut(off=True)
    end = started(lambda: page.call_several(SAMPLES[20:]))
    browser.wait_for("the connection is lost")
    browser.cut(off=False)

    require_right([*before, *end()], SAMPLES)


def test_a_page_that_is_loaded_again_gets_the_model_again(browser, opened, served):
    """As phones do with pages that were in the background; it needs no token for that."""
    page = opened()
    before = page.call_several(SAMPLES[:20])
    browser.reload()
    browser.wait_for("waiting for a build")

    require_right([*before, *page.call_several(SAMPLES[20:])], SAMPLES)
    assert any("opened the page again" in line for line in served[1])


def test_a_tab_that_is_closed_is_told_after_the_limit(browser, opened):
    page = opened(SHORT_S)
    page.call_several(SAMPLES[:1])
    browser.close_tab()

    with pytest.raises(
        TargetUnavailable, match=r"^launcher phone: the phone gave no answer within 2 s: its page was closed \d+ s ago"
    ) as caught:
        page.call_several(SAMPLES)

    assert "wait_s = 300" in caught.value.hint


def test_a_phone_that_is_locked_is_told_after_the_limit(browser, opened):
    """Its page is frozen; nothing of it runs."""
    page = opened(SHORT_S)
    browser.freeze()

    with pytest.raises(
        TargetUnavailable,
        match=r"within 2 s: its page has been (frozen|hidden) for \d+ s: it is locked, or another page is in front",
    ):
        page.call_several(SAMPLES)


def test_a_page_that_never_answers_is_told_after_the_limit(browser, opened):
    """It is there, and asks, and has nothing to say."""
    page = opened(SHORT_S)
    browser.evaluate(
        "{ const ask = fetch; fetch = (place, ...more) => place.startsWith('/answers/') ? new Promise(() => {}) : ask(place, ...more) }"
    )

    with pytest.raises(TargetUnavailable, match="within 2 s: its page is there, and does not answer"):
        page.call_several(SAMPLES)


def test_a_model_that_the_engine_refuses_is_told_in_its_words(browser, opened, model, tmp_path):
    """And the phone serves the next job."""
    page = opened()
    page.close()
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(model.read_bytes()[:200])
    asked = {"accelerator": "wasm", "signature": "serving_default", "threads": 1, "count": 1}

    with pytest.raises(RuntimeError, match="Error"):
        PhonePage(page._setup, litert._SCRIPT, broken, asked)

    require_right(opened().call_several(SAMPLES[:3]), SAMPLES[:3])


def test_a_wrong_token_connects_nothing(browser, served):
    """The page says so, and takes the right one when it is typed, after the wait for a wrong one."""
    serving, lines = served
    browser.open(f"{serving.url}#aaaa-bbbb-cccc-dddd")
    browser.wait_for("not connected; this token is wrong")
    with pytest.raises(TargetUnavailable, match="serve-device runs, and no phone has opened its page yet"):
        launcher._ask(Settings())
    time.sleep(1.1)  # the first wait
    typed = serving.token.upper().replace("-", " ")
    browser.evaluate(f"document.getElementById('token').value = {typed!r}; document.querySelector('button').click()")

    browser.wait_for("connected; waiting for a build")
    assert any("127.0.0.1: refused: this token is wrong" in line for line in lines)


def test_a_second_phone_is_told(browser, served):
    """The first goes on."""
    browser.connect(served[0].link)
    number, _ = launcher._ask(Settings())
    browser.open(served[0].link, private=True)

    browser.wait_for("not connected; another phone was connected with this token, which serves once")
    assert launcher._ask(Settings())[0] == number


def test_another_phone_than_the_one_that_the_build_began_with_gets_no_sample(browser, opened):
    """Its answers would stand in the first one's report."""
    page = opened()
    page._setup = replace(page._setup, phone="another")

    with pytest.raises(TargetUnavailable, match="another phone is connected than the one that the build began with"):
        page.call_several(SAMPLES)


def test_serve_device_that_ends_is_told(fresh_home, monkeypatch, browser, model):
    """In the middle of a job, and before one."""
    with serve_device(Place("127.0.0.1"), lambda line: None, Settings(fresh_home)) as serving:
        browser.connect(serving.link)
        line = dial.connect(str(fresh_home / FOLDER), SOCKET)
        monkeypatch.setenv(LINE, str(line.fileno()))
        monkeypatch.setenv("EDGE_TOOLKIT_HOME", str(fresh_home))
        number, _ = launcher._ask(Settings())
    line.close()

    with pytest.raises(TargetUnavailable, match="no phone is served on this machine") as caught:
        launcher._ask(Settings())

    assert "edge-toolkit serve-device" in caught.value.hint
    assert number


def test_this_machines_other_address_serves_too(browser, fresh_home):
    """By plain http it is no secure context, as on a phone: the engine runs there with one thread."""
    from toolkit.launchers.phones.address import default_address

    try:
        address = default_address()
    except TargetUnavailable as error:
        pytest.skip(f"NOT TESTED, a page that is no secure context: {error}")
    with serve_device(Place(address), lambda line: None, Settings(fresh_home)) as serving:
        browser.connect(serving.link)

        assert browser.evaluate("[isSecureContext, crossOriginIsolated]") == [False, False]
        assert os.listdir(fresh_home / FOLDER)
        until(lambda: browser.evaluate("document.getElementById('form').hidden"), "connected")
