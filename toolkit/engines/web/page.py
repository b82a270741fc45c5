"""A model in a browser's page: arrays go in, and what the page's script gives for them comes out and is checked.

A script is a module that exports

    load(model, options)        compiles the bytes of a model; returns how it is held: {accelerator, adapter, fully, variant}
    call(inputs)                runs it once: {name: {dtype, shape, bytes}} -> the same by output
"""

from __future__ import annotations

import base64
import json
import math
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from toolkit.engines.loaded import Loaded, RunOptions, TimedOutputs
from toolkit.engines.web.browser import Browser
from toolkit.engines.web.phone import AT_ONCE, PhonePage
from toolkit.errors import RequestError, TargetUnavailable, WorkerLied
from toolkit.tensors.signature import SignatureJson
from toolkit.wire.browser_setup import Setup

DATA_FILES = ("exchange.js",)

_PIECE = (
    12 << 20
)  # bytes: Chromium takes no message beyond 100 MB (devtools_pipe_handler.cc), and base64 is a third longer
_HERE = Path(__file__).resolve().parent


class PageArray(TypedDict):
    """An array of the page: numpy's name of the dtype, the shape, and the values in base64, little endian."""

    dtype: str
    shape: list[int]
    data: str


class PageOptions(TypedDict, total=False):
    """What a page's script is told of a model: on what it is run, and which signature; `count` samples will come."""

    accelerator: str
    signature: str | None
    threads: int
    count: int


@dataclass(frozen=True, slots=True)
class PageScript:
    """A script that runs models in a page: its file, and the names of modules that it imports, {name: path in the packages}."""

    path: Path
    imports: Mapping[str, str]


class Page:
    """A model that is loaded in a page of its own browser, which ends with this object."""

    def __init__(
        self, setup: Setup, script: PageScript, model: Path | None = None, options: PageOptions | None = None
    ) -> None:
        """Open the page, and load a model if there is one; raises as `take`."""
        files = {"exchange.js": (_HERE / "exchange.js").read_bytes(), "script.js": script.path.read_bytes()}
        imports = {name: f"/packages/{path}" for name, path in script.imports.items()}
        self._browser = Browser(setup, files, imports)
        self._end = weakref.finalize(self, self._browser.close)
        self._calls = 0
        self.browser = self._browser.version
        self._browser.evaluate("import('/exchange.js').then(module => { globalThis.exchange = module })")
        self._setup = setup
        if model is not None:
            self.take(model, options or {})

    def take(self, model: Path, options: PageOptions) -> None:
        """Load a model in place of the one before, if any; TargetUnavailable where the page runs it on something else than was asked for."""
        self._model, self._options = model, options
        self.load()

    def load(self) -> None:
        """Load the model, again where it is loaded already: whatever it keeps between calls begins anew."""
        self._send("model", self._model.read_bytes())
        self.held: dict[str, Any] = self._browser.call("exchange.load", self._options)
        _require_asked(self._setup, self.held)

    def call(self, sample: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs for one sample by name; WorkerLied for an answer that is to another call, or not what it says of itself."""
        self._calls += 1
        described = {}
        for name, array in sample.items():
            self._send(name, np.ascontiguousarray(array).tobytes())
            described[name] = {"dtype": array.dtype.name, "shape": list(array.shape)}
        answer = self._browser.call("exchange.call", self._calls, described)
        if not isinstance(answer, dict) or answer.get("call") != self._calls:
            raise WorkerLied(f"the page answered {_short(answer)}; expected its answer to call {self._calls}")
        return {name: _array(name, said) for name, said in answer["outputs"].items()}

    def close(self) -> None:
        """End the browser."""
        self._end()

    def _send(self, name: str, content: bytes) -> None:
        """Give the page bytes under a name."""
        for start in range(0, max(len(content), 1), _PIECE):
            piece = base64.b64encode(content[start : start + _PIECE]).decode()
            self._browser.call("exchange.put", name, piece, start == 0)


def open_page(setup: Setup, script: PageScript, model: Path, options: PageOptions) -> Page | PhonePage:
    """Return a model that is loaded in a page: of a phone where the launcher said so, else of a browser of its own; raises as these do."""
    if setup.phone is None:
        return Page(setup, script, model, options)
    page = PhonePage(setup, script, model, options)
    try:
        _require_asked(setup, page.held)
        _require_threads(options["threads"], page.held)
    except TargetUnavailable:
        page.close()
        raise
    return page


def loaded_in(page: Page | PhonePage, engine: str, signature: SignatureJson, *, anew: bool = False) -> Loaded:
    """Return a page's model as the engine's; `anew` loads it again before each call but the first, as nothing else resets what it keeps."""
    called = False

    def call(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        nonlocal called
        if called and anew:
            page.load()
        called = True
        return page.call(sample)

    if isinstance(page, Page):
        return Loaded(call, engine, signature)

    def call_several(samples: Sequence[dict[str, np.ndarray]]) -> list[TimedOutputs]:
        nonlocal called
        if called and anew:
            page.load()
        called = True
        return page.call_several(samples)

    return Loaded(call, engine, signature, call_several, at_once=1 if anew else AT_ONCE)


def require_default_kernels(options: RunOptions) -> None:
    """Raise RequestError for a request for other kernels than an engine in a page has."""
    kernels = options.get("kernels", "default")
    if kernels != "default":
        raise RequestError(f"kernels {kernels!r}: an engine in a browser has its own alone; expected 'default'")


def _require_asked(setup: Setup, held: Mapping[str, Any]) -> None:
    """Raise TargetUnavailable where a model would run on another accelerator or adapter than was asked for, or partly."""
    found = held.get("accelerator"), held.get("adapter")
    if found != (setup.accelerator, setup.adapter):
        asked = setup.accelerator if setup.adapter is None else f"{setup.accelerator} on {setup.adapter}"
        raise TargetUnavailable(f"asked for {asked}, and the page would run on {found[0]} (adapter {found[1]})")
    if setup.accelerator == "webgpu" and held.get("fully") is not True:
        raise TargetUnavailable(
            "WebGPU takes only a part of this model; the rest would run on Wasm", "use a target on Wasm for this model"
        )


def _require_threads(count: int, held: Mapping[str, Any]) -> None:
    """Raise TargetUnavailable where a phone's page would run fewer threads than were asked for."""
    if count > 1 and held.get("isolated") is not True:
        raise TargetUnavailable(
            f"the phone's page runs one thread, and {count} were asked for: it was opened by plain http",
            "serve-device --cert FILE --key FILE; or threads = 1 in the profile",
        )


def _array(name: str, said: PageArray) -> np.ndarray:
    """Return an output of the page; WorkerLied where its bytes are not as many as its dtype and shape say."""
    try:
        dtype, shape = np.dtype(said["dtype"]), tuple(map(int, said["shape"]))
        content = base64.b64decode(said["data"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise WorkerLied(f"output {name!r}: the page answered what is no array ({error})") from error
    if min(shape, default=0) < 0 or len(content) != dtype.itemsize * math.prod(shape):
        raise WorkerLied(f"output {name!r}: the page answered {len(content)} bytes for {dtype} {list(shape)}")
    return np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype).reshape(shape)


def _short(answer: object) -> str:
    return json.dumps(answer)[:80]
