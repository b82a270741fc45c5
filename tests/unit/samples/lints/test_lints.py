"""The linter of calibration sets: every fault is found in a set made for it, and healthy sets of many kinds are left alone."""

from __future__ import annotations

import functools
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from toolkit import findings, registry
from toolkit.errors import InvalidConfig, InvalidSamples
from toolkit.findings import Finding
from toolkit.samples import lint, lint_job, lints
from toolkit.samples.lints import unstable
from toolkit.wire.request import Request
from toolkit.wire.shards import ShardWriter
from toolkit.wire.statistics import Statistics

ROOT = Path(__file__).resolve().parents[4]
CHECKS = registry.names("samples/lints")
MEANS, DEVIATIONS = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


@pytest.fixture
def linted(tmp_path):
    """Return a function that writes both sets as the draw does, and returns the result of the linter."""

    def run(calibration, verification, *, labels=(None, None), split=False, constant=(), limits=None, **several):
        for side, array, label in zip(
            ("calibration", "verification"), (calibration, verification), labels, strict=True
        ):
            with ShardWriter(tmp_path / side) as shards:
                for row in array:
                    shards.add({"x": row[None]})
            (tmp_path / side / "origins.json").write_text(
                json.dumps([f"{side} {index}" for index in range(len(array))])
            )
            if label is not None:
                np.save(tmp_path / side / "labels.npy", label)
        names = {"calibration": "mine.toml", "verification": "theirs.toml"}
        options = {**(limits or lint_job.read_limits()).options(), "names": names, "split": split, "constant": constant}
        return lint.samples(Request(options, {"samples": tmp_path}, tmp_path / "out"))

    return run


def codes(result, severity=None) -> list[str]:
    return [found["code"] for found in result["findings"] if severity in (None, found["severity"])]


def reason(result, check) -> str:
    (said,) = (skipped["reason"] for skipped in result["skipped"] if skipped["check"] == check)
    return said


@functools.cache
def photographs(count, seed, size=32):
    """Return images (count, size, size, 3), 0 to 255, float32: power falls with frequency, skies are blue, what is in the middle is warm."""
    random = np.random.default_rng(seed)
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    frequencies[0, 0] = 1 / size
    noise = random.normal(size=(count, size, size, 4))
    waves = np.fft.ifft2(np.fft.fft2(noise, axes=(1, 2)) / frequencies[..., None] ** 1.2, axes=(1, 2)).real
    waves /= waves.std(axis=(1, 2), keepdims=True)
    rows, columns = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    warmth = random.uniform(0, 1, (count, 1, 1)) * (rows + np.exp(-3 * (rows**2 + columns**2)))
    tint = np.stack([warmth, 0 * warmth, -warmth], axis=-1)
    images = 118 + random.uniform(40, 80, (count, 1, 1, 1)) * (waves[..., :1] + 0.35 * waves[..., 1:] + 0.5 * tint)
    made = np.clip(images, 0, 255).round().astype(np.float32)
    made.flags.writeable = False  # tests share them
    return made


@pytest.fixture(scope="module")
def photos():
    """Return two sets that have nothing in common but what they show."""
    return photographs(120, 0), photographs(60, 1)


def normalized(images):
    return (images - MEANS) / DEVIATIONS


def reshaped(images):
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(images.shape)


def jittered(images, seed=9):
    return np.clip(images + np.random.default_rng(seed).normal(0, 2, images.shape), 0, 255).astype(np.float32)


def recompressed(images, quality=75):
    return np.stack([_through_jpeg(image.astype(np.uint8), quality) for image in images]).astype(np.float32)


def _through_jpeg(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def sounds(count, seed):
    """Return recordings of very different loudness, most of them quiet."""
    random = np.random.default_rng(seed)
    loudness = 10 ** random.uniform(-3, 0, (count, 1))
    return (
        loudness * np.array([np.convolve(random.normal(size=2015), np.hanning(16), "valid") for _ in range(count)])
    ).astype("f4")


HEALTHY = {
    "photographs": lambda seed: photographs(100, seed, 24),
    "photographs as bytes": lambda seed: photographs(100, seed, 24).astype(np.uint8),
    "normalized photographs": lambda seed: normalized(photographs(100, seed, 24) / 255),
    "channels first": lambda seed: photographs(100, seed, 24).transpose(0, 3, 1, 2),
    "grey images": lambda seed: photographs(100, seed, 24).mean(axis=3, keepdims=True),
    "a table": lambda seed: np.random.default_rng(seed).normal(size=(100, 4)).astype(np.float32),
    "a table with heavy tails": lambda seed: np.random.default_rng(seed).standard_cauchy((100, 20)).astype(np.float32),
    "embeddings": lambda seed: np.random.default_rng(seed).normal(size=(100, 512)),
    "recordings": lambda seed: sounds(100, seed),
    "names of words": lambda seed: np.random.default_rng(seed).integers(0, 30000, (100, 128)).astype(np.int32),
    "truth values": lambda seed: np.random.default_rng(seed).random((100, 9)) < 0.5,
    "single numbers": lambda seed: np.random.default_rng(seed).random((100, 1)).astype(np.float32),
    "scalars": lambda seed: np.random.default_rng(seed).random(100).astype(np.float32),
}


@pytest.mark.parametrize("kind", HEALTHY)
def test_a_healthy_set_is_left_alone(linted, kind):
    """A false alarm is a defect: images, tables, sounds, words."""
    assert linted(HEALTHY[kind](0), HEALTHY[kind](1)[:50])["findings"] == []


@pytest.mark.parametrize("kind", HEALTHY)
def test_a_small_healthy_set_is_only_small(linted, kind):
    """What happened not to be in a few samples is no fault of how they are prepared."""
    found = linted(HEALTHY[kind](2)[:12], HEALTHY[kind](3)[:30])

    assert codes(found, "error") == []
    assert set(codes(found, "warning")) <= {"too-few-samples", "uncovered-range"}


FAULTS = {
    "divided by 255": (lambda x: x / 255, lambda x: x, "wrong-scale"),
    "not divided by 255": (lambda x: x, lambda x: x / 255, "wrong-scale"),
    "-1..1 for 0..255": (lambda x: x / 127.5 - 1, lambda x: x, "wrong-scale"),
    "0..1 for -1..1": (lambda x: x / 255, lambda x: x / 127.5 - 1, "wrong-scale"),
    "-1..1 for 0..1": (lambda x: x / 127.5 - 1, lambda x: x / 255, "wrong-scale"),
    "int8 for uint8": (lambda x: x - 128, lambda x: x, "wrong-scale"),
    "raw for mean and deviation": (lambda x: x / 255, lambda x: normalized(x / 255), "wrong-scale"),
    "divided by 255 twice": (lambda x: x / 255 / 255, lambda x: x / 255, "double-normalization"),
    "to -1..1 twice": (lambda x: (x / 127.5 - 1) / 127.5 - 1, lambda x: x / 127.5 - 1, "double-normalization"),
    "mean and deviation twice": (
        lambda x: normalized(normalized(x / 255)),
        lambda x: normalized(x / 255),
        "double-normalization",
    ),
    "verification divided twice": (lambda x: x / 255, lambda x: x / 255 / 255, "double-normalization"),
    "reshaped, not transposed": (reshaped, lambda x: x, "wrong-layout"),
    "reshaped to channels first": (
        lambda x: x.reshape(-1, 3, 32, 32),
        lambda x: x.transpose(0, 3, 1, 2),
        "wrong-layout",
    ),
    "uniform noise": (
        lambda x: np.random.default_rng(0).uniform(0, 255, x.shape).astype("f4"),
        lambda x: x,
        "random-looking",
    ),
    "leaked with noise": (lambda x: x[:100], lambda x: jittered(photographs(120, 0)[:60]), "leaked-samples"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_severe_fault_stops_the_build(linted, photos, fault):
    """Each by its own reason code, and by that alone."""
    calibration, verification, code = FAULTS[fault]

    found = linted(calibration(photos[0]), verification(photos[1]))

    assert codes(found, "error") == [code]
    assert set(codes(found, "warning")) <= {"too-few-samples"}
    with pytest.raises(InvalidSamples, match=rf"mine.toml: input 'x': .*\[{code}\]"):
        lint_job.refuse_severe(findings.read(found["findings"]))


def _table(count, seed, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1, (count, 4)).astype(np.float32)


def _loud(count, seed, gain):
    waves = np.random.default_rng(seed).uniform(-1, 1, (count, 600)).astype(np.float32)
    return gain * waves


ORDINARY = {
    "a recording a factor louder": (_loud(100, 0, 0.2), _loud(50, 1, 0.9)),
    "a recording 30 dB louder": (_loud(100, 0, 0.03), _loud(50, 1, 0.95)),
    "a fold with another mean": (_table(100, 0), _table(50, 1, 6)),
    "a fold of positive numbers": (_table(100, 0) ** 2 + 1, _table(50, 1, -3)),
    "darker photographs": (photographs(100, 0, 24) * np.float32(0.3), photographs(50, 1, 24)),
    "brighter photographs": (photographs(100, 0, 24) + 200, photographs(50, 1, 24)),
}


@pytest.mark.parametrize("kind", ORDINARY)
def test_ordinary_differences_between_sets_stop_nothing(linted, kind):
    """They are told: what is beyond will be clipped."""
    found = linted(*ORDINARY[kind])

    assert codes(found, "error") == []
    assert len(set(codes(found, "warning")) & {"wrong-scale", "double-normalization", "uncovered-range"}) == 1


@pytest.mark.parametrize("factor", [1 / 127.5, 1 / 255, 255, 32768])
def test_a_factor_that_conversions_make_stops_a_build_whatever_the_samples(linted, factor):
    found = linted(_loud(100, 0, 0.9 * factor), _loud(50, 1, 1.0))

    assert codes(found, "error") in (["wrong-scale"], ["double-normalization"])


@pytest.mark.parametrize(("wrong", "right"), [(1 / 255, 1), (1, 1 / 255)])
def test_the_fix_of_a_scale_mends_it(linted, photos, wrong, right):
    """What is to be written under [preprocess] is told, and is right."""
    (found,) = linted(photos[0] * np.float32(wrong), photos[1] * np.float32(right))["findings"]

    scale = np.float32(re.match(r"scale = (\S+) under", found["fix"])[1])
    assert linted(photos[0] * np.float32(wrong) * scale, photos[1] * np.float32(right))["findings"] == []


def test_the_shift_of_a_scale_is_told(linted, photos):
    """As [preprocess] takes it: (x * scale - mean)."""
    (found,) = linted(photos[0] / 255, photos[1] / 127.5 - 1)["findings"]

    assert found["fix"].startswith("scale = 2, mean = [1] under [preprocess]")


def test_what_one_set_shows_by_itself_stops_nothing(linted):
    """Noise, and a layout, in a set that was split: a healthy set may be unusual."""
    noise = np.random.default_rng(0).random((200, 32, 32, 3), np.float32)
    images = reshaped(photographs(200, 3))

    assert codes(linted(noise[:100], noise[100:], split=True)) == ["random-looking"]
    assert [found["severity"] for found in linted(images[:100], images[100:], split=True)["findings"]] == ["warning"]


def test_samples_that_reach_beyond_are_told(linted, photos):
    """Darker ones calibrate than judge."""
    (found,) = linted(photos[0] * 0.75, photos[1])["findings"]

    assert (found["code"], found["severity"]) == ("uncovered-range", "warning")
    assert found["beyond"] > 0.5


def test_one_set_that_was_split_has_one_scale(linted, photos):
    """A stream may grow darker on the way: what judges reaches beyond, but nothing was prepared otherwise."""
    (found,) = linted(photos[0] * np.float32(0.4), photos[1], split=True)["findings"]

    assert (found["code"], found["severity"]) == ("uncovered-range", "warning")


def test_redder_pictures_are_not_taken_for_exchanged_channels(linted, photos):
    """They differ from the others by many standard errors, and more so with red and blue exchanged."""
    redder = np.clip(photos[0] + np.float32([25, 0, -25]), 0, 255)

    assert "swapped-channels" not in codes(linted(redder, photos[1]))


def test_red_and_blue_exchanged_is_a_warning(linted, photos):
    """Whichever of the two sets is the wrong one."""
    for pair in ((photos[0][..., ::-1], photos[1]), (photos[0], photos[1][..., ::-1])):
        (found,) = linted(*pair)["findings"]

        assert (found["code"], found["severity"]) == ("swapped-channels", "warning")
        assert found["as_given"] > 4 * found["exchanged"]


def test_channels_that_cannot_be_told_are_said_to_be(linted, photos):
    """Grey pictures, one set that was split, another scale."""
    grey = [np.repeat(images.mean(axis=3, keepdims=True), 3, axis=3) for images in photos]

    assert "differ too little" in reason(linted(*grey), "channels")
    assert "drawn from one" in reason(linted(photos[0][..., ::-1], photos[1], split=True), "channels")
    assert "differ in scale" in reason(linted(photos[0] / 255, photos[1]), "channels")


def test_copies_with_noise_are_near_duplicates(linted, photos):
    """Sixteen pictures, eight times each; and one picture, with noise."""
    (eight,) = linted(jittered(np.repeat(photos[0][:16], 8, axis=0)), photos[1])["findings"]
    (one,) = (
        found
        for found in linted(jittered(np.repeat(photos[0][:1], 120, axis=0)), photos[1])["findings"]
        if found["code"] != "uncovered-range"
    )

    assert (eight["code"], eight["severity"]) == (one["code"], one["severity"]) == ("near-duplicate-samples", "warning")
    assert (eight["copies"], eight["samples"]) == (112, 128)


@pytest.mark.parametrize("change", [jittered, recompressed, lambda images: np.clip(images * 1.02, 0, 255)])
def test_a_few_leaked_samples_are_named(linted, photos, change):
    """With noise, through JPEG, a little brighter."""
    big = photographs(60, 4, size=48), photographs(40, 5, size=48)

    (found,) = linted(big[0], np.concatenate([big[1], change(big[0][7:12])]))["findings"][1:]

    assert (found["code"], found["severity"], found["copies"]) == ("leaked-samples", "warning", 5)
    assert found["pair"] == ("verification 40", "calibration 7")


def test_classes_that_are_missing_for_no_good_reason_are_a_warning(linted, photos):
    """One of ten, of 120 samples: chance leaves it out in 3 of a million sets."""
    labels = np.arange(120) % 9, np.arange(60) % 10

    (found,) = linted(*photos, labels=labels)["findings"]

    assert (found["code"], found["severity"], found["classes"]) == ("missing-classes", "warning", [9])


def test_classes_that_are_missing_by_chance_are_information(linted, photos):
    """Twenty samples do not hold twenty-five classes."""
    found = linted(photos[0][:20], photos[1], labels=(np.arange(20) % 5, np.arange(60) % 25))

    assert codes(found, "info") == ["missing-classes"]
    assert codes(found, "warning") == ["too-few-samples"]


@pytest.mark.parametrize(
    "labels", [(np.linspace(0, 1, 120), np.linspace(0, 1, 60)), (np.arange(120), np.arange(60)), (None, np.arange(60))]
)
def test_what_is_no_class_is_not_missed(linted, photos, labels):
    """Values, one of each, and no labels at all."""
    found = linted(*photos, labels=labels)

    assert found["findings"] == []
    assert "labels" in reason(found, "classes")


def test_blank_samples_are_a_warning(linted, photos):
    """One in ten is a grey plane."""
    blank = photos[0].copy()
    blank[:12] = np.arange(12, dtype="f4")[:, None, None, None] * 20

    (found,) = linted(blank, photos[1])["findings"]

    assert (found["code"], found["share"]) == ("blank-samples", 0.1)


@pytest.mark.parametrize("kind", ["channel", "column"])
def test_a_feature_that_stands_still_is_a_warning(linted, photos, kind):
    """An empty channel, a column that was filled with a default."""
    tables = [np.random.default_rng(seed).normal(size=(120, 6)).astype("f4") for seed in (0, 1)]
    calibration, verification = photos if kind == "channel" else tables
    calibration = calibration.copy()
    calibration[..., 2] = 0.5

    (found,) = linted(calibration, verification)["findings"]

    assert (found["code"], found["features"]) == ("constant-feature", [2])


def test_a_feature_that_seldom_changes_is_no_fault(linted):
    """A column that is set in one row of fifty stands still in most sets of thirty."""
    calibration, verification = (np.random.default_rng(seed).normal(size=(30, 6)).astype("f4") for seed in (0, 1))
    calibration[:, 3] = verification[:, 3] = 0
    verification[:1, 3] = 1

    assert codes(linted(calibration, verification)) == ["too-few-samples"]


def test_clipped_samples_are_a_warning(linted, photos):
    """Over-exposed calibration pictures."""
    (found,) = linted(np.clip(photos[0] * 2, 0, 255), photos[1])["findings"]

    assert (found["code"], found["value"]) == ("saturated-samples", 255)
    assert found["share"] > found["verification_share"] + 0.1


def test_white_pages_are_no_fault(linted, photos):
    """In both sets a good part of all values is at the upper end."""
    pages = [np.where(images > 128, 255, images).astype("f4") for images in photos]

    found = linted(*pages)

    assert codes(found) == codes(found, "info") == ["pile-up"]


def test_few_samples_are_told(linted, photos):
    """With how many there are and how many are expected."""
    (found,) = linted(photos[0][:99], photos[1])["findings"]

    assert found["message"] == "mine.toml: 99 samples calibrate; expected 100 or more"


def test_inputs_that_are_meant_never_to_change_are_not_looked_at(linted, photos):
    """Nor those whose shape differs between the sets; both are said."""
    assert reason(linted(photos[0] / 255, photos[1], constant=["x"]), "input") == "declared to be constant"
    assert "shape" in reason(linted(photos[0], photographs(20, 6, size=16)), "input")


def test_frames_that_follow_one_another_are_no_copies(linted, photos, tmp_path):
    """Sequences of samples, for a model that keeps state."""
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration" / "sequences.json").write_text('{"length": 8}')

    found = linted(jittered(np.repeat(photos[0][:16], 8, axis=0)), photos[1])

    assert found["findings"] == []
    assert "follow one another" in reason(found, "near_copies")


def test_of_a_very_large_set_the_first_samples_are_looked_at(linted, photos, monkeypatch):
    """Memory and time have a bound."""
    monkeypatch.setattr(lint, "_MOST_SAMPLES", 40)

    (found,) = linted(np.concatenate([jittered(np.repeat(photos[0][:10], 4, axis=0)), photos[0]]), photos[1])[
        "findings"
    ]

    assert (found["code"], found["samples"]) == ("near-duplicate-samples", 40)


def statistics_of(draw, samples, tensors=20):
    values = draw(np.random.default_rng(0), (samples, tensors, 50))
    sizes = np.full((samples, tensors), values.shape[2])
    rows = np.stack([values.min(axis=2), values.max(axis=2), sizes], axis=-1)
    return Statistics(tuple(f"t{index}" for index in range(tensors)), np.arange(samples), rows)


def unstable_limits():
    return unstable.Limits(**lint_job.read_limits().values["unstable"])


def test_ranges_that_outliers_make_are_unstable():
    """Cauchy's have no end; the worst tensors are named, the same ones each time."""
    statistics = statistics_of(lambda random, shape: random.standard_cauchy(shape), 100)

    (found,) = unstable.judge(statistics, unstable_limits())

    assert (found.code, found.severity, found.facts["tensors"]) == ("unstable-ranges", "warning", 20)
    assert found == unstable.judge(statistics, unstable_limits())[0]
    assert all(name in found.message for name, _ in found.facts["worst"])


@pytest.mark.parametrize(
    "draw", [lambda random, shape: random.random(shape), lambda random, shape: random.normal(size=shape)]
)
def test_ranges_of_enough_samples_are_stable(draw):
    """Uniform and normal activations, 100 samples."""
    assert unstable.judge(statistics_of(draw, 100), unstable_limits()) == []


def test_ranges_of_three_samples_cannot_be_told():
    """They have no halves."""
    assert "no halves" in unstable.judge(
        statistics_of(lambda random, shape: random.random(shape), 3), unstable_limits()
    )


def test_ranges_of_a_half_are_those_of_its_samples(tmp_path):
    """Minimum to maximum, as `ranges.json` has them."""
    statistics = statistics_of(lambda random, shape: random.normal(size=shape), 11)
    statistics.write(tmp_path / "statistics")
    (tmp_path / "out").mkdir()

    lint.half_ranges(Request({"seed": 3, "half": 1}, {"statistics": tmp_path / "statistics"}, tmp_path / "out"))

    rows = statistics.rows[unstable.halves(11, 3)[1]]
    held = json.loads((tmp_path / "out" / "ranges.json").read_text())["tensors"]
    assert held == {f"t{index}": [rows[:, index, 0].min(), rows[:, index, 1].max()] for index in range(20)}


def test_halves_are_halves_and_the_same_each_time():
    """Every sample is in one of them."""
    first, second = unstable.halves(101, 7)

    assert sorted([*first, *second]) == list(range(101))
    assert (len(first), len(second)) == (50, 51)
    assert np.array_equal(first, unstable.halves(101, 7)[0])
    assert not np.array_equal(first, unstable.halves(101, 8)[0])


def test_limits_of_ones_own_take_the_place_of_others(linted, photos, tmp_path):
    """Those that are not said stay."""
    own = tmp_path / "own.toml"
    own.write_text('[[limits]]\ncheck = "few"\nlimit = "samples"\nvalue = 5\nbecause = "a test"\n')
    limits = lint_job.read_limits(own)

    assert limits.values["few"] == {"samples": 5}
    assert limits.values["scale"] == lint_job.read_limits().values["scale"]
    assert linted(photos[0][:6], photos[1], limits=limits)["findings"] == []


def test_a_finding_that_is_accepted_is_information_with_its_reason(linted, photos, tmp_path):
    """And stops nothing."""
    own = tmp_path / "own.toml"
    own.write_text('[[accepted]]\ncode = "wrong-scale"\nbecause = "half of the model divides"\n')

    found = linted(photos[0] / 255, photos[1], limits=lint_job.read_limits(own))["findings"]

    assert [(one["code"], one["severity"]) for one in found] == [("wrong-scale", "info")]
    assert "(accepted: half of the model divides)" in found[0]["message"]
    lint_job.refuse_severe(findings.read(found))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            'check = "scal"\nlimit = "beyond"\nvalue = 1\nbecause = "x"',
            r"limits\[0\].check: 'scal'; did you mean 'scale'",
        ),
        ('check = "scale"\nlimit = "beyont"\nvalue = 1\nbecause = "x"', r"'beyont' is none .*did you mean 'beyond'"),
        ('check = "scale"\nlimit = "beyond"\nvalue = "1"\nbecause = "x"', "expected float"),
        ('check = "scale"\nlimit = "beyond"\nvalue = nan\nbecause = "x"', "finite"),
        ('check = "scale"\nlimit = "beyond"\nvalue = 1\nbecause = " "', "because: is empty"),
        ('check = "scale"\nlimit = "beyond"\nvalue = 1', "because: missing"),
        (
            'check = "few"\nlimit = "samples"\nvalue = 1\nbecause = "x"\n' * 1
            + '[[accepted]]\ncode = "wrong-scal"\nbecause = "x"',
            r"accepted\[0\].code: 'wrong-scal'; did you mean 'wrong-scale'",
        ),
        (
            'check = "few"\nlimit = "samples"\nvalue = 1\nbecause = "x"\n[[limits]]\ncheck = "few"\nlimit = "samples"\nvalue = 2\nbecause = "x"',
            "said more than once: few.samples",
        ),
    ],
)
def test_a_mistake_in_limits_is_told(tmp_path, text, says):
    """With the closest name that is right."""
    own = tmp_path / "own.toml"
    own.write_text(f"[[limits]]\n{text}\n")

    with pytest.raises(InvalidConfig, match=says):
        lint_job.read_limits(own)


def test_all_severe_findings_are_in_one_message_with_their_fixes():
    """And nothing else is."""
    found = [
        Finding("wrong-scale", "error", "a: x", "mend x"),
        Finding("too-few-samples", "warning", "a: y", "mend y"),
        Finding("wrong-layout", "error", "a: z", "mend z"),
    ]

    with pytest.raises(InvalidSamples) as caught:
        lint_job.refuse_severe(found)

    assert caught.value.problem == "a: x [wrong-scale]\n    mend x\na: z [wrong-layout]\n    mend z"


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_keeps_its_contract(name):
    """As toolkit/samples/lints/__init__.py says; measured rows are one vector of the same length for all samples."""
    check = registry.load("samples/lints", name)

    assert check.LOOKS_AT in ("input", "set", "ranges", "judging", "answers", "preparations")
    assert check.CODES
    assert (check.__doc__ or "").strip().endswith(".")
    if check.LOOKS_AT in ("input", "judging", "answers"):
        of = lints.Answer if check.LOOKS_AT == "answers" else lints.Input
        for shape in ((), (1,), (7,), (300,), (30, 40), (32, 32, 3), (3, 20, 24), (5, 6, 7, 2)):
            one = of("x", shape, "float32")
            if check.applies(one) is None:
                rows = [check.measure(np.random.default_rng(seed).random(shape, np.float32), one) for seed in (0, 1)]
                assert rows[0].ndim == 1
                assert rows[0].shape == rows[1].shape
                assert rows[0].dtype == np.float64
                assert rows[0].size <= 2 * 1024


def test_every_code_has_a_line_in_the_documentation():
    """And every line is of a code; no code is used twice."""
    text = (ROOT / "docs" / "calibration.md").read_text()
    told = re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)
    drawn = {"duplicate-samples", "calibrated-samples", "converted-dtype"}  # found where samples are drawn

    assert sorted(set(told) - drawn) == list(lint_job.codes())
    assert len(set(told)) == len(told)
    assert len(set(lint_job.codes())) == len(lint_job.codes())


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`test_lint\w*\.py::(test_\w+)`", (ROOT / "docs" / "calibration.md").read_text())))
)
def test_every_test_that_the_documentation_names_is_there(name):
    """In one of the linter's test files."""
    places = (
        "unit/samples/lints/test_lints.py",
        "unit/samples/lints/test_answers.py",
        "integration/samples/lints/test_lints.py",
        "e2e/test_lint.py",
    )
    files = [ROOT / "tests" / place for place in places]

    assert any(f"def {name}(" in file.read_text() for file in files)
