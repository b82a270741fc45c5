"""Small .tflite files whose weights are held in all the ways that there are; runs where LiteRT is.

    python make_weights.py FOLDER

FOLDER/floats.tflite, two layers that share a matrix and one of their own, and the same network with weights in int4 (two in a byte), int4 by blocks,
float16 behind DEQUANTIZE, sparse, with a second signature of other weights, and with an operator that draws random numbers.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.integration.make_flatbuffers import DTYPES, File

RANDOM = np.random.default_rng(5)
SHARED, OWN, BIAS = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((8, 8), (8, 8), (8,)))
DTYPES |= {np.dtype(np.float16): schema.TensorType.FLOAT16, np.dtype(np.uint8): schema.TensorType.INT4}


def grid(scale: np.ndarray, axis: int = 0) -> object:
    """Return how a tensor is quantized, symmetric."""
    made = schema.QuantizationParametersT()
    made.scale, made.zeroPoint = scale.astype(np.float32).ravel(), np.zeros(scale.size, np.int64)
    made.quantizedDimension = axis
    return made


def packed(graph, name, values):
    """Return integers of 4 bits, two in a byte, the lower one first."""
    halves = values.astype(np.int8).ravel() & 0xF
    tensor = graph.constant(name, (halves[::2] | halves[1::2] << 4).astype(np.uint8))
    graph.made.tensors[tensor].shape = list(values.shape)
    return tensor


def as_float32(graph, name, values):
    """Return the weights as they are."""
    return graph.constant(name, values)


def as_int4(graph, name, values):
    """Return them in 4 bits by channel."""
    scale = np.abs(values).max(axis=1, keepdims=True) / 7
    tensor = packed(graph, name, np.round(values / scale))
    graph.made.tensors[tensor].quantization = grid(scale)
    return tensor


def as_blocks(graph, name, values):
    """Return them in 4 bits with a scale for each 4 values of a row."""
    parts = values.reshape(8, 2, 4)
    scale = (np.abs(parts).max(axis=2) / 7).astype(np.float16)
    tensor = packed(graph, name, np.round(parts / scale[..., None].astype(np.float32)).reshape(8, 8))
    details = schema.BlockwiseQuantizationT()
    details.scales, details.zeroPoints, details.blockSize = graph.constant(f"{name}/scales", scale), -1, 4
    made = schema.QuantizationParametersT()
    made.details, made.detailsType = details, schema.QuantizationDetails.BlockwiseQuantization
    graph.made.tensors[tensor].quantization = made
    return tensor


def as_float16(graph, name, values):
    """Return them in float16, dequantized before they are read."""
    half = graph.constant(f"{name}/half", values.astype(np.float16))
    return graph.operator("DEQUANTIZE", [half], [graph.tensor(name, values.shape)])


def as_sparse(graph, name, values):
    """Return them with the mark of a sparse encoding."""
    tensor = graph.constant(name, values)
    graph.made.tensors[tensor].sparsity = schema.SparsityParametersT()
    return graph.operator("DENSIFY", [tensor], [graph.tensor(f"{name}/dense", values.shape)])


def network(file, held, own=OWN):
    """Add a graph of the network: two layers that share a matrix, and one."""
    graph = file.graph()
    entry, bias = graph.tensor("x", (1, 8)), graph.constant("bias", BIAS)
    shared, last = held(graph, "shared", SHARED), held(graph, "own", own)
    value = entry
    for place, matrix in enumerate((shared, shared, last)):
        inputs = [value, matrix, bias]
        value = graph.operator(
            "FULLY_CONNECTED", inputs, [graph.tensor(f"y{place}", (1, 8))], schema.FullyConnectedOptionsT()
        )
    graph.ends([entry], [value])
    return graph, entry, value


def write(folder, name, held):
    """Write the network with its weights held in one way."""
    file = File()
    _, entry, value = network(file, held)
    file.signature({"x": entry}, {"y": value})
    file.write(folder / f"{name}.tflite")


def two(folder):
    """Write a file with two signatures, of which the second has other weights."""
    file = File()
    made = []
    for key, own in (("first", OWN), ("second", 2 * OWN)):
        graph, entry, value = network(file, as_float32, own)
        file.signature({"x": entry}, {"y": value})
        (signature,) = file.model.signatureDefs
        signature.signatureKey, signature.subgraphIndex = key, len(made)
        made.append(signature)
        del graph
    file.model.signatureDefs = made
    file.write(folder / "two.tflite")


def drawing(folder):
    """Write the network with random numbers added."""
    file = File()
    graph, entry, value = network(file, as_float32)
    shape = graph.constant("shape", np.array([1, 8], np.int32))
    noise = graph.operator("RANDOM_UNIFORM", [shape], [graph.tensor("noise", (1, 8))], schema.RandomOptionsT())
    value = graph.operator("ADD", [value, noise], [graph.tensor("noisy", (1, 8))], schema.AddOptionsT())
    graph.ends([entry], [value])
    file.signature({"x": entry}, {"y": value})
    file.write(folder / "drawing.tflite")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    for each in (as_float32, as_int4, as_blocks, as_float16, as_sparse):
        write(place, "floats" if each is as_float32 else each.__name__.removeprefix("as_"), each)
    two(place)
    drawing(place)
