"""The toolkit's own artifact, which shows what a foreign one could reach."""

from __future__ import annotations

from types import SimpleNamespace

from toolkit import profiles
from toolkit.pipeline import own_artifact
from toolkit.pipeline.own_artifact import OwnRecipe, own_candidates
from toolkit.pipeline.variants import Candidate
from toolkit.profiles.recipe import Recipe


def test_weights_that_are_scaled_are_no_measure_of_a_plain_conversion(monkeypatch):
    """Every other variant is."""
    variants = Recipe("dynamic_wi4_afp32").variants("tflite")
    job = SimpleNamespace()
    found = [Candidate(variant, job, job, job) for variant in variants]
    monkeypatch.setattr(own_artifact, "candidates", lambda *_: found)

    own = own_candidates(SimpleNamespace(), profiles.find("host"), OwnRecipe(Recipe("dynamic_wi4_afp32")))

    assert {one.variant.telling for one in found} == {None, "oscar"}
    assert [one.variant.telling for one in own] == [None]
