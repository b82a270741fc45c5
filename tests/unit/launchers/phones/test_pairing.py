"""Which phone is served: a token that serves once, wrong ones that wait, and what a phone says of itself."""

from __future__ import annotations

import pytest

from toolkit.launchers.phones.pairing import LETTERS, Pairing, Refused, read_facts

ADDRESS = "192.0.2.7"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


@pytest.fixture
def pairing():
    return Pairing(Clock())


def refused(pairing, token, session=None, address=ADDRESS):
    with pytest.raises(Refused) as caught:
        pairing.open(token, session, address, {})
    return caught.value


def test_a_token_connects_one_phone(pairing):
    """As it is scanned, and as people type it."""
    opened = pairing.open(f" {pairing.token.upper().replace('-', ' ')} ", None, ADDRESS, {"browser": "x"})

    assert opened.is_new
    assert pairing.holds(opened.session)
    assert pairing.facts == {"browser": "x"}


def test_a_token_serves_once(pairing):
    """Whoever reads it over somebody's shoulder comes too late."""
    number = (pairing.open(pairing.token, None, ADDRESS, {}), pairing.number)[1]

    assert refused(pairing, pairing.token, address="192.0.2.8").status == 409
    assert refused(pairing, pairing.token).status == 409
    assert pairing.number == number


def test_the_phone_opens_its_page_again_without_a_token(pairing):
    """With a new name for the page, so that the old one is known as such."""
    first = pairing.open(pairing.token, None, ADDRESS, {})
    again = pairing.open("", first.session, ADDRESS, {})

    assert (again.session, again.is_new) == (first.session, False)
    assert again.page != first.page
    assert pairing.page == again.page


@pytest.mark.parametrize("token", ["aaaa-bbbb-cccc-dddd", "x" * 100_000, "\ud800", "ü", "-"])
def test_a_wrong_token_is_refused(pairing, token):
    assert refused(pairing, token).status == 403
    assert not pairing.holds(None)
    assert not pairing.holds("")
    assert pairing.number is None


@pytest.mark.parametrize("token", ["", None])
def test_no_token_is_no_attempt(pairing, token):
    assert refused(pairing, token).status == 401
    assert pairing.open(pairing.token, None, ADDRESS, {}).is_new


def test_each_wrong_token_makes_its_address_wait_twice_as_long(pairing):
    """The right one is refused too while it waits; another address does not wait."""
    waits = []
    for _ in range(12):
        assert refused(pairing, "wrong").status == 403
        waits.append(pairing.wait_s(ADDRESS))
        late = refused(pairing, pairing.token)
        assert (late.status, late.after_s) == (429, waits[-1])
        pairing.clock.now += waits[-1]

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert pairing.wait_s("192.0.2.8") == 0
    assert pairing.open(pairing.token, None, ADDRESS, {}).is_new


def test_many_addresses_wait_together(pairing):
    """What is remembered is limited."""
    for number in range(1100):
        with pytest.raises(Refused):
            pairing.open("wrong", None, f"2001:db8::{number:x}", {})

    assert len(pairing._wrong) <= 1001
    assert refused(pairing, "wrong", address="2001:db8::ffff").status == 429


def test_tokens_are_long_and_easy_to_read():
    """79 bits, and no letter that is taken for another."""
    tokens = {Pairing().token for _ in range(100)}

    assert len(tokens) == 100
    assert all(set(token) <= {*LETTERS, "-"} and len(token) == 19 for token in tokens)
    assert not set("il1o0") & set(LETTERS)


@pytest.mark.parametrize("said", [None, [], "x", 3, {"browser": ["x"]}, {"browser": ""}, {"browser": None}])
def test_facts_that_are_none_are_dropped(said):
    assert read_facts(said) == {}


def test_facts_are_short_and_printable():
    """A phone may say what it likes; a report and a terminal show it."""
    facts = read_facts({"browser": "a\x1b[31m\n" + "b" * 1000, **{f"more{number}": 1 for number in range(100)}})

    assert len(facts) == 20
    assert len(facts["browser"]) < 320
    assert facts["browser"].isprintable()
