"""Weights int4, converted to float before each operator, which computes in float; depthwise convolutions stay float32."""

WEIGHTS = "int4"
ACTIVATIONS = "float32"
CALIBRATED = False
INPUT_DTYPES = ("float32",)
QUANTIZERS: dict[str, dict[str, object]] = {
    "litert_quantizer": {
        "algorithm_key": "min_max_uniform_quantize",
        "op_config": {
            "weight_tensor_config": {"num_bits": 4, "symmetric": True, "granularity": "CHANNELWISE", "dtype": "INT"},
            "compute_precision": "FLOAT",
            "explicit_dequantize": True,
        },
        "complete": False,
    },
    # Only products of matrices, in blocks of 32 along their inner axis; accuracy level 0 computes in the activations' own float32.
    "onnxruntime": {"method": "weight_only", "bits": 4, "block_size": 32, "symmetric": False, "accuracy_level": 0},
}
