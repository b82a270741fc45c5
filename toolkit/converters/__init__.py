"""From the canonical SavedModel to an artifact, one file per format.

A converter is a module with

    SUFFIX                      of the artifact's file
    convert(request) -> dict    writes out/model<SUFFIX> from inputs["model"] (and inputs["calibration"], shards, where the scheme is calibrated);
                                options: `scheme`, `inputs` and `outputs` (dtypes). Returns what the file really holds:
                                {"file", "size_bytes", "sha256", "signature", "operators", "tensors", "weights_bytes", "findings"}
"""
