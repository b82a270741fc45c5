"""Weights int8, converted to float before each operator, which computes in float: a quarter of the size, and not faster."""

WEIGHTS = "int8"
ACTIVATIONS = "float32"
CALIBRATED = False
INPUT_DTYPES = ("float32",)
QUANTIZERS: dict[str, dict[str, object]] = {
    "litert_quantizer": {
        "algorithm_key": "min_max_uniform_quantize",
        "op_config": {
            "weight_tensor_config": {"num_bits": 8, "symmetric": True, "granularity": "CHANNELWISE", "dtype": "INT"},
            "compute_precision": "FLOAT",
            "explicit_dequantize": True,
        },
        "complete": False,
    },
    "onnxruntime": {"method": "weight_only", "bits": 8, "block_size": 32, "symmetric": False, "accuracy_level": 0},
}
