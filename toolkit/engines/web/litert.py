"""TFLite models in a page, with LiteRT.js."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.engines.loaded import Loaded, RunOptions
from toolkit.engines.tflite.file import describe
from toolkit.engines.web.page import Page, PageOptions, PageScript, loaded_in, open_page, require_default_kernels
from toolkit.engines.web.phone import PhonePage
from toolkit.errors import Unconvertible, UnknownName
from toolkit.tensors.signature import SignatureJson, TensorJson
from toolkit.wire.browser_setup import Setup

DATA_FILES = ("litert.js",)

PACKAGE = "@litertjs/core"
EDGES = ("float32", "int32", "uint8")
"""The dtypes of tensors that LiteRT.js 2.5.3 has (DATATYPES in its dist/index.js)."""

_SCRIPT = PageScript(
    Path(__file__).with_name(DATA_FILES[0]),
    {name: f"{name}/dist/index.js" for name in (PACKAGE, "@litertjs/wasm-utils")},
)
_STATE = "variable-tensors"  # the finding about tensors that keep state


def load(setup: Setup, model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run in a page.

    A model with variable tensors is compiled again for each call, as nothing resets them there. Raises UnknownName for a signature that the file does
    not have, Unconvertible for inputs and outputs that LiteRT.js does not take, RequestError for other kernels than the engine's own,
    TargetUnavailable where it would run on another accelerator, RuntimeError in the engine's own words.
    """
    asked = _Asked(setup, model, options)
    return asked.loaded(open_page(setup, _SCRIPT, model, asked.options))


class InTurn:
    """A page of a browser of its own in which models are loaded, each in place of the one before."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._page: Page | None = None

    def load(self, model: Path, options: RunOptions) -> Loaded:
        """Return a model ready to run, until the next one is; raises as `load` of this module."""
        asked = _Asked(self._setup, model, options)
        page = self._opened()
        page.take(model, asked.options)
        return asked.loaded(page)

    def open(self) -> None:
        """Start the browser if it does not run; WorkerCrashed, in its last words, where it does not start."""
        self._opened()

    def _opened(self) -> Page:
        if self._page is None:
            self._page = Page(self._setup, _SCRIPT)
        return self._page

    def close(self) -> None:
        """End the browser; the next model has a new one."""
        if self._page is not None:
            self._page.close()
        self._page = None


class _Asked:
    """A model that a page is asked to load; raises as `load` for one that it cannot be asked for."""

    def __init__(self, setup: Setup, model: Path, options: RunOptions) -> None:
        require_default_kernels(options)
        described = describe(model)
        self._engine = f"LiteRT.js {setup.versions[PACKAGE]}"
        self._signature = _chosen(described["signatures"], options.get("signature"))
        _require_edges(model.name, self._signature)
        self._keeps_state = any(finding["code"] == _STATE for finding in described["findings"])
        self.options: PageOptions = {
            "accelerator": setup.accelerator,
            "signature": self._signature["key"],
            "threads": options["threads"],
            "count": options.get("count", 0),
        }

    def loaded(self, page: Page | PhonePage) -> Loaded:
        """Return the model of a page that has loaded it."""
        return loaded_in(page, self._engine, self._signature, anew=self._keeps_state)


def _chosen(signatures: Sequence[SignatureJson], key: str | None) -> SignatureJson:
    """Return the signature that is run: the one of that key, or the only one."""
    for each in signatures:
        if each["key"] == key or (key is None and len(signatures) == 1):
            outputs = [_of_tensor(spec) for spec in each["outputs"]]
            return {"key": each["key"], "inputs": each["inputs"], "outputs": outputs}
    raise UnknownName("signature", str(key), [str(each["key"]) for each in signatures])


def _require_edges(name: str, signature: SignatureJson) -> None:
    """Raise Unconvertible, with all of them, for inputs and outputs of another dtype than LiteRT.js has, or of sizes that the file leaves open."""
    wrong = []
    for side, specs in (("input", signature["inputs"]), ("output", signature["outputs"])):
        for spec in specs:
            shape = spec["shape"]
            if shape is None or None in shape:
                sizes = "of any rank" if shape is None else [("?" if size is None else size) for size in shape]
                wrong.append(f"{side} {spec['name']!r} is {sizes}, and LiteRT.js takes fixed sizes".replace("'?'", "?"))
            if spec["dtype"] not in EDGES:
                wrong.append(f"{side} {spec['name']!r} is {spec['dtype']}, and LiteRT.js has {', '.join(EDGES)}")
    if wrong:
        raise Unconvertible(
            f"{name} does not run in a page: {'; '.join(wrong)}",
            "`edge-toolkit build` makes a file that does, from the original: its batch is 1, and what an application feeds is float32",
        )


def _of_tensor(spec: TensorJson) -> TensorJson:
    """Return an output's spec without the scale of integers before it: the tensor itself has none."""
    if not spec["dtype"].startswith("float"):
        return spec
    return {"name": spec["name"], "dtype": spec["dtype"], "shape": spec["shape"]}
