"""A real page in a real browser: arrays go through it unchanged, and each way in which it can fail is an error."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from toolkit.engines.web.page import Page, PageScript
from toolkit.errors import TargetUnavailable, WorkerCrashed, WorkerLied
from toolkit.launchers.browser.program import find_program
from toolkit.settings import Settings
from toolkit.wire.browser_setup import Setup

HELD = "{ accelerator: 'wasm', adapter: null, fully: true }"
ECHO = f"export async function load(bytes) {{ globalThis.held = bytes.length; return {HELD}; }}\n"
GIVES = "export async function call(inputs) {{ return {}; }}\n"
X = {"x": np.arange(6, dtype=np.float32).reshape(1, 2, 3)}


@pytest.fixture(scope="module")
def program():
    """Return the browser's program; skipped, loudly, only where there is none."""
    try:
        return str(find_program(Settings()).path)
    except TargetUnavailable as error:
        pytest.skip(f"NOT TESTED, no browser here: {error}")


@pytest.fixture(scope="module")
def start(program, tmp_path_factory):
    """Return a maker of pages with a script that gives these outputs, an expression of the page's language."""
    started = []

    def make(gives: str = "eval(`(${globalThis.gives})`)", load: str = ECHO, **asked):
        folder = tmp_path_factory.mktemp("page")
        (folder / "model").write_bytes(b"12345")
        script = folder / "script.js"
        script.write_text(load + GIVES.format(gives))
        setup = Setup(program, {}, {}, **asked)
        started.append(Page(setup, PageScript(script, {}), folder / "model", {"accelerator": "wasm"}))
        return started[-1]

    yield make
    for each in started:
        each.close()


@pytest.fixture(scope="module")
def shared(start):
    """Return the page that most tests share: starting one takes a second."""
    return start()


@pytest.fixture
def page(shared):
    """Return a function that tells the shared page what to give from now on."""

    def tell(gives: str):
        shared._browser.evaluate(f"globalThis.gives = {json.dumps(gives)}")
        return shared

    return tell


def process_of(page: Page) -> int:
    return page._browser.tools._process.pid


DTYPES = ("float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool")


def test_arrays_of_every_dtype_come_back_as_they_went(page):
    """Bit for bit: NaN and both zeros too, and arrays larger than one message, and empty ones."""
    echo = page("inputs")
    random = np.random.default_rng(1)
    arrays = {name: random.integers(0, 2, (2, 3)).astype(name) for name in DTYPES}
    arrays["special"] = np.array([np.nan, -0.0, 0.0, np.inf, -np.inf, 1e-45], np.float32)
    arrays["large"] = random.integers(0, 255, (13 << 20,), dtype=np.uint8)
    arrays["none"] = np.zeros((0, 3), np.float32)
    arrays["scalar"] = np.float32(3)

    for _ in range(2):
        answer = echo.call(arrays)

        assert set(answer) == set(arrays)
        for name, array in arrays.items():
            assert (answer[name].dtype, answer[name].shape) == (array.dtype, array.shape), name
            assert answer[name].tobytes() == array.tobytes(), name
    assert echo._browser.evaluate("held") == 5


@pytest.mark.parametrize(
    ("gives", "error", "says"),
    [
        (
            "{ y: { ...inputs.x, shape: [1, 7] } }",
            WorkerLied,
            r"output 'y': the page answered 24 bytes for float32 \[1, 7\]",
        ),
        ("{ y: { ...inputs.x, shape: [-1, -6] } }", WorkerLied, "output 'y': the page answered"),
        ("{ y: { ...inputs.x, dtype: 'int63' } }", WorkerLied, "output 'y': the page answered what is no array"),
        (
            "{ y: { shape: [1], values: new Uint8Array(1) } }",
            WorkerLied,
            "output 'y': the page answered what is no array",
        ),
        ("nothing.at.all", RuntimeError, "^ReferenceError: nothing is not defined$"),
        ("null", RuntimeError, "^TypeError: Cannot convert undefined or null to object$"),
    ],
)
def test_an_answer_that_is_none_is_an_error(page, gives, error, says):
    """Never an array of what was expected."""
    with pytest.raises(error, match=says):
        page(gives).call(X)


def test_an_answer_to_another_call_is_none(start):
    """Yesterday's, or that of the sample before."""
    echo = start("inputs")
    echo.call(X)
    echo._browser.evaluate("exchange = { ...exchange, call: () => ({ call: 1, outputs: {} }) }")

    with pytest.raises(WorkerLied, match=r'the page answered \{"call": 1.*; expected its answer to call 2'):
        echo.call(X)


@pytest.mark.parametrize(
    ("held", "asked", "says"),
    [
        (
            HELD,
            {"accelerator": "webgpu", "adapter": "swiftshader"},
            "asked for webgpu on swiftshader, and the page would run on wasm",
        ),
        (
            "{ accelerator: 'webgpu', adapter: 'swiftshader', fully: false }",
            {"accelerator": "webgpu", "adapter": "swiftshader"},
            "WebGPU takes only a part of this model",
        ),
        ("{}", {}, "asked for wasm, and the page would run on None"),
    ],
)
def test_an_accelerator_is_never_silently_replaced(start, held, asked, says):
    """LiteRT.js itself falls back to Wasm, with a warning in the page's console."""
    with pytest.raises(TargetUnavailable, match=says):
        start("inputs", load=f"export async function load() {{ return {held}; }}\n", **asked)


def test_a_script_that_does_not_load_says_why(start):
    with pytest.raises(RuntimeError, match=r"^(SyntaxError|TypeError): "):
        start("inputs", load="this is no script\n")


def test_a_tab_that_crashes_is_an_error(start):
    """A page's process that is gone answers no call ever."""
    echo = start("inputs")
    echo._browser.tools.tell("Page.crash", session=echo._browser._session)

    with pytest.raises(WorkerCrashed, match="the page ended in the middle of the job"):
        echo.call(X)


def test_a_browser_that_is_killed_is_an_error(start):
    echo = start("inputs")
    os.kill(process_of(echo), 9)

    with pytest.raises(WorkerCrashed, match=r"the browser ended in the middle of the job \(signal 9\)"):
        echo.call(X)


@pytest.mark.parametrize(
    "url", ["https://example.org/", "/packages/engine/../../model", "/../model", "/model", "file:///etc/passwd"]
)
def test_a_page_loads_nothing_but_its_own_files(shared, url):
    """Not from the network, and not from the disk."""
    with pytest.raises(RuntimeError, match="Failed to fetch"):
        shared._browser.evaluate(f"fetch('{url}')")


def test_nothing_of_a_page_is_left(start):
    """Neither its browser nor its profile."""
    echo = start("inputs")
    profile, process = Path(echo._browser._profile.name), process_of(echo)
    assert profile.is_dir()

    echo.close()

    assert not profile.exists()
    assert not Path(f"/proc/{process}").exists()
