"""The phone as jobs see it: it is asked one thing after another, and each question is answered once, by the page that it was put to.

A question stays until it is answered: a page that lost its connection finds it again. An answer names the question's nonce; any other is refused, and
so is one that comes twice. A job has the phone until it ends; others wait for their turn.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.launchers.phones.pairing import Opened, Pairing, Refused

LATER_S = 20.0
"""The seconds after which a page that waits for a question is told to ask again: less than what is between a phone and this machine waits."""

_LOOK_EVERY_S = 0.25
_QUIET_S = 5.0 + LATER_S  # a page that is there makes a request at least so often
_MOST_LINES, _LINES_EVERY_S = 30, 60.0  # that strangers and phones have the terminal show, which may be a file
_STATES = ("visible", "hidden", "frozen", "closed")  # each of the latter is more than those before it


class NotAnswered(Exception):
    """No answer within the limit, or none to be had: why, in words, and what helps."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.problem, self.hint = problem, hint


class BeganAnew(Exception):
    """The page was loaded again, and what it held is gone."""


class Abandoned(Exception):
    """The job that asked has ended."""


@dataclass(slots=True)
class Question:
    """What the phone is asked: `told` is JSON for the page, `body` what it fetches. The times are of the clock, None while they have not come."""

    told: Mapping[str, Any]
    body: bytes
    asked: float
    nonce: str = field(default_factory=lambda: secrets.token_hex(16))
    delivered: float | None = None
    fetched: float | None = None
    answer: bytes | None = None

    @property
    def latest(self) -> float:
        """When the phone last came a step further with it; each step counts once, so that no page moves it on for ever."""
        return max(self.asked, self.delivered or 0.0, self.fetched or 0.0)

    def to_json(self) -> dict[str, Any]:
        """Return what the page is told; `integrity` is what its browser checks the body by (Subresource Integrity of the W3C)."""
        digest = base64.b64encode(hashlib.sha256(self.body).digest()).decode()
        return {**self.told, "nonce": self.nonce, "bytes": len(self.body), "integrity": f"sha256-{digest}"}


class Phone:
    """The one phone that is served. All methods may be called by several threads; `say` takes lines for the terminal."""

    def __init__(
        self, pairing: Pairing, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.pairing = pairing
        self.say = say
        self._clock = clock
        self._changed = threading.Condition()
        self._turn = threading.Lock()
        self._question: Question | None = None
        self._heard = clock()
        self._state, self._since = "visible", clock()
        self._lines, self._lines_since = 0, clock()
        self._loaded_by: str | None = None  # the page that holds the job's model

    # what the page does

    def open(self, token: str | None, session: str | None, address: str, facts: object) -> Opened:
        """Return the opened page; raises as `Pairing.open`."""
        with self._changed:
            try:
                opened = self.pairing.open(token, session, address, facts)
            except Refused as refused:
                self._told(f"{address}: refused: {refused.why}")
                raise
            self._here("visible")
            how = "opened the page" if opened.is_new else "opened the page again"
            self._told(f"{address}: {how}: {self.pairing.facts.get('browser', 'a browser that does not say which')}")
            self._changed.notify_all()
            return opened

    def require(self, session: str | None) -> None:
        """Raise Refused for a request without the phone's session."""
        with self._changed:
            if not self.pairing.holds(session):
                raise Refused(401, "this page is not connected: scan the code that serve-device shows")
            self._heard = self._clock()

    def next(self, page: str, wait_s: float = LATER_S) -> dict[str, Any] | None:
        """Return the question that is open, as JSON; None where there is none for so long. Refused for a page that another one replaced."""
        with self._changed:
            ends = self._clock() + wait_s
            while True:
                self._require_page(page)
                self._heard = self._clock()
                question = self._question
                if question is not None and question.answer is None:
                    question.delivered = question.delivered or self._clock()
                    return question.to_json()
                left = ends - self._clock()
                if left <= 0:
                    return None
                self._changed.wait(min(left, 1.0))

    def body(self, nonce: str) -> bytes:
        """Return what the page fetches for the open question; Refused for any other."""
        with self._changed:
            return self._open_question(nonce).body

    def fetched(self, nonce: str) -> None:
        """Note that a question's body was sent to its end."""
        with self._changed, contextlib.suppress(Refused):
            question = self._open_question(nonce)
            question.fetched = question.fetched or self._clock()

    def require_asked(self, nonce: str, page: str) -> None:
        """Raise Refused, before anything of an answer is read, where `answer` would."""
        with self._changed:
            self._require_page(page)
            self._open_question(nonce)

    def answer(self, nonce: str, page: str, content: bytes) -> None:
        """Take the answer to the open question; Refused for any other, as one of yesterday, and from another page."""
        with self._changed:
            self._require_page(page)
            self._open_question(nonce).answer = content
            self._changed.notify_all()

    def tell(self, page: str, state: str) -> None:
        """Note that the page is visible, hidden, frozen or closed; Refused for another word, or from another page."""
        with self._changed:
            self._require_page(page)
            if state not in _STATES:
                raise Refused(400, f"state: expected one of {', '.join(_STATES)}")
            if _STATES.index(state) in range(1, _STATES.index(self._state)):
                return  # a page that is closed or frozen is hidden too, and says both, in any order
            if state != self._state:
                self._told(f"the page on the phone is {state}")
            self._here(state)
            self._changed.notify_all()

    # what a job does

    @contextlib.contextmanager
    def turn(self, is_there: Callable[[], bool]) -> Iterator[None]:
        """Wait until no other job has the phone, and have it; Abandoned where the job ends meanwhile."""
        while not self._turn.acquire(timeout=_LOOK_EVERY_S):
            if not is_there():
                raise Abandoned
        try:
            yield
        finally:
            with self._changed:
                self._question, self._loaded_by = None, None
                self._changed.notify_all()
            self._turn.release()

    def ask(
        self, told: Mapping[str, Any], body: bytes, number: str, wait_s: float, is_there: Callable[[], bool]
    ) -> bytes:
        """Return the phone's answer to a question of a job, for the phone with this `number` of its pairing.

        A question that does `load` gives the page a model; others need the page that has it: BeganAnew where that was loaded again. NotAnswered after
        `wait_s` seconds in which the phone came no step further, and for another phone; Abandoned where the job has ended.
        """
        with self._changed:
            question = self._question = Question(told, body, self._clock())
            is_load = told.get("do") == "load"
            self._changed.notify_all()
            try:
                while question.answer is None:
                    if self.pairing.number != number:
                        raise NotAnswered(
                            "another phone is connected than the one that the build began with", "repeat the command"
                        )
                    if not is_load and self.pairing.page != self._loaded_by:
                        raise BeganAnew
                    if not is_there():
                        raise Abandoned
                    if self._clock() - question.latest > wait_s:
                        raise NotAnswered(*self._why(wait_s))
                    self._changed.wait(_LOOK_EVERY_S)
            finally:
                self._question = None
            if is_load:
                self._loaded_by = self.pairing.page
            return question.answer

    def _why(self, wait_s: float) -> tuple[str, str]:
        """Return why there is no answer, as far as it is known, and what helps."""
        now = self._clock()
        since = f"{now - self._since:.0f} s"
        if self._state == "closed":
            why = f"its page was closed {since} ago"
        elif self._state != "visible":
            why = f"its page has been {self._state} for {since}: it is locked, or another page is in front"
        elif now - self._heard > _QUIET_S:
            why = f"it was last heard {now - self._heard:.0f} s ago"
        else:
            why = "its page is there, and does not answer"
        problem = f"the phone gave no answer within {wait_s:g} s: {why}"
        return (
            problem,
            "keep the page in front and the screen on; for a longer limit, options = { ..., wait_s = 300 } in the profile's [runtime]",
        )

    # all hold `_changed`

    def _told(self, line: str) -> None:
        """Say what others cause, and no more of it than people read."""
        if self._clock() - self._lines_since > _LINES_EVERY_S:
            self._lines, self._lines_since = 0, self._clock()
        self._lines += 1
        if self._lines <= _MOST_LINES:
            self.say(line)
        elif self._lines == _MOST_LINES + 1:
            self.say(f"requests go on, and are not told until {_LINES_EVERY_S:.0f} s have passed")

    def _here(self, state: str) -> None:
        self._heard = self._clock()
        if state != self._state:
            self._state, self._since = state, self._heard

    def _require_page(self, page: str) -> None:
        if page != self.pairing.page:
            raise Refused(410, "this page was opened again elsewhere; close it")

    def _open_question(self, nonce: str) -> Question:
        question = self._question
        if question is None or question.nonce != nonce or question.answer is not None:
            raise Refused(409, "nobody asked this, or it was answered already")
        return question
