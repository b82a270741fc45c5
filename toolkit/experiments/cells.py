"""The cells of a sweep: each variant of each scheme with each calibration set, and the jobs that make and run it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.conversion.artifacts import Conversions
from toolkit.errors import RequestError
from toolkit.jobs.graph import Goal
from toolkit.jobs.job import Engine, Job, Output
from toolkit.pipeline.model import Model
from toolkit.pipeline.stages import kernels_of, without_artifact
from toolkit.pipeline.variants import untried
from toolkit.profiles.recipe import Recipe, Variant

if TYPE_CHECKING:
    from toolkit.profiles import Target


@dataclass(frozen=True, slots=True)
class Cell:
    """One future row: a variant, and the calibration set that it is made with."""

    target: Target
    variant: Variant
    size: int | None
    made: Job
    run: Job


def conversions_by_size(model: Model, sizes: Iterable[int]) -> dict[int | None, Conversions]:
    """Return the conversions by number of calibration samples: with the first so many, or with the whole set (None)."""
    calibration = model.conversions.calibration
    if calibration is None:
        return {None: model.conversions}
    found: dict[int | None, Conversions] = {}
    for size in sizes:
        found[size] = model.conversions.calibrated_with(_first(calibration, size))
    return found or {None: model.conversions}


def _first(samples: Output, count: int) -> Output:
    if count < 1:
        raise RequestError(f"--size {count}: expected a number of calibration samples, 1 or more")
    engine = Engine("dataset")
    job = Job(
        f"taking the first {count} samples",
        "wire.subset",
        "first",
        engine,
        {"count": count},
        inputs={"samples": samples},
    )
    return job.output("samples")


def cells_of(
    model: Model, target: Target, recipes: Sequence[Recipe], sized: Mapping[int | None, Conversions]
) -> list[Cell]:
    """Return a cell for each variant of each recipe, and for each calibration set if the variant needs one."""
    cells: list[Cell] = []
    for recipe in recipes:
        variants = recipe.variants(target.format)
        left = untried(model, recipe, target.format)
        variants = [variant for variant in variants if not variant.fallback and variant not in left] or variants
        for calibrated, sets in ((False, {None: model.conversions}), (True, sized)):
            some = [variant for variant in variants if (variant.needs is not None) is calibrated]
            for size, conversions in sets.items():
                cells += [_cell(model, target, each, size, conversions) for each in some]
    return cells


def _cell(model: Model, target: Target, variant: Variant, size: int | None, conversions: Conversions) -> Cell:
    made = conversions.artifact(variant, target.format)
    run = model.run(model.conversions.file(made, target.format), kernels_of(target))
    return Cell(target, variant, size, made, run)


def common_goal(model: Model, target: Target) -> Goal:
    """Return the goal that every row of a target depends on."""
    return Goal([model.samples, model.canonical, *without_artifact(model, target.format)], ())


def goals_of(model: Model, cells: Sequence[Cell]) -> list[Goal]:
    """Return the cells as goals, one for each target, scheme, quantizer, need and size.

    If one cell reaches a limit, the others of its goal would too.
    """
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        name = (cell.target.name, cell.variant.recipe.scheme, cell.variant.quantizer, cell.variant.needs, cell.size)
        groups.setdefault(name, []).append(cell)
    return [
        Goal(
            common_goal(model, group[0].target).vital,
            [job for cell in group for job in (cell.made, cell.run)],
            [job for cell in group for job in (cell.made, cell.run)],
        )
        for group in groups.values()
    ]
