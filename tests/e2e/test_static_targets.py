"""A target whose runtime nothing here executes: what is known of it is said, and nothing ships."""

from __future__ import annotations


def test_nothing_ships_where_nothing_was_executed(edge, models, vectors, tmp_path):
    """Its first lines say so. No other scheme is tried, and the other target ships."""
    out = tmp_path / "dist"
    ended = edge(
        "build", models / "dense", "--target", "ios-coreml", "--target", "host", "--scheme", "float16", "--eval", vectors,
        "--out", out, "--json",
    )  # fmt: skip

    assert ended.status == 1, ended.err
    told, other = (ended.document["targets"][name] for name in ("ios-coreml", "host"))
    assert (told["verdict"], other["verdict"]) == ("inconclusive", "passed")
    assert [each["stage"] for each in told["stages"]][-1] == "kernels"
    found = {each["code"]: each for each in told["findings"]}
    assert found["not-executed"]["severity"] == "inconclusive"
    (share,) = (each for code, each in found.items() if "delegated" in code)
    assert share["message"].startswith("estimated, not executed: the delegate takes ")
    assert not (out / "ios-coreml/model.tflite").exists()
    assert (out / "ios-coreml/rejected/model.tflite").is_file()
    assert (out / "host/model.tflite").is_file()
