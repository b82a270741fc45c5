"""ONNX Runtime's own format for phones: an .onnx file, packed after the optimizations that hold on every processor."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from toolkit.conversion.made_file import MadeFile
from toolkit.conversion.onnx.audit import held
from toolkit.engines.onnx.arithmetic import multiply_accumulates
from toolkit.engines.onnx.endings import endings
from toolkit.engines.onnx.graph import read
from toolkit.engines.onnx.ort_file import describe, inspect, is_ort
from toolkit.engines.onnx.session import session
from toolkit.errors import Unconvertible
from toolkit.wire.request import Request, sha256

__all__ = ["inspect"]

SUFFIX = ".ort"
ENGINE = "onnxruntime"
HOST_RUNTIME = "onnxruntime"
PACKS = "onnx"


def is_one(head: bytes) -> bool:
    """Return whether a file begins like an .ort file (ort.fbs: file_identifier "ORTM")."""
    return is_ort(head)


def pack(request: Request) -> MadeFile:
    """Write out/model.ort from inputs["model"], an .onnx file, and out/required_operators_and_types.config for a reduced build of the engine.

    Options are those of the quantizer that made the .onnx file, and inputs["floats"] is the float artifact that it took; without that input, the file
    is a float artifact itself. What the packed file shares with it (signature, scheme, findings) is described again. Optimizations are those of
    `--optimization_style Fixed --target_platform arm`: none that holds on one kind of processor only. Unconvertible if ONNX Runtime refuses the file,
    or its own result.
    """
    path = _written(request)
    before, options = request.inputs["model"], request.options
    made = held(before, options["scheme"], options, request.inputs.get("floats"))
    found = describe(path)
    (own,) = found["signatures"]
    for side in ("inputs", "outputs"):
        said = [[(one["name"], one["dtype"]) for one in each[side]] for each in (own, made["signature"])]
        if said[0] != said[1]:
            raise Unconvertible(
                f"packing as {SUFFIX}: its {side} became {said[0]}; those of the .onnx file are {said[1]}"
            )
    about = {"file": path.name, "size_bytes": path.stat().st_size, "sha256": sha256(path)}
    content = {name: found[name] for name in ("operators", "uses", "tensors", "weights_bytes")}
    packed = {**made, **about, **content}
    if "floats" not in request.inputs:
        (ends,) = endings(read(before)).values()
        packed |= {"multiply_accumulates": multiply_accumulates(before), "endings": ends}
    return cast(MadeFile, packed)


def _written(request: Request) -> Path:
    from onnxruntime.tools.convert_onnx_models_to_ort import OptimizationStyle, convert_onnx_models_to_ort

    path = request.out / f"model{SUFFIX}"
    try:
        convert_onnx_models_to_ort(
            request.inputs["model"],
            request.out,
            [OptimizationStyle.Fixed],
            target_platform="arm",
            enable_type_reduction=True,
        )
        (written,) = request.out.glob(f"*{SUFFIX}")  # named after the .onnx file
        written.rename(path)
        session(path)
    except Exception as error:  # its exceptions have no other common base
        words = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Unconvertible(f"packing as {SUFFIX}: ONNX Runtime refuses the file: {words}") from error
    (config,) = request.out.glob("*.config")
    config.rename(request.out / "required_operators_and_types.config")
    return path
