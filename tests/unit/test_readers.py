"""Readers: what every one of them must have, and what each does with good and bad data."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from toolkit import registry
from toolkit.errors import InvalidSamples
from toolkit.readers import Asked, Indexed, Reading, Sample, arrays, images, python

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def asked(tmp_path):
    """Return a maker of what a reader is asked: a model with one input `x` where nothing is said."""

    def make(*names: str) -> Asked:
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        return Asked(names or ("x",), scratch, tmp_path)

    return make


def take(reading: Reading, count: int | None = None) -> list[Sample]:
    """Return the samples in the reader's own order."""
    if isinstance(reading.samples, Indexed):
        return [reading.samples.at(index) for index in range(reading.samples.count)]
    return [sample for sample, _ in zip(reading.samples, range(count or 1000))]  # noqa: B905 (an endless one may be cut)


# The contract of the folder


@pytest.mark.parametrize("name", registry.names("readers"))
def test_a_reader_has_what_the_folder_asks(name):
    """Adding a reader is adding a file, so the file must be enough."""
    reader = registry.load("readers", name)

    assert isinstance(reader.CACHED, bool)
    assert dataclasses.is_dataclass(reader.Options)
    assert reader.Options.__dataclass_params__.frozen
    assert reader.Options.__pydantic_config__ == {"extra": "forbid"}
    assert reader.recognize("neither this nor that") is None
    assert all(callable(getattr(reader, verb)) for verb in ("recognize", "files", "read"))


@pytest.mark.parametrize("name", [*registry.names("readers"), "__init__"])
def test_a_reader_imports_nothing_heavy_at_its_top(name):
    """The host looks at each of them, and a worker may lack what another reader needs."""
    tree = ast.parse((Path(arrays.__file__).parent / f"{name}.py").read_text())
    imported = {
        alias.split(".")[0]
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names])
    }

    assert imported <= {*sys.stdlib_module_names, "numpy", "toolkit"}


# Arrays


def read_arrays(asked: Asked, path: Path, **options: object) -> Reading:
    chosen = arrays.Options(path.name, **options)
    return arrays.read(chosen, {key: path.parent / file for key, file in arrays.files(chosen).items()}, asked)


@pytest.mark.parametrize("savez", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["float32", ">f8", "uint8", "bool"])
def test_rows_of_an_npz_are_the_rows_saved(tmp_path, asked, savez, dtype):
    """Compressed or not, of either byte order."""
    rows = (np.random.default_rng(0).random((7, 2, 3)) * 9).astype(dtype)
    savez(tmp_path / "a.npz", x=rows, labels=np.arange(7))

    found = take(read_arrays(asked(), tmp_path / "a.npz", labels="labels"))

    assert [sample.label for sample in found] == list(range(7))
    assert [sample.origin for sample in found] == [f"sample {index}" for index in range(7)]
    assert np.array_equal(np.stack([sample.inputs["x"] for sample in found]), rows)


@pytest.mark.parametrize(
    "rows", [np.arange(24.0).reshape(4, 6), np.asfortranarray(np.arange(24.0).reshape(4, 6)), np.arange(4)]
)
def test_rows_of_an_npy_are_the_rows_saved(tmp_path, asked, rows):
    """In C or Fortran order, and for scalar samples."""
    np.save(tmp_path / "a.npy", rows)

    reading = read_arrays(asked(), tmp_path / "a.npy")
    found = take(reading)

    assert reading.findings == []
    assert np.array_equal(np.stack([sample.inputs["x"] for sample in found]), rows)


def test_each_input_may_have_a_file_of_its_own(tmp_path, asked):
    """And the labels, too."""
    for name in ("a", "b", "truth"):
        np.save(tmp_path / f"{name}.npy", np.arange(6.0).reshape(3, 2) + ord(name[0]))
    options = arrays.Options(None, {"x": "a.npy", "y": "b.npy"}, "truth.npy")

    named = arrays.files(options)
    found = take(arrays.read(options, {key: tmp_path / file for key, file in named.items()}, asked("x", "y")))

    assert named == {"labels": "truth.npy", "inputs.x": "a.npy", "inputs.y": "b.npy"}
    assert found[0].inputs["x"][0] == ord("a")
    assert found[0].inputs["y"][0] == ord("b")
    assert found[0].label[0] == ord("t")


def test_the_only_array_is_the_only_input_whatever_its_name(tmp_path, asked):
    """And what is called labels is not an input; that it was taken by its name is told."""
    np.savez(tmp_path / "a.npz", picture=np.ones((3, 2)), y=np.arange(3), names=np.array(["a", "b", "c"]))

    reading = read_arrays(asked(), tmp_path / "a.npz")

    assert take(reading)[2].label == 2
    assert [finding["code"] for finding in reading.findings] == ["labels-by-name", "unused-arrays"]
    assert reading.findings[1]["arrays"] == ["names"]


def test_an_input_that_is_called_like_labels_is_an_input(tmp_path, asked):
    """The model's own names go before any habit."""
    np.savez(tmp_path / "a.npz", x=np.ones((3, 2)), y=np.zeros((3, 2)))

    (first, *_) = take(read_arrays(asked("x", "y"), tmp_path / "a.npz"))

    assert set(first.inputs) == {"x", "y"}
    assert first.label is None


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return pytest.fail, ("code of the file was run",)


@pytest.mark.parametrize(
    ("held", "options", "says"),
    [
        ({"a": np.ones((3, 2)), "b": np.ones((3, 2))}, {}, "no array for the model's inputs .'x'.; arrays: a float64"),
        ({"x": np.ones((3, 2)), "labels": np.ones(4)}, {}, "different numbers of samples .*: x 3, labels 4"),
        ({"x": np.float32(3)}, {}, "'x' is a single number"),
        ({"x": np.array([Evil()] * 3)}, {"inputs": {"x": "x"}}, "'x' is Python objects, which could run code"),
        ({"x": np.array(["a", "b"])}, {"inputs": {"x": "x"}}, "'x' is of dtype <U1"),
        ({"x": np.array(["a", "b"])}, {}, "no array for the model's inputs"),
        ({"images": np.ones((3, 2))}, {"inputs": {"x": "image"}}, "reader.inputs.x: no array 'image'; did you mean 'images'"),
        ({"x": np.ones((3, 2))}, {"labels": "lables"}, "reader.labels: no array 'lables'"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(tmp_path, asked, held, options, says):
    """With the arrays that are there."""
    np.savez(tmp_path / "a.npz", **held)

    with pytest.raises(InvalidSamples, match=says):
        read_arrays(asked(), tmp_path / "a.npz", **options)


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x10]) + content[middle + 1 :]


@pytest.mark.parametrize(
    ("suffix", "damage", "says"),
    [
        (".npz", lambda content: content[: len(content) // 2], "damaged or cut short"),
        (".npz", flip, "damaged or cut short"),
        (".npz", lambda content: b"PK", "damaged or cut short"),
        (".npy", lambda content: content[:-100], "damaged or cut short"),
        (".npy", lambda content: content[:20], "damaged or cut short"),
        (".npy", lambda content: content[:6] + b"\x09" + content[7:], "damaged or cut short"),
        (".npy", lambda content: b"", "neither an .npz nor an .npy"),
        (".npz", lambda content: b"image,label\n1,2\n", "neither an .npz nor an .npy"),
    ],
)
def test_a_damaged_file_is_refused_by_its_name(tmp_path, asked, suffix, damage, says):
    """Half a download must not be half a set."""
    rows = np.random.default_rng(0).random((50, 20))
    path = tmp_path / f"a{suffix}"
    np.savez_compressed(path, x=rows) if suffix == ".npz" else np.save(path, rows)
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(InvalidSamples, match=f"a{suffix}: .*{says}"):
        take(read_arrays(asked(), path))


def test_an_npz_that_would_fill_the_disk_is_refused(tmp_path, asked, monkeypatch):
    """A few kilobytes can unpack to any size."""
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((1000, 1000)))
    monkeypatch.setattr(arrays.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1_000_000}))

    with pytest.raises(InvalidSamples, match=r"'x' unpacks to 8000128 bytes; .* has 1000000 free"):
        read_arrays(asked(), tmp_path / "a.npz")


def test_a_row_is_read_without_the_others(tmp_path, asked):
    """A file larger than the memory is still a set: here 8 GB, of which almost nothing is on the disk."""
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 1000)})
        file.truncate(file.tell() + 8 * 10**9)
        file.seek(-8, 2)
        file.write(np.float64(5).tobytes())

    samples = read_arrays(asked(), tmp_path / "a.npy").samples

    assert samples.count == 10**6
    assert samples.at(10**6 - 1).inputs["x"][-1] == 5


# Images


def picture(
    path: Path, color: tuple[int, ...] = (200, 100, 50), size: tuple[int, int] = (6, 4), mode: str = "RGB", **how
) -> Path:
    """Write an image of `size` (width, height): this color, with a white pixel at the top left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new(mode, size, color)
    image.putpixel((0, 0), (255, 255, 255))
    image.save(path, **how)
    return path


def read_images(asked: Asked, folder: Path, **options: object) -> Reading:
    return images.read(images.Options(folder.name, **options), {"path": folder}, asked)


def test_images_come_in_the_order_of_their_names(tmp_path, asked):
    """The order of a folder is another one on another machine."""
    for name in ("b.png", "a.bmp", "c/d.ppm"):
        picture(tmp_path / "set" / name)

    found = take(read_images(asked(), tmp_path / "set", labels="none"))

    assert [sample.origin for sample in found] == ["a.bmp", "b.png", "c/d.ppm"]
    assert all(sample.inputs["x"].shape == (4, 6, 3) and sample.inputs["x"].dtype == np.uint8 for sample in found)
    assert found[0].inputs["x"][1, 1].tolist() == [200, 100, 50]


@pytest.mark.parametrize(("classes", "labels"), [(None, [0, 0, 1]), (("dogs", "birds", "cats"), [2, 2, 0])])
def test_subfolders_are_classes(tmp_path, asked, classes, labels):
    """By their sorted names, or as the recipe orders them: the model's order is its own."""
    for name in ("cats/2.png", "dogs/1.png", "cats/deep/1.png"):
        picture(tmp_path / "set" / name)

    found = take(read_images(asked(), tmp_path / "set", classes=classes))

    assert [sample.origin for sample in found] == ["cats/2.png", "cats/deep/1.png", "dogs/1.png"]
    assert [sample.label for sample in found] == labels


def test_what_is_no_image_is_left_out_and_told(tmp_path, asked):
    """Hidden files are nobody's; a misplaced model file should be seen."""
    picture(tmp_path / "set/a.png")
    for name in (".DS_Store", "notes.txt"):
        (tmp_path / "set" / name).touch()

    reading = read_images(asked(), tmp_path / "set")

    assert reading.samples.count == 1
    ((code, count),) = [(finding["code"], finding["count"]) for finding in reading.findings]
    assert (code, count) == ("skipped-files", 1)


def test_a_photograph_is_turned_upright(tmp_path, asked):
    """Cameras write the pixels as the sensor lies, and EXIF says how to turn them."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise: TIFF 6.0, Orientation
    picture(tmp_path / "set/a.png", exif=exif)

    (sample,) = take(read_images(asked(), tmp_path / "set"))

    assert sample.inputs["x"].shape == (6, 4, 3)
    assert sample.inputs["x"][0, 3].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_every_eight_bit_image_becomes_rgb(tmp_path, asked, mode):
    """A folder of photographs has a grey one and a transparent one in it."""
    (tmp_path / "set").mkdir()
    Image.new("RGB", (3, 2), (255, 255, 255)).convert(mode).save(tmp_path / "set/a.png")

    (sample,) = take(read_images(asked(), tmp_path / "set"))

    assert sample.inputs["x"].tolist() == [[[255] * 3] * 3] * 2


def damaged(path: Path) -> None:
    content = picture(path, size=(60, 40), color=(1, 2, 3)).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def bomb(path: Path) -> None:
    """100 million pixels in a few kilobytes."""
    Image.new("1", (10000, 10000)).save(path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (damaged, "a.png: does not decode"),
        (lambda path: path.write_text("<html>"), "a.png: does not decode: cannot identify image file"),
        (bomb, "a.png: Image size .100000000 pixels. exceeds limit"),
        (lambda path: Image.new("I;16", (3, 2)).save(path), "a.png: pixels of mode 'I.*', not 8 bits"),
    ],
)
def test_an_image_that_cannot_be_had_is_named(tmp_path, asked, make, says):
    """One bad file in ten thousand must be found by its name."""
    (tmp_path / "set").mkdir()
    make(tmp_path / "set/a.png")

    with pytest.raises(InvalidSamples, match=says):
        take(read_images(asked(), tmp_path / "set"))


def test_reading_images_leaves_warnings_as_they_were(tmp_path, asked):
    """A bomb is an error for a moment only."""
    picture(tmp_path / "set/a.png")
    before = list(warnings.filters)

    take(read_images(asked(), tmp_path / "set"))

    assert list(warnings.filters) == before


def test_images_without_a_class_among_classes_are_refused(tmp_path, asked):
    """Their labels would be missing, or wrong."""
    picture(tmp_path / "set/cats/1.png")
    with pytest.raises(InvalidSamples, match=r"class folder 'cats': not among `classes`; did you mean 'cat'?"):
        read_images(asked(), tmp_path / "set", classes=("cat", "dog"))

    picture(tmp_path / "set/stray.png")
    with pytest.raises(InvalidSamples, match=r"stray.png lies beside the class folders cats"):
        read_images(asked(), tmp_path / "set")


def test_images_for_one_of_several_inputs_must_say_which(tmp_path, asked):
    """Inputs are bound by name."""
    picture(tmp_path / "set/a.png")

    with pytest.raises(InvalidSamples, match=r"input = says which one takes the images"):
        read_images(asked("image", "mask"), tmp_path / "set")


def test_an_empty_folder_has_no_samples_and_a_file_is_no_folder(tmp_path, asked):
    """Who draws from it says so."""
    (tmp_path / "set").mkdir()
    (tmp_path / "file").touch()

    assert read_images(asked(), tmp_path / "set").samples.count == 0
    with pytest.raises(InvalidSamples, match=r"is a file; a folder of images would be right"):
        read_images(asked(), tmp_path / "file")


GRADIENT = np.stack([np.tile(np.arange(8, dtype=np.uint8) * 30, (4, 1))] * 3, axis=-1)


@pytest.mark.parametrize(
    ("steps", "columns"),
    [
        ({"size": (4, 4), "resize": "nearest"}, [30, 90, 150, 210]),
        ({"size": (4, 4), "resize": "box"}, [15, 75, 135, 195]),
        ({"size": (4, 4), "crop": "center"}, [60, 90, 120, 150]),
        ({"size": (2, 2), "crop": "center", "resize": "box"}, [75, 135]),
        ({"color": "gray"}, [0, 30, 60, 90, 120, 150, 180, 210]),
    ],
)
def test_images_are_stretched_or_cut_to_the_declared_size(steps, columns):
    """Stretching uses all of the image, cutting keeps its proportions."""
    arranged = images.arrange(GRADIENT, steps)

    assert arranged[0, :, 0].tolist() == columns
    assert arranged.shape[2] == (1 if "color" in steps else 3)


def test_colors_are_ordered_and_weighed_as_documented():
    """BGR is what OpenCV trains with; grey is Pillow's luma."""
    pixels = np.full((2, 2, 3), [200, 100, 50], np.uint8)

    assert images.arrange(pixels, {"color": "bgr"})[0, 0].tolist() == [50, 100, 200]
    assert images.arrange(pixels, {"color": "gray"})[0, 0].tolist() == [
        round((299 * 200 + 587 * 100 + 114 * 50) / 1000)
    ]
    assert images.arrange(pixels[..., :1], {"color": "rgb"})[0, 0].tolist() == [200, 200, 200]


# Functions


SCRIPT = """
import itertools
import numpy as np
import {beside}

def endless():
    for value in itertools.count():
        yield np.array([value, 1.0])

def pairs():
    return [(np.array([value, 1.0]), value % 2) for value in range(5)]

def dicts(count=3, scale=1):
    return ({{"x": np.array([value * scale])}} for value in range(count))

def columns():
    return {{"x": np.arange(10).reshape(5, 2)}}, [4, 3, 2, 1, 0]

def array():
    return np.arange(10).reshape(5, 2)

def breaks():
    yield np.zeros(2)
    yield np.zeros(2)
    raise KeyError("third")

def leaves():
    raise SystemExit(3)

def uneven():
    return {{"x": np.zeros((3, 2))}}, [1, 2]

def nothing():
    return None

def ragged():
    return [[[1, 2], [3]]]

def triples():
    return [(1, 2, 3)]

class Rows:
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return np.array([{beside}.NUMBER, index])[[0, 1, 9 if index == 2 else 0]]

number = 3
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Return the path of a user's file; a module of theirs lies beside it."""
    beside = f"beside_{tmp_path.name.replace('-', '_')}"
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{beside}.py").write_text("NUMBER = 40")
    path = tmp_path / f"{beside}_script.py"
    path.write_text(SCRIPT.format(beside=beside))
    importlib.invalidate_caches()
    return path


def call(asked: Asked, script: Path, name: str, **args: object) -> Reading:
    options = python.Options(f"{script.name}:{name}", args)
    return python.read(options, {key: script.parent / file for key, file in python.files(options).items()}, asked)


def test_a_function_may_never_end(script, asked):
    """No more is taken of it than is needed."""
    found = take(call(asked(), script, "endless"), 4)

    assert [sample.inputs["x"].tolist() for sample in found] == [[0, 1], [1, 1], [2, 1], [3, 1]]


@pytest.mark.parametrize(
    ("name", "inputs", "labels"),
    [
        ("pairs", [[0, 1], [1, 1], [2, 1], [3, 1], [4, 1]], [0, 1, 0, 1, 0]),
        ("dicts", [[0], [1], [2]], [None] * 3),
        ("columns", [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]], [4, 3, 2, 1, 0]),
        ("array", [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]], [None] * 5),
    ],
)
def test_a_function_may_give_samples_in_several_ways(script, asked, name, inputs, labels):
    """As a generator, a list or whole arrays, with or without labels."""
    found = take(call(asked(), script, name))

    assert [sample.inputs["x"].tolist() for sample in found] == inputs
    assert [sample.label for sample in found] == labels


def test_what_has_a_length_is_drawn_from_by_index(script, asked):
    """A dataset object of another framework, say."""
    samples = call(asked(), script, "Rows").samples

    assert samples.count == 3
    assert samples.at(1).inputs["x"].tolist() == [40, 1, 40]


def test_a_function_gets_the_arguments_of_the_recipe(script, asked):
    """By keyword."""
    found = take(call(asked(), script, "dicts", count=2, scale=10))

    assert [sample.inputs["x"].tolist() for sample in found] == [[0], [10]]


def test_a_function_may_lie_in_a_module(script, asked):
    """Found from the recipe's folder."""
    options = python.Options(f"{script.stem}:array")

    assert python.files(options) == {}
    assert len(take(python.read(options, {}, asked()))) == 5


@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        ("breaks", "breaks: failed after 2 samples: KeyError: 'third'", "_script.py, line 25"),
        ("leaves", "leaves: failed: SystemExit: 3", "_script.py, line 28"),
        ("Rows", "Rows: failed at sample 2: IndexError", "_script.py, line 47"),
        ("dict", "has no function 'dict'; did you mean 'dicts'?", None),
        ("number", "has no function 'number'", None),
        ("uneven", "do not agree on the number of samples .*'x': 3, 'labels': 2", None),
        ("nothing", "gave NoneType; an iterable of samples", None),
        ("ragged", "sample 0: is no array", None),
        ("triples", "a tuple of 3; a pair .inputs, label.", None),
    ],
)
def test_whatever_a_function_does_wrong_names_it(script, asked, name, says, hint):
    """And the user's own line, not one of ours."""
    with pytest.raises(InvalidSamples, match=says) as caught:
        take(call(asked(), script, name))

    assert (caught.value.hint or "").endswith(hint or "")


def test_an_array_does_not_say_which_of_several_inputs_it_is(script, asked):
    """By position, two inputs of one shape change places unnoticed."""
    with pytest.raises(InvalidSamples, match=r"a dict with the model's inputs .'x', 'y'. would be right"):
        take(call(asked("x", "y"), script, "array"))


@pytest.mark.parametrize(
    ("function", "text", "says", "hint"),
    [
        ("absent_module:rows", None, "cannot be imported: ModuleNotFoundError", "looked in "),
        ("{script}:rows", "import torchy", "cannot be imported: .*'torchy'", "--python dataset="),
        ("{script}:rows", "def rows(:", "cannot be imported: SyntaxError", "_script.py, line 1"),
        ("{script}:rows", "1 / 0", "cannot be imported: ZeroDivisionError", "_script.py, line 1"),
    ],
)
def test_code_that_cannot_be_imported_says_what_to_do(script, asked, function, text, says, hint):
    """It is the user's own code: they can."""
    if text:
        script.write_text(text)
    options = python.Options(function.format(script=script.name))

    with pytest.raises(InvalidSamples, match=says) as caught:
        python.read(options, {key: script.parent / file for key, file in python.files(options).items()}, asked())

    assert hint in caught.value.hint
