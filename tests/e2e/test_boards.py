"""Whole builds for a board over ssh, a real server on loopback: one that is honest, one that is off, and one whose numbers are none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.e2e.conftest import FEW, stage
from tests.integration.launchers.loopback_board import HOST, board_in, reachable, tampered

PROFILE = """\
name    = "{name}"
about   = "a board on loopback"
extends = "host"
schemes = ["static_wi8_ai8"]
[runtime]
launcher = "ssh"
threads  = {threads}
options  = {{ {options} }}
"""


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    board = board_in(tmp_path_factory.mktemp("board"))
    with reachable(board):
        yield board
    board.stop()


@pytest.fixture(scope="module")
def build(edge, sample, digits, tmp_path_factory):
    """Return a function that builds the sample for boards with these options, and the folder of what it makes."""
    folder = tmp_path_factory.mktemp("boards")
    (folder / "few.toml").write_text(FEW.format(data=digits.with_suffix(".npz")))

    def build(threads: int = 1, **boards: str):
        words = []
        for name, options in boards.items():
            profile = folder / f"{name}.toml"
            profile.write_text(PROFILE.format(name=name, threads=threads, options=options))
            words += ["--target", profile]
        return edge.process(  # with a worker on the board that has read its code anew
            "build", sample, *words, "--calibration", folder / "few.toml", "--out", folder / "dist"
        ), folder / "dist"

    return build


@pytest.fixture(scope="module")
def first(board, build):
    """Return what one command left for a board, and for one that is off."""
    return build(near=f'host = "{HOST}"', off='host = "127.0.0.1", port = 1')


def report_of(out: Path, name: str) -> dict:
    return json.loads((out / name / "report.json").read_text())


def test_a_board_runs_what_is_built_for_it(first):
    """On its own processor; the report says what it is, and that nothing was emulated."""
    ended, out = first
    report = report_of(out, "near")

    device = report["runs"]["device"]
    assert report["verdict"] == "passed"
    assert (device["launcher"], device["machine"], device["board"]) == ("ssh", os.uname().machine, "unnamed board")
    assert device["engine"].startswith("ai-edge-litert ")
    assert {"kernel", "python", "cpu", "confined"} <= set(device)
    assert "emulator" not in device
    assert stage(report, "device", "max_abs")["value"] is not None
    assert "emulated" not in ended.out


def test_a_board_that_is_off_does_not_keep_another_from_its_bundle(first):
    """Status 3, for a machine outside; the message names the board, and what to do."""
    ended, out = first

    assert ended.status == 3
    assert "launcher ssh: 127.0.0.1: no ssh server answers at" in ended.err + ended.out
    assert not (out / "off" / "report.json").exists()


@pytest.mark.parametrize(
    ("threads", "old", "new", "says"),
    [
        (
            2,
            "for name, array in outputs.items()})",
            "for name, array in outputs.items() if array.fill(np.nan) is None})",
            "NaN",
        ),
        (
            3,
            "for name, array in outputs.items()})",
            "for name, array in ((n, a[..., None]) for n, a in outputs.items())})",
            "shape",
        ),
    ],
    ids=["nan", "shape"],
)
def test_a_board_whose_numbers_are_none_does_not_pass(first, board, build, threads, old, new, says):
    """Whatever its worker says: the numbers are compared here."""
    undo = tampered(board, "execution/infer.py", old, new)
    try:
        ended, out = build(threads, near=f'host = "{HOST}"')
    finally:
        board.say(undo)

    assert ended.status == 1
    assert not (out / "near" / "model.tflite").exists()
    report = report_of(out, "near")
    assert report["verdict"] != "passed"
    assert report["guilty_stage"] == "device"
    assert says in ended.out


@pytest.mark.usefixtures("first")  # the worker's code is on the board
def test_another_version_than_the_profiles_has_no_verdict(board, build):
    """Whatever was prepared: the engine itself says what ran."""
    undo = tampered(board, "execution/infer.py", '"engine": loaded.engine', '"engine": "ai-edge-litert 2.2.0"')
    try:
        ended, out = build(4, other=f'host = "{HOST}"')
    finally:
        board.say(undo)

    assert ended.status == 3
    assert "other: ai-edge-litert 2.2.0 ran; its profile asks for litert 2.3.0" in ended.err + ended.out
    assert not (out / "other" / "report.json").exists()
