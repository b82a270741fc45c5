"""The tree of errors: every error says who, what is wrong and what is expected.

Standard library only, because workers raise these errors too, in interpreters without the toolkit's dependencies.
A missed tolerance is no error: it is a `Verdict` that did not pass (exit status 1).

    EdgeToolkitError
    ├── RequestError              exit 2: what was requested is wrong (a file, a name, a flag, a sample)
    │   ├── UnknownName           a name that nothing has; offers the closest
    │   ├── InvalidConfig         a TOML file with mistakes, all of them at once
    │   ├── DamagedFile           a file that is not what it should be: cut, changed, no plain file; the store makes it again
    │   ├── InvalidSource         a model that cannot be read, or lacks the requested part
    │   ├── InvalidSamples        samples that do not fit the model, or do not suffice
    │   │   └── NoSamples         a set that was not given
    │   ├── Unconvertible         a model that the converter or the target's runtime cannot express
    │   │   └── Unsupported       the same of an artifact, seen from its bytes (toolkit/verdict/refusals.py)
    │   └── UnjudgeableRun        evidence that cannot carry a verdict (no sample, no comparison, no bound)
    ├── DoesNotFit                exit 1: an artifact that exceeds a budget of the target (toolkit/verdict/refusals.py)
    └── OutsideError              exit 3: something outside failed
        ├── EnvironmentUnavailable  an engine's environment is not available
        ├── TargetUnavailable       a target cannot be executed on this machine
        ├── StoreFailed             the store or an output folder cannot be written
        └── WorkerError             a job did not end well
            ├── WorkerCrashed       the worker died: by a signal, a non-zero exit, or without a response
            ├── LimitReached        the job reached one of its limits, and says nothing of the model but that
            │   ├── WorkerTimeout       no answer within the job's time limit
            │   ├── WorkerOutOfMemory   the job used, or asked for, more than its memory limit
            │   └── WorkerWroteTooMuch  the job wrote a larger file than it may
            ├── WorkerLied          the response is not an answer to the request
            └── WorkerRefused       the engine raised an exception
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
from collections.abc import Iterable, Iterator

from toolkit import printable
from toolkit.printable import Text

_TREE: dict[str, type[EdgeToolkitError]] = {}
_RENAMED = {"ai_edge_quantizer": "litert_quantizer"}  # former names, which scripts may still use
_LONGEST_CHAIN = 8  # exceptions of one chain in a message; more would not be read
_LONGEST_LINE = 1000  # characters of one exception
_MOST_READ = 10_000  # characters of a message that are read; converters put pages of MLIR into one


class EdgeToolkitError(Exception):
    """Base of all errors that reach a user: `problem` (who: what is wrong; what is expected) and `hint` (the next action).

    Both are made safe to print, so they may hold names unchanged. A text is one line; pass several lines as `printable.lines`.
    """

    exit_status = 3
    passed = False  # for an error in the place of a verdict, as among the outcomes of a build

    def __init__(self, problem: str, hint: str | None = None) -> None:
        super().__init__(problem, hint)
        self.problem = printable.sentence(problem)
        self.hint = None if hint is None else printable.sentence(hint)

    def __init_subclass__(cls) -> None:
        _TREE[cls.__name__] = cls

    @property
    def text(self) -> Text:
        """The problem, with the hint below it."""
        return printable.lines([self.problem, *([printable.together("  hint: ", self.hint)] if self.hint else [])])

    def __str__(self) -> str:
        return self.text


class RequestError(EdgeToolkitError):
    """What was requested is wrong: exit status 2."""

    exit_status = 2


class UnknownName(RequestError):
    """A name that nothing has."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str | None = None) -> None:
        super().__init__(f"{kind} {name!r}: unknown; {suggestion(name, known)}", hint)


class InvalidConfig(RequestError):
    """A TOML file with mistakes: one line each, all of them at once."""

    def __init__(self, path: object, problems: Iterable[str], hint: str | None = None) -> None:
        super().__init__(
            printable.lines(printable.together(f"{path}: ", printable.sentence(problem)) for problem in problems), hint
        )


class DamagedFile(RequestError):
    """A damaged file, with one line for each problem: it is cut, changed, of another shape, or no plain file."""

    def __init__(self, path: object, problems: Iterable[str], hint: str | None = None) -> None:
        super().__init__(
            printable.lines(printable.together(f"{path}: ", printable.sentence(problem)) for problem in problems), hint
        )


class InvalidSource(RequestError):
    """A model that cannot be read, or that lacks the requested part."""


class InvalidSamples(RequestError):
    """Samples that do not fit the model's inputs, or do not suffice to calibrate or to judge."""


class NoSamples(InvalidSamples):
    """A set that was not given: its hint says where samples come from."""

    def __init__(self, problem: str) -> None:
        sets = "an .npz, a .csv, a folder of images or of sounds, and package.module:function"
        hint = [
            "write calibration/mine.toml:",
            "    [reader]",
            '    kind = "arrays"',
            '    path = "samples.npz"',
            f"  and pass --calibration calibration/mine.toml ({sets} can be passed as they are)",
        ]
        super().__init__(problem, printable.lines(hint))


class Unconvertible(RequestError):
    """A model that the converter cannot express, or that the target's runtime cannot run."""


class UnjudgeableRun(RequestError):
    """Evidence that cannot carry a verdict: no sample, no comparison, an output without a bound on its total."""


class OutsideError(EdgeToolkitError):
    """Something outside failed: exit status 3."""


class EnvironmentUnavailable(OutsideError):
    """An engine's environment is not available on this machine, or is not available now."""


class TargetUnavailable(OutsideError):
    """A target cannot be executed on this machine."""


class StoreFailed(OutsideError):
    """The store or an output folder cannot be written: no space, no permission."""


class WorkerError(OutsideError):
    """A job did not end well; `hint` holds the worker's last words and the place of its log."""


class WorkerCrashed(WorkerError):
    """The worker died: by a signal, with a non-zero exit status, or without a response."""


class LimitReached(WorkerError):
    """A job reached one of its limits. The same work would reach it again, so it is not repeated."""


class WorkerTimeout(LimitReached):
    """No answer within the job's time limit."""


class WorkerOutOfMemory(LimitReached):
    """The job used more memory than its limit, or requested more than the system gives."""


class WorkerWroteTooMuch(LimitReached):
    """The job wrote a larger file than it may."""


class WorkerLied(WorkerError):
    """The response does not answer the request: it is for another request, cut short, or does not fit the signature."""


class WorkerRefused(WorkerError):
    """The engine raised an exception; the message holds the chain of causes."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'? known: x, y` for an unknown name; `now called 'x'` for a former name of a known one."""
    names = sorted(known)
    listed = f"known: {', '.join(names) or 'none'}"
    if _RENAMED.get(name) in names:
        return f"now called {_RENAMED[name]!r}; {listed}"
    close = difflib.get_close_matches(name, names, n=1)
    return (f"did you mean {close[0]!r}? " if close else "") + listed


def revive(who: str, kind: str, problem: str, hint: str | None) -> EdgeToolkitError:
    """Return the error of class `kind` that a worker reported for the job `who`; an unknown class becomes `WorkerRefused`.

    A worker may not be honest: all its lines except the first are indented, so that none looks like a line of the toolkit.
    """
    error = EdgeToolkitError.__new__(_TREE.get(kind, WorkerRefused))
    subject = "" if problem.startswith(who) else f"{who}: "
    told = printable.together(subject, printable.set_in(problem[:_MOST_READ]))
    EdgeToolkitError.__init__(error, told, None if hint is None else printable.set_in(hint[:_MOST_READ]))
    return error


def prefixed(subject: str, error: EdgeToolkitError) -> EdgeToolkitError:
    """Return an error of the same class whose problem has `subject` before it."""
    another = EdgeToolkitError.__new__(type(error))
    EdgeToolkitError.__init__(another, printable.together(subject, error.problem), error.hint)
    return another


@contextlib.contextmanager
def gathering(mistakes: list[RequestError]) -> Iterator[None]:
    """Append a RequestError that is raised inside to the `mistakes`, and continue; raise them later with `all_at_once`."""
    try:
        yield
    except RequestError as error:
        mistakes.append(error)


def all_at_once(errors: Iterable[EdgeToolkitError]) -> EdgeToolkitError:
    """Return several errors as one, each text once: of their common class, else a RequestError; a single error unchanged.

    Each hint stands below its own problem; a hint that all errors share is given once, after the last.
    """
    different = list({error.text: error for error in errors}.values())
    if len(different) == 1:
        return different[0]
    hints, kinds = {error.hint for error in different}, {type(error) for error in different}
    hint = hints.pop() if len(hints) == 1 else None
    told = printable.lines(_with_hint(error) if hint is None else error.problem for error in different)
    one = EdgeToolkitError.__new__(kinds.pop() if len(kinds) == 1 else RequestError)
    EdgeToolkitError.__init__(one, told, hint)
    return one


def _with_hint(error: EdgeToolkitError) -> Text:
    """Return a problem with its hint below it, indented more than the problems of a worker (`printable.set_in`)."""
    hint = [] if error.hint is None else [printable.together("    hint: ", printable.set_in(error.hint, "    "))]
    return printable.lines([error.problem, *hint])


def causes(exception: BaseException) -> str:
    """Return `SystemError: ... <- ImportError: ...`, the chain of causes of an exception, the first line of each.

    An engine may raise an exception that is its own cause, a longer ring, or an endless chain. So each exception appears once, and the number of
    exceptions and the length of each are limited.
    """
    chain = _chain(exception, suppressed=False)
    links = [_first_line(each) for each in chain[:_LONGEST_CHAIN]]
    return " <- ".join([*links, "..."] if len(chain) > len(links) else links)


def limit_of(exception: BaseException) -> str | None:
    """Return the class name of the limit that caused an exception: memory that was refused, a file that may not grow; None for no limit.

    Engines have their own exceptions for this: TensorFlow raises ResourceExhaustedError for a tensor that it cannot allocate.
    """
    for each in _chain(exception, suppressed=True):
        number = each.errno if isinstance(each, OSError) else None
        exhausted = type(each).__name__ == "ResourceExhaustedError" and "allocat" in _told(each)
        if isinstance(each, MemoryError) or number == errno.ENOMEM or exhausted:
            return WorkerOutOfMemory.__name__
        if number == errno.EFBIG or os.strerror(errno.EFBIG) in _told(each):
            return WorkerWroteTooMuch.__name__
    return None


def _chain(exception: BaseException, *, suppressed: bool) -> list[BaseException]:
    """Return an exception and its causes, each once, one more than are told; with `suppressed`, also those that `raise ... from None` hides."""
    found: list[BaseException] = []
    seen: BaseException | None = exception
    while seen is not None and len(found) <= _LONGEST_CHAIN and all(seen is not each for each in found):
        found.append(seen)
        hidden = seen.__suppress_context__ and not suppressed
        seen = seen.__cause__ or (None if hidden else seen.__context__)
    return found


def _told(exception: BaseException) -> str:
    try:
        return str(exception)[:_MOST_READ]
    except Exception:  # noqa: BLE001 (a user's or an engine's own `__str__` may raise anything)
        return ""


def _first_line(exception: BaseException) -> str:
    """Return `SystemError: its first line`, cut if it is too long; only the class if the exception's text fails."""
    name = type(exception).__name__
    try:
        text = str(exception)[:_MOST_READ].strip()
    except Exception:  # noqa: BLE001 (a user's or an engine's own `__str__` may raise anything)
        return name
    line = next(iter(text.splitlines()), "")
    if len(line) > _LONGEST_LINE:
        line = line[:_LONGEST_LINE] + "..."
    return f"{name}: {line}" if line else name
