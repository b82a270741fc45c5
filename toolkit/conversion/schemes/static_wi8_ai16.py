"""Weights int8 per channel, activations int16 with scales fixed from a representative dataset: near float, for activations of a wide range."""

WEIGHTS = "int8"
ACTIVATIONS = "int16"
CALIBRATED = True
INPUT_DTYPES = ("float32", "int16")
QUANTIZERS: dict[str, dict[str, object]] = {
    "litert_quantizer": {
        "algorithm_key": "min_max_uniform_quantize",
        "op_config": {
            "activation_tensor_config": {
                "num_bits": 16,
                "symmetric": True,
                "granularity": "TENSORWISE",
                "dtype": "INT",
            },
            "weight_tensor_config": {"num_bits": 8, "symmetric": True, "granularity": "CHANNELWISE", "dtype": "INT"},
            "compute_precision": "INTEGER",
            "explicit_dequantize": False,
        },
        "complete": True,
    },
    "converter": {"supported_ops": ["EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8", "TFLITE_BUILTINS"]},
    # Between QuantizeLinear and DequantizeLinear of 16 bits ONNX Runtime computes in float, except products of matrices.
    "onnxruntime": {"method": "static", "weights": "int8", "activations": "uint16", "reduce_range": False},
}
