"""One-operator models that ask a runtime what it can run: for each operator its tensors, its options, and the dtypes to try.

The tensors are small, and their values such that no kernel divides by zero. Grids are those that TensorFlow's quantization specification fixes
(https://ai.google.dev/edge/litert/models/quantization_spec); where it fixes none, all tensors of a model have the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["activation", "weights", "bias", "fixed"]
Options = tuple[str, Mapping[str, float]]

PLAIN = (
    "float32",
    "float16",
    "bfloat16",
    "int4",
    "int8",
    "uint8",
    "int16",
    "int32",
    "uint32",
    "int64",
    "bool",
    "float64",
)
"""The dtypes of activations that each operator without weights is tried with."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A tensor of a one-operator model. An activation has the dtype that is tried; `dtype` is of a fixed one, and `values` make it a constant.

    `channels` is the axis along which weights may have several scales.
    """

    shape: tuple[int, ...]
    role: Role = "activation"
    dtype: str = ""
    values: tuple[int, ...] | None = None
    channels: int = 0


@dataclass(frozen=True, slots=True)
class Weighted:
    """Dtypes of an operator with weights: of activations, weights, and bias; `per_channel` is whether weights have a scale for each channel."""

    activations: str
    weights: str
    bias: str
    per_channel: bool = False


@dataclass(frozen=True, slots=True)
class Probed:
    """An operator with its tensors. `grids` are scale and zero point of its results by dtype, where they are fixed."""

    name: str
    takes: tuple[Operand, ...]
    gives: tuple[Operand, ...]
    options: Options | None = None
    grids: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    version: int = 1


WEIGHTED = (
    Weighted("float32", "float32", "float32"),
    Weighted("float32", "float16", "float32"),
    *(Weighted("float32", weights, "float32", each) for weights in ("int8", "int4") for each in (False, True)),
    *(Weighted("int8", weights, "int32", each) for weights in ("int8", "int4") for each in (False, True)),
    *(Weighted("int16", "int8", bias, each) for bias in ("int64", "int32") for each in (False, True)),
    Weighted("uint8", "uint8", "int32"),
)
"""The dtypes that each operator with weights is tried with, with a bias and without one."""


def _x(*shape: int) -> Operand:
    return Operand(shape)


def _fixed(dtype: str, *shape: int) -> Operand:
    return Operand(shape, "fixed", dtype)


def _constant(values: tuple[int, ...], shape: tuple[int, ...] | None = None, dtype: str = "int32") -> Operand:
    return Operand((len(values),) if shape is None else shape, "fixed", dtype, values)


def _scalar(value: int, dtype: str = "int32") -> Operand:
    return _constant((value,), (), dtype)


_FLAT, _IMAGE = (1, 4), (1, 4, 4, 4)
_UNIT = {"int8": (1 / 256, -128), "uint8": (1 / 256, 0), "int16": (1 / 32768, 0)}  # results from 0 to 1
_LOGARITHM = {"int8": (16 / 256, 127), "uint8": (16 / 256, 255)}
_POOL: Options = ("Pool2DOptions", {"strideW": 1, "strideH": 1, "filterWidth": 2, "filterHeight": 2, "padding": 1})


def _unary() -> list[Probed]:
    """Return operators of one tensor, which give one of the same shape."""
    named: dict[str, Options | None] = dict.fromkeys(
        ("ABS", "CEIL", "COS", "ELU", "EXP", "FLOOR", "HARD_SWISH", "LOG", "LOGICAL_NOT", "NEG", "RELU", "RELU6", "RELU_N1_TO_1",
         "RELU_0_TO_1", "ROUND", "RSQRT", "SIGN", "SIN", "SQRT", "SQUARE", "ZEROS_LIKE")
    )  # fmt: skip
    named |= {"GELU": ("GeluOptions", {}), "LEAKY_RELU": ("LeakyReluOptions", {"alpha": 0.1}), "TANH": None}
    named |= {"L2_NORMALIZATION": ("L2NormOptions", {})}
    found = [Probed(name, (_x(*_FLAT),), (_x(*_FLAT),), options) for name, options in named.items()]
    for name, options, grids in (
        ("LOGISTIC", None, _UNIT),
        ("SOFTMAX", ("SoftmaxOptions", {"beta": 1.0}), _UNIT),
        ("LOG_SOFTMAX", ("LogSoftmaxOptions", {}), _LOGARITHM),
    ):
        found.append(Probed(name, (_x(*_FLAT),), (_x(*_FLAT),), options, grids))
    return found


def _binary() -> list[Probed]:
    """Return operators of two tensors of one dtype."""
    plain = ("MAXIMUM", "MINIMUM", "POW", "SQUARED_DIFFERENCE", "FLOOR_DIV", "FLOOR_MOD", "LOGICAL_AND", "LOGICAL_OR", "ATAN2", "PRELU",
             "BITWISE_XOR", "RIGHT_SHIFT")  # fmt: skip
    named: dict[str, Options | None] = dict.fromkeys(plain)
    named |= {name: (f"{name.title()}Options", {}) for name in ("ADD", "SUB", "MUL", "DIV")}
    pair = (_x(*_FLAT), _x(*_FLAT))
    found = [Probed(name, pair, (_x(*_FLAT),), options) for name, options in named.items()]
    compared = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")
    return found + [Probed(name, pair, (_fixed("bool", *_FLAT),)) for name in compared]


def _reductions() -> list[Probed]:
    """Return operators that take a tensor together along axes."""
    axis = _constant((1,))
    names = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL")
    found = [Probed(name, (_x(*_FLAT), axis), (_x(1, 1),), ("ReducerOptions", {"keepDims": 1})) for name in names]
    for dtype, number in (("int32", 2), ("int64", 4)):
        for name, options in (("ARG_MAX", "ArgMaxOptions"), ("ARG_MIN", "ArgMinOptions")):
            found.append(Probed(name, (_x(*_FLAT), _scalar(1)), (_fixed(dtype, 1),), (options, {"outputType": number})))
    found += [
        Probed(name, (_x(*_IMAGE),), (_x(1, 3, 3, 4),), _POOL)
        for name in ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D")
    ]
    found.append(Probed("CUMSUM", (_x(*_FLAT), _scalar(1)), (_x(*_FLAT),), ("CumsumOptions", {})))
    found.append(Probed("TOPK_V2", (_x(*_FLAT), _scalar(2)), (_x(1, 2), _fixed("int32", 1, 2)), ("TopKV2Options", {})))
    found.append(Probed("SEGMENT_SUM", (_x(2, 4), _constant((0, 1))), (_x(2, 4),), ("SegmentSumOptions", {})))
    return found


def _shapes() -> list[Probed]:
    """Return operators that move values and compute nothing."""
    flat, pads = _x(*_FLAT), _constant((0, 0, 1, 1), (2, 2))
    return [
        Probed("RESHAPE", (flat, _constant((2, 2))), (_x(2, 2),), ("ReshapeOptions", {})),
        Probed("TRANSPOSE", (flat, _constant((1, 0))), (_x(4, 1),), ("TransposeOptions", {})),
        Probed("SQUEEZE", (flat,), (_x(4),), ("SqueezeOptions", {})),
        Probed("EXPAND_DIMS", (flat, _scalar(0)), (_x(1, 1, 4),), ("ExpandDimsOptions", {})),
        Probed("SHAPE", (flat,), (_fixed("int32", 2),), ("ShapeOptions", {"outType": 2})),
        Probed("RANK", (flat,), (_fixed("int32"),), ("RankOptions", {})),
        Probed("PAD", (flat, pads), (_x(1, 6),), ("PadOptions", {})),
        Probed("PADV2", (flat, pads, _x(1)), (_x(1, 6),), ("PadV2Options", {})),
        Probed("MIRROR_PAD", (flat, pads), (_x(1, 6),), ("MirrorPadOptions", {})),
        Probed("SLICE", (flat, _constant((0, 1)), _constant((1, 2))), (_x(1, 2),), ("SliceOptions", {})),
        Probed(
            "STRIDED_SLICE",
            (flat, _constant((0, 0)), _constant((1, 4)), _constant((1, 2))),
            (_x(1, 2),),
            ("StridedSliceOptions", {}),
        ),
        Probed("SPLIT", (_scalar(1), flat), (_x(1, 2), _x(1, 2)), ("SplitOptions", {"numSplits": 2})),
        Probed(
            "SPLIT_V", (flat, _constant((1, 3)), _scalar(1)), (_x(1, 1), _x(1, 3)), ("SplitVOptions", {"numSplits": 2})
        ),
        Probed("CONCATENATION", (flat, flat), (_x(1, 8),), ("ConcatenationOptions", {"axis": 1})),
        Probed("PACK", (flat, flat), (_x(2, 1, 4),), ("PackOptions", {"valuesCount": 2})),
        Probed("UNPACK", (_x(2, 4),), (_x(4), _x(4)), ("UnpackOptions", {"num": 2})),
        Probed("TILE", (flat, _constant((1, 2))), (_x(1, 8),), ("TileOptions", {})),
        *(
            Probed("GATHER", (flat, _constant((0, 2), dtype=dtype)), (_x(1, 2),), ("GatherOptions", {"axis": 1}))
            for dtype in ("int32", "int64")
        ),
        *(
            Probed("GATHER_ND", (flat, _constant((0, 2), (1, 2), dtype)), (_x(1),), ("GatherNdOptions", {}))
            for dtype in ("int32", "int64")
        ),
    ]


def _spaces() -> list[Probed]:
    """Return operators that move values between axes of a picture, or to other sizes."""
    flat, image = _x(*_FLAT), _x(*_IMAGE)
    return [
        Probed(
            "SCATTER_ND", (_constant((1,), (1, 1)), _x(1, 4), _constant((2, 4))), (_x(2, 4),), ("ScatterNdOptions", {})
        ),
        Probed("REVERSE_V2", (flat, _constant((1,))), (flat,), ("ReverseV2Options", {})),
        Probed(
            "REVERSE_SEQUENCE",
            (_x(2, 4), _constant((2, 3))),
            (_x(2, 4),),
            ("ReverseSequenceOptions", {"seqDim": 1, "batchDim": 0}),
        ),
        Probed(
            "BATCH_TO_SPACE_ND", (_x(4, 2, 2, 1), _constant((2, 2)), _constant((0, 0, 0, 0), (2, 2))), (_x(1, 4, 4, 1),)
        ),
        Probed(
            "SPACE_TO_BATCH_ND", (_x(1, 4, 4, 1), _constant((2, 2)), _constant((0, 0, 0, 0), (2, 2))), (_x(4, 2, 2, 1),)
        ),
        Probed("SPACE_TO_DEPTH", (image,), (_x(1, 2, 2, 16),), ("SpaceToDepthOptions", {"blockSize": 2})),
        Probed("DEPTH_TO_SPACE", (image,), (_x(1, 8, 8, 1),), ("DepthToSpaceOptions", {"blockSize": 2})),
        Probed("RESIZE_BILINEAR", (image, _constant((8, 8))), (_x(1, 8, 8, 4),), ("ResizeBilinearOptions", {})),
        Probed(
            "RESIZE_NEAREST_NEIGHBOR",
            (image, _constant((8, 8))),
            (_x(1, 8, 8, 4),),
            ("ResizeNearestNeighborOptions", {}),
        ),
    ]


def _others() -> list[Probed]:
    """Return operators that select, fill and multiply."""
    flat, image = _x(*_FLAT), _x(*_IMAGE)
    return [
        Probed("BROADCAST_TO", (flat, _constant((2, 4))), (_x(2, 4),), ("BroadcastToOptions", {}), version=2),
        Probed("FILL", (_constant((1, 4)), _x()), (flat,), ("FillOptions", {})),
        Probed("SELECT", (_fixed("bool", *_FLAT), flat, flat), (flat,), ("SelectOptions", {})),
        Probed("SELECT_V2", (_fixed("bool", *_FLAT), flat, flat), (flat,), ("SelectV2Options", {})),
        Probed("ONE_HOT", (_constant((0, 2)), _scalar(4), _x(), _x()), (_x(2, 4),), ("OneHotOptions", {"axis": -1})),
        Probed("MATRIX_DIAG", (flat,), (_x(1, 4, 4),), ("MatrixDiagOptions", {})),
        Probed("DYNAMIC_UPDATE_SLICE", (flat, _x(1, 2), _constant((0, 1))), (flat,), ("DynamicUpdateSliceOptions", {})),
        Probed("ADD_N", (flat, flat), (flat,), ("AddNOptions", {})),
        Probed("BATCH_MATMUL", (_x(1, 2, 4), _x(1, 4, 2)), (_x(1, 2, 2),), ("BatchMatMulOptions", {})),
        Probed(
            "LOCAL_RESPONSE_NORMALIZATION",
            (image,),
            (image,),
            ("LocalResponseNormalizationOptions", {"radius": 1, "bias": 1.0, "alpha": 1.0, "beta": 0.5}),
        ),
    ]


def plain() -> list[Probed]:
    """Return the operators without weights."""
    return [*_unary(), *_binary(), *_reductions(), *_shapes(), *_spaces(), *_others()]


def weighted() -> list[Probed]:
    """Return operators with weights."""
    stride = {"strideW": 1, "strideH": 1, "padding": 1, "dilationWFactor": 1, "dilationHFactor": 1}
    bias = Operand((4,), "bias")
    image = _x(1, 4, 4, 4)
    return [
        Probed(
            "FULLY_CONNECTED", (_x(1, 8), Operand((4, 8), "weights"), bias), (_x(1, 4),),
            ("FullyConnectedOptions", {"asymmetricQuantizeInputs": 1}),
        ),
        Probed("CONV_2D", (image, Operand((4, 2, 2, 4), "weights"), bias), (_x(1, 3, 3, 4),), ("Conv2DOptions", stride)),
        Probed(
            "DEPTHWISE_CONV_2D", (image, Operand((1, 2, 2, 4), "weights", channels=3), bias), (_x(1, 3, 3, 4),),
            ("DepthwiseConv2DOptions", {**stride, "depthMultiplier": 1}),
        ),
        Probed(
            "TRANSPOSE_CONV", (_constant((1, 5, 5, 4)), Operand((4, 2, 2, 4), "weights"), image, bias), (_x(1, 5, 5, 4),),
            ("TransposeConvOptions", {"strideW": 1, "strideH": 1, "padding": 1}),
        ),
        Probed(
            "CONV_3D", (_x(1, 3, 3, 3, 4), Operand((2, 2, 2, 4, 4), "weights", channels=4), bias), (_x(1, 2, 2, 2, 4),),
            ("Conv3DOptions", {**stride, "strideD": 1, "dilationDFactor": 1}),
        ),
        Probed("EMBEDDING_LOOKUP", (_constant((0, 2)), Operand((4, 8), "weights")), (_x(2, 8),)),
    ]  # fmt: skip


def conversions() -> list[tuple[str, str, str, Options | None]]:
    """Return operator, dtype that is taken, dtype that is given, and options, of the operators that convert one dtype to another."""
    numbers = {
        "float32": 0,
        "float16": 1,
        "int32": 2,
        "uint8": 3,
        "int64": 4,
        "bool": 6,
        "int16": 7,
        "int8": 9,
        "float64": 10,
        "uint32": 15,
    }
    grid, real = ("int4", "int8", "uint8", "int16"), ("float32", "float16")
    found: list[tuple[str, str, str, Options | None]] = [
        ("CAST", one, other, ("CastOptions", {"inDataType": numbers[one], "outDataType": numbers[other]}))
        for one in numbers
        for other in numbers
    ]
    found += [("QUANTIZE", one, other, ("QuantizeOptions", {})) for one in (*real, *grid, "int32") for other in grid]
    found += [("DEQUANTIZE", one, "float32", ("DequantizeOptions", {})) for one in ("float16", *grid)]
    return found
