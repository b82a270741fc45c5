"""Weights int8; activations float32 outside, and int8 with a scale computed at each call inside ("dynamic range")."""

WEIGHTS = "int8"
ACTIVATIONS = "float32"
CALIBRATED = False
INPUT_DTYPES = ("float32",)
QUANTIZERS: dict[str, dict[str, object]] = {
    "litert_quantizer": {
        "algorithm_key": "min_max_uniform_quantize",
        "op_config": {
            "weight_tensor_config": {"num_bits": 8, "symmetric": True, "granularity": "CHANNELWISE", "dtype": "INT"},
            "compute_precision": "INTEGER",
            "explicit_dequantize": False,
            "min_weight_elements": 1024,  # the converter's value: small layers cost accuracy and save little
        },
        # The kernel that quantizes its input at each call reads a scale for each channel, even if there is only one (depthwise_conv.cc).
        "always_per_channel": ["DEPTHWISE_CONV_2D"],
        "complete": True,
    },
    "converter": {},  # it leaves tensors under 1024 elements in float
    # Weights uint8: with int8, ONNX Runtime's ConvInteger takes twice the time, and drifts 7 dB more on MobileNetV2.
    "onnxruntime": {"method": "dynamic", "weights": "uint8"},
}
# OSCAR scales the columns of a matrix by what meets them; only here, because of weight_only_wi8 it makes this scheme, and of a static one float.
BY_MOMENTS: dict[str, dict[str, dict[str, object]]] = {"litert_quantizer": {"oscar": {"scaled_by": "OSCAR"}}}
