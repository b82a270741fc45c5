"""When two products leave 16 bits: by hand, at the limits, and in the order in which an operator adds."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from toolkit.engines.onnx.saturation import _in_order_of_sums, _share

PLAIN = SimpleNamespace(op_type="MatMul", attribute=[])


def node(operator, **attributes):
    return SimpleNamespace(
        op_type=operator, attribute=[SimpleNamespace(name=name, i=value) for name, value in attributes.items()]
    )


@pytest.mark.parametrize(
    ("terms", "share"),
    [
        ([64, 64], 0),  # 255 * 128 = 32640
        ([64, 65], 1),  # 255 * 129 = 32895, more than 32767
        ([-64, -64], 0),
        ([-64, -65], 1),  # less than -32768
        ([127, -128], 0),  # whichever activation is 0, the other product fits
        ([0, 127, 127, 0], 0),  # neighbours, but not of one pair
        ([127], 0),
        ([1, 1, 127], 0),  # the last one is added alone
        ([127, 127, 1, 1], 0.5),
    ],
)
def test_pairs_are_held_against_the_largest_activations(terms, share):
    assert _share(np.array(terms, np.int8)[:, None]) == share


def test_the_share_is_of_all_pairs_of_all_sums():
    terms = np.array([[127, 1], [127, 1], [1, 1], [1, 1]], np.int8)

    assert _share(terms) == 0.25


def test_a_convolution_adds_its_channels_first():
    """Of one place after another: weights lie as (out, in, height, width)."""
    weights = np.arange(2 * 3 * 1 * 2).reshape(2, 3, 1, 2)

    ordered = _in_order_of_sums(node("Conv", group=1), weights)

    assert ordered[:, 0].tolist() == [0, 2, 4, 1, 3, 5]
    assert ordered[:, 1].tolist() == [6, 8, 10, 7, 9, 11]


def test_a_filter_of_its_own_for_each_channel_adds_otherwise():
    """Only where there is one for each; two for each are a convolution in groups."""
    weights = np.full((4, 1, 3, 3), 127, np.int8)

    assert _share(_in_order_of_sums(node("Conv", group=4), weights)) == 0
    assert _share(_in_order_of_sums(node("QLinearConv", group=2), weights)) == 1
    assert _share(_in_order_of_sums(node("Conv"), weights[:1])) == 0  # of one channel, with one filter


@pytest.mark.parametrize(
    ("attributes", "column"), [({}, [0, 2, 4]), ({"transB": 0}, [0, 2, 4]), ({"transB": 1}, [0, 1])]
)
def test_a_product_of_matrices_adds_along_the_rows_of_the_second(attributes, column):
    weights = np.arange(6).reshape(3, 2)

    assert _in_order_of_sums(node("Gemm", **attributes), weights)[:, 0].tolist() == column


def test_a_batch_of_matrices_has_as_many_sums():
    weights = np.zeros((5, 3, 2))

    assert _in_order_of_sums(PLAIN, weights).shape == (3, 10)
    assert _in_order_of_sums(PLAIN, np.zeros(3)).shape == (3, 1)
