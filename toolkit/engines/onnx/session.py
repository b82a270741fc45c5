"""Sessions of ONNX Runtime, on the requested execution provider and with the requested optimizations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toolkit.engines.onnx.model_proto import ModelProto
from toolkit.errors import TargetUnavailable, UnknownName
from toolkit.tensors.signature import TensorJson

CPU = "CPUExecutionProvider"

_TYPES = {"float": "float32", "double": "float64"}


def session(
    model: Path | bytes,
    *,
    kernels: str = "default",
    threads: int = 1,
    provider: str = CPU,
    optimized: Path | None = None,
) -> Any:
    """Return an `onnxruntime.InferenceSession`; its errors about a model are passed on.

    `kernels`: "default" has all optimizations, as an application has them (ORT_ENABLE_ALL); a QDQ model then computes with integers. "extended" is
    the same without layouts for one processor. "builtin" keeps ONNX's own operators (ORT_ENABLE_BASIC), and "reference" runs the nodes unchanged
    (ORT_DISABLE_ALL); with these two, a QDQ model computes with dequantized numbers in float, as its graph says. `optimized` is the file to write
    the optimized graph to.
    Raises UnknownName for a provider that this build lacks, TargetUnavailable where the session would run on another.
    """
    import onnxruntime

    if provider not in onnxruntime.get_available_providers():  # onnxruntime would only warn, and take the CPU
        raise UnknownName("execution provider of onnxruntime", provider, onnxruntime.get_available_providers())
    levels = onnxruntime.GraphOptimizationLevel
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = {
        "default": levels.ORT_ENABLE_ALL,
        "extended": levels.ORT_ENABLE_EXTENDED,
        "builtin": levels.ORT_ENABLE_BASIC,
        "reference": levels.ORT_DISABLE_ALL,
    }[kernels]
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if provider != CPU:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    given = str(model) if isinstance(model, Path) else model
    made = onnxruntime.InferenceSession(given, options, providers=[provider])
    if made.get_providers()[0] != provider:
        raise TargetUnavailable(
            f"onnxruntime: asked for {provider}, and would run on {', '.join(made.get_providers())}"
        )
    return made


def spec(argument: Any) -> TensorJson:
    """Return the JSON of an input or output of a session; null for a size that is not fixed, and for a shape of unknown rank."""
    name = argument.type.removeprefix("tensor(").removesuffix(")")
    shape = None if argument.shape is None else [size if isinstance(size, int) else None for size in argument.shape]
    return {"name": argument.name, "dtype": _TYPES.get(name, name), "shape": shape}


def with_outputs(model: ModelProto, names: list[str]) -> bytes:
    """Return a serialized model whose outputs are exactly these tensors; ONNX Runtime infers their types."""
    import onnx

    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.output[:]
    changed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return bytes(changed.SerializeToString())
