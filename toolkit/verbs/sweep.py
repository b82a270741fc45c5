"""Every variant of every scheme, made, run and judged."""

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
    """Make, run and judge every variant that `asking` means (None: all), and return a row for each; nothing is written.

    `samples` stand in place of `calibration` and `evaluation`. RequestError for what no target can have; what goes wrong with one variant is
    its row's `problem`.
    """
    drawn_from = samples_from(samples, calibration, evaluation)
    return experiment.sweep(
        original_of(original), targets_of(targets), drawn_from, asking or Asking(), executor=executor
    )
