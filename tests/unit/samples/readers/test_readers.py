"""Readers: what every one of them must have, and what each does with good and bad data."""

from __future__ import annotations

import ast
import dataclasses
import errno
import gzip
import importlib
import os
import re
import struct
import sys
import time
import warnings
import wave
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from toolkit import environments, registry
from toolkit.environments.requirements import read_requirements
from toolkit.errors import InvalidSamples
from toolkit.samples import dataset
from toolkit.samples.readers import Indexed, Reading, ReadRequest, Sample, arrays, audio, csv, images, python, tfrecord

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def asked(tmp_path):
    """Return a maker of what a reader is asked: a model with one input `x` where nothing is said."""

    def make(*names: str) -> ReadRequest:
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        return ReadRequest(names or ("x",), scratch, tmp_path)

    return make


def take(reading: Reading, count: int | None = None) -> list[Sample]:
    """Return the samples in the reader's own order."""
    if isinstance(reading.samples, Indexed):
        return [reading.samples.at(index) for index in range(reading.samples.count)]
    return [sample for sample, _ in zip(reading.samples, range(count or 1000))]  # noqa: B905 (an endless one may be cut)


# The contract of the folder


@pytest.mark.parametrize("name", registry.names("samples/readers"))
def test_a_reader_has_what_the_folder_asks(name):
    """Adding a reader is adding a file, so the file must be enough."""
    reader = registry.load("samples/readers", name)

    assert isinstance(reader.CACHED, bool)
    assert reader.ENVIRONMENT in environments.names()
    assert dataclasses.is_dataclass(reader.Options)
    assert reader.Options.__dataclass_params__.frozen
    assert reader.Options.__pydantic_config__ == {"extra": "forbid"}
    assert reader.recognize("neither this nor that") is None
    assert all(callable(getattr(reader, verb)) for verb in ("recognize", "files", "read"))


@pytest.mark.parametrize("name", registry.names("samples/readers"))
def test_a_readers_environment_holds_what_every_other_reads_with(name):
    """Two sets of one job are read by one worker."""
    needed = read_requirements("dataset").packages

    assert set(needed) <= set(read_requirements(registry.load("samples/readers", name).ENVIRONMENT).packages)


@pytest.mark.parametrize("name", sorted(path.stem for path in Path(arrays.__file__).parent.glob("*.py")))
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


def read_arrays(asked: ReadRequest, path: Path, **options: object) -> Reading:
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
    assert [finding.code for finding in reading.findings] == ["labels-by-name", "unused-arrays"]
    assert reading.findings[1].facts["arrays"] == ["names"]


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


def read_images(asked: ReadRequest, folder: Path, **options: object) -> Reading:
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
    ((code, count),) = [(finding.code, finding.facts["count"]) for finding in reading.findings]
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


def test_each_input_may_have_a_folder_of_its_own(tmp_path, asked):
    """Files of one sample have one name, whatever their suffix; the first input's folders are the classes."""
    for name in ("left/cats/1.png", "left/dogs/2.png", "right/cats/1.bmp", "right/dogs/2.bmp"):
        picture(tmp_path / "set" / name, color=(10 if "left" in name else 20, 0, 0))

    found = take(read_images(asked("x", "y"), tmp_path / "set", inputs={"x": "left", "y": "right"}))

    assert [(sample.origin, sample.label) for sample in found] == [("cats/1.png", 0), ("dogs/2.png", 1)]
    assert [found[0].inputs[name][1, 1, 0] for name in ("x", "y")] == [10, 20]
    damaged(tmp_path / "set/right/dogs/2.bmp")
    with pytest.raises(InvalidSamples, match=r"^right/dogs/2.bmp: does not decode"):
        take(read_images(asked("x", "y"), tmp_path / "set", inputs={"x": "left", "y": "right"}))


@pytest.mark.parametrize("kind", ["images", "audio"])
def test_a_file_without_its_pair_is_refused(tmp_path, asked, kind):
    """All after it would be paired with the wrong ones."""
    reader, write = {"images": (read_images, picture), "audio": (read_sounds, lambda path: sound(path, np.arange(4)))}[
        kind
    ]
    suffix = {"images": "png", "audio": "wav"}[kind]
    for name in ("left/1", "left/2", "right/1", "right/3"):
        write(tmp_path / "set" / f"{name}.{suffix}")

    with pytest.raises(InvalidSamples, match=r"'2', '3' are not there once for each of the inputs 'x' and 'y'"):
        reader(asked("x", "y"), tmp_path / "set", inputs={"x": "left", "y": "right"})


def test_an_empty_folder_has_no_samples_and_a_file_is_no_folder(tmp_path, asked):
    """What was looked for is said, and what is there instead."""
    (tmp_path / "set").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(InvalidSamples, match=r"holds no sample; expected images \(.bmp, .*; there: nothing"):
        read_images(asked(), tmp_path / "set")
    (tmp_path / "set" / "a.wav").touch()
    with pytest.raises(InvalidSamples, match=r"there: 1 other files, 'a.wav' first"):
        read_images(asked(), tmp_path / "set")
    with pytest.raises(InvalidSamples, match=r"is a file; expected a folder of images"):
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


# Sounds


WHOLE = {8: "u1", 16: "<i2", 32: "<i4"}
RATE = 16000
SUBFORMAT = bytes.fromhex("000000001000800000aa00389b71")  # of WAVEFORMATEXTENSIBLE, what follows the format's number


def sound(
    path: Path, values: np.ndarray, *, rate: int = RATE, bits: int = 16, real: bool = False, extensible: bool = False
) -> Path:
    """Write integers of so many bits, or real numbers, (frames, channels), with a chunk that is nobody's sound before them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = values.reshape(len(values), -1)
    if real:
        raw = values.astype(f"<f{bits // 8}").tobytes()
    elif bits == 24:
        raw = b"".join(int(value).to_bytes(3, "little", signed=True) for value in values.ravel())
    else:
        raw = (values + (128 if bits == 8 else 0)).astype(WHOLE[bits]).tobytes()
    channels, kind = values.shape[1], 3 if real else 1
    form = (0xFFFE if extensible else kind, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
    tail = struct.pack("<HHIH", 22, bits, 0, kind) + SUBFORMAT if extensible else b""
    chunks = [(b"LIST", b"odd"), (b"fmt ", struct.pack("<HHIIHH", *form) + tail), (b"data", raw)]
    body = b"".join(name + struct.pack("<I", len(held)) + held + b"\0" * (len(held) % 2) for name, held in chunks)
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)
    return path


def read_sounds(asked: ReadRequest, place: Path, **options: object) -> Reading:
    return audio.read(audio.Options(place.name, **options), {"path": place}, asked)


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_whole_numbers_become_real_ones_below_full_scale(tmp_path, asked, bits, extensible):
    """The lowest is -1, and 1 is never reached: whatever the width, as every audio library has it."""
    full = 1 << (bits - 1)
    levels = np.array([-full, -full // 2, 0, full // 4, full - 1])
    sound(tmp_path / "a.wav", levels, bits=bits, extensible=extensible)

    (sample,) = take(read_sounds(asked(), tmp_path / "a.wav"))

    assert sample.inputs["x"].dtype == np.float32
    assert sample.inputs["x"].tolist() == [-1, -0.5, 0, 0.25, float(np.float32((full - 1) / full))]
    assert (sample.label, sample.origin) == (None, "a.wav")


def test_the_standard_librarys_own_files_are_read(tmp_path, asked):
    """Written by other hands than this test's."""
    levels = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, (50, 2)).astype("<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((2, 2, RATE, 0, "NONE", ""))
        file.writeframes(levels.tobytes())

    (sample,) = take(read_sounds(asked(), tmp_path / "a.wav", channels="all", dtype="int16"))

    assert sample.inputs["x"].dtype == np.int16
    assert np.array_equal(sample.inputs["x"], levels)


@pytest.mark.parametrize("bits", [32, 64])
def test_real_numbers_stay_as_they_are(tmp_path, asked, bits):
    """Beyond full scale too."""
    sound(tmp_path / "a.wav", np.array([0.5, -1.5, 0.125]), bits=bits, real=True)

    (sample,) = take(read_sounds(asked(), tmp_path / "a.wav"))

    assert sample.inputs["x"].tolist() == [0.5, -1.5, 0.125]


def test_sounds_in_class_folders_have_labels_and_an_order(tmp_path, asked):
    """As images have."""
    for name in ("yes/2.wav", "no/1.wav", "yes/1.wav"):
        sound(tmp_path / "set" / name, np.arange(4))

    found = take(read_sounds(asked(), tmp_path / "set", classes=("yes", "no")))

    assert [(sample.origin, sample.label) for sample in found] == [("no/1.wav", 1), ("yes/1.wav", 0), ("yes/2.wav", 0)]


@pytest.mark.parametrize(
    ("options", "expect"),
    [
        ({"channels": "mean"}, [2, 4, 6, 8]),
        ({"channels": "first"}, [1, 3, 5, 7]),
        ({"channels": "all"}, [[1, 3], [3, 5], [5, 7], [7, 9]]),
        ({"channels": "first", "length": 2, "crop": "start"}, [1, 3]),
        ({"channels": "first", "length": 2, "crop": "center"}, [3, 5]),
        ({"channels": "first", "length": 2, "crop": "end"}, [5, 7]),
        ({"channels": "first", "length": 6, "pad": "end"}, [1, 3, 5, 7, 0, 0]),
        ({"channels": "first", "length": 7, "pad": "center"}, [0, 1, 3, 5, 7, 0, 0]),
        ({"channels": "first", "length": 5, "pad": "start"}, [0, 1, 3, 5, 7]),
    ],
)
def test_channels_and_length_are_as_declared(tmp_path, asked, options, expect):
    """Both whole and real."""
    sound(tmp_path / "a.wav", np.array([[1, 3], [3, 5], [5, 7], [7, 9]]))

    (whole,) = take(read_sounds(asked(), tmp_path / "a.wav", dtype="int16", **options))
    (real,) = take(read_sounds(asked(), tmp_path / "a.wav", **options))

    assert whole.inputs["x"].tolist() == expect
    assert (real.inputs["x"] * 32768).tolist() == expect


@pytest.mark.parametrize(("old", "new"), [(44100, 16000), (8000, 16000), (48000, 16000)])
def test_a_resampled_tone_is_the_same_tone(old, new):
    """A second of 440 Hz: away from the ends, the values are those of the sine at the new places."""
    tone = np.sin(2 * np.pi * 440 * np.arange(old) / old)

    made = audio.resampled(tone, old, new)

    expect = np.sin(2 * np.pi * 440 * np.arange(new) / new)
    assert len(made) == new
    assert np.abs(made - expect)[new // 10 : -new // 10].max() < 2e-3


def test_what_a_lower_rate_cannot_hold_is_filtered_out():
    """7 kHz at 8 kHz would be heard as 1 kHz."""
    tone = np.sin(2 * np.pi * 7000 * np.arange(16000) / 16000)

    made = audio.resampled(tone, 16000, 8000)

    assert np.abs(made[800:-800]).max() < 0.01


# scipy.signal.resample_poly(SIGNAL, up, down) of SciPy 1.17.1, its first five values.
SIGNAL = [1.0, -2.0, 3.0, 0.5, -4.0, 2.0, 7.0, -1.0, 0.0, 5.0]
OF_SCIPY = {
    (3, 2): [-0.620604409618439, 1.14108251221187, 0.0017488840827129, -1.44726861332521, 5.73429536609322],
    (2, 3): [1.00060617355378, -1.6214775848036, -0.928844766897473, 3.00181852066133, 2.6354568575066],
}


@pytest.mark.parametrize(("old", "new"), OF_SCIPY)
def test_resampling_is_what_scipy_does(old, new):
    """The same filter, the ends included."""
    made = audio.resampled(np.array(SIGNAL), old, new)

    assert len(made) == -(-10 * new // old)
    assert np.allclose(made[:5], OF_SCIPY[old, new], rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("how", "options", "says", "hint"),
    [
        ({"rate": 44100}, {"sample_rate": RATE}, "a.wav: sampled at 44100 Hz, the recipe declares 16000 Hz", "resample = true"),
        ({"channels": 2}, {}, "a.wav: has 2 channels", 'channels = "mean"'),
        ({}, {"length": 4}, "a.wav: 8 samples long, 4 are declared", "declare crop = "),
        ({}, {"length": 9}, "a.wav: 8 samples long, 9 are declared", "declare pad = "),
        ({"bits": 24}, {"dtype": "int16"}, "a.wav: 24 bits do not fit into int16", "float32"),
        ({"bits": 32, "real": True}, {"dtype": "int16"}, "a.wav: real numbers do not fit", "float32"),
    ],
)  # fmt: skip
def test_a_sound_that_does_not_fit_is_refused_with_what_to_declare(tmp_path, asked, how, options, says, hint):
    """Nothing is bent in silence."""
    channels = how.pop("channels", 1) if "channels" in how else 1
    sound(tmp_path / "a.wav", np.ones((8, channels)), **how)

    with pytest.raises(InvalidSamples, match=says) as caught:
        take(read_sounds(asked(), tmp_path / "a.wav", **options))

    assert hint in caught.value.hint


def test_without_a_declared_rate_all_sounds_have_that_of_the_first(tmp_path, asked):
    """One recording of another microphone is a mistake, until somebody says that it is not."""
    sound(tmp_path / "set/a.wav", np.arange(8))
    sound(tmp_path / "set/b.wav", np.arange(24), rate=48000)

    with pytest.raises(InvalidSamples, match=r"b.wav: sampled at 48000 Hz, a.wav has 16000 Hz"):
        take(read_sounds(asked(), tmp_path / "set"))
    found = take(read_sounds(asked(), tmp_path / "set", sample_rate=RATE, resample=True))

    assert [sample.inputs["x"].shape for sample in found] == [(8,), (8,)]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda content: content[:-3], "a.wav: is cut short: 16 bytes of sound are announced, 13 are there"),
        (lambda content: content[:30], "a.wav: does not decode as WAV, FLAC or OGG"),
        (lambda content: b"fLaC" + content[4:], "a.wav: does not decode as WAV, FLAC or OGG"),
        (lambda content: b"", "a.wav: does not decode as WAV, FLAC or OGG"),
        (
            lambda content: content.replace(b"\x01\0\x01\0\x80\x3e", b"\x01\0\0\0\x80\x3e"),
            "a.wav: does not decode as WAV, FLAC or OGG",
        ),
    ],
)
def test_a_damaged_sound_is_refused_by_its_name(tmp_path, asked, damage, says):
    """Half a recording must not be a sample."""
    path = sound(tmp_path / "a.wav", np.arange(8))
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(InvalidSamples, match=says):
        take(read_sounds(asked(), path))


def test_a_sound_that_was_written_into_a_pipe_goes_to_the_end(tmp_path, asked):
    """Whoever wrote it could not know how long it would be."""
    path = sound(tmp_path / "a.wav", np.arange(8))
    path.write_bytes(path.read_bytes().replace(b"data\x10\0\0\0", b"data\xff\xff\xff\xff"))

    (sample,) = take(read_sounds(asked(), path, dtype="int16"))

    assert sample.inputs["x"].tolist() == list(range(8))


KINDS = [  # suffix, format and subtype as libsndfile calls them, the largest error of a tone of half scale
    ("wav", "WAV", "PCM_U8", 0.5**7),
    ("wav", "WAV", "ULAW", 0.02),
    ("wav", "WAV", "ALAW", 0.02),
    ("wav", "WAV", "IMA_ADPCM", 0.12),
    ("wav", "WAV", "MS_ADPCM", 0.02),
    ("wav", "WAV", "GSM610", 0.25),
    ("wav", "RF64", "PCM_24", 0.5**23),
    ("flac", "FLAC", "PCM_S8", 0.5**7),
    ("flac", "FLAC", "PCM_16", 0.5**15),
    ("flac", "FLAC", "PCM_24", 0.5**23),
    ("ogg", "OGG", "VORBIS", 0.02),
    ("opus", "OGG", "OPUS", 0.04),
]


def encoded(path, container, subtype, frames=RATE):
    """Write a tone of half scale, and return its values."""
    tone = np.sin(2 * np.pi * 440 * np.arange(frames) / RATE) / 2
    soundfile.write(path, tone, RATE, subtype=subtype, format=container)
    return tone


@pytest.mark.parametrize(("suffix", "container", "subtype", "error"), KINDS)
def test_sounds_of_each_kind_are_read(tmp_path, asked, suffix, container, subtype, error):
    """As libsndfile decodes them; blocks of ADPCM are filled at the end."""
    tone = encoded(tmp_path / f"a.{suffix}", container, subtype)

    (sample,) = take(read_sounds(asked(), tmp_path / f"a.{suffix}"))

    x = sample.inputs["x"]
    assert x.dtype == np.float32
    assert (
        np.abs(x[400 : len(tone) - 400] - tone[400:-400]).max() <= error
    )  # codecs smear the ends, and ADPCM has to find the level
    assert len(tone) <= len(x) < len(tone) + 512
    assert np.array_equal(x, soundfile.read(tmp_path / f"a.{suffix}", dtype="float32")[0])


@pytest.mark.parametrize(("subtype", "most"), [("PCM_16", 1), ("ULAW", 700)])
def test_what_has_sixteen_bits_is_had_as_integers(tmp_path, asked, subtype, most):
    tone = encoded(tmp_path / "a.wav", "WAV", subtype)

    (sample,) = take(read_sounds(asked(), tmp_path / "a.wav", dtype="int16"))

    assert sample.inputs["x"].dtype == np.int16
    assert np.abs(sample.inputs["x"] - tone * 32768).max() <= most


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, -3, "page"])
@pytest.mark.parametrize(
    ("suffix", "container", "subtype"),
    [
        ("wav", "WAV", "PCM_16"),
        ("wav", "WAV", "MS_ADPCM"),
        ("wav", "RF64", "PCM_16"),
        ("flac", "FLAC", "PCM_16"),
        ("ogg", "OGG", "VORBIS"),
    ],
)
def test_a_sound_that_is_cut_short_is_refused(tmp_path, asked, suffix, container, subtype, kept):
    """Half a recording must not be a sample; libsndfile alone reads most of these as shorter sounds."""
    path = tmp_path / f"a.{suffix}"
    encoded(path, container, subtype, 20 * RATE)
    content = path.read_bytes()
    last = content.rfind(b"\xff\xf8" if container == "FLAC" else b"OggS")  # where the last frame or page begins
    end = last if kept == "page" else kept if kept == -3 else int(len(content) * kept)
    path.write_bytes(content[:end])

    with pytest.raises(InvalidSamples, match=r"a\.\w+: (is cut short|does not decode)"):
        take(read_sounds(asked(), path))


def test_a_sound_of_another_format_is_refused_with_what_to_do(tmp_path, asked):
    """An MP3 may have lost its end without any sign of it."""
    encoded(tmp_path / "a.wav", "AIFF", "PCM_16")

    with pytest.raises(InvalidSamples, match=r"a.wav: is AIFF .*; expected WAV, FLAC or OGG") as caught:
        take(read_sounds(asked(), tmp_path / "a.wav"))

    assert "ffmpeg" in caught.value.hint


def test_a_file_that_announces_more_than_memory_holds_is_refused(tmp_path, asked):
    """FLAC counts samples in 36 bits."""
    encoded(tmp_path / "a.flac", "FLAC", "PCM_16")
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21] |= 0x0F
    content[22:26] = b"\xff" * 4
    (tmp_path / "a.flac").write_bytes(content)

    with pytest.raises(InvalidSamples, match=r"a.flac: (is cut short|does not decode)"):
        take(read_sounds(asked(), tmp_path / "a.flac"))


# Tables of text


def table(folder: Path, text: str) -> Path:
    (folder / "a.csv").write_bytes(text.encode())
    return folder / "a.csv"


def read_table(asked: ReadRequest, path: Path, **options: object) -> Reading:
    return csv.read(csv.Options(path.name, **options), {"path": path}, asked)


@pytest.mark.parametrize(
    ("inputs", "names", "expect"),
    [
        (None, ("a", "b"), {"a": [1.5], "b": [3, 4]}),
        ({"x": "a"}, ("x",), {"x": [1.5]}),
        ({"x": ("b_10", "a")}, ("x",), {"x": [4, 1.5]}),
        ({"x": "b_*"}, ("x",), {"x": [3, 4]}),
        (None, ("x",), {"x": [1.5, 4, 3]}),
    ],
)
def test_columns_become_inputs_by_name(tmp_path, asked, inputs, names, expect):
    """One, several, a pattern in the order of its numbers; the only input takes all but the labels."""
    path = table(tmp_path, "a,label,b_10,b_9\n1.5,7,4,3\n2.5,8,6,5\n")

    found = take(read_table(asked(*names), path, inputs=inputs))

    assert {name: array.tolist() for name, array in found[0].inputs.items()} == expect
    assert all(array.dtype == np.float32 for array in found[0].inputs.values())
    assert [(sample.label, sample.origin) for sample in found] == [(7, "sample 0 (line 2)"), (8, "sample 1 (line 3)")]


def test_what_is_taken_by_convention_is_told(tmp_path, asked):
    """An index column among the inputs should be seen."""
    reading = read_table(asked(), table(tmp_path, "id,a,label\n1,2,0\n"))

    assert [finding.code for finding in reading.findings] == ["labels-by-name", "columns-by-place"]
    assert reading.findings[1].facts["columns"] == ["id", "a"]


QUOTED = '\ufeffa,note\r\n1,"two\nlines, and ""quotes"""\r\n\r\n2,x\r\n\n3,"y"'


def test_quotes_line_breaks_and_empty_lines_are_as_in_other_programs(tmp_path, asked):
    """A byte order mark, a break between quotes, carriage returns, and no break at the end."""
    found = take(read_table(asked(), table(tmp_path, QUOTED), inputs={"x": "a"}))

    assert [sample.inputs["x"].tolist() for sample in found] == [[1], [2], [3]]
    assert [sample.origin for sample in found] == ["sample 0 (line 2)", "sample 1 (line 5)", "sample 2 (line 7)"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 16])
def test_rows_are_found_wherever_the_file_is_cut_into_blocks(tmp_path, asked, monkeypatch, size):
    """A block may end between a quote and its twin, or inside a line break."""
    monkeypatch.setattr(csv, "_BLOCK_BYTES", size)

    found = take(read_table(asked(), table(tmp_path, QUOTED), inputs={"x": "a"}))

    assert [sample.origin for sample in found] == ["sample 0 (line 2)", "sample 1 (line 5)", "sample 2 (line 7)"]
    assert [sample.inputs["x"].tolist() for sample in found] == [[1], [2], [3]]


def test_a_table_may_have_no_header_other_delimiters_and_whole_numbers(tmp_path, asked):
    """All of it declared."""
    path = table(tmp_path, "1;cat;9007199254740993\n2;dog;-5\n")

    found = take(
        read_table(
            asked("a", "n"),
            path,
            columns=("a", "label", "n"),
            delimiter=";",
            classes=("dog", "cat"),
            dtype={"n": "int64"},
        )
    )

    assert [sample.label for sample in found] == [1, 0]
    assert [sample.inputs["n"].tolist() for sample in found] == [[9007199254740993], [-5]]
    assert found[0].inputs["a"].dtype == np.float32


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("x,y\n1,2\n3,\n", {}, r"sample 1 \(line 3\): column 'y' is empty"),
        ("x,y\n1,2\n3,NA\n", {}, r"sample 1 \(line 3\): column 'y' holds 'NA'; expected a number \(float32\)"),
        ("x,y\n1,nan\n", {}, r"sample 0 \(line 2\): column 'y' holds 'nan'"),
        ("x,y\n1,1e999\n", {}, r"column 'y' holds '1e999'"),
        ("x,y\n1,1_000\n", {}, r"column 'y' holds '1_000'"),
        ('x,y\n1,"1,5"\n', {}, r"column 'y' holds '1,5'; expected a number \(float32, with a point\)"),
        ("x,y\n1,2.5\n", {"dtype": "int32"}, r"column 'y' holds '2.5'; expected a number \(int32\)"),
        ("x,y\n1,300\n", {"dtype": "uint8"}, r"column 'y' holds '300'; expected a number \(uint8\)"),
        ("x,y\n1,2\n3,4,5\n", {}, r"sample 1 \(line 3\): has 3 columns, the table has 2"),
        ("x,label\n1,cat\n", {}, r"label 'cat' is text; expected its class's index"),
        ("x,label\n1,cat\n", {"classes": ("car", "dog")}, r"label 'cat': not among `classes`; did you mean 'car'"),
        ("x,label\n1,\n", {}, r"column 'label' is empty, so it has no label"),
        ('x,y\n1,"2\n3,4\n', {}, r"line 2: unexpected end of data"),
        ("1,2\n3,4\n", {}, r"the first line holds numbers only \(1, 2, ...\): no header"),
        ("x,x\n3,4\n", {}, r"the column 'x' appears twice"),
        ("", {}, r"holds no sample: the file is empty"),
        ("x;y\n1;2\n", {}, r"the only column is called 'x;y': no ',' lies between(.|\n)*delimiter = \";\""),
        ("x,y\n1,2\n", {"inputs": {"x": "x;y"}}, r"reader.inputs.x: no column 'x;y'"),
        ("x,y\n1,2\n", {"labels": "lable"}, r"reader.labels: no column 'lable'"),
        ("x,y\n1,2\n", {"inputs": {"x": "z*"}}, r"reader.inputs.x: no column fits 'z\*'; columns: x$"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_fit_is_refused_with_its_line(tmp_path, asked, text, options, says):
    """Missing values are never filled in."""
    options = {"inputs": {"x": ("x", "y")}, **options} if "label" not in text and "inputs" not in options else options

    with pytest.raises(InvalidSamples, match=says):
        take(read_table(asked(), table(tmp_path, text), **options))


def test_columns_for_several_inputs_are_never_guessed(tmp_path, asked):
    """Only their names bind them."""
    with pytest.raises(InvalidSamples, match=r"no column for the model's inputs \['y'\]; there: x, z") as caught:
        read_table(asked("x", "y"), table(tmp_path, "x,z\n1,2\n"))

    assert 'inputs = { y = "NAME OF A COLUMN" }' in caught.value.hint


def test_a_table_in_another_encoding_is_refused(tmp_path, asked):
    """Excel's, say."""
    (tmp_path / "a.csv").write_bytes("größe,y\n1,2\n".encode("latin-1"))

    with pytest.raises(InvalidSamples, match=r"line 1: is not UTF-8"):
        read_table(asked(), tmp_path / "a.csv")


# Records


def packed(number: int) -> bytes:
    """Return seven bits a byte, as protocol buffers have it; negative numbers as if above 2**63."""
    number %= 1 << 64
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def framed(field: int, content: bytes) -> bytes:
    return packed(field << 3 | 2) + packed(len(content)) + content


def example(**held: object) -> bytes:
    """Return a tf.Example: float lists of floats, int64 lists of ints, bytes lists of bytes."""
    entries = b""
    for name, values in held.items():
        kind = type(values[0])
        if kind is float:
            feature = framed(2, framed(1, struct.pack(f"<{len(values)}f", *values)))
        elif kind is int:
            feature = framed(3, framed(1, b"".join(map(packed, values))))
        else:
            feature = framed(1, b"".join(framed(1, value) for value in values))
        entries += framed(1, framed(1, name.encode()) + framed(2, feature))
    return framed(1, entries)


def crc32c(content: bytes) -> int:
    """Return the masked checksum, bit by bit as RFC 3720 (appendix B.4) defines CRC-32C; independent of the package's."""
    state = 0xFFFFFFFF
    for byte in content:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    state ^= 0xFFFFFFFF
    return ((state >> 15 | state << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(*contents: bytes) -> bytes:
    return b"".join(
        length + struct.pack("<I", crc32c(length)) + content + struct.pack("<I", crc32c(content))
        for content in contents
        for length in [struct.pack("<Q", len(content))]
    )


def three(**held: object) -> bytes:
    return records(*(example(x=[float(index), 0.5], label=[index], **held) for index in range(3)))


def read_records(asked: ReadRequest, content: bytes, **options: object) -> Reading:
    path = asked.scratch / "a.tfrecord"
    path.write_bytes(content)
    return tfrecord.read(tfrecord.Options(path.name, **options), {"path": path}, asked)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zlib.compress], ids=["plain", "gzip", "zlib"])
def test_records_are_samples_compressed_or_not(asked, compress):
    """Which of the two a file is, its first checksum says."""
    found = take(read_records(asked(), compress(three())))

    assert [sample.inputs["x"].tolist() for sample in found] == [[0, 0.5], [1, 0.5], [2, 0.5]]
    assert found[0].inputs["x"].dtype == np.float32
    assert [(sample.label, sample.origin) for sample in found] == [
        (index, f"a.tfrecord: record {index}") for index in range(3)
    ]


def test_a_schema_says_how_each_input_is_packed(tmp_path, asked):
    """Numbers, the bytes of an array, an image; and labels that are words."""
    png = picture(tmp_path / "a.png").read_bytes()
    raw = np.arange(6, dtype=">i2").tobytes()
    content = records(example(n=[1, -1, 2**40], raw=[raw], image=[png], word=[b"dog"]))
    inputs = {
        "n": {"feature": "n", "shape": [3, 1]},
        "r": {"feature": "raw", "encoding": "raw", "dtype": ">i2", "shape": [2, 3]},
        "i": tfrecord.FeatureOfInput("image", "image"),
    }

    (sample,) = take(read_records(asked("n", "r", "i"), content, inputs=inputs, labels="word", classes=("cat", "dog")))

    assert sample.inputs["n"].tolist() == [[1], [-1], [2**40]]
    assert sample.inputs["r"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert sample.inputs["i"][1, 1].tolist() == [200, 100, 50]
    assert sample.label == 1


def test_records_hold_boxes_and_texts_by_target(asked):
    """Coordinates lie in a feature each, as the Object Detection API writes them, and another record has another number of them."""
    corners = {"boxes": ("y0", "x0", "y1", "x1"), "classes": "c", "said": "t"}
    held = [
        example(x=[1.0], y0=[0.0, 1.0], x0=[2.0, 3.0], y1=[4.0, 5.0], x1=[6.0, 7.0], c=[3, 1], t=[b"two"]),
        example(x=[2.0], y0=[8.0], x0=[8.0], y1=[9.0], x1=[9.0], c=[2], t=["Kätzchen".encode()]),
    ]

    one, two = take(read_records(asked(), records(*held), labels=corners))

    assert one.label["boxes"].tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]]
    assert (one.label["classes"].tolist(), one.label["said"]) == ([3, 1], "two")
    assert (two.label["boxes"].tolist(), two.label["said"]) == ([[8, 8, 9, 9]], "Kätzchen")
    with pytest.raises(
        InvalidSamples, match=r"label 'boxes': its features hold \[1, 2\] numbers; expected equal counts"
    ):
        take(read_records(asked(), records(example(x=[1.0], a=[1.0], b=[1.0, 2.0])), labels={"boxes": ["a", "b"]}))
    with pytest.raises(InvalidSamples, match=r"reader.labels: no feature 'd'"):
        take(read_records(asked(), records(*held), labels={"boxes": "d"}))


def test_several_files_are_one_set_in_the_order_of_their_names(tmp_path, asked):
    """A pattern stands for them, and any record can be had without those before it."""
    paths = {}
    for index in range(2):
        paths[f"path.{index:05d}"] = tmp_path / f"{index}.tfrecord"
        paths[f"path.{index:05d}"].write_bytes(three())

    samples = tfrecord.read(tfrecord.Options("*.tfrecord"), paths, asked()).samples

    assert samples.count == 6
    for number, expect in ((2, "0.tfrecord: record 2"), (3, "1.tfrecord: record 0"), (5, "1.tfrecord: record 2")):
        assert (samples.at(number).label, samples.at(number).origin) == (number % 3, expect)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zlib.compress], ids=["plain", "gzip", "zlib"])
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda content: content[:-2], "record 2: is cut short"),
        (lambda content: content[:-2 - len(content) // 3], "record 1: is cut short"),
        (flip, "record 1: is damaged: its content"),
        (lambda content: content[:len(content) // 3 + 2] + b"\x01" + content[len(content) // 3 + 3 :], "record 1: is damaged: its length"),
        (lambda content: content + records(b"\xff\xff\xff"), "record 3: does not hold a tf.Example"),
        (lambda content: content + records(example(y=[1])), "record 3: has no feature 'x'; it has y"),
    ],
)  # fmt: skip
def test_a_damaged_record_is_refused_by_its_number(asked, compress, damage, says):
    """What is after it would be read wrongly, or not at all."""
    with pytest.raises(InvalidSamples, match=f"a.tfrecord: {says}"):
        take(read_records(asked(), compress(damage(three())), inputs={"x": {"feature": "x"}}))


@pytest.mark.parametrize("damage", [lambda content: content[:-2], lambda content: content[:-90]])
def test_a_file_that_is_cut_short_is_refused_before_anything_is_drawn(asked, damage):
    """Though no record of its end may be needed."""
    with pytest.raises(InvalidSamples, match=r"record \d: is cut short"):
        read_records(asked(), damage(three()))


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_a_compressed_file_that_is_cut_short_is_refused(asked, compress):
    """Its last records may all be whole."""
    content = compress(three())

    with pytest.raises(InvalidSamples, match=r"a.tfrecord: record \d: is damaged or cut short"):
        take(read_records(asked(), content[:-3]))


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (b"x,y\n1,2\n3,4\n5,6\n", {}, "a.tfrecord: is not a TFRecord file"),
        (three(image=[b"123"]), {"inputs": {"x": {"feature": "imag"}}}, "reader.inputs.x.feature: no feature 'imag'; did you mean 'image'"),
        (three(image=[b"123"]), {"inputs": {"x": {"feature": "image"}}}, "record 0: feature 'image' is bytes; expected encoding = "),
        (three(image=[b"123"]), {"inputs": {"x": {"feature": "image", "encoding": "image"}}}, "feature 'image': does not decode"),
        (three(image=[b"123"]), {"inputs": {"x": {"feature": "image", "encoding": "raw", "dtype": "<i2"}}}, "has 3 bytes, no whole number of int16"),
        (three(), {"inputs": {"x": {"feature": "x", "encoding": "image"}}}, r"feature 'x' is float32 \(2\); expected one text of bytes"),
        (three(), {"inputs": {"x": {"feature": "x", "shape": [3]}}}, r"has 2 numbers, shape \[3\] is declared"),
        (three(image=[b"123"]), {"labels": "image"}, "label '123'|label 123"),
    ],
)  # fmt: skip
def test_records_that_do_not_fit_are_refused(asked, content, options, says):
    """With what is there, and what is expected."""
    if options.get("labels"):
        options["classes"] = ("cat",)
    with pytest.raises(InvalidSamples, match=says):
        take(read_records(asked(), content, **options))


def test_bytes_are_never_guessed_to_be_an_image(asked):
    """The message lists the features, and the lines to write."""
    with pytest.raises(InvalidSamples, match=r"\['image'\]; there: image bytes \(1\), label int64 \(1\), x") as caught:
        read_records(asked("image"), three(image=[b"123"]))

    assert "[reader.inputs.image]" in caught.value.hint


# What is recognized by its name alone


def test_data_is_recognized_by_its_name_and_a_folder_by_most_of_its_files(tmp_path, monkeypatch):
    """Nobody needs a recipe where nothing needs declaring."""
    monkeypatch.chdir(tmp_path)
    for name in ("wavs/yes/a.wav", "wavs/no/b.WAV", "wavs/readme.txt", "hf/data/train-00000-of-00001.parquet", "hf/README.md",
                 "hf/data/test-00000-of-00001.parquet", "photos/a.png", "empty/.hidden", "a.csv", "a.tsv", "a.tfrecord",
                 "a.tfrecord.gz", "a.parquet", "a.wav"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    kinds = {path.name: dataset.recipe(path.name).declared.reader.kind for path in sorted(tmp_path.iterdir())}

    assert kinds == {
        "a.csv": "csv", "a.parquet": "parquet", "a.tfrecord": "tfrecord", "a.tfrecord.gz": "tfrecord", "a.tsv": "csv",
        "a.wav": "audio", "empty": "images", "hf": "parquet", "photos": "images", "wavs": "audio",
    }  # fmt: skip


DOCUMENTED = [
    text
    for page in ("README.md", "docs/samples.md")
    for text in re.findall(r"```toml\n(.*?)```", (Path(__file__).parents[4] / page).read_text(), re.DOTALL)
]


@pytest.mark.parametrize("text", DOCUMENTED)
def test_what_the_documentation_shows_can_be_written(tmp_path, text):
    """Letter by letter, whole recipes and parts of one."""
    reader = "" if "[reader]" in text else '[reader]\nkind = "arrays"\npath = "samples.npz"\n'
    (tmp_path / "set.toml").write_text(reader + text)

    dataset.recipe(str(tmp_path / "set.toml"))


def test_the_documentation_shows_every_reader():
    shown = {kind for text in DOCUMENTED for kind in re.findall(r'^kind\s*= "(\w+)"', text, re.MULTILINE)}

    assert shown == set(registry.names("samples/readers"))


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


def call(asked: ReadRequest, script: Path, name: str, **args: object) -> Reading:
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
        ("nothing", "gave NoneType; expected an iterable of samples", None),
        ("ragged", "sample 0: is not an array", None),
        ("triples", "a tuple of 3; expected a pair .inputs, label.", None),
    ],
)
def test_whatever_a_function_does_wrong_names_it(script, asked, name, says, hint):
    """And the user's own line, not one of ours."""
    with pytest.raises(InvalidSamples, match=says) as caught:
        take(call(asked(), script, name))

    assert (caught.value.hint or "").endswith(hint or "")


def test_an_array_does_not_say_which_of_several_inputs_it_is(script, asked):
    """By position, two inputs of one shape change places unnoticed."""
    with pytest.raises(InvalidSamples, match=r"expected a dict with the model's inputs .'x', 'y'."):
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


# All that is wrong with a set as a whole, at once


def test_all_names_of_an_npz_that_are_not_there_are_told(tmp_path, asked):
    """Inputs and labels."""
    np.savez(tmp_path / "a.npz", left=np.zeros((2, 3)), right=np.zeros((2, 3)), kinds=np.zeros(2))
    options = arrays.Options("a.npz", inputs={"x": "lefft", "y": "rihgt"}, labels="kids")

    with pytest.raises(InvalidSamples) as caught:
        arrays.read(options, {"path": tmp_path / "a.npz"}, asked("x", "y"))

    assert [line.partition(";")[0] for line in caught.value.problem.splitlines()] == [
        "reader.inputs.x: no array 'lefft'",
        "reader.inputs.y: no array 'rihgt'",
        "reader.labels: no array 'kids'",
    ]


def test_all_columns_of_a_table_that_are_not_there_are_told(tmp_path, asked):
    """Of a vector each."""
    (tmp_path / "t.csv").write_text("ax,ay,kind\n1,2,3\n")
    options = csv.Options("t.csv", inputs={"x": ("ax", "aj", "az")}, labels="knd")

    with pytest.raises(InvalidSamples) as caught:
        csv.read(options, {"path": tmp_path / "t.csv"}, asked())

    assert [line.partition(";")[0] for line in caught.value.problem.splitlines()] == [
        "reader.labels: no column 'knd'",
        "reader.inputs.x: no column 'aj'",
        "reader.inputs.x: no column 'az'",
    ]


def test_all_features_that_are_not_there_are_told(asked):
    """Inputs and labels."""
    inputs = {"x": {"feature": "imge"}}

    with pytest.raises(
        InvalidSamples, match=r"inputs.x.feature: no feature 'imge'[^\n]*\nreader.labels: no feature 'lable'"
    ):
        read_records(asked(), three(), inputs=inputs, labels="lable")


def test_all_folders_that_are_no_class_and_all_stray_files_are_told(tmp_path, asked):
    """Whoever renames one folder should not find the next one a build later."""
    for name in ("cats/1.png", "dogs/2.png", "mice/3.png"):
        picture(tmp_path / "set" / name)
    with pytest.raises(InvalidSamples, match=r"'cats': not among `classes`[^\n]*\nclass folder 'dogs': not among"):
        read_images(asked(), tmp_path / "set", classes=("cat", "dog", "mice"))

    for number in range(10):
        picture(tmp_path / "set" / f"{number}.png")
    with pytest.raises(
        InvalidSamples, match=r"'0.png', '1.png', .*'7.png' and 2 more lie beside the class folders cats, dogs, mice"
    ):
        read_images(asked(), tmp_path / "set")


def test_a_class_that_is_a_link_to_a_folder_is_read(tmp_path, asked):
    """Without it, all classes behind it would have the number of another."""
    for name in ("set/cats/1.png", "elsewhere/dogs/2.png", "set/mice/3.png"):
        picture(tmp_path / name)
    (tmp_path / "set" / "dogs").symlink_to(tmp_path / "elsewhere" / "dogs")

    reading = read_images(asked(), tmp_path / "set")

    assert [(each.origin, each.label) for each in take(reading)] == [
        ("cats/1.png", 0),
        ("dogs/2.png", 1),
        ("mice/3.png", 2),
    ]


def test_links_that_lead_nowhere_or_back_are_told(tmp_path, asked):
    """In one message; a hidden one is nobody's sample."""
    picture(tmp_path / "set/cats/1.png")
    (tmp_path / "set/cats/2.png").symlink_to("lost.png")
    (tmp_path / "set/dogs").symlink_to("lost")
    (tmp_path / "set/mice").symlink_to(tmp_path)
    (tmp_path / "set/.hidden").symlink_to("lost")

    with pytest.raises(InvalidSamples) as caught:
        read_images(asked(), tmp_path / "set")

    assert sorted(caught.value.problem.splitlines()) == [
        "cats/2.png: is a link to what is not there",
        "dogs: is a link to what is not there",
        "mice: is a link to a folder that it lies in",
    ]


def test_a_folder_that_cannot_be_read_is_told(tmp_path, asked, monkeypatch):
    """Its class would be left out."""
    scan = os.scandir

    def refusing(place):
        if str(place).endswith("dogs"):
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return scan(place)

    for name in ("cats/1.png", "dogs/1.png"):
        picture(tmp_path / "set" / name)
    monkeypatch.setattr(os, "scandir", refusing)

    with pytest.raises(InvalidSamples, match=r"^dogs: cannot be read: Permission denied"):
        read_images(asked(), tmp_path / "set")


def test_an_empty_class_folder_is_no_class_that_is_left_out_in_silence(tmp_path, asked):
    """Keras numbers it. Behind all others it changes no number; with `classes` nothing is left open."""
    for name in ("cats/1.png", "mice/3.png"):
        picture(tmp_path / "set" / name)
    (tmp_path / "set" / "zebras").mkdir()
    assert len(take(read_images(asked(), tmp_path / "set"))) == 2
    (tmp_path / "set" / "dogs").mkdir()

    with pytest.raises(InvalidSamples) as caught:
        read_images(asked(), tmp_path / "set")
    declared = take(read_images(asked(), tmp_path / "set", classes=("cats", "dogs", "mice")))

    assert caught.value.problem == "class folder 'dogs': holds no sample"
    assert (
        caught.value.hint
        == 'remove it, or declare [reader] classes = ["cats", "dogs", "mice"], as the model numbers them'
    )
    assert [each.label for each in declared] == [0, 2]


def test_all_folders_of_inputs_that_hold_nothing_are_told(tmp_path, asked):
    """By the input that each is for."""
    for name in ("left", "right"):
        (tmp_path / "set" / name).mkdir(parents=True)

    with pytest.raises(InvalidSamples, match=r"input 'x': holds no sample[^\n]*\ninput 'y': holds no sample"):
        read_images(asked("x", "y"), tmp_path / "set", inputs={"x": "left", "y": "right"})


def test_all_images_without_a_mask_are_told(tmp_path, asked):
    """The first one, and the names of others."""
    for name in ("images/a", "images/b", "images/c", "masks/b"):
        picture(tmp_path / f"{name}.png")
    files = {"path": tmp_path / "images", "masks": tmp_path / "masks"}

    with pytest.raises(InvalidSamples, match=r"a.png: has 0 masks in masks; .*; none or several for: 'c.png'"):
        images.read(images.Options("images", masks="masks"), files, asked())


def test_a_table_of_a_hundred_thousand_columns_is_read_at_once(tmp_path, asked):
    """Each of its names was looked for among all others."""
    columns = 100_000
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"c{place}" for place in range(columns)) + "\n" + ",".join("1" * columns) + "\n")
    began = time.process_time()

    reading = csv.read(csv.Options(path.name), {"path": path}, asked())
    (sample,) = take(reading)

    assert sample.inputs["x"].shape == (columns,)
    assert len(reading.findings[0].message) < 20_000
    assert time.process_time() - began < 10
