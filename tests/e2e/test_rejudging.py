"""A bundle that was built once, judged again without running anything: other bounds, other runs, and bundles that somebody touched."""

from __future__ import annotations

import json
import shutil

import pytest
from safetensors.numpy import load_file

from tests.e2e.conftest import PACKAGE

STRICT = """\
[[bounds]]
stage = "total"
output = "*"
metric = "top1_agreement"
limit = 0.999
because = "nothing less will do"
"""


@pytest.fixture(scope="module")
def bundle(edge, tmp_path_factory):
    """Return the bundle of the sample for this machine."""
    out = tmp_path_factory.mktemp("dist")
    sample, recipe = PACKAGE / "sample" / "digits", PACKAGE.parent / "calibration" / "digits.toml"
    ended = edge("build", sample, "--target", "host", "--calibration", recipe, "--out", out)
    assert ended.status == 0, ended.err
    return out / "host"


@pytest.fixture
def bounds(tmp_path):
    path = tmp_path / "strict.toml"
    path.write_text(STRICT)
    return path


def test_the_bounds_of_its_target_give_the_same_verdict(edge, bundle):
    """To the last digit, though nothing but the bundle is there to judge by."""
    ended = edge("verify", bundle, "--bounds", PACKAGE.parent / "targets" / "host.toml", "--json")

    assert ended.status == 0
    assert ended.document["comparisons"] == json.loads((bundle / "report.json").read_text())["comparisons"]


def test_other_bounds_give_another_verdict(edge, bundle, bounds):
    """The exit status is that of the new bounds; the old verdict is said beside it."""
    ended = edge("verify", bundle, "--bounds", bounds)

    assert ended.status == 1
    assert "the build said PASSED" in ended.out
    assert ">= 0.999" in ended.out
    assert "NOT PASSED" in ended.out or "INCONCLUSIVE" in ended.out


def test_two_runs_of_a_bundle_are_compared(edge, bundle, bounds):
    """Every metric of every output; by bounds also a status."""
    runs = [bundle / "runs" / f"{stage}.safetensors" for stage in ("original", "kernels")]

    measured = edge("compare", *runs, "--json")
    judged = edge("compare", *runs, "--bounds", bounds)

    assert measured.status == 0
    assert {"max_abs", "sqnr_db", "top1_agreement"} <= {each["metric"] for each in measured.document["measurements"]}
    assert measured.document["comparisons"] is None
    assert judged.status == 1
    assert edge("compare", runs[0], runs[0], "--bounds", bounds).status == 1  # 500 samples that agree show no 0.999


def test_a_run_over_the_same_set_can_be_saved_and_compared(edge, bundle, tmp_path):
    """`run` writes what `compare` reads."""
    recipe = PACKAGE.parent / "calibration" / "digits.toml"
    saved = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for path in saved:
        ended = edge("run", bundle / "model.tflite", "--target", "host", "--samples", recipe, "--out", path)
        assert ended.status == 0, ended.err

    assert edge("compare", *saved).status == 0
    other = edge("compare", saved[0], bundle / "runs" / "original.safetensors")
    assert other.status == 2
    assert "different samples" in other.err


def test_labels_go_with_the_runs(bundle):
    """One for each sample."""
    assert load_file(bundle / "runs" / "labels.safetensors")["labels"].shape == (500,)


def test_a_bundle_that_lost_a_run_is_refused(edge, bundle, bounds, tmp_path):
    """A stage that is not there is not passed over."""
    broken = shutil.copytree(bundle, tmp_path / "host")
    (broken / "runs" / "quantization.safetensors").unlink()

    ended = edge("verify", broken, "--bounds", bounds)

    assert ended.status == 2
    assert "runs/quantization.safetensors: is on the bundle's list, but missing" in ended.err


def test_a_run_in_another_ones_place_is_refused(edge, bundle, bounds, tmp_path):
    """The float run copied over the quantized one would pass anything."""
    broken = shutil.copytree(bundle, tmp_path / "host")
    shutil.copyfile(broken / "runs" / "original.safetensors", broken / "runs" / "kernels.safetensors")

    ended = edge("verify", broken, "--bounds", bounds)

    assert ended.status == 2
    assert "runs/kernels.safetensors: " in ended.err
    assert "is not the file that the build wrote" in ended.err or "were written" in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("verify", "BUNDLE"), "without --source and --target"),
        (("verify", "BUNDLE", "--bounds", "BOUNDS", "--target", "host"), "takes no --target"),
        (("compare", "RUN", "RUN", "--stage", "total", "--scheme", "float32"), "--bounds FILE"),
        (("compare", "RUN", "RUN", "--bounds", "BOUNDS", "--stage", "kernel"), "kernels"),
        (("compare", "RUN", "BUNDLE"), "is not a saved run"),
        (("verify", "BUNDLE", "--bounds", "nothing.toml"), "no such file"),
    ],
)
def test_a_wrong_request_is_refused(edge, bundle, bounds, arguments, said):
    """Exit status 2 and what is expected."""
    places = {"BUNDLE": bundle, "BOUNDS": bounds, "RUN": bundle / "runs" / "original.safetensors"}

    ended = edge(*(places.get(each, each) for each in arguments))

    assert ended.status == 2
    assert said in ended.err
