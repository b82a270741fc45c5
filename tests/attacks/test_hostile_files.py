"""Files that somebody else made: archives, images and profiles that are more, or other, than they say."""

from __future__ import annotations

import io
import pickle
import struct
import time
import zipfile
import zlib

import numpy as np
import pytest

from toolkit import profiles
from toolkit.errors import InvalidConfig, InvalidSamples, RequestError
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.samples.dataset import samples_job
from toolkit.settings import Limits, Settings

PATIENCE_S = 60  # of one file, on a machine that does other things; most take a second
SIGNATURE = {
    "key": "serving_default",
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 4, 4, 3]}],
    "outputs": [],
}


@pytest.fixture
def draw(tmp_path):
    """Return a function that draws samples from a set in a worker that may take 600 MB, and returns where they are."""
    settings = Settings(home=tmp_path / "home", offline=True, limits=Limits(PATIENCE_S, 600_000_000))

    def run(data):
        with LocalExecutor(settings) as executor:
            (entry,) = executor.run(samples_job(None, str(data), SIGNATURE))
            return entry.out

    return run


def npy(array):
    """Return the bytes of an .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def claiming(shape, dtype="<f4", data=b""):
    """Return an .npy whose header claims a shape."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


def archive(path, **members):
    """Write an .npz with these members, `/` for `__`, and return its path."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/") + ".npy", content)
    return path


GOOD = np.random.default_rng(0).uniform(0, 1, (8, 4, 4, 3)).astype(np.float32)


@pytest.mark.parametrize("name", ["..__..__..__evil", "__tmp__edge-toolkit-evil"])
@pytest.mark.parametrize("others", [{}, {"x": npy(GOOD)}])
def test_names_that_lead_out_of_an_archive_are_refused(draw, tmp_path, name, others):
    """Also where nothing is written under them: whoever unpacks it by another program writes there."""
    path = archive(tmp_path / "evil.npz", **others, **{name: npy(GOOD)})

    with pytest.raises(InvalidSamples, match="leads out of the archive"):
        draw(path)

    assert not list(tmp_path.rglob("*evil.npy"))


class Bomb:
    """What writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("form", ["npy", "npz", "bare pickle"])
def test_a_pickle_is_never_loaded(draw, tmp_path, form):
    """Loading it would run its code."""
    mark = tmp_path / "it-ran"
    if form == "npy":
        path = tmp_path / "evil.npy"
        np.save(path, np.array([Bomb(mark)] * 4, dtype=object), allow_pickle=True)
    elif form == "npz":
        path = tmp_path / "evil.npz"
        np.savez(path, x=np.array([Bomb(mark)] * 4, dtype=object))
    else:
        path = tmp_path / "evil.npy"
        path.write_bytes(pickle.dumps(Bomb(mark)))

    with pytest.raises(InvalidSamples):
        draw(path)

    assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        claiming("(9223372036854775807, 4, 4, 3)"),
        claiming("(1000000000000, 4, 4, 3)", data=b"\0" * 192),
        claiming("(-1, 4, 4, 3)", data=b"\0" * 192),
        claiming("(4, 4, 4, 3)", data=b"\0" * 10),
        claiming("(4, 4, 4, 3)", "|O"),
        claiming("(1000000000000, 0)"),
        claiming("(4,) * 10 ** 9"),
        claiming("__import__('os').system('true')"),
        claiming("(4, 4, 4, 3)", "|V9999999999"),
        b"\x93NUMPY\x09\x00" + b"\xff" * 200,
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{}",
    ],
    ids="overflow huge negative cut objects empty expression code void version header".split(),
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_header_that_lies_is_refused(draw, tmp_path, content, packed):
    """Nothing of the size that it claims is made room for, and what it says is not evaluated."""
    path = tmp_path / ("evil.npz" if packed else "evil.npy")
    if packed:
        archive(path, x=content)
    else:
        path.write_bytes(content)
    began = time.monotonic()

    with pytest.raises(InvalidSamples, match=path.name):
        draw(path)

    assert time.monotonic() - began < PATIENCE_S


def test_an_archive_that_unpacks_to_more_than_its_array_is_refused(draw, tmp_path):
    """A hundred kilobytes that become a hundred megabytes: the header tells how much there should be, and no more is unpacked."""
    path = tmp_path / "evil.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("x.npy", "w") as member:
        member.write(npy(GOOD))
        for _ in range(100):
            member.write(bytes(1 << 20))

    with pytest.raises(InvalidSamples, match="its header says 1,536"):
        draw(path)


def png(width, height):
    """Return a PNG of one colour that says this size, with almost no data."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (0, 0), (30_000, 20_000)])
def test_a_decompression_bomb_is_refused(draw, tmp_path, size):
    """A kilobyte that would become gigabytes: the file is named, and the memory stays within the job's limit."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "bomb.png").write_bytes(png(*size))

    with pytest.raises(InvalidSamples, match=r"bomb\.png"):
        draw(tmp_path / "images")


def test_a_link_among_images_that_leads_in_a_circle_is_harmless(draw, tmp_path):
    """A folder that holds itself has no more images than it has."""
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "again").symlink_to(folder)
    (folder / "nowhere.png").symlink_to(folder / "nowhere.png")

    with pytest.raises(InvalidSamples):
        draw(folder)


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a profile and returns its path."""

    def profile(name, text):
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        return path

    return profile


@pytest.mark.parametrize("length", [1, 2, 50])
def test_profiles_that_extend_each_other_are_refused(write, length):
    """Of any length of circle."""
    for number in range(length):
        write(f"p{number}", f'name = "p{number}"\nabout = "of a test"\nextends = "./p{(number + 1) % length}.toml"\n')

    with pytest.raises(InvalidConfig, match="extends"):
        profiles.check(write("first", 'name = "first"\nabout = "of a test"\nextends = "./p0.toml"\n'))


@pytest.mark.parametrize("name", ["..", "...", ".hidden", "-rf", "a b", "a\nb", "*", "ä"])
def test_a_profile_whose_name_is_no_good_folder_is_refused(write, name):
    """The bundle is written to a folder of this name: `..` would put it over the output folder's parent."""
    path = write(name, f'name = """{name}"""\nabout = "of a test"\nextends = "host"\n')

    with pytest.raises(InvalidConfig, match="the bundle's folder has this name"):
        profiles.find(path)


@pytest.mark.parametrize(
    "base", ["/etc/passwd", "../../../../../../etc/passwd", "/dev/null", "/proc/self/mem", "/", "."]
)
def test_a_base_that_is_no_profile_is_refused(write, base):
    """A path may lead anywhere; what lies there must be a profile."""
    with pytest.raises(RequestError):
        profiles.find(write("mine", f'name = "mine"\nabout = "of a test"\nextends = "{base}"\n'))
