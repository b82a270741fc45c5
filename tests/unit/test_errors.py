"""The chain of causes of an exception in one line: short, whatever the chain is."""

from __future__ import annotations

import errno

import pytest

from toolkit.errors import Unconvertible, causes, limit_of


def ring(length: int, link: str) -> BaseException:
    """Return the first of `length` exceptions, each the cause (or context) of the one before, the last one's being the first."""
    links = [ValueError(f"link {number}") for number in range(length)]
    for one, other in zip(links, [*links[1:], links[0]], strict=True):
        setattr(one, link, other)
    return links[0]


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_ring_of_exceptions_is_told_once(length, link):
    """TensorFlow's converter raises an exception that is its own cause: the message grew until the memory was full."""
    told = causes(ring(length, link))

    assert told == " <- ".join(f"ValueError: link {number}" for number in range(length))


def test_a_ring_behind_a_chain_ends_too():
    """The ring need not hold the exception that was caught."""
    caught = RuntimeError("caught")
    caught.__cause__ = ring(2, "__context__")

    assert causes(caught) == "RuntimeError: caught <- ValueError: link 0 <- ValueError: link 1"


def test_a_very_long_chain_is_cut():
    """No one reads ten thousand causes."""
    last = first = ValueError("link 0")
    for number in range(1, 10_000):
        last.__cause__ = ValueError(f"link {number}")
        last = last.__cause__

    told = causes(first)

    assert told.startswith("ValueError: link 0 <- ValueError: link 1 <- ")
    assert told.endswith(" <- ...")
    assert len(told) < 1000


def test_a_very_long_message_is_cut():
    """A converter's message may hold the whole model as one line."""
    told = causes(ValueError("x" * 10_000_000))

    assert told.startswith("ValueError: xxx")
    assert told.endswith("...")
    assert len(told) < 2000


def test_an_exception_that_cannot_be_told_is_named():
    """`__str__` is the user's code too."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise TypeError("no words")

    assert causes(Mute()) == "Mute"


def test_a_suppressed_context_is_not_told():
    """`raise ... from None` hides what was handled."""
    shown = RuntimeError("shown")
    shown.__context__ = ValueError("hidden")
    shown.__suppress_context__ = True

    assert causes(shown) == "RuntimeError: shown"


class ResourceExhaustedError(Exception):
    """As TensorFlow calls it."""


class Untellable(Exception):
    """Its text cannot be had."""

    def __str__(self):
        raise RuntimeError


def refused(cause: BaseException) -> Exception:
    """Return the error of a converter that hides what it met."""
    error = Unconvertible("the model cannot be converted")
    error.__context__, error.__suppress_context__ = cause, True
    return error


@pytest.mark.parametrize(
    ("exception", "limit"),
    [
        (MemoryError("std::bad_alloc"), "WorkerOutOfMemory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "WorkerOutOfMemory"),
        (ResourceExhaustedError("OOM when allocating tensor with shape[1,30000000000]"), "WorkerOutOfMemory"),
        (OSError(errno.EFBIG, "File too large"), "WorkerWroteTooMuch"),
        (ValueError("model.tflite: File too large"), "WorkerWroteTooMuch"),
        (ResourceExhaustedError("out of ids"), None),
        (OSError(errno.ENOENT, "No such file"), None),
        (ValueError("3"), None),
        (Untellable(), None),
        (ring(3, "__cause__"), None),
    ],
)
def test_a_limit_is_known_wherever_it_stands_in_the_chain(exception, limit):
    """A converter that got no memory says that the model cannot be converted, which it could be with more."""
    assert limit_of(exception) == limit
    assert limit_of(refused(exception)) == limit
