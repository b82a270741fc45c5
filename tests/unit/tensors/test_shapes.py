"""Declared sizes: what stays open, what they are called, and what a command line says of them and of their samples."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from toolkit.cli.reading import sets_of
from toolkit.errors import RequestError, UnknownName
from toolkit.pipeline import stages
from toolkit.pipeline.prepare import Samples
from toolkit.tensors import shapes

DECLARED = {"image": [None, None, None, 3], "mask": [None, None]}
SMALL = {"image": [1, 64, 64, 3], "mask": [1, 7]}
LARGE = {"image": [1, 96, 64, 3], "mask": [1, 9]}


def test_what_differs_stays_open_and_nothing_else_does():
    assert shapes.left_open([SMALL, LARGE]) == {"image": [1, None, 64, 3], "mask": [1, None]}
    assert shapes.left_open([SMALL]) == SMALL
    assert shapes.left_open([{"x": [2, 3]}, {"x": [2, 3, 1]}]) == {"x": None}


@pytest.mark.parametrize(
    ("declared", "of", "called"),
    [
        (DECLARED, (SMALL, LARGE), ("64x64,7", "96x64,9")),
        ({"x": [None, 6]}, ({"x": [1, 6]}, {"x": [4, 6]}), ("1", "4")),
        ({"x": None}, ({"x": [2, 3]}, {"x": [2, 3, 1]}), ("2x3", "2x3x1")),
    ],
)
def test_sizes_that_differ_are_called_differently(declared, of, called):
    assert tuple(shapes.label(declared, of, one) for one in of) == called


def test_a_file_that_counts_open_sizes_as_1_is_made_up_for():
    assert shapes.growth({"image": [1, None, None, 3]}, {"image": [1, 4, 5, 3]}) == 20
    assert shapes.growth({"image": [1, 4, 5, 3]}, {"image": [1, 4, 5, 3]}) == 1
    assert shapes.growth({"x": [1, None], "y": None}, {"x": [1, 6], "y": [2, 4]}) == 8


@pytest.mark.parametrize(("grown", "count"), [(1, 100), (10, 10), (1000, 4)])
def test_the_larger_a_call_the_fewer_samples_run_on_reference_kernels(grown, count):
    floats = SimpleNamespace(result={"multiply_accumulates": 10_000_000})

    assert stages._as_many_as_reference_kernels_can(floats, grown) == count


def test_the_nth_shapes_of_several_inputs_belong_together():
    said = [("image", [1, 8]), ("mask", [1, 2]), ("image", [1, 9]), ("mask", [1, 3]), ("scale", [])]

    assert shapes.declared(said) == (
        {"image": [1, 8], "mask": [1, 2], "scale": []},
        {"image": [1, 9], "mask": [1, 3], "scale": []},
    )
    assert shapes.declared([]) == ({},)
    with pytest.raises(RequestError, match="a 2 times, b 3 times"):
        shapes.declared([("a", [1]), ("a", [2]), ("b", [1]), ("b", [2]), ("b", [3])])


def test_a_set_has_a_name_or_none(tmp_path):
    odd = tmp_path / "a=b.npz"
    odd.write_bytes(b"")

    assert sets_of("--eval", None) is None
    assert sets_of("--eval", ["photos/"]) == "photos/"
    assert sets_of("--eval", [str(odd)]) == str(odd)
    assert sets_of("--eval", ["all.npz", "embed=some.npz"]) == {"*": "all.npz", "embed": "some.npz"}
    for texts in (["a.npz", "b.npz"], ["x=a.npz", "x=b.npz"]):
        with pytest.raises(RequestError, match="give one for each"):
            sets_of("--eval", texts)


def test_a_name_without_a_set_of_its_own_has_that_of_the_others():
    samples = Samples(calibration="a.npz", evaluation={"embed": "b.npz", "*": "c.npz"})

    assert samples.of("embed") == ("a.npz", "b.npz")
    assert samples.of("classify") == ("a.npz", "c.npz")
    assert Samples(evaluation={"embed": "b.npz"}).of("classify") == (None, None)
    samples.require_known(["embed", "classify"])
    with pytest.raises(UnknownName, match="--eval: a set for 'embed'"):
        samples.require_known(["embedding", "classify"])
