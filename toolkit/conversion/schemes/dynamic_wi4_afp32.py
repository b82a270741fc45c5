"""Weights int4; activations float32 outside, and int8 with a scale computed at each call inside; depthwise convolutions stay float32."""

WEIGHTS = "int4"
ACTIVATIONS = "float32"
CALIBRATED = False
INPUT_DTYPES = ("float32",)
QUANTIZERS: dict[str, dict[str, object]] = {
    "litert_quantizer": {
        "algorithm_key": "min_max_uniform_quantize",
        "op_config": {
            "weight_tensor_config": {"num_bits": 4, "symmetric": True, "granularity": "CHANNELWISE", "dtype": "INT"},
            "compute_precision": "INTEGER",
            "explicit_dequantize": False,
        },
        "complete": False,
    },
    # Accuracy level 4: the kernel scales activations to int8 at each call.
    "onnxruntime": {"method": "weight_only", "bits": 4, "block_size": 32, "symmetric": False, "accuracy_level": 4},
}
# OSCAR scales the columns of a matrix by what meets them; only here, because of weight_only_wi4 it makes this scheme, and of a static one float.
BY_MOMENTS: dict[str, dict[str, dict[str, object]]] = {"litert_quantizer": {"oscar": {"scaled_by": "OSCAR"}}}
