"""Calibration and evaluation sets: what a recipe may say, and what the draw guarantees."""

from __future__ import annotations

import itertools
import json
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from toolkit.errors import InvalidConfig, InvalidSamples, RequestError
from toolkit.jobs.job import Job
from toolkit.samples import dataset, fitting, sample_set
from toolkit.samples import draw as drawing
from toolkit.samples.input_ranges import InputRange, input_lines
from toolkit.samples.normalization import FORMULA, PRESETS
from toolkit.wire import labels
from toolkit.wire.request import Request
from toolkit.wire.shards import read_all, read_index

IMAGE = {"name": "image", "dtype": "float32", "shape": [1, 4, 4, 1]}
RNG_SEED = 7


def signature(*inputs: dict) -> dict:
    return {"key": "serving_default", "inputs": list(inputs) or [IMAGE], "outputs": []}


def images(count: int, shape: tuple[int, ...] = (4, 4, 1), dtype: str = "float32") -> np.ndarray:
    """Return different random samples, the same ones on every call."""
    return np.random.default_rng(RNG_SEED).standard_normal((count, *shape)).astype(dtype)


def save(folder: Path, **arrays: np.ndarray) -> str:
    np.savez(folder / "samples.npz", **arrays)
    return str(folder / "samples.npz")


def declare(folder: Path, text: str, name: str = "set.toml", **arrays: np.ndarray) -> str:
    """Write a recipe for an .npz of these arrays; `text` is what it says besides its reader."""
    np.savez(folder / f"{name}.npz", **arrays)
    (folder / name).write_text(f'{text}\n[reader]\nkind = "arrays"\npath = "{name}.npz"\n')
    return str(folder / name)


def perform(job: Job, out: Path) -> dict:
    """Do what a worker does with the job."""
    return drawing.draw(Request(json.loads(json.dumps(job.options)), dict(job.inputs), out))


@pytest.fixture
def draw(tmp_path):
    """Return a function that draws from the sets for a model with these inputs: (result, folder)."""

    def drawn(calibration: str | None, evaluation: str | None = None, *inputs: dict) -> tuple[dict, Path]:
        out = Path(tempfile.mkdtemp(dir=tmp_path))
        return perform(dataset.samples_job(calibration, evaluation, signature(*inputs)), out), out

    return drawn


def hashes(out: Path, side: str) -> list[str]:
    return json.loads((out / side / "hashes.json").read_text())


# What a recipe may say


def test_all_mistakes_of_a_recipe_are_reported_at_once(tmp_path):
    """Whoever mends one mistake should not find the next one a minute later."""
    recipe = tmp_path / "bad.toml"
    recipe.write_text(
        """
        abuot = "digits"
        [reader]
        kind = "arrays"
        pth = "digits.npz"
        [preprocess]
        dtype = "float23"
        scal = 0.5
        std = [1.0, 0.0]
        [preprocess.image]
        maen = 0.5
        [sampling]
        calibration = "200"
        """
    )

    with pytest.raises(InvalidConfig) as caught:
        dataset.recipe(str(recipe))

    lines = caught.value.problem.splitlines()
    assert all(line.startswith(f"{recipe}: ") for line in lines)
    for says in (
        "abuot: unknown key; did you mean 'about'?",
        "reader.pth: unknown key; did you mean 'path'?",
        "preprocess.dtype: 'float23'; did you mean 'float32'?",
        "preprocess.scal: unknown key; did you mean 'scale'?",
        "preprocess.std[1]: 0.0; expected above 0",
        "preprocess.image.maen: unknown key; did you mean 'mean'?",
        "sampling.calibration: '200' is str, expected int",
    ):
        assert any(says in line for line in lines), f"{says} is not in {lines}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[reader]\nkind = "array"\npath = "x.npz"', "reader.kind: 'array'; did you mean 'arrays'?"),
        ('[reader]\nkind = "images"', "reader.path: missing"),
        ('[reader]\nkind = "images"\npath = "x"\nlabels = "names"', "reader.labels: 'names'; expected 'folders' or 'none'"),
        ('[reader]\nkind = "arrays"', "reader: names no data"),
        ('[reader]\nkind = "python"\nfunction = "nothing"', "'package.module:function'"),
        ('[reader]\nkind = "python"\nfunction = "a:b"\nargs = { day = 2024-01-01 }', "args.day: "),
        ('[reader]\nkind = "arrays"\npath = "x.npz"\n[preprocess]\ncrop = "center"', "size = .height, width., which is missing"),
        ('[reader]\nkind = "arrays"\npath = "x.npz"\n[preprocess]\ndtype = "int8"\nscale = 2.0', "int8 holds none"),
        ('[reader]\nkind = "arrays"\npath = "x.npz"\n[sampling]\nverification = 0', "sampling.verification: 0; expected at least 1"),
        ('[reader]\nkind = "arrays"\npath = "x.npz"\n[preprocess]\nscale = inf', "preprocess.scale: inf; expected a finite number"),
    ],
)  # fmt: skip
def test_each_mistake_says_what_would_be_right(tmp_path, text, says):
    """The message is all that the author of a recipe sees."""
    (tmp_path / "bad.toml").write_text(text)

    with pytest.raises(InvalidConfig, match=says):
        dataset.recipe(str(tmp_path / "bad.toml"))


def test_one_number_serves_for_all_channels(tmp_path):
    """`mean = 0.5` is what people write first."""
    recipe = dataset.recipe(declare(tmp_path, "[preprocess]\nmean = 0.5\nstd = 2", image=images(2)))

    assert recipe.declared.preprocess.mean == (0.5,)
    assert recipe.declared.preprocess.std == (2.0,)


def test_data_itself_is_a_set(tmp_path, monkeypatch):
    """When nothing needs declaring, nothing needs writing."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path, image=images(2))
    (tmp_path / "photos").mkdir()

    kinds = {
        spec: dataset.recipe(spec).declared.reader.kind
        for spec in ("samples.npz", "photos/", ".", "pkg.data:rows", "d.py:rows")
    }

    assert list(kinds.values()) == ["arrays", "images", "images", "python", "python"]
    assert dataset.recipe("photos/").files() == {"path": tmp_path / "photos"}
    assert dataset.recipe("d.py:rows").files() == {"function": tmp_path / "d.py"}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("calibraton/digits.toml", "there is no 'calibraton'; did you mean 'calibration'?"),
        ("calibration/digit.toml", "there is no 'digit.toml'; did you mean 'digits.toml'?"),
        ("calibration/digit.npz", "there is no 'digit.npz'; did you mean 'digits.npz'?"),
        ("calibration/digits.npz/x.npy", "'digits.npz' is a file, not a folder"),
        ("photo", "there is no 'photo'; did you mean 'photos'?"),
        ("data.py:rows", "there is no 'data.py'; did you mean 'date.py'?"),
        ("notes.txt", "no samples that any reader takes"),
    ],
)
def test_what_is_not_there_is_said_before_any_worker_starts(tmp_path, monkeypatch, spec, says):
    """With the closest name that is there."""
    monkeypatch.chdir(tmp_path)
    for folder in ("calibration", "photos"):
        (tmp_path / folder).mkdir()
    for file in ("calibration/digits.toml", "calibration/digits.npz", "date.py", "notes.txt"):
        (tmp_path / file).touch()

    with pytest.raises(RequestError) as caught:
        dataset.samples_job(spec, None, signature())

    assert says in caught.value.problem


def test_data_that_a_recipe_names_is_looked_for_too(tmp_path):
    """All of it at once, for both sets."""
    first, second = declare(tmp_path, "", "a.toml", image=images(2)), declare(tmp_path, "", "b.toml", image=images(2))
    for name in ("a.toml.npz", "b.toml.npz"):
        (tmp_path / name).unlink()

    with pytest.raises(RequestError) as caught:
        dataset.samples_job(first, second, signature())

    assert [line.partition(":")[0] for line in caught.value.problem.splitlines()] == ["a.toml", "b.toml"]


def test_no_set_at_all_shows_the_lines_to_write():
    """Nobody should have to read a manual for three lines."""
    with pytest.raises(InvalidSamples) as caught:
        dataset.samples_job(None, None, signature())

    assert '[reader]\n    kind = "arrays"\n    path = "samples.npz"\n' in caught.value.hint


def test_a_static_scheme_is_not_calibrated_with_what_judges(tmp_path):
    """Samples that calibrated never judge, so an evaluation set alone is not enough for it."""
    spec = save(tmp_path, image=images(10))

    with pytest.raises(InvalidSamples, match=r"no calibration set"):
        dataset.samples_job(None, spec, signature(), must_calibrate=True)


def test_a_moved_set_is_the_same_job(tmp_path):
    """A key that holds a path of this machine could not be shared, nor survive a `mv`."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here, there = (
        dataset.samples_job(declare(tmp_path / name, "", image=images(4)), None, signature())
        for name in ("here", "there")
    )

    assert here.options == there.options
    assert str(tmp_path) not in json.dumps(here.options)
    assert here.cached


def test_only_the_inputs_of_the_signature_matter(tmp_path):
    """So an artifact with quantized outputs shares its samples with the original."""
    spec = save(tmp_path, image=images(4))
    quantized = {"name": "y", "dtype": "int8", "shape": [1], "scale": [0.5], "zero_point": [0]}
    others = {"key": "other", "inputs": [{**IMAGE, "range": [0, 1]}], "outputs": [quantized]}

    jobs = [dataset.samples_job(spec, None, given) for given in (signature(), others)]

    assert jobs[0].options == jobs[1].options


def test_a_function_is_never_cached(tmp_path, monkeypatch):
    """What else it reads, nobody knows."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.py").touch()

    assert not dataset.samples_job("data.py:rows", None, signature()).cached


# What the draw guarantees


def test_samples_arrive_as_the_model_takes_them(tmp_path, draw):
    """Every row with its own label, hash and origin, and with the batch axis of the model."""
    rows, labels = images(30), np.arange(30)
    result, out = draw(save(tmp_path, image=rows, labels=labels))

    assert result["calibration"] == {"count": 15}
    assert result["verification"] == {"count": 15, "labels": True}
    for side in ("calibration", "verification"):
        found, told = read_all(out / side, "image"), np.load(out / side / "labels.npy")
        assert read_index(out / side)["tensors"] == {"image": {"dtype": "float32", "shape": [1, 4, 4, 1]}}
        assert np.array_equal(found[:, 0], rows[told])
        assert json.loads((out / side / "origins.json").read_text()) == [
            f"samples.npz: sample {index}" for index in told
        ]
        assert hashes(out, side) == [fitting._digest({"image": row}) for row in found]


@settings(max_examples=25, deadline=None)
@given(
    contents=st.lists(st.integers(0, 40), min_size=3, max_size=80),
    calibration=st.none() | st.integers(1, 30),
    verification=st.none() | st.integers(1, 30),
    seed=st.integers(0, 2**63 - 1),
)
def test_no_content_is_in_both_sets_nor_twice_in_one(tmp_path_factory, contents, calibration, verification, seed):
    """However often it is repeated, whatever the counts and the seed; and the same is drawn again."""
    tmp_path = tmp_path_factory.mktemp("drawn")
    counts = [
        f"{name} = {count}" for name, count in (("calibration", calibration), ("verification", verification)) if count
    ]
    rows = np.array([[value, value + 0.5] for value in contents], np.float32)
    spec = declare(tmp_path, "\n".join(["[sampling]", f"seed = {seed}", *counts]), x=rows)
    job = dataset.samples_job(spec, None, signature({"name": "x", "dtype": "float32", "shape": [1, 2]}))
    different = len(set(contents))

    if different < max((calibration or 1) + (verification or 1), 2):
        with pytest.raises(InvalidSamples, match=r"too few|identical"):
            perform(job, tmp_path / "out")
        return
    result = perform(job, tmp_path / "out")
    again = perform(job, tmp_path / "again")

    drawn = {side: hashes(tmp_path / "out", side) for side in ("calibration", "verification")}
    assert not set(drawn["calibration"]) & set(drawn["verification"])
    assert all(len(set(digests)) == len(digests) == result[side]["count"] for side, digests in drawn.items())
    assert result["calibration"]["count"] == (calibration or result["calibration"]["count"])
    assert result["verification"]["count"] == (verification or result["verification"]["count"])
    assert result == again
    assert drawn == {side: hashes(tmp_path / "again", side) for side in drawn}


def test_the_draw_of_a_seed_is_the_same_for_ever(tmp_path, draw):
    """A release is compared with the last one on the same samples: pinned, as numpy's own shuffling is not."""
    spec = declare(tmp_path, "[sampling]\ncalibration = 3\nverification = 3\nseed = 11", image=images(100))
    _, out = draw(spec)

    origins = {
        side: [each.removeprefix("set.toml.npz: ") for each in json.loads((out / side / "origins.json").read_text())]
        for side in ("calibration", "verification")
    }

    assert origins == {
        "calibration": ["sample 73", "sample 69", "sample 40"],
        "verification": ["sample 47", "sample 60", "sample 3"],
    }


def test_another_seed_draws_other_samples(tmp_path, draw):
    """Or a set could not be drawn twice to see how much hangs on the draw."""
    outs = [
        draw(declare(tmp_path, f"[sampling]\ncalibration = 5\nverification = 5\nseed = {seed}", image=images(100)))[1]
        for seed in (0, 1)
    ]

    assert hashes(outs[0], "calibration") != hashes(outs[1], "calibration")


@pytest.mark.parametrize(
    ("count", "calibration", "verification"),
    [(2, 1, 1), (5, 2, 3), (100, 50, 50), (450, 200, 250), (700, 200, 500), (900, 200, 500)],
)
def test_without_declared_counts_a_set_is_split_sensibly(tmp_path, draw, count, calibration, verification):
    """Half and half until 200 calibrate; then up to 500 verify."""
    result, _ = draw(save(tmp_path, image=images(count)))

    assert (result["calibration"]["count"], result["verification"]["count"]) == (calibration, verification)


@pytest.mark.parametrize(
    ("declared", "calibration", "verification"),
    [("calibration = 90", 90, 10), ("verification = 90", 10, 90), ("calibration = 20\nverification = 70", 20, 70)],
)
def test_a_declared_count_is_met(tmp_path, draw, declared, calibration, verification):
    """Before anything else gets a sample."""
    result, _ = draw(declare(tmp_path, f"[sampling]\n{declared}", image=images(100)))

    assert (result["calibration"]["count"], result["verification"]["count"]) == (calibration, verification)


def test_a_declared_count_that_cannot_be_met_is_refused_with_the_numbers(tmp_path, draw):
    """Fewer samples than agreed would quietly weaken the verdict."""
    rows = np.concatenate([images(50), images(50)[:10]])

    with pytest.raises(
        InvalidSamples, match=r"30 for calibration and 21 for verification, but there are 50 different .* 60"
    ):
        draw(declare(tmp_path, "[sampling]\ncalibration = 30\nverification = 21", image=rows))


def test_only_what_is_drawn_is_read(tmp_path, draw, monkeypatch):
    """A hundred samples out of a million must not take reading a million."""
    read = []
    fit = fitting.Fitting.fit
    monkeypatch.setattr(
        fitting.Fitting, "fit", lambda self, sample, place: read.append(sample) or fit(self, sample, place)
    )

    draw(declare(tmp_path, "[sampling]\ncalibration = 3\nverification = 4", image=images(1000)))

    assert len(read) == 7


def test_repeated_samples_are_left_out_and_told(tmp_path, draw):
    """They would count twice in every rate."""
    result, _ = draw(save(tmp_path, image=np.concatenate([images(20), images(20)[:5]])))

    (finding,) = result["findings"]
    assert (finding["code"], finding["severity"]) == ("duplicate-samples", "warning")
    assert (finding["duplicates"], finding["read"]) == (5, 25)
    assert result["calibration"]["count"] + result["verification"]["count"] == 20


def test_what_calibrated_is_taken_out_of_an_evaluation_set(tmp_path, draw):
    """Two files of a user's may overlap without their knowing."""
    calibration = declare(tmp_path, "[sampling]\ncalibration = 20", "c.toml", image=images(40)[:20])
    evaluation = declare(tmp_path, "", "e.toml", image=images(40)[10:])

    result, out = draw(calibration, evaluation)

    assert not set(hashes(out, "calibration")) & set(hashes(out, "verification"))
    assert (result["calibration"]["count"], result["verification"]["count"]) == (20, 20)
    (finding,) = result["findings"]
    assert (finding["code"], finding["shared"], finding["read"]) == ("calibrated-samples", 10, 30)


def test_an_evaluation_set_of_calibration_samples_only_is_refused(tmp_path, draw):
    """There would be nothing left to judge with."""
    calibration = declare(tmp_path, "", "c.toml", image=images(20))
    evaluation = declare(tmp_path, "", "e.toml", image=images(20)[:5])

    with pytest.raises(InvalidSamples, match=r"e.toml: too few samples: .* 5 of them in the calibration set"):
        draw(calibration, evaluation)


def test_one_set_given_twice_is_split(tmp_path, draw):
    """`--calibration x --eval x` cannot mean to calibrate with all and judge with none."""
    spec = save(tmp_path, image=images(20))

    result, _ = draw(spec, spec)

    assert (result["calibration"]["count"], result["verification"]["count"]) == (10, 10)


def test_an_evaluation_set_alone_verifies(tmp_path, draw):
    """Schemes without calibration need no calibration set."""
    result, out = draw(None, save(tmp_path, image=images(20)))

    assert result["calibration"] is None
    assert result["verification"] == {"count": 20, "labels": False}
    assert not (out / "calibration").exists()
    assert not (out / "verification" / "labels.npy").exists()


def test_a_hash_is_that_of_all_a_sample_is():
    """Equal bytes are not an equal sample: under another name, of another dtype or shape they are another input."""
    values = np.arange(6, dtype=np.int32)
    others = [
        {"x": values},
        {"y": values},
        {"x": values.view("u4")},
        {"x": values.reshape(2, 3)},
        {"x": values, "y": values},
    ]

    digests = [fitting._digest(other) for other in others]

    assert len(set(digests)) == len(others)
    assert digests[0] == fitting._digest({"x": values.astype(">i4")})


def test_several_inputs_are_bound_by_name(tmp_path, draw):
    """Two of one shape that change places go unnoticed by position."""
    a, b = images(10, (3,)), images(20, (3,))[10:]
    specs = [{"name": name, "dtype": "float32", "shape": [1, 3]} for name in ("a", "b")]

    _, out = draw(None, save(tmp_path, b=b, a=a), *specs)

    order = [
        int(origin.rpartition(" ")[2]) for origin in json.loads((out / "verification" / "origins.json").read_text())
    ]
    assert np.array_equal(read_all(out / "verification", "a")[:, 0], a[order])
    assert np.array_equal(read_all(out / "verification", "b")[:, 0], b[order])


# What does not fit


def with_nan(value: float) -> np.ndarray:
    rows = images(20)
    rows[13, 2, 1, 0] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "says", "hint"),
    [
        (images(20, (4, 4)), r"has shape \(4, 4\), a sample of the model has \(4, 4, 1\)", "shape = [4, 4, 1]"),
        (images(20, (1, 1, 4, 4, 1)), r"has shape \(1, 1, 4, 4, 1\)", "shape = [4, 4, 1]"),
        (images(4, (4, 1)), r"has shape \(4, 1\)", "first axis of an array counts the samples"),
        (images(20, (8, 8, 1)), r"has shape \(8, 8, 1\)", "size = [4, 4]"),
        (images(20, (4, 4, 3)), r"has shape \(4, 4, 3\)", 'color = "gray"'),
        (np.arange(320, dtype=np.uint8).reshape(20, 4, 4, 1), "is uint8, the model takes float32", 'dtype = "float32"'),
        (np.arange(320).reshape(20, 4, 4, 1), "is int64, the model takes float32", "scale"),
        (images(20) > 0, "is bool, the model takes float32", 'dtype = "float32"'),
        (with_nan(np.nan), "sample 13: input 'image' holds 1 NaN and 0 infinite of 16 values", None),
        (with_nan(-np.inf), "sample 13: input 'image' holds 0 NaN and 1 infinite", None),
        (images(20).astype("float64") * 1e300, "as float32, after .preprocess., holds 0 NaN and", None),
        (np.repeat(images(1), 20, 0), "all 20 samples read are identical", None),
        (np.ones((20, 4, 4, 1), "f4") * np.arange(20, dtype="f4")[:, None, None, None], "one single value all over", "constant = "),
        (images(0), "holds no sample", None),
        (images(1), "too few samples: at least 1 for calibration and at least 1 for verification, .* 1 different", "--eval"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_samples_that_do_not_fit_are_refused(tmp_path, draw, rows, says, hint):
    """By the name of the set, of the sample and of the input, with what is expected."""
    with pytest.raises(InvalidSamples, match=says) as caught:
        draw(save(tmp_path, image=rows))

    assert caught.value.problem.startswith("samples.npz: ")
    assert (caught.value.hint is None) if hint is None else (hint in caught.value.hint)


def test_one_bad_sample_of_five_hundred_is_named(tmp_path, draw):
    """A set is not averaged into shape."""
    rows = images(500)
    rows[321, 0, 0, 0] = np.nan

    with pytest.raises(InvalidSamples, match=r"sample 321: input 'image' holds 1 NaN"):
        draw(save(tmp_path, image=rows))


def test_an_array_of_another_name_is_refused_with_the_closest(tmp_path, draw):
    """A model with two inputs has no place to guess for a third name."""
    specs = [{"name": name, "dtype": "float32", "shape": [1, 3]} for name in ("ids", "mask")]
    recipe = tmp_path / "set.toml"
    save(tmp_path, a=images(9, (3,)), b=images(9, (3,)))
    recipe.write_text('[reader]\nkind = "arrays"\npath = "samples.npz"\ninputs = { ids = "a", masc = "b" }')

    with pytest.raises(
        InvalidSamples, match=r"set.toml: sample .*'masc' is no input of the model; did you mean 'mask'?"
    ):
        draw(str(recipe), None, *specs)


def test_an_input_that_never_changes_is_refused_unless_declared(tmp_path, draw):
    """A mask may be all ones by intent; an image may not be the same one by accident."""
    specs = [
        {"name": "image", "dtype": "float32", "shape": [1, 3]},
        {"name": "mask", "dtype": "int32", "shape": [1, 3]},
    ]
    arrays = {"image": images(20, (3,)), "mask": np.ones((20, 3), np.int32)}

    with pytest.raises(InvalidSamples, match=r"input 'mask' is the same in all 20 samples read"):
        draw(save(tmp_path, **arrays), None, *specs)
    result, _ = draw(declare(tmp_path, 'constant = ["mask"]', **arrays), None, *specs)

    assert result["calibration"]["count"] == 10


@pytest.mark.parametrize("text", ["[preprocess.imag]\nscale = 2.0", 'constant = ["imag"]'])
def test_a_recipe_for_an_input_that_the_model_has_not_is_refused(tmp_path, draw, text):
    """Preprocessing that is silently not done is the most expensive mistake of all."""
    with pytest.raises(InvalidSamples, match=r"'imag' is no input of the model; did you mean 'image'?"):
        draw(declare(tmp_path, text, image=images(4)))


def test_a_model_that_takes_text_is_refused(tmp_path, draw):
    """Shards hold numbers."""
    with pytest.raises(InvalidSamples, match=r"input 'examples' takes string"):
        draw(save(tmp_path, x=images(4)), None, {"name": "examples", "dtype": "string", "shape": [None]})


def test_samples_of_several_sizes_are_refused(tmp_path, draw, monkeypatch):
    """Even where the model leaves its sizes open: one set has one shape."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ragged.py").write_text(
        "import numpy as np\ndef rows():\n    return [np.random.rand(size, 2).astype('f4') for size in (3, 3, 4)]"
    )

    with pytest.raises(InvalidSamples, match=r"all of a set have one shape"):
        draw("ragged.py:rows", None, {"name": "x", "dtype": "float32", "shape": [1, None, 2]})


@pytest.mark.parametrize(
    ("row", "model", "call"),
    [
        ((8,), [1, 8], (1, 8)),
        ((1, 8), [1, 8], (1, 8)),
        ((8,), [None, 8], (1, 8)),
        ((3, 8), [1, None, 8], (1, 3, 8)),
        ((4, 8), [4, 8], (4, 8)),
        ((), [], ()),
        ((), [1], (1,)),
        ((5, 6), None, (5, 6)),
    ],
)
def test_the_batch_axis_is_added_where_the_model_has_one(tmp_path, draw, row, model, call):
    """A sample on disk is the same with and without it."""
    _, out = draw(None, save(tmp_path, x=images(6, row)), {"name": "x", "dtype": "float32", "shape": model})

    assert read_all(out / "verification", "x").shape == (6, *call)


@pytest.mark.parametrize(
    ("have", "wanted", "values", "finding"),
    [
        ("float64", "float32", [0.1, 0.2, 0.3], "float64 to float32"),
        ("float32", "float64", [0.5, 1.5, 2.5], None),
        ("float16", "float32", [0.5, 1.5, 2.5], None),
        (">f4", "float32", [0.5, 1.5, 2.5], None),
        ("int64", "int32", [1, 2, 3], "int64 to int32"),
        ("uint8", "int32", [1, 2, 3], None),
        ("int64", "int32", [1, 2, 2**40], InvalidSamples),
        ("uint8", "int8", [1, 2, 3], InvalidSamples),
        ("float32", "int32", [1, 2, 3], InvalidSamples),
        ("int32", "bool", [0, 1, 1], InvalidSamples),
    ],
)
def test_conversions_lose_nothing_but_digits(tmp_path, draw, have, wanted, values, finding):
    """What is lost is told; what could mean something else is refused."""
    rows = np.array([[value, index] for index, value in enumerate(values)]).astype(have)
    spec = {"name": "x", "dtype": wanted, "shape": [1, 2]}

    if finding is InvalidSamples:
        with pytest.raises(InvalidSamples, match=f"is {have}, the model takes {wanted}"):
            draw(None, save(tmp_path, x=rows), spec)
        return
    result, out = draw(None, save(tmp_path, x=rows), spec)

    found = read_all(out / "verification", "x")[:, 0]
    assert found.dtype == wanted
    assert np.array_equal(found[np.argsort(found[:, 1])], rows.astype(wanted))
    assert [told["conversion"] for told in result["findings"]] == ([finding] if finding else [])


def test_a_stream_that_only_repeats_itself_is_given_up(tmp_path, draw, monkeypatch):
    """An endless function must not keep a build from ending."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "again.py").write_text(
        "import itertools, numpy as np\n"
        "def rows():\n    return (np.array([count % 3, 1], 'f4') for count in itertools.count())\n"
    )
    (tmp_path / "set.toml").write_text(
        '[reader]\nkind = "python"\nfunction = "again.py:rows"\n[sampling]\ncalibration = 2\nverification = 2'
    )

    with pytest.raises(InvalidSamples, match=r"there are 3 different ones among 40"):
        draw("set.toml", None, {"name": "x", "dtype": "float32", "shape": [1, 2]})


def test_a_set_that_only_repeats_itself_is_given_up(tmp_path, draw, monkeypatch):
    """Of 300 million equal rows, which fit into a megabyte, all were read."""
    read = []
    fit = fitting.Fitting.fit
    monkeypatch.setattr(
        fitting.Fitting, "fit", lambda self, sample, place: read.append(sample) or fit(self, sample, place)
    )
    monkeypatch.setattr(sample_set, "MOST_REPEATED", 50)
    monkeypatch.setattr(drawing, "MOST_REPEATED", 50)
    rows = np.repeat(images(3), 1000, axis=0)

    with pytest.raises(
        InvalidSamples, match=r"there are 3 different ones among \d+; the last 50 that were read held no"
    ):
        draw(declare(tmp_path, "[sampling]\ncalibration = 2\nverification = 2", image=rows))

    assert len(read) < 200


def test_few_different_samples_among_many_are_found_all(tmp_path, draw):
    """Tables of a few columns repeat most of their rows."""
    result, _ = draw(save(tmp_path, image=np.repeat(images(20), 200, axis=0)))

    assert result["calibration"]["count"] + result["verification"]["count"] == 20
    assert "no more were read after 1,000 in a row without a new one" in result["findings"][0]["message"]


def test_a_set_that_is_taken_as_a_whole_has_a_limit(tmp_path, monkeypatch):
    """Before any of it is read."""
    monkeypatch.setattr(drawing, "MOST_SAMPLES", 19)
    job = dataset.whole_set_job(save(tmp_path, image=images(20)), signature())
    (tmp_path / "out").mkdir()

    with pytest.raises(InvalidSamples, match="holds 20 samples, all of which are asked for; expected at most 19"):
        drawing.everything(Request(json.loads(json.dumps(job.options)), dict(job.inputs), tmp_path / "out"))


def test_a_stream_is_split_like_anything_else(tmp_path, draw, monkeypatch):
    """Though nobody knows how long it is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stream.py").write_text(
        "import numpy as np\ndef rows():\n    yield from (np.array([row, 1], 'f4') for row in range(9))\n"
    )

    result, out = draw("stream.py:rows", None, {"name": "x", "dtype": "float32", "shape": [1, 2]})

    assert (result["calibration"]["count"], result["verification"]["count"]) == (4, 5)
    assert read_all(out / "verification", "x")[:, 0, 0].tolist() == [0, 2, 4, 6, 8]


# Preparation


@pytest.mark.parametrize(
    ("text", "expect"),
    [
        ('dtype = "float32"', lambda x: x.astype("f4")),
        ('dtype = "float32"\nscale = 0.0625', lambda x: x.astype("f4") * np.float32(0.0625)),
        (
            'dtype = "float32"\nscale = 0.5\nmean = [1.0, 2.0, 3.0]\nstd = [4.0, 5.0, 6.0]',
            lambda x: (x.astype("f4") * np.float32(0.5) - np.array([1, 2, 3], "f4")) / np.array([4, 5, 6], "f4"),
        ),
        ('dtype = "float32"\nmean = 7', lambda x: x.astype("f4") - 7),
        ('dtype = "float32"\nlayout = "nchw"', lambda x: np.moveaxis(x.astype("f4"), -1, 0)),
        (
            'dtype = "float32"\nmean = [1, 2, 3]\nlayout = "nchw"',
            lambda x: np.moveaxis(x.astype("f4") - [1, 2, 3], -1, 0),
        ),
        ('dtype = "float32"\nshape = [8, 6]', lambda x: x.astype("f4").reshape(8, 6)),
        ('dtype = "float32"\ncolor = "bgr"', lambda x: x.astype("f4")[..., ::-1]),
    ],
)
def test_steps_are_done_in_their_documented_order(tmp_path, draw, text, expect):
    """Color and size, dtype, (x * scale - mean) / std with a number per channel, layout, shape."""
    row = np.random.default_rng(1).integers(0, 256, (1, 4, 4, 3)).astype(np.uint8)
    wanted = np.asarray(expect(row[0]), np.float32)
    spec = {"name": "image", "dtype": "float32", "shape": [1, *wanted.shape]}

    _, out = draw(None, declare(tmp_path, f"[preprocess]\n{text}", image=row), spec)

    assert np.array_equal(read_all(out / "verification", "image")[0, 0], wanted)


PIXELS = np.arange(240, dtype=np.uint8).reshape(5, 4, 4, 3)
RGB = {"name": "image", "dtype": "float32", "shape": [1, 4, 4, 3]}
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.mark.parametrize(
    ("preset", "expect"),
    [("0..1", PIXELS / 255), ("-1..1", PIXELS / 127.5 - 1), ("imagenet", (PIXELS / 255 - MEAN) / STD)],
)
def test_a_preset_is_what_the_frameworks_make_of_an_8_bit_image(tmp_path, draw, preset, expect):
    """Their formulas are written out here, and the formula of the steps, with the numbers that the preset stands for, gives the same."""
    _, out = draw(None, declare(tmp_path, f'[preprocess]\npreset = "{preset}"', image=PIXELS), RGB)
    said = PRESETS[preset]
    text = f'[preprocess]\ndtype = "float32"\nscale = {said.scale!r}\nmean = {list(said.mean)}\nstd = {list(said.std)}'
    _, spelt = draw(None, declare(tmp_path, text, "spelt.toml", image=PIXELS), RGB)

    order = [
        int(origin.rpartition(" ")[2]) for origin in json.loads((out / "verification" / "origins.json").read_text())
    ]
    found = read_all(out / "verification", "image")[:, 0]
    assert found.dtype == np.float32
    assert np.allclose(found, expect[order], rtol=1e-6, atol=1e-6)
    assert np.array_equal(found, read_all(spelt / "verification", "image")[:, 0])


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint16"])
def test_a_preset_is_of_8_bit_images_only(tmp_path, draw, dtype):
    """Images that are normalized already would be so twice, and nothing else would notice."""
    recipe = declare(tmp_path, '[preprocess]\npreset = "0..1"', image=PIXELS.astype(dtype))

    with pytest.raises(
        InvalidSamples, match=rf"8-bit images, 0..255 as uint8, not for {dtype}.*\(x \* scale - mean\) / std"
    ):
        draw(None, recipe, RGB)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('preset = "0..1"\nscale = 0.5', "expected either the preset or these"),
        ('preset = "0..1"\ndtype = "int8"', "int8 holds none"),
        ('preset = "imagenet"\ncolor = "bgr"', "red, green and blue"),
        ('preset = "imagnet"', "'imagnet'; did you mean 'imagenet'?"),
        ('preset = "0..1"\n[preprocess.image]\nscale = 2.0', "image: scale, mean or std beside preset"),
        ('[preprocess.image]\npreset = "0..1"\nmean = 2.0', "expected either the preset or these"),
    ],
)
def test_a_preset_goes_with_no_number_of_another_normalization(tmp_path, text, says):
    """Half of one and half of another is neither."""
    with pytest.raises(InvalidConfig, match=re.escape(says)):
        dataset.recipe(declare(tmp_path, f"[preprocess]\n{text}", image=PIXELS))


def test_a_preset_of_one_input_leaves_nothing_of_the_numbers_of_all(tmp_path, draw):
    """Its table goes before what all inputs share, mean and deviation too."""
    specs = [{**RGB, "name": name} for name in ("a", "b")]
    text = '[preprocess]\ndtype = "float32"\nscale = 2.0\nmean = [1, 2, 3]\nstd = 7\n[preprocess.b]\npreset = "0..1"'

    _, out = draw(None, declare(tmp_path, text, a=PIXELS, b=PIXELS), *specs)

    a, b = (read_all(out / "verification", name)[:, 0] for name in ("a", "b"))
    assert np.allclose((b * 255 * 2 - [1, 2, 3]) / 7, a, rtol=1e-5, atol=1e-5)
    assert (b.min(), b.max()) == (0.0, np.float32(239) * np.float32(1 / 255))


def test_bytes_for_a_float_model_are_met_with_the_presets_and_the_formula(tmp_path, draw):
    """The one who reads it knows how the model was trained, and has the line for it; the formula is said as the code does it."""
    with pytest.raises(InvalidSamples) as caught:
        draw(None, declare(tmp_path, "", image=PIXELS), RGB)

    for says in ('preset = "0..1" (x / 255)', '"-1..1" (x / 127.5 - 1)', '"imagenet"', 'dtype = "float32"', FORMULA):
        assert says in caught.value.hint


def test_scalar_samples_are_scaled_too(tmp_path, draw):
    """A regression takes one number."""
    rows = np.arange(4, dtype=np.uint8)
    text = '[preprocess]\ndtype = "float32"\nscale = 2\nmean = 1\nstd = 4'

    _, out = draw(None, declare(tmp_path, text, x=rows), {"name": "x", "dtype": "float32", "shape": []})

    assert sorted(read_all(out / "verification", "x").tolist()) == [-0.25, 0.25, 0.75, 1.25]


def test_steps_of_one_input_go_before_those_of_all(tmp_path, draw):
    """A recipe says once what all inputs share."""
    specs = [{"name": name, "dtype": "float32", "shape": [1, 2]} for name in ("a", "b")]
    rows = np.arange(8, dtype=np.uint8).reshape(4, 2)
    text = '[preprocess]\ndtype = "float32"\nscale = 2.0\n[preprocess.b]\nscale = 3.0'

    _, out = draw(None, declare(tmp_path, text, a=rows, b=rows), *specs)

    assert np.array_equal(read_all(out / "verification", "a") * 1.5, read_all(out / "verification", "b"))


@pytest.mark.parametrize(
    ("text", "dtype", "says"),
    [
        ("scale = 0.5", "uint8", 'scale, mean and std need real numbers, not uint8; declare dtype = "float32" too'),
        ('dtype = "uint8"', "float32", "is not uint8; dtype does not round"),
        ("mean = [1.0, 2.0]", "float32", "mean has 2 numbers, but the shape is"),
        ("shape = [3, 3]", "float32", "cannot reshape array of size 16"),
        ('color = "gray"', "float32", "size and color need 8-bit images"),
    ],
)
def test_steps_that_cannot_be_done_are_refused(tmp_path, draw, text, dtype, says):
    """With the sample, the input and the step."""
    rows = (images(4) * 10).astype(dtype)

    with pytest.raises(InvalidSamples, match=says) as caught:
        draw(declare(tmp_path, f"[preprocess]\n{text}", image=rows))

    assert "input 'image': [preprocess]: " in caught.value.problem


def test_boxes_and_texts_are_drawn_with_their_samples(tmp_path, draw, monkeypatch):
    """Each label stays with its sample, whatever its kind; and a recipe may name a target's array."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boxes.py").write_text(
        "import numpy as np\n"
        "def some(i):\n    return {'boxes': np.full((i % 3, 4), i), 'classes': [i] * (i % 3), 'said': f'it is {i}'}\n"
        "def rows():\n    return [({'x': np.array([i, 1], 'f4')}, some(i)) for i in range(9)]\n"
        "def odd():\n    return [({'x': np.array([i, 1], 'f4')}, {'boxes': [i] * 4} if i else {'box': 1}) for i in range(9)]\n"
    )
    spec = {"name": "x", "dtype": "float32", "shape": [1, 2]}

    result, out = draw(None, "boxes.py:rows", spec)
    found, values = labels.read(out / "verification"), read_all(out / "verification", "x")[:, 0, 0].astype(int).tolist()

    assert result["verification"] == {"count": 9, "labels": True}
    assert found["said"] == [f"it is {value}" for value in values]
    assert [box.tolist() for box in found["boxes"]] == [[[value] * 4] * (value % 3) for value in values]
    assert [one.tolist() for one in found["classes"]] == [[value] * (value % 3) for value in values]
    with pytest.raises(InvalidSamples, match=r"label of targets \['box'\], others have \['boxes'\]"):
        draw(None, "boxes.py:odd", spec)
    recipe = declare(tmp_path, "", image=images(4), b=np.ones((4, 2, 4)), c=np.arange(8).reshape(4, 2))
    with open(recipe, "a") as file:
        file.write('inputs = { image = "image" }\nlabels = { boxes = "b", classes = "c" }\n')
    _, out = draw(None, recipe)
    assert {target: column.shape for target, column in labels.read(out / "verification").items()} == {
        "boxes": (4, 2, 4),
        "classes": (4, 2),
    }


def test_labels_are_for_all_or_for_none(tmp_path, draw, monkeypatch):
    """An accuracy over the half that has labels would be quoted for all."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "half.py").write_text(
        "import numpy as np\n"
        "def rows():\n    return [(np.array([i, 1], 'f4'), i if i % 2 else None) for i in range(8)]\n"
        "def words():\n    return [(np.array([i, 1], 'f4'), 'cat') for i in range(8)]\n"
    )
    spec = {"name": "x", "dtype": "float32", "shape": [1, 2]}

    with pytest.raises(InvalidSamples, match=r"some samples have labels and some have none"):
        draw("half.py:rows", None, spec)
    with pytest.raises(InvalidSamples, match=r"label 'cat'; expected a number"):
        draw("half.py:words", None, spec)


# All that is wrong, at once


def test_all_that_does_not_fit_is_told_at_once_of_both_sets_and_of_their_recipes(tmp_path, draw):
    """Whoever mends one sample should not find the next one a build later, nor the recipe's mistakes after the samples'."""
    spoilt = images(30)
    spoilt[4, 0, 0, 0], spoilt[9, 0, 0, 0] = np.nan, np.inf
    calibration = declare(tmp_path, 'constant = ["mask"]\n[preprocess.imgae]\nscale = 2.0', "cal.toml", image=spoilt)
    evaluation = declare(tmp_path, "", "eval.toml", image=images(40, (4, 5, 1)))

    with pytest.raises(InvalidSamples) as caught:
        draw(calibration, evaluation)

    lines = str(caught.value).splitlines()
    for says in (
        "cal.toml: preprocess: 'imgae' is no input of the model; did you mean 'image'?",
        "cal.toml: constant: 'mask' is no input of the model",
        "input 'image' holds 1 NaN and 0 infinite of 16 values; expected finite ones (1 more like it: sample ",
        "cal.toml: 2 of the 30 samples looked at do not fit",
        "has shape (4, 5, 1), a sample of the model has (4, 4, 1) (39 more like it: sample ",
        "eval.toml: 40 of the 40 samples looked at do not fit",
    ):
        assert sum(says in line for line in lines) == 1, f"{says} is not once in {lines}"
    assert any(line.startswith("eval.toml: sample ") for line in lines)


def test_all_problems_of_one_sample_are_told(tmp_path, draw):
    """An input of another size hides neither that another one holds NaN, nor that a third is missing."""
    specs = [{**IMAGE, "name": name} for name in ("a", "b", "c")]
    bad = images(20)
    bad[:, 0, 0, 0] = np.nan
    recipe = declare(tmp_path, "", a=images(20, (5, 4, 1)), b=bad, c=images(20).astype("int64"))

    with pytest.raises(InvalidSamples) as caught:
        draw(recipe, None, *specs)

    for says in (
        "input 'a' has shape (5, 4, 1)",
        "input 'b' holds 1 NaN",
        "input 'c' is int64, the model takes float32",
    ):
        assert says in str(caught.value)
    assert "20 of the 20 samples looked at do not fit" in str(caught.value)


def test_no_more_is_read_for_the_sake_of_problems(tmp_path, draw):
    """A set of a million samples that are all wrong is found out by as many as the draw takes, and the message says so."""
    text = "[sampling]\ncalibration = 3\nverification = 5"

    with pytest.raises(InvalidSamples, match="8 of the 8 samples looked at do not fit; 992 others were not looked at"):
        draw(declare(tmp_path, text, image=images(1000, (4, 5, 1))))


def test_what_fits_fits_whatever_comes_after_it(tmp_path, draw, monkeypatch):
    """A stream that breaks off is told with what was wrong before, and not as a set that is too small."""
    (tmp_path / "breaks_off.py").write_text(
        """
import numpy as np

def samples():
    for index in range(10):
        yield np.full((4, 4, 1), index, np.float32) if index != 3 else np.zeros((2, 2, 1), np.float32)
    raise OSError("the disk is gone")
"""
    )
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidSamples) as caught:
        draw("breaks_off.py:samples")

    text = str(caught.value)
    assert "sample 3: input 'image' has shape (2, 2, 1)" in text
    assert "failed after 10 samples" in text
    assert "2 of the 11 samples looked at do not fit; those that come after were not looked at" in text
    assert "too few" not in text


def test_labels_that_do_not_go_together_are_told_with_all_else(tmp_path, draw, monkeypatch):
    """Labels are looked at when samples are dealt: one that is of another kind ends nothing."""
    (tmp_path / "labelled.py").write_text(
        """
import numpy as np

def samples():
    for index in range(12):
        label = {7: np.zeros(3), 9: "cat"}.get(index, index)
        yield np.full((4, 4, 1), index + 0.5, np.float32) * np.arange(16, dtype=np.float32).reshape(4, 4, 1), label
"""
    )
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidSamples) as caught:
        draw(None, "labelled.py:samples")

    assert "sample 7: label" in str(caught.value)
    assert "sample 9: label 'cat'" in str(caught.value)


def test_a_message_stays_readable_however_many_problems_there_are(tmp_path, draw, monkeypatch):
    """A person reads a few lines; the others are counted."""
    (tmp_path / "each_another.py").write_text(
        "import numpy as np\n"
        "def samples():\n"
        "    return [{chr(97 + index) * 3: np.ones(1, np.float32)} for index in range(25)]\n"
    )
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidSamples) as caught:
        draw("each_another.py:samples")

    lines = caught.value.problem.splitlines()
    assert any("more kinds of problems" in line for line in lines)
    assert "25 of the 25 samples looked at do not fit" in lines[-1]
    assert len(lines) <= 25


def test_a_model_that_takes_text_twice_is_refused_for_both(tmp_path, draw):
    """Each input is named."""
    specs = [{**IMAGE, "name": name, "dtype": "string"} for name in ("question", "answer")]

    with pytest.raises(InvalidSamples, match=r"'question' takes string[\s\S]*'answer' takes string"):
        draw(declare(tmp_path, "", image=images(4)), None, *specs)


# What samples are called, and what the model is fed


def names(out: Path, side: str = "verification") -> set[str]:
    return set(json.loads((out / side / "origins.json").read_text()))


def picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((4, 4, 3), value, np.uint8)
    pixels[0, 0] = value + 1
    Image.fromarray(pixels).save(path)


def test_a_sample_keeps_the_name_of_its_file_and_of_the_folder_that_was_named(tmp_path, draw):
    """A number alone tells nobody which photograph to look at."""
    for index in range(4):
        picture(tmp_path / "photos" / ("cat", "dog")[index % 2] / f"{index:04d}.png", 10 * index)
    (tmp_path / "mine.toml").write_text('[reader]\nkind = "images"\npath = "photos"\n[preprocess]\npreset = "0..1"\n')
    (tmp_path / "cats.toml").write_text(
        '[reader]\nkind = "images"\npath = "./photos/cat/"\n[preprocess]\npreset = "0..1"\n'
    )

    _, of_recipe = draw(None, str(tmp_path / "mine.toml"), RGB)
    _, of_subfolder = draw(None, str(tmp_path / "cats.toml"), RGB)
    _, of_folder = draw(None, str(tmp_path / "photos"), {**RGB, "dtype": "uint8"})

    assert names(of_recipe) == {f"photos/{folder}/{index:04d}.png" for index, folder in enumerate(("cat", "dog") * 2)}
    assert names(of_subfolder) == {"photos/cat/0000.png", "photos/cat/0002.png"}
    assert names(of_folder) == names(of_recipe)


def test_pictures_of_several_inputs_are_called_by_the_first(tmp_path, draw):
    """Its own subfolder among it, so that the file can be opened by that name."""
    for side, index in itertools.product(("left", "right"), range(3)):
        picture(tmp_path / "pairs" / side / f"{index}.png", 20 * index + (side == "right"))
    text = '[reader]\nkind = "images"\npath = "pairs"\ninputs = { a = "left", b = "right" }\n'
    (tmp_path / "pairs.toml").write_text(text)

    _, out = draw(None, str(tmp_path / "pairs.toml"), *[{**RGB, "name": name, "dtype": "uint8"} for name in "ab"])

    assert names(out) == {f"pairs/left/{index}.png" for index in range(3)}


def test_rows_are_called_by_their_file_and_number(tmp_path, draw, monkeypatch):
    """An .npz, files of .npy, a table with its lines, and a function."""
    monkeypatch.chdir(tmp_path)
    rows = images(3, (2,))
    spec = {"name": "x", "dtype": "float32", "shape": [1, 2]}
    np.save("x.npy", rows)
    Path("npy.toml").write_text('[reader]\nkind = "arrays"\ninputs = { x = "x.npy" }\n')
    Path("t.csv").write_text("x_0,x_1\n" + "".join(f"{a},{b}\n" for a, b in rows))
    Path("mine.py").write_text("import numpy as np\ndef rows():\n    yield from np.load('x.npy')\n")

    found = [
        names(draw(None, spec_of_set, spec)[1])
        for spec_of_set in (save(tmp_path, x=rows), "npy.toml", "t.csv", "mine.py:rows")
    ]

    assert found == [
        {f"{place}: sample {index}{line(index)}" for index in range(3)}
        for place, line in (
            ("samples.npz", lambda _: ""),
            ("x.npy", lambda _: ""),
            ("t.csv", lambda index: f" (line {index + 2})"),
            ("mine.py:rows", lambda _: ""),
        )
    ]


def test_the_range_of_each_input_is_what_the_model_is_fed_after_all_steps(tmp_path, draw):
    """By set: a calibration set that was scaled otherwise is seen beside the other."""
    specs = [RGB, {"name": "mask", "dtype": "bool", "shape": [1, 4]}]
    arrays, text = {"image": PIXELS, "mask": np.eye(5, 4) > 0}, "[preprocess.image]\n"
    calibration = declare(tmp_path, f'{text}dtype = "float32"', "cal.toml", **(arrays | {"image": 255 - PIXELS}))
    evaluation = declare(tmp_path, f'{text}preset = "0..1"', "eval.toml", **arrays)

    result, _ = draw(calibration, evaluation, *specs)

    inputs = {name: InputRange.from_json(one) for name, one in result["inputs"].items()}
    assert inputs["image"] == InputRange("float32", (0.0, pytest.approx(239 / 255)), (16.0, 255.0))
    assert json.dumps(result["inputs"]["mask"]["verification"]) == "[0, 1]"
    assert input_lines(inputs)[0] == "image is fed float32, 0 to 0.9373, in calibration 16 to 255"
    assert input_lines({"none": InputRange("int32")}) == ["none is fed int32, no number"]
