"""Mistakes that are made again and again between a model and its conversion: each is named, and nothing is named where none was made."""

from __future__ import annotations

import numpy as np
import pytest

from toolkit.comparison.common_mistakes import explain
from toolkit.comparison.runs import Blocks, RunOutputs
from toolkit.tensors.signature import Signature, TensorSpec

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
    return RunOutputs("run", Signature("serving_default", (), tuple(specs)), [kept])


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
    "slope": ({"a": SCORES}, {"a": noisy(SCORES) * 255 - 128}),
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

    assert found.code in ("not-quantized-so", "slope")
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

    variance = np.square(SCORES - SCORES.mean(axis=(0, 1))).mean()
    before = 10 * np.log10(variance / np.square(candidate - SCORES).mean())
    assert found.before_db == pytest.approx(before, abs=1e-4)
    assert found.after_db == pytest.approx(30.0, abs=0.5)


def test_numbers_that_carry_no_scale_are_told_from_those_that_do():
    """Without it they are equal, to the last bit."""
    reference = np.array([[[0.0, 1.0, 2.0, 3.0]], [[3.0, 1.0, 0.0, 100.0]]] * 12)

    found = said({"a": reference}, {"a": reference.astype(np.int8)}, {"a": (0.5, 7)})

    assert (found.code, found.after_db) == ("not-quantized-so", np.inf)
    assert found.message == "its integers are not quantized numbers: scale and zero point do not belong to them"


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
    (found,) = explain(whole, RunOutputs("run", whole.signature, Blocks(given)))

    assert (found.code, found.after_db > 100) == ("slope", True)
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
    assert said({"a": WHOLE}, {"a": WHOLE + 3}).message == "off by +3 in the output's own unit"
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

    assert (found.code, 10 < found.after_db < 11) == ("slope", True)
    assert explain(run({"a": SCORES}), run({"a": 40 + 2 * (SCORES + noise * 10 ** (-9 / 20))})) == ()


@pytest.mark.parametrize(("broken", "codes"), [(63, []), (64, ["slope"])])
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


# ---- only where nothing simpler does

KELVIN = 290 + np.random.default_rng(11).normal(size=(60, 1, 1)) * 4
STREAM = np.random.default_rng(12).normal(size=(60, 1, 3))
CLASSES = np.arange(60).reshape(60, 1) % 10


def whole(classes):
    """Return class numbers as a model gives them."""
    return {"a": classes.astype(np.int32)}


def answered(reference, candidate):
    """Return what is said of one output of whole numbers."""
    specs = (TensorSpec("a", reference["a"].dtype.name, reference["a"].shape[1:]),)
    runs = [RunOutputs("run", Signature("serving_default", (), specs), [each]) for each in (reference, candidate)]
    found = explain(*runs)
    return found[0] if found else None


def test_one_number_is_never_a_softmax_of_itself():
    """Its softmax is 1, and the mean of a sample is the number itself: whatever a candidate gave was once explained so."""
    for candidate in (noisy(KELVIN, 3.0), np.abs(KELVIN) ** 0.9, KELVIN * 0.2 + noisy(KELVIN, 0.0)):
        codes = [each.code for each in explain(run({"a": KELVIN}), run({"a": candidate}))]
        assert not {"softmax-added", "softmax-missing"} & set(codes)


def test_an_offset_is_told_in_the_outputs_own_unit():
    """Beside the noise of a rough int8 network, of which it leaves a fifth of the error."""
    rough = noisy(KELVIN, 7.0)

    found = said({"a": KELVIN}, {"a": rough + 3.4})

    assert found.code == "offset"
    assert found.message.startswith("off by +3.")
    assert explain(run({"a": KELVIN}), run({"a": rough})) == ()


def test_what_hardly_moves_any_more_is_a_small_factor():
    """Though a grid of few steps leaves two values of it; and what moves by itself, or not at all, is none."""
    slow = 290 + 0.05 * (KELVIN - 290)

    found = said({"a": KELVIN}, {"a": slow})
    coarse = said({"a": KELVIN}, {"a": np.round(slow / 0.5) * 0.5})

    assert (found.code, found.message[:31]) == ("slope", "it is the reference times 0.05,")
    assert coarse.code == "slope"
    still = np.random.default_rng(13).normal(size=KELVIN.shape) * 0.1 + 290
    assert explain(run({"a": KELVIN}), run({"a": still})) == ()
    assert explain(run({"a": KELVIN}), run({"a": np.full(KELVIN.shape, 290.0)})) == ()


def test_an_offset_and_a_factor_of_single_channels_are_told_by_channel():
    moved = STREAM + np.array([0, 0, 5.0])
    found = said({"a": STREAM}, {"a": moved})
    assert found.code == "offset"
    assert "+5 in channel 2" in found.message

    stretched = STREAM * np.array([1, 4.0, 1])
    found = said({"a": STREAM}, {"a": noisy(stretched, 40)})
    assert found.code == "slope"
    assert "in channel 1" in found.message


def test_a_small_channel_is_seen_beside_large_ones():
    """Its error is nothing in the whole: boxes beside scores in one tensor."""
    wide = STREAM * np.array([1000, 1000, 1.0])
    noise = np.random.default_rng(14).normal(size=wide.shape) * np.array([20, 20, 0.001])

    found = said({"a": wide}, {"a": wide + noise + np.array([0, 0, 3.0])})

    assert found.code == "offset"
    assert found.message.startswith("channel 2: off by +3")
    assert explain(run({"a": wide}), run({"a": wide + noise})) == ()


def test_what_is_cut_off_is_told_with_where():
    found = said({"a": STREAM}, {"a": np.minimum(STREAM, 0.25)})

    assert found.code == "clipped"
    assert found.message.startswith("it is cut off above 0.25, where ")
    both = said({"a": STREAM}, {"a": np.clip(STREAM, -0.5, 0.5)})
    assert "below -0.5" in both.message
    assert "above 0.5" in both.message


@pytest.mark.parametrize(
    ("places", "says"), [(1, "1 sample behind"), (3, "3 samples behind"), (-2, "2 samples ahead of")]
)
def test_samples_that_come_late_are_told_with_how_many(places, says):
    """A buffer that begins empty: the samples' order is no other one, for the last of them never comes."""
    late = np.roll(STREAM, places, axis=0)
    late[: max(places, 0)] = 0
    late[len(late) + min(places, 0) :] = 0

    found = said({"a": STREAM}, {"a": noisy(late)})

    assert (found.code, found.message) == ("delayed", f"it is {says} the reference")


def test_frames_that_come_late_are_told_with_their_axis():
    frames = np.random.default_rng(15).normal(size=(20, 1, 16, 4))

    found = said({"a": frames}, {"a": noisy(np.roll(frames, 2, axis=2))})

    assert (found.code, found.message) == ("shifted", "it lies 2 places further on on axis 2")


def test_two_classes_that_are_exchanged_are_named():
    order = [0, 1, 2, 3, 5, 4, 6, 7, 8, 9]

    assert said({"a": softmax(SCORES)}, {"a": softmax(SCORES)[..., order]}).message == "classes 4 and 5 are exchanged"
    assert said({"a": SCORES}, {"a": SCORES[..., order]}).message == "channels 4 and 5 are exchanged"
    swapped = np.choose(CLASSES, order)
    found = answered(whole(CLASSES), whole(swapped))
    assert (found.code, found.message) == ("classes-permuted", "classes 4 and 5 are exchanged")
    assert found.gains == "undone, 60 of 60 answers are right, which were 48"


def test_a_class_that_is_answered_as_another_is_named():
    """For labels, and for scores of which that class's are drowned."""
    merged = np.where(CLASSES == 8, 9, CLASSES)
    scores = np.eye(10)[CLASSES] * 0.9 + 0.01
    drowned = np.eye(10)[merged] * np.random.default_rng(3).uniform(0.5, 0.9, size=(60, 1, 1))
    drowned += (1 - drowned.sum(axis=-1, keepdims=True)) / 10

    labels = answered(whole(CLASSES), whole(merged))

    assert (labels.code, labels.message) == ("class-answered-as-another", "class 8 is answered as 9")
    found = said({"a": scores}, {"a": drowned})
    assert (found.code, found.message) == ("class-answered-as-another", "class 8 is answered as 9")


def test_ids_that_are_off_by_one_are_an_offset():
    found = answered(whole(CLASSES + 100), whole(CLASSES + 101))

    assert (found.code, found.message) == ("offset", "off by +1 in the output's own unit")


def test_answers_that_are_wrong_here_and_there_are_explained_by_nothing():
    wrong = CLASSES.copy()
    wrong[::7] = np.random.default_rng(5).integers(0, 10, size=wrong[::7].shape)

    assert answered(whole(CLASSES), whole(wrong)) is None
    assert answered(whole(CLASSES), whole(CLASSES)) is None
    flags = CLASSES > 4
    assert answered({"a": flags}, {"a": ~flags}).message == "classes 0 and 1 are exchanged"


def test_an_output_that_is_right_is_no_other_outputs_place():
    """Two heads that give the same: where one of them is broken, the other one's is not where it went."""
    found = explain(run({"a": SCORES, "b": SCORES}), run({"a": SCORES + 3, "b": SCORES}))

    assert [(each.output, each.code) for each in found] == [("a", "offset")]


def test_a_factor_is_not_told_as_the_offset_that_it_makes_of_large_numbers():
    """Boxes a tenth too small: the mean that they lose is most of the error, and what is left of it no noise."""
    boxes = 14 + np.random.default_rng(16).normal(size=(60, 1, 4)) * 4

    found = said({"a": boxes}, {"a": noisy(boxes * 0.9, 24)})

    assert (found.code, found.message[:28]) == ("slope", "it is the reference times 0.")


def test_what_an_output_means_decides_whether_its_channels_are_classes():
    """Logits are no probabilities, and probabilities may be none of classes."""
    order = [0, 1, 2, 3, 5, 4, 6, 7, 8, 9]

    def told(values, kind):
        (found,) = explain(run({"a": values}), run({"a": values[..., order]}), {"a": kind})
        return found.message

    assert told(SCORES, "class_scores") == "classes 4 and 5 are exchanged"
    assert told(softmax(SCORES), "real_values") == "channels 4 and 5 are exchanged"


def test_a_rare_class_has_more_samples_than_the_first_ones():
    """Of whole numbers, which are small."""
    rare = np.where(np.arange(700).reshape(700, 1) % 100 == 99, 8, 1)

    found = answered(whole(rare), whole(np.where(rare == 8, 9, 1)))

    assert found.message == "class 8 is answered as 9"
