"""Statistics of activations: merged in any dealing and order they are the same bytes, and they are what numpy says of the same values."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.conversion.calibrate import VALUES, _Observer, _share, _stride
from toolkit.errors import InvalidSamples
from toolkit.wire.shards import ShardWriter
from toolkit.wire.statistics import BINS, Histograms, RowFile, Statistics, coarser

NAMES = ("plain", "tiny", "zero", "growing")
# Where powers of two, signs and the ends of float32 meet.
AWKWARD = [0.0, -0.0, 1.0, -1.0, 2.0**-149, -(2.0**-149), 2.0**-126, -(2.0**127), float(np.finfo(np.float32).max)]


def tensors(shapes=((40,), (3, 5), (7,), (2000,))):
    named = zip(NAMES, shapes, strict=True)
    return tuple({"name": name, "dtype": "float32", "shape": list(shape), "operator": "ADD"} for name, shape in named)


@functools.cache
def sample(number):
    """Return the activations that the set's sample of this number makes."""
    rng = np.random.default_rng(number)
    sizes = (40,), (3, 5), (7,), (2000,)
    plain, tiny, zero, growing = (rng.normal(size=size).astype(np.float32) for size in sizes)
    return [plain, tiny * np.float32(1e-40), zero * 0, growing * np.float32(1.7 ** (number % 23))]


def observed(numbers, *, histograms=True, of=sample):
    """Return the statistics of some samples, as one part of a calibration gathers them."""
    observer = _Observer(tensors(), histograms=histograms)
    rows = [observer.see(number, of(number)) for number in numbers]
    held = np.stack(rows) if rows else np.zeros((0, *observer.shape))
    return Statistics(observer.names, np.array(numbers, np.int64), held, *observer.histograms(), ("gate",))


def content(statistics, folder):
    """Return the bytes of all files that statistics write."""
    statistics.write(folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@st.composite
def dealings(draw, count=23):
    """Return the numbers of a set's samples in parts of any size, in any order, some of them empty."""
    owners = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    parts = [[number for number in range(count) if owners[number] == owner] for owner in range(6)]
    return draw(st.permutations(parts))


@pytest.mark.parametrize("histograms", [False, True])
def test_any_dealing_in_any_order_writes_the_same_bytes(tmp_path_factory, histograms):
    whole = content(observed(range(23), histograms=histograms), tmp_path_factory.mktemp("whole"))

    @settings(max_examples=30)
    @given(dealings())
    def check(parts):
        merged = Statistics.merge([observed(part, histograms=histograms) for part in parts])

        assert content(merged, tmp_path_factory.mktemp("parts")) == whole

    check()


@settings(max_examples=30)
@given(dealings(), st.integers(1, 5))
def test_merging_is_associative(parts, cut):
    dealt = [observed(part) for part in parts]

    left = Statistics.merge([Statistics.merge(dealt[:cut]), *dealt[cut:]])
    right = Statistics.merge([*dealt[:cut], Statistics.merge(dealt[cut:])])

    assert np.array_equal(left.counts, right.counts)
    assert np.array_equal(left.exponents, right.exponents)
    assert np.array_equal(left.rows, right.rows)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False) | st.sampled_from(AWKWARD), min_size=2))
def test_bins_that_grew_hold_what_wide_ones_would_have(values):
    """Whatever came first: counted one by one while bins grow, and at once in bins that are wide enough."""
    held = np.array(values, np.float32)
    largest = np.abs(held.astype(np.float64))
    grown, wide = Histograms(1), Histograms(1)
    for value in held:
        grown.grow(np.array([abs(float(value))]))
        grown.add(0, np.array([value]))

    wide.grow(np.array([largest.max()]))
    wide.add(0, held)

    assert np.array_equal(grown.counts, wide.counts)
    assert np.array_equal(grown.exponents, wide.exponents)
    assert wide.counts.sum() == len(held)


def test_bins_hold_what_numpy_counts_between_their_edges():
    seen = observed([4])
    for tensor, values in enumerate(sample(4)):
        edges = seen.edges * seen.widths[tensor]
        stride = _stride(values.size)
        counted = values.ravel()[4 % stride :: stride].astype(np.float64)

        assert np.array_equal(seen.counts[tensor], np.histogram(counted, edges)[0]), NAMES[tensor]


def test_bins_are_as_narrow_as_their_number_allows():
    """A tensor of small numbers has as many bins for them as one of large numbers; one of zeros has its zeros counted."""
    seen = observed(range(3))
    largest = np.abs(seen.extremes).max(axis=(0, 2))

    assert (largest[:2] < seen.widths[:2] * BINS / 2).all()
    assert (largest[:2] >= seen.widths[:2] * BINS / 4).all()
    assert seen.counts[2, BINS // 2] == 3 * 7


def test_coarser_bins_keep_every_count_and_its_sign():
    counts = np.arange(2 * BINS).reshape(2, BINS)

    found = coarser(counts, np.array([1, 200]))

    assert found[0, BINS // 4] == counts[0, 0] + counts[0, 1]
    assert (found[1, BINS // 2 - 1], found[1, BINS // 2]) == (
        counts[1, : BINS // 2].sum(),
        counts[1, BINS // 2 :].sum(),
    )
    assert (found.sum(axis=1) == counts.sum(axis=1)).all()


def test_rows_are_what_numpy_says_of_the_values():
    """Extremes of all, in one block or several; sums of those that are counted."""
    times = 70  # 140,000 values, more than a block
    seen = observed(range(5), of=lambda number: [np.tile(each, times) for each in sample(number)])

    for number in range(5):
        for tensor, values in enumerate(sample(number)):
            exact = np.tile(values, times).astype(np.float64).ravel()
            assert tuple(seen.extremes[number, tensor]) == (exact.min(), exact.max())
            assert seen.sizes[tensor] == exact.size
            counted = exact[number % _stride(exact.size) :: _stride(exact.size)]
            assert seen.sums[number, tensor, 0] == pytest.approx(counted.sum(), abs=1e-12 * np.abs(counted).sum())
            assert seen.sums[number, tensor, 1] == pytest.approx((counted**2).sum(), rel=1e-12)


def test_extremes_are_found_in_whichever_block_they_are():
    values = np.zeros(300_000, np.float32)
    values[[1, 299_999]] = -3, 5

    seen = observed([0], of=lambda _: [values, values[::-1], -values, values[:2]])

    assert seen.extremes[0].tolist() == [[-3, 5], [-3, 5], [-5, 3], [-3, 0]]


def test_sums_are_gathered_with_histograms_alone():
    seen = observed(range(3), histograms=False)

    assert (seen.sums, seen.counts, seen.widths) == (None, None, None)
    assert np.array_equal(seen.extremes, observed(range(3)).extremes)


def test_squares_beyond_float32_are_no_reason_to_refuse():
    seen = observed([0], of=lambda _: [np.full(3, 1e30, np.float32)] * 4)

    assert seen.extremes.max() == np.float32(1e30)


@pytest.mark.parametrize("size", [1, VALUES, VALUES + 1, 24 * 24 * 96, 48 * 48 * 96, 2**17, 10_007])
def test_all_places_of_a_tensor_are_counted_in_turn(size):
    """At most so many of a sample, each place once in as many samples as there are places between two counted ones, and never one channel alone."""
    stride = _stride(size)
    seen = np.zeros(size, np.int64)
    for number in range(stride):
        places = np.arange(size)[number % stride :: stride]
        seen[places] += 1
        assert len(places) <= VALUES
        assert len(np.unique(places % 96)) == min(96, len(places)) or size % 96

    assert (seen == 1).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("histograms", [False, True])
def test_what_is_not_finite_is_refused_by_tensor_and_sample(bad, histograms):
    def broken(number):
        arrays = [array.copy() for array in sample(number)]
        if number == 313:
            arrays[1][1, 2] = bad
        return arrays

    with pytest.raises(InvalidSamples, match=r"sample 313 makes the activation 'tiny' NaN or infinite"):
        observed([312, 313, 314], histograms=histograms, of=broken)


def test_a_tensor_without_values_counts_as_zero():
    seen = observed(range(2), of=lambda number: [each[: (number + len(each)) % 2] for each in sample(number)])

    assert np.isfinite(seen.rows).all()
    assert Statistics.merge([seen]).sizes.max() == 0.5 * 5
    assert seen.sums[seen.rows[:, :, 2] == 0].tolist() == [[0, 0]] * 4


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([], "0 parts"),
        ([observed([0]), observed([0, 1])], "a sample is in more than one part"),
        ([observed([0]), observed([1], histograms=False)], "2 parts are not the statistics of the same tensors"),
        ([observed([0]), Statistics(("x",), np.arange(0), np.zeros((0, 1, 5)))], "2 parts are not"),
    ],
)
def test_what_does_not_belong_together_is_not_merged(parts, says):
    with pytest.raises(ValueError, match=says):
        Statistics.merge(parts)


def test_what_was_written_is_read(tmp_path):
    for name, seen in {"with": observed(range(4)), "without": observed(range(4), histograms=False)}.items():
        before = content(seen, tmp_path / name)

        found = Statistics.read(tmp_path / name)

        assert (found.names, found.unread, found.count) == (NAMES, ("gate",), 4)
        assert content(found, tmp_path / "again" / name) == before


def test_rows_written_one_by_one_are_the_file_that_numpy_writes(tmp_path):
    seen = observed(range(6))
    with RowFile(tmp_path / "one", seen.rows.shape) as file:
        for row in seen.rows:
            file.add(row)
    np.save(tmp_path / "rows.npy", seen.rows)

    assert (tmp_path / "one" / "rows.npy").read_bytes() == (tmp_path / "rows.npy").read_bytes()


def dealt(folder: Path, count: int, parts: int, **how):
    with ShardWriter(folder) as writer:
        for _ in range(count):
            writer.add({"x": np.zeros(1, np.float32)})
    length, keeps_state = how.get("length"), how.get("keeps_state", False)
    options = ({"part": part, "parts": parts} for part in range(parts))
    return [_share(folder, each, length, keeps_state=keeps_state) for each in options]


@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_parts_are_runs_that_take_each_sample_once(tmp_path, parts):
    shares = dealt(tmp_path, 5, parts)

    assert [number for share in shares for number in share] == list(range(5))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_parts_take_whole_sequences(tmp_path):
    assert dealt(tmp_path, 12, 2, length=4) == [range(4), range(4, 12)]


def test_one_part_takes_all_where_state_goes_on_through_the_set(tmp_path):
    shares = dealt(tmp_path, 12, 2, keeps_state=True)

    assert sorted(map(len, shares)) == [0, 12]
