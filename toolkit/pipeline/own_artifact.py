"""The toolkit's own artifact with a foreign artifact's scheme, from the same original: it shows what the foreign one could reach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from toolkit.conversion.artifacts import Artifact
from toolkit.errors import EdgeToolkitError
from toolkit.findings import Finding
from toolkit.jobs.executor import Executor
from toolkit.pipeline.model import Model
from toolkit.pipeline.stages import Chain, Own, kernels_of
from toolkit.pipeline.variants import Candidate, candidates, choose
from toolkit.profiles.recipe import Recipe, is_calibrated

if TYPE_CHECKING:
    from toolkit.profiles import Target


@dataclass(frozen=True, slots=True)
class OwnRecipe:
    """How the toolkit's own artifact is made for a target: the recipe, or the reason why there is none."""

    recipe: Recipe | None
    why: str = ""


def asked(target: Target, artifact: Artifact, *, has_calibration: bool) -> OwnRecipe:
    """Return how the artifact's scheme is made for a target."""
    scheme = artifact.scheme
    if is_calibrated(scheme) and not has_calibration:
        return OwnRecipe(None, f"{scheme} needs a calibration set, but none was given (--calibration)")
    try:
        recipe = Recipe(scheme) if scheme in target.forbids else target.recipe(scheme)
        plain = replace(recipe, inputs="float32", outputs="float32")  # the comparison is in real numbers
        plain.variants(target.format)
    except EdgeToolkitError as error:
        return OwnRecipe(None, error.problem)
    return OwnRecipe(plain)


def recipes_of(wanted: Iterable[OwnRecipe]) -> list[Recipe]:
    """Return the recipes, without the targets that have none."""
    return [each.recipe for each in wanted if each.recipe is not None]


def own_candidates(model: Model, target: Target, wanted: OwnRecipe) -> tuple[Candidate, ...]:
    """Return the variants from which the toolkit's own artifact is chosen; empty without a recipe.

    One that scales weights is not among them: what it reaches is no measure of what a plain conversion does.
    """
    if wanted.recipe is None:
        return ()
    found = candidates(model, wanted.recipe, target.format, kernels_of(target))
    return tuple(one for one in found if one.variant.needs != "moments")


def beside(chain: Chain, among: Iterable[Candidate], why: str, executor: Executor) -> Chain:
    """Return the chain with the toolkit's own artifact as `own`. If there is none, a finding says why, and the verdict does without it."""
    held = list(among)
    try:
        chosen = choose(held, executor) if held else None
    except EdgeToolkitError as error:
        chosen, why = None, error.problem
    if chosen is None:
        return replace(chain, findings=(*chain.findings, _missing(why)))
    return replace(chain, own=Own(chosen.candidate.run, chosen.artifact))


def _missing(why: str) -> Finding:
    message = f"what is achievable is not known, because the toolkit's own artifact of this scheme was not made: {why}"
    return Finding("own-not-made", "info", message)
