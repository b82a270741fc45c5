"""docs/outcomes.md is made of the record and of nothing else, and the record has each network on each target of `targets/`."""

from __future__ import annotations

import re

import pytest

from tests.outcomes import page
from tests.outcomes.networks import MODELS, NETWORKS, NO_ORIGINAL

SUFFIXES = {".tflite", ".pb", ".h5", ".hdf5", ".index"}
AGAIN = (
    "run `make outcomes ONLY='--target NAME'`, or say in tests/outcomes/left_out.toml why not; "
    "`python tests/outcomes/page.py` alone writes NOT BUILT"
)


def test_the_page_is_what_the_record_says():
    """Nothing in it was written by hand."""
    assert page.PAGE.read_text("utf-8") == page.page(page.record()), "python tests/outcomes/page.py"


def test_every_network_has_its_line_for_every_target():
    """And each file that others converted of it, for every target that takes such files."""
    found = [page.key_of(line) for line in page.record()]

    assert sorted(found) == sorted(page.wanted()), AGAIN


def test_a_target_is_left_out_with_a_reason_only_if_it_is_there():
    """A profile that goes takes its reason along."""
    assert set(page.left_out()) <= set(page.shipped())
    assert all(len(reason) > 10 for reason in page.left_out().values())


def test_every_target_that_there_is_stands_on_the_page():
    """By its name, once in the table of targets or among those that are left out."""
    text = page.PAGE.read_text("utf-8")

    assert [name for name in page.shipped() if f"| `{name}` |" not in text] == []


def test_nothing_ships_that_did_not_pass():
    """A scheme, and a size, are of what passed; an outcome without a verdict says why."""
    for line in page.record():
        assert (line["ships"] is not None) == (line["size_bytes"] is not None) == (line["outcome"] == "passed")
        assert line["outcome"] in ("passed", page.NOT_BUILT) or line["reason"]


def test_no_place_of_a_machine_is_named():
    assert re.findall(r"(?<![\w.*])/(?:home|root|tmp|work|usr|var)/\S*", page.PAGE.read_text("utf-8")) == []


@pytest.mark.usefixtures("shared_models")
def test_every_model_of_others_is_built_or_said_to_be_without_an_original():
    """No file of a model lies there that nobody looks at."""
    taken = [MODELS / path for each in NETWORKS for path in (each.source, *each.converted)]
    taken += [MODELS / path for path in NO_ORIGINAL]
    models = [path for path in MODELS.rglob("*") if path.suffix in SUFFIXES]

    left = [path for path in models if not any(path == of or path.is_relative_to(of) for of in taken)]

    assert models
    assert left == []
