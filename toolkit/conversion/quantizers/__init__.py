"""Engines that quantize, one file each. A scheme says which of them can make it, and what each is told for it.

A quantizer is a module with

    FORMAT                      of the artifacts that it makes, a file of toolkit/conversion/converters
    ENGINE                      the environment that it runs in
    TAKES                       "artifact" (the float artifact of its format) or "saved_model" (the canonical form: it converts anew)
    CALIBRATES                  whether it runs a calibration set by itself; else it is given the ranges of the activations
    FALLBACK                    whether it is asked only where the others can not
    quantize(request) -> dict   writes out/model<SUFFIX>; returns what the file really holds, as a converter does, "keeps" with it

Inputs of the request: `model`, and for a calibrated scheme `ranges` (JSON: {"tensors": {name: [low, high]}}, names as in the float artifact), or
`calibration` (shards) for one that CALIBRATES. Options: `scheme`; `told`, what the scheme's file tells this quantizer; `granularity` of
weights ("per_channel" or "per_tensor"); `inputs` and `outputs`, the dtypes that an application feeds and gets; `keep_float`
{"tensors": [glob patterns of output tensors' names], "operators": [names as the format has them, as CONV_2D]}.
What it cannot do it refuses with Unconvertible that names operator and scheme; what it leaves out in silence is found in the file and is a finding.
"""
