"""A model's signatures, one by one: which are requested, which part of an artifact belongs to each, and the names of their outcomes and folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from toolkit import printable
from toolkit.conversion.artifacts import Artifact
from toolkit.errors import EdgeToolkitError, InvalidSource, RequestError, UnknownName
from toolkit.jobs.executor import Executor
from toolkit.pipeline.attempt import Attempt
from toolkit.source import source
from toolkit.source.original import ALL, Original

Pair = tuple[Original, Artifact]


def each_of(original: Original, executor: Executor) -> tuple[Original, ...]:
    """Return the model once for each requested signature, with that signature alone; unchanged if one or none was named.

    Raise UnknownName for a signature that the model does not have. Raise RequestError for several signatures of a graph that is cut, or together with
    several sizes.
    """
    asked = original.signature
    if asked is None or (isinstance(asked, str) and asked != ALL):
        return (original,)
    if original.cut:
        raise RequestError("--signature: several, and --inputs and --outputs, which cut one; give one of the two")
    known = source.signatures_of(original, executor)
    meant = known if asked == ALL else list(dict.fromkeys(asked))
    for key in meant:
        if key not in known:
            raise UnknownName(f"{original.path}: signature", key, known)
    if len(meant) > 1 and original.sizes:
        raise RequestError(
            "--signature and --shape: several signatures and several sizes at once; give several of one of them"
        )
    if not meant:  # the code that opens the model reports it
        return (replace(original, signature=None),)
    return tuple(replace(original, signature=key) for key in meant)


def paired(
    original: Original, artifacts: Sequence[Artifact], executor: Executor
) -> Pair | Mapping[str, Pair | EdgeToolkitError]:
    """Return the pair of original and artifact, or a pair for each signature. A signature that only one side has gets an error instead.

    If the artifact has one signature and one signature of the model is requested, they form a pair whatever their names: a conversion calls its only
    signature `serving_default`. If the artifact has several, the pairs are of the signatures that the original names, else of all on either side.
    """
    by_key = {str(artifact.signature.key): artifact for artifact in artifacts}
    path, asked = artifacts[0].path, original.signature
    if isinstance(asked, str) and asked != ALL:
        if len(artifacts) > 1 and asked not in by_key:
            raise UnknownName(f"{path}: signature", asked, by_key)
        return original, by_key[asked] if len(artifacts) > 1 else artifacts[0]
    if asked is None and len(artifacts) == 1:
        return original, artifacts[0]
    each = each_of(replace(original, signature=asked or ALL), executor)
    if len(each) == len(artifacts) == 1:
        return each[0], artifacts[0]
    originals = {str(one.signature): one for one in each}
    pairs = {
        key: (one, by_key[key]) if key in by_key else _missing(path, key, by_key) for key, one in originals.items()
    }
    extra = {
        key: _extra(path, key, originals) for key in by_key if key not in originals and not isinstance(asked, tuple)
    }
    return {**pairs, **extra}


def _missing(path: Path, key: str, held: Iterable[str]) -> EdgeToolkitError:
    return InvalidSource(
        f"{path}: signature {key!r} of its original is missing; it has {', '.join(held)}",
        "convert it with all signatures of its original, or name with --signature those that it is to have",
    )


def _extra(path: Path, key: str, known: Iterable[str]) -> EdgeToolkitError:
    return InvalidSource(
        f"{path}: signature {key!r} is extra; its original has {', '.join(known)}",
        "verify it against the model that it is of, or leave it out of the conversion",
    )


def on_its_own(key: str, targets: Iterable[str], judge: Callable[[], Mapping[str, Attempt]]) -> dict[str, Attempt]:
    """Return the outcomes of one of several signatures, by "<key>/<target>". If `judge` raises an error, it is the outcome of every target."""
    try:
        outcomes = judge()
    except EdgeToolkitError as error:
        outcomes = dict.fromkeys(targets, error)
    return {f"{key}/{target}": outcome for target, outcome in outcomes.items()}


def folder_of(key: str) -> str:
    """Return the name of a signature's folder, unique for each key: characters that no file name may have become "%" and two digits."""
    return printable.file_name(key)
