"""What operators can do, as the list says it, and which files are a model's own; where they stand is in tests/attacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import InvalidSource
from toolkit.jobs.job import path_digest
from toolkit.source.loading import operators
from toolkit.source.loading.own_files import links_out, strange_assets

CAN = {
    "reads files",
    "writes files",
    "runs Python",
    "uses the network",
    "stops the process",
    "changes how files are reached",
    "runs native code by its name",
}


def test_each_operator_is_listed_once():
    """Under one heading: what it says would else hang on the order of the lines."""
    lines = operators._LISTS.read_text().splitlines()
    names = [name for line in lines if not line.startswith(("#", "[")) for name in line.split()]

    assert len(names) == len(set(names)) == len(operators.kinds()) > 1800
    assert set(operators.kinds().values()) == CAN | {"harmless", "on condition", "saver", "unknown"}


@pytest.mark.parametrize(
    ("name", "can"),
    [
        ("WriteFile", "writes files"),
        ("CacheDatasetV2", "writes files"),
        ("ImmutableConst", "reads files"),
        ("ReadFile", "reads files"),
        ("EagerPyFunc", "runs Python"),
        ("Abort", "stops the process"),
        ("Send", "uses the network"),
        ("OutfeedEnqueue", "not known to be harmless"),
        ("SomebodysOwnOp", "not known to be harmless"),
        ("SaveV2", "reads and writes files"),
    ],
)
def test_what_is_not_harmless_is_refused_unless_it_is_trusted(name, can):
    """By its name, with what it can do; one that nobody has heard of too."""
    reached = operators.abilities({name, "Conv2D", "TFLite_Detection_PostProcess"})

    assert reached == [f"{name} ({can})"]
    with pytest.raises(InvalidSource, match="running it lets it do that") as refused:
        operators.refuse_reaching("model", reached, trust=False)
    assert "--trust" in (refused.value.hint or "")
    operators.refuse_reaching("model", reached, trust=True)


def test_what_networks_are_made_of_passes():
    """Nobody is asked to trust a convolution."""
    common = (
        "Conv2D MatMul FusedBatchNormV3 While If PartitionedCall LookupTableFindV2 VarHandleOp RFFT Einsum Print Assert"
    )

    assert operators.abilities(common.split()) == []


def model(folder: Path) -> Path:
    """Make a folder that looks like a SavedModel."""
    (folder / "variables").mkdir(parents=True)
    (folder / "assets").mkdir()
    for name in ("saved_model.pb", "variables/variables.index", "assets/words.txt"):
        (folder / name).write_text(name)
    return folder


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "variables", "variables/variables.index", "assets/words.txt", "assets/more"]
)
def test_a_link_that_leads_out_of_a_model_is_named(tmp_path, name):
    """Whatever it is, at whatever depth, and to whatever it leads; nothing behind it is looked at."""
    path, outside = model(tmp_path / "model") / name, tmp_path / "outside"
    outside.mkdir()
    if path.is_dir():
        path.rename(tmp_path / "aside")
    path.unlink(missing_ok=True)
    path.symlink_to("/")

    assert links_out(tmp_path / "model") == [f"{name} (reads files: it is a link to /)"]


def test_links_inside_of_a_model_are_its_own(tmp_path):
    """And so are those of a snapshot in a cache of the Hugging Face Hub, whose files lie beside it; not those of a folder that is called alike."""
    folder = model(tmp_path / "models--a--b" / "snapshots" / "0f")
    blobs = tmp_path / "models--a--b" / "blobs"
    blobs.mkdir()
    (blobs / "5a").write_text("weights")
    (folder / "variables" / "variables.index").unlink()
    (folder / "variables" / "variables.index").symlink_to("../../../blobs/5a")
    (folder / "assets" / "same").symlink_to("words.txt")

    assert links_out(folder) == []

    (tmp_path / "models--a--b").rename(tmp_path / "mine")
    assert len(links_out(tmp_path / "mine" / "snapshots" / "0f")) == 1


def test_assets_lie_in_the_folder_of_assets():
    """Names are read as a file system reads them."""
    good = ["words.txt", "a/words.txt", "a/../words.txt", "..words.txt"]
    bad = ["../words.txt", "/etc/passwd", "a/../../saved_model.pb", "..", "", "."]

    assert strange_assets(good) == []
    assert [said.partition(" (")[0] for said in strange_assets(bad)] == [f"the asset {name!r}" for name in bad]


def test_a_folder_behind_a_link_is_part_of_a_model(tmp_path):
    """What a trusted model's link leads to decides what it computes, so a job with it is another one."""
    folder, outside = model(tmp_path / "model"), tmp_path / "outside"
    outside.mkdir()
    (folder / "more").symlink_to(outside)
    before = path_digest(folder)

    (outside / "weights").write_text("others")

    assert path_digest(folder) != before
    assert path_digest(folder) == path_digest(folder)
