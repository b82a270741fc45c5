"""The model that everything is compared with: its kind, how it is loaded, which signature is wanted, and the shapes of one call."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from toolkit import printable, registry
from toolkit.errors import EdgeToolkitError, InvalidSource, LimitReached, RequestError, UnknownName, WorkerTimeout
from toolkit.files.foreign import require_plain_tree, require_reachable
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Engine, Job, Output, path_digest
from toolkit.source.loading import DEFAULT_KEY
from toolkit.source.loading.graphs.loops import CODE as ENDLESS_LOOP
from toolkit.source.loading.operators import ADVICE, REACHES_OUTSIDE, UNKNOWN_OPERATORS, refuse_reaching
from toolkit.source.loading.own_files import links_out
from toolkit.tensors import shapes
from toolkit.tensors.shapes import Shape
from toolkit.wire.user_function import EXPECTED, SPELLING

TENSORFLOW = Engine("tensorflow")
ALL = "all"  # in place of a signature's key: each of them, one after the other
SOURCE = "source"  # the environment of a training project, which the user may name: there its model is loaded, run and exported
# Looking into a model parses files: it does not wait for TensorFlow to be imported.
_READER = Engine("tensorflow", preload=False)
_NOT_NUMBERS = ("string", "resource", "variant")
_OF_ALL_KINDS = ("open_", "canonicalize", "run")
_LISTED = 8
_TIMES_READ = 8  # a builder's code that is still not settled after so many looks changes while it is looked at

Device = Literal["cpu", "gpu"]
Files = dict[str, Path | Job | Output]


@dataclass(frozen=True, slots=True)
class Original:
    """The model that is handed in, as one says it on the command line.

    `signature` is a key of it, or several, or "all" of them, where a verb takes more than one; `shapes` the shape of one call of inputs whose
    sizes it leaves open; `sizes` several of them, where one artifact is to take each. `builder` ("package.module:function" or
    "file.py:function", called with `builder_args`) makes the model whose variables a checkpoint or a file of weights holds; `step` chooses among
    checkpoints; `map` is a TOML file of variables that are called otherwise there. `inputs` and `outputs` ({name: tensor}) cut a graph, `bind`
    gives values to its placeholders. `allow_unrestored` are patterns of variables that may be left without partner; `trust` lets operators run
    that reach for files, Python or the network, and lets the model run where nothing confines it. `device` is what the original itself runs on.
    """

    path: Path
    signature: str | tuple[str, ...] | None = None
    shapes: Mapping[str, Sequence[int]] | None = None
    builder: str | None = None
    builder_args: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    step: int | None = None
    inputs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    outputs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    bind: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    map: Path | None = None
    allow_unrestored: Sequence[str] = ()
    trust: bool = False
    device: Device = "cpu"
    sizes: tuple[Mapping[str, Sequence[int]], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        if self.map is not None:
            object.__setattr__(self, "map", Path(self.map))

    @property
    def given(self) -> set[str]:
        """The names of what was given that only some kinds of models take."""
        names = ("builder", "step", "inputs", "outputs", "bind", "map", "allow_unrestored")
        return {name for name in names if getattr(self, name) or getattr(self, name) == 0}

    @property
    def cut(self) -> bool:
        """Whether a graph is to begin and end elsewhere than its signature does."""
        return bool(self.inputs or self.outputs)

    @property
    def loads(self) -> bool:
        """Whether more is given than a path, so that only loading tells whether it fits."""
        return bool(self.builder or self.cut or self.bind)


@dataclass(frozen=True, slots=True)
class Source:
    """A model as it was handed in, with one signature chosen.

    `signature` is JSON: names, dtypes, and shapes as the model declares them, the batch (a first size left open) set to 1; sizes that are
    still null are taken from the samples. Where several sizes were declared they are those of one of them, `size` is what messages call it, and
    `canonical` are the shapes of the canonical form, open in what differs from size to size. `files` and `options` are what each job that loads it is
    asked; `coverage` tells which variables were restored; `lacking` are the findings that TFLite has not the arithmetic of this signature.
    """

    path: Path
    kind: str
    sha256: str
    writer: str
    loader: str
    key: str
    signature: Mapping[str, Any]
    files: Mapping[str, Path]
    options: Mapping[str, Any]
    engine: Engine
    device: Device
    coverage: Mapping[str, Any] | None
    findings: tuple[Mapping[str, Any], ...]
    canonical: Mapping[str, Shape] | None = None
    size: str = ""
    lacking: tuple[Mapping[str, Any], ...] = ()

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of one call by input."""
        return _by_name(self.signature["inputs"])

    @property
    def growth(self) -> int:
        """How many times as much one call holds as one with 1 for each size that the canonical form leaves open."""
        return 1 if self.canonical is None else shapes.growth(self.canonical, self.shapes)

    @property
    def open_shapes(self) -> bool:
        """Whether some size of an input is known from the samples only."""
        return any(spec["shape"] is None or None in spec["shape"] for spec in self.signature["inputs"])


def inspect_source(original: Original, executor: Executor) -> dict[str, Any]:
    """Return what a model's files say of it, without running any of it; with a builder, or tensors to cut at, also what loading says."""
    if original.loads:
        executor.expect(_engine(executor))
    kind, files = locate(original)
    inspected = _inspect(original, kind, files, executor)
    if original.loads:
        opened = _open(original, kind, files, executor)
        inspected = {**inspected, **_without_code(opened), "settled": True, "needs": []}
        inspected["findings"] = [*inspected["findings"], *opened["findings"]]
    elif inspected.get("flat") and any(map(_of_strings, inspected["signatures"])):
        keys = [one["key"] for one in inspected["signatures"] if _of_strings(one)]
        cut = _cut_behind_strings(original, kind, files, keys[0], executor)  # whose graph is looked at, and not run
        inspected["needs"] = [*inspected["needs"], *([cut] if cut else [])]
    return {**{name: said for name, said in inspected.items() if name != "flat"}, "sha256": _digest(files)}


def open_source(original: Original, executor: Executor) -> Source:
    """Return the source with its signature chosen and its batch fixed; raise where the choice is not clear or a name is wrong."""
    kind, files, inspected, opened = _look(original, executor)
    chosen = _choose(original.path, opened["signatures"], None if original.cut else original.signature)
    _refuse_strings(original, kind, files, chosen, executor)
    inputs = _fixed(chosen["inputs"], original.shapes or {}, original.path)
    declared = _declared(original, chosen["inputs"])
    return Source(
        path=original.path,
        kind=kind,
        sha256=_digest(files),
        writer=inspected["writer"],
        loader=opened["loader"],
        key=chosen["key"],
        signature={**chosen, "inputs": inputs},
        files=files,
        options=_options(original, kind, executor) | {"code": opened.get("code", {})},
        engine=_engine(executor),
        device=original.device,
        coverage=opened.get("coverage"),
        findings=(
            *_about_others(original, opened["signatures"], chosen),
            *_found_by_loading(inspected, opened),
            *_about_loops(inspected),
        ),
        canonical=shapes.left_open(declared) if declared else None,
        size=shapes.label(_by_name(chosen["inputs"]), declared, _by_name(inputs)) if declared else "",
        lacking=tuple(_lacking(inspected, chosen["key"])) if not original.cut else (),
    )


def signatures_of(original: Original, executor: Executor) -> list[str]:
    """Return the keys of all signatures that the model has, in their order."""
    *_, opened = _look(original, executor)
    return [signature["key"] for signature in opened["signatures"]]


def outputs_of(original: Original, executor: Executor) -> list[Mapping[str, Any]]:
    """Return the outputs (JSON of specs) of all signatures that the model has, one of each name."""
    *_, opened = _look(original, executor)
    return list({spec["name"]: spec for signature in opened["signatures"] for spec in signature["outputs"]}.values())


def said_of_limit(error: EdgeToolkitError, source: Source, what: str) -> EdgeToolkitError:
    """Return the error as it is, but a limit that was reached with the model and `what` of it was made or run: a stage, a scheme, a verb.

    Where the model's files tell of a loop that cannot end, this is said before all else.
    """
    if not isinstance(error, LimitReached):
        return error
    name = source.path.name
    problem = (
        error.problem if f" {name}:" in error.problem else printable.together(f"{what} of {name}: ", error.problem)
    )
    loops = [finding["message"] for finding in source.findings if finding["code"] == ENDLESS_LOOP]
    hints = [*(loops if isinstance(error, WorkerTimeout) else []), error.hint]
    return type(error)(problem, printable.lines(filter(None, hints), between="\n        ") or None)


def canonical_job(source: Source, samples: Output | None) -> Job:
    """Return the job that writes the canonical SavedModel, `saved_model` under its output; sizes left open are those of the samples."""
    inputs: Files = dict(source.files)
    if source.open_shapes:
        if samples is None:
            names = ", ".join(
                spec["name"] for spec in source.signature["inputs"] if spec["shape"] is None or None in spec["shape"]
            )
            raise InvalidSource(
                f"{source.path}: leaves sizes of {names} open", "give them with --shape NAME=1,8,8, or give samples"
            )
        inputs["samples"] = samples
    options = {**source.options, "signature": source.key, "shapes": dict(source.canonical or source.shapes)}
    return _job(
        f"preparing {source.path.name} for conversion", "canonicalize", source.path, options, inputs, source.engine
    )


def reference_job(source: Source, samples: Output, *, device: Device, first: int | None = None) -> Job:
    """Return the job that runs the original model over the samples, all of them or the `first` so many, and measures its own noise."""
    options = {**source.options, "signature": source.key, "device": device, "first": first}
    title = f"running the original {source.path.name}" + (" on a GPU" if device == "gpu" else "")
    return _job(title, "run", source.path, options, {**source.files, "samples": samples}, source.engine)


def _look(original: Original, executor: Executor) -> tuple[str, dict[str, Path], Mapping[str, Any], Mapping[str, Any]]:
    """Return kind and files of a model, what its files say of it, and what loading says where that is needed; refuse one that reaches outside."""
    executor.prepare(_engine(executor))  # what is wrong with an interpreter that the user named is said at once
    executor.expect(_engine(executor))
    kind, files = locate(original)
    inspected = _inspect(original, kind, files, executor)
    _refuse_reaching(original, inspected)
    opened = inspected if inspected["settled"] else _open(original, kind, files, executor)
    return kind, files, inspected, opened


def _refuse_reaching(original: Original, inspected: Mapping[str, Any]) -> None:
    """Raise InvalidSource where a model reaches outside and is not trusted; that TensorFlow lacks an operator of it is said with that."""
    said = {finding["code"]: finding["message"] for finding in inspected["findings"]}
    if REACHES_OUTSIDE not in said or original.trust:
        return
    lines = [f"{original.path}: {said[REACHES_OUTSIDE].rpartition('; ')[0]}: running it lets it do that"]
    lines += [f"{original.path}: {message}" for code, message in said.items() if code == UNKNOWN_OPERATORS]
    needed = [need for need in inspected["needs"] if need.startswith("--python source=")]
    raise InvalidSource(printable.lines(lines), "; ".join((ADVICE, *needed)))


def locate(original: Original) -> tuple[str, dict[str, Path]]:
    """Return the kind of a model and the files that it consists of, by their names alone; RequestError where there is none, or options do not fit."""
    path = original.path
    require_reachable(path)
    kinds = [name for name in registry.names("source/kinds") if registry.load("source/kinds", name).recognize(path)]
    if not kinds:
        if not path.exists():
            near = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
            close = difflib.get_close_matches(path.name, near, n=1)
            raise RequestError(
                f"{path}: no such file or folder"
                + (f"; did you mean {str(path.parent / close[0])!r}?" if close else "")
            )
        known = ", ".join(registry.names("source/kinds"))
        raise InvalidSource(
            f"{path}: not a saved model of a known kind; known: {known}",
            "a SavedModel is a folder with saved_model.pb in it, a checkpoint a prefix with .index and .data files, Keras files end in .keras or .h5",
        )
    plugin = registry.load("source/kinds", kinds[0])
    for name in sorted(original.given - plugin.TAKES):
        flag = f"--{name.replace('_', '-')}"
        takes = ", ".join(f"--{one.replace('_', '-')}" for one in sorted(plugin.TAKES)) or "no such option"
        raise RequestError(f"{flag}: {path} is a {kinds[0]}, which does not take it; it takes {takes}")
    files = dict(plugin.locate(path, original.step))
    for folder in filter(Path.is_dir, files.values()):  # before their content is looked at, which may lie anywhere
        refuse_reaching(path, links_out(folder), original.trust)
        require_plain_tree(folder)
    if original.map is not None:
        if not original.map.is_file():
            raise RequestError(f"--map {original.map}: no such file")
        files["map"] = original.map.absolute()
    return kinds[0], files


def _inspect(original: Original, kind: str, files: Mapping[str, Path], executor: Executor) -> dict[str, Any]:
    options = _options(original, kind, executor)
    job = _job(f"inspecting {original.path.name}", "inspect", original.path, options, files, _READER)
    (entry,) = executor.run(job)
    return dict(entry.result)


def _open(original: Original, kind: str, files: Mapping[str, Path], executor: Executor) -> dict[str, Any]:
    """Return what loading the model tells; with a builder, only as long as the files that it consisted of then are the same now.

    Which files these are only running it tells; so each answer names them, and what is asked next time is keyed by what they hold now.
    """
    options = _options(original, kind, executor)
    code: dict[str, str] = {}
    title = f"loading {original.path.name}"
    for _ in range(_TIMES_READ):
        job = _job(title, "open_", original.path, options | {"code": code}, files, _engine(executor))
        (entry,) = executor.run(job)
        said: dict[str, str] = entry.result["code"]
        now = {path: path_digest(Path(path)) if Path(path).is_file() else "" for path in said}
        if now == said:
            return dict(entry.result)
        code = now
    raise RequestError(f"builder {original.builder}: the files that it reads change while it is run")


def _options(original: Original, kind: str, executor: Executor) -> dict[str, Any]:
    """Return what every job that loads the model is asked."""
    may = original.builder or original.trust
    allowed = executor.settings.permissions.of_user_code() if may else {}
    return {
        **allowed,
        "kind": kind,
        "builder": _builder(original),
        "inputs": dict(original.inputs),
        "outputs": dict(original.outputs),
        "bind": dict(original.bind),
        "cut_signature": _key_to_cut(original) if original.cut else None,
        "allow_unrestored": list(original.allow_unrestored),
        "trust": original.trust,
    }


def _key_to_cut(original: Original) -> str | None:
    if isinstance(original.signature, tuple):
        raise RequestError(
            "--signature: several at once, and --inputs and --outputs, which cut one; give one of the two"
        )
    return original.signature


def _builder(original: Original) -> dict[str, Any] | None:
    if original.builder is None:
        if original.builder_args:
            raise RequestError("--builder-arg: without --builder nothing takes it")
        return None
    if SPELLING.fullmatch(original.builder) is None:
        raise RequestError(f"--builder {original.builder!r}: {EXPECTED}")
    place = original.builder.rpartition(":")[0]
    file = Path(os.path.abspath(place)) if place.endswith(".py") else None
    if file is not None and not file.is_file():
        raise RequestError(f"--builder {original.builder}: no such file {place}")
    return {
        "function": original.builder,
        "file": str(file) if file else None,
        "folder": str(file.parent if file else Path.cwd()),
        "arguments": dict(original.builder_args),
    }


def _job(
    title: str,
    call: str,
    path: Path,
    options: Mapping[str, Any],
    inputs: Mapping[str, Any],
    engine: Engine,
) -> Job:
    kind = options["kind"]
    plugins = (f"source.kinds.{kind}",)
    module = "source.reference" if call in _OF_ALL_KINDS else f"source.kinds.{kind}"
    user_code = options["builder"] is not None and call != "inspect"
    notes = {"path": str(path)}
    return Job(title, module, call, engine, options, dict(inputs), plugins, notes=notes, user_code=user_code)


def _engine(executor: Executor) -> Engine:
    """Return where a model is loaded: the training environment that the user named, else the toolkit's TensorFlow."""
    return Engine(SOURCE) if SOURCE in executor.settings.pythons else TENSORFLOW


def _digest(files: Mapping[str, Path]) -> str:
    """Return the hash of all that a model consists of: of the one folder or file, or of several by their roles."""
    if len(files) == 1:
        return path_digest(next(iter(files.values())))
    digests = {role: path_digest(path) for role, path in sorted(files.items())}
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def _lacking(inspected: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [one for one in inspected["findings"] if one["code"] == "no-arithmetic" and key in one["signatures"]]


def _found_by_loading(inspected: Mapping[str, Any], opened: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [] if inspected["settled"] else [*opened["findings"], *_about_coverage(opened["coverage"])]


def _about_loops(inspected: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return that a loop cannot end, which a model's files tell whether or not it is loaded."""
    return [finding for finding in inspected["findings"] if finding["code"] == ENDLESS_LOOP]


def _about_others(
    original: Original, signatures: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the finding that names signatures which nobody asked for; none for a second name of the same, as Keras gives it."""
    ends = [{"inputs": one["inputs"], "outputs": one["outputs"]} for one in signatures]
    own = {"inputs": chosen["inputs"], "outputs": chosen["outputs"]}
    others = [str(one["key"]) for one, its in zip(signatures, ends, strict=True) if its != own]
    if not others or original.signature is not None:
        return []
    message = (
        f"this is about signature {chosen['key']}; the model also has {', '.join(others)}: --signature all takes each"
    )
    return [{"code": "other-signatures", "severity": "info", "message": message, "names": others}]


def _about_coverage(coverage: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    if coverage is None or not coverage["unrestored"]:
        return []
    names = coverage["unrestored"]
    some = ", ".join(names[:_LISTED])
    message = (
        f"{len(names)} variables have no value in the file and keep what the builder gave them, as allowed: {some}"
    )
    return [{"code": "unrestored-variables", "severity": "warning", "message": message, "names": names}]


def _without_code(opened: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in opened.items() if name not in ("code", "findings", "operators")}


def _refuse_strings(
    original: Original, kind: str, files: Mapping[str, Path], chosen: Mapping[str, Any], executor: Executor
) -> None:
    """Refuse a signature that takes or gives what is no number, and say where its graph could be cut."""
    wrong = _of_strings(chosen)
    if not wrong:
        return
    hint = "export a signature that starts after the part that reads strings"
    if not original.loads and hasattr(registry.load("source/kinds", kind), "propose"):
        hint = _cut_behind_strings(original, kind, files, chosen["key"], executor) or hint
    spec = wrong[0]
    raise InvalidSource(
        f"{original.path}: {spec['name']!r} of signature {chosen['key']!r} is of dtype {spec['dtype']}, which no device's runtime takes as input",
        hint,
    )


def _of_strings(signature: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [spec for spec in (*signature["inputs"], *signature["outputs"]) if spec["dtype"] in _NOT_NUMBERS]


def _cut_behind_strings(
    original: Original, kind: str, files: Mapping[str, Path], key: str, executor: Executor
) -> str | None:
    """Return the flags that cut a signature behind the part that reads strings; None where no such place is known."""
    options = _options(original, kind, executor) | {"signature": key}
    job = _job(
        f"looking where to cut {original.path.name}", "propose", original.path, options, files, _engine(executor)
    )
    (entry,) = executor.run(job)
    if not entry.result["inputs"]:
        return None
    return "cut its graph behind the part that reads strings: " + _flags(entry.result)


def _flags(cut: Mapping[str, Mapping[str, str]]) -> str:
    """Return the cut as one says it on the command line."""
    return " ".join(
        f"--{side} {','.join(f'{name}={tensor}' for name, tensor in cut[side].items())}"
        for side in ("inputs", "outputs")
    )


def _choose(path: Path, signatures: list[dict[str, Any]], wanted: str | tuple[str, ...] | None) -> dict[str, Any]:
    by_key = {signature["key"]: signature for signature in signatures}
    if not by_key:
        raise InvalidSource(
            f"{path}: has no signature",
            "save it with tf.saved_model.save(model, path, signatures=...), or with model.export(path)",
        )
    if isinstance(wanted, tuple) or (wanted == ALL and ALL not in by_key):
        known = ", ".join(by_key)
        raise RequestError(f"--signature: several of {path} at once; expected one of {known} here")
    if wanted is not None and wanted not in by_key:
        raise UnknownName(f"{path}: signature", wanted, by_key)
    if wanted is None and DEFAULT_KEY not in by_key and len(by_key) > 1:
        raise InvalidSource(
            f"{path}: has the signatures {', '.join(by_key)}, but none is called {DEFAULT_KEY}",
            "choose one with --signature",
        )
    chosen = by_key[wanted or (DEFAULT_KEY if DEFAULT_KEY in by_key else next(iter(by_key)))]
    if not chosen["outputs"]:
        raise InvalidSource(f"{path}: signature {chosen['key']!r} has no outputs")
    return chosen


def _fixed(specs: Sequence[Mapping[str, Any]], shapes: Mapping[str, Sequence[int]], path: Path) -> list[dict[str, Any]]:
    """Return the inputs with the shapes of one call; UnknownName for a shape of an input that is none, RequestError for one that does not fit."""
    names = [spec["name"] for spec in specs]
    for name in shapes:
        if name not in names:
            raise UnknownName(f"{path}: input", name, names)
    return [{**spec, "shape": _one_call(spec, shapes.get(spec["name"]), path)} for spec in specs]


def _declared(original: Original, specs: Sequence[Mapping[str, Any]]) -> list[dict[str, Shape]]:
    """Return the shapes of each declared size; RequestError where a verb takes one, where one leaves something open, and for one that comes twice."""
    if not original.sizes:
        return []
    declared = [_by_name(_fixed(specs, each, original.path)) for each in original.sizes]
    for number, asked in enumerate(declared):
        left = [name for name, shape in asked.items() if shape is None or None in shape]
        if left:
            raise RequestError(
                f"{original.path}: several sizes are declared, and those of {', '.join(left)} are left open",
                "declare the shapes of all inputs whose sizes the model leaves open: --shape NAME=1,8,8",
            )
        if asked in declared[:number]:
            raise RequestError(f"--shape: {dict(original.sizes[number])} is declared twice; declare each size once")
    if not original.shapes:
        raise RequestError("--shape: several sizes of one input; expected one here")
    return declared


def _by_name(specs: Sequence[Mapping[str, Any]]) -> dict[str, Shape]:
    return {spec["name"]: spec["shape"] for spec in specs}


def _one_call(spec: Mapping[str, Any], given: Sequence[int] | None, path: Path) -> Shape:
    declared: Shape = spec["shape"]
    if given is not None:
        fits = declared is None or (
            len(declared) == len(given)
            and all(size in (None, asked) for size, asked in zip(declared, given, strict=True))
        )
        if not fits:
            raise RequestError(
                f"{path}: input {spec['name']!r} is declared as {declared}, which the shape {list(given)} does not fit"
            )
        return list(given)
    if declared and declared[0] is None:
        return [1, *declared[1:]]
    return declared
