"""The array for firmware: the file's own bytes, aligned, constant, and nothing of a stranger's names but comments."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from toolkit.bundle.packagers import c_array
from toolkit.tensors.signature import FileSignature
from toolkit.verdict.arena import Arena

CONTENT = bytes(range(256)) * 3 + b"end"
ARENA = Arena(8640, 10800, 0.25, "of a test", 2688, 5952, 8640, 2)


@pytest.fixture
def written(tmp_path):
    """Return a function that writes the array of a model with an input of a name, and returns the folder."""

    def write(name: str = "image", arena: Arena | None = ARENA) -> Path:
        (tmp_path / "model.tflite").write_bytes(CONTENT)
        spec = {"name": name, "dtype": "int8", "shape": [1, 8], "scale": [0.5], "zero_point": [-128]}
        signature = {"key": None, "inputs": [spec], "outputs": [], "order": {"inputs": [name], "outputs": []}}
        artifact = SimpleNamespace(
            path=tmp_path / "model.tflite",
            scheme="static_wi8_ai8",
            sha256="0" * 64,
            signature=FileSignature.from_json(signature),
            operators=({"name": "CONV_2D"}, {"name": "SOFTMAX"}, {"name": "CONV_2D"}),
        )
        verdict = SimpleNamespace(
            artifact=artifact,
            arena=arena,
            source=SimpleNamespace(path=Path("digits")),
            target=SimpleNamespace(name="board"),
            runs={"kernels": SimpleNamespace(about={"machine": "x86_64"})},
        )
        c_array.write(verdict, tmp_path)
        return tmp_path

    return write


def test_it_holds_the_files_bytes(written):
    """All of them, in order, and the size of the arena that was measured."""
    folder = written()
    source, header = (folder / "model.cc").read_text(), (folder / "model.h").read_text()

    assert bytes(int(byte, 16) for byte in re.findall(r"0x([0-9a-f]{2})", source)) == CONTENT
    assert f"alignas(16) const unsigned char g_model[{len(CONTENT)}] = {{" in source
    assert "constexpr unsigned int g_model_arena_bytes = 10800;" in header
    assert "// operators that the resolver needs: CONV_2D, SOFTMAX" in header
    assert "// input image: int8 [1, 8], scale 0.5, zero point -128" in header


def test_without_an_arena_there_is_no_size(written):
    assert "arena" not in (written(arena=None) / "model.h").read_text()


@pytest.mark.parametrize("name", ["a\nint evil = 1;", "a\\", "a??/", "a\u2028b", "*/ int evil; /*", "é"])
def test_a_name_stays_a_comment(written, name):
    """No line ends early, none goes on, and the compiler reads ASCII."""
    lines = (written(name) / "model.h").read_text().splitlines()

    (line,) = [line for line in lines if line.startswith("// input ")]
    assert re.fullmatch(r"[A-Za-z0-9 _.,:;()/%\[\]+-]+", line)
    assert not [line for line in lines if "evil" in line and not line.startswith("//")]


def test_it_compiles_and_is_aligned(written, tmp_path):
    """In a program that prints what it finds."""
    if shutil.which("g++") is None:
        pytest.skip("NOT TESTED: no C++ compiler is here")
    folder = written()
    (folder / "main.cc").write_text(
        '#include "model.h"\n#include <cstdint>\n#include <cstdio>\nint main() {\n'
        "  if (reinterpret_cast<std::uintptr_t>(g_model) % 16) return 3;\n"
        "  return std::fwrite(g_model, 1, g_model_len, stdout) == g_model_len ? 0 : 4;\n}\n"
    )
    strict = ("-std=c++11", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti")
    subprocess.run(["g++", *strict, "main.cc", "model.cc", "-o", "main"], cwd=folder, check=True)

    ended = subprocess.run([folder / "main"], capture_output=True, check=True)

    assert ended.stdout == CONTENT
