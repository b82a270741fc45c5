"""Which phone is served: a token that opens the page once, and the session of the phone that opened it.

Tokens are compared in constant time. An address that gave a wrong one waits, twice as long each time, so that nobody tries many.
"""

from __future__ import annotations

import hmac
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from toolkit import printable

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that are taken for others when read from a screen
_GROUPS, _IN_GROUP = 4, 4  # 31 ** 16: 79 bits
_LONGEST_WAIT_S = 300.0
_MOST_ADDRESSES = 1000  # that are remembered; beyond, all others wait with the last
_MOST_FACTS, _LONGEST_FACT = 20, 300
UNKNOWN = "unknown"


def _new_token() -> str:
    """Return a new token, as `k3wd-...`: four groups of four letters and digits."""
    groups = ("".join(secrets.choice(LETTERS) for _ in range(_IN_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


class Refused(Exception):
    """A request that is refused: an HTTP status, why, and the seconds after which another may be made."""

    def __init__(self, status: int, why: str, after_s: int | None = None) -> None:
        super().__init__(why)
        self.status, self.why, self.after_s = status, why, after_s


@dataclass(frozen=True, slots=True)
class Opened:
    """A page that was opened: its phone's session, and its own name, which a page that is loaded again has anew."""

    session: str
    page: str
    is_new: bool


@dataclass(slots=True)
class Pairing:
    """One token, and at most one phone. `number` is another one for each phone; `facts` is what the phone says of itself."""

    clock: Callable[[], float] = time.monotonic
    token: str = field(default_factory=_new_token)
    number: str | None = None
    facts: dict[str, str] = field(default_factory=dict)
    page: str | None = None
    _session: str | None = None
    _wrong: dict[str, tuple[int, float]] = field(default_factory=dict)

    def open(self, token: str | None, session: str | None, address: str, facts: object) -> Opened:
        """Return the page of a phone that has the token, or the session already; Refused, with what to do, for any other."""
        if self.holds(session):
            return self._open(is_new=False)
        wait_s = self.wait_s(address)
        if wait_s > 0:
            raise Refused(429, f"too many wrong tokens came from this address; try again in {wait_s} s", wait_s)
        if not token:
            raise Refused(401, "a token is needed: scan the code that serve-device shows, or type its token")
        if not _equal(_typed(token), _typed(self.token)):
            self._count(address)
            raise Refused(403, "this token is wrong: scan the code that serve-device shows now, or type its token")
        if self._session is not None:
            raise Refused(
                409,
                "another phone was connected with this token, which serves once; start serve-device again for this one",
            )
        self._session, self.number, self.facts = secrets.token_urlsafe(32), secrets.token_hex(8), read_facts(facts)
        self._wrong.pop(address, None)
        return self._open(is_new=True)

    def holds(self, session: str | None) -> bool:
        """Return whether a session is that of the phone."""
        return self._session is not None and _equal(session or "", self._session)

    def wait_s(self, address: str) -> int:
        """Return the whole seconds that an address has to wait before its next token; 0 for none."""
        _, until = self._wrong.get(self._known(address), (0, 0.0))
        return max(0, math.ceil(until - self.clock()))

    def _open(self, *, is_new: bool) -> Opened:
        self.page = secrets.token_hex(8)
        return Opened(str(self._session), self.page, is_new)

    def _count(self, address: str) -> None:
        name = self._known(address)
        times = self._wrong.get(name, (0, 0.0))[0] + 1
        self._wrong[name] = times, self.clock() + min(2.0 ** (times - 1), _LONGEST_WAIT_S)

    def _known(self, address: str) -> str:
        return address if address in self._wrong or len(self._wrong) < _MOST_ADDRESSES else ""


def _equal(one: str, other: str) -> bool:
    """Return whether two texts are equal; how long this takes says nothing of where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


def _typed(token: str) -> str:
    """Return a token without what people add or leave out when they type it."""
    return token.strip().lower().replace("-", "").replace(" ", "")


def read_facts(said: object) -> dict[str, str]:
    """Return what a phone says of itself as short, printable texts, whatever it sent."""
    if not isinstance(said, dict):
        return {}
    kept = list(said.items())[:_MOST_FACTS]
    return {
        str(printable.line(str(name)[:40])): str(printable.line(str(value)[:_LONGEST_FACT]))
        for name, value in kept
        if isinstance(value, str | int | float | bool) and str(value)
    }
