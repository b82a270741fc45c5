"""ONNX models in a page, with ONNX Runtime Web."""

from __future__ import annotations

from pathlib import Path

from toolkit.engines.loaded import Loaded, RunOptions
from toolkit.engines.onnx.file import outside_of, signature
from toolkit.engines.onnx.graph import read
from toolkit.engines.web.page import PageScript, loaded_in, open_page, require_default_kernels
from toolkit.errors import InvalidSource, TargetUnavailable, WorkerLied
from toolkit.wire.browser_setup import Setup

DATA_FILES = ("onnxruntime.js",)

PACKAGE = "onnxruntime-web"
_SCRIPT = PageScript(Path(__file__).with_name(DATA_FILES[0]), {PACKAGE: f"{PACKAGE}/dist/ort.wasm.min.mjs"})


def load(setup: Setup, model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run in a page.

    Raises InvalidSource for a file that is no ONNX model or not all of one, RequestError for other kernels than the engine's own,
    TargetUnavailable for another accelerator than Wasm, WorkerLied where another version runs than its package says, RuntimeError in the engine's own
    words.
    """
    require_default_kernels(options)
    if setup.accelerator != "wasm":
        raise TargetUnavailable(f"{PACKAGE} runs on wasm here; asked for {setup.accelerator}")
    read_model = read(model)
    if outside := outside_of(read_model):
        raise InvalidSource(
            f"{model}: keeps {len(outside)} tensors in other files, as {outside[0]!r}; these are not read"
        )
    said, version = signature(read_model), setup.versions[PACKAGE]
    page = open_page(
        setup,
        _SCRIPT,
        model,
        {
            "accelerator": setup.accelerator,
            "signature": None,
            "threads": options["threads"],
            "count": options.get("count", 0),
        },
    )
    if page.held.get("version") != version:
        raise WorkerLied(f"{PACKAGE}: the page runs version {page.held.get('version')}; its package is {version}")
    return loaded_in(page, f"{PACKAGE} {version}", said)
