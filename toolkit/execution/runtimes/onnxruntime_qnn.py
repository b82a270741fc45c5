"""ONNX models on Qualcomm's HTP, the NPU of Snapdragons, as ONNX Runtime's execution provider QNN emulates it on x86-64. No part runs on the CPU."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.engines.loaded import Loaded, RunOptions
from toolkit.engines.onnx.file import read_whole, signature
from toolkit.errors import RequestError, TargetUnavailable, Unconvertible

FORMATS = ("onnx",)
ENVIRONMENT = "onnxruntime_qnn"
KERNELS = None

_PROVIDER = "QNNExecutionProvider"
_ON_CPU = "assigned to the default CPU EP"  # onnxruntime, core/session/inference_session.cc


def load(model: Path, options: RunOptions) -> Loaded:
    """Return the model ready to run on the emulated HTP.

    RequestError for other kernels than the default ones, Unconvertible for a model that the HTP does not take as a whole, or whose sizes are open;
    TargetUnavailable where the provider offers no device.
    """
    if options.get("kernels", "default") != "default":
        raise RequestError(f"onnxruntime_qnn has no {options['kernels']} kernels; known: default")
    said = signature(read_whole(model))
    open_sizes = [spec["name"] for spec in said["inputs"] if spec["shape"] is None or None in spec["shape"]]
    if open_sizes:
        raise Unconvertible(
            f"{model.name}: the HTP takes fixed sizes only; open are those of {', '.join(open_sizes)}",
            "export the model with a fixed batch and fixed sizes",
        )
    made, names = _session(model, options["threads"]), [spec["name"] for spec in said["outputs"]]

    def call(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, made.run(names, sample), strict=True))

    engine = f"onnxruntime-qnn {version('onnxruntime-qnn')} on onnxruntime {version('onnxruntime')}"
    return Loaded(call, engine, said)


def _session(model: Path, threads: int) -> Any:
    """Return a session all of whose nodes are the HTP's: the session of a model that needs the CPU for some is refused."""
    import onnxruntime
    import onnxruntime_qnn

    onnxruntime.register_execution_provider_library(_PROVIDER, onnxruntime_qnn.get_library_path())
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == _PROVIDER]
    if not devices:
        raise TargetUnavailable("onnxruntime_qnn: its execution provider offers no device on this machine")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    options.add_provider_for_devices(devices[:1], {"backend_path": onnxruntime_qnn.get_qnn_htp_path()})
    try:
        made = onnxruntime.InferenceSession(str(model), options)
    except Exception as error:
        if _ON_CPU not in str(error):
            raise
        raise Unconvertible(
            f"{model.name}: the HTP does not take all of its operators, and the CPU takes none in its place",
            "choose another --scheme",
        ) from error
    if made.get_providers()[0] != _PROVIDER:
        raise TargetUnavailable(f"onnxruntime_qnn: would run on {', '.join(made.get_providers())}")
    return made
