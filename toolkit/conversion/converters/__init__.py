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
    PACKS                           in place of `convert`: another format, whose finished artifacts this format packs; recipes, quantizers and ranges
                                    are those of that format
    pack(request) -> dict           with PACKS: writes out/model<SUFFIX> from inputs["model"], an artifact of that format, and returns its content.
                                    Options are those of the quantizer that made it, inputs["floats"] is the float artifact that the quantizer took;
                                    without that input, inputs["model"] is a float artifact itself
    calibrate(request) -> dict      optional: writes out/ranges.json from inputs["model"] and inputs["calibration"] (shards) with the engine's
                                    own calibration, for the estimator "converter"; JSON as in toolkit/conversion/quantizers
    inspect(request) -> dict        the content of any file of the format, inputs["model"], in HOST_RUNTIME's environment: {"signatures", "operators",
                                    "tensors", "weights_bytes", "activations" (dtypes of operators' results), "findings"};
                                    also a "scheme" if the dtypes alone do not show it
    rewrite(request) -> dict        optional: writes out/<options["name"]>, the artifact inputs["model"] with inputs and outputs that a runtime takes,
                                    in HOST_RUNTIME's environment; returns its content and what was `done`
                                    (`toolkit.conversion.tflite.rewriting.RewrittenFile`)
    REWRITES                        with rewrite: the dtypes of quantized inputs and outputs that it replaces by float32
    probe_models(request) -> dict   optional: writes out/models.zip, one-operator models that a runtime is asked with what it can run, in
                                    HOST_RUNTIME's environment; returns which is which (`toolkit.engines.tflite.probe_models.Written`)
    about_dtypes(said) -> str | None with probe_models: in short why a runtime refuses the dtypes of a model, None for a message about something else
    lacks_operator(said) -> bool    with probe_models: whether a runtime says that it lacks a builtin operator
    lacks_custom(said) -> bool      with probe_models: whether a runtime says that it lacks a custom operator
    kernels(request) -> dict        optional, in place of probe_models: the kernels that a runtime says it has, in the runtime's own environment
                                    (`toolkit.engines.onnx.kernels.Listed`)

The "uses" of an inspected file are what `toolkit.profiles.capabilities` looks up.
"""
