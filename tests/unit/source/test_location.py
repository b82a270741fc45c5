"""What a path that is no model turns out to be."""

from __future__ import annotations

import pytest

from toolkit.errors import InvalidSource
from toolkit.source.location import locate
from toolkit.source.original import Original


def test_a_bundle_in_place_of_a_model_leads_to_its_file(tmp_path):
    """Whoever has built asks for the folder first."""
    for name in ("manifest.json", "model.tflite"):
        (tmp_path / name).write_text("")

    with pytest.raises(InvalidSource) as caught:
        locate(Original(tmp_path))

    assert (
        caught.value.hint
        == f"it is a bundle; what ships is {tmp_path / 'model.tflite'}, which `inspect` and `run` take"
    )


def test_a_folder_of_anything_else_is_told_what_a_model_is(tmp_path):
    with pytest.raises(InvalidSource) as caught:
        locate(Original(tmp_path))

    assert (caught.value.hint or "").startswith("a SavedModel is a folder with saved_model.pb in it, ")
