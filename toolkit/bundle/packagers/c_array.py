"""The model as an array for firmware: model.cc and model.h, aligned for TFLite Micro, with the size of its arena."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import __version__

if TYPE_CHECKING:
    from toolkit.tensors.signature import TensorSpec
    from toolkit.verdict.verdict import Verdict

ALIGNMENT = 16  # bytes; tflite-micro, tensorflow/lite/micro/examples: its models are `alignas(16)`
_COLUMNS = 12
_OTHERS = re.compile(r"[^A-Za-z0-9 _.,:;()/%\[\]+-]")  # a backslash or a trigraph would end a comment elsewhere


def write(verdict: Verdict, folder: Path) -> None:
    """Write model.cc and model.h: the array `g_model`, its length `g_model_len`, and `g_model_arena_bytes` where an arena was measured."""
    content = verdict.artifact.path.read_bytes()
    (folder / "model.h").write_text("\n".join(_header(verdict, len(content))) + "\n")
    (folder / "model.cc").write_text("\n".join(_source(verdict, content)) + "\n")


def _header(verdict: Verdict, size: int) -> Iterator[str]:
    signature = verdict.artifact.signature
    yield from _about(verdict)
    for side, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for spec in specs:
            yield _comment(f"{side} {_tensor(spec)}")
    names = sorted({str(operator["name"]) for operator in verdict.artifact.operators})
    yield _comment(f"operators that the resolver needs: {', '.join(names)}")
    yield from ("#ifndef EDGE_TOOLKIT_MODEL_H_", "#define EDGE_TOOLKIT_MODEL_H_", "")
    yield f"extern const unsigned char g_model[{size}];"
    yield "extern const unsigned int g_model_len;"
    if verdict.arena is not None:
        arena = verdict.arena
        yield ""
        yield _comment(
            f"{arena.margin:.0%} over {arena.least_bytes} bytes, the least in which it ran on {_machine(verdict)}"
        )
        yield f"constexpr unsigned int g_model_arena_bytes = {arena.recommended_bytes};"
    yield from ("", "#endif  // EDGE_TOOLKIT_MODEL_H_")


def _source(verdict: Verdict, content: bytes) -> Iterator[str]:
    yield from _about(verdict)
    yield from ('#include "model.h"', "", f"alignas({ALIGNMENT}) const unsigned char g_model[{len(content)}] = {{")
    for place in range(0, len(content), _COLUMNS):
        yield "    " + ", ".join(f"0x{byte:02x}" for byte in content[place : place + _COLUMNS]) + ","
    yield from ("};", f"const unsigned int g_model_len = {len(content)};")


def _about(verdict: Verdict) -> Iterator[str]:
    artifact = verdict.artifact
    yield _comment(
        f"{verdict.source.path.name} for {verdict.target.name}, {artifact.scheme}; edge-toolkit {__version__}"
    )
    yield _comment(f"sha256 of the model: {artifact.sha256}")


def _tensor(spec: TensorSpec) -> str:
    shape = list(spec.shape or ())
    scale = f", scale {spec.scale[0]!r}, zero point {spec.zero_point[0]}" if spec.scale and spec.zero_point else ""
    return f"{spec.name}: {spec.dtype} {shape}{scale}"


def _machine(verdict: Verdict) -> str:
    return str(list(verdict.runs.values())[-1].about.get("machine", "this machine"))


def _comment(text: str) -> str:
    return f"// {_OTHERS.sub('_', text)}"
