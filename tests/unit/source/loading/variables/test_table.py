"""The tables of checkpoints, from bytes that are written here: what is read is what was written, and whatever is damaged is refused as such."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.engines.tensorflow.sstable import checksum
from toolkit.errors import InvalidSource
from toolkit.source.loading.variables.table import (
    OBJECT_GRAPH,
    find_prefix,
    holds_object_graph,
    is_table,
    latest_named,
    locate_prefix,
    read_bundle,
    read_scalar,
    read_slices,
)

MAGIC = 0xDB4775248B80FB57


def remainder(register: int, bits: int = 8) -> int:
    """Return what is left of a register after so many bits of zeros: the definition of CRC-32C."""
    for _ in range(bits):
        register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register


REMAINDERS = [remainder(byte) for byte in range(256)]


def crc32c(content: bytes) -> int:
    """Return the masked CRC-32C, byte by byte."""
    register = 0xFFFFFFFF
    for byte in content:
        register = register >> 8 ^ REMAINDERS[register & 0xFF ^ byte]
    register ^= 0xFFFFFFFF
    return ((register >> 15 | register << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(number: int) -> bytes:
    out = b""
    while number >= 0x80:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def message(*fields: tuple[int, int | bytes | float]) -> bytes:
    """Return a protocol buffer: numbers as varints, bytes with their length, a float as four bytes that hold that whole number."""
    out = b""
    for field, value in fields:
        if isinstance(value, bytes):
            out += varint(field << 3 | 2) + varint(len(value)) + value
        elif isinstance(value, float):
            out += varint(field << 3 | 5) + struct.pack("<I", int(value))
        else:
            out += varint(field << 3) + varint(value % (1 << 64))
    return out


def block(rows: list[tuple[bytes, bytes]], compression: int = 0) -> bytes:
    """Return a block with its trailer; keys share what they share with the one before. Compressed, it is one text after its length."""
    content, before = b"", b""
    for key, value in rows:
        shared = next(
            (n for n, (a, b) in enumerate(zip(key, before, strict=False)) if a != b), min(len(key), len(before))
        )
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    content += struct.pack("<II", 0, 1)
    if compression:
        content = varint(len(content)) + bytes([61 << 2]) + struct.pack("<H", len(content) - 1) + content
    content += bytes([compression])
    return content + struct.pack("<I", crc32c(content))


def table(rows: list[tuple[bytes, bytes]], in_a_block: int = 2, compression: int = 0) -> bytes:
    """Return a whole table."""
    out, handles = b"", []
    for start in range(0, len(rows), in_a_block):
        made = block(rows[start : start + in_a_block], compression)
        handles.append((rows[min(start + in_a_block, len(rows)) - 1][0], varint(len(out)) + varint(len(made) - 5)))
        out += made
    places = []
    for made in (block([]), block(handles, compression)):
        places.append(varint(len(out)) + varint(len(made) - 5))
        out += made
    return out + b"".join(places).ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def shape(*sizes: int) -> bytes:
    return message(*[(2, message((1, size))) for size in sizes])


def entry(dtype: int, sizes: tuple[int, ...], shard: int, offset: int, size: int, checksum: int = 0) -> bytes:
    return message((1, dtype), (2, shape(*sizes)), (3, shard), (4, offset), (5, size), (6, float(checksum)))


def header(shards: int = 1, minimum: int = 0, producer: int = 1, *bad: int) -> bytes:
    return message((1, shards), (3, message((1, producer), (2, minimum), *[(3, version) for version in bad])))


ROWS = [
    (b"", header()),
    (b"\0part", entry(1, (1,), 0, 36, 4)),
    (b"dense/bias", entry(1, (3,), 0, 0, 12)),
    (b"dense/kernel", entry(1, (2, 3), 0, 12, 24)),
    (b"ids", entry(9, (), 0, 40, 8)),
]


@pytest.fixture
def prefix(tmp_path):
    """Return the prefix of a small checkpoint."""
    return written(tmp_path / "ckpt-5")


def written(prefix: Path, rows: list[tuple[bytes, bytes]] | None = None, length: int = 48) -> Path:
    prefix.with_name(prefix.name + ".index").write_bytes(table(rows or ROWS))
    prefix.with_name(prefix.name + ".data-00000-of-00001").write_bytes(bytes(length))
    return prefix


def index_of(prefix: Path) -> Path:
    return prefix.with_name(prefix.name + ".index")


def test_an_index_is_read_as_it_was_written(prefix):
    """Names, types and shapes; of keys that share their beginning, and of several blocks; slices of a partitioned variable are no variables."""
    bundle = read_bundle(index_of(prefix))

    assert {name: (one.dtype, one.shape, one.offset, one.size) for name, one in bundle.entries.items()} == {
        "dense/bias": ("float32", [3], 0, 12),
        "dense/kernel": ("float32", [2, 3], 12, 24),
        "ids": ("int64", [], 40, 8),
    }
    assert (bundle.num_shards, bundle.version, bundle.lengths) == (1, 1, {0: 48})


@pytest.mark.parametrize("kept", [0, 1, 47, 48, 100, -1, -8, -48, -60])
def test_an_index_is_refused_wherever_it_was_cut(prefix, kept):
    """A download that broke off."""
    index = index_of(prefix)
    index.write_bytes(index.read_bytes()[:kept])

    with pytest.raises(InvalidSource, match=r"ckpt-5\.index: is not the index of a checkpoint, or is damaged"):
        locate_prefix(prefix)


def test_each_flipped_bit_of_the_blocks_is_noticed(prefix):
    """Each block has a checksum; only of the one from which nothing is read it is not looked at."""
    index = index_of(prefix)
    whole = index.read_bytes()
    unread = whole.rindex(block([]))

    for at in range(len(whole) - 48):
        index.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        assert (read_quietly(index) is None) != (unread <= at < unread + len(block([]))), at


def read_quietly(path: Path):
    try:
        return read_bundle(path)
    except InvalidSource:
        return None


@pytest.mark.parametrize(
    ("first", "says"),
    [
        (header(1, 2, 3), "is of format 3, which asks for a reader of format 2; this one is of 1"),
        (header(1, 0, 3, 1), "is of format 3"),
    ],
)
def test_a_newer_format_is_refused_as_such(prefix, first, says):
    """A format that says it cannot be read by this reader is not read; what is wrong with it has nothing to do with damage."""
    written(prefix, [(b"", first), *ROWS[1:]])

    with pytest.raises(InvalidSource, match=says):
        locate_prefix(prefix)


def test_a_newer_writer_that_can_be_read_is_read(prefix):
    """What counts is what it asks of its reader."""
    written(prefix, [(b"", header(1, 1, 9)), *ROWS[1:]])

    assert read_bundle(index_of(prefix)).version == 9


@pytest.mark.parametrize(
    "wrong", [(1, (3,), 1, 0, 12), (1, (3,), -1, 0, 12), (1, (-3,), 0, 0, 12), (1, (3,), 0, -8, 12)]
)
def test_an_entry_that_cannot_be_is_refused(prefix, wrong):
    """With a right checksum even: a file may be hostile."""
    written(prefix, [ROWS[0], (b"x", entry(*wrong))])

    with pytest.raises(InvalidSource, match="an entry that cannot be"):
        read_bundle(index_of(prefix))


def test_an_index_without_values_is_refused(prefix):
    """The file that is missing is named."""
    prefix.with_name("ckpt-5.data-00000-of-00001").unlink()

    with pytest.raises(InvalidSource, match=r"ckpt-5\.data-00000-of-00001 is missing"):
        locate_prefix(prefix)


def test_values_without_an_index_are_refused(prefix):
    """And what is there is said."""
    index_of(prefix).unlink()

    with pytest.raises(InvalidSource, match=r"ckpt-5\.index is missing; here is ckpt-5\.data-00000-of-00001"):
        locate_prefix(prefix)
    with pytest.raises(InvalidSource, match=r"ckpt-5\.index is missing"):
        locate_prefix(prefix.parent)


def test_values_that_were_cut_short_are_refused(prefix):
    """Before TensorFlow reads them, which says `Read less bytes than requested`."""
    data = prefix.with_name("ckpt-5.data-00000-of-00001")
    data.write_bytes(bytes(47))

    with pytest.raises(InvalidSource, match="has 47 bytes of 48: it was cut short"):
        locate_prefix(prefix)


def test_each_missing_shard_is_named(tmp_path):
    """TensorFlow's own `checkpoint_exists` says that such a checkpoint is there."""
    rows = [(b"", header(2)), (b"a", entry(1, (2,), 0, 0, 8)), (b"b", entry(1, (2,), 1, 0, 8))]
    written(tmp_path / "ckpt", rows)
    (tmp_path / "ckpt.data-00000-of-00002").write_bytes(bytes(8))

    with pytest.raises(InvalidSource, match=r"ckpt\.data-00001-of-00002 is missing"):
        locate_prefix(tmp_path / "ckpt")

    (tmp_path / "ckpt.data-00001-of-00002").write_bytes(bytes(8))
    assert sorted(locate_prefix(tmp_path / "ckpt")) == ["data-00000-of-00002", "data-00001-of-00002", "index"]


@pytest.mark.parametrize("given", ["", ".index", ".data-00000-of-00001", "/..", "/../checkpoint"])
def test_a_checkpoint_is_found_by_whatever_names_it(prefix, given):
    """TensorFlow restores nothing from `.index`, without an error."""
    (prefix.parent / "checkpoint").write_text('model_checkpoint_path: "ckpt-5"\n')

    files = locate_prefix(Path(f"{prefix}{given}"))

    assert files == {"index": index_of(prefix), "data-00000-of-00001": prefix.with_name("ckpt-5.data-00000-of-00001")}


@pytest.fixture
def several(tmp_path):
    """Return a folder with the steps 5, 20 and 10."""
    for step in (5, 20, 10):
        written(tmp_path / f"ckpt-{step}")
    return tmp_path


@pytest.mark.parametrize(
    "state", ["ckpt-10", "/home/somebody/run 1/ckpt-10", "C:\\\\runs\\\\ckpt-10", "../elsewhere/ckpt-10"]
)
def test_the_state_file_is_believed_as_far_as_a_moved_folder_allows(several, state):
    """The name is right, the path before it is another machine's."""
    (several / "checkpoint").write_text(f'model_checkpoint_path: "{state}"\nall_model_checkpoint_paths: "ckpt-5"\n')

    assert find_prefix(several).name == "ckpt-10"


def test_a_name_that_is_not_ascii_is_read_from_the_state_file(tmp_path):
    """Protocol buffers as text write its bytes as octal numbers."""
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "mod\\303\\250le-1"\n')

    assert latest_named(tmp_path) == "modèle-1"


@pytest.mark.parametrize(
    "state", [None, "", "nonsense", 'model_checkpoint_path: "ckpt-99"', 'model_checkpoint_path: "\\x"']
)
def test_without_a_state_file_that_helps_the_highest_step_is_taken(several, state):
    """20 comes after 5, as a number."""
    if state is not None:
        (several / "checkpoint").write_text(state)

    assert find_prefix(several).name == "ckpt-20"


def test_which_of_several_models_is_not_guessed(several):
    """Two names, and nobody said which."""
    written(several / "best-3")

    with pytest.raises(InvalidSource, match=r"has best-3, ckpt-10, ckpt-20, ckpt-5, and no file says which"):
        locate_prefix(several)


def test_a_state_file_alone_says_what_is_missing(tmp_path):
    """Somebody copied one file."""
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "ckpt-10"\n')

    with pytest.raises(InvalidSource, match="names 'ckpt-10', which is not here"):
        locate_prefix(tmp_path)


def test_a_step_chooses(several):
    """Of a folder, of a prefix without its number; a whole prefix has to be of that step."""
    (several / "checkpoint").write_text('model_checkpoint_path: "ckpt-10"\n')

    assert find_prefix(several, 5).name == "ckpt-5"
    assert find_prefix(several / "ckpt", 20).name == "ckpt-20"
    assert find_prefix(several / "ckpt-20", 20).name == "ckpt-20"
    with pytest.raises(InvalidSource, match="has no checkpoint of step 7; the closest of 3: 5, 10, 20"):
        find_prefix(several, 7)
    with pytest.raises(InvalidSource, match="is not of step 5"):
        find_prefix(several / "ckpt-20", 5)
    written(several / "best-5")
    with pytest.raises(InvalidSource, match="step 5 have best-5, ckpt-5; name one of them"):
        find_prefix(several, 5)


def test_an_object_graph_is_told_apart_also_where_the_index_is_damaged(prefix):
    """So that a damaged checkpoint is refused as a damaged checkpoint."""
    assert not holds_object_graph(index_of(prefix))
    written(prefix, [ROWS[0], (OBJECT_GRAPH.encode(), entry(7, (), 0, 0, 3))])

    assert holds_object_graph(index_of(prefix))

    index_of(prefix).write_bytes(index_of(prefix).read_bytes()[:-9])
    assert holds_object_graph(index_of(prefix))
    assert not holds_object_graph(prefix.with_name("none.index"))


def test_scalars_are_read_and_their_checksums_proven(tmp_path):
    """A text, as the object graph is one, and a signed number."""
    text, number = b"graph" * 50, struct.pack("<q", -7)
    sizes = struct.pack("<I", len(text))
    sealed = sizes + struct.pack("<I", crc32c(sizes)) + text
    stored = varint(len(text)) + sealed[4:]
    data = tmp_path / "ckpt.data-00000-of-00001"
    data.write_bytes(stored + number)
    rows = [
        (b"", header()),
        (b"number", entry(9, (), 0, len(stored), 8, crc32c(number))),
        (b"text", entry(7, (), 0, 0, len(stored), crc32c(sealed))),
    ]
    (tmp_path / "ckpt.index").write_bytes(table(rows))
    entries = read_bundle(tmp_path / "ckpt.index").entries

    assert read_scalar(data, entries["text"]) == text
    assert read_scalar(data, entries["number"]) == -7

    damaged = bytearray(data.read_bytes())
    damaged[100] ^= 1
    damaged[-1] ^= 1
    data.write_bytes(damaged)
    for one in entries.values():
        with pytest.raises(InvalidSource, match="checksum mismatch"):
            read_scalar(data, one)


def slices(minimum: int = 0, *names: str) -> bytes:
    tensors = [(1, message((1, name.encode()), (2, shape(2, 3)), (3, 101))) for name in names]
    meta = message(*tensors, (2, message((1, 1), (2, minimum))))
    return table([(b"", message((1, meta))), (b"\0w", message((2, bytes(300))))])


def test_a_file_of_format_v1_lists_its_variables(tmp_path):
    """Their types as 2016 wrote them, as references."""
    path = tmp_path / "model.ckpt-3"
    path.write_bytes(slices(0, "w", "layer/b"))

    assert is_table(path)
    assert read_slices(path) == {"w": ("float32", [2, 3]), "layer/b": ("float32", [2, 3])}
    assert locate_prefix(path) == {"slices": path}
    assert locate_prefix(tmp_path) == {"slices": path}


def test_a_file_of_format_v1_that_is_newer_or_damaged_is_refused(tmp_path):
    """As an index is."""
    path = tmp_path / "model.ckpt-3"
    path.write_bytes(slices(2, "w"))
    with pytest.raises(InvalidSource, match="asks for a reader of format 2"):
        read_slices(path)

    path.write_bytes(slices(0, "w")[:-1])
    with pytest.raises(InvalidSource, match="is not a checkpoint of format V1, or is damaged"):
        read_slices(path)


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=300), sealed=st.booleans())
def test_noise_is_never_anything_but_an_invalid_source(tmp_path_factory, content, sealed):
    """Nor is a table with right checksums whose rows are noise."""
    path = tmp_path_factory.getbasetemp() / "noise-1.index"
    rows = [
        (b"", content[:40]),
        *sorted({content[at : at + 3]: content[at + 3 : at + 60] for at in range(40, len(content), 60)}.items()),
    ]
    path.write_bytes(table(rows) if sealed else content + struct.pack("<Q", MAGIC))

    for read in (read_bundle, read_slices, locate_prefix):
        try:
            read(path)
        except InvalidSource as error:
            assert str(path) in error.problem  # noqa: PT017 (either is right, and nothing else)


@settings(max_examples=60, deadline=None)
@given(length=st.integers(0, 3000), seed=st.randoms(use_true_random=False))
def test_the_quick_checksum_is_the_definition(length, seed):
    """Of any length: the square that the bytes are laid out in has many forms."""
    content = seed.randbytes(length)

    assert checksum(content) == crc32c(content)


def test_a_compressed_index_is_read(prefix):
    """TensorFlow 1 may have written it with Snappy."""
    plain = read_bundle(index_of(prefix)).entries
    index_of(prefix).write_bytes(table(ROWS, compression=1))

    assert read_bundle(index_of(prefix)).entries == plain


@pytest.mark.parametrize("compression", [2, 255])
def test_a_block_that_is_compressed_otherwise_is_refused(prefix, compression):
    """TensorFlow has no other."""
    index_of(prefix).write_bytes(table(ROWS, compression=compression))

    with pytest.raises(InvalidSource, match=rf"compressed in a way \({compression}\)"):
        read_bundle(index_of(prefix))
