"""A browser without a window: how it is started, and which files its page may load.

Each start has a new profile. Each request of the page is answered here, through DevTools, from the folders of the launcher's packages; any other
fails. So there is no server, no port and no network. Chromium's flags: https://peter.sh/experiments/chromium-command-line-switches/
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from toolkit.engines.web.devtools import BrowserEvent, DevTools
from toolkit.settings.environment_variables import by_everybody
from toolkit.wire.browser_setup import SOFTWARE, Setup

_END_S = 10.0
_PAUSE_S = 0.05
ORIGIN = "https://page.invalid"  # a name that nobody can have (RFC 2606); https, as pages of other origins lack WebGPU

_FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-breakpad",
    "--disable-dev-shm-usage",  # a job may write to its own folder only
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-zygote",  # processes are started, not forked: Landlock shows none its siblings in /proc
    "--in-process-gpu",
    "--disable-gpu",  # nothing is drawn; an adapter in software needs none
)
_ADAPTERS = {None: (), SOFTWARE: ("--enable-unsafe-webgpu", f"--use-webgpu-adapter={SOFTWARE}")}
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
_PAGE = '<!doctype html><meta charset="utf-8"><script type="importmap">{map}</script><body></body>'
# A page with these may share memory between threads: https://web.dev/articles/coop-coep
_ISOLATED = (("Cross-Origin-Opener-Policy", "same-origin"), ("Cross-Origin-Embedder-Policy", "require-corp"))


class Browser:
    """A browser with one page, which can load `files` beside those of its packages: {path: content}.

    WorkerCrashed, in the browser's last words, where it does not start.
    """

    def __init__(self, setup: Setup, files: Mapping[str, bytes], imports: Mapping[str, str]) -> None:
        self._packages = {name: Path(folder).resolve() for name, folder in setup.packages.items()}
        page = _PAGE.format(map=json.dumps({"imports": dict(imports)}))
        self._files = {"": page.encode(), **files}
        self._profile = tempfile.TemporaryDirectory(prefix="profile-", ignore_cleanup_errors=True)
        profile = self._profile.name
        flags = (*_FLAGS, *_ADAPTERS[setup.adapter], *(("--no-sandbox",) if _needs_no_sandbox() else ()))
        command = (setup.program, *flags, f"--user-data-dir={profile}", "about:blank")
        variables = {**by_everybody(), "HOME": profile}
        self.tools = DevTools(command, variables, Path(profile))
        self.tools.handle = self._handle
        self._loaded: set[str] = set()
        self.version = str(self.tools.call("Browser.getVersion")["product"]).replace("HeadlessChrome", "Chrome")
        self._session = self._open()

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page, as JSON; RuntimeError with the page's own words for an exception."""
        return self._value("Runtime.evaluate", {"expression": expression})

    def call(self, function: str, *arguments: object) -> Any:
        """Return what a function of the page gives for arguments (JSON), after its promise is kept; RuntimeError as for `evaluate`."""
        of = {"objectId": self._page_object, "arguments": [{"value": each} for each in arguments]}
        return self._value(
            "Runtime.callFunctionOn", {"functionDeclaration": f"function(...all) {{ return {function}(...all) }}", **of}
        )

    def close(self) -> None:
        """End the browser and remove its profile."""
        self.tools.close()
        ends = time.monotonic() + _END_S
        while Path(self._profile.name).exists() and time.monotonic() < ends:  # its processes may still write there
            self._profile.cleanup()
            time.sleep(_PAUSE_S)

    def _value(self, method: str, asked: Mapping[str, object]) -> Any:
        answer = self.tools.call(method, {**asked, "awaitPromise": True, "returnByValue": True}, self._session)
        if "exceptionDetails" in answer:
            raise RuntimeError(_words(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def _open(self) -> str:
        """Open the page, and return its session."""
        tools = self.tools
        target = tools.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = str(tools.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"])
        for domain in ("Page.enable", "Inspector.enable"):
            tools.call(domain, session=session)
        tools.call("Fetch.enable", {"patterns": [{"urlPattern": "*"}]}, session)
        tools.call("Page.setLifecycleEventsEnabled", {"enabled": True}, session)
        loader = tools.call("Page.navigate", {"url": f"{ORIGIN}/"}, session)["loaderId"]
        while loader not in self._loaded:
            tools.wait()
        window = tools.call("Runtime.evaluate", {"expression": "globalThis"}, session)
        self._page_object = window["result"]["objectId"]
        return session

    def _handle(self, event: BrowserEvent) -> None:
        method, params = event["method"], event.get("params", {})
        if method == "Fetch.requestPaused":
            self._answer(params, event.get("sessionId"))
        elif method == "Inspector.targetCrashed":
            raise self.tools.crashed("the page")
        elif method == "Page.lifecycleEvent" and params["name"] == "load":
            self._loaded.add(params["loaderId"])

    def _answer(self, params: Mapping[str, Any], session: str | None) -> None:
        """Give the page a file that it may load; any other request fails."""
        url, asked = str(params["request"]["url"]), {"requestId": params["requestId"]}
        content = self._content(url.removeprefix(f"{ORIGIN}/")) if url.startswith(f"{ORIGIN}/") else None
        if content is None:
            self.tools.tell("Fetch.failRequest", {**asked, "errorReason": "AccessDenied"}, session)
            return
        kind = _TYPES.get(PurePosixPath(url).suffix, "text/html")
        headers = [{"name": name, "value": value} for name, value in (("Content-Type", kind), *_ISOLATED)]
        body = base64.b64encode(content).decode()
        self.tools.tell(
            "Fetch.fulfillRequest", {**asked, "responseCode": 200, "responseHeaders": headers, "body": body}, session
        )

    def _content(self, path: str) -> bytes | None:
        """Return one of the page's own files, or a file of a package, `packages/NAME/...`; None for any other path."""
        if path in self._files:
            return self._files[path]
        for name, folder in self._packages.items():
            inside = path.removeprefix(f"packages/{name}/")
            if inside != path:
                file = (folder / inside).resolve()
                return file.read_bytes() if file.is_relative_to(folder) and file.is_file() else None
        return None


def _needs_no_sandbox() -> bool:
    """Return whether the browser has to do without its own sandbox: for root it refuses to make one, and a confined job may not."""
    if os.geteuid() == 0:
        return True
    status = Path("/proc/self/status").read_text().splitlines()  # proc(5): Seccomp is 2 where calls are filtered
    return any(line.split() == ["Seccomp:", "2"] for line in status)


def _words(details: Mapping[str, Any]) -> str:
    """Return an exception of the page in its own words, the first line with the reason."""
    exception = details.get("exception", {})
    text = exception.get("description") or exception.get("value") or details.get("text")
    return " ".join(str(text).split("\n    at ")[0].split())
