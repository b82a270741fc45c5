"""How much worse an answer is than the original's, by what is true: the measure of harm, apart from all that a verdict measures.

A breakage is harmful where one of these falls by more than its limit: 0.02 of accuracy, of the mean recall of all classes (by which a rare class
counts as any other, and one answer is no evidence), of mean IoU, of R2 (of the worst channel), of the share of searches that find their kind; 1 dB
of PSNR, a fifth more error.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Arrays = Mapping[str, np.ndarray]
LIMITS = {"accuracy": 0.02, "mean recall": 0.02, "mean IoU": 0.02, "R2": 0.02, "found": 0.02, "PSNR": 1.0}
TASKS = {
    "digits": "scores", "labels": "labels", "catalog": "labels", "embedding": "search", "autoencoder": "image",
    "segments": "map", "score_map": "score map", "boxes": "boxes", "anchored": "box", "detections": "detections", "landmarks": "real",
    "enlarged": "image", "kelvin": "real", "kelvin_of_sensors": "real", "channels": "real", "four_kinds": "scores",
    "chance": "chance", "yes_or_no": "labels", "rare": "scores", "ratings": "real", "movements": "scores",
    "forecast": "real", "recurrent": "real", "sounds": "scores", "words": "scores",
}  # fmt: skip


def scores_of(
    task: str, answers: Arrays, truth: Arrays, gallery: tuple[np.ndarray, np.ndarray] | None
) -> dict[str, float]:
    """Return how good answers are, by names of LIMITS; NaN in them is as wrong as can be. `gallery`: vectors, and what they are of."""
    name, *others = truth
    answer, true = answers[name], truth[name]
    if task == "search":
        return {"found": searched(answer, true, gallery)}
    if task == "boxes":
        return {"mean IoU": overlap_of_boxes(answer, true)} | classes(answers[others[0]].argmax(-1), truth[others[0]])
    return MEASURES[task](answer, true)


def classes(found: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Return accuracy, and the mean of the classes' recalls."""
    right = found == true
    return {
        "accuracy": float(right.mean()),
        "mean recall": float(np.mean([right[true == one].mean() for one in set(true)])),
    }


def one_answer(task: str, truth: Arrays) -> float:
    """Return what one answer for the rarest class is of the mean recall."""
    true = list(truth.values())[-1]
    _, counts = np.unique(true[:, 4] if task == "detections" else true, return_counts=True)
    return float(1 / counts.min() / len(counts))


def overlap_of_maps(found: np.ndarray, true: np.ndarray) -> float:
    """Return the mean of the classes' intersections over unions, over all pixels."""
    each = [((found == one) & (true == one)).sum() / ((found == one) | (true == one)).sum() for one in np.unique(true)]
    return float(np.mean(each))


def overlap_of_boxes(found: np.ndarray, true: np.ndarray) -> float:
    """Return the mean of the boxes' intersections over unions."""
    low, high = np.maximum(found[:, :2], true[:, :2]), np.minimum(found[:, 2:], true[:, 2:])
    both = np.clip(high - low, 0, None).prod(1)
    areas = [np.clip(each[:, 2:] - each[:, :2], 0, None).prod(1) for each in (found, true)]
    return float(np.mean(both / (sum(areas) - both)))


def searched(found: np.ndarray, true: np.ndarray, gallery: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the share of vectors whose nearest of the original's is of the same kind."""
    vectors, kinds = gallery
    return float((kinds[(found @ vectors.T).argmax(1)] == true).mean())


def real(answer: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Return R2 of the worst channel."""
    error, spread = ((answer - true) ** 2).sum(0), ((true - true.mean(0)) ** 2).sum(0)
    return {"R2": float(np.min(1 - error / spread))}


def detections(answer: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Return how well boxes lie, and whether the larger score is of the right kind."""
    kinds = classes(answer[:, 4:].argmax(-1), true[:, 4].astype(int))
    return {"mean IoU": overlap_of_boxes(answer[:, :4], true[:, :4]), **kinds}


MEASURES = {
    "scores": lambda answer, true: classes(answer.argmax(-1), true),
    "labels": lambda answer, true: classes(answer.astype(int), true),
    "chance": lambda answer, true: classes((answer[:, 0] > 0.5).astype(int), true),
    "map": lambda answer, true: {"mean IoU": overlap_of_maps(answer, true)},
    "score map": lambda answer, true: {"mean IoU": overlap_of_maps(answer.argmax(-1), true)},
    "box": lambda answer, true: {"mean IoU": overlap_of_boxes(answer, true)},
    "detections": detections,
    "image": lambda answer, true: {"PSNR": float(-10 * np.log10(np.mean((answer - true) ** 2)))},
    "real": real,
}


def losses(
    task: str, original: Arrays, answers: Arrays, truth: Arrays, gallery: tuple[np.ndarray, np.ndarray] | None
) -> dict[str, float]:
    """Return by how much of its limit each measure fell; more than 1 is harm. NaN counts as infinite."""
    before, after = (scores_of(task, each, truth, gallery) for each in (original, answers))
    lost = {name: (before[name] - after[name]) / LIMITS[name] for name in before}
    if "mean recall" in lost:
        lost["mean recall"] -= one_answer(task, truth) / LIMITS["mean recall"]
    return {name: float("inf") if np.isnan(value) else value for name, value in lost.items()}
