"""Weights float16, activations float32 (or float16 with a delegate that computes so): half the size."""

WEIGHTS = "float16"
ACTIVATIONS = "float32"
CALIBRATED = False
INPUT_DTYPES = ("float32",)
QUANTIZERS: dict[str, dict[str, object]] = {
    "litert_quantizer": {  # it leaves biases in float32; the converter makes them float16 too
        "algorithm_key": "float_casting",
        "op_config": {
            "weight_tensor_config": {"num_bits": 16, "symmetric": True, "granularity": "TENSORWISE", "dtype": "FLOAT"},
            "compute_precision": "FLOAT",
            "explicit_dequantize": True,
        },
        "complete": True,
    },
    "converter": {"supported_types": ["float16"]},
    "onnxruntime": {"method": "float16"},
}
