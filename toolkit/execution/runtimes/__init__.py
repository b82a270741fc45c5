"""Engines that run a model, one file each, as on the device.

A runtime is a module with

    FORMATS                             names of the artifact formats that it runs
    ENVIRONMENT                         the name of the environment that has its engine
    load(model, options) -> Loaded      `options`: "threads", "signature" (a key or null), "kernels" ("default", "builtin", "reference")
    tap(model, options) -> Tapped       optional: the same model on the same kernels; its intermediate tensors can be read
    extremes(model, options, *, values) -> Extremes
                                        optional, with a tap: the same model; its tensors' extremes come faster than reading the tensors
    KERNELS                             optional, for one that runs on a device only: the runtime that has the same kernels on this machine, and whose
                                        environment is ENVIRONMENT; None where none has them
    EDGES                               optional: the dtypes that its models may take and give; numpy's names. A file with others is rewritten if its
                                        format can be (REWRITES in toolkit/conversion/converters), else refused
    compile(model, options, folder) -> None
                                        optional, of an engine that compiles for long when a model runs first: writes what it compiles of the
                                        model, whatever the samples, to an empty folder. `load` gets a folder with the same content, only to be read,
                                        as options["compiled"]. Of a model that cannot run it writes nothing: `load` says why
    unread(model) -> (name, ...)        optional: the tensors that no tap can read (bodies of loops, gates of a fused LSTM)
    STANDS_IN                           optional, of a runtime whose devices are never such a machine as this one: what runs it here in place of the
                                        device's processor, in words; nothing that it takes here is timed
    arena(model, signature, arena_bytes) -> ArenaProbe
                                        optional, of a runtime that runs a model in one block of memory: what came of one call in a block of so many
                                        bytes, None for one that is large enough (`toolkit.engines.tflite.micro_arena.ArenaProbe`)
    ARENA_STEP_BYTES                    with `arena`: by how many bytes the sizes of such blocks differ at least
    LEAST_SOFTMAX_STEP                  optional: the product of beta and scale of an integer softmax that its kernel aborts on, and on all below
    LACKS_DTYPES                        optional: dtypes that none of its tensors may have, as TFLite's schema names them in small letters
    LOOKS_UP_USED                       optional: whether it looks up only the operators that a graph has, not all that a file names, so that a model
                                        without an operator says nothing of what it has
    in_turn() -> InTurn                 optional, of a runtime that takes long to start: its `load(model, options)` gives a model that is ready until
                                        the next one is; `open()` starts what they run in if it does not run, and raises where it cannot;
                                        `close()` ends it
    PROBED_WITH                         optional: the launcher's options that its tables of capabilities are of; with others it has none
    STEPS                               optional, of a runtime with a delegate, whose KERNELS run the model without it: {stage: kernels}, the
                                        delegate's runs in order, each compared with the one before it; "kernels" has these values only
    ESTIMATE                            of a runtime whose delegate nothing executes, for a launcher that is STATIC: the module whose
                                        `estimate(request)` returns what the delegate would take of inputs["model"], as `Delegated`

`Loaded.call` takes and gives {name: array} for one sample, by signature name, with exactly the dtypes and shapes of `Loaded.signature`
(JSON as in `toolkit.tensors.signature`); `engine` is the name and version that really ran. Exceptions of the engine are passed on unchanged.
"""
