"""How small a step the integer softmaxes of a .tflite take: reference kernels end their process where they cannot hold it."""

from __future__ import annotations

from typing import Any

from toolkit.engines.tflite.packed import PackedModel, operators_in


def least_step(model: PackedModel) -> float | None:
    """Return the least product of beta and the input's scale over all SOFTMAX of integers; None where there is none."""
    steps = []
    for graph in model.graphs:
        for operator in operators_in(graph):
            if model.operator(operator) != "SOFTMAX" or operator.InputsLength() != 1:
                continue
            quantization = graph.Tensors(operator.Inputs(0)).Quantization()
            if quantization is not None and quantization.ScaleLength() == 1:
                steps.append(float(quantization.Scale(0)) * _beta(model, operator))
    return min(steps, default=None)


def _beta(model: PackedModel, operator: Any) -> float:
    table = operator.BuiltinOptions()
    if table is None:
        return 0.0  # the schema's default
    options = model.schema.SoftmaxOptions()
    options.Init(table.Bytes, table.Pos)
    return float(options.Beta())
