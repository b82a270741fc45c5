"""A file that a board's runtime cannot run is refused before it runs there, and runs where it can."""

from __future__ import annotations

BOARD = "linux-x86_64-tflite-runtime"


def test_an_operator_of_a_newer_version_is_refused_before_it_runs(edge, models, vectors, tmp_path):
    """By its bytes alone, and as soon when samples are there; the other target has its verdict."""
    file = tmp_path / "m.tflite"
    assert edge("convert", models / "dense", "--scheme", "dynamic_wi8_afp32", "--out", file).status == 0

    looked = edge("inspect", file, "--target", BOARD, "--target", "host", "--json")
    judged = edge(
        "verify", file, "--source", models / "dense", "--target", BOARD, "--target", "host", "--eval", vectors, "--json"
    )

    assert (looked.status, judged.status) == (2, 2)
    for said in (looked.document["targets"][BOARD], judged.document["targets"][BOARD]):
        found = said["error"]["findings"][0]
        assert (found["code"], found["names"], found["version"]) == ("operator-version", ["FULLY_CONNECTED"], 12)
        assert "choose another --scheme (" in found["fix"]
    assert looked.document["targets"]["host"] == {"error": None, "findings": []}
    assert judged.document["targets"]["host"]["verdict"] == "passed"
    assert "running m.tflite on tflite_runtime" not in judged.err
