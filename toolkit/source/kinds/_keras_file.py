"""Inspects and loads models of the kind `keras_file`, in a worker.

The version in the file decides which Keras reads it, and not a trial: of two that read it without an error, one may read it wrong. tf-keras always
runs the code of Lambda layers in an `.h5` file, so the configuration is searched for such code first.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from toolkit import printable
from toolkit.errors import InvalidSource
from toolkit.findings import Finding
from toolkit.source.loading import DEFAULT_KEY, Inspected, LoadedOriginal, VariableRow
from toolkit.source.loading.builder import build
from toolkit.source.loading.keras_models import store, stored_arrays
from toolkit.source.loading.keras_models.config import (
    brief,
    endings,
    layers_of,
    parts_of,
    signature,
    written_by,
)
from toolkit.source.loading.keras_models.file import BUILDER, KerasFile, read
from toolkit.source.loading.keras_models.optimized import needed
from toolkit.source.loading.keras_models.original import KerasOriginal, call_once, is_keras
from toolkit.source.loading.keras_models.refusal import CODE, Refusal
from toolkit.source.loading.keras_models.vetting import refusals
from toolkit.source.loading.keras_models.weights import holds_all_of, restore, weights_original
from toolkit.wire.request import Request

_SUFFIX = {"zip": ".keras", "hdf5": ".h5"}
_RECURRENCES = {"LSTM", "GRU", "SimpleRNN"}
_OBJECTS = f"what the file names and Keras has not comes from {BUILDER}"
_TRUST = f"{BUILDER} the model, so that this file is its weights alone; or, if you trust its author, give --trust"
_SHOWN = 8


def inspect(request: Request) -> Inspected:
    """As `toolkit.source.kinds.keras_file.inspect`."""
    file = read(request.options["path"], request.inputs["file"])
    told, named = signature(file.config), refusals(file.config)
    variables, others = _variables(file)
    return {
        "kind": "keras_file",
        "writer": written_by(file.version),
        "loader": ", else ".join(name for _, name in _loaders(file)) or "none here",
        "layers": len(layers_of(file.config)),
        "signatures": [{"key": DEFAULT_KEY, **told}] if told else [],
        "endings": {DEFAULT_KEY: endings(file.config)} if told else {},
        "settled": False,
        "operators": [],
        "variables": variables,
        "needs": [printable.line(each) for each in _needs(file, request.options["builder"] is not None)],
        "findings": [
            each.to_json()
            for each in (*_code(file), *_reaching(file, named), *_custom(file, named), *_loops(file), *others)
        ],
    }


def _variables(file: KerasFile) -> tuple[list[VariableRow], list[Finding]]:
    """Return the model's variables, and a finding about other content, or about weights that take too long to unpack."""
    packed = store.packed_weights(file.path, file.file)
    if packed is not None:
        message = f"its weights are packed, and unpack to {packed:,} bytes: they are not looked into; Keras stores them unpacked"
        return [], [Finding("packed-weights", "info", message)]
    with store.variables_file(file.path, file.file) as opened:
        arrays = stored_arrays.stored(opened)
        return stored_arrays.variables(arrays), stored_arrays.others(arrays)


def load(request: Request) -> LoadedOriginal:
    """As `toolkit.source.kinds.keras_file.load`."""
    file = read(request.options["path"], request.inputs["file"])
    store.require_whole(file.path, file.file)
    inputs, custom = None, set[str]()
    if request.options["builder"] is not None:
        before = _registered()
        built = build(request)
        if built.model is not None:
            return weights_original(request, built, file.file)
        custom = {*built.custom_objects, *(_registered() - before)}
        _make_known(built.custom_objects)
        inputs = built.inputs
    _refuse(file, custom, request.options["trust"])
    model, name, findings = _loaded(file)
    covered = None
    if not holds_all_of(model, file.path, file.file):  # Keras 3 silently leaves a model unbuilt if it cannot build it
        call_once(model, inputs)
        covered = restore(model, file.path, file.file, request.options["allow_unrestored"])
    original = KerasOriginal(model, name, inputs)
    original.findings += findings
    original.coverage = covered
    return original


def _refuse(file: KerasFile, custom: set[str], trust: bool) -> None:  # noqa: FBT001 (as it was requested)
    """Raise InvalidSource for refused names of a configuration; `custom` are the builder's names."""
    if file.code:
        (finding,) = _code(file)
        raise InvalidSource(f"{file.path}: {finding.message}", _needs(file, built=False)[0])
    found = refusals(file.config, custom)
    if unsafe := [one for one in found if not one.trusted and not one.missing]:
        raise InvalidSource(
            _listed(f"{file.path}: is not loaded:", unsafe), f"{BUILDER} the model; this file is then its weights"
        )
    if (reaching := [one for one in found if one.trusted]) and not trust:
        raise InvalidSource(
            _listed(f"{file.path}: is not loaded, because loading it lets it do that:", reaching), _TRUST
        )
    if missing := [one for one in found if one.missing]:
        hint = next(iter(_needs(file, built=False)), f"{_OBJECTS} {{name: class or function}}")
        raise InvalidSource(
            _listed(f"{file.path}: written by {written_by(file.version)}, cannot be read:", missing), hint
        )


def _listed(first: str, refused: Sequence[Refusal]) -> printable.Text:
    rest = [f"and {len(refused) - _SHOWN} more"] if len(refused) > _SHOWN else []
    return printable.lines([first, *(f"  {one}" for one in (*refused[:_SHOWN], *rest))])


def _registered() -> set[str]:
    """Return the names of classes and functions that are registered with any imported Keras."""
    modules = [sys.modules[package] for package in ("tf_keras", "keras") if package in sys.modules]
    return {name for module in modules for name in module.utils.get_custom_objects()}


def _loaders(file: KerasFile) -> list[tuple[str, str]]:
    """Return (package, name and version) of each Keras here that can read the file, the likeliest first."""
    here = []
    for package, distribution in (("tf_keras", "tf-keras"), ("keras", "keras")):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            version = importlib.metadata.version(distribution)
            third = package == "keras" and int(version.partition(".")[0]) >= 3
            if third == (file.major >= 3) or (third and file.kind == "hdf5"):
                here.append((third == (file.major >= 3), package, f"{distribution} {version}"))
    return [(package, name) for _, package, name in sorted(here, key=lambda one: not one[0])]


def _loaded(file: KerasFile) -> tuple[Any, str, list[Finding]]:
    """Return the model, the loader's name, and a finding for each loader that failed before it."""
    failed: list[str] = []
    for package, name in _loaders(file):
        keras = importlib.import_module(package)
        try:
            with store.named(file.file, _SUFFIX[file.kind]) as link:
                options = {"safe_mode": True} if file.kind == "zip" or package == "tf_keras" else {}
                model = keras.models.load_model(str(link), compile=False, **options)
        except Exception as error:  # noqa: BLE001 (layers raise any class; the message below has the error)
            traceback.print_exc()
            failed.append(f"{name}: {brief(error)}")
            continue
        if not is_keras(model):
            raise InvalidSource(f"{file.path}: {name} reads a {type(model).__name__} from it; expected a model")
        findings = [Finding("loader-failed", "info", f"{name} reads it; {one}") for one in failed]
        return model, name, findings
    if not failed:
        raise InvalidSource(
            f"{file.path}: was written by {written_by(file.version)}, and the Keras of this environment is older",
            "name an interpreter that has Keras 3: --python source=/path/to/python",
        )
    said = f"{file.path}: written by {written_by(file.version)}, cannot be read:"
    problem = printable.lines([said, *(f"  {one}" for one in failed)])
    hint = f"{_OBJECTS} {{name: class or function}}"
    raise InvalidSource(problem, next(iter(_needs(file, built=False)), hint))


def _make_known(objects: Any) -> None:
    """Register classes and functions with every Keras here, until the end of this job."""
    for package in ("tf_keras", "keras"):
        if importlib.util.find_spec(package) is not None:
            importlib.import_module(package).utils.get_custom_objects().update(objects)


def _code(file: KerasFile) -> list[Finding]:
    if not file.code:
        return []
    message = f"Lambda layer {', '.join(file.code)}: holds Python code, which runs where it is loaded; it is not loaded"
    return [Finding("lambda", "error", message, names=tuple(file.code))]


def _reaching(file: KerasFile, found: Sequence[Refusal]) -> list[Finding]:
    """Return a finding about what a build refuses without --trust, and one about what it always refuses."""
    trusted = [str(one) for one in found if one.trusted]
    unsafe = [str(one) for one in found if not one.trusted and not one.missing and not (CODE in one.what and file.code)]
    findings = []
    if trusted:
        message = f"{', '.join(trusted)}; a build refuses it without --trust"
        findings.append(Finding("reaches-outside", "error", message, names=tuple(trusted)))
    if unsafe:
        message = f"{', '.join(unsafe)}; it is not loaded"
        findings.append(Finding("unsafe-configuration", "error", message, names=tuple(unsafe)))
    return findings


def _custom(file: KerasFile, refused: Sequence[Refusal]) -> list[Finding]:
    """Return the finding about names that Keras lacks, with their places in the file."""
    found, missing = list(file.custom), [one for one in refused if one.missing]
    if not found and not missing:
        return []
    told = [str(one) for one in missing] or [f"is made of {', '.join(found)}, which Keras has not"]
    message = f"{', '.join(told)}: a builder gives it"
    return [Finding("custom-objects", "info", message, names=tuple(found))]


def _loops(file: KerasFile) -> list[Finding]:
    """Return the finding about recurrences that stay loops, which have no ranges; an LSTM of Keras 2 becomes one operator instead."""
    loops = _RECURRENCES if file.major >= 3 else _RECURRENCES - {"LSTM"}
    found = [
        f"{part['config'].get('name')} ({part['class_name']})"
        for part in parts_of(file.config)
        if part["class_name"] in loops and isinstance(part.get("config"), dict) and not part["config"].get("unroll")
    ]
    if not found:
        return []
    message = (
        f"{', '.join(found)}: stays a loop, and what is inside a loop cannot be static int8 or int16; with unroll=True it can: "
        f"{BUILDER} the model so; this file is then its weights"
    )
    return [Finding("rolled-recurrence", "info", message, names=tuple(found))]


def _needs(file: KerasFile, built: bool) -> list[str]:  # noqa: FBT001
    if built:
        return []
    if file.code:
        return [f"{BUILDER} the model; this file is then its weights"]
    found = list(file.custom)
    optimized = needed(file.path, found)
    if optimized is not None:
        return [optimized]
    if found:
        listed = ", ".join(f'"{name}": {name}' for name in found)
        return [f"{BUILDER} {{{listed}}}, or the model; this file is then its weights"]
    return []
