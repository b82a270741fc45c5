"""TFLite files, with TensorFlow's own converter (MLIR)."""

from __future__ import annotations

import importlib
import re
from typing import Any

from toolkit.errors import InvalidSamples, RequestError, Unconvertible
from toolkit.worker.request import sha256
from toolkit.worker.shards import read_index, read_samples
from toolkit.worker.tflite_file import describe, float_operators

SUFFIX = ".tflite"

_NO_KERNEL = re.compile(r"'tf\.([A-Za-z0-9_]+)' op is neither a custom op nor a flex op")
_NAMED = re.compile(r"tf\.([A-Za-z0-9_]+)\s*\(")
_NEEDED = re.compile(r"(?:Flex|Custom) ops: (.+)")


def convert(request: Any) -> dict[str, Any]:
    """Write out/model.tflite with one signature, `serving_default`, and return what the file holds."""
    import tensorflow as tf

    name = request.options["scheme"]
    scheme = importlib.import_module(f"toolkit.schemes.{name}")
    for side in ("inputs", "outputs"):
        if request.options[side] not in scheme.INPUT_DTYPES:
            known = ", ".join(scheme.INPUT_DTYPES)
            raise RequestError(f"scheme {name}: {side} {request.options[side]!r} cannot be had; known: {known}")
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(request.inputs["model"]), signature_keys=["serving_default"]
    )
    # The batch is 1 by construction; with this, loops over lists of tensors (LSTM, GRU) have static shapes too.
    converter._experimental_default_to_single_batch_in_tensor_list_ops = True
    scheme.configure(converter, _representative(request) if scheme.CALIBRATED else None)
    if scheme.INTEGER:
        converter.inference_input_type = tf.dtypes.as_dtype(request.options["inputs"])
        converter.inference_output_type = tf.dtypes.as_dtype(request.options["outputs"])
    try:
        content = converter.convert()
    except Exception as error:
        raise _refusal(name, error) from error
    path = request.out / f"model{SUFFIX}"
    path.write_bytes(content)
    return _held(path, request.options, scheme)


def _representative(request: Any) -> Any:
    folder = request.inputs["calibration"]
    total = read_index(folder)["count"]
    if total == 0:  # the converter would write a float model and say nothing
        raise InvalidSamples("calibration: no sample, so no range of any activation is known")

    def feed() -> Any:
        for done, sample in enumerate(read_samples(folder)):
            request.progress(done, total)
            yield sample

    return feed


def _refusal(scheme: str, error: Exception) -> Exception:
    """Name the operators, which the converter's message has somewhere in pages of MLIR; another error is left as it is."""
    text = str(error)
    operators = sorted(
        {*_NO_KERNEL.findall(text), *(name for line in _NEEDED.findall(text) for name in re.findall(r"\w+", line))}
    )
    if "neither a custom op nor a flex op" in text or "Some ops are not supported" in text:
        operators = operators or sorted(set(_NAMED.findall(text)))
        return Unconvertible(
            f"converting to {scheme}: TFLite has no kernel for {', '.join(operators) or 'an operator of this model'}",
            "leave that part out of the exported signature, or compute it with other operators",
        )
    return error


def _held(path: Any, options: dict[str, Any], scheme: Any) -> dict[str, Any]:
    held = describe(path)
    (signature,) = held.pop("signatures")
    for side in ("inputs", "outputs"):
        wrong = [spec["name"] for spec in signature[side] if _is_real(spec) and spec["dtype"] != options[side]]
        if wrong:
            held["findings"].append(
                _finding("not-as-asked", "error", f"{side} {wrong} are not {options[side]}, as was asked", wrong)
            )
    islands = float_operators(path) if scheme.INTEGER else []
    if islands:
        held["findings"].append(
            _finding(
                "float-operators", "warning", f"no int8 kernel for {', '.join(islands)}: computed in float", islands
            )
        )
    if scheme.WEIGHTS not in held["weights_bytes"]:
        held["findings"].append(
            _finding(
                "nothing-quantized", "warning", f"no weight became {scheme.WEIGHTS}: the file is as large as it was", []
            )
        )
    return {
        "file": path.name,
        "size_bytes": path.stat().st_size,
        "sha256": sha256(path),
        "signature": signature,
        **held,
    }


def _is_real(spec: dict[str, Any]) -> bool:
    """Return whether a tensor stands for real numbers; ids and classes are integers without a scale, and stay what they are."""
    return str(spec["dtype"]).startswith("float") or "scale" in spec


def _finding(code: str, severity: str, message: str, names: list[str]) -> dict[str, Any]:
    return {"code": code, "severity": severity, "message": message, "names": names}
