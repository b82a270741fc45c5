"""From the canonical SavedModel to a float artifact, one file per format.

A converter is a module with

    SUFFIX                          of the artifact's file
    ENGINE                          the environment that it runs in
    is_one(head: bytes) -> bool     whether a file that begins so is of the format
    HOST_RUNTIME                    the file of toolkit/execution/runtimes that runs the format on this machine
    convert(request) -> dict        writes out/model<SUFFIX>, float32, from inputs["model"]. Returns what the file really holds:
                                    {"file", "size_bytes", "sha256", "signature", "operators", "tensors", "weights_bytes", "findings"},
                                    "keeps" (the scheme that the file keeps), "multiply_accumulates" of one call (null where nothing counts them),
                                    and "endings" (what each output ends with, by name; {} where nothing tells)
    calibrate(request) -> dict      optional: writes out/ranges.json from inputs["model"] and inputs["calibration"] (shards) with the engine's
                                    own calibration, for the estimator "converter"; JSON as in toolkit/conversion/quantizers
    inspect(request) -> dict        what any file of the format holds, inputs["model"], in HOST_RUNTIME's environment: {"signatures", "operators",
                                    "tensors", "weights_bytes", "activations" (dtypes of what operators give), "findings"};
                                    a "scheme" too, where dtypes alone do not tell by which the file was made
"""
