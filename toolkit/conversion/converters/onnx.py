"""ONNX files from tf2onnx, checked by onnx and loaded by ONNX Runtime before they are returned."""

from __future__ import annotations

import json
from pathlib import Path

from toolkit.conversion.made_file import FloatFile, RangesResult
from toolkit.conversion.onnx.audit import held
from toolkit.conversion.onnx.calibrate import own_ranges
from toolkit.conversion.onnx.export import OPSET, converted, loadable, prepared
from toolkit.engines.onnx.arithmetic import multiply_accumulates
from toolkit.engines.onnx.endings import endings
from toolkit.engines.onnx.file import inspect
from toolkit.engines.onnx.graph import read
from toolkit.engines.onnx.kernels import Listed, listed
from toolkit.wire.request import Request

__all__ = ["inspect"]

SUFFIX = ".onnx"
ENGINE = "tensorflow"
HOST_RUNTIME = "onnxruntime"


def is_one(head: bytes) -> bool:
    """Return whether a file begins like a ModelProto that names its producer (onnx.proto: ir_version is field 1, producer_name field 2)."""
    return head[:1] == b"\x08" and head[2:3] == b"\x12"


def convert(request: Request) -> FloatFile:
    """Write out/model.onnx, float32, and return its content and how its outputs end; the default of the option `opset` is 17."""
    path = _written(request)
    found = held(path, "float32", {"inputs": "float32", "outputs": "float32"})
    (ends,) = endings(read(path)).values()
    return {**found, "multiply_accumulates": multiply_accumulates(path), "endings": ends}


def calibrate(request: Request) -> RangesResult:
    """Write out/ranges.json, each tensor's minimum and maximum, with ONNX Runtime's own calibration over the shards inputs["calibration"]."""
    path = _written(request)
    ranges = own_ranges(path, request.inputs["calibration"])
    path.unlink()
    (request.out / "ranges.json").write_text(json.dumps({"tensors": ranges}))
    return {"tensors": len(ranges)}


def _written(request: Request) -> Path:
    import onnx

    path: Path = request.out / f"model{SUFFIX}"
    made = converted(request.inputs["model"], request.options.get("opset", OPSET))
    onnx.save(prepared(made, request.out), path)
    loadable(path)
    return path


def kernels(_: Request) -> Listed:
    """Return the kernels that the runtime lists."""
    return listed()
