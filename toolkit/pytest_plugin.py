"""A pytest plugin, loaded wherever the package is installed: tests that build a model, verify it, and compare it with the last release.

    from toolkit.pytest_plugin import assert_passed

    def test_the_classifier_survives_int8(edge_verify):
        assert_passed(edge_verify("models/classifier", "raspberry-pi-4", calibration="calibration/classifier.toml"))

If the test has a baseline file, `edge_verify` is also a gate: it fails the test where `edge-toolkit check` would fail. No module of the toolkit is
imported before a test uses it, because pytest loads this plugin in every run.

An error shows its message at the test's own line. `pytest --full-trace` also shows the frames of this package.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from toolkit.jobs.executor import Executor
    from toolkit.jobs.local_executor import LocalExecutor
    from toolkit.profiles.recipe import Asked
    from toolkit.source.original import Original
    from toolkit.verdict.verdict import Verdict

_FOLDER = "edge_baselines"
_SAID = "edge-toolkit baseline"
_NO_NAME = re.compile(r"[^\w.-]+")
_T = TypeVar("_T")
_LONGEST = 120  # characters of a file's name; file systems allow 255 bytes


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the gate."""
    group = parser.getgroup("edge-toolkit")
    group.addoption(
        "--edge-update-baseline",
        action="store_true",
        help="write the baseline of every edge_verify whose verdict is passed, and say what changed",
    )
    group.addoption(
        "--edge-baseline-dir",
        metavar="DIR",
        help=f"where baselines lie, and each edge_verify must have one; else {_FOLDER} beside the test, where they may be missing",
    )
    parser.addini("edge_baseline_dir", "as --edge-baseline-dir; relative to the folder of this file")
    parser.addini(
        "edge_allow_read", "files and folders that builders, sample functions and metrics may read too", "paths", []
    )
    parser.addini("edge_allow_network", "let builders, sample functions and metrics reach the network", "bool", False)
    parser.addini("edge_allow_env", "environment variables that workers get", "args", [])


@pytest.fixture(scope="session")
def edge_executor(pytestconfig: pytest.Config) -> Iterator[Executor]:
    """Return the executor that all tests share, with the command line's cache folder, so that no import and no job runs twice."""
    __tracebackhide__ = True
    with _without_our_frames(pytestconfig, lambda: _executor_of(pytestconfig)) as executor:
        yield executor


def _executor_of(config: pytest.Config) -> LocalExecutor:
    from toolkit.jobs.local_executor import LocalExecutor
    from toolkit.settings import Settings
    from toolkit.settings.permissions import Permissions

    said = [config.getini(f"edge_allow_{name}") for name in ("read", "network", "env")]
    return LocalExecutor(Settings(permissions=Permissions(tuple(said[0]), said[1], tuple(said[2]))))


@pytest.fixture
def edge_verify(
    request: pytest.FixtureRequest, edge_executor: Executor, tmp_path_factory: pytest.TempPathFactory
) -> Verifying:
    """Return a function that builds a model for a target in a temporary folder and returns the verdict; see `Verifying`."""
    return Verifying(request.node, edge_executor, tmp_path_factory)


def _without_our_frames(config: pytest.Config, do: Callable[[], _T]) -> _T:
    """Return the result of a function; an EdgeToolkitError from it loses this package's frames and its cause, except with `--full-trace`.

    Its message says what happened. Any other exception is a bug of this package, and keeps its frames.
    """
    __tracebackhide__ = True
    from toolkit.errors import EdgeToolkitError

    try:
        return do()
    except EdgeToolkitError as error:
        if config.getoption("fulltrace"):
            raise
        raise error.with_traceback(None) from None


def assert_passed(verdict: Verdict) -> None:
    """Raise AssertionError with the whole report if a verdict did not pass."""
    __tracebackhide__ = True
    from toolkit import printable, report

    if not verdict.passed:
        raise AssertionError(printable.lines(["not passed", report.verdict_text(verdict)]))


@dataclass
class Verifying:
    """The value of the fixture `edge_verify`; one test may call it several times."""

    _test: pytest.Item
    _executor: Executor
    _folders: pytest.TempPathFactory
    _baselines: list[Path] = field(default_factory=list)

    def __call__(
        self,
        source: str | Path | Original,
        target: str | Path,
        *,
        calibration: str | Path | None = None,
        evaluation: str | Path | None = None,
        scheme: str | Asked | None = None,
        allow: str | Path | None = None,
    ) -> Verdict:
        """Return the verdict on a model for one target, built as by `edge-toolkit build`, with the same paths and names.

        `allow` is a file of allowed changes, as for `edge-toolkit check`. The test fails if a baseline exists and the bundle does not pass the check
        against it. Raises the EdgeToolkitError in the place of a verdict.
        """
        __tracebackhide__ = True
        sets = (_text(calibration), _text(evaluation))
        out = self._folders.mktemp("edge_verify")
        verdict, bundle = _without_our_frames(
            self._test.config, lambda: self._build(source, str(target), sets, scheme, out)
        )
        allowed = None if allow is None else Path(allow)
        _without_our_frames(self._test.config, lambda: self._hold_against_baseline(verdict, bundle, allowed))
        return verdict

    def _build(
        self,
        source: str | Path | Original,
        target: str,
        sets: tuple[str | None, str | None],
        scheme: str | Asked | None,
        out: Path,
    ) -> tuple[Verdict, Path]:
        """Return the verdict and the folder of its bundle; raise the error in the place of a verdict."""
        from toolkit.errors import RequestError
        from toolkit.pipeline.prepare import Samples
        from toolkit.source.original import ALL, Original
        from toolkit.verbs.build import build

        original = source if isinstance(source, Original) else Original(Path(source))
        if original.signature == ALL or isinstance(original.signature, tuple):
            raise RequestError("edge_verify: several signatures at once; expected one in each call")
        outcomes = build(original, [target], Samples(*sets), out, scheme=scheme, executor=self._executor)
        ((name, outcome),) = outcomes.items()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome, out / name

    def _hold_against_baseline(self, verdict: Verdict, bundle: Path, allow: Path | None) -> None:
        __tracebackhide__ = True
        from toolkit import printable, regression, report

        path, must_exist = self._baseline_of(bundle.name)
        if self._test.config.getoption("--edge-update-baseline"):
            if not verdict.passed:
                said = f"{path}: left as it is, because this release is not passed"
                pytest.fail(printable.lines([said, report.verdict_text(verdict)]), pytrace=False)
            changes = regression.update(bundle, path)
            self._test.user_properties.append(
                (_SAID, printable.lines([f"{path}:", *(f"  {each}" for each in changes)]))
            )
        elif os.path.lexists(path):  # also if it cannot be read: then the baseline is not missing
            gate = regression.check(bundle, path, allow)
            if gate.outcome != "passed":
                whole = [] if verdict.passed else [report.verdict_text(verdict)]
                lines = printable.lines([f"{path}: the gate is not passed", gate.text(), *whole])
                pytest.fail(lines, pytrace=False)
        elif must_exist:
            pytest.fail(printable.line(f"{path}: no such baseline; --edge-update-baseline writes it"), pytrace=False)

    def _baseline_of(self, target: str) -> tuple[Path, bool]:
        """Return the path of this call's baseline, and whether it must exist, which is so if its folder was named."""
        config = self._test.config
        asked, set_down = config.getoption("--edge-baseline-dir"), config.getini("edge_baseline_dir")
        folder = self._test.path.parent / _FOLDER
        if asked:
            folder = config.invocation_params.dir / asked
        elif set_down:
            folder = (config.inipath.parent if config.inipath else config.rootpath) / set_down
        stem = f"{self._test.path.stem}.{self._test.name}.{target}"
        name = _NO_NAME.sub("-", stem)[:_LONGEST]
        if name != stem:  # for example, two parameters that differ only in characters that a file's name cannot hold
            name += "." + hashlib.sha256(stem.encode()).hexdigest()[:8]
        again = sum(path.name.startswith(f"{name}.") for path in self._baselines)
        path = folder / (f"{name}.{again + 1}.json" if again else f"{name}.json")
        self._baselines.append(path)
        return path, bool(asked or set_down)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print which baselines were written, and their changes."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.stats.get(kind, ())]
    said = [text for each in reports if each.when == "call" for name, text in each.user_properties if name == _SAID]
    if said:
        terminalreporter.section("edge-toolkit: baselines")
        for text in said:
            terminalreporter.write_line(text)


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)
