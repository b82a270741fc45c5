"""Weights int8 per channel, activations int8 with scales fixed from a representative dataset."""

WEIGHTS = "int8"
ACTIVATIONS = "int8"
CALIBRATED = True
INPUT_DTYPES = ("float32", "int8", "uint8")
QUANTIZERS: dict[str, dict[str, object]] = {
    "mlir": {},
    "litert_quantizer": {
        "algorithm_key": "min_max_uniform_quantize",
        "op_config": {
            "activation_tensor_config": {
                "num_bits": 8,
                "symmetric": False,
                "granularity": "TENSORWISE",
                "dtype": "INT",
            },
            "weight_tensor_config": {"num_bits": 8, "symmetric": True, "granularity": "CHANNELWISE", "dtype": "INT"},
            "compute_precision": "INTEGER",
            "explicit_dequantize": False,
        },
        "complete": True,
    },
    "converter": {"supported_ops": ["TFLITE_BUILTINS_INT8", "TFLITE_BUILTINS"]},
    # Activations uint8: with int8, ONNX Runtime computes Conv, Add and MatMul in float on x86, in twice the time.
    "onnxruntime": {"method": "static", "weights": "int8", "activations": "uint8", "reduce_range": False},
}
# With ONNX Runtime 1.32 on an emulated Haswell, digits have 21 dB with int8 weights, 37 dB with uint8, and 36 dB with 7 bits, which take
# less time; on a processor with VNNI 39, 37 and 36 dB.
WITHIN_16_BITS: dict[str, dict[str, dict[str, object]]] = {
    "onnxruntime": {"uint8 weights": {"weights": "uint8"}, "7-bit weights": {"reduce_range": True}},
}
