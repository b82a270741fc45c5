"""Kinds of saved models, one file each: how to find its files, to look into them, and to load the model as its own framework does.

A source kind is a module with

    TAKES                               frozenset of what a user may say of it beside its path, by the names of `toolkit.source.original.Original`:
    "builder", "step", "inputs", ...
    recognize(path) -> bool             whether a path is of this kind (on the host: standard library only, a look at names and first bytes)
    locate(path, step) -> dict          the files that make it up, by role, absolute; InvalidSource where one is missing (on the host too)
    inspect(request) -> dict            what the files alone tell, without TensorFlow and without running any of it: see below
    load(request) -> Original           the model in its framework, its variables restored

`request.inputs` has the files of `locate` under the same names, and "map" where one was given. `request.options`, all of them JSON:

    path                text             what the user called it, for messages
    builder             null, or {"function": "package.module:function", "file": path or null, "folder": path, "arguments": {name: text}}
    inputs, outputs     {name: tensor}   where the user wants the graph cut; empty: as the model says
    bind                {tensor: text}   values of placeholders
    allow_unrestored    [pattern]        variables that need no partner (fnmatch)
    trust               bool             whether operators that reach for files or for Python may run

`inspect` returns

    kind, writer, loader    who wrote it, and what will load it, as people call these: "keras 2.4.0", "tf-keras"
    signatures              as the files tell them; a size or a shape that they do not tell is null
    settled                 whether that is all; if not, `load` says what the signatures are
    operators               names of all graph operators; [] where the files hold no graph
    variables               [{"name", "dtype", "shape", "size_bytes"}]
    needs                   [text], one for each thing that a build needs and that is not here: a builder, inputs and outputs, ...
    findings                [{"code", "severity", "message", ...}]

Signatures are JSON as in `toolkit.tensors.signature`; an unknown size is null, an unknown rank is a shape of null.
What kinds have in common is in `toolkit.source.loading`.
"""
