"""Quantizes .tflite files with litert-quantizer, in a worker.

The quantizer silently skips an operator that its policy has no entry for, and keeps the operators' versions of the float model.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from toolkit.conversion.made_file import MadeFile
from toolkit.conversion.tflite.audit import held, kept_tensors
from toolkit.conversion.tflite.operator_versions import versioned
from toolkit.conversion.tflite.scaling import left_unscaled, scalable
from toolkit.engines.tflite.graphs import operators_of
from toolkit.engines.tflite.operators import Operator, operators
from toolkit.errors import Unconvertible, causes
from toolkit.findings import Finding
from toolkit.wire.request import Request

_INCOMPLETE = {
    "not-as-asked",
    "float-operators",
    "weights-not-quantized",
    "nothing-quantized",
    "another-scheme",
}  # codes of the findings of `held`
_GRANULARITIES = {"per_channel": "CHANNELWISE", "per_tensor": "TENSORWISE"}


def quantize(request: Request) -> MadeFile:
    """As `toolkit.conversion.quantizers.litert_quantizer.quantize`."""
    from litert_quantizer import quantizer

    options, model = request.options, request.inputs["model"]
    kept = kept_tensors(operators(model), options["keep_float"])
    moments = _moments(request)
    scaled = _scaled(model, options, kept, moments)
    engine = quantizer.Quantizer(str(model))
    try:
        engine.load_quantization_recipe(_recipe(options, kept, scaled))
        statistics = _ranges(request) if moments is None else moments
        made = engine.quantize(statistics, enable_progress_bar=False, enable_progress_report=False)
    except (ValueError, RuntimeError) as error:
        raise Unconvertible(
            f"litert_quantizer: refuses {options['scheme']} for this model ({causes(error)})"
        ) from error
    path = request.out / "model.tflite"
    path.write_bytes(versioned(bytes(made.quantized_model)))
    _require_no_overflow(path, options["scheme"])
    _require_scaled(path, scaled)
    found = held(path, options["scheme"], options, model)
    for finding in map(Finding.from_json, found["findings"]) if options["told"]["complete"] else ():
        if finding.code in _INCOMPLETE:
            raise Unconvertible(
                f"litert_quantizer: makes {options['scheme']} of a part of this model only: {finding.message}"
            )
    return found


def _require_no_overflow(path: Path, scheme: str) -> None:
    """Raise Unconvertible if a bias needs more steps than 32 bits hold: the quantizer would write the smallest number, whatever the bias is.

    This happens if a channel's weights, and so their step, are nearly zero: the unit died in training and gives a constant.
    """
    lost = [
        each.constants[each.bias].name
        for each in operators_of(path, None)
        if each.bias_step is not None and each.bias in each.constants
        if (each.constants[each.bias].values().stored == np.iinfo(np.int32).min).any()
    ]
    if lost:
        raise Unconvertible(
            f"litert_quantizer: {scheme} loses {len(lost)} biases, which overflow where a channel's weights are next to nothing: {lost[0]}"
        )


def _scaled(
    model: Path, options: dict[str, Any], kept: list[str], moments: dict[str, dict[str, np.ndarray]] | None
) -> list[Operator]:
    """Return the operators whose matrices are scaled: those with moments that are quantized at all; Unconvertible if there is none.

    The engine would quantize small matrices too, whatever `min_weight_elements` says, and one without moments as it sees fit.
    """
    if moments is None:
        return []
    least = options["told"]["op_config"].get("min_weight_elements", 0)
    found = [
        each
        for each in scalable(model)
        if each.inputs[0].name in moments
        and math.prod(each.inputs[1].shape) >= least
        and each.outputs[0].name not in kept
    ]
    if not found:
        of_size = f" of {least} elements or more" if least else ""
        raise Unconvertible(
            f"litert_quantizer: {options['told']['scaled_by']} scales constant matrices of FULLY_CONNECTED{of_size}, "
            "and this model has none to quantize: the file would be the same as without"
        )
    return found


def _require_scaled(path: Path, scaled: Sequence[Operator]) -> None:
    """Raise Unconvertible if a matrix that was to be scaled is not: it is not of integers, or no constant factors meet what feeds it.

    A recipe's entry that fits no operator is ignored by the engine, in silence.
    """
    left = left_unscaled(path, [each.outputs[0].name for each in scaled])
    if left:
        raise Unconvertible(
            f"litert_quantizer: was to scale {len(scaled)} matrices, and left {len(left)} as they were: {left[0]}"
        )


def _recipe(options: dict[str, Any], kept: list[str], scaled: Sequence[Operator]) -> list[dict[str, Any]]:
    """Return the recipe: the scheme for all operators, then the exceptions. The last entry that fits an operator counts."""
    told = options["told"]
    config = copy.deepcopy(told["op_config"])
    if config["weight_tensor_config"]["dtype"] == "INT":
        config["weight_tensor_config"]["granularity"] = _GRANULARITIES[options["granularity"]]
    recipe = [_entry(".*", "*", told["algorithm_key"], config)]
    for operator in told.get("always_per_channel", ()):
        channelwise = copy.deepcopy(config)
        channelwise["weight_tensor_config"]["granularity"] = "CHANNELWISE"
        recipe.append(_entry(".*", operator, told["algorithm_key"], channelwise))
    for side, operation in (("inputs", "INPUT"), ("outputs", "OUTPUT")):
        if options[side] == "float32":
            recipe.append(_entry(".*", operation, "no_quantize", {}))
        elif options[side] == "uint8":
            unsigned = copy.deepcopy(config)
            unsigned["activation_tensor_config"].update(dtype="UINT", symmetric=False)
            recipe.append(_entry(".*", operation, told["algorithm_key"], unsigned))
    # An operator's scope has the names of its outputs, each followed by a semicolon; names may contain semicolons too.
    for each in scaled:
        scope = f"^{re.escape(each.outputs[0].name)};$"
        recipe.append(_entry(scope, "FULLY_CONNECTED", told["scaled_by"], copy.deepcopy(config)))
    return recipe + [_entry(f"(^|;){re.escape(name)};", "*", "no_quantize", {}) for name in kept]


def _entry(regex: str, operation: str, algorithm: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"regex": regex, "operation": operation, "algorithm_key": algorithm, "op_config": config}


def _moments(request: Request) -> dict[str, dict[str, np.ndarray]] | None:
    """Return the moments in the form of its own calibration; None for a variant that needs none."""
    if "moments" not in request.inputs:
        return None
    tensors = json.loads(request.inputs["moments"].read_text())["tensors"]
    return {name: {"mu2": np.array(squares, np.float64)} for name, squares in tensors.items()}


def _ranges(request: Request) -> dict[str, dict[str, np.ndarray]] | None:
    """Return the ranges in the form of its own calibration; None for a scheme that needs none."""
    if "ranges" not in request.inputs:
        return None
    ranges = json.loads(request.inputs["ranges"].read_text())["tensors"]
    return {
        name: {"min": np.array([low], np.float32), "max": np.array([high], np.float32)}
        for name, (low, high) in ranges.items()
    }
