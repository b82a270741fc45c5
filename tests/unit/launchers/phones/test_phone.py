"""What the phone is asked and answers, seen from both sides; no network."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time

import pytest

from toolkit.launchers.phones.pairing import Pairing, Refused
from toolkit.launchers.phones.phone import Abandoned, BeganAnew, NotAnswered, Phone

LOAD = {"do": "load", "engine": "litert", "title": "m"}
CALL = {"do": "call", "title": "m"}
LONG_S = 60.0
SHORT_S = 0.3


@pytest.fixture
def phone():
    return Phone(Pairing(), lambda line: None)


@pytest.fixture
def opened(phone):
    return phone.open(phone.pairing.token, None, "192.0.2.7", {})


def asked(phone, told=LOAD, body=b"body", wait_s=LONG_S, number=None, is_there=lambda: True):
    """Ask in a thread, as a job does; return a function that waits for what it gives or raises."""
    given = []

    def ask():
        try:
            given.append(phone.ask(told, body, number or phone.pairing.number, wait_s, is_there))
        except Exception as error:  # noqa: BLE001 (whatever it is, the test looks at it)
            given.append(error)

    thread = threading.Thread(target=ask)
    thread.start()

    def end():
        thread.join(LONG_S)
        return given[0]

    return end


def answered(phone, opened, told=LOAD, content=b"answer"):
    end = asked(phone, told)
    question = phone.next(opened.page)
    phone.answer(question["nonce"], opened.page, content)
    return end()


def test_an_answer_reaches_who_asked(phone, opened):
    """With what the page needs to check the body by."""
    end = asked(phone)
    question = phone.next(opened.page)

    assert phone.body(question["nonce"]) == b"body"
    assert question["bytes"] == 4
    assert question["integrity"] == "sha256-" + base64.b64encode(hashlib.sha256(b"body").digest()).decode()
    phone.answer(question["nonce"], opened.page, b"answer")
    assert end() == b"answer"


def test_a_question_comes_again_until_it_is_answered(phone, opened):
    """The connection may drop at any time."""
    end = asked(phone)
    first = phone.next(opened.page)

    assert phone.next(opened.page) == first
    phone.answer(first["nonce"], opened.page, b"1")
    assert end() == b"1"
    assert phone.next(opened.page, 0.0) is None


def test_an_answer_of_yesterday_is_refused(phone, opened):
    """To a question that was answered, to one that is over, and to none."""
    end = asked(phone)
    old = phone.next(opened.page)["nonce"]
    phone.answer(old, opened.page, b"1")
    with pytest.raises(Refused, match="answered already"):
        phone.answer(old, opened.page, b"2")
    assert end() == b"1"
    end = asked(phone)
    new = phone.next(opened.page)["nonce"]
    for wrong in (old, "", new[:-1]):
        with pytest.raises(Refused, match="nobody asked this"):
            phone.answer(wrong, opened.page, b"3")
        with pytest.raises(Refused, match="nobody asked this"):
            phone.body(wrong)
    phone.answer(new, opened.page, b"4")

    assert end() == b"4"


def test_a_page_that_was_replaced_is_refused(phone, opened):
    """A second tab of the same phone."""
    again = phone.open(None, opened.session, "192.0.2.7", {})
    end = asked(phone)

    for do in (
        lambda: phone.next(opened.page),
        lambda: phone.tell(opened.page, "closed"),
        lambda: phone.answer("", opened.page, b""),
    ):
        with pytest.raises(Refused, match="opened again elsewhere"):
            do()
    question = phone.next(again.page)
    phone.answer(question["nonce"], again.page, b"1")
    assert end() == b"1"


def test_samples_go_only_to_the_page_that_has_the_model(phone, opened):
    """One that was loaded again gets the model first."""
    with pytest.raises(BeganAnew):
        phone.ask(CALL, b"", phone.pairing.number, LONG_S, lambda: True)
    assert answered(phone, opened) == b"answer"
    assert answered(phone, opened, CALL, b"1") == b"1"
    phone.open(None, opened.session, "192.0.2.7", {})
    with pytest.raises(BeganAnew):
        phone.ask(CALL, b"", phone.pairing.number, LONG_S, lambda: True)


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (lambda phone, page: None, "its page is there, and does not answer"),
        (lambda phone, page: phone.tell(page, "hidden"), r"its page has been hidden for \d s: it is locked"),
        (lambda phone, page: phone.tell(page, "frozen"), r"its page has been frozen for \d s: it is locked"),
        (lambda phone, page: phone.tell(page, "closed"), r"its page was closed \d s ago"),
    ],
)
def test_no_answer_is_an_error_that_says_what_is_known(phone, opened, does, says):
    does(phone, opened.page)

    error = asked(phone, wait_s=SHORT_S)()

    assert isinstance(error, NotAnswered)
    assert error.problem.startswith("the phone gave no answer within 0.3 s: ")
    assert re.search(says, error.problem)


def test_a_page_that_asks_again_and_again_moves_no_limit(phone, opened):
    """Each step counts once."""
    began = time.monotonic()
    end = asked(phone, wait_s=SHORT_S)
    phone.next(opened.page)
    while time.monotonic() - began < 300 * SHORT_S and phone._question is not None:
        question = phone.next(opened.page, 0.0)
        if question is not None:
            phone.fetched(question["nonce"])
        time.sleep(0.02)

    assert phone._question is None, "the page moves its limit on"
    assert isinstance(end(), NotAnswered)


def test_another_phone_answers_nothing(phone, opened):
    assert "another phone is connected" in asked(phone, number="another")().problem


def test_a_job_that_ends_lets_the_phone_go(phone, opened):
    """And a job that waits for its turn ends too."""
    assert isinstance(asked(phone, is_there=lambda: False)(), Abandoned)
    with phone.turn(lambda: True), pytest.raises(Abandoned), phone.turn(lambda: False):
        pass
    assert phone.next(opened.page, 0.0) is None


def test_a_state_is_one_of_four(phone, opened):
    with pytest.raises(Refused, match="expected one of visible, hidden, frozen, closed"):
        phone.tell(opened.page, "asleep")


def test_a_page_that_closes_is_closed_whatever_it_says_beside(phone, opened):
    """A page that goes says that it is hidden too, and its messages come in any order."""
    for state in ("closed", "hidden", "frozen"):
        phone.tell(opened.page, state)
    assert "its page was closed" in asked(phone, wait_s=SHORT_S)().problem
    phone.tell(opened.page, "visible")
    assert "its page is there" in asked(phone, wait_s=SHORT_S)().problem


def test_a_stranger_does_not_fill_the_terminal():
    """Nor the file that takes its lines; what happens a minute later is told again."""
    said, now = [], [0.0]
    phone = Phone(Pairing(), said.append, lambda: now[0])

    for _ in range(1000):
        with pytest.raises(Refused):
            phone.open(None, None, "192.0.2.7", {})
    assert 10 < len(said) < 50
    assert "not told" in said[-1]

    now[0] = 61.0
    phone.open(phone.pairing.token, None, "192.0.2.7", {})
    assert "opened the page" in said[-1]
