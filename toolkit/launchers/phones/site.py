"""The files that a phone may load: the page, the engines' own files by their lock, and nothing else of this machine."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from toolkit.launchers.browser.packages import LOCKED

PAGE = Path(__file__).with_name("page")
_WEB = Path(__file__).resolve().parents[2] / "engines" / "web"  # files of the phone's; nothing of them is imported here
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".wasm": "application/wasm",
}
# What the engines' scripts import, {name: place in the packages}.
_IMPORTS = {
    "litert": {name: f"{name}/dist/index.js" for name in ("@litertjs/core", "@litertjs/wasm-utils")},
    "onnxruntime": {"onnxruntime-web": "onnxruntime-web/dist/ort.wasm.min.mjs"},
}
OPEN = ("/", "/page.js", "/page.css")
"""What a phone loads before it has a session: it says nothing of the machine or of the job."""


@dataclass(frozen=True, slots=True)
class SiteFile:
    """A file of the site: its type for HTTP, its content, and a mark that changes with it."""

    kind: str
    content: bytes
    mark: str


class Site:
    """All files that there are, {path: file}; `policy` is the Content-Security-Policy of each answer."""

    def __init__(self, packages: Mapping[str, Mapping[str, Path]]) -> None:
        """Read the page, and of each engine's packages, {environment: {name: folder}}, the files in their lock."""
        frames = {engine: _frame(engine) for engine in packages}
        own = {
            "/": (PAGE / "index.html").read_bytes(),
            "/page.js": (PAGE / "page.js").read_bytes(),
            "/page.css": (PAGE / "page.css").read_bytes(),
            "/frame.js": (PAGE / "frame.js").read_bytes(),
            "/exchange.js": (_WEB / "exchange.js").read_bytes(),
            **{f"/engines/{engine}/": text.encode() for engine, (text, _) in frames.items()},
            **{f"/engines/{engine}/script.js": (_WEB / f"{engine}.js").read_bytes() for engine in packages},
        }
        self.files = {path: _file(path, content) for path, content in own.items()}
        for engine, folders in packages.items():
            for package in LOCKED[engine]:
                for name in package.files:
                    path = f"/packages/{package.name}/{name}"
                    self.files[path] = _file(path, (folders[package.name] / name).read_bytes())
        self.policy = _policy(mark for _, mark in frames.values())


def identity() -> str:
    """Return a hash of the toolkit's own files on a phone: it changes with what could change an answer."""
    files = [*sorted(PAGE.iterdir()), *sorted(_WEB.glob("*.js"))]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]


def _file(path: str, content: bytes) -> SiteFile:
    kind = _TYPES.get(PurePosixPath(path).suffix, _TYPES[".html"])
    return SiteFile(kind, content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _frame(engine: str) -> tuple[str, str]:
    """Return the page of the frame that runs an engine, and the mark by which the policy allows its one inline script, the map of imports."""
    places = {name: f"/packages/{place}" for name, place in _IMPORTS[engine].items()}
    text = json.dumps({"imports": {**places, "/script.js": f"/engines/{engine}/script.js"}})
    mark = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    html = f'<!doctype html><meta charset="utf-8"><script type="importmap">{text}</script><script src="/frame.js"></script><body></body>'
    return html, f"'sha256-{mark}'"


def _policy(marks: Iterable[str]) -> str:
    """Return the Content-Security-Policy: own files only, Wasm, and no evaluation of texts (https://www.w3.org/TR/CSP3/)."""
    scripts = " ".join(["'self'", "'wasm-unsafe-eval'", *marks])
    return (
        f"default-src 'none'; script-src {scripts}; connect-src 'self'; style-src 'self'; frame-src 'self'; worker-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
