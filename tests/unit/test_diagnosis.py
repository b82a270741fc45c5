"""Mistakes that are made again and again between a model and its conversion: each is named, and nothing is named where none was made."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit.compare.diagnosis import explain
from toolkit.compare.runs import Run
from toolkit.signature import Signature, TensorSpec

RNG = np.random.default_rng(0)
COUNT = 24
IMAGES = RNG.normal(size=(COUNT, 1, 6, 6, 3))
SCORES = RNG.normal(size=(COUNT, 1, 10)) * 3
BOXES = RNG.normal(size=(COUNT, 1, 10)) + 1


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def run(outputs, quantized=None):
    """Return a run of float32 outputs, or of integers with (scale, zero point)."""
    kept, specs = {}, []
    for name, array in outputs.items():
        scale, point = (quantized or {}).get(name, (None, None))
        kept[name] = array if scale is not None else array.astype(np.float32)
        grid = {} if scale is None else {"scale": (scale,), "zero_point": (point,)}
        specs.append(TensorSpec(name, kept[name].dtype.name, kept[name].shape[1:], **grid))
    return Run("run", Signature("serving_default", (), tuple(specs)), [kept])


def noisy(array, decibels=25.0):
    """Return the array with noise of a quantized model."""
    return array + RNG.normal(size=array.shape) * array.std() * 10 ** (-decibels / 20)


MISTAKES = {
    "outputs-swapped": ({"a": SCORES, "b": BOXES}, {"a": noisy(BOXES), "b": noisy(SCORES)}),
    "output-renamed": ({"a": SCORES}, {"Identity": noisy(SCORES)}),
    "axes-permuted": ({"a": IMAGES}, {"a": noisy(IMAGES).transpose(0, 1, 4, 2, 3)}),
    "reshaped": ({"a": SCORES}, {"a": noisy(SCORES).reshape(COUNT, 10)}),
    "samples-permuted": ({"a": SCORES}, {"a": np.roll(noisy(SCORES), 1, axis=0)}),
    "classes-permuted": ({"a": SCORES}, {"a": noisy(SCORES)[..., ::-1]}),
    "rescaled": ({"a": SCORES}, {"a": noisy(SCORES) * 255 - 128}),
    "softmax-missing": ({"a": softmax(SCORES)}, {"a": noisy(SCORES)}),
    "softmax-added": ({"a": SCORES}, {"a": softmax(noisy(SCORES))}),
    "sigmoid-missing": ({"a": 1 / (1 + np.exp(-SCORES))}, {"a": noisy(SCORES)}),
}


@pytest.mark.parametrize("code", MISTAKES)
def test_a_common_mistake_is_named(code):
    """Under the noise of an int8 model, on each output that it hit."""
    reference, candidate = MISTAKES[code]

    found = explain(run(reference), run(candidate))

    assert [each.code for each in found] == [code] * len(reference)
    assert all(each.after_db > each.before_db + 10 for each in found)


def test_axes_of_equal_length_are_told_apart():
    """Height and width that changed places do not show in the shape."""
    (found,) = explain(run({"a": IMAGES}), run({"a": noisy(IMAGES).transpose(0, 1, 3, 2, 4)}))

    assert found.code == "axes-permuted"
    assert "(1, 3, 2, 4)" in found.message


def test_integers_that_were_never_quantized_are_named():
    """Class numbers with a scale that a converter left on them."""
    classes = RNG.integers(0, 100, size=(COUNT, 1, 4)).astype(np.int8)

    (found,) = explain(run({"a": classes.astype(np.float64)}), run({"a": classes}, {"a": (0.017, -3)}))

    assert found.code in ("not-quantized-so", "rescaled")
    assert found.after_db == np.inf or found.after_db > 60


@pytest.mark.parametrize(
    "candidate",
    [
        SCORES,
        noisy(SCORES),
        noisy(SCORES, -10.0),
        RNG.normal(size=SCORES.shape),
        np.zeros(SCORES.shape),
        np.full(SCORES.shape, np.nan),
        np.full(SCORES.shape, np.inf),
    ],
    ids=["equal", "quantized", "drowned", "unrelated", "zeros", "nan", "inf"],
)
def test_where_no_mistake_was_made_none_is_named(candidate):
    """Noise is noise, and what is broken is not explained away."""
    assert explain(run({"a": SCORES}), run({"a": candidate})) == ()


def test_one_sample_and_no_sample_explain_nothing_by_their_order():
    """There is none to be in."""
    assert explain(run({"a": SCORES[:1]}), run({"a": noisy(SCORES[:1])})) == ()
    assert explain(run({"a": SCORES[:0]}), run({"a": SCORES[:0]})) == ()


def test_scores_and_their_softmax_that_changed_places_are_no_two_other_mistakes():
    """Each explains the other: a softmax is missing here, and one too many there, says who looks at one of them alone."""
    outputs = {"a": SCORES, "b": softmax(SCORES)}

    found = explain(run(outputs), run({"a": noisy(outputs["b"]), "b": noisy(outputs["a"], 31)}))

    assert [(each.output, each.code) for each in found] == [("a", "outputs-swapped"), ("b", "outputs-swapped")]


def said(reference, candidate, quantized=None):
    """Return what is said of the one output that is off."""
    (found,) = explain(run(reference), run(candidate, quantized))
    return found


OTHERS = np.random.default_rng(5).normal(size=(COUNT, 1, 10))


@pytest.mark.parametrize(
    ("reference", "candidate", "message"),
    [
        ({"a": SCORES}, {"Identity": SCORES}, "what was 'a' is called 'Identity'"),
        ({"a": SCORES}, {"a": OTHERS, "b": SCORES}, "what was 'a' lies in 'b'"),
        (
            {"a": SCORES},
            {"a": SCORES * 4 + 10},
            "it is the reference times 4, plus 10: another scale or zero point, or other preprocessing",
        ),
        (
            {"a": SCORES},
            {"a": SCORES * -0.5 - 3},
            "it is the reference times -0.5, plus -3: another scale or zero point, or other preprocessing",
        ),
        ({"a": SCORES}, {"a": SCORES.reshape(COUNT, 2, 5)}, "the same numbers have the shape (2, 5) for (1, 10)"),
        (
            {"a": SCORES},
            {"a": np.roll(SCORES, 1, axis=0)},
            "the samples have another order: sample 0 is the reference's answer to sample 23",
        ),
        (
            {"a": SCORES},
            {"a": np.roll(SCORES, 3, axis=-1)},
            "the last axis has another order: place 0 holds what belongs to place 7",
        ),
        (
            {"a": softmax(SCORES)},
            {"a": SCORES},
            "the candidate gives scores before softmax, the reference probabilities",
        ),
        (
            {"a": SCORES},
            {"a": softmax(SCORES)},
            "the candidate gives probabilities, the reference scores before softmax",
        ),
        ({"a": 1 / (1 + np.exp(-SCORES))}, {"a": SCORES}, "the candidate gives scores before the sigmoid"),
    ],
)
def test_a_mistake_is_told_in_words(reference, candidate, message):
    """With its numbers, which somebody will look for in his code."""
    assert said(reference, candidate).message == message


def test_it_is_told_how_much_a_mistake_accounts_for():
    """In dB of the reference's variance to the noise, without and with it."""
    candidate = noisy(SCORES, 30.0) * 2 + 5
    found = said({"a": SCORES}, {"a": candidate})

    variance = np.square(SCORES - SCORES.mean()).mean()
    before = 10 * np.log10(variance / np.square(candidate - SCORES).mean())
    assert found.before_db == pytest.approx(before, abs=1e-4)
    assert found.after_db == pytest.approx(30.0, abs=0.5)


def test_numbers_that_carry_no_scale_are_told_from_those_that_do():
    """Without it they are equal, to the last bit."""
    reference = np.array([[[0.0, 1.0, 2.0, 3.0]], [[3.0, 1.0, 0.0, 100.0]]] * 12)

    found = said({"a": reference}, {"a": reference.astype(np.int8)}, {"a": (0.5, 7)})

    assert (found.code, found.after_db) == ("not-quantized-so", np.inf)
    assert found.message == "its integers are no quantized numbers: scale and zero point do not belong to them"


def test_two_samples_and_two_classes_can_change_places():
    """The least that there is an order of."""
    pair = np.array([[[1.0, 5.0]], [[9.0, 2.0]]])

    assert said({"a": pair}, {"a": pair[::-1].copy()}).code == "samples-permuted"
    many = np.random.default_rng(1).normal(size=(30, 1, 2))
    assert said({"a": many}, {"a": many[..., ::-1].copy()}).code == "classes-permuted"


@pytest.mark.parametrize("cut", [10, 64, 300])
def test_the_first_samples_are_enough(cut):
    """A mistake of this kind is in each; what lies behind the first 64 is not even read."""
    rows = np.random.default_rng(2).normal(size=(300, 1, 10))
    broken = rows * 3
    broken[64:] = np.nan
    blocks = [{"a": broken[start : start + cut].astype(np.float32)} for start in range(0, 300, cut)]
    read = []

    def given():
        for block in blocks:
            read.append(len(block["a"]))
            yield block

    whole = run({"a": rows})
    (found,) = explain(whole, Run("run", whole.signature, given()))

    assert (found.code, found.after_db > 100) == ("rescaled", True)
    assert sum(read) < 64 + cut


def test_scores_of_each_row_go_through_softmax_by_themselves():
    """Rows of very different sizes, and scores that are too large for an exponential."""
    scores = SCORES + np.arange(COUNT)[:, None, None] * 100

    assert said({"a": softmax(scores)}, {"a": scores}).after_db > 80
    assert said({"a": SCORES + np.arange(COUNT)[:, None, None]}, {"a": softmax(SCORES)}).after_db > 60


WHOLE = np.array([[[1.0, 2.0, 4.0]], [[8.0, 5.0, 0.0]]] * 8)


def test_an_output_that_is_equal_is_explained_by_nothing():
    """Though it is itself times one, to the last bit."""
    assert explain(run({"a": WHOLE}), run({"a": WHOLE})) == ()


def test_an_offset_alone_is_named_and_what_has_nothing_in_common_is_no_multiple():
    assert said({"a": WHOLE}, {"a": WHOLE + 3}).message.startswith("it is the reference times 1, plus 3: ")
    across = np.array([[1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [-1.0, -1.0]])
    assert explain(run({"a": np.array([[1.0, -1.0]] * 4)}), run({"a": across})) == ()


def test_a_constant_is_found_nowhere():
    """Whoever gives it in the same place or another one has shown nothing."""
    still = np.full(SCORES.shape, 5.0)

    assert explain(run({"a": still}), run({"a": still * 2, "b": still})) == ()
    assert explain(run({"a": still}), run({"a": still})) == ()


def test_small_numbers_are_found_as_large_ones_are():
    assert said({"a": SCORES / 1000}, {"a": OTHERS, "b": SCORES / 1000}).code == "outputs-swapped"


def test_of_two_places_it_lies_where_it_is_nearest():
    candidate = {"a": OTHERS, "b": noisy(SCORES, 20.0), "c": SCORES, "d": noisy(SCORES, 30.0)}

    assert said({"a": SCORES}, candidate).message == "what was 'a' lies in 'c'"


def test_nine_tenths_of_the_error_are_enough():
    """Ten dB more than before, or than as much noise as signal."""
    noise = np.random.default_rng(7).normal(size=SCORES.shape)
    noise *= SCORES.std() / noise.std()

    found = said({"a": SCORES}, {"a": 40 + 2 * (SCORES + noise * 10 ** (-10.4 / 20))})

    assert (found.code, 10 < found.after_db < 11) == ("rescaled", True)
    assert explain(run({"a": SCORES}), run({"a": 40 + 2 * (SCORES + noise * 10 ** (-9 / 20))})) == ()


@pytest.mark.parametrize(("broken", "codes"), [(63, []), (64, ["rescaled"])])
def test_the_64th_sample_is_looked_at(broken, codes):
    rows = np.random.default_rng(2).normal(size=(70, 1, 10))
    candidate = rows * 3
    candidate[broken] = np.nan

    assert [each.code for each in explain(run({"a": rows}), run({"a": candidate}))] == codes


def test_the_nearest_is_that_of_the_least_distance():
    """Numbers in a row, of which each has a larger one beside it that points the same way; and classes of a plain table."""
    numbers = np.array([1.0, 1.4, 2.0, 2.8])

    assert said({"a": numbers}, {"a": np.roll(numbers, 1)}).code == "samples-permuted"
    table = SCORES[:, 0]
    assert said({"a": table}, {"a": table[:, ::-1].copy()}).code == "classes-permuted"


def test_orders_of_five_axes_are_tried():
    cube = np.random.default_rng(3).normal(size=(4, 2, 3, 4, 5, 6))

    assert said({"a": cube}, {"a": cube.transpose(0, 5, 4, 3, 2, 1)}).message.startswith("its axes have another order")
