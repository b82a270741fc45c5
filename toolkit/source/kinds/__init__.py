"""Kinds of saved models, one file each: how to find a model's files, inspect them, and load the model in its own framework.

A source kind is a module with

    TAKES                               frozenset of the options that it takes, named as in `toolkit.source.original.Original`: "builder", ...
    recognize(path) -> bool             whether a path is of this kind; on the host, with the standard library, from names and first bytes
    locate(path, step) -> dict          its files by role, as absolute paths; InvalidSource where one is missing; on the host too
    inspect(request) -> dict            what the files alone tell, without TensorFlow and without running any of it: see below
    load(request) -> LoadedOriginal     the model in its framework, its variables restored

`request.inputs` has the files of `locate` under the same names, and "map" if one was given. `request.options` are JSON:

    path                text             the path as the user gave it, for messages
    builder             null, or {"function": "package.module:function", "file": path or null, "folder": path, "arguments": {name: text}}
    inputs, outputs     {name: tensor}   where the user wants the graph cut; empty: as the model says
    bind                {tensor: text}   values of placeholders
    allow_unrestored    [pattern]        variables that the file need not hold (fnmatch)
    trust               bool             whether operators that reach for files or for Python may run

`inspect` returns

    kind, writer, loader    what wrote it and what will load it, for people: "keras 2.4.0", "tf-keras"
    signatures              as far as the files tell them; a size or shape that they do not tell is null
    settled                 whether the signatures are complete; if not, `load` tells them
    operators               names of all graph operators; [] where the files hold no graph
    variables               [{"name", "dtype", "shape", "size_bytes"}]
    needs                   [text], one for each thing that a build still needs: a builder, inputs and outputs, ...
    findings                [{"code", "severity", "message", ...}]

Signatures are JSON as in `toolkit.tensors.signature`; an unknown size is null, an unknown rank is a shape of null.
`toolkit.source.loading` has what the kinds share.
The host imports every kind to find the one of a path, so `inspect` and `load` of these lie beside them: in `_saved_model` for `saved_model`.
"""
