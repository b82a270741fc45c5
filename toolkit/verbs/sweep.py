"""Make, run and judge every variant of every scheme."""

from __future__ import annotations

from toolkit.experiments import sweep as experiment
from toolkit.experiments.sweep import Asking
from toolkit.experiments.sweep_rows import SweepRow
from toolkit.jobs.executor import Executor
from toolkit.pipeline.prepare import Samples, Sets
from toolkit.source.original import Original
from toolkit.verbs.arguments import Place, Targets, original_of, samples_from, targets_of


def sweep(
    original: Original | Place,
    targets: Targets,
    samples: Samples | None = None,
    asking: Asking | None = None,
    *,
    calibration: Sets = None,
    evaluation: Sets = None,
    executor: Executor | None = None,
) -> list[SweepRow]:
    """Make, run and judge every variant that `asking` selects (None: all), and return a row for each; nothing is written.

    `samples` replace `calibration` and `evaluation`. RequestError for a selection that no target can have; the failure of a single variant is its
    row's `problem`.
    """
    drawn_from = samples_from(samples, calibration, evaluation)
    return experiment.sweep(
        original_of(original), targets_of(targets), drawn_from, asking or Asking(), executor=executor
    )
