"""Signatures by name: folders, and errors that stay with the one that they are of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from toolkit.errors import InvalidSamples
from toolkit.pipeline import signatures

ROOT = Path(__file__).resolve().parents[3]
KEYS = ("serving_default", "a b", "a/b", "a%2Fb", "../up", "..", ".", "", "%", "~", "größe", "x" * 40)


def test_every_key_has_a_folder_of_its_own_and_none_leads_elsewhere(tmp_path):
    folders = [tmp_path / signatures.folder_of(key) for key in KEYS]

    for folder in folders:
        folder.mkdir()
        assert folder.resolve().parent == tmp_path.resolve()
    assert len(set(folders)) == len(KEYS)
    assert signatures.folder_of("serving_default") == "serving_default"


def test_an_error_is_the_outcome_of_each_target_of_its_signature():
    def judge():
        raise InvalidSamples("they do not fit")

    outcomes = signatures.on_its_own("embed", ["host", "board"], judge)

    assert list(outcomes) == ["embed/host", "embed/board"]
    assert all(isinstance(outcome, InvalidSamples) for outcome in outcomes.values())


def test_what_is_no_error_of_the_toolkit_is_not_taken_for_an_outcome():
    def judge():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        signatures.on_its_own("embed", ["host"], judge)


@pytest.mark.parametrize(
    ("file", "name"), re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "docs" / "signatures.md").read_text())
)
def test_what_the_documentation_names_as_evidence_is_there(file, name):
    assert any(f"def {name}(" in path.read_text() for path in (ROOT / "tests").rglob(file))
