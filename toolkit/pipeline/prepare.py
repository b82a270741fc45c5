"""The first steps of every verb: choose the executor, the targets, the model and the samples, and make the missing environments."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import environments, findings, launchers, printable, registry
from toolkit.comparison.output_kinds.declaring import Declared, require_fitting
from toolkit.comparison.task_metrics import canonical
from toolkit.errors import OutsideError, RequestError, UnknownName, all_at_once, gathering
from toolkit.execution.latency import LatencyRequest
from toolkit.execution.run import on_this_machine
from toolkit.jobs.access import refuse_unconfined
from toolkit.jobs.executor import Executor
from toolkit.jobs.job import Engine, Job
from toolkit.jobs.local_executor import LocalExecutor
from toolkit.pipeline.model import Model
from toolkit.pipeline.stages import engine_of
from toolkit.profiles.recipe import Asked, Recipe, is_calibrated
from toolkit.settings import Settings
from toolkit.source import location, source
from toolkit.source.loading_job import TENSORFLOW
from toolkit.source.original import Original

if TYPE_CHECKING:
    from toolkit.profiles import Target

OTHERS = "*"  # in place of a name: the set for every name that has no set of its own
Sets = str | Path | Mapping[str, str | Path] | None


@contextlib.contextmanager
def executing(given: Executor | None, loads: Original | None) -> Iterator[Executor]:
    """Yield the executor that a verb was called with, or a new one with the default settings.

    Raise RequestError if the model that the verb `loads` would run unconfined and is not trusted.
    """
    settings = Settings() if given is None else given.settings
    if loads is not None:
        refuse_unconfined(loads.path, settings.say, trust=loads.trust)
    if given is not None:
        yield given
        return
    with LocalExecutor(settings) as own:
        yield own


@dataclass(frozen=True, slots=True)
class Samples:
    """The sets that calibrate and verify: each is the path of a recipe or of the data itself, or "package.module:function".

    Raise RequestError for a set in memory, for example an array.
    If several signatures are verified, each may have its own sets, by its key. The sets of "*" are for the others.
    `limits` is a file with limits of the lints; it overrides calibration/lint.toml. With `stop_early`, a device that is emulated or slow stops after
    the verdict is certain at the level of its bounds, and skips the other verification samples. `task_metrics` are scored in addition to those that
    the set declares: files of toolkit/comparison/task_metrics, as "top_k_accuracy:k=5", or the user's own functions. `output_kinds` are kinds of
    outputs by name (toolkit/comparison/output_kinds); they override those of the set and of the profile.
    """

    calibration: Sets = None
    evaluation: Sets = None
    limits: Path | None = None
    stop_early: bool = False
    task_metrics: tuple[str, ...] = ()
    output_kinds: Mapping[str, str] = field(default_factory=dict)
    of_several: bool = False

    def __post_init__(self) -> None:
        for role, sets in (("calibration", self.calibration), ("evaluation", self.evaluation)):
            places: Iterable[object] = sets.values() if isinstance(sets, Mapping) else () if sets is None else (sets,)
            for place in places:
                if not isinstance(place, str | Path):
                    problem = f"{role}: is an object of class {type(place).__name__}; expected the path of a set"
                    raise RequestError(
                        problem, "numpy.savez('samples.npz', NAME=array) writes one, NAME the model's input"
                    )
        if self.limits is not None:
            object.__setattr__(self, "limits", Path(self.limits))

    def of(self, name: str) -> tuple[str | None, str | None]:
        """Return the calibration set and the verification set of one name."""
        calibration, evaluation = (
            sets.get(name, sets.get(OTHERS)) if isinstance(sets, Mapping) else sets
            for sets in (self.calibration, self.evaluation)
        )
        return _text_of(calibration), _text_of(evaluation)

    def only(self, name: str) -> Samples:
        """Return these samples with the sets of one name only."""
        calibration, evaluation = self.of(name)
        return replace(self, calibration=calibration, evaluation=evaluation)

    def of_signature(self, key: str) -> Samples:
        """Return the samples of one of several signatures."""
        return replace(self.only(key), of_several=True)

    def require_readable(self, recipes: Sequence[Recipe] = (), *, judges: bool = True) -> None:
        """Raise one RequestError with all errors of the sets that their recipes and file names show.

        This needs no model, so it runs before the model is opened. It also requires a calibration set if one of these `recipes` calibrates, and any
        set at all if `judges` is true.
        """
        from toolkit.samples import dataset, lint_job

        calibrates = any(recipe.is_calibrated for recipe in recipes)
        roles = {role: bool(getattr(self, role)) for role in ("calibration", "evaluation")}
        checks: list[Callable[[], object]] = [
            *(partial(dataset.require_readable, spec) for spec in dict.fromkeys(self._specs())),
            *(partial(canonical, text) for text in self.task_metrics),
            *([partial(lint_job.read_limits, self.limits)] if self.limits is not None else []),
        ]
        if judges or calibrates:
            checks.append(partial(dataset.refuse_no_sets, **roles, must_calibrate=calibrates))
        mistakes: list[RequestError] = []
        for check in checks:
            with gathering(mistakes):
                check()
        if mistakes:
            raise all_at_once(mistakes)

    def _specs(self) -> Iterator[str]:
        for sets in (self.calibration, self.evaluation):
            yield from map(str, sets.values() if isinstance(sets, Mapping) else [sets] if sets else [])

    def said_kinds(self, name: str) -> Declared:
        """Return the declared kinds of outputs: those given here, and those in the recipe of the verification set of that name."""
        from toolkit.samples import dataset

        calibration, evaluation = self.of(name)
        judging = evaluation or calibration
        of_set = {} if judging is None else dataset.recipe(judging).declared.output_kinds
        return Declared(self.output_kinds, of_set, of_several=self.of_several)

    def require_known(self, names: Collection[str]) -> None:
        """Raise UnknownName for a set whose name is none of these names."""
        for flag, sets in (("--calibration", self.calibration), ("--eval", self.evaluation)):
            for name in sets if isinstance(sets, Mapping) else ():
                if name not in (*names, OTHERS):
                    raise UnknownName(f"{flag}: a set for", name, names)


def _text_of(place: str | Path | None) -> str | None:
    return None if place is None else str(place)


def profiles_of(names: Sequence[str]) -> list[Target]:
    """Return the targets' profiles, each once. Raise RequestError if no target is given, UnknownName for an unknown one."""
    from toolkit import profiles  # pydantic and its models take longer to import than the rest of the host

    found = [profiles.runnable(name) for name in dict.fromkeys(names)]
    if not found:
        raise RequestError("no target; expected --target NAME", f"known: {', '.join(profiles.names())}")
    return found


def settled(
    targets: Sequence[str],
    original: Original,
    samples: Samples,
    recipes_of_target: Callable[[Target], list[Recipe]],
    require_places: Callable[[list[str]], None] = lambda _: None,
) -> list[tuple[Target, list[Recipe]]]:
    """Return the targets' profiles, each with the recipes to try for it. No job runs, and the model is not opened.

    Raise one RequestError with all errors in the targets, the recipes, the sets, and the places that `require_places` checks by the targets' names.
    If there are any, the error also covers the path of the model. Otherwise that path is checked when the model is opened.
    """
    mistakes: list[RequestError] = []
    found: list[tuple[Target, list[Recipe]]] = []
    for names in [[name] for name in dict.fromkeys(targets)] or [[]]:
        with gathering(mistakes):
            found += [(profile, recipes_of_target(profile)) for profile in profiles_of(names)]
            _require_files(names[0], found[-1][0])
    with gathering(mistakes):
        samples.require_readable([recipe for _, recipes in found for recipe in recipes])
    with gathering(mistakes):
        require_places([profile.name for profile, _ in found])
    if mistakes:
        with gathering(mistakes):
            location.locate(original)
        raise all_at_once(mistakes)
    return found


def _require_files(given: str, profile: Target) -> None:
    """Raise RequestError, with the name or the path that the user gave, where a file that a profile names does not serve."""
    runtime = profile.runtime
    try:
        launchers.require_files(runtime.launcher, runtime.launcher_options)
    except RequestError as error:
        lines = (f"{given}: runtime: {line}" for line in error.problem.splitlines())
        raise RequestError(printable.lines(lines), error.hint) from error


def require_some_timed(profiles: Sequence[Target], timing: LatencyRequest) -> None:
    """Raise RequestError if latency was asked for and none of the targets is the device itself."""
    if timing.asked and not any(one.verification.timed for one in profiles):
        means = "; ".join(f"{one.name} is {one.verification}" for one in profiles)
        raise RequestError(
            f"--latency: none of the targets is the device itself: {means}",
            "a profile with launcher 'ssh', or the target host",
        )


def make_environments(wanted: Iterable[tuple[Target, Sequence[Recipe]]], settings: Settings) -> None:
    """Make the missing environments for targets with these recipes, several at once. A failure here is reported later, where one is needed."""
    missing: set[str] = set()
    for engine in {engine.name: engine for pair in wanted for engine in _engines(*pair)}.values():
        if not environments.can_be_made(engine.environment):  # its jobs say how to get it
            continue
        if not registry.load("launchers", engine.launcher).ready(engine.environment, engine.options, settings):
            missing.update(launchers.setup_names_of(engine.launcher, engine.environment))
        if environments.find(engine.environment, settings=settings) is None:  # its kernels run on this machine too
            missing.add(engine.environment)
    if missing and not settings.offline:
        with contextlib.suppress(OutsideError):
            launchers.setup(sorted(missing), settings)


def _engines(target: Target, recipes: Sequence[Recipe]) -> Iterator[Engine]:
    """Yield the engines that a target's builds may need: TensorFlow, and those of its runtime, its format, and the quantizers of its schemes."""
    yield TENSORFLOW
    yield engine_of(target)
    converter = registry.load("conversion/converters", target.format)
    yield Engine(converter.ENGINE)
    yield on_this_machine(target.format).engine
    for variant in (variant for recipe in recipes for variant in recipe.variants(target.format)):
        if variant.quantizer is not None:
            yield Engine(registry.load("conversion/quantizers", variant.quantizer).ENGINE)


def open_model(original: Original, executor: Executor) -> source.Source:
    """Open the model. If it was not opened before, TensorFlow is imported meanwhile, because that takes longest of all later steps."""
    executor.expect(TENSORFLOW)
    return source.open_source(original, executor)


def recipes_of(profile: Target, asked: Asked) -> list[Recipe]:
    """Return the recipes to try for a target, in order. Raise RequestError for a request that is not available."""
    if asked.scheme is not None:
        recipes = [asked.of(profile.recipe(asked.scheme))]
    else:  # requests about quantization apply only to the schemes that quantize
        own = [profile.recipe(name) for name in profile.schemes]
        recipes = _with_their_dtypes(profile.name, [_of_scheme(asked, each) for each in own])
    for recipe in recipes:
        profile.require_edges(recipe.inputs, recipe.outputs)
        recipe.variants(profile.format)
    return recipes


def _of_scheme(asked: Asked, recipe: Recipe) -> Recipe:
    """Return a target's recipe with the requested dtypes, and, if its scheme quantizes, with all other requested values."""
    quantizes = registry.load("conversion/schemes", recipe.scheme).QUANTIZERS
    return (asked if quantizes else Asked(inputs=asked.inputs, outputs=asked.outputs)).of(recipe)


def _with_their_dtypes(target: str, recipes: Sequence[Recipe]) -> list[Recipe]:
    """Return the recipes whose schemes allow the requested dtypes. Raise RequestError if there are none."""
    able = [recipe for recipe in recipes if recipe.has_its_dtypes]
    if able:
        return able
    known = {each.scheme: ", ".join(registry.load("conversion/schemes", each.scheme).INPUT_DTYPES) for each in recipes}
    asked = f"inputs {recipes[0].inputs!r} and outputs {recipes[0].outputs!r}"
    each = "; ".join(f"{scheme}: {dtypes}" for scheme, dtypes in known.items())
    raise RequestError(f"{target}: {asked} cannot be had with any of its schemes; known: {each}")


def require_kinds(opened: source.Source, samples: Samples, profiles: Iterable[Target]) -> None:
    """Raise RequestError, with all mistakes, for a declared kind that does not fit its output, or an output that does not exist."""
    said = samples.said_kinds(opened.key)
    of_profiles = [said.of_profile(profile.name, profile.output_kinds) for profile in profiles]
    require_fitting(of_profiles or [said], [spec.to_json() for spec in opened.signature.outputs])


def require_known_outputs(original: Original, samples: Samples, executor: Executor) -> None:
    """Raise RequestError if a kind is declared for an output that none of a model's signatures has."""
    outputs = source.outputs_of(original, executor) if samples.output_kinds else []
    names = {spec.name for spec in outputs}
    strange = {name: kind for name, kind in samples.output_kinds.items() if name not in names}
    require_fitting([Declared(strange)], [spec.to_json() for spec in outputs])


def draw(opened: source.Source, samples: Samples, recipes: Sequence[Recipe]) -> Model:
    """Return the model with its calibration and verification samples, and the jobs that all of these recipes share."""
    from toolkit.samples import dataset, lint_job

    estimated = [recipe for recipe in recipes if is_calibrated(recipe.scheme)]
    must_calibrate = any(recipe.is_calibrated for recipe in recipes)
    samples.require_known([opened.key])
    calibration, evaluation = samples.of(opened.key)
    drawn = dataset.samples_job(calibration, evaluation, opened.signature, must_calibrate=must_calibrate)
    histograms = any(each.needs == "histogram" for recipe in estimated for each in recipe.estimators)
    limits = lint_job.read_limits(samples.limits)
    judging = evaluation or calibration
    declared = () if judging is None else dataset.recipe(judging).task_metrics
    return Model(
        opened,
        drawn,
        calibrates=calibration is not None,
        histograms=histograms,
        limits=limits,
        stops_early=samples.stop_early,
        task_metrics=tuple(dict.fromkeys((*map(canonical, samples.task_metrics), *declared))),
        said_kinds=samples.said_kinds(opened.key),
    )


def refuse_severe(model: Model, executor: Executor, meanwhile: Iterable[Job]) -> None:
    """Raise InvalidSamples if the linter finds that the samples cannot be intended. The jobs of `meanwhile` start at the same time.

    If the samples could not be drawn at all, nothing is raised here. The verdict reports it.
    """
    from toolkit.samples import lint_job

    if model.linted is None:
        return
    executor.begin([model.linted, *meanwhile])
    (looked,) = executor.outcomes([model.linted])
    if looked.error is None:
        lint_job.refuse_severe(findings.read(looked.entry.result["findings"]))
