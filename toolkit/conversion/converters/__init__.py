"""From the canonical SavedModel to a float artifact, one file per format.

A converter is a module with

    SUFFIX                          of the artifact's file
    ENGINE                          the environment that it runs in
    is_one(head: bytes) -> bool     whether a file with this beginning is of the format
    HOST_RUNTIME                    the file of toolkit/execution/runtimes that runs the format on this machine
    convert(request) -> dict        writes out/model<SUFFIX>, float32, from inputs["model"]. Returns the real content of the file:
                                    {"file", "size_bytes", "sha256", "signature", "operators", "tensors", "weights_bytes", "findings"},
                                    "keeps" (the scheme that the file keeps), "multiply_accumulates" of one call (null if nothing counts them),
                                    and "endings" (how each output ends, by name; {} if unknown)
    calibrate(request) -> dict      optional: writes out/ranges.json from inputs["model"] and inputs["calibration"] (shards) with the engine's
                                    own calibration, for the estimator "converter"; JSON as in toolkit/conversion/quantizers
    inspect(request) -> dict        the content of any file of the format, inputs["model"], in HOST_RUNTIME's environment: {"signatures", "operators",
                                    "tensors", "weights_bytes", "activations" (dtypes of operators' results), "findings"};
                                    also a "scheme" if the dtypes alone do not show it
"""
