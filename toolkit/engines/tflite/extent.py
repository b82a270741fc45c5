"""How much a .tflite file claims to hold, counted before anything walks it.

In a flatbuffer several offsets may lead to the same place. 100,000 subgraphs that are one, with 100,000 tensors that are one, take 800 kB and hours
to walk; so do names and scales. And the bytes of a buffer may lie behind the tables, at any offset. This module refuses files that claim more than
they have room for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from toolkit.errors import InvalidSource

MOST_PARTS = 200_000
"""Subgraphs, tensors, operators, buffers, operator codes, and what signatures name. The largest models have some 10,000."""

MOST_SCALES = 20_000_000
"""Scales of quantized tensors, one for each channel. Models of several gigabytes have a million."""

AGAIN = "copy the file again from where it was made, or convert the model again"


def require_fitting(path: object, model: Any, size: int) -> None:
    """Raise InvalidSource for a model without a graph, with more parts or scales than any has, or with more than a file of `size` bytes can hold."""
    if not model.SubgraphsLength():
        raise InvalidSource(f"{path}: has no graph in it", AGAIN)
    parts = scales = 0
    for count in _parts(model):
        parts += count
        if parts > MOST_PARTS:
            raise InvalidSource(f"{path}: has more than {MOST_PARTS:,} tensors, operators and other parts", AGAIN)
    for count in _scales(model):
        scales += count
        if scales > MOST_SCALES:
            raise InvalidSource(f"{path}: has more than {MOST_SCALES:,} scales of quantized tensors", AGAIN)
    named = 0
    for name in _names(model):
        named += len(name or b"")
        if named > size:
            raise InvalidSource(
                f"{path}: names its operators and signatures in more bytes than the file's {size:,}", AGAIN
            )
    for place in range(model.BuffersLength()):
        buffer = model.Buffers(place)
        if (
            buffer.Offset() > 1 and buffer.Offset() + buffer.Size() > size
        ):  # with 0 and 1 there are no bytes behind the tables
            raise InvalidSource(
                f"{path}: buffer {place} is {buffer.Size():,} bytes at {buffer.Offset():,}, and the file ends at {size:,}; "
                "it was cut off, or its weights are elsewhere",
                AGAIN,
            )


def _parts(model: Any) -> Iterator[int]:
    yield model.SubgraphsLength() + model.BuffersLength() + model.OperatorCodesLength() + model.SignatureDefsLength()
    graphs = [model.Subgraphs(index) for index in range(model.SubgraphsLength())]
    for graph in graphs:
        yield graph.TensorsLength() + graph.OperatorsLength() + graph.InputsLength() + graph.OutputsLength()
    for definition in (model.SignatureDefs(index) for index in range(model.SignatureDefsLength())):
        for count, item in (
            (definition.InputsLength(), definition.Inputs),
            (definition.OutputsLength(), definition.Outputs),
        ):
            yield count
            for index in range(count):
                yield _described(graphs[definition.SubgraphIndex()].Tensors(item(index).TensorIndex()))
    for graph in graphs:
        for count, item in ((graph.InputsLength(), graph.Inputs), (graph.OutputsLength(), graph.Outputs)):
            yield from (_described(graph.Tensors(item(index))) for index in range(count) if item(index) >= 0)


def _described(tensor: Any) -> int:
    """Return the count of numbers that describe an input or an output."""
    quantization = tensor.Quantization()
    held = quantization.ScaleLength() + quantization.ZeroPointLength() if quantization is not None else 0
    return int(tensor.ShapeLength() + held)


def _scales(model: Any) -> Iterator[int]:
    for graph in (model.Subgraphs(index) for index in range(model.SubgraphsLength())):
        for index in range(graph.TensorsLength()):
            quantization = graph.Tensors(index).Quantization()
            yield quantization.ScaleLength() if quantization is not None else 0


def _names(model: Any) -> Iterator[bytes | None]:
    for index in range(model.OperatorCodesLength()):
        yield model.OperatorCodes(index).CustomCode()
    for definition in (model.SignatureDefs(index) for index in range(model.SignatureDefsLength())):
        yield definition.SignatureKey()
        yield from (definition.Inputs(index).Name() for index in range(definition.InputsLength()))
        yield from (definition.Outputs(index).Name() for index in range(definition.OutputsLength()))
