"""Kinds of saved models, one file each: how to look into one, and how to bring it to the canonical form.

A source kind is a module with

    recognize(path) -> bool             whether a path is of this kind, by looking at names only (on the host: standard library only)
    inspect(request) -> dict            what it holds, without running any of it: {"signatures": [...], "operators": [...], ...}
    canonicalize(request) -> dict       writes out/saved_model: one signature `serving_default`, static shapes, the user's names

Options of `canonicalize`: `signature` (a key) and `shapes` (by input name, the whole shape of one call; a size or a shape of null is taken from
the samples in inputs["samples"]).
Signatures are JSON as in `toolkit.signature`; an unknown size is null, an unknown rank is a shape of null.
"""
