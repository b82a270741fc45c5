"""Engines that quantize, one file each. A scheme says which of them can make it, and with which settings.

A quantizer is a module with

    FORMAT                      the format of its artifacts, a file of toolkit/conversion/converters
    ENGINE                      the environment that it runs in
    TAKES                       "artifact" (the float artifact of its format) or "saved_model" (the canonical form: it converts again)
    CALIBRATES                  whether it runs a calibration set itself; else it gets the ranges of the activations
    FALLBACK                    whether it is used only if the others cannot do it
    quantize(request) -> dict   writes out/model<SUFFIX>; returns the real content of the file, as a converter does, with "keeps"

Inputs of the request: `model`, and for a calibrated scheme `ranges` (JSON: {"tensors": {name: [low, high]}}, names as in the float artifact), or
`calibration` (shards) for one that CALIBRATES. A variant of the scheme's BY_MOMENTS gets `moments` (JSON, as `toolkit.conversion.tflite.moments`
writes it), whether or not the scheme is calibrated. Options: `scheme`; `told`, the scheme's settings for this quantizer; `granularity` of
weights ("per_channel" or "per_tensor"); `inputs` and `outputs`, the dtypes that an application feeds and gets; `keep_float`
{"tensors": [glob patterns of output tensors' names], "operators": [names as the format has them, as CONV_2D]}.
It refuses an impossible request with Unconvertible, which names operator and scheme. A check of the file reports silent omissions as findings.
The host imports each for its constants, so the larger ones have `quantize` in a module beside them: `_onnxruntime` for `onnxruntime`.
"""
