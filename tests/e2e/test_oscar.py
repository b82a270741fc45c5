"""Weights that are scaled by what meets them, in whole builds: tried where that is possible, chosen by drift, accounted for, and told."""

from __future__ import annotations

import numpy as np
import pytest

import toolkit
from toolkit import Asked, Original, Samples
from toolkit.errors import InvalidSamples
from toolkit.report.wording import candidate_lines

SCHEME = "dynamic_wi4_afp32"
ALONE = Asked(SCHEME, quantizer="litert_quantizer:oscar")
TOO_SMALL = """
[reader]
kind   = "arrays"
path   = "small.npz"
inputs = { image = "image" }
[preprocess]
dtype = "float32"
scale = 0.00392156862745098
[sampling]
"""


@pytest.fixture(scope="module")
def shipped(sample, digits, executor, tmp_path_factory):
    """Return the verdict on the embedded digits in int4, and its bundle."""
    out = tmp_path_factory.mktemp("oscar")
    verdict = toolkit.build(Original(sample), ["host"], Samples(str(digits)), out, scheme=SCHEME, executor=executor)[
        "host"
    ]
    return verdict, out / "host"


def tellings(verdict):
    return {row["telling"]: row for row in verdict.candidates}


def test_the_variant_that_drifts_less_ships_and_both_are_told(shipped):
    verdict, _ = shipped
    usual, scaled = tellings(verdict)[None], tellings(verdict)["oscar"]
    best = max(usual, scaled, key=lambda row: row["sqnr_db"])

    assert verdict.outcome == "passed"
    assert best["chosen"]
    assert verdict.artifact.size_bytes == best["size_bytes"]
    assert any("litert_quantizer, oscar: " in line for line in candidate_lines(verdict))


def test_what_is_scaled_passes_every_check_of_weights(sample, digits, executor, tmp_path):
    """As it is made, and as a file that somebody gives, with a calibration set and without."""
    made = toolkit.build(Original(sample), ["host"], Samples(str(digits)), tmp_path, scheme=ALONE, executor=executor)[
        "host"
    ]
    file = tmp_path / "host" / "model.tflite"
    given = [
        toolkit.verify(file, Original(sample), ["host"], samples, None, executor=executor)["host"]
        for samples in (Samples(str(digits)), Samples(evaluation=str(digits)))
    ]

    assert [row["chosen"] for row in made.candidates] == [True]
    for verdict in (made, *given):
        assert verdict.outcome == "passed"
        assert (verdict.account.matched, verdict.account.wrong) == (verdict.account.matrices, ())
        assert not [one for one in verdict.findings if one.is_grave]
    noises = [[row["factors"]["noise_db"] for row in each.account.worst if row["factors"]] for each in (made, *given)]
    assert noises[0] == noises[1]
    assert float(noises[0][0]) < 1
    assert noises[2] == [None]


def test_without_a_calibration_set_it_is_not_tried_and_the_report_says_so(sample, digits, executor, tmp_path):
    samples = Samples(evaluation=str(digits))
    verdict = toolkit.build(Original(sample), ["host"], samples, tmp_path, scheme=SCHEME, executor=executor)["host"]

    assert verdict.outcome == "passed"
    assert tellings(verdict)[None]["chosen"]
    assert "needs a calibration set" in tellings(verdict)["oscar"]["problem"]
    assert "not tried: it needs a calibration set" in (tmp_path / "host" / "report.md").read_text()


def test_a_calibration_set_with_errors_scales_nothing(sample, digits, executor, tmp_path):
    """What needs no such set ships as ever; where scaled weights alone are asked for, nothing does."""
    with np.load(digits.with_suffix(".npz")) as held:
        np.savez(tmp_path / "small.npz", image=held["images"][:300])
        np.savez(tmp_path / "right.npz", image=held["images"][300:].astype(np.float32))
    (tmp_path / "small.toml").write_text(TOO_SMALL)
    samples = Samples(str(tmp_path / "small.toml"), str(tmp_path / "right.npz"))

    verdict = toolkit.build(Original(sample), ["host"], samples, tmp_path / "a", scheme=SCHEME, executor=executor)[
        "host"
    ]

    assert verdict.outcome == "passed"
    assert tellings(verdict)[None]["chosen"]
    assert "calibration set cannot be right" in tellings(verdict)["oscar"]["problem"]
    with pytest.raises(InvalidSamples, match="wrong-scale"):
        toolkit.build(Original(sample), ["host"], samples, tmp_path / "b", scheme=ALONE, executor=executor)


def test_asked_for_alone_it_needs_a_calibration_set(sample, digits, edge):
    ended = edge(
        "build", sample, "--target", "host", "--eval", digits, "--scheme", SCHEME, "--quantizer", ALONE.quantizer
    )

    assert ended.status == 2
    assert "--calibration" in ended.err
